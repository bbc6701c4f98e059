"""Gates, cases, blocked documents and rules in the console, as people use them."""

import re
from typing import Any

import pytest

from shanmen.admission import queries
from shanmen.admission.api.gates import gates_in
from shanmen.admission.pages import gates as page
from shanmen.kit import clock, ids
from shanmen.sites.queries import site_contexts
from shanmen.sites.service import staff
from shanmen.web.i18n import LOCALES
from tests.admission.conftest import CHIEF
from tests.admission.gatehouse import Gatehouse
from tests.sites.conftest import Browser
from tests.support.park import PASSWORD, PASSWORD_HASH
from tests.support.plain_gate import PlainGate, Refused

CODE = re.compile(r"shanmen gate enrol http\S+ ([0-9A-Z]+-[0-9a-f]{16})")
TAG = re.compile(r"<[^>]*>")
GATES, CASES, BLOCKED, RULES = (
    "/console/gates", "/console/cases", "/console/blocked", "/console/gate-rules",
)  # fmt: skip


async def signed_in(house: Gatehouse, role: str) -> Browser:
    await house.gates.unit(CHIEF)(
        staff.create_staff, login=role, name=role, role_code=role, password_hash=PASSWORD_HASH
    )
    browser = Browser(house.app)
    browser.http.headers["accept-language"] = "zh-CN"
    answer = await browser.sign_in(f"{role}@{house.gates.park.code}", PASSWORD)
    assert answer.status_code == 303
    return browser


async def chief(house: Gatehouse) -> Browser:
    return await signed_in(house, "manager")


async def enrolled(house: Gatehouse, browser: Browser) -> PlainGate:
    """The console's code, run on a gate."""
    form = {"entrance_id": str(house.gates.park.entrance_id), "name": "东门闸机"}
    shown = await browser.post(GATES, form, on=GATES)
    assert shown.status_code == 200
    gate = PlainGate(house.http)
    # What people read: a button to copy the command shows nothing of it, and needs JavaScript.
    await gate.enrol(CODE.search(TAG.sub("", shown.text))[1])
    return gate


async def test_a_gate_from_its_code_to_its_end(house: Gatehouse):
    browser = await chief(house)
    assert (await browser.post(GATES, {"name": "x"}, on=GATES)).status_code == 422
    gate = await enrolled(house, browser)
    lanes = [{"lane_id": house.gates.east, "state": "fault", "people": 41, "fault": "relay"}]
    await gate.health(queue=7, battery_percent=55, on_mains=False, unresolved=2, lanes=lanes)
    text = (await browser.get(GATES)).text
    for shown in ("东门闸机", "在线", "待上传7条", "电量55%", "2条待确认", "今日通过41人", "relay"):
        assert shown in text
    assert gate.enrolled
    own = f"{GATES}/{gate.device_id}"
    assert (await browser.post(f"{own}/revoke", {}, on=GATES)).status_code == 303
    gates_in(house.app).devices.clear()
    with pytest.raises(Refused):
        await PlainGate(house.http, key=gate.key, enrolled=gate.enrolled).sync()


async def test_commands_reach_the_gate(house: Gatehouse):
    browser = await chief(house)
    gate = await enrolled(house, browser)
    own = f"{GATES}/{gate.device_id}/command"
    east = str(house.gates.east)
    for form, status in (
        ({"kind": "message", "text": "请走二号通道"}, 303),
        ({"kind": "message", "text": " "}, 422),
        ({"kind": "close", "lane_id": east}, 303),
        ({"kind": "close"}, 422),
        ({"kind": "open", "lane_id": str(house.gates.west)}, 403),
        ({"kind": "explode"}, 422),
    ):
        assert (await browser.post(own, form, on=GATES)).status_code == status, form
    assert (await browser.post(f"{GATES}/emergency", {"on": "true"}, on=GATES)).status_code == 303
    told = (await gate.health()).commands
    assert [one.kind for one in told] == ["message", "close", "emergency_on"]
    assert told[0].text == "请走二号通道"
    await gate.sync()
    assert gate.setup
    assert {lane.id: lane.open for lane in gate.setup.lanes}[house.gates.east] is False
    assert (await gate.health(done=[one.id for one in told])).commands == []


async def test_who_may_do_what(house: Gatehouse):
    guard = await signed_in(house, "gate")
    for path in (GATES, CASES, BLOCKED, RULES, f"{GATES}/stream"):
        assert (await guard.get(path)).status_code == 403


async def test_a_case_is_closed_with_a_note(house: Gatehouse):
    browser = await chief(house)
    gate = await enrolled(house, browser)
    made = await house.gates.ticket(entered=1, status="used")
    with clock.at(house.gates.at(11)):
        await gate.upload(gate.row(house.gates.east, "admitted", made.id))
    text = (await browser.get(CASES)).text
    assert made.number in text
    own = re.search(rf'href="({CASES}/[0-9a-f-]+)"', text)[1]
    assert "此票限1人次，共进入2人次" in (await browser.get(own)).text
    assert (await browser.post(own, {"note": " "}, on=own)).status_code == 422
    done = await browser.post(own, {"note": "同一人，已补票"}, on=own)
    assert done.status_code == 303
    assert made.number not in (await browser.get(CASES)).text
    assert "同一人，已补票" in (await browser.get(f"{CASES}?closed=1")).text
    assert (await browser.get(f"{CASES}/{ids.new_id()}")).status_code == 404
    rows = await house.rows("SELECT reason FROM audit_log WHERE action = 'admission.case_closed'")
    assert rows == [("同一人，已补票",)]


