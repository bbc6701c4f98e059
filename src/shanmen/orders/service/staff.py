"""What staff and integrators do with orders: the same use cases, each noted in the audit log."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import phones
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.service.lapse import cancel_order
from shanmen.orders.service.refund import Refunded, refund_tickets
from shanmen.orders.service.reschedule import reschedule
from shanmen.orders.service.start import confirm_external

PHONE = text("SELECT phone, number FROM orders WHERE tenant_id = :tenant AND id = :order")
HOLDERS = text(
    "SELECT ticket_id, name, document_kind, document FROM holder "
    "WHERE tenant_id = :tenant AND ticket_id = ANY (ARRAY("
    "SELECT (line->>'ticket_id')::uuid FROM orders, jsonb_array_elements(lines) AS line "
    "WHERE tenant_id = :tenant AND id = :order)) ORDER BY ticket_id, seq"
)


async def cancel(session: Session, *, order_id: UUID, reason: str) -> None:
    """Cancel an unpaid order; raises TransitionRefused for any other."""
    await cancel_order(session, order_id=order_id, reason=reason)
    await audit.record(
        session, action="orders.cancelled", entity="order", entity_id=order_id, reason=reason
    )


async def refund(
    session: Session,
    *,
    order_id: UUID,
    ticket_ids: Collection[UUID] | None,
    reason: str,
    fee_percent: int | None = None,
) -> Refunded:
    """Give tickets back by their rule, or at another fee in goodwill; raises as refund_tickets."""
    refunded = await refund_tickets(
        session, order_id=order_id, ticket_ids=ticket_ids, reason=reason, fee_percent=fee_percent
    )
    await audit.record(
        session,
        action="orders.refunded" if fee_percent is None else "orders.refunded_in_goodwill",
        entity="order",
        entity_id=order_id,
        after={
            "tickets": refunded.tickets,
            "amount_fen": refunded.amount_fen,
            "fee_fen": refunded.fee_fen,
        },
        reason=reason,
    )
    return refunded


async def move(
    session: Session,
    *,
    order_id: UUID,
    slot_id: UUID,
    ticket_ids: Collection[UUID] | None,
    reason: str,
    other_slot_ids: Collection[UUID] = (),
) -> None:
    """Move tickets to another slot, a bundle's further visits too; raises as reschedule."""
    await reschedule(
        session,
        order_id=order_id,
        slot_id=slot_id,
        ticket_ids=ticket_ids,
        other_slot_ids=other_slot_ids,
        reason=reason,
    )
    await audit.record(
        session,
        action="orders.rescheduled",
        entity="order",
        entity_id=order_id,
        after={"slot_id": slot_id, "tickets": len(ticket_ids) if ticket_ids else "all"},
        reason=reason,
    )


async def confirm(
    session: Session, *, order_id: UUID, channel: str, reference: str, amount_fen: int | None
) -> None:
    """Record that a channel has been paid; raises as confirm_external."""
    await confirm_external(
        session, order_id=order_id, channel=channel, reference=reference, amount_fen=amount_fen
    )
    await audit.record(
        session,
        action="orders.confirmed",
        entity="order",
        entity_id=order_id,
        after={"channel": channel, "reference": reference},
    )


@dataclass(frozen=True, slots=True)
class PlainVisitor:
    """A person as named when the order was placed."""

    ticket_id: UUID
    name: str
    document_kind: str
    document_number: str


@dataclass(frozen=True, slots=True)
class PlainData:
    """The personal data of an order."""

    phone: str
    visitors: tuple[PlainVisitor, ...]


async def reveal(session: Session, *, order_id: UUID, reason: str) -> PlainData:
    """The personal data of an order, unmasked; who looked, and why, is noted first."""
    params = {"tenant": session.tenant_id, "order": order_id}
    order = (await session.execute(PHONE, params)).one_or_none()
    if order is None:
        raise OrderNotFound
    await audit.record(
        session, action="orders.revealed", entity="order", entity_id=order_id, reason=reason
    )
    keyring = session.keyring
    return PlainData(
        phones.national(keyring.decrypt(order.phone, field="orders.phone")),
        tuple(
            PlainVisitor(
                ticket_id,
                keyring.decrypt(name, field="holder.name"),
                kind,
                keyring.decrypt(document, field="holder.document"),
            )
            for ticket_id, name, kind, document in await session.execute(HOLDERS, params)
        ),
    )


async def show_link(session: Session, *, order_id: UUID) -> None:
    """Note that somebody of the staff was shown the address of an order's page."""
    await audit.record(session, action="orders.link_shown", entity="order", entity_id=order_id)
