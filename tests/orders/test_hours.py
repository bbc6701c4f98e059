"""Tickets are sold for, and moved to, slots in which their hours of admission let them in."""

import re
from datetime import time, timedelta

import pytest

from shanmen.catalog.admission_hours import DayKindName, HoursSpec
from shanmen.catalog.schemas import SpecialDaySpec
from shanmen.catalog.service import set_special_days
from shanmen.db.session import Database
from shanmen.inventory.queries import slots_by_id
from shanmen.orders.errors import OutsideHours
from shanmen.orders.schemas import Placed, PlaceOrder
from shanmen.orders.service.place import Outcome, place_orders
from tests.orders.conftest import Shop, left
from tests.support.park import TESTER, Park, add_slot, set_hours

LATE = HoursSpec(starts="11:00", ends="13:00")
"""Leaves out the first of a park's slots (8–10), and has a part of the others."""
NO_HOLIDAYS = HoursSpec(day_kinds=["workday", "weekend"])


async def place(database: Database, park: Park, *requests: PlaceOrder) -> list[Outcome]:
    return await database.unit(park.tenant_id)(place_orders, requests=requests, hold_seconds=900)


async def make_holiday(database: Database, park: Park, kind: DayKindName) -> None:
    """Let the park's day be of a kind, whatever the public calendar says of tomorrow."""
    await database.unit(park.tenant_id, actor=TESTER)(
        set_special_days,
        site_id=park.site_id,
        days=[SpecialDaySpec(day=park.day, day_kind=kind)],
    )


async def test_a_slot_outside_the_hours_is_refused_and_its_neighbours_are_placed(
    database: Database, park: Park
) -> None:
    await set_hours(database, park, "adult", LATE)
    outcomes = await place(
        database, park,
        park.order(park.ticket("child", people=[])),
        park.order(park.ticket("adult")),
        park.order(park.ticket("free"), park.ticket("adult")),
        park.order(park.ticket("adult", slot=1)),
        park.order(park.ticket("free")),
    )  # fmt: skip
    _, refused, second, placed, neighbour = outcomes
    assert isinstance(refused, OutsideHours)
    assert (refused.code, refused.status) == ("orders.outside_hours", 422)
    assert refused.field == "tickets.0.slot_id"
    assert refused.params == {
        "ticket_type": {"zh-CN": "adult票", "en": "Adult"},
        "hours": {"zh-CN": "11:00–13:00", "en": "11:00–13:00"},
    }
    assert isinstance(second, OutsideHours)
    assert second.field == "tickets.1.slot_id"
    assert isinstance(placed, Placed)
    assert isinstance(neighbour, Placed)
    slots = await database.unit(park.tenant_id)(slots_by_id, ids=park.slots)
    assert [slots[slot].held for slot in park.slots] == [1, 1, 0]


async def test_a_refusal_is_remembered_with_its_words(database: Database, park: Park) -> None:
    await set_hours(database, park, "adult", LATE)
    request = park.order(park.ticket("adult"), key=b"h" * 16)
    [first] = await place(database, park, request)
    [again] = await place(database, park, request)
    assert isinstance(first, OutsideHours)
    assert isinstance(again, OutsideHours)
    assert (again.field, again.params) == (first.field, first.params)


async def test_the_kind_of_day_is_the_sites(database: Database, park: Park) -> None:
    await set_hours(database, park, "adult", NO_HOLIDAYS)
    await make_holiday(database, park, "holiday")
    [refused] = await place(database, park, park.order(park.ticket("adult")))
    assert isinstance(refused, OutsideHours)
    await make_holiday(database, park, "workday")
    [placed] = await place(database, park, park.order(park.ticket("adult")))
    assert isinstance(placed, Placed)


async def test_a_ticket_of_several_days_is_let_in_on_its_first(
    database: Database, park: Park
) -> None:
    # Its slot is over when the hours begin, and the ticket is not.
    await set_hours(database, park, "adult", HoursSpec(starts="19:00"), valid_days=3)
    [placed] = await place(database, park, park.order(park.ticket("adult")))
    assert isinstance(placed, Placed)
    # They are over before its slot begins; and the first day is none of its days.
    await set_hours(database, park, "adult", HoursSpec(ends="08:00"), valid_days=3)
    [early] = await place(database, park, park.order(park.ticket("adult")))
    await set_hours(database, park, "adult", NO_HOLIDAYS, valid_days=365)
    await make_holiday(database, park, "holiday")
    [holiday] = await place(database, park, park.order(park.ticket("adult")))
    assert isinstance(early, OutsideHours)
    assert isinstance(holiday, OutsideHours)


