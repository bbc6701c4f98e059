"""Gates, cases, blocked documents and zone limits over the API, as an operator's program uses them.

A key does what the console's pages do, with the same permissions.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shanmen.kit import clock, ids
from shanmen.sites.service import apikeys
from tests.admission.conftest import CHIEF
from tests.admission.gatehouse import Gatehouse
from tests.sites.conftest import asgi
from tests.support.plain_gate import PlainGate, Refused

API = "/api/v1"


class Program:
    """Somebody's program with a key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def __call__(
        self, method: str, path: str, body: object = None, *, status: int = 200
    ) -> Any:
        """The answer's value, or nothing where there is none."""
        answer = await self.http.request(method, API + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


async def program(house: Gatehouse, *permissions: str) -> Program:
    made = await house.gates.unit(CHIEF)(
        apikeys.create_key, name="operations", channel="ota", permissions=permissions
    )
    headers = {"authorization": f"Bearer {made.secret}", "accept-language": "en"}
    return Program(
        httpx.AsyncClient(transport=asgi(house.app), base_url="http://test", headers=headers)
    )


@pytest.fixture
async def call(house: Gatehouse) -> AsyncIterator[Program]:
    made = await program(house, "sites.edit", "admission.override")
    yield made
    await made.http.aclose()


async def enrolled(house: Gatehouse, call: Program) -> PlainGate:
    body = {"entrance_id": str(house.gates.park.entrance_id), "name": "东门闸机"}
    made = await call("POST", "/gates", body, status=201)
    assert made["command"].endswith(f" {made['code']}")
    gate = PlainGate(house.http)
    await gate.enrol(made["code"])
    return gate


def slug(house: Gatehouse) -> str:
    return f"/sites/{house.gates.park.slug}"


async def seen(house: Gatehouse, call: Program) -> tuple[dict[str, Any], dict[str, Any]]:
    """The site's gates, and the entrance where the test's gate stands."""
    told = await call("GET", f"{slug(house)}/gates")
    own = str(house.gates.park.entrance_id)
    return told, next(one for one in told["entrances"] if one["id"] == own)


async def test_a_gate_from_its_code_to_its_end(house: Gatehouse, call: Program) -> None:
    gate = await enrolled(house, call)
    lanes = [{"lane_id": house.gates.east, "state": "fault", "people": 41, "fault": "relay"}]
    await gate.health(queue=7, battery_percent=55, lanes=lanes)
    _, entrance = await seen(house, call)
    [device] = entrance["gates"]
    assert (device["state"], device["unsent"], device["battery_percent"]) == ("online", 7, 55)
    lane = next(one for one in entrance["lanes"] if one["id"] == str(house.gates.east))
    assert (lane["state"], lane["people"], lane["fault"]) == ("fault", 41, "relay")
    assert lane["gate_id"] == device["id"] == str(gate.device_id)
    await call("POST", f"/gates/{gate.device_id}/code", status=404)
    await call("POST", f"/gates/{gate.device_id}/revoke", status=204)
    await call("POST", f"/gates/{gate.device_id}/revoke", status=204)
    with pytest.raises(Refused):
        await PlainGate(house.http, key=gate.key, enrolled=gate.enrolled).sync()


async def test_a_code_that_was_lost_is_made_anew(house: Gatehouse, call: Program) -> None:
    body = {"entrance_id": str(house.gates.park.entrance_id), "name": "备用"}
    made = await call("POST", "/gates", body, status=201)
    _, entrance = await seen(house, call)
    assert [one["state"] for one in entrance["gates"]] == ["waiting"]
    again = await call("POST", f"/gates/{made['gate_id']}/code")
    assert again["code"] != made["code"]
    with pytest.raises(Refused):
        await PlainGate(house.http).enrol(made["code"])
    nowhere = body | {"entrance_id": str(ids.new_id())}
    refused = await call("POST", "/gates", nowhere, status=404)
    assert (refused["code"], refused["field"]) == ("admission.entrance_unknown", "entrance_id")


async def test_commands_reach_the_gate(house: Gatehouse, call: Program) -> None:
    gate = await enrolled(house, call)
    own, east = f"/gates/{gate.device_id}/commands", str(house.gates.east)
    await call("POST", own, {"kind": "message", "text": "请走二号通道"}, status=204)
    await call("POST", own, {"kind": "close", "lane_id": east}, status=204)
    for body, code in (
        ({"kind": "message", "text": " "}, "admission.message_missing"),
        ({"kind": "close"}, "admission.bad_command"),
        ({"kind": "explode"}, "web.invalid_form"),
    ):
        assert (await call("POST", own, body, status=422))["code"] == code
    elsewhere = {"kind": "close", "lane_id": str(house.gates.west)}
    assert (await call("POST", own, elsewhere, status=403))["field"] == "lane_id"
    heard = await gate.health()
    assert [one.kind for one in heard.commands] == ["message", "close"]
    _, entrance = await seen(house, call)
    assert entrance["gates"][0]["waiting_commands"] == 2
    await gate.health(done=[one.id for one in heard.commands])
    _, entrance = await seen(house, call)
    assert entrance["gates"][0]["waiting_commands"] == 0
    for on, kind in ((True, "emergency_on"), (False, "emergency_off")):
        assert await call("POST", f"{slug(house)}/emergency", {"on": on}) == {"gates": 1}
        heard = await gate.health()
        assert heard.commands[-1].kind == kind


async def test_a_case_is_closed_with_a_note(house: Gatehouse, call: Program) -> None:
    gate = await enrolled(house, call)
    stranger = gate.row(house.gates.east, "admitted", ids.new_id(), persons=1)
    await gate.upload(stranger)
    assert (await seen(house, call))[0]["open_cases"] == 1
    [case] = (await call("GET", f"{slug(house)}/cases"))["cases"]
    assert (case["kind"], case["gate"], case["closed_at"]) == ("unknown_ticket", "东门闸机", None)
    own = f"/cases/{case['id']}"
    read = await call("GET", own)
    assert read["case"] == case
    assert [one["of_case"] for one in read["entries"]] in ([], [True])
    refused = await call("POST", f"{own}/close", {"note": ""}, status=422)
    assert refused["errors"][0]["reason"] == "too_short"
    blank = await call("POST", f"{own}/close", {"note": "  "}, status=422)
    assert (blank["code"], blank["field"]) == ("admission.note_missing", "note")
    closed = await call("POST", f"{own}/close", {"note": "试票"})
    assert (closed["note"], closed["closed_by"] != "") == ("试票", True)
    assert (await call("GET", f"{slug(house)}/cases"))["cases"] == []
    assert (await call("GET", f"{slug(house)}/cases?state=closed"))["cases"] == [closed]
    await call("GET", f"/cases/{ids.new_id()}", status=404)


async def test_cases_come_page_by_page(house: Gatehouse, call: Program) -> None:
    gate = await enrolled(house, call)
    for _ in range(3):
        await gate.upload(gate.row(house.gates.east, "admitted", ids.new_id(), persons=1))
    everything = await call("GET", f"{slug(house)}/cases")
    assert everything["next"] is None
    assert len(everything["cases"]) == 3
    found, after = [], ""
    for more in (True, False):
        page = await call("GET", f"{slug(house)}/cases?limit=2{after}")
        assert (page["next"] is not None) == more
        found += page["cases"]
        after = f"&after={page['next']}"
    assert found == everything["cases"]
    # What is not a case of this site has nothing behind it.
    assert (await call("GET", f"{slug(house)}/cases?after={ids.new_id()}"))["cases"] == []


async def test_a_blocked_document_is_refused_until_it_is_lifted(
    house: Gatehouse, call: Program
) -> None:
    made = await house.gates.ticket()
    [number] = made.documents
    body = {"kind": "id_card", "number": number, "reason": "在林区用火"}
    block = await call("POST", "/blocked-documents", body, status=201)
    [listed] = (await call("GET", "/blocked-documents"))["blocked"]
    assert (listed["id"], listed["reason"]) == (block["id"], "在林区用火")
    assert number not in str(listed)
    decided = await house.gates.scan(made.code)
    assert (decided.outcome, decided.reason) == ("refused", "blocked")
    for _ in range(2):
        await call("POST", f"/blocked-documents/{block['id']}/lift", status=204)
    assert (await call("GET", "/blocked-documents"))["blocked"] == []
    assert (await house.gates.scan(made.code)).outcome == "admitted"
    wrong = await call("POST", "/blocked-documents", body | {"number": "1"}, status=422)
    assert wrong["field"] == "number"


async def test_a_zone_has_a_maximum(house: Gatehouse, call: Program) -> None:
    with clock.at(house.gates.at(11)):
        zones = await call("GET", f"{slug(house)}/zone-limits")
        assert {one["max_inside"] for one in zones} == {None}
        entrance = (await seen(house, call))[1]
        zone = next(one for one in zones if one["number"] == entrance["zone_number"])
        own = f"/zones/{zone['zone_id']}/limit"
        await call("PUT", own, {"max_inside": 1}, status=204)
        first, second = await house.gates.ticket(), await house.gates.ticket()
        assert (await house.gates.scan(first.code)).outcome == "admitted"
        assert (await house.gates.scan(second.code)).reason == "zone_full"
        found = await call("GET", f"{slug(house)}/zone-limits")
        full = next(one for one in found if one["zone_id"] == zone["zone_id"])
        assert (full["max_inside"], full["inside"]) == (1, 1)
        await call("PUT", own, {"max_inside": None}, status=204)
        assert (await house.gates.scan(second.code)).outcome == "admitted"
        refused = await call("PUT", own, {"max_inside": 0}, status=422)
        assert refused["errors"][0]["reason"] == "too_small"
        await call("PUT", f"/zones/{ids.new_id()}/limit", {"max_inside": 5}, status=404)


async def test_who_may_do_what(house: Gatehouse) -> None:
    guard, editor = await program(house, "admission.scan"), await program(house, "sites.edit")
    for path in ("gates", "cases", "zone-limits"):
        await guard("GET", f"{slug(house)}/{path}", status=403)
    await editor("GET", f"{slug(house)}/gates")
    await editor("POST", f"{slug(house)}/emergency", {"on": True}, status=403)
    await editor("GET", "/blocked-documents", status=403)
    for one in (guard, editor):
        await one.http.aclose()
