"""The API of catalog and stock: what a key sees, what it may change, what it is told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Database
from shanmen.sites.service import apikeys
from tests.inventory.conftest import Stand
from tests.support.console import make_app
from tests.support.park import Park

EDITOR = ("catalog.edit", "inventory.edit")


@dataclass(frozen=True)
class Caller:
    http: httpx.AsyncClient
    key: str

    async def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}", "accept-language": "en"}
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(database))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


async def caller(http: httpx.AsyncClient, database: Database, park: Park, *may: str) -> Caller:
    async with database.transaction(park.tenant_id) as session:
        made = await apikeys.create_key(session, name="test", channel="ota", permissions=may)
    return Caller(http, made.secret)


@pytest.fixture
async def editor(http: httpx.AsyncClient, database: Database, park: Park) -> Caller:
    return await caller(http, database, park, *EDITOR)


@pytest.fixture
async def seller(http: httpx.AsyncClient, database: Database, park: Park) -> Caller:
    return await caller(http, database, park, "orders.change")


async def test_hours_of_admission_over_the_api(editor: Caller, park: Park):
    path = f"/products/{park.types['adult']}"
    night = {"starts": "17:00", "ends": "21:30", "weekdays": 127, "day_kinds": ["holiday"]}
    spec = {"name": {"zh-CN": "夜游票"}, "admission_hours": [night, {"ends": "09:30"}]}
    whole = {"starts": "00:00", "ends": "09:30", "weekdays": 127, "day_kinds": []}
    assert (await editor.ok("PUT", path, spec))["admission_hours"] == [night, whole]
    assert (await editor.ok("GET", path))["admission_hours"] == [night, whole]
    for hours, field in (
        ([{"starts": "24:00"}], "admission_hours.0.starts"),
        ([{"weekdays": 0}], "admission_hours.0.weekdays"),
        ([{"day_kinds": ["sunday"]}], "admission_hours.0.day_kinds.0"),
        ([night, night], "admission_hours.1.starts"),
    ):
        refused = await editor("PUT", path, spec | {"admission_hours": hours})
        assert refused.status_code in {400, 422}
        assert refused.json()["field"] == field


async def test_a_product_from_nothing_to_sale(editor: Caller, park: Park, stand: Stand):
    spec = {"name": {"zh-CN": "月票", "en": "Month"}, "valid_days": 30, "entries": 0}
    made = await editor.ok("POST", f"/sites/{park.slug}/products", spec)
    assert (made["name"]["en"], made["zones"], made["prices"]) == ("Month", [0], [])
    path = f"/products/{made['id']}"
    priced = await editor.ok("PUT", f"{path}/prices", [{"amount_fen": 9900}])
    assert priced["prices"][0]["amount_fen"] == 9900
    drawn = await editor.ok("PUT", f"{path}/draws", [{"pool_id": str(stand.pool_id), "cap": 5}])
    assert drawn["draws"] == [{"pool_id": str(stand.pool_id), "quantity": 1}]
    slots = await editor.ok(
        "GET", f"/sites/{park.slug}/slots?date={stand.tomorrow}&product={made['id']}"
    )
    assert [s["starts"] for s in slots] == ["08:00", "10:00"]
    assert slots[0]["products"] == [
        {
            "product_id": made["id"],
            "state": "open",
            "left": 5,
            "price_fen": 9900,
            "other_slot_ids": [],
        }
    ]
    changed = await editor.ok("PUT", path, spec | {"valid_days": 31})
    assert changed["valid_days"] == 31
    days = await editor.ok("GET", f"{path}/calendar?from=2026-10-01&to=2026-10-03")
    assert days[0] == {"day": "2026-10-01", "day_kind": "holiday", "price_fen": 9900}


async def test_a_seller_sees_only_what_it_sells(
    editor: Caller, seller: Caller, park: Park, stand: Stand
):
    spec = {"name": {"zh-CN": "窗口票"}, "channels": ["window"]}
    made = await editor.ok("POST", f"/sites/{park.slug}/products", spec)
    seen = {p["id"] for p in await seller.ok("GET", f"/sites/{park.slug}/products")}
    assert made["id"] not in seen
    assert str(stand.type_id) in seen
    everything = await editor.ok("GET", f"/sites/{park.slug}/products")
    assert made["id"] in {p["id"] for p in everything}


async def test_a_seller_changes_nothing(seller: Caller, park: Park, stand: Stand):
    before = (await stand.unit(current_catalog)).version
    first, _ = await stand.day()
    for method, path, body in (
        ("POST", f"/sites/{park.slug}/products", {"name": {"zh-CN": "x"}}),
        ("PUT", f"/products/{stand.type_id}", {"name": {"zh-CN": "x"}}),
        ("PUT", f"/products/{stand.type_id}/prices", []),
        ("PUT", f"/products/{stand.type_id}/draws", []),
        ("POST", f"/sites/{park.slug}/pools", {"name": {"zh-CN": "x"}}),
        ("DELETE", f"/pools/{stand.pool_id}", None),
        ("POST", f"/pools/{stand.pool_id}/schedules", {"name": "x"}),
        ("DELETE", f"/schedules/{stand.schedule_id}", None),
        ("PATCH", f"/slots/{first.id}", {"capacity": 1}),
        ("PUT", f"/pools/{stand.pool_id}/days/{stand.tomorrow}", {"status": "closed"}),
        ("PUT", f"/sites/{park.slug}/special-days/2026-12-01", {"day_kind": "holiday"}),
        ("GET", f"/pools/{stand.pool_id}/slots?from=2026-12-01&to=2026-12-02", None),
    ):
        answer = await seller(method, path, body)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
    assert (await stand.unit(current_catalog)).version == before
    assert (await stand.day())[0].capacity == 100


async def test_bad_input_is_named(editor: Caller, park: Park, stand: Stand):
    first, _ = await stand.day()
    await stand.take(first.id, 40)
    for method, path, body, status, code, field in (
        (
            "POST",
            f"/sites/{park.slug}/products",
            {"name": {"zh-CN": "x"}, "min_age": 9, "max_age": 3},
            422,
            "catalog.ages_reversed",
            "max_age",
        ),
        (
            "PUT",
            f"/products/{stand.type_id}/prices",
            [{"amount_fen": 1}, {"amount_fen": 2}],
            422,
            "catalog.price_twice",
            "prices.1.priority",
        ),
        (
            "POST",
            f"/pools/{stand.pool_id}/schedules",
            {"name": "x", "slots": [{"starts": "10:00", "ends": "09:00", "capacity": 1}]},
            422,
            "inventory.slot_times_reversed",
            "slots.0.ends",
        ),
        (
            "PATCH",
            f"/slots/{first.id}",
            {"capacity": 39},
            409,
            "inventory.capacity_below_sold",
            "capacity",
        ),
    ):
        answer = await editor(method, path, body)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field)
    unknown = await editor("POST", f"/sites/{park.slug}/products", {"nome": "x"})
    assert unknown.status_code == 422


async def test_days_and_their_availability(
    seller: Caller, editor: Caller, stand: Stand, park: Park
):
    last = stand.today + timedelta(days=3)
    query = f"from={stand.today}&to={last}&product={stand.type_id}"
    days = await seller.ok("GET", f"/sites/{park.slug}/availability?{query}")
    assert len(days) == 4
    assert days[1]["state"] == "open"
    assert (days[1]["price_fen"], days[1]["left"]) == (5000, 200)
    await editor.ok(
        "PUT",
        f"/pools/{stand.pool_id}/days/{stand.tomorrow}",
        {"status": "closed", "note": {"zh-CN": "检修"}},
    )
    days = await seller.ok("GET", f"/sites/{park.slug}/availability?{query}")
    assert days[1]["state"] == "closed"
    slots = await editor.ok(
        "GET", f"/pools/{stand.pool_id}/slots?from={stand.tomorrow}&to={stand.tomorrow}"
    )
    assert [s["note"] for s in slots] == [{"zh-CN": "检修"}] * 2
    too_long = f"from={stand.today}&to={stand.today + timedelta(days=500)}"
    answer = await seller("GET", f"/sites/{park.slug}/availability?{too_long}")
    assert (answer.status_code, answer.json()["code"]) == (422, "inventory.too_many_days")


async def test_pools_and_schedules(editor: Caller, park: Park, stand: Stand):
    pool = await editor.ok("POST", f"/sites/{park.slug}/pools", {"name": {"zh-CN": "剧场"}})
    path = f"/pools/{pool['id']}"
    assert pool["zone_id"] is None
    named = {"name": {"zh-CN": "剧场"}, "zone_id": str(park.zone_id)}
    assert (await editor.ok("PUT", path, named))["zone_id"] == str(park.zone_id)
    elsewhere = await editor("PUT", path, named | {"zone_id": str(stand.pool_id)})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "sites.zone_unknown")
    assert elsewhere.json()["field"] == "zone_id"
    spec = {
        "name": "Daily",
        "date_from": f"{park.day}",
        "slots": [{"starts": "19:30", "ends": "20:30", "capacity": 200}],
    }
    seen = await editor.ok("POST", f"{path}/schedules/preview", spec)
    assert seen["created"] > 0
    made = await editor.ok("POST", f"{path}/schedules", spec)
    assert made["changes"] == seen
    assert made["schedule"]["slots"] == spec["slots"]
    schedule = f"/schedules/{made['schedule']['id']}"
    again = await editor.ok("PUT", schedule, spec | {"weekdays": 31})
    assert again["changes"]["closed"] > 0
    assert len(await editor.ok("GET", f"{path}/schedules")) == 1
    await editor.ok("DELETE", schedule)
    await editor.ok("DELETE", path)
    assert pool["id"] not in {p["id"] for p in await editor.ok("GET", f"/sites/{park.slug}/pools")}


async def test_special_days(editor: Caller, park: Park):
    path = f"/sites/{park.slug}/special-days"
    body = {"day_kind": "holiday", "name": {"zh-CN": "庙会"}}
    await editor.ok("PUT", f"{path}/2026-12-01", body)
    days = await editor.ok("GET", f"{path}?from=2026-12-01&to=2026-12-31")
    assert days == [{"day": "2026-12-01", "day_kind": "holiday", "name": {"zh-CN": "庙会"}}]
    await editor.ok("DELETE", f"{path}/2026-12-01")
    answer = await editor("DELETE", f"{path}/2026-12-01")
    assert (answer.status_code, answer.json()["code"]) == (404, "catalog.special_day_not_found")


async def test_parameters_are_named_as_they_are_sent(seller: Caller, park: Park, stand: Stand):
    days = f"/sites/{park.slug}/availability"
    for path, status, field in (
        (f"{days}?from=abc&to={stand.today}", 422, "from"),
        (f"{days}?from={stand.tomorrow}&to={stand.today}", 422, "to"),
        (f"{days}?from={stand.today}&to={stand.today}&produkt=x", 422, "produkt"),
        (f"/products/{stand.type_id}/calendar?from={stand.tomorrow}&to={stand.today}", 422, "to"),
    ):
        answer = await seller("GET", path)
        assert (answer.status_code, answer.json()["field"]) == (status, field), path
    reversed_days = await seller("GET", f"{days}?from={stand.tomorrow}&to={stand.today}")
    assert reversed_days.json()["code"] == "inventory.days_reversed"