async def test_a_bundle_is_looked_at_where_its_visit_begins(database: Database, park: Park) -> None:
    await set_hours(database, park, "bundle", HoursSpec(starts="08:00", ends="09:00"))
    wish = park.ticket("bundle")
    wish = type(wish)(wish.ticket_type_id, wish.slot_id, wish.visitors, [park.ride_slots[2]])
    [placed] = await place(database, park, park.order(wish))
    assert isinstance(placed, Placed)


# --- The API -------------------------------------------------------------------------------------


async def test_the_api_names_the_ticket_and_its_hours(shop: Shop) -> None:
    await set_hours(shop.database, shop.park, "adult", LATE)
    path = f"/sites/{shop.park.slug}/orders"
    body = {"phone": "13800138000", "tickets": [shop.ticket("free"), shop.ticket("adult")]}
    problem = await shop.api("POST", path, body, key="early", status=422)
    assert problem["code"] == "orders.outside_hours"
    assert problem["field"] == "tickets.1.slot_id"
    assert problem["title"] == "“adult票”在这个时段不能入园，可入园时间：11:00–13:00。"
    assert problem["params"]["ticket_type"]["en"] == "Adult"
    assert problem["params"]["hours"]["en"] == "11:00–13:00"
    assert await shop.api("POST", path, body, key="early", status=422) == problem
    body["tickets"] = [shop.ticket("adult", slot=2)]
    await shop.api("POST", path, body, key="late", status=201)


async def test_the_api_says_which_slots_are_outside_the_hours(shop: Shop) -> None:
    await set_hours(shop.database, shop.park, "adult", LATE)
    types = shop.park.types
    slots = await shop.api("GET", f"/sites/{shop.park.slug}/slots?date={shop.park.day}")
    states = [
        {p["product_id"]: (p["state"], p["left"]) for p in slot["products"]} for slot in slots
    ]
    assert [found[str(types["adult"])] for found in states] == [
        ("outside_hours", 0), ("open", 100), ("open", 100),
    ]  # fmt: skip
    assert [slot["state"] for slot in slots] == ["open"] * 3
    # Where nothing else is asked for, the slot is closed.
    only = await shop.api(
        "GET", f"/sites/{shop.park.slug}/slots?date={shop.park.day}&product={types['adult']}"
    )
    assert [slot["state"] for slot in only] == ["closed", "open", "open"]


async def test_the_api_moves_no_visit_outside_the_hours(shop: Shop) -> None:
    await set_hours(shop.database, shop.park, "adult", LATE)
    body = {"phone": "13800138000", "tickets": [shop.ticket("adult", slot=2)]}
    order = await shop.api("POST", f"/sites/{shop.park.slug}/orders", body, key="k", status=201)
    path = f"/orders/{order['number']}"
    await shop.api("POST", f"{path}/confirm", {"reference": "r"})
    early = {"slot_id": str(shop.park.slots[0])}
    problem = await shop.api("POST", f"{path}/reschedule", early, status=422)
    assert (problem["code"], problem["field"]) == ("orders.outside_hours", "slot_id")
    moved = await shop.api("POST", f"{path}/reschedule", {"slot_id": str(shop.park.slots[1])})
    assert moved["tickets"][0]["generation"] == 1


async def test_the_api_chooses_the_second_time_of_a_bundle_that_is_moved(shop: Shop) -> None:
    body = {"phone": "13800138000", "tickets": [shop.ticket("bundle")]}
    order = await shop.api("POST", f"/sites/{shop.park.slug}/orders", body, key="k", status=201)
    path = f"/orders/{order['number']}"
    await shop.api("POST", f"{path}/confirm", {"reference": "r"})
    where = {
        "slot_id": str(shop.park.slots[1]), "other_slot_ids": [str(shop.park.ride_slots[2])],
    }  # fmt: skip
    await shop.api("POST", f"{path}/reschedule", where)
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert [rides[slot].sold for slot in shop.park.ride_slots] == [0, 0, 1]


