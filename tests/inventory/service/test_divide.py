"""Pools and slots divided among channels, with real orders."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shanmen.db.session import Database, Session
from shanmen.insight.stock_audit import differences
from shanmen.inventory import errors
from shanmen.inventory.division import AllotmentSpec, ShareSpec, slot_parts
from shanmen.inventory.queries import divisions, slots_by_id
from shanmen.inventory.rules import SlotState
from shanmen.inventory.schemas import ScheduleSpec
from shanmen.inventory.service.divide import (
    divide_day,
    divide_pool,
    divide_slots,
    fingerprint,
    follow_pool,
    follow_pool_on,
    set_division,
)
from shanmen.inventory.service.materialize import materialize
from shanmen.inventory.service.schedules import create_schedule, edit_schedule
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock
from shanmen.orders.schemas import Placed, TicketInput
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.place import place_orders
from shanmen.orders.service.refund import refund_tickets
from shanmen.orders.service.reschedule import reschedule
from tests.inventory.conftest import Stand, slots
from tests.support.desk import HOLD_SECONDS, Desk
from tests.support.park import Park, make_park


def rules(**shares: int | str) -> list[AllotmentSpec]:
    """``ota=30`` is fixed, ``ota="20%"`` in percent."""
    return [
        AllotmentSpec(channel=code, percent=int(n[:-1]))
        if isinstance(n, str)
        else AllotmentSpec(channel=code, places=n)
        for code, n in shares.items()
    ]


def shares(**places: int) -> list[ShareSpec]:
    return [ShareSpec(channel=code, places=n) for code, n in places.items()]


def left(slot: SlotState, channel: str) -> int:
    return slot.seen_by(channel, clock.now()).left


async def entries(session: Session, action: str) -> int:
    found = await session.scalar(
        text("SELECT count(*) FROM audit_log WHERE action = :action"), {"action": action}
    )
    return int(found or 0)


# --- a pool ---


async def test_a_pools_shares_hold_in_every_slot_also_in_those_made_later(stand: Stand):
    changes = await divide_pool(
        stand.unit, pool_id=stand.pool_id, allotments=rules(ota=30, web="20%")
    )
    assert changes.divided >= 2 * 27
    assert changes.short == 0
    later = stand.today + timedelta(days=60)
    await stand.unit(materialize, pool_id=stand.pool_id, first=later, last=later)
    for day in (stand.tomorrow, later):
        for slot in await stand.day(day):
            assert [left(slot, code) for code in ("ota", "web", "window")] == [30, 20, 50]
    assert await stand.unit(entries, "inventory.pool_divided") == 1
    # The same again is no change.
    changes = await divide_pool(
        stand.unit, pool_id=stand.pool_id, allotments=rules(ota=30, web="20%")
    )
    assert (changes.divided, changes.nothing) == (0, True)
    assert await stand.unit(entries, "inventory.pool_divided") == 1
    # Without shares all is common stock, and nothing is counted by channel any more.
    await divide_pool(stand.unit, pool_id=stand.pool_id, allotments=[])
    for slot in await stand.day():
        assert slot.shares == {}


async def test_a_share_in_percent_follows_the_capacity(stand: Stand):
    await divide_pool(stand.unit, pool_id=stand.pool_id, allotments=rules(ota="30%"))
    first, _ = await stand.day()
    edited = await stand.unit(edit_slot, slot_id=first.id, capacity=50)
    assert edited.shares["ota"].places == 15
    spec = ScheduleSpec(name="每天", slots=slots((8, 10), (10, 12), capacity=200))
    await stand.unit(edit_schedule, schedule_id=stand.schedule_id, spec=spec)
    first, second = await stand.day()
    assert (first.shares["ota"].places, second.shares["ota"].places) == (15, 60)


@pytest.mark.parametrize(
    ("allotments", "error", "field"),
    [
        (rules(ota=60, web=41), errors.AllotmentsAboveCapacity, "allotments.1.places"),
        (rules(ota=60, web="41%"), errors.AllotmentsAboveCapacity, "allotments.1.percent"),
        (rules(ota="60%", web="41%"), errors.AllotmentsAboveWhole, "allotments.1.percent"),
        ([*rules(ota=1), *rules(ota=2)], errors.AllotmentTwice, "allotments.1.channel"),
        (rules(**{"O T A": 1}), errors.AllotmentChannel, "allotments.0.channel"),
        ([AllotmentSpec(channel="ota")], errors.AllotmentAmount, "allotments.0.places"),
        (
            [AllotmentSpec(channel="ota", places=1, percent=1)],
            errors.AllotmentAmount,
            "allotments.0.places",
        ),
    ],
)
async def test_what_cannot_be_divided_is_said_at_its_field(
    stand: Stand, allotments: list[AllotmentSpec], error: Any, field: str
):
    with pytest.raises(error) as refused:
        await divide_pool(stand.unit, pool_id=stand.pool_id, allotments=allotments)
    assert refused.value.field == field
    assert await stand.unit(divisions, pool_ids=[stand.pool_id]) == {}


async def test_two_editors_do_not_overwrite_each_other(stand: Stand):
    with pytest.raises(errors.PoolNotFound):
        await stand.unit(set_division, pool_id=uuid4(), allotments=[])
    seen = fingerprint([])
    await stand.unit(set_division, pool_id=stand.pool_id, allotments=rules(ota=1), seen=seen)
    with pytest.raises(errors.ChangedMeanwhile):
        await stand.unit(set_division, pool_id=stand.pool_id, allotments=[], seen=seen)


# --- with sales ---


@pytest.fixture
def sell(desk: Desk):
    """Places an order of adults; returns it, or the name of the refusal."""

    async def sell(
        count: int, channel: str, *, slot: int = 0, pay: bool = False, kind: str = "adult"
    ) -> Placed | str:
        tickets = [desk.park.ticket(kind, slot=slot) for _ in range(count)]
        request = desk.park.order(*tickets, channel=channel)
        [outcome] = await desk.unit(place_orders, requests=[request], hold_seconds=HOLD_SECONDS)
        if not isinstance(outcome, Placed):
            return type(outcome).__name__
        if pay:
            await desk.pay(outcome)
        return outcome

    return sell


async def state(desk: Desk, slot: int = 0) -> SlotState:
    found = await desk.unit(slots_by_id, ids=desk.park.slots)
    return found[desk.park.slots[slot]]


async def divide(desk: Desk, *specs: ShareSpec, slot: int = 0) -> SlotState:
    [divided] = await desk.unit(
        divide_slots, slot_ids=[desk.park.slots[slot]], allotments=list(specs)
    )
    return divided


async def test_each_channel_sells_its_own_places(desk: Desk, sell: Any):
    await divide(desk, *shares(ota=5), ShareSpec(channel="window", kind="minimum", places=90))
    assert isinstance(await sell(5, "ota"), Placed)
    assert await sell(1, "ota") == "SoldOut"
    assert isinstance(await sell(5, "web"), Placed)
    assert await sell(1, "web") == "SoldOut"
    assert await sell(1, "kiosk") == "SoldOut"
    assert isinstance(await sell(10, "window"), Placed)
    assert await desk.unit(differences) == []


async def test_a_family_is_refused_where_its_channel_has_too_little(desk: Desk, sell: Any):
    await divide(desk, *shares(ota=5))
    assert isinstance(await sell(1, "ota", kind="family"), Placed)
    assert await sell(1, "ota", kind="family") == "SoldOut"
    assert isinstance(await sell(2, "ota"), Placed)


async def test_a_share_falls_back_at_its_time(desk: Desk, sell: Any):
    first = await state(desk)
    minutes = int((first.starts_at - clock.now()).total_seconds() // 60) - 10
    await divide(desk, ShareSpec(channel="ota", places=97, release_minutes=minutes))
    assert isinstance(await sell(3, "web"), Placed)
    assert await sell(1, "web") == "SoldOut"
    with clock.at(clock.now() + timedelta(minutes=11)):
        assert isinstance(await sell(4, "web"), Placed)
        assert isinstance(await sell(1, "ota"), Placed)
        assert await desk.unit(differences) == []


async def test_what_was_sold_before_counts(desk: Desk, sell: Any):
    await sell(4, "ota", pay=True)
    held = await sell(2, "ota")
    gone = await sell(3, "ota")
    await desk.unit(cancel_order, order_id=gone.id)
    back = await sell(2, "ota", pay=True)
    view = await desk.view(back)
    await desk.unit(refund_tickets, order_id=back.id, ticket_ids=[view.tickets[0].ticket_id])
    await sell(1, "web", kind="bundle", pay=True)
    divided = await divide(desk, *shares(ota=10, web=1))
    assert (divided.shares["ota"].held, divided.shares["ota"].sold) == (2, 5)
    assert [left(divided, code) for code in ("ota", "web", "window")] == [3, 0, 89]
    assert await desk.unit(differences) == []
    # And all that happens to those orders later is counted too.
    await desk.unit(cancel_order, order_id=held.id)
    await desk.confirm_refunds(back)
    await desk.unit(refund_tickets, order_id=back.id)
    divided = await state(desk)
    assert (divided.shares["ota"].held, divided.shares["ota"].sold) == (0, 4)
    assert await desk.unit(differences) == []


async def test_the_further_pool_of_a_bundle_is_divided_too(desk: Desk, sell: Any):
    park = desk.park
    await desk.unit(divide_slots, slot_ids=park.ride_slots, allotments=shares(ota=19))
    request = park.order(
        TicketInput(park.types["bundle"], park.slots[0], park.ticket().visitors), channel="web"
    )
    await desk.place(request)
    # The next one does not fit into the same ride, and takes the one after it.
    second = await desk.place(
        park.order(TicketInput(park.types["bundle"], park.slots[0], park.ticket().visitors))
    )
    assert isinstance(second, Placed)
    rides = await desk.unit(slots_by_id, ids=park.ride_slots)
    assert [rides[slot].held for slot in park.ride_slots] == [1, 1, 0]
    assert await desk.unit(differences) == []


async def test_a_late_payment_finds_its_channels_places_or_goes_back(desk: Desk, sell: Any):
    one, two = await sell(1, "ota"), await sell(1, "web")
    first, second = await desk.attempt(one), await desk.attempt(two)
    with clock.at(one.hold_expires_at + timedelta(seconds=1)):
        await desk.unit(expire_holds)
        await divide(desk, *shares(ota=0))
        assert await desk.pay(one, attempt=first) == "late_refunded"
        assert await desk.pay(two, attempt=second) == "late_issued"
    assert await desk.unit(differences) == []


async def test_moving_goes_by_the_channels_places(desk: Desk, sell: Any):
    placed = await sell(2, "ota", pay=True)
    await divide(desk, *shares(ota=10))
    await divide(desk, *shares(ota=1), slot=1)
    with pytest.raises(errors.SoldOut):
        await desk.unit(reschedule, order_id=placed.id, slot_id=desk.park.slots[1])
    await divide(desk, *shares(ota=2), slot=1)
    await desk.unit(reschedule, order_id=placed.id, slot_id=desk.park.slots[1])
    assert ((await state(desk)).shares["ota"].sold, (await state(desk, 1)).shares["ota"].sold) == (
        0,
        2,
    )
    assert await desk.unit(differences) == []


async def test_a_share_of_a_slot_that_is_sold_too_far_is_refused(desk: Desk, sell: Any):
    for _ in range(9):
        await sell(10, "web")
    await sell(4, "ota")
    with pytest.raises(errors.AllotmentAboveLeft) as refused:
        await divide(desk, *shares(window=4, ota=7))
    assert (refused.value.field, refused.value.params["most"]) == ("allotments.1.places", 6)
    divided = await divide(desk, *shares(window=4, ota=6))
    assert [left(divided, code) for code in ("window", "ota", "web")] == [4, 2, 0]
    with pytest.raises(errors.AllotmentsAboveCapacity):
        await divide(desk, *shares(window=50, ota=51))


async def test_a_pools_shares_are_smaller_where_too_much_is_sold(
    stand: Stand, desk: Desk, sell: Any
):
    park = desk.park
    placed = [await sell(10, "web") for _ in range(9)]
    spec = ScheduleSpec(name="每天", slots=slots((8, 10), (10, 12), (12, 14)))
    await desk.unit(create_schedule, pool_id=park.gate_pool, spec=spec)
    changes = await divide_pool(
        desk.unit, pool_id=park.gate_pool, allotments=rules(ota=8, window=8)
    )
    assert changes.short == 1
    slot = await state(desk)
    assert {code: s.places for code, s in slot.shares.items()} == {"ota": 8, "window": 2}
    await desk.unit(cancel_order, order_id=placed[0].id)
    changes = await desk.unit(materialize, pool_id=park.gate_pool, first=park.day, last=park.day)
    assert (changes.divided, changes.short) == (1, 0)
    assert (await state(desk)).shares["window"].places == 8
    assert await desk.unit(differences) == []


async def test_capacity_does_not_fall_below_what_is_promised(desk: Desk, sell: Any):
    await sell(4, "web")
    await divide(desk, *shares(ota=20, web=10))
    slot = desk.park.slots[0]
    with pytest.raises(errors.CapacityBelowReserved) as refused:
        await desk.unit(edit_slot, slot_id=slot, capacity=29)
    assert (refused.value.params["taken"], refused.value.params["reserved"]) == (4, 26)
    assert (await desk.unit(edit_slot, slot_id=slot, capacity=30)).capacity == 30
    with pytest.raises(errors.CapacityBelowSold):
        await desk.unit(edit_slot, slot_id=slot, capacity=3)


# --- by hand, and back ---


async def test_a_slot_divided_by_hand_is_left_alone_and_follows_again(stand: Stand):
    await divide_pool(stand.unit, pool_id=stand.pool_id, allotments=rules(ota=30))
    first, second = await stand.day()
    await stand.unit(divide_slots, slot_ids=[first.id], allotments=shares(web=70))
    await divide_pool(stand.unit, pool_id=stand.pool_id, allotments=rules(ota=40))
    first, second = await stand.day()
    assert (set(first.shares), first.own_allotments) == ({"web"}, True)
    assert second.shares["ota"].places == 40
    # A schedule takes nothing that was promised by hand.
    spec = ScheduleSpec(name="每天", slots=slots((8, 10), (10, 12), capacity=50))
    _, changes = await stand.unit(edit_schedule, schedule_id=stand.schedule_id, spec=spec)
    assert [slot.id for slot in changes.kept_sold] == [first.id]
    first, second = await stand.day()
    assert (first.capacity, second.capacity) == (70, 50)
    [first] = await stand.unit(follow_pool, slot_ids=[first.id])
    assert (first.capacity, first.own_allotments, set(first.shares)) == (50, False, {"ota"})
    assert await stand.unit(entries, "inventory.slot_divided") == 1
    assert await stand.unit(entries, "inventory.slot_follows_division") == 1


async def test_a_whole_day_by_hand(stand: Stand):
    divided = await stand.unit(
        divide_day, pool_id=stand.pool_id, day=stand.tomorrow, allotments=shares(ota=99)
    )
    assert [left(slot, "web") for slot in divided] == [1, 1]
    # No shares at all is a division too.
    divided = await stand.unit(divide_day, pool_id=stand.pool_id, day=stand.tomorrow, allotments=[])
    assert [(left(slot, "web"), slot.own_allotments) for slot in divided] == [(100, True)] * 2
    back = await stand.unit(follow_pool_on, pool_id=stand.pool_id, day=stand.tomorrow)
    assert [slot.own_allotments for slot in back] == [False, False]
    empty = stand.today + timedelta(days=300)
    with pytest.raises(errors.SlotNotFound):
        await stand.unit(divide_day, pool_id=stand.pool_id, day=empty, allotments=[])
    with pytest.raises(errors.SlotNotFound):
        await stand.unit(follow_pool_on, pool_id=stand.pool_id, day=empty)


async def test_slots_that_are_over_or_of_others_are_not_divided(
    stand: Stand, database: Database, park: Park
):
    first, _ = await stand.day()
    with clock.at(first.ends_at):
        with pytest.raises(errors.SlotIsOver):
            await stand.unit(divide_slots, slot_ids=[first.id], allotments=[])
        with pytest.raises(errors.SlotIsOver):
            await stand.unit(follow_pool, slot_ids=[first.id])
    other = await make_park(database, code=f"{park.code}z"[-12:])
    stranger = database.unit(other.tenant_id)
    with pytest.raises(errors.SlotNotFound):
        await stranger(divide_slots, slot_ids=[first.id], allotments=[])
    with pytest.raises(errors.SlotNotFound):
        await stranger(follow_pool, slot_ids=[first.id])


async def test_the_picture_adds_up(desk: Desk, sell: Any):
    await sell(3, "ota", pay=True)
    await sell(2, "web")
    await divide(desk, *shares(ota=10, window=20))
    parts = slot_parts(await state(desk), clock.now())
    assert [(p.channel, p.sold, p.held, p.reserved, p.left) for p in parts] == [
        ("ota", 3, 0, 7, 7),
        ("window", 0, 0, 20, 20),
        ("", 0, 2, 68, 68),
    ]
