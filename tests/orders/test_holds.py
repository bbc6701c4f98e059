"""How long places are held: by channel, and extended once."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from shanmen.catalog.errors import ChannelUnreadable, HoldTimeTwice
from shanmen.catalog.hold_times import HoldTime, hold_times, set_hold_times
from shanmen.db.session import Database, Session
from shanmen.kit import clock
from shanmen.orders.errors import HoldExtended, HoldLapsed, HoldLongEnough, NotPayable
from shanmen.orders.schemas import Placed
from shanmen.orders.service.extend import extend_hold
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.place import place_orders
from shanmen.web.forms import FormInvalid
from tests.support.desk import HOLD_SECONDS, Desk
from tests.support.park import Park

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(database: Database, park: Park) -> Desk:
    return Desk(database, park)


async def held_for(desk: Desk, channel: str) -> timedelta:
    now = clock.now()
    with clock.at(now):
        request = desk.park.order(desk.park.ticket(), channel=channel)
        [placed] = await desk.unit(place_orders, requests=[request], hold_seconds=HOLD_SECONDS)
    assert isinstance(placed, Placed)
    return placed.hold_expires_at - now


async def test_each_channel_has_its_hold_time(desk: Desk):
    assert await held_for(desk, "web") == 15 * MINUTE
    times = [HoldTime(minutes=20), HoldTime(channel="window", minutes=3)]
    assert await desk.unit(set_hold_times, times=times) == times
    assert await desk.unit(hold_times) == times
    assert await held_for(desk, "web") == 20 * MINUTE
    assert await held_for(desk, "window") == 3 * MINUTE
    await desk.unit(set_hold_times, times=[HoldTime(channel="ota", minutes=30)])
    assert await held_for(desk, "ota") == 30 * MINUTE
    assert await held_for(desk, "window") == 15 * MINUTE
    assert await desk.count("audit_log", "action = 'catalog.hold_times_changed'") == 2


@pytest.mark.parametrize(
    ("times", "error", "field"),
    [
        ([HoldTime(minutes=0)], FormInvalid, None),
        ([HoldTime(minutes=1441)], FormInvalid, None),
        ([HoldTime(channel="No Way", minutes=5)], ChannelUnreadable, "times.0.channel"),
        ([HoldTime(minutes=5), HoldTime(minutes=6)], HoldTimeTwice, "times.1.channel"),
    ],
)
async def test_hold_times_are_checked(desk: Desk, times, error, field):
    with pytest.raises(error) as refused:
        await desk.unit(set_hold_times, times=times)
    if field:
        assert refused.value.field == field
    assert await desk.unit(hold_times) == []


async def extend(desk: Desk, placed: Placed, *, left: timedelta):
    with clock.at(placed.hold_expires_at - left):
        return await desk.unit(extend_hold, order_id=placed.id, hold_seconds=HOLD_SECONDS)


async def test_a_hold_is_extended_once_and_lapses_at_its_new_end(desk: Desk):
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    with pytest.raises(HoldLongEnough) as early:
        await extend(desk, placed, left=6 * MINUTE)
    assert early.value.params == {"minutes": 5}
    until = await extend(desk, placed, left=4 * MINUTE)
    assert until == placed.hold_expires_at + 15 * MINUTE
    view = await desk.view(placed)
    assert (view.status, view.hold_expires_at, view.hold_extended) == ("held", until, True)
    assert [(e.from_status, e.to_status, e.reason) for e in view.events[1:]] == [
        ("held", "held", "hold_extended")
    ]
    with pytest.raises(HoldExtended):
        await extend(desk, placed, left=4 * MINUTE)
    with clock.at(until - timedelta(seconds=1)):
        assert await desk.unit(expire_holds) == 0
    with clock.at(until):
        assert await desk.unit(expire_holds) == 1
    assert await desk.counters() == (0, 0)


async def test_what_is_over_is_not_extended(desk: Desk):
    lapsed, cancelled, paid = [
        await desk.place(desk.park.order(desk.park.ticket())) for _ in range(3)
    ]
    await desk.unit(cancel_order, order_id=cancelled.id)
    await desk.pay(paid)
    with pytest.raises(HoldLapsed):
        await extend(desk, lapsed, left=timedelta())
    with clock.at(lapsed.hold_expires_at):
        await desk.unit(expire_holds)
    with pytest.raises(HoldLapsed):
        await extend(desk, lapsed, left=MINUTE)
    for order in (cancelled, paid):
        with pytest.raises(NotPayable):
            await extend(desk, order, left=MINUTE)
    assert await desk.count("orders", "hold_extended") == 0


async def test_it_is_extended_by_the_time_of_its_channel(desk: Desk):
    await desk.unit(set_hold_times, times=[HoldTime(channel="web", minutes=3)])
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    assert await extend(desk, placed, left=MINUTE) == placed.hold_expires_at + 3 * MINUTE


async def test_the_sweep_goes_by_index(desk: Desk):
    async def plan(session: Session) -> str:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        rows = await session.execute(
            text("EXPLAIN SELECT id FROM orders WHERE tenant_id = :t AND status = 'held' "
                 "AND hold_expires_at <= now() ORDER BY hold_expires_at LIMIT 500"),
            {"t": session.tenant_id},
        )  # fmt: skip
        return "\n".join(row[0] for row in rows)

    assert "ix_orders_hold_expires" in await desk.unit(plan)