# --- The pages -----------------------------------------------------------------------------------


async def test_the_visit_page_says_which_tickets_are_not_for_which_times(shop: Shop) -> None:
    await set_hours(shop.database, shop.park, "adult", LATE)
    await set_hours(shop.database, shop.park, "free", HoursSpec(starts="19:00"))
    page = await shop.get(f"{shop.base}/visit?day={shop.park.day}")
    adult = re.search(
        r'<div class="quantity" data-outside="([^"]+)">(.*?)</fieldset>', page, re.DOTALL
    )
    assert adult
    assert adult[1] == str(shop.park.slots[0])
    assert "此票在所选时段不能入园" in adult[2]
    assert "11:00–13:00" in adult[2]
    # One that no slot of the day is for cannot be chosen at all.
    number = re.search(r'quantity-name">free票</span></div><span class="muted">([^<]+)<', page)
    assert number
    assert number[1] == "当天各时段均不可入园"
    assert "19:00 起" in page


@pytest.mark.parametrize("names", [True, False])
async def test_who_chose_a_time_outside_the_hours_hears_it_before_paying(
    shop: Shop, names: bool
) -> None:
    late = await shop.query("adult", "family", slot=1)
    page = await shop.get(late)
    await set_hours(shop.database, shop.park, "adult", LATE)
    for memory in ("orders_pages", "orders_days"):
        shop.app.state.pop(memory, None)
    early = {"slot-s0": str(shop.park.slots[0])}
    if names:
        people = {**shop.people(1, 3), "phone": "13800138000"}
        refused = await shop.post(
            f"{shop.base}/visitors", {**shop.hidden(page), **people, **early}, on=late
        )
        assert refused.status_code == 422
        text = refused.text
        # The times of the day are there to choose from, and the one that will not do is closed.
        slots = re.findall(r'<label class="slot slot-(\w+)">.*?slot-state">([^<]+)<', text)
        assert [state for state, _ in slots] == ["closed", "available", "available"]
        assert slots[0][1] == "不适用于所选门票"
        again = {**people, **shop.hidden(text), "slot-s0": str(shop.park.slots[1])}
        assert (await shop.post(f"{shop.base}/visitors", again, on=late)).status_code == 303
    else:
        text = await shop.get(late.replace(str(shop.park.slots[1]), early["slot-s0"]), status=422)
        assert 'id="slot-error"' in text
    assert "“adult票”在这个时段不能入园，可入园时间：11:00–13:00。" in text
    assert await left(shop) == 100


async def test_a_visit_is_not_moved_outside_the_hours(shop: Shop) -> None:
    address = await shop.paid("adult", slot=1)
    await set_hours(shop.database, shop.park, "adult", LATE)
    here = f"{address}/reschedule"
    page = await shop.get(here)
    slots = re.findall(r'<label class="slot slot-(\w+)">.*?slot-state">([^<]+)<', page)
    assert slots[0] == ("closed", "不在可入园时间内：11:00–13:00")
    data = {**shop.hidden(page), "slot": str(shop.park.slots[0])}
    refused = await shop.post(here, data, on=here)
    assert refused.status_code == 422
    assert "可入园时间：11:00–13:00" in refused.text
    staff = f"/console/orders/{(await shop.view(address)).id}/reschedule"
    await shop.sign_in()
    assert "不在可入园时间内：11:00–13:00" in await shop.get(staff)
    answer = await shop.post(staff, {"slot": str(shop.park.slots[0]), "reason": "asked"}, on=staff)
    assert answer.status_code == 422
    assert {t.generation for t in (await shop.view(address)).tickets} == {0}


async def test_a_slot_of_the_whole_day_has_the_hours_of_its_day(shop: Shop) -> None:
    park = shop.park
    day = park.day + timedelta(days=1)
    async with shop.database.transaction(park.tenant_id, actor=TESTER) as session:
        whole = await add_slot(
            session, pool_id=park.gate_pool, day=day, starts=time(0), ends=time(23, 59), capacity=9
        )
    await set_hours(shop.database, park, "adult", HoursSpec(starts="17:00", ends="21:30"))
    wish = park.ticket("adult")
    wish = type(wish)(wish.ticket_type_id, whole, wish.visitors)
    [placed] = await place(shop.database, park, park.order(wish))
    assert isinstance(placed, Placed)
