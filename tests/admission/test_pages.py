"""The gate's pages and the API, over HTTP."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from shanmen.admission import queries
from shanmen.admission.api import routes as api
from shanmen.admission.pages import routes as pages
from shanmen.db.session import Database
from shanmen.kit import ids
from shanmen.kit.settings import Settings
from shanmen.sites.access import DEPENDENCIES, login_address
from shanmen.sites.pages import routes as sites_pages
from shanmen.sites.service import apikeys, staff
from shanmen.web.plugin import WebConfig, WebPlugin
from tests.admission.conftest import CHIEF, Gates
from tests.sites.conftest import Browser, asgi
from tests.support.park import PASSWORD, PASSWORD_HASH


@pytest.fixture(scope="module")
def app(database: Database) -> Litestar:
    return Litestar(
        route_handlers=[*api.routes, *pages.routes, *sites_pages.routes],
        plugins=[WebPlugin(WebConfig(secret=b"s" * 32, login=login_address))],
        dependencies=dict(DEPENDENCIES),
        state=State({"database": database, "settings": Settings()}),
    )


@pytest.fixture
async def team(gates: Gates) -> None:
    """A guard, and a supervisor."""
    for login, role in (("gao", "gate"), ("zhou", "manager"), ("sun", "seller")):
        await gates.unit(CHIEF)(
            staff.create_staff,
            login=login,
            name=login.title(),
            role_code=role,
            password_hash=PASSWORD_HASH,
        )


class Guard(Browser):
    """Somebody at the gate: signs in, scans as the page's script does."""

    gates: Gates
    token: str = ""

    async def begin(self, gates: Gates, login: str = "gao") -> "Guard":
        self.gates = gates
        answer = await self.sign_in(f"{login}@{gates.park.code}", PASSWORD)
        assert answer.status_code == 303, answer.text
        return self

    async def open(self, lane: object | None = None) -> httpx.Response:
        shown = await self.get(f"/gate/{lane or self.gates.east}")
        found = re.search(r'data-csrf="([^"]+)"', shown.text)
        assert found, shown.text[:500]
        self.token = found[1]
        return shown

    async def send(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.http.post(
            f"/gate/{self.gates.east}/{path}",
            json=json.loads(json.dumps(body, default=str)),
            headers={"x-csrf-token": self.token, "accept": "application/json"},
        )

    async def scan(self, code: str, **more: object) -> dict[str, Any]:
        answer = await self.send("scan", {"scan_id": ids.new_id(), "code": code, **more})
        assert answer.status_code < 300, answer.text
        return dict(answer.json())


@pytest.fixture
async def guard(app: Litestar, gates: Gates, team: None) -> AsyncIterator[Guard]:
    opened = await Guard(app).begin(gates)
    await opened.open()
    yield opened
    await opened.http.aclose()


async def today(gates: Gates, **kind: Any) -> Any:
    """A ticket that is valid at this moment: pages ask the real clock."""
    return await gates.ticket(starts=-48, ends=48, **kind)


async def test_choosing_a_lane_and_remembering_it(guard: Guard, gates: Gates) -> None:
    shown = await guard.get("/gate")
    assert f"/gate/{gates.west}" in shown.text
    assert "Continue at East gate · Lane" in shown.text
    scanner = await guard.open()
    assert "'wasm-unsafe-eval'" in scanner.headers["content-security-policy"]
    assert scanner.cookies.get("gate_lane") or guard.http.cookies.get("gate_lane")
    unknown = await guard.get(f"/gate/{ids.new_id()}")
    assert unknown.status_code == 404


async def test_scanning_as_the_page_does(guard: Guard, gates: Gates) -> None:
    made = await today(gates, kind="family")
    first = await guard.scan(made.code, persons=2)
    assert (first["kind"], first["word"], first["persons"], first["persons_left"]) == (
        "admit", "Admit", 2, 1,
    )  # fmt: skip
    assert first["names"] == ["张**"] * 3
    assert (await guard.scan(made.code))["persons"] == 1
    used = await guard.scan(made.code)
    assert (used["kind"], used["reason"]) == ("refuse", "all_in")
    assert used["sentence"].startswith("All 3 persons are in; the last entered at ")
    state = (await guard.get(f"/gate/{gates.east}/state")).json()
    assert state["counts"] == {"entered": 3, "left": 0, "inside": 3, "refused": 1}
    assert [one["kind"] for one in state["last"]] == ["refuse", "admit", "admit"]


async def test_bad_scans_name_the_field(guard: Guard, gates: Gates) -> None:
    for body, field in (
        ({"scan_id": "x", "code": "a"}, "scan_id"),
        ({"scan_id": ids.new_id(), "code": "a", "persons": 0}, "persons"),
        ({"scan_id": ids.new_id(), "code": "a" * 601}, "code"),
        ({"scan_id": ids.new_id(), "code": "  "}, "code"),
    ):
        answer = await guard.send("scan", body)
        assert answer.status_code in {400, 422}, answer.text
        assert field in json.dumps(answer.json())
    async with gates.database.transaction(gates.park.tenant_id) as session:
        assert (await queries.board(session, lane_id=gates.east)).last == ()


async def test_without_the_token_nothing_is_decided(guard: Guard, gates: Gates) -> None:
    made = await today(gates)
    guard.token = "wrong"
    answer = await guard.send("scan", {"scan_id": ids.new_id(), "code": made.code})
    assert answer.status_code == 403
    assert (await gates.row(made.id)).persons_entered == 0


async def test_a_guard_needs_a_supervisor_to_override(guard: Guard, gates: Gates) -> None:
    made = await today(gates)
    await guard.scan(made.code)
    used = await guard.scan(made.code)
    path = f"scans/{used['scan_id']}/override"
    wish = {"persons": 1, "reason": "went out for the bag"}
    for login, password, status in (
        ("", "", 403),
        ("gao", PASSWORD, 403),
        ("zhou", "a wrong password", 401),
    ):
        answer = await guard.send(path, {**wish, "login": login, "password": password})
        assert answer.status_code in {status, 422}, answer.text
    assert (await gates.row(made.id)).persons_entered == 1
    answer = await guard.send(path, {**wish, "login": "zhou", "password": PASSWORD})
    assert (answer.json()["kind"], answer.json()["sentence"]) == ("admit", "Let in by Zhou (zhou)")
    assert (await gates.row(made.id)).persons_entered == 2
    # The supervisor does not stay signed in on the guard's device.
    assert (await guard.get("/console/lanes")).status_code == 403


async def test_undoing_by_a_supervisor(app: Litestar, gates: Gates, team: None) -> None:
    chief = await Guard(app).begin(gates, "zhou")
    await chief.open()
    made = await today(gates)
    admitted = await chief.scan(made.code)
    answer = await chief.send(f"scans/{admitted['scan_id']}/undo", {"reason": "barrier"})
    assert answer.json()["kind"] == "undone"
    assert (await gates.row(made.id)).persons_entered == 0
    assert (await chief.scan(made.code))["kind"] == "admit"
    await chief.http.aclose()


async def test_a_seller_and_a_stranger_stay_out(app: Litestar, gates: Gates, team: None) -> None:
    seller = await Guard(app).begin(gates, "sun")
    assert (await seller.get("/gate")).status_code == 403
    stranger = Browser(app)
    sent = await stranger.get("/gate")
    assert (sent.status_code, sent.headers["location"]) == (303, "/console/login?next=%2Fgate")
    for browser in (seller, stranger):
        await browser.http.aclose()


async def test_without_javascript(guard: Guard, gates: Gates) -> None:
    made = await today(gates)
    page = f"/gate/{gates.east}"
    shown = await guard.get(page)
    hidden = re.search(r'name="scan_id" value="([^"]+)"', shown.text)
    assert hidden
    sent = {"scan_id": hidden[1], "code": made.number}
    for _ in range(2):
        answer = await guard.post(f"{page}/check", sent, on=page)
        assert answer.status_code == 200
        assert "verdict-admit" in answer.text
    assert (await gates.row(made.id)).persons_entered == 1
    empty = await guard.post(f"{page}/check", {"scan_id": ids.new_id().hex, "code": ""}, on=page)
    assert empty.status_code == 422
    assert "Nothing was scanned." in empty.text
    undo = {"scan_id": hidden[1], "action": "undo", "reason": "barrier"}
    refused = await guard.post(f"{page}/correct", undo, on=page)
    assert refused.status_code == 403
    done = await guard.post(
        f"{page}/correct", {**undo, "login": "zhou", "password": PASSWORD}, on=page
    )
    assert "verdict-undone" in done.text
    assert (await gates.row(made.id)).persons_entered == 0


async def test_the_lanes_of_the_console(app: Litestar, gates: Gates, team: None) -> None:
    chief = await Guard(app).begin(gates, "zhou")
    path = "/console/lanes"
    new = {"entrance_id": gates.park.entrance_id, "name-zh": "团队通道", "direction": "both"}
    assert (await chief.post(path, new)).status_code == 303
    assert "团队通道" in (await chief.get(path)).text
    missing = await chief.post(path, {**new, "name-zh": ""})
    assert missing.status_code == 422
    closed = await chief.post(f"{path}/{gates.east}/close", on=path)
    assert closed.status_code == 303
    assert "Lane closed" in (await chief.get(f"/gate/{gates.east}")).text
    await chief.post(f"{path}/{gates.east}/open", on=path)
    renamed = await chief.post(
        f"{path}/{gates.east}", {"name-zh": "一号", "name-en": "One", "direction": "in"}
    )
    assert renamed.status_code == 303
    rules = {"grace_before_minutes": 20, "grace_after_minutes": 10, "repeat_seconds": 9}
    assert (await chief.post("/console/gate-rules", rules, on=path)).status_code == 303
    wrong = await chief.post("/console/gate-rules", {**rules, "repeat_seconds": -1}, on=path)
    assert wrong.status_code == 422
    policy = await gates.unit()(queries.policy_of, site_id=gates.park.site_id)
    assert (policy.grace_before_minutes, policy.repeat_seconds) == (20, 9)
    await chief.http.aclose()


@pytest.fixture
async def client(app: Litestar, gates: Gates) -> AsyncIterator[httpx.AsyncClient]:
    key = await gates.unit(CHIEF)(
        apikeys.create_key,
        name="Turnstile",
        channel="gate",
        permissions=["admission.scan", "admission.override"],
    )
    headers = {"authorization": f"Bearer {key.secret}", "accept-language": "en"}
    async with httpx.AsyncClient(
        transport=asgi(app), base_url="http://test", headers=headers
    ) as opened:
        yield opened


async def test_the_api(client: httpx.AsyncClient, gates: Gates) -> None:
    made = await today(gates)
    lanes = (await client.get("/api/v1/lanes")).json()["lanes"]
    assert str(gates.east) in {lane["id"] for lane in lanes}
    scan = {"scan_id": str(ids.new_id()), "lane_id": str(gates.east), "code": made.code}
    first = await client.post("/api/v1/admissions", json=scan)
    assert (first.status_code, first.json()["outcome"], first.json()["staff"]) == (
        200, "admitted", "Turnstile",
    )  # fmt: skip
    assert (await client.post("/api/v1/admissions", json=scan)).json() == first.json()
    # With a key of its own the framework answers, and without it the direct route.
    for headers in ({}, {"idempotency-key": "another"}):
        forged = {**scan, "code": "SM1FORGED"}
        clash = await client.post("/api/v1/admissions", json=forged, headers=headers)
        assert (clash.status_code, clash.json()["code"], clash.json()["field"]) == (
            422, "kit.idempotency_mismatch", "scan_id",
        )  # fmt: skip
    again = {**scan, "scan_id": str(ids.new_id())}
    refused = (await client.post("/api/v1/admissions", json=again)).json()
    assert (refused["reason"], refused["params"]["place"]["en"]) == ("already_used", "East gate")
    assert refused["sentence"].startswith("Already used at ")
    path = "/api/v1/admissions/" + refused["scan_id"]
    wrong = await client.post(f"{path}/override", json={"persons": 1, "reason": " "})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "reason")
    over = await client.post(f"{path}/override", json={"persons": 1, "reason": "guide"})
    assert over.json()["override_by"] == "Turnstile"
    undone = await client.post(f"{path}/undo", json={"reason": "barrier"})
    assert undone.json()["undone_by"] == "Turnstile"
    assert (await client.get(path)).json() == undone.json()
    assert (await client.get(f"/api/v1/admissions/{ids.new_id()}")).status_code == 404
    lost = await client.post("/api/v1/admissions", json={**again, "lane_id": str(ids.new_id())})
    assert lost.json()["code"] == "kit.idempotency_mismatch"


