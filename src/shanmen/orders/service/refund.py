"""Giving paid tickets back: all of an order or some of it, within the ticket's rule.

In one transaction the tickets become void, their places come back, and the refund is recorded with
the job that tells the provider. The order is `refunding` until the provider has answered.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from msgspec import structs

from shanmen.catalog.rules import refund_fee
from shanmen.db.pipeline import run
from shanmen.db.session import Session
from shanmen.inventory import stock
from shanmen.kit import clock
from shanmen.ledger import rules as accounts
from shanmen.ledger.service import NewTransfer, post
from shanmen.orders.errors import AlreadyUsed, NotRefundable
from shanmen.orders.rules import Line, RefundQuote, State, quote_refund, used_state
from shanmen.orders.service.locked import Changes, LockedOrder, lock_order
from shanmen.payments import service as payments
from shanmen.payments.providers.base import RefundState, RefundStatus
from shanmen.sites.queries import site_timezone
from shanmen.tickets import feed
from shanmen.tickets import service as tickets


@dataclass(frozen=True, slots=True)
class Refunded:
    """What a refund gave back, in fen."""

    amount_fen: int
    fee_fen: int
    tickets: int


async def refund_tickets(
    session: Session,
    *,
    order_id: UUID,
    ticket_ids: Collection[UUID] | None = None,
    reason: str = "",
    fee_percent: int | None = None,
) -> Refunded:
    """Give back unused tickets of a paid order.

    Args:
        ticket_ids: which tickets; None is all that are unused and were not given back.
        reason: kept with the transition.
        fee_percent: a fee set by staff instead of the ticket's rule (0 in goodwill).

    Raises:
        AlreadyUsed: somebody has entered with one of them.
        NotRefundable: the rule does not allow it (now), or there is nothing to give back.
    """
    order = await lock_order(session, order_id)
    [rows] = await run(session, [tickets.lock_statement(session.tenant_id, [order_id])])
    uses = {row[0]: tickets.TicketUse(*row) for row in rows}
    chosen = _choose(order, uses, ticket_ids)
    quote = _quote(chosen, fee_percent)
    changes = Changes(session.actor)
    changes.move(
        order, State.REFUNDING, reason=reason, tickets=len(chosen), fee_fen=quote.fee_fen,
        amount_fen=quote.amount_fen,
    )  # fmt: skip
    gone = {line.ticket_id for line in chosen}
    order.lines = [
        structs.replace(line, refunded=True) if line.ticket_id in gone else line
        for line in order.lines
    ]
    order.new_lines = order.lines
    order.refunded_delta = quote.amount_fen
    if quote.amount_fen == 0:
        changes.move(order, _after_refund(order, uses), reason=reason)
    await stock.move(session, stock.summed(order.takings_of(chosen), held=0, sold=-1))
    await run(
        session,
        [
            *changes.statements(session.tenant_id),
            tickets.refund_statement(session.tenant_id, gone),
            tickets.set_active_statement(session.tenant_id, gone, active=False),
            feed.add_statement(session.tenant_id, gone),
        ],
    )
    if quote.price_fen:
        await _pay_back(session, order, quote, reason)
    return Refunded(quote.amount_fen, quote.fee_fen, len(chosen))


def refundable_lines(order_lines: list[Line], used: Collection[UUID]) -> list[Line]:
    """The lines of tickets that nobody has entered with and that were not given back."""
    return [line for line in order_lines if not line.refunded and line.ticket_id not in used]


def _choose(
    order: LockedOrder, uses: dict[UUID, tickets.TicketUse], ticket_ids: Collection[UUID] | None
) -> list[Line]:
    used = {use.id for use in uses.values() if use.persons_entered}
    if ticket_ids is None:
        chosen = refundable_lines(order.lines, used)
    else:
        chosen = [line for line in order.lines if line.ticket_id in set(ticket_ids)]
        if used & {line.ticket_id for line in chosen}:
            raise AlreadyUsed
    if not chosen or any(line.ticket_id not in uses for line in chosen):
        raise NotRefundable
    return chosen


def _quote(chosen: list[Line], fee_percent: int | None) -> RefundQuote:
    if fee_percent is not None and not any(line.refunded for line in chosen):
        price = sum(line.price_fen for line in chosen)
        fee = sum(refund_fee(line.price_fen, fee_percent) for line in chosen)
        return RefundQuote(tuple(line.ticket_id for line in chosen), price, fee, fee_percent)
    quote = quote_refund(chosen, now=clock.now())
    if quote is None:
        raise NotRefundable
    return quote


async def _pay_back(session: Session, order: LockedOrder, quote: RefundQuote, reason: str) -> None:
    paid = next(
        p for p in await payments.payments_of(session, order_id=order.id) if p.status == "paid"
    )
    if quote.fee_fen:
        now = clock.now()
        zone = await site_timezone(session, order.site_id)
        await post(
            session,
            [
                NewTransfer(
                    kind="cancellation_fee",
                    debit=accounts.PREPAID,
                    credit=accounts.CANCELLATION_FEES,
                    amount_fen=quote.fee_fen,
                    site_id=order.site_id,
                    at=now,
                    business_day=clock.local(now, zone).date(),
                    order_id=order.id,
                    reference=paid.id,
                )
            ],
        )
    if quote.amount_fen:
        await payments.request_refund(
            session,
            payment_id=paid.id,
            order_id=order.id,
            amount_fen=quote.amount_fen,
            reason=reason or "given_back",
        )


async def record_refund_state(session: Session, *, refund_id: UUID, state: RefundState) -> bool:
    """Record what the provider says of a refund, and finish the order; True when it is final."""
    refund = await payments.refund_by_id(session, refund_id=refund_id)
    order = await lock_order(session, refund.order_id)
    if not await payments.finish_refund(session, refund_id=refund_id, state=state):
        return state.status is not RefundStatus.PROCESSING
    if state.status is not RefundStatus.SUCCEEDED:
        return True
    now = clock.now()
    zone = await site_timezone(session, order.site_id)
    await post(
        session,
        [
            NewTransfer(
                kind="refund",
                debit=accounts.PREPAID,
                credit=accounts.received(refund.provider),
                amount_fen=refund.amount_fen,
                site_id=order.site_id,
                at=now,
                business_day=clock.local(now, zone).date(),
                order_id=order.id,
                reference=refund_id,
            )
        ],
    )
    if order.status == State.REFUNDING:
        [rows] = await run(session, [tickets.lock_statement(session.tenant_id, [order.id])])
        uses = {row[0]: tickets.TicketUse(*row) for row in rows}
        changes = Changes(session.actor)
        if not uses:
            # A late payment went back whole: the order never had tickets.
            order.refunded_delta = refund.amount_fen
        changes.move(order, _after_refund(order, uses), reason="provider_confirmed")
        await run(session, changes.statements(session.tenant_id))
    return True


def _after_refund(order: LockedOrder, uses: dict[UUID, tickets.TicketUse]) -> State:
    left = [line for line in order.lines if not line.refunded and line.ticket_id in uses]
    if not left:
        return State.REFUNDED
    return used_state(
        entered=sum(uses[line.ticket_id].persons_entered for line in left),
        total=sum(uses[line.ticket_id].uses for line in left),
    )
