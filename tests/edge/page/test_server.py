"""The guard's page over the wire."""

import asyncio
import json
import stat

import pytest
from msgspec import structs

from shanmen.edge.page import access
from shanmen.edge.page.access import Access
from shanmen.edge.page.http import MOST_CONNECTIONS, MOST_OF_ONE, Server
from shanmen.edge.states import CannotBeDone, Unresolved
from shanmen.kit import clock, ids
from tests.edge.page.conftest import Guard
from tests.edge.standin_agent import LANES
from tests.support.patience import PATIENCE_SECONDS

ACTIONS = [
    "/scan",
    "/override",
    "/undo",
    "/correct",
    "/lane",
    "/emergency",
    "/count",
    "/sync",
    "/logout",
]


async def test_a_stranger_sees_the_sign_in_alone(guard: Guard):
    page = await guard.ask("GET", "/")
    assert page.status == 200
    assert 'id="pin"' in page.body.decode()
    assert (await guard.ask("GET", "/events")).status == 401


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_stranger_can_do_nothing(guard: Guard, path):
    said = await guard.post(path, {"on": True, "lane": LANES[0], "open": True})
    assert said.status == 401
    guard.cookie = "shanmen_guard=TGk.99999999999." + "0" * 64
    assert (await guard.post(path, {"on": True})).status == 401
    assert [call[0] for call in guard.agent.calls if call[0] != "report"] == []


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
async def test_another_page_can_do_nothing(guard: Guard, origin):
    await guard.sign_in()
    said = await guard.post("/emergency", {"on": True}, origin=origin)
    assert said.status == 403
    assert guard.agent.named("emergency") == []


async def test_nobody_opens_a_gate_by_a_link(guard: Guard):
    await guard.sign_in()
    assert (await guard.ask("GET", "/emergency?on=true")).status == 404


async def test_the_policy_forbids_scripts_in_the_page(guard: Guard):
    await guard.sign_in()
    page = await guard.ask("GET", "/")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    text = page.body.decode()
    assert "style=" not in text
    assert "onclick" not in text
    assert "{{" not in text


async def test_wrong_pins_are_limited(guard: Guard):
    wrong = "0" * 6 if guard.pin != "0" * 6 else "1" * 6
    for _ in range(access.TRIES):
        assert (await guard.post("/login", {"pin": wrong, "name": "x"})).status == 403
    said = await guard.post("/login", {"pin": guard.pin, "name": "x"})
    assert said.status == 429
    assert "set-cookie" not in said.headers


async def test_many_addresses_cannot_lock_out_the_own_screen(tmp_path):
    page = Access.load(tmp_path)
    for number in range(access.TRIES_OF_ALL):
        page.check("wrong", peer=f"10.0.0.{number}")
    assert not page.may_try("10.0.1.1")
    assert page.may_try("127.0.0.1")


async def test_a_shift_ends_and_the_pin_is_kept(tmp_path):
    first = Access.load(tmp_path)
    cookie = first.cookie("李 Li")
    again = Access.load(tmp_path)
    assert again.pin == first.pin
    assert again.who(cookie) == "李 Li"
    assert stat.S_IMODE((tmp_path / access.FILE).stat().st_mode) == 0o600
    with clock.at(clock.now()) as time:
        time.advance(access.SHIFT_SECONDS + 1)
        assert again.who(cookie) is None
    assert again.who(cookie + "0") is None
    assert Access.load(tmp_path / "..").who(cookie) is None
    (tmp_path / ".." / access.FILE).unlink()


async def test_a_scan_by_hand(guard: Guard):
    await guard.sign_in()
    said = await guard.scan("P3", ids.new_id(), persons=2)
    assert said.status == 200
    answer = said.json
    assert (answer["kind"], answer["persons"], answer["persons_left"]) == ("admit", 2, 1)
    assert (answer["word"], answer["type"], answer["sentence"]) == ("请进", "成人票", "还可入园1人")
    assert guard.agent.named("opened")


async def test_a_refusal_is_explained_in_both_languages(guard: Guard):
    await guard.sign_in()
    scan_id = ids.new_id()
    chinese = (await guard.scan("X", scan_id)).json
    assert chinese["word"] == "止步"
    assert "南门" in chinese["sentence"]
    english = (
        await guard.post(
            "/scan?lang=en",
            json.loads(json.dumps({"scan_id": str(scan_id), "lane": str(LANES[0]), "code": "X"})),
        )
    ).json
    assert english["word"] == "Stop"
    assert english["sentence"].startswith("Already used ")
    assert english["sentence"].endswith("09:12 at South.")
    assert english["tell"]
    assert english["override_allowed"]


async def test_override_and_undo(guard: Guard):
    await guard.sign_in("Wang")
    scan_id = ids.new_id()
    await guard.scan("X", scan_id)
    wish = {"lane": LANES[0], "scan_id": scan_id, "persons": 1, "reason": "late coach"}
    said = (await guard.post("/override", wish)).json
    assert (said["kind"], said["sentence"]) == ("admit", "由Wang放行")
    assert guard.agent.named("override") == [(scan_id, 1, "late coach", "Wang")]
    wish = {"lane": LANES[0], "scan_id": scan_id, "reason": "wrong person"}
    assert (await guard.post("/undo", wish)).json["kind"] == "undone"
    assert guard.agent.named("undo") == [(scan_id, "wrong person", "Wang")]


