"""Lanes and gate rules over the API."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from shanmen.kit import ids
from shanmen.sites.service import apikeys
from tests.admission.conftest import Gates
from tests.admission.gatehouse import make_app
from tests.sites.conftest import asgi

LANES = "/api/v1/lanes"
NAME = {"zh-CN": "9 号道", "en": "Lane 9"}


@pytest.fixture
async def http(gates: Gates) -> AsyncIterator[httpx.AsyncClient]:
    made = await gates.unit()(
        apikeys.create_key, name="setup", channel="ota",
        permissions=("sites.edit", "admission.scan"),
    )  # fmt: skip
    headers = {"authorization": f"Bearer {made.secret}", "accept-language": "en"}
    async with httpx.AsyncClient(
        transport=asgi(make_app(gates.database)), base_url="http://test", headers=headers
    ) as client:
        yield client


async def send(
    http: httpx.AsyncClient, method: str, path: str, body: object, *, status: int = 200
) -> Any:
    headers = {"idempotency-key": ids.new_id().hex}
    answer = await http.request(method, path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_lane_is_added_and_admits(http: httpx.AsyncClient, gates: Gates) -> None:
    body = {"entrance_id": str(gates.park.entrance_id), "name": NAME, "direction": "in"}
    lane = await send(http, "POST", LANES, body, status=201)
    assert (lane["name"], lane["direction"], lane["active"]) == (NAME, "in", True)
    listed = (await http.get(LANES)).json()["lanes"]
    assert lane["id"] in {one["id"] for one in listed}
    lane_id = UUID(lane["id"])
    one, other = await gates.ticket(), await gates.ticket()
    assert (await gates.scan(one.code, lane_id=lane_id)).outcome == "admitted"
    closed = await send(http, "PATCH", f"{LANES}/{lane_id}", {"active": False})
    assert (closed["active"], closed["direction"]) == (False, "in")
    assert (await gates.scan(other.code, lane_id=lane_id)).reason == "lane_closed"


async def test_what_is_wrong_with_a_lane_is_named(http: httpx.AsyncClient, gates: Gates) -> None:
    body = {"entrance_id": str(ids.new_id()), "name": NAME}
    refused = await send(http, "POST", LANES, body, status=404)
    assert (refused["code"], refused["field"]) == ("admission.entrance_unknown", "entrance_id")
    await send(http, "PATCH", f"{LANES}/{ids.new_id()}", {"active": False}, status=404)
    wrong = {"entrance_id": str(gates.park.entrance_id), "name": NAME, "direction": "up"}
    assert (await send(http, "POST", LANES, wrong, status=422))["status"] == 422


async def test_rules_are_read_and_changed_in_part(http: httpx.AsyncClient, gates: Gates) -> None:
    path = f"/api/v1/sites/{gates.park.slug}/gate-rules"
    before = (await http.get(path)).json()
    child, east = str(gates.park.types["child"]), str(gates.park.entrance_id)
    changes = {
        "grace_before_minutes": 40, "companions": [child], "entrances": {child: [east]},
        "static_codes": {child: {"ota": "document"}},
    }  # fmt: skip
    after = await send(http, "PATCH", path, changes)
    assert after == before | changes
    assert (await http.get(path)).json() == after
    refused = await send(http, "PATCH", path, {"repeat_seconds": 9999}, status=422)
    assert (refused["code"], refused["field"]) == ("admission.out_of_range", "repeat_seconds")
    refused = await send(http, "PATCH", path, {"companions": [str(ids.new_id())]}, status=404)
    assert refused["field"] == "companions"
    elsewhere = "/api/v1/sites/elsewhere/gate-rules"
    assert (await http.get(elsewhere)).status_code == 404
