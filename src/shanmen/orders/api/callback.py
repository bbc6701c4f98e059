"""Where payment providers report to.

A notice is verified before any transaction is opened. One that was heard before is answered as
handled, or the provider would repeat it for ever; one that cannot be acted on gets a coded error.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from litestar import Litestar, post
from litestar.params import FromPath

from shanmen.db.session import Actor, Database, Session
from shanmen.kit.errors import NotFound
from shanmen.orders.api.common import AnyRequest
from shanmen.orders.desk import OrderDesk
from shanmen.orders.errors import AmountMismatch
from shanmen.orders.schemas import CallbackOut
from shanmen.orders.service.pay import AMOUNT_MISMATCH, UNKNOWN, Heard
from shanmen.orders.service.refund import record_refund_state
from shanmen.payments import service as payments
from shanmen.payments.providers.base import (
    NoticeKind,
    ProviderNotice,
    RefundState,
    RefundStatus,
)
from shanmen.sites import queries as sites
from shanmen.sites.access import PUBLIC, access_in

CLOSED: Final = "closed"
REFUND_STATES: Final = {
    NoticeKind.REFUND_SUCCEEDED: RefundStatus.SUCCEEDED,
    NoticeKind.REFUND_FAILED: RefundStatus.FAILED,
}


async def hear_refund(session: Session, *, provider: str, notice: ProviderNotice) -> str:
    """Act on a notice about a refund; raises NotFound, AmountMismatch."""
    number = payments.payment_number(notice.out_refund_no or "")
    if number is None:
        raise NotFound(field="out_refund_no")
    refund = await payments.refund_by_id(session, refund_id=number)
    if refund.provider != provider:
        raise NotFound(field="out_refund_no")
    if refund.amount_fen != notice.amount_fen:
        raise AmountMismatch(amount_fen=notice.amount_fen, due_fen=refund.amount_fen)
    state = RefundState(
        out_refund_no=number.hex,
        status=REFUND_STATES[notice.kind],
        provider_ref=notice.provider_ref,
        amount_fen=notice.amount_fen,
        finished_at=notice.occurred_at,
    )
    await record_refund_state(session, refund_id=number, state=state)
    return notice.kind.value


async def hear_closed(session: Session, *, payment_id: UUID) -> str:
    """The provider takes no money for an attempt any more."""
    await payments.close_attempt(session, payment_id=payment_id)
    return CLOSED


async def _exists(app: Litestar, tenant: int) -> bool:
    """Whether there is such a tenant: its number comes from the address."""
    database: Database = app.state.database

    async def load() -> bool | None:
        return await database.unit(None)(sites.tenant_exists, tenant_id=tenant)

    return bool(await access_in(app).tenants.get(tenant, load))


async def hear_notice(
    app: Litestar, headers: Mapping[str, str], body: bytes, *, provider: str, tenant: int
) -> CallbackOut:
    """Verify a notice and act on it.

    Args:
        headers: of the provider's call; names in lower case, or in any.
        tenant: whose money it is, by the address that the provider was given.
    """
    chosen = app.state.providers.get(provider)
    notice = chosen.verify_callback(headers, body)
    if not await _exists(app, tenant):
        raise NotFound(field="tenant")
    unit = app.state.database.unit(tenant, actor=Actor("provider", label=provider))
    if notice.kind in REFUND_STATES:
        outcome: str = await unit(hear_refund, provider=chosen.code, notice=notice)
        return CallbackOut(outcome=outcome)
    if notice.kind is NoticeKind.CLOSED:
        number = payments.payment_number(notice.out_trade_no)
        if number is None:
            raise NotFound(field="out_trade_no")
        return CallbackOut(outcome=await unit(hear_closed, payment_id=number))
    desk: OrderDesk = app.state.orders
    outcome = await desk.settle(tenant, Heard(chosen.code, notice))
    if outcome == UNKNOWN:
        raise NotFound(field="out_trade_no")
    if outcome == AMOUNT_MISMATCH:
        raise AmountMismatch(amount_fen=notice.amount_fen)
    return CallbackOut(outcome=outcome)


@post(
    "/pay/callback/{provider:str}/{tenant:int}",
    opt=dict(PUBLIC),
    exclude_from_csrf=True,
    include_in_schema=False,
    status_code=200,
)
async def callback(
    request: AnyRequest, provider: FromPath[str], tenant: FromPath[int]
) -> CallbackOut:
    """Hear what a provider says of a payment or a refund."""
    return await hear_notice(
        request.app, request.headers, await request.body(), provider=provider, tenant=tenant
    )


routes = [callback]
