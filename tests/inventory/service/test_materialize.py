"""Slots as the schedules say, set-wise."""

import asyncio
import time as stopwatch
from datetime import date, time, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import LocalText, SpecialDaySpec, TicketTypeSpec
from shanmen.db.session import Session
from shanmen.insight.stock_audit import differences
from shanmen.inventory import errors
from shanmen.inventory.jobs import extend_slots
from shanmen.inventory.queries import slots_between, slots_by_id
from shanmen.inventory.schemas import DrawSpec, ScheduleSpec
from shanmen.inventory.service.calendar import remove_special_days, set_special_days
from shanmen.inventory.service.materialize import materialize
from shanmen.inventory.service.pools import set_stock
from shanmen.inventory.service.schedules import (
    create_schedule,
    delete_schedule,
    edit_schedule,
    preview_schedule,
)
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock
from shanmen.kit.days import DayKind, day_kind
from shanmen.orders.service.lapse import cancel_order
from tests.inventory.conftest import Stand, slots
from tests.support.desk import Desk


async def count(session: Session, table: str) -> int:
    return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def test_a_schedule_makes_slots_past_the_last_day_on_sale(stand: Stand):
    last = stand.today + timedelta(days=27)
    states = await stand.unit(
        slots_between, pool_ids=[stand.pool_id], first=stand.today, last=last + timedelta(days=9)
    )
    assert states[-1].day == last
    tomorrow = await stand.day()
    assert [(s.starts, s.ends, s.capacity, s.left) for s in tomorrow] == [
        (time(8), time(10), 100, 100),
        (time(10), time(12), 100, 100),
    ]
    assert tomorrow[0].starts_at == clock.to_utc(stand.tomorrow, time(8), "Asia/Shanghai")


async def test_a_year_of_slots_is_made_at_once(stand: Stand):
    first = date(2028, 1, 1)
    day_kind(first)  # Reading the public calendar for the first time is not what is measured.
    spec = ScheduleSpec(name="密", priority=5, slots=slots(*((h, h + 1) for h in range(8, 18))))
    await stand.unit(create_schedule, pool_id=stand.pool_id, spec=spec)
    began = stopwatch.perf_counter()
    year: dict[str, Any] = {
        "pool_id": stand.pool_id,
        "first": first,
        "last": first + timedelta(days=364),
    }
    made = await stand.unit(materialize, **year)
    took = stopwatch.perf_counter() - began
    assert made.created == 3650
    assert took < 5  # Well under a second alone; the machine may be busy.
    again = await stand.unit(materialize, **year)
    assert again.nothing


async def test_two_at_once_make_each_slot_once(stand: Stand):
    day = stand.today + timedelta(days=100)
    made = await asyncio.gather(
        *(
            stand.unit(materialize, pool_id=stand.pool_id, first=day, last=day + timedelta(days=9))
            for _ in range(4)
        )
    )
    assert sorted(changes.created for changes in made) == [0, 0, 0, 20]


async def test_a_new_schedule_leaves_sold_and_edited_slots(stand: Stand):
    first, second = await stand.day()
    day_after = stand.tomorrow + timedelta(days=1)
    third, fourth = await stand.day(day_after)
    await stand.take(first.id, 60)
    await stand.unit(edit_slot, slot_id=second.id, capacity=7)
    spec = ScheduleSpec(name="每天", slots=slots((8, 11), (11, 14), capacity=50))
    _, changes = await stand.unit(edit_schedule, schedule_id=stand.schedule_id, spec=spec)
    kept = {(s.starts, s.ends): s for s in await stand.day()}
    assert kept[time(8), time(10)].capacity == 60
    assert kept[time(10), time(12)].capacity == 7
    assert kept[time(10), time(12)].status == "open"
    assert (time(11), time(14)) in kept
    assert [s.id for s in changes.kept_sold] == [first.id]
    assert [s.id for s in changes.kept_edited] == [second.id]
    after = {s.starts: s for s in await stand.day(day_after)}
    assert (after[time(8)].id, after[time(8)].ends) == (third.id, time(11))
    assert (after[time(10)].id, after[time(10)].status) == (fourth.id, "closed")


async def test_a_deleted_schedule_closes_what_is_unsold(stand: Stand):
    first, second = await stand.day()
    await stand.take(first.id, 1)
    changes = await stand.unit(delete_schedule, schedule_id=stand.schedule_id)
    assert [s.status for s in await stand.day()] == ["open", "closed"]
    assert changes.closed > 0
    assert [s.id for s in changes.kept_sold] == [first.id]
    assert second.status == "open"


async def test_a_preview_tells_what_saving_would_do_and_does_nothing(stand: Stand):
    first, _ = await stand.day()
    await stand.take(first.id, 60)
    spec = ScheduleSpec(name="每天", slots=slots((8, 10), (13, 15), capacity=50))
    before = await stand.unit(count, "slot")
    seen = await stand.unit(
        preview_schedule, pool_id=stand.pool_id, schedule_id=stand.schedule_id, spec=spec
    )
    assert await stand.unit(count, "slot") == before
    assert [s.capacity for s in await stand.day()] == [100, 100]
    _, done = await stand.unit(edit_schedule, schedule_id=stand.schedule_id, spec=spec)
    assert seen.counts() == done.counts()
    assert [s.id for s in seen.kept_sold] == [first.id]


async def test_bad_slots_are_named_and_nothing_is_saved(stand: Stand):
    for spans, kind, field in (
        (((8, 10), (9, 11)), errors.SlotsOverlap, "slots.1.starts"),
        (((10, 9),), errors.SlotTimesReversed, "slots.0.ends"),
    ):
        spec = ScheduleSpec(name="x", slots=slots(*spans))
        with pytest.raises(kind) as refused:
            await stand.unit(create_schedule, pool_id=stand.pool_id, spec=spec)
        assert refused.value.field == field
    assert await stand.unit(count, "schedule") == 1


