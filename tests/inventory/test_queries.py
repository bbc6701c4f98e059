"""What visitors are told: days and slots, with true numbers."""

from datetime import timedelta
from typing import Any

import pytest

from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import LocalText, TicketTypeSpec
from shanmen.inventory import errors
from shanmen.inventory.queries import day_slots, month_availability, next_day
from shanmen.inventory.rules import Availability
from shanmen.inventory.service.slots import edit_day
from shanmen.kit import clock
from tests.inventory.conftest import Stand
from tests.support.park import Park


async def test_a_month_of_days(stand: Stand):
    await stand.unit(edit_day, pool_id=stand.pool_id, day=stand.tomorrow, status="closed")
    first, second = await stand.day(stand.today + timedelta(days=2))
    await stand.take(first.id, 100)
    await stand.take(second.id, 85)
    days = await stand.unit(
        month_availability,
        site_id=stand.site_id,
        ticket_type_ids=[stand.type_id],
        first=stand.today - timedelta(days=1),
        last=stand.today + timedelta(days=25),
        now=clock.now(),
    )
    assert len(days) == 27
    yesterday, _, tomorrow, day_after, third, *rest = days
    assert yesterday.state is Availability.OVER
    assert tomorrow.state is Availability.CLOSED
    assert (day_after.state, day_after.left) == (Availability.NEARLY_FULL, 15)
    assert (third.state, third.left, third.price_fen) == (Availability.OPEN, 200, 5000)
    assert rest[-1].state is Availability.NOT_YET
    assert rest[-1].price_fen is None


async def test_the_slots_of_a_day(stand: Stand):
    first, second = await stand.day()
    await stand.take(first.id, 100)
    offers = await stand.unit(
        day_slots,
        site_id=stand.site_id,
        ticket_type_ids=[stand.type_id],
        day=stand.tomorrow,
        now=clock.now(),
    )
    assert [(o.slot.id, o.state, o.left) for o in offers] == [
        (first.id, Availability.SOLD_OUT, 0),
        (second.id, Availability.OPEN, 100),
    ]
    assert offers[1].types[stand.type_id].price_fen == 5000


async def test_a_bundle_is_there_where_each_pool_has_room(stand: Stand, park: Park):
    query: dict[str, Any] = {
        "site_id": park.site_id,
        "ticket_type_ids": [park.types["bundle"], park.types["adult"]],
        "day": park.day,
        "now": clock.now(),
    }
    offers = await stand.unit(day_slots, **query)
    assert [o.types[park.types["bundle"]].left for o in offers] == [20, 20, 20]
    assert offers[0].types[park.types["bundle"]].companions == (park.ride_slots[0],)
    await stand.take(park.ride_slots[0], 20)
    offers = await stand.unit(day_slots, **query)
    assert offers[0].types[park.types["bundle"]].companions == (park.ride_slots[1],)
    for slot_id in park.ride_slots[1:]:
        await stand.take(slot_id, 20)
    offers = await stand.unit(day_slots, **query)
    assert [o.types[park.types["bundle"]].state for o in offers] == [Availability.SOLD_OUT] * 3
    assert [o.types[park.types["adult"]].left for o in offers] == [100, 100, 100]


async def test_the_next_day_is_one_with_a_slot_to_come(stand: Stand):
    _, last = await stand.day()
    query: dict[str, Any] = {"pool_id": stand.pool_id, "first": stand.tomorrow}
    before = last.ends_at - timedelta(minutes=1)
    assert await stand.unit(next_day, now=before, **query) == stand.tomorrow
    day_after = stand.tomorrow + timedelta(days=1)
    assert await stand.unit(next_day, now=last.ends_at, **query) == day_after
    await stand.unit(edit_day, pool_id=stand.pool_id, day=day_after, status="closed")
    third = day_after + timedelta(days=1)
    assert await stand.unit(next_day, now=last.ends_at, **query) == third


async def test_a_channel_sees_only_what_it_sells(stand: Stand):
    query: dict[str, Any] = {
        "site_id": stand.site_id,
        "ticket_type_ids": [stand.type_id],
        "day": stand.tomorrow,
        "now": clock.now(),
    }
    assert await stand.unit(day_slots, **query, channel="web")
    await stand.unit(
        catalog.edit_ticket_type,
        ticket_type_id=stand.type_id,
        spec=TicketTypeSpec(name=LocalText(zh="船票"), channels=["window"]),
    )
    assert await stand.unit(day_slots, **query, channel="web") == []
    assert await stand.unit(day_slots, **query, channel="window")


async def test_a_span_has_its_limit(stand: Stand):
    with pytest.raises(errors.TooManyDays):
        await stand.unit(
            month_availability,
            site_id=stand.site_id,
            ticket_type_ids=[stand.type_id],
            first=stand.today,
            last=stand.today + timedelta(days=400),
            now=clock.now(),
        )
