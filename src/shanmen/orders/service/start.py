"""Starting to pay: the attempt is recorded first, then the provider is told, then its answer kept.

No call to a provider happens inside a transaction, so these use cases take a `Unit` and open the
transactions themselves.
"""

import logging
from uuid import UUID

from shanmen.db.session import Session, Unit
from shanmen.kit import clock
from shanmen.orders.errors import AmountMismatch, HoldLapsed, NotPayable
from shanmen.orders.rules import State
from shanmen.orders.service.locked import LockedOrder, lock_order
from shanmen.orders.service.pay import (
    AMOUNT_MISMATCH,
    Heard,
    issue_free,
    settle,
)
from shanmen.payments import service as payments
from shanmen.payments.errors import UnknownProvider
from shanmen.payments.providers.base import (
    NoticeKind,
    PaymentState,
    PaymentStatus,
    ProviderNotice,
    ProviderRefused,
    ProviderUnavailable,
    StartPayment,
)
from shanmen.payments.registry import Providers
from shanmen.payments.service import PaymentView

log = logging.getLogger(__name__)

EXTERNAL = "external:"
"""Begins the provider's name of money that a channel has taken itself."""


async def open_payment(session: Session, *, order_id: UUID, provider: str) -> PaymentView | None:
    """The order's open attempt with this provider, or a new one; None once it is issued for free.

    Raises:
        NotPayable: the order is paid, cancelled or lapsed.
        HoldLapsed: its places were held until a moment that has passed.
    """
    order = await _payable(session, order_id)
    if order.amount_fen == 0:
        await issue_free(session, order=order)
        return None
    return await payments.open_attempt(
        session,
        order_id=order.id,
        order_number=order.number,
        amount_fen=order.amount_fen,
        provider=provider,
        expires_at=order.hold_expires_at,
    )


async def _payable(session: Session, order_id: UUID) -> LockedOrder:
    order = await lock_order(session, order_id)
    if order.status != State.HELD:
        raise NotPayable(state=order.status)
    if clock.now() >= order.hold_expires_at:
        raise HoldLapsed
    return order


async def start_payment(
    unit: Unit,
    providers: Providers,
    *,
    order_id: UUID,
    provider: str,
    description: str,
    return_url: str,
    locale: str,
) -> PaymentView | None:
    """Open a payment at the provider; its `pay_url` is where to pay. None: nothing is to be paid.

    A repetition finds the same attempt. One that the provider has given up is closed and followed
    by another; one that is paid already is settled, and None is returned.

    Raises:
        ProviderUnavailable: the order keeps its places; try again.
    """
    chosen = providers.get(provider)
    attempt = await unit(open_payment, order_id=order_id, provider=chosen.code)
    if attempt is not None and attempt.status == "started":
        outcome = await settle_from_query(unit, providers, attempt)
        if outcome is PaymentStatus.PAID:
            return None
        if outcome in (PaymentStatus.CLOSED, PaymentStatus.FAILED):
            attempt = await unit(open_payment, order_id=order_id, provider=chosen.code)
        elif outcome is PaymentStatus.UNPAID and attempt.pay_url:
            return attempt
    if attempt is None:
        return None
    if await _paid_at_another(unit, providers, attempt):
        return None
    started = await chosen.start(
        StartPayment(
            out_trade_no=attempt.id.hex,
            amount_fen=attempt.amount_fen,
            description=description,
            notify_url=providers.notify_url(chosen.code, unit.tenant_id or 0),
            return_url=return_url,
            expire_at=attempt.expires_at,
            locale=locale,
        )
    )
    return await unit(
        _started,
        payment_id=attempt.id,
        order_id=order_id,
        provider_ref=started.provider_ref,
        pay_url=started.pay_url,
    )


