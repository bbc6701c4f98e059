"""Recording payments and refunds. Nothing here calls a provider: no transaction ever does.

The steps around a call: record the attempt and commit; call the provider with the attempt's id as
its number; record the result. A lost answer is found out by asking again with the same number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from shanmen.db.outbox import publish
from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.kit.errors import NotFound
from shanmen.payments.models import Payment, Refund
from shanmen.payments.providers.base import ProviderNotice, RefundState, RefundStatus

NOTICES = """
INSERT INTO payment_notice (tenant_id, id, provider, event_id, kind, payment_id, amount_fen,
    received_at, outcome)
SELECT %s, t.id, t.provider, t.event_id, t.kind, t.payment_id, t.amount_fen, %s, t.outcome
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::bigint[], %s::text[])
    AS t(id, provider, event_id, kind, payment_id, amount_fen, outcome)
ON CONFLICT DO NOTHING
"""
LOCK = """
SELECT id, order_id, provider, amount_fen, status
FROM payment WHERE tenant_id = %s AND id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
OPEN = """
INSERT INTO payment (tenant_id, id, order_id, order_number, provider, amount_fen, status,
    created_at, expires_at)
SELECT %s, t.id, t.order_id, t.number, t.provider, t.amount_fen, 'created', %s, t.expires_at
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[])
    AS t(id, order_id, number, provider, amount_fen, expires_at)
"""
PAID = """
UPDATE payment SET status = 'paid', paid_at = d.paid_at, provider_ref = d.ref
FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[]) AS d(id, paid_at, ref)
WHERE payment.tenant_id = %s AND payment.id = d.id
"""


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment attempt."""

    id: UUID
    order_id: UUID
    order_number: str
    provider: str
    amount_fen: int
    status: str
    pay_url: str
    provider_ref: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """A payment attempt to open for an order that has none."""

    order_id: UUID
    order_number: str
    provider: str
    amount_fen: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LockedPayment:
    """A payment whose row is locked."""

    id: UUID
    order_id: UUID
    provider: str
    amount_fen: int
    status: str


@dataclass(frozen=True, slots=True)
class HeardNotice:
    """A provider's notice and what was made of it."""

    provider: str
    notice: ProviderNotice
    payment_id: UUID
    outcome: str


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money on its way back, or there."""

    id: UUID
    payment_id: UUID
    order_id: UUID
    amount_fen: int
    total_fen: int
    provider: str
    status: str
    reason: str
    attempts: int


def payment_number(out_trade_no: str) -> UUID | None:
    """The attempt that a provider's number stands for; None when it is not one of ours."""
    try:
        return UUID(hex=out_trade_no)
    except ValueError:
        return None


async def open_attempt(
    session: Session,
    *,
    order_id: UUID,
    order_number: str,
    amount_fen: int,
    provider: str,
    expires_at: datetime,
) -> PaymentView:
    """The order's open attempt with this provider, or a new one. The order is locked."""
    found = await session.scalar(
        select(Payment)
        .where(
            Payment.tenant_id == session.tenant_id,
            Payment.order_id == order_id,
            Payment.provider == provider,
            Payment.amount_fen == amount_fen,
            Payment.status.in_(("created", "started")),
            Payment.expires_at >= expires_at,
        )
        .order_by(Payment.created_at.desc())
        .limit(1)
    )
    if found is None:
        found = Payment(
            tenant_id=session.tenant_id,
            id=ids.new_id(),
            order_id=order_id,
            order_number=order_number,
            provider=provider,
            amount_fen=amount_fen,
            status="created",
            provider_ref="",
            pay_url="",
            created_at=clock.now(),
            expires_at=expires_at,
        )
        session.add(found)
        await session.flush()
    return _view(found)


async def open_many(session: Session, *, attempts: Sequence[NewAttempt]) -> list[UUID]:
    """Open attempts for many orders that have none; returns their ids in the same order."""
    rows = [
        (ids.new_id(), a.order_id, a.order_number, a.provider, a.amount_fen, a.expires_at)
        for a in attempts
    ]
    if rows:
        at = session.tenant_id, clock.now()
        await run(session, [Statement(OPEN, (*at, *columns(rows, 6)))])
    return [row[0] for row in rows]


async def mark_started(
    session: Session, *, payment_id: UUID, provider_ref: str, pay_url: str
) -> None:
    """The provider knows the attempt and told where to pay."""
    await session.execute(
        update(Payment)
        .where(
            Payment.tenant_id == session.tenant_id,
            Payment.id == payment_id,
            Payment.status.in_(("created", "started")),
        )
        .values(status="started", provider_ref=provider_ref, pay_url=pay_url)
    )


async def close_attempt(session: Session, *, payment_id: UUID) -> None:
    """The provider will take no money for this attempt any more."""
    await session.execute(
        update(Payment)
        .where(
            Payment.tenant_id == session.tenant_id,
            Payment.id == payment_id,
            Payment.status.in_(("created", "started")),
        )
        .values(status="closed")
    )


async def open_attempts(
    session: Session, *, older_than: timedelta, limit: int = 200
) -> list[PaymentView]:
    """Attempts that nobody has heard of since: the provider is asked what became of them."""
    rows = await session.scalars(
        select(Payment)
        .where(
            Payment.tenant_id == session.tenant_id,
            Payment.status.in_(("created", "started")),
            Payment.created_at < clock.now() - older_than,
        )
        .order_by(Payment.created_at)
        .limit(limit)
    )
    return [_view(row) for row in rows]