async def test_a_batch_over_the_api(client: httpx.AsyncClient, gates: Gates) -> None:
    made = await today(gates)
    scans = [
        {"scan_id": str(ids.new_id()), "lane_id": str(lane), "code": made.code}
        for lane in (gates.east, ids.new_id(), gates.west)
    ]
    answer = await client.post("/api/v1/admissions/batch", json={"scans": scans})
    outcomes = answer.json()["outcomes"]
    assert [one["scan_id"] for one in outcomes] == [scan["scan_id"] for scan in scans]
    assert outcomes[0]["decision"]["outcome"] == "admitted"
    assert outcomes[1]["problem"]["code"] == "admission.lane_unknown"
    assert outcomes[2]["decision"]["reason"] == "already_used"
    none = await client.post("/api/v1/admissions/batch", json={"scans": []})
    assert none.status_code in {400, 422}


async def test_the_api_needs_the_permission(app: Litestar, gates: Gates) -> None:
    made = await today(gates)
    key = await gates.unit(CHIEF)(
        apikeys.create_key, name="OTA", channel="ota", permissions=["orders.read"]
    )
    scan = {"scan_id": str(ids.new_id()), "lane_id": str(gates.east), "code": made.code}
    async with httpx.AsyncClient(transport=asgi(app), base_url="http://test") as stranger:
        for headers, status in (({}, 401), ({"authorization": f"Bearer {key.secret}"}, 403)):
            answer = await stranger.post("/api/v1/admissions", json=scan, headers=headers)
            assert answer.status_code == status
    assert (await gates.row(made.id)).persons_entered == 0
