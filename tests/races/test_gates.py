"""Admissions that meet each other, refunds and cancelled orders."""

from datetime import datetime
from uuid import UUID

import pytest

from shanmen.admission import service
from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.kit import clock, ids
from shanmen.orders.errors import AlreadyUsed, TransitionRefused
from shanmen.orders.schemas import OrderView, Placed
from shanmen.orders.service.lapse import cancel_order
from shanmen.orders.service.refund import Refunded, refund_tickets
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import MOVES

pytestmark = pytest.mark.races

DECIDED = "INSERT INTO scan"
"""The gate has decided and is about to write."""


async def lane(world: World) -> UUID:
    made = await world.desk.unit(
        service.create_lane,
        entrance_id=world.park.entrance_id,
        direction="in",
        name={"zh-CN": "通道", "en": "Lane"},
    )
    return made.id


async def paid_order(world: World) -> tuple[Placed, OrderView]:
    placed = await world.desk.place(world.park.order(world.park.ticket()))
    await world.desk.pay(placed)
    return placed, await world.desk.view(placed)


async def admit(world: World, view: OrderView, lane_id: UUID, *, at: datetime) -> DecisionView:
    """The guard types the number of the order's first ticket."""
    scan = ScanRequest(
        scan_id=ids.new_id(), lane_id=lane_id, code=f"{view.number}-0", kind="number"
    )
    with clock.at(at):
        return await world.desk.unit(service.admit_one, scan=scan)


async def refund(world: World, placed: Placed, *, at: datetime) -> Refunded:
    """Staff give it back without a fee, whatever the hour."""
    with clock.at(at):
        return await world.desk.unit(refund_tickets, order_id=placed.id, fee_percent=0)


async def test_two_lanes_admit_a_ticket_once(world: MakeWorld):
    w = await world()
    _, view = await paid_order(w)
    now = view.tickets[0].valid_from
    east, west = await lane(w), await lane(w)
    met = await w.collide(admit(w, view, east, at=now), admit(w, view, west, at=now), at=DECIDED)
    assert met.waited
    assert (met.first.outcome, met.first.persons) == ("admitted", 1)
    assert (met.second.outcome, met.second.persons) == ("refused", 0)
    assert await w.desk.count("scan", "persons > 0") == 1


@pytest.mark.parametrize("alone", [False, True], ids=["within", "at the commit"])
async def test_a_scan_without_a_ticket_that_comes_twice_is_decided_once(
    world: MakeWorld, *, alone: bool
):
    w = await world()
    scan = ScanRequest(scan_id=ids.new_id(), lane_id=await lane(w), code="nothing at all")

    async def decide() -> list[service.Outcome]:
        return await w.desk.unit(service.admit, scans=[scan], alone=alone)

    met = await w.collide(decide(), decide(), at=DECIDED)
    assert not met.waited
    assert met.first == met.second
    assert await w.desk.count("scan") == 1


async def test_without_the_lock_two_lanes_admit_a_ticket_twice(world: MakeWorld):
    w = await world(off=("ticket",))
    _, view = await paid_order(w)
    now = view.tickets[0].valid_from
    east, west = await lane(w), await lane(w)
    met = await w.collide(admit(w, view, east, at=now), admit(w, view, west, at=now), at=DECIDED)
    assert not met.waited
    assert (met.first.outcome, met.second.outcome) == ("admitted", "admitted")


async def test_who_gives_back_first_is_refused_at_the_gate(world: MakeWorld):
    w = await world()
    placed, view = await paid_order(w)
    now, gate = view.tickets[0].valid_from, await lane(w)
    met = await w.collide(refund(w, placed, at=now), admit(w, view, gate, at=now), at=MOVES)
    assert met.waited
    assert isinstance(met.first, Refunded)
    assert met.second.outcome == "refused"
    assert await w.desk.counters() == (0, 0)
    await w.assert_sound()


async def test_who_enters_first_gets_nothing_back(world: MakeWorld):
    w = await world()
    placed, view = await paid_order(w)
    now, gate = view.tickets[0].valid_from, await lane(w)
    one = [view.tickets[0].ticket_id]
    met = await w.collide(
        admit(w, view, gate, at=now),
        w.desk.unit(refund_tickets, order_id=placed.id, ticket_ids=one, fee_percent=0),
        at=DECIDED,
    )
    assert met.waited
    assert met.first.outcome == "admitted"
    assert isinstance(met.second, AlreadyUsed)
    assert await w.desk.counters() == (0, 1)
    assert await w.desk.count("refund") == 0
    await w.assert_sound()


async def test_without_the_lock_somebody_enters_with_money_back(world: MakeWorld):
    w = await world(off=("ticket",))
    placed, view = await paid_order(w)
    now, gate = view.tickets[0].valid_from, await lane(w)
    met = await w.collide(refund(w, placed, at=now), admit(w, view, gate, at=now), at=MOVES)
    assert not met.waited
    assert isinstance(met.first, Refunded)
    assert met.second.outcome == "admitted"
    assert await w.desk.count("refund") == 1


async def test_a_ticket_that_was_used_keeps_its_order(world: MakeWorld):
    w = await world()
    placed, view = await paid_order(w)
    now, gate = view.tickets[0].valid_from, await lane(w)
    met = await w.collide(
        admit(w, view, gate, at=now),
        w.desk.unit(cancel_order, order_id=placed.id),
        at=DECIDED,
    )
    assert met.first.outcome == "admitted"
    assert isinstance(met.second, TransitionRefused)
    assert (await w.desk.view(placed)).tickets[0].status == "used"
