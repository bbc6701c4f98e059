"""An order's life after it is placed: pay, lapse, cancel, refund, move."""

from datetime import timedelta

import pytest

from shanmen.db.session import Database
from shanmen.inventory.errors import SoldOut
from shanmen.kit import clock, ids
from shanmen.ledger.service import differences
from shanmen.orders.errors import NotRefundable, TransitionRefused
from shanmen.orders.queries import find_own
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.pay import Heard, settle
from shanmen.orders.service.refund import refund_tickets
from shanmen.orders.service.reschedule import reschedule
from shanmen.payments import service as payments
from tests.support.desk import Desk, notice
from tests.support.park import Park, make_park


@pytest.fixture
def desk(database: Database, park: Park) -> Desk:
    return Desk(database, park)


async def test_paid_and_issued_are_one(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket("family")))
    assert await desk.counters() == (3, 0)
    assert await desk.pay(placed) == "issued"
    view = await desk.view(placed)
    assert view.status == "issued"
    assert [e.to_status for e in view.events] == ["held", "paid", "issued"]
    assert [t.status for t in view.tickets] == ["valid"]
    assert await desk.counters() == (0, 3)
    assert await desk.unit(differences) == []


async def test_a_repeated_callback_changes_nothing(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    attempt = await desk.attempt(placed)
    one = notice(attempt, placed.amount_fen)
    outcomes = await desk.unit(settle, notices=[one, one])
    assert outcomes == ["issued", "duplicate"]
    assert await desk.unit(settle, notices=[one]) == ["duplicate"]
    assert await desk.counters() == (0, 1)


async def test_a_wrong_amount_issues_nothing(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    assert await desk.pay(placed, fen=1) == "amount_mismatch"
    assert (await desk.view(placed)).status == "held"


async def test_a_hold_lapses_and_its_places_come_back(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket("family")))
    assert await desk.unit(expire_holds) == 0
    with clock.at(placed.hold_expires_at + timedelta(seconds=1)):
        assert await desk.unit(expire_holds) == 1
        assert await desk.unit(expire_holds) == 0
    assert await desk.counters() == (0, 0)
    assert (await desk.view(placed)).status == "expired"


async def test_a_late_payment_is_honoured_while_there_is_room(desk: Desk) -> None:
    request = desk.park.order(desk.park.ticket())
    placed = await desk.place(request)
    attempt = await desk.attempt(placed)
    with clock.at(placed.hold_expires_at + timedelta(seconds=1)):
        await desk.unit(expire_holds)
        assert await desk.pay(placed, attempt=attempt) == "late_issued"
    assert (await desk.view(placed)).status == "issued"
    assert await desk.counters() == (0, 1)


async def test_a_late_payment_without_room_goes_back(database: Database) -> None:
    desk = Desk(database, await make_park(database, code=f"l{ids.new_id().hex[-8:]}", capacity=1))
    late = await desk.place(desk.park.order(desk.park.ticket()))
    attempt = await desk.attempt(late)
    with clock.at(late.hold_expires_at + timedelta(seconds=1)):
        await desk.unit(expire_holds)
        await desk.place(desk.park.order(desk.park.ticket()))
        assert await desk.pay(late, attempt=attempt) == "late_refunded"
        assert (await desk.view(late)).status == "refunding"
        await desk.confirm_refunds(late)
    view = await desk.view(late)
    assert view.status == "refunded"
    assert view.refunded_fen == view.amount_fen
    assert [t.status for t in view.tickets] == ["lapsed"]
    assert await desk.unit(differences) == []


async def test_a_late_payment_for_what_was_bought_again_goes_back(desk: Desk) -> None:
    ticket = desk.park.ticket()
    late = await desk.place(desk.park.order(ticket))
    attempt = await desk.attempt(late)
    with clock.at(late.hold_expires_at + timedelta(seconds=1)):
        await desk.unit(expire_holds)
        again = await desk.place(desk.park.order(ticket))
        await desk.pay(again)
        assert await desk.pay(late, attempt=attempt) == "late_refunded"


async def test_an_order_paid_twice_gets_the_second_payment_back(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    first = await desk.attempt(placed)
    second = (
        await desk.unit(
            payments.open_attempt, order_id=placed.id, order_number=placed.number,
            amount_fen=placed.amount_fen, provider="other", expires_at=placed.hold_expires_at,
        )
    ).id  # fmt: skip
    await desk.pay(placed, attempt=first)
    [outcome] = await desk.unit(
        settle, notices=[Heard("other", notice(second, placed.amount_fen).notice)]
    )
    assert outcome == "paid_twice"
    await desk.confirm_refunds(placed)
    view = await desk.view(placed)
    assert view.status == "issued"
    assert view.refunded_fen == 0


async def test_a_held_order_is_cancelled(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    await desk.unit(cancel_order, order_id=placed.id)
    assert await desk.counters() == (0, 0)
    with pytest.raises(TransitionRefused):
        await desk.unit(cancel_order, order_id=placed.id)


async def test_a_ticket_is_given_back_by_its_rule(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket(), desk.park.ticket("family")))
    await desk.pay(placed)
    view = await desk.view(placed)
    with clock.at(view.tickets[0].valid_from - timedelta(hours=2)):
        refunded = await desk.unit(
            refund_tickets, order_id=placed.id, ticket_ids=[view.tickets[0].ticket_id]
        )
        assert (refunded.amount_fen, refunded.fee_fen) == (10800, 1200)
        assert await desk.counters() == (0, 3)
        await desk.confirm_refunds(placed)
        view = await desk.view(placed)
        assert view.status == "issued"
        assert [t.status for t in view.tickets] == ["refunded", "valid"]
        await desk.unit(refund_tickets, order_id=placed.id)
        await desk.confirm_refunds(placed)
    view = await desk.view(placed)
    assert view.status == "refunded"
    assert view.refunded_fen == 10800 + 23400
    assert await desk.unit(differences) == []
    with (
        clock.at(view.tickets[0].valid_from + timedelta(minutes=1)),
        pytest.raises(NotRefundable),
    ):
        await desk.unit(refund_tickets, order_id=placed.id)


async def test_too_late_to_give_back(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket()))
    await desk.pay(placed)
    starts = (await desk.view(placed)).tickets[0].valid_from
    with clock.at(starts + timedelta(minutes=1)), pytest.raises(NotRefundable):
        await desk.unit(refund_tickets, order_id=placed.id)
    assert (await desk.view(placed)).status == "issued"
    assert await desk.counters() == (0, 1)


async def test_a_family_moves_together_or_not_at_all(database: Database) -> None:
    desk = Desk(database, await make_park(database, code=f"m{ids.new_id().hex[-8:]}", capacity=4))
    park = desk.park
    placed = await desk.place(park.order(park.ticket("family")))
    await desk.pay(placed)
    blocker = await desk.place(
        park.order(park.ticket("adult", slot=1), park.ticket("adult", slot=1))
    )
    with pytest.raises(SoldOut):
        await desk.unit(reschedule, order_id=placed.id, slot_id=park.slots[1])
    assert (await desk.counters(0), await desk.counters(1)) == ((0, 3), (2, 0))
    await desk.unit(cancel_order, order_id=blocker.id)
    await desk.unit(reschedule, order_id=placed.id, slot_id=park.slots[1])
    assert (await desk.counters(0), await desk.counters(1)) == ((0, 0), (0, 3))
    view = await desk.view(placed)
    assert view.status == "issued"
    assert view.tickets[0].generation == 1
    assert [e.to_status for e in view.events][-2:] == ["rescheduled", "issued"]


async def test_an_order_is_found_again_by_number_and_phone(desk: Desk) -> None:
    placed = await desk.place(desk.park.order(desk.park.ticket(), phone="139 1234 5678"))
    found = await desk.unit(find_own, number=placed.number.lower(), phone="+86 13912345678")
    assert found.id == placed.id
    assert found.phone == "139****5678"