async def _paid_at_another(unit: Unit, providers: Providers, attempt: PaymentView) -> bool:
    """Close older attempts of the order, which end with its hold before it was extended.

    Money that has come there meanwhile is acted on as on a callback, and True is returned. Where a
    provider cannot be reached, the attempt ends by itself; of money that comes to both, one goes
    back.
    """
    for other in await unit(payments.payments_of, order_id=attempt.order_id):
        if other.status != "started" or other.id == attempt.id:
            continue
        try:
            state = await providers.get(other.provider).close(other.id.hex)
        except (ProviderUnavailable, ProviderRefused, UnknownProvider):
            log.info("payment provider %s did not close an attempt", other.provider)
            continue
        await _act_on(unit, other, state)
        if state.status is PaymentStatus.PAID:
            return True
    return False


async def _started(
    session: Session, *, payment_id: UUID, order_id: UUID, provider_ref: str, pay_url: str
) -> PaymentView:
    await payments.mark_started(
        session, payment_id=payment_id, provider_ref=provider_ref, pay_url=pay_url
    )
    found = await payments.payments_of(session, order_id=order_id)
    return next(payment for payment in found if payment.id == payment_id)


async def settle_from_query(
    unit: Unit, providers: Providers, attempt: PaymentView
) -> PaymentStatus:
    """Ask the provider what became of an attempt, and act on it as on a callback.

    Raises:
        ProviderUnavailable: nobody knows yet.
    """
    state = await providers.get(attempt.provider).query(attempt.id.hex)
    await _act_on(unit, attempt, state)
    return state.status


async def _act_on(unit: Unit, attempt: PaymentView, state: PaymentState) -> None:
    if state.status is PaymentStatus.PAID and state.paid_at is not None:
        notice = ProviderNotice(
            event_id=f"query-{attempt.id.hex}",
            kind=NoticeKind.PAID,
            out_trade_no=attempt.id.hex,
            provider_ref=state.provider_ref,
            amount_fen=state.amount_fen,
            occurred_at=state.paid_at,
            digest="",
        )
        await unit(settle, notices=[Heard(attempt.provider, notice)])
    elif state.status in (PaymentStatus.CLOSED, PaymentStatus.FAILED):
        await unit(payments.close_attempt, payment_id=attempt.id)


async def confirm_external(
    session: Session, *, order_id: UUID, channel: str, reference: str, amount_fen: int | None
) -> None:
    """Record that a channel has been paid for an order, and issue its tickets.

    It goes the way of every payment: an attempt, a notice, the ledger. Confirming again what this
    channel has confirmed changes nothing.

    Args:
        reference: the channel's own number for the money.
        amount_fen: what it received, if it says so; it must be what the order costs.

    Raises:
        AmountMismatch: the channel received another amount.
        NotPayable: the order is paid otherwise, cancelled or lapsed.
        HoldLapsed: its places were held until a moment that has passed.
    """
    provider = f"{EXTERNAL}{channel}"
    known = await payments.payments_of(session, order_id=order_id)
    if any(p.provider == provider and p.status == "paid" for p in known):
        return
    order = await _payable(session, order_id)
    if amount_fen is not None and amount_fen != order.amount_fen:
        raise AmountMismatch(field="amount_fen", amount_fen=amount_fen, due_fen=order.amount_fen)
    attempt = await open_payment(session, order_id=order_id, provider=provider)
    if attempt is None:
        return
    notice = ProviderNotice(
        event_id=f"confirm-{attempt.id.hex}",
        kind=NoticeKind.PAID,
        out_trade_no=attempt.id.hex,
        provider_ref=reference,
        amount_fen=order.amount_fen,
        occurred_at=clock.now(),
        digest="",
    )
    [outcome] = await settle(session, notices=[Heard(provider, notice)])
    if outcome == AMOUNT_MISMATCH:
        raise AmountMismatch(amount_fen=order.amount_fen, due_fen=order.amount_fen)


async def ask_quietly(unit: Unit, providers: Providers, attempt: PaymentView) -> None:
    """As `settle_from_query`, for a page that shows the same thing again when nobody answers."""
    try:
        await settle_from_query(unit, providers, attempt)
    except ProviderUnavailable:
        log.info("payment provider %s cannot be reached", attempt.provider)
