"""A gate's journal that meets the server's decision of the same scan, and a refund."""

from typing import Any
from uuid import UUID

import pytest
from nacl.signing import SigningKey

from shanmen.admission import service
from shanmen.admission.protocol import EnrolRequest, JournalReceipt, JournalRow
from shanmen.admission.schemas import GateScan
from shanmen.admission.service import devices, journal
from shanmen.admission.service.devices import Device
from shanmen.kit import clock, ids
from shanmen.orders.errors import NotRefundable
from shanmen.orders.schemas import OrderView, Placed
from shanmen.orders.service.refund import refund_tickets
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import MOVES

pytestmark = pytest.mark.races

DECIDED = "INSERT INTO scan"
"""Whoever decided is about to write."""


async def gate(world: World) -> Device:
    made = await world.desk.unit(
        devices.add_device, entrance_id=world.park.entrance_id, name="gate"
    )
    wish = EnrolRequest(
        code=made.code.rpartition("-")[0],
        public_key=SigningKey.generate().verify_key.encode(),
        name="gate",
        version="1",
    )
    await world.desk.unit(devices.enrol, request=wish)
    found = await world.desk.unit(devices.device, device_id=made.device_id)
    assert found is not None
    return found


async def paid(world: World) -> tuple[Placed, OrderView]:
    placed = await world.desk.place(world.park.order(world.park.ticket()))
    await world.desk.pay(placed)
    return placed, await world.desk.view(placed)


def asked(world: World, device: Device, view: OrderView, scan_id: UUID) -> Any:
    scan = GateScan(
        scan_id=scan_id,
        lane_id=world.park.lane_id,
        code=f"{view.number}-0",
        kind="number",
        device_id=device.id,
    )

    async def admit() -> Any:
        with clock.at(view.tickets[0].valid_from):
            return await world.desk.unit(service.admit_one, scan=scan)

    return admit()


def told(world: World, device: Device, view: OrderView, scan_id: UUID, *, seq: int = 1) -> Any:
    ticket = view.tickets[0]
    row = JournalRow(
        seq=seq,
        scan_id=scan_id,
        step="admitted",
        at=int(ticket.valid_from.timestamp() * 1000),
        skew_ms=0,
        lane_id=world.park.lane_id,
        ticket_id=ticket.ticket_id.bytes,
        generation=0,
        persons=1,
    )

    async def merge() -> JournalReceipt:
        with clock.at(ticket.valid_from):
            return await world.desk.unit(journal.merge, device=device, rows=[row], count=seq)

    return merge()


@pytest.mark.parametrize("journal_first", [True, False])
async def test_the_same_scan_counts_once(world: MakeWorld, journal_first: bool):
    """The server's late decision and the gate's own word of one scan, at the same moment."""
    w = await world()
    device = await gate(w)
    placed, view = await paid(w)
    scan = ids.new_id()
    both = [told(w, device, view, scan), asked(w, device, view, scan)]
    first, second = both if journal_first else reversed(both)
    met = await w.collide(first, second, at=DECIDED)
    assert met.waited
    assert await w.desk.count("scan", "persons > 0") == 1
    assert (await w.desk.view(placed)).tickets[0].persons_entered == 1
    assert await w.desk.count("gate_case") == 0


async def test_without_locks_the_same_scan_counts_twice(world: MakeWorld):
    w = await world(off=("ticket", "scan"))
    device = await gate(w)
    placed, view = await paid(w)
    scan = ids.new_id()
    await w.collide(told(w, device, view, scan), asked(w, device, view, scan), at=DECIDED)
    assert (await w.desk.view(placed)).tickets[0].persons_entered == 2


async def test_an_upload_and_its_repetition_count_once(world: MakeWorld):
    w = await world()
    device = await gate(w)
    placed, view = await paid(w)
    scan = ids.new_id()
    met = await w.collide(told(w, device, view, scan), told(w, device, view, scan), at=DECIDED)
    assert met.waited
    assert (met.first.through, met.second.through) == (1, 1)
    assert await w.desk.count("gate_journal") == 1
    assert (await w.desk.view(placed)).tickets[0].persons_entered == 1


async def test_without_locks_an_upload_and_its_repetition_count_twice(world: MakeWorld):
    w = await world(off=("gate_device", "ticket", "scan", "journal"))
    device = await gate(w)
    placed, view = await paid(w)
    scan = ids.new_id()
    await w.collide(told(w, device, view, scan), told(w, device, view, scan), at=DECIDED)
    assert (await w.desk.view(placed)).tickets[0].persons_entered == 2


async def test_a_refund_that_meets_a_journal(world: MakeWorld):
    """Whichever comes first: either nothing is given back, or a person hears of it."""
    w = await world()
    device = await gate(w)
    placed, view = await paid(w)
    met = await w.collide(
        told(w, device, view, ids.new_id()),
        w.desk.unit(refund_tickets, order_id=placed.id, fee_percent=0),
        at=DECIDED,
    )
    assert isinstance(met.second, NotRefundable)
    assert await w.desk.count("gate_case") == 0
    other, later = await paid(w)
    met = await w.collide(
        w.desk.unit(refund_tickets, order_id=other.id, fee_percent=0),
        told(w, device, later, ids.new_id(), seq=2),
        at=MOVES,
    )
    assert met.waited
    assert await w.desk.count("gate_case", "kind = 'after_refund'") == 1
