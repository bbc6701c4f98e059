"""The auditor finds what no use case could have done."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from shanmen.db.session import Database, Session
from shanmen.insight.stock_audit import differences, report
from shanmen.inventory.division import ShareSpec
from shanmen.inventory.service.divide import divide_slots
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.refund import refund_tickets
from shanmen.orders.service.reschedule import reschedule
from tests.support.desk import Desk
from tests.support.park import Park


@pytest.fixture
async def desk(database: Database, park: Park) -> Desk:
    """A desk with an order in every state; the auditor agrees before the test and after it."""
    desk = Desk(database, park)
    ticket = park.ticket
    await desk.unit(cancel_order, order_id=(await desk.place(park.order(ticket()))).id)
    late = await desk.place(park.order(ticket()))
    attempt = await desk.attempt(late)
    with clock.at(late.hold_expires_at + timedelta(seconds=1)):
        await desk.unit(expire_holds)
        await desk.pay(late, attempt=attempt)
    paid = await desk.place(park.order(ticket("bundle"), ticket("family")))
    await desk.pay(paid)
    [first, _] = (await desk.view(paid)).tickets
    await desk.unit(refund_tickets, order_id=paid.id, ticket_ids=[first.ticket_id])
    moved = await desk.place(park.order(ticket()))
    await desk.pay(moved)
    await desk.unit(reschedule, order_id=moved.id, slot_id=park.slots[1])
    await desk.place(park.order(ticket("bundle"), ticket("family")))
    assert await desk.unit(differences) == []
    return desk


async def run(desk: Desk, sql: str) -> None:
    async def change(session: Session) -> None:
        await session.execute(text(sql))

    await desk.unit(change)


async def test_a_counter_changed_by_hand_is_found(desk: Desk):
    slot = desk.park.slots[0]
    await run(desk, f"UPDATE stock SET held = held + 2 WHERE id = '{slot}'")
    [found] = await desk.unit(differences)
    assert (found.stock_id, found.slot_id, found.scope) == (slot, slot, "slot")
    assert found.held == found.held_by_orders + 2
    assert found.sold == found.sold_by_orders == found.sold_by_tickets
    assert await desk.unit(report) == 1


async def test_a_channels_counter_changed_by_hand_is_found(desk: Desk):
    slot = desk.park.slots[0]
    family = desk.park.types["family"]
    allotments = [ShareSpec(channel="web", places=20), ShareSpec(channel="ota", places=5)]
    await desk.unit(divide_slots, slot_ids=[slot], allotments=allotments)
    await desk.unit(edit_slot, slot_id=slot, caps={family: 30})
    assert await desk.unit(differences) == []
    await run(desk, "UPDATE stock SET sold = sold + 1 WHERE scope = 'channel' AND ref = 'web'")
    [found] = await desk.unit(differences)
    assert (found.slot_id, found.scope, found.ref) == (slot, "channel", "web")
    assert found.sold == found.sold_by_orders + 1 == found.sold_by_tickets + 1
    await run(desk, "UPDATE stock SET sold = sold - 1 WHERE scope = 'channel' AND ref = 'web'")
    await run(desk, "UPDATE stock SET held = held - 1 WHERE scope = 'type'")
    [found] = await desk.unit(differences)
    assert (found.scope, found.ref, found.held_by_orders) == ("type", str(family), found.held + 1)


async def test_a_place_that_was_forgotten_is_found(desk: Desk):
    await run(desk, f"UPDATE stock SET sold = sold - 1 WHERE id = '{desk.park.slots[1]}'")
    [found] = await desk.unit(differences)
    assert (found.sold, found.sold_by_orders, found.sold_by_tickets) == (0, 1, 1)


async def test_a_ticket_that_vanished_is_found(desk: Desk):
    await run(desk, f"DELETE FROM ticket WHERE slot_id = '{desk.park.slots[1]}'")
    [found] = await desk.unit(differences)
    assert (found.sold, found.sold_by_orders, found.sold_by_tickets) == (1, 1, 0)


async def test_a_ticket_in_another_slot_than_its_order_is_found(desk: Desk):
    one, other = desk.park.slots[1:]
    await run(desk, f"UPDATE ticket SET slot_id = '{other}' WHERE slot_id = '{one}'")
    [found] = await desk.unit(differences)
    assert (found.stock_id, found.sold_by_orders, found.sold_by_tickets) == (one, 1, 0)


async def test_a_ticket_that_no_order_knows_is_found(desk: Desk):
    slot = desk.park.slots[1]
    await run(desk, f"UPDATE ticket SET id = gen_random_uuid() WHERE slot_id = '{slot}'")
    await run(desk, "UPDATE ticket SET party_size = 2 WHERE party_size = 1")
    found = {d.stock_id: d for d in await desk.unit(differences)}
    assert (found[slot].sold_by_orders, found[slot].sold_by_tickets) == (1, 2)


async def test_draws_on_a_counter_that_is_gone_are_found(desk: Desk):
    rides = ", ".join(f"'{slot}'" for slot in desk.park.ride_slots)
    await run(desk, f"DELETE FROM stock WHERE id IN ({rides}) AND held > 0")
    [found] = await desk.unit(differences)
    assert found.stock_id in desk.park.ride_slots
    assert (found.slot_id, found.held, found.held_by_orders) == (None, 0, 1)
