"""What the order desk does in the background. Each is safe to run twice."""

import logging
from datetime import timedelta
from uuid import UUID

from shanmen.db.idempotency import KEEP_DAYS, forget_old
from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.orders.service import conduct
from shanmen.orders.service.lapse import expire_holds
from shanmen.orders.service.refund import record_refund_state
from shanmen.orders.service.start import EXTERNAL, settle_from_query
from shanmen.orders.service.use import follow_use
from shanmen.payments import service as payments
from shanmen.payments.providers.base import (
    PaymentStatus,
    ProviderUnavailable,
    RefundRequest,
    RefundState,
    RefundStatus,
)
from shanmen.payments.registry import Providers

log = logging.getLogger(__name__)

BATCH = 500
ASK_AFTER = timedelta(seconds=20)
"""A payment attempt is asked about when its callback has not come for so long."""


class RefundPending(RuntimeError):
    """The provider has not finished a refund: the job is tried again later."""


async def sweep_holds(unit: Unit) -> int:
    """Expire all lapsed holds of a tenant, batch by batch."""
    total = 0
    while True:
        expired = await unit(expire_holds, limit=BATCH)
        total += expired
        if expired < BATCH:
            return total


async def send_refund(unit: Unit, providers: Providers, *, refund_id: str) -> None:
    """Ask the provider to pay back, and record what it says; raises to be tried again.

    The refund's id is the provider's number for it, so a repetition never pays twice.
    """
    key = UUID(refund_id)
    refund = await unit(payments.refund_by_id, refund_id=key)
    if refund.status != "requested":
        return
    if refund.provider.startswith(EXTERNAL):
        # The channel has the money and pays its customer back itself.
        state = RefundState(out_refund_no=key.hex, status=RefundStatus.SUCCEEDED)
        await unit(record_refund_state, refund_id=key, state=state)
        return
    provider = providers.get(refund.provider)
    try:
        state = await provider.refund(
            RefundRequest(
                out_trade_no=refund.payment_id.hex,
                out_refund_no=key.hex,
                amount_fen=refund.amount_fen,
                total_fen=refund.total_fen,
                reason=refund.reason[:80],
                notify_url=providers.notify_url(provider.code, unit.tenant_id or 0),
            )
        )
    except ProviderUnavailable as error:
        await unit(payments.note_refund_trouble, refund_id=key, error=error.code)
        raise
    await unit(record_refund_state, refund_id=key, state=state)
    if state.status is RefundStatus.PROCESSING:
        raise RefundPending


async def ask_about_payments(unit: Unit, providers: Providers) -> int:
    """Ask providers about attempts whose callback has not come; returns how many were settled."""
    settled = 0
    for attempt in await unit(payments.open_attempts, older_than=ASK_AFTER):
        try:
            status = await settle_from_query(unit, providers, attempt)
        except ProviderUnavailable:
            log.warning("payment provider %s cannot be reached", attempt.provider)
            return settled
        settled += status is PaymentStatus.PAID
    return settled


async def follow_admissions(unit: Unit, *, ticket_ids: list[str]) -> None:
    """Orders follow what happened to their tickets at the gates."""
    await unit(follow_use, ticket_ids=[UUID(value) for value in ticket_ids])


async def forget_old_keys(unit: Unit) -> int:
    """Remove idempotency keys that nobody may repeat any more."""
    before = clock.now() - timedelta(days=KEEP_DAYS)
    total = 0
    while forgotten := await unit(forget_old, before=before):
        total += forgotten
    return total


async def record_no_shows(unit: Unit) -> int:
    """Record visits that nobody came to, and who may therefore not book; returns how many new."""
    recorded = await unit(conduct.record_no_shows)
    await unit(conduct.refresh_restrictions)
    return recorded