async def test_what_cannot_be_done_is_said(guard: Guard):
    await guard.sign_in()
    guard.agent.error = CannotBeDone(state="undone")
    said = await guard.scan("A1", ids.new_id())
    assert said.status == 409
    assert "undone" in said.json["title"]


async def test_lane_emergency_sync_and_correction(guard: Guard):
    await guard.sign_in("Wang")
    case = Unresolved(
        scan_id=ids.new_id(),
        lane_id=LANES[0],
        at=0,
        persons=2,
        assumed="entered",
        ticket_number="2611220000000001-0",
    )
    guard.agent.open_cases = [case]
    (shown,) = (await guard.board.state("en")).unresolved
    assert (shown.persons, shown.assumed, shown.entered) == (2, "Counted as entered", True)
    await guard.post("/correct", {"scan_id": case.scan_id, "entered": False})
    assert guard.agent.named("correct") == [(case.scan_id, False, "Wang")]
    await guard.post("/lane", {"lane": LANES[1], "open": False})
    assert guard.agent.named("set_open") == [(LANES[1], False, "Wang")]
    assert (await guard.board.state("zh-CN")).lanes[1].state == "已关闭"
    await guard.post("/emergency", {"on": True})
    assert guard.agent.named("emergency") == [(True, "Wang")]
    await guard.post("/count", {"lane": LANES[1], "persons": 40})
    assert guard.agent.named("counted_by_hand") == [(LANES[1], 40, "Wang")]
    for persons in (0, -3, 1000, "many", None):
        assert (await guard.post("/count", {"lane": LANES[1], "persons": persons})).status == 422
    await guard.post("/sync")
    assert guard.agent.named("sync") == [()]
    assert (await guard.post("/logout")).headers["set-cookie"].startswith("shanmen_guard=;")


@pytest.mark.parametrize(
    "body", [{}, {"scan_id": "x"}, [], {"scan_id": str(LANES[0]), "lane": "no", "code": "A"}]
)
async def test_bad_bodies_are_refused(guard: Guard, body):
    await guard.sign_in()
    assert (await guard.post("/scan", body)).status == 422
    assert guard.agent.named("scan") == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /scan HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", 413),
        (b"POST /scan HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"PUT / HTTP/1.1\r\n\r\n", 405),
        (b"GET /static/../access.py HTTP/1.1\r\n\r\n", 404),
        (b"GET /static/css/console.css HTTP/1.1\r\n\r\n", 404),
        (b"GET /static/css/base.css HTTP/1.1\r\n\r\n", 200),
    ],
)
async def test_the_wire(guard: Guard, data, status):
    assert (await guard.raw(data)).status == status


def test_one_address_cannot_keep_others_out():
    server = Server(lambda _: asyncio.sleep(0))  # type: ignore[arg-type, return-value]
    server._open = {object(): "10.0.0.9" for _ in range(MOST_OF_ONE)}  # type: ignore[misc]
    assert server._too_many("10.0.0.9")
    assert not server._too_many("10.0.0.8")
    server._open = {object(): f"10.0.1.{n}" for n in range(MOST_CONNECTIONS)}  # type: ignore[misc]
    assert server._too_many("10.0.0.8")
    assert not server._too_many("127.0.0.1")


async def test_events_come_at_once_and_on_every_change(guard: Guard):
    await guard.sign_in()
    reader, writer = await asyncio.open_connection("127.0.0.1", guard.port)
    writer.write(
        f"GET /events?lang=en HTTP/1.1\r\nHost: x\r\nCookie: {guard.cookie}\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        await reader.readuntil(b"\r\n\r\n")
        first = json.loads((await reader.readuntil(b"\n\n"))[6:])
        assert [lane["title"] for lane in first["lanes"]] == ["Lane 1", "Lane 2"]
        assert first["place"] == "Yunling · South gate"
        guard.scanners[1].scan("A9")
        second = json.loads((await reader.readuntil(b"\n\n"))[6:])
        assert second["lanes"][1]["last"][0]["kind"] == "admit"
        assert second["lanes"][1]["news"] > first["lanes"][1]["news"]
    writer.close()


async def test_the_state_tells_what_is_wrong(guard: Guard):
    guard.agent.state = structs.replace(
        guard.agent.state,
        connected=False,
        queue=12,
        skew_ms=61_000,
        documents_readable=False,
        battery_percent=15,
        on_mains=False,
    )
    notes = {note.text: note.tone for note in (await guard.board.state("en")).notes}
    assert notes["Deciding alone"] == "warn"
    assert notes["Waiting to be sent: 12"] == "plain"
    assert notes["Clock 61 s off"] == "warn"
    assert notes["Battery 15 % · On battery"] == "bad"
    assert any("Documents cannot be matched" in text for text in notes)