async def test_an_edit_over_somebody_elses_is_refused(stand: Stand):
    spec = ScheduleSpec(name="y", slots=slots((8, 9)))
    with pytest.raises(errors.ChangedMeanwhile):
        await stand.unit(edit_schedule, schedule_id=stand.schedule_id, spec=spec, seen="other")
    assert [s.ends for s in await stand.day()] == [time(10), time(12)]


async def test_a_special_day_gets_its_slots_at_once(stand: Stand):
    holiday = ScheduleSpec(
        name="节日", day_kind="holiday", priority=10, slots=slots((8, 20), capacity=500)
    )
    await stand.unit(create_schedule, pool_id=stand.pool_id, spec=holiday)
    ahead = [stand.today + timedelta(days=n) for n in range(2, 20)]
    day = next(d for d in ahead if day_kind(d) is not DayKind.HOLIDAY)
    fair = SpecialDaySpec(day=day, day_kind="holiday", name=LocalText(zh="庙会"))
    changes = await stand.unit(set_special_days, site_id=stand.site_id, days=[fair])
    assert changes.updated == 2
    assert [(s.ends, s.capacity, s.status) for s in await stand.day(day)] == [
        (time(20), 500, "open"),
        (time(12), 100, "closed"),
    ]
    await stand.unit(remove_special_days, site_id=stand.site_id, days=[day])
    assert [(s.ends, s.capacity, s.status) for s in await stand.day(day)] == [
        (time(10), 100, "open"),
        (time(12), 100, "open"),
    ]


async def test_the_daily_job_goes_on_as_days_pass(stand: Stand):
    later = clock.now() + timedelta(days=3)
    last = stand.today + timedelta(days=30)
    assert await stand.day(last) == []
    with clock.at(later):
        await stand.unit(extend_slots)
        assert len(await stand.day(last)) == 2
        before = await stand.unit(count, "slot")
        await stand.unit(extend_slots)
        assert await stand.unit(count, "slot") == before


async def test_a_cap_of_a_new_type_holds_also_where_others_have_sold(stand: Stand):
    first, _ = await stand.day()
    await stand.take(first.id, 60)
    child = await stand.unit(
        catalog.create_ticket_type,
        site_id=stand.site_id,
        spec=TicketTypeSpec(name=LocalText(zh="儿童船票"), days_ahead=20),
    )
    draws = [DrawSpec(pool_id=stand.pool_id, cap=30)]
    await stand.unit(set_stock, ticket_type_id=child.id, draws=draws)
    first, second = await stand.day()
    assert first.caps == {str(child.id): (30, 30)}
    assert (first.left_for(child.id), second.left_for(child.id)) == (30, 30)
    assert first.left_for(stand.type_id) == 40


async def test_a_cap_counts_what_was_sold_before_it_began(stand: Stand, desk: Desk):
    park = desk.park
    await desk.pay(await desk.place(park.order(park.ticket(), park.ticket("family"))))
    lapsed = await desk.place(park.order(park.ticket()))
    await desk.unit(cancel_order, order_id=lapsed.id)
    await desk.place(park.order(park.ticket("family")))
    draws = [DrawSpec(pool_id=park.gate_pool, quantity=3, cap=8)]
    _, changes = await stand.unit(set_stock, ticket_type_id=park.types["family"], draws=draws)
    assert changes.divided == 3
    states = await stand.unit(slots_by_id, ids=park.slots)
    assert [states[slot].left_for(park.types["family"]) for slot in park.slots] == [2, 8, 8]
    assert await desk.unit(differences) == []
    # A cap below what was sold is as high as that.
    draws = [DrawSpec(pool_id=park.gate_pool, quantity=3, cap=3)]
    await stand.unit(set_stock, ticket_type_id=park.types["family"], draws=draws)
    states = await stand.unit(slots_by_id, ids=park.slots)
    assert states[park.slots[0]].caps[str(park.types["family"])] == (6, 0)
    assert await desk.unit(differences) == []


async def test_slots_that_are_made_later_have_the_cap_too(stand: Stand):
    draws = [DrawSpec(pool_id=stand.pool_id, cap=50)]
    await stand.unit(set_stock, ticket_type_id=stand.type_id, draws=draws)
    day = stand.today + timedelta(days=60)
    await stand.unit(materialize, pool_id=stand.pool_id, first=day, last=day)
    assert [s.left_for(stand.type_id) for s in await stand.day(day)] == [50, 50]


async def test_a_cap_never_falls_below_what_is_taken_and_goes_away(stand: Stand):
    draws = [DrawSpec(pool_id=stand.pool_id, cap=50)]
    await stand.unit(set_stock, ticket_type_id=stand.type_id, draws=draws)
    first, _ = await stand.day()
    await stand.take(first.id, 40)
    draws = [DrawSpec(pool_id=stand.pool_id, cap=10)]
    await stand.unit(set_stock, ticket_type_id=stand.type_id, draws=draws)
    first, second = await stand.day()
    assert (first.left_for(stand.type_id), second.left_for(stand.type_id)) == (0, 10)
    await stand.unit(
        set_stock, ticket_type_id=stand.type_id, draws=[DrawSpec(pool_id=stand.pool_id)]
    )
    first, second = await stand.day()
    assert (first.left_for(stand.type_id), second.left_for(stand.type_id)) == (60, 100)


async def test_too_many_days_are_refused(stand: Stand):
    with pytest.raises(errors.TooManyDays):
        await stand.unit(
            materialize,
            pool_id=stand.pool_id,
            first=stand.today,
            last=stand.today + timedelta(days=5000),
        )