OF_ORDER = """
SELECT id, order_id, order_number, provider, amount_fen, status, pay_url, provider_ref, created_at,
       expires_at, paid_at
FROM payment WHERE tenant_id = %(tenant)s AND order_id = {order} ORDER BY created_at DESC
"""
"""All attempts of an order, the newest first; rows make `PaymentView`.

Whoever uses it names the tenant and says which order.
"""


def order_statement(tenant_id: int, order_id: UUID) -> Statement:
    """Reads all attempts of an order, the newest first; rows make `PaymentView`."""
    return Statement(OF_ORDER.format(order="%(order)s"), {"tenant": tenant_id, "order": order_id})


async def payments_of(session: Session, *, order_id: UUID) -> list[PaymentView]:
    """All attempts of an order, the newest first."""
    [rows] = await run(session, [order_statement(session.tenant_id, order_id)])
    return [PaymentView(*row) for row in rows]


def lock_statement(tenant_id: int, payment_ids: Iterable[UUID]) -> Statement:
    """Locks payments by id, after their orders; rows make `LockedPayment`."""
    return Statement(LOCK, (tenant_id, array(payment_ids)))


def paid_statement(tenant_id: int, paid: Sequence[tuple[UUID, datetime, str]]) -> Statement:
    """Marks payments as paid: (id, paid_at, provider's reference)."""
    return Statement(PAID, (*columns(paid, 3), tenant_id))


def notices_statement(tenant_id: int, heard: Sequence[HeardNotice], *, now: datetime) -> Statement:
    """Keeps the notices; a repeated event is kept once."""
    rows = [
        (ids.new_id(), h.provider, h.notice.event_id, h.notice.kind.value, h.payment_id,
         h.notice.amount_fen, h.outcome)
        for h in heard
    ]  # fmt: skip
    return Statement(NOTICES, (tenant_id, now, *columns(rows, 7)))


async def request_refund(
    session: Session, *, payment_id: UUID, order_id: UUID, amount_fen: int, reason: str
) -> UUID:
    """Record that money goes back, and let the job that tells the provider know."""
    refund_id = ids.new_id()
    session.add(
        Refund(
            tenant_id=session.tenant_id,
            id=refund_id,
            payment_id=payment_id,
            order_id=order_id,
            amount_fen=amount_fen,
            status="requested",
            reason=reason,
            created_at=clock.now(),
        )
    )
    await session.flush()
    await publish(session, "payments.refund_requested", {"refund_id": str(refund_id)})
    return refund_id


async def refund_by_id(session: Session, *, refund_id: UUID) -> RefundView:
    """A refund with its payment's total; raises NotFound."""
    row = (
        await session.execute(
            select(Refund, Payment)
            .join(
                Payment,
                (Payment.tenant_id == Refund.tenant_id) & (Payment.id == Refund.payment_id),
            )
            .where(Refund.tenant_id == session.tenant_id, Refund.id == refund_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    refund, payment = row
    return RefundView(
        refund.id,
        refund.payment_id,
        refund.order_id,
        refund.amount_fen,
        payment.amount_fen,
        payment.provider,
        refund.status,
        refund.reason,
        refund.attempts,
    )


async def refunds_of(session: Session, *, order_id: UUID) -> list[Refund]:
    """All refunds of an order, the newest first."""
    rows = await session.scalars(
        select(Refund)
        .where(Refund.tenant_id == session.tenant_id, Refund.order_id == order_id)
        .order_by(Refund.created_at.desc())
    )
    return list(rows)


async def finish_refund(session: Session, *, refund_id: UUID, state: RefundState) -> bool:
    """Record the provider's word; True when this call is the one that finished the refund.

    The caller has locked the order.
    """
    final = {RefundStatus.SUCCEEDED: "succeeded", RefundStatus.FAILED: "failed"}
    status = final.get(state.status)
    values: dict[str, object] = {"attempts": Refund.attempts + 1}
    if status:
        values |= {
            "status": status,
            "provider_ref": state.provider_ref,
            "finished_at": state.finished_at or clock.now(),
            "last_error": "",
        }
    result = await session.execute(
        update(Refund)
        .where(
            Refund.tenant_id == session.tenant_id,
            Refund.id == refund_id,
            Refund.status == "requested",
        )
        .values(values)
        .returning(Refund.id)
    )
    return result.scalar_one_or_none() is not None and status is not None


async def note_refund_trouble(session: Session, *, refund_id: UUID, error: str) -> None:
    """Keep why the provider could not be reached, for the console."""
    await session.execute(
        update(Refund)
        .where(Refund.tenant_id == session.tenant_id, Refund.id == refund_id)
        .values(attempts=Refund.attempts + 1, last_error=error[:500])
    )


def _view(p: Payment) -> PaymentView:
    return PaymentView(
        p.id,
        p.order_id,
        p.order_number,
        p.provider,
        p.amount_fen,
        p.status,
        p.pay_url,
        p.provider_ref,
        p.created_at,
        p.expires_at,
        p.paid_at,
    )