async def test_blocked_documents(house: Gatehouse):
    browser = await chief(house)
    made = await house.gates.ticket()
    form = {"kind": "id_card", "number": made.documents[0], "reason": "野外用火", "until": ""}
    assert (await browser.post(BLOCKED, {**form, "number": "1"}, on=BLOCKED)).status_code == 422
    assert (await browser.post(BLOCKED, {**form, "reason": ""}, on=BLOCKED)).status_code == 422
    assert (await browser.post(BLOCKED, form, on=BLOCKED)).status_code == 303
    text = (await browser.get(BLOCKED)).text
    assert "野外用火" in text
    assert made.documents[0] not in text
    gate = await house.gate()
    await gate.sync()
    assert gate.setup
    assert len(gate.setup.blocked) == 1
    own = re.search(rf'action="({BLOCKED}/[0-9a-f-]+/lift)"', text)[1]
    assert (await browser.post(own, {}, on=BLOCKED)).status_code == 303
    await gate.sync()
    assert gate.setup.blocked == []


async def test_rules_by_ticket_type(house: Gatehouse):
    gates, browser = house.gates, await chief(house)
    adult, child = gates.park.types["adult"], gates.park.types["child"]
    form: dict[str, Any] = {
        "grace_before_minutes": 5,
        "grace_after_minutes": 5,
        "repeat_seconds": 20,
        "passage_seconds": 9,
        "ask_budget_ms": 120,
        "day_key_days": 2,
        "anti_passback": "true",
        "companions[]": str(child),
        f"entrances-{adult.hex}[]": str(gates.park.entrance_id),
        f"static-{adult.hex}-rule": "document",
        f"static-{adult.hex}-free": "ota, Window",
    }
    assert (await browser.post(RULES, form, on=RULES)).status_code == 303
    policy = await gates.unit()(queries.policy_of, site_id=gates.park.site_id)
    assert policy.entrances == {adult: (gates.park.entrance_id,)}
    assert (policy.companions, policy.anti_passback) == (frozenset({child}), True)
    assert policy.static_codes == {adult: {"": "document", "ota": "free", "window": "free"}}
    text = (await browser.get(RULES)).text
    assert 'value="ota, window"' in text
    gate = await house.gate()
    await gate.sync()
    assert gate.setup
    rules = gate.setup.rules
    assert (rules.passage_seconds, rules.ask_budget_ms, rules.day_key_days) == (9, 120, 2)
    kinds = {kind.audience: kind for kind in gate.setup.types if kind.audience == "child"}
    assert kinds["child"].companion
    assert [kind.entrances for kind in gate.setup.types if kind.static_code] == [[1]]
    assert (await browser.post(RULES, {**form, "ask_budget_ms": 9000}, on=RULES)).status_code == 422
    odd = {**form, "entrances-nonsense[]": str(gates.park.entrance_id)}
    assert (await browser.post(RULES, odd, on=RULES)).status_code == 303


async def test_a_maximum_and_its_share(house: Gatehouse):
    gates = house.gates
    own = f"/console/zones/{gates.park.zone_id}/limit"
    with clock.at(gates.at(11)):
        browser = await chief(house)
        east, west = await house.gate(), await house.west()
        assert (await browser.post(own, {"max_inside": "0"}, on=GATES)).status_code == 422
        assert (await browser.post(own, {"max_inside": "10"}, on=GATES)).status_code == 303
        made = await gates.ticket()
        await east.decide(gates.east, made.code)
        for gate in (east, west):
            await gate.health()
            await gate.sync()
            state = gate.zones[0]
            assert (state.inside, state.max_inside, state.share) == (1, 10, 4)
    with clock.at(gates.at(11, second=20)):
        # The west gate is not heard of any more: its four places are kept for it.
        await east.health()
        family = [await gates.ticket("family") for _ in range(2)]
        assert (await east.decide(gates.east, family[0].code)).outcome == "admitted"
        full = await east.decide(gates.east, family[1].code)
        assert (full.reason, full.params["left"]) == ("zone_full", 2)
        text = (await browser.get(GATES)).text
        assert "在园4 / 上限10" in text
        assert "为离线闸机预留4人" in text
        assert "1台离线，各自计数" in text
        # A second gate at the east has a part of its own: of what is left beside the west's four.
        second = await house.gate()
        await second.health()
        await second.sync()
        assert second.zones[0].share == 0
        assert (await browser.post(own, {"max_inside": "20"}, on=GATES)).status_code == 303
        for gate in (east, second):
            await gate.sync()
            assert gate.zones[0].share == 4
        # The west gate is told anew, and what is kept for it does not count against itself.
        await west.sync()
        assert west.zones[0].share == 5
        assert (await browser.post(own, {"max_inside": ""}, on=GATES)).status_code == 303


@pytest.mark.parametrize("locale", LOCALES)
async def test_the_stream_tells_what_changed(house: Gatehouse, locale: Any):
    gate = await house.gate()
    [site] = await house.gates.unit()(site_contexts)
    web = house.app.state.get("shanmen_web")
    assert web is not None
    seen = page.events(house.gates.unit(), site, web, locale, every=0.01)
    assert (await anext(seen)).startswith(b"retry")
    first = await anext(seen)
    assert first.startswith(b"event: figures")
    assert b"entrances" in first
    assert await anext(seen) == b": still here\n\n"
    await gate.health(queue=3)
    while (told := await anext(seen)).startswith(b":"):
        continue
    assert b"entrances" in told
    assert b"zones" not in told
    await seen.aclose()
