"""What giving tickets back would pay, and giving them back for no less than that."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shanmen.catalog.rules import refund_fee
from shanmen.db.session import Session
from shanmen.orders.errors import RefundChanged
from shanmen.orders.queries import OrderFile
from shanmen.orders.rules import RefundQuote, quote_refund
from shanmen.orders.service.refund import Refunded, refund_tickets


@dataclass(frozen=True, slots=True)
class TicketQuote:
    """One ticket: what would be kept and paid back, in fen; None where it cannot be given back."""

    ticket_id: UUID
    price_fen: int
    fee_fen: int | None
    fee_percent: int | None

    @property
    def amount_fen(self) -> int | None:
        """What the buyer gets back."""
        return None if self.fee_fen is None else self.price_fen - self.fee_fen


def ticket_quotes(file: OrderFile, *, now: datetime) -> list[TicketQuote]:
    """All unused tickets of an order that were not given back, each by its own rule."""
    unused = {
        t.ticket_id for t in file.view.tickets if t.status == "valid" and not t.persons_entered
    }
    found = []
    for line in file.lines:
        if line.ticket_id not in unused:
            continue
        step = line.refund.step_at(now=now, visit_starts=line.visit_starts)
        fee = None if step is None else refund_fee(line.price_fen, step.fee_percent)
        percent = None if step is None else step.fee_percent
        found.append(TicketQuote(line.ticket_id, line.price_fen, fee, percent))
    return found


def quote_for(
    file: OrderFile, ticket_ids: Collection[UUID], *, now: datetime
) -> RefundQuote | None:
    """The quote for some tickets together; None when one of them cannot be given back now."""
    possible = {q.ticket_id for q in ticket_quotes(file, now=now)}
    lines = [line for line in file.lines if line.ticket_id in ticket_ids]
    if not lines or not {line.ticket_id for line in lines} <= possible:
        return None
    return quote_refund(lines, now=now)


async def refund_as_quoted(
    session: Session,
    *,
    order_id: UUID,
    ticket_ids: Collection[UUID],
    quoted_fen: int,
    reason: str = "",
) -> Refunded:
    """Give tickets back, unless less would be paid than the buyer was told.

    Raises:
        RefundChanged: a deadline passed since the quote; nothing is changed.
    """
    refunded = await refund_tickets(
        session, order_id=order_id, ticket_ids=ticket_ids, reason=reason
    )
    if refunded.amount_fen < quoted_fen:
        raise RefundChanged(amount_fen=refunded.amount_fen)
    return refunded
