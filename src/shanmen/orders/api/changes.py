"""Paying, confirming, cancelling, giving back and moving orders; their tickets' codes."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from shanmen.db.session import Session, Unit
from shanmen.inventory import errors as inventory
from shanmen.kit import clock
from shanmen.kit.errors import IdempotencyMismatch
from shanmen.orders import errors
from shanmen.orders.api.common import (
    TAGS,
    AnyRequest,
    OptionalKey,
    change_once,
    order_out,
    own_file,
    public_url,
    site_of,
)
from shanmen.orders.schemas import (
    CancelInput,
    ConfirmInput,
    OrderOut,
    PaymentInput,
    PaymentOut,
    RefundInput,
    RefundQuoteOut,
    RescheduleInput,
    TicketList,
    TicketOut,
    ZoneTime,
)
from shanmen.orders.service import staff
from shanmen.orders.service.codes import ticket_codes
from shanmen.orders.service.quote import quote_for, ticket_quotes
from shanmen.orders.service.start import start_payment
from shanmen.payments.errors import UnknownProvider
from shanmen.payments.providers.base import ProviderRefused, ProviderUnavailable
from shanmen.payments.registry import Providers
from shanmen.sites.access import requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import problems
from shanmen.web import i18n
from shanmen.web.render import locale_of

CHANGE = [requires("orders.change")]


@post(
    "/api/v1/orders/{number:str}/cancel",
    guards=CHANGE,
    tags=TAGS,
    status_code=200,
    summary="Cancel an unpaid order",
    responses=problems(errors.OrderNotFound, errors.TransitionRefused, IdempotencyMismatch),
)
async def cancel(
    request: AnyRequest,
    number: FromPath[str],
    data: JSONBody[CancelInput],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    idempotency_key: OptionalKey = None,
) -> OrderOut:
    """Its places are free again at once. A paid order is given back instead."""
    url = public_url(request)

    async def work(session: Session) -> OrderOut:
        file = await own_file(session, number=number, caller=caller)
        await staff.cancel(session, order_id=file.view.id, reason=data.reason)
        return await order_out(session, number=number, caller=caller, public_url=url)

    answer = await unit(
        change_once, scope=f"orders.cancel/{number}", caller=caller, key=idempotency_key,
        body=data, change=work,
    )  # fmt: skip
    return msgspec.json.decode(answer, type=OrderOut)


@get(
    "/api/v1/orders/{number:str}/refund-quote",
    guards=[requires("orders.read")],
    tags=TAGS,
    summary="What a refund would pay",
    responses=problems(errors.OrderNotFound, errors.NotRefundable),
)
async def refund_quote(
    number: FromPath[str],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    ticket_id: Annotated[
        list[UUID] | None, QueryParameter(description="A ticket to give back; may be repeated")
    ] = None,
) -> RefundQuoteOut:
    """The price, the fee and what goes back now, by the tickets' own rule.

    `ticket_id` may be repeated; without it, all unused tickets are meant.
    """
    file = await unit(own_file, number=number, caller=caller)
    now = clock.now()
    wanted = ticket_id or [quote.ticket_id for quote in ticket_quotes(file, now=now)]
    quote = quote_for(file, wanted, now=now)
    if quote is None:
        raise errors.NotRefundable
    return RefundQuoteOut(
        ticket_ids=list(quote.ticket_ids),
        price_fen=quote.price_fen,
        fee_fen=quote.fee_fen,
        fee_percent=quote.fee_percent,
        amount_fen=quote.amount_fen,
    )


@post(
    "/api/v1/orders/{number:str}/refund",
    guards=CHANGE,
    tags=TAGS,
    status_code=200,
    summary="Give tickets back",
    responses=problems(
        errors.OrderNotFound,
        errors.NotRefundable,
        errors.AlreadyUsed,
        errors.RefundChanged,
        errors.TransitionRefused,
        IdempotencyMismatch,
    ),
)
async def refund(
    request: AnyRequest,
    number: FromPath[str],
    data: JSONBody[RefundInput],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    idempotency_key: OptionalKey = None,
) -> OrderOut:
    """The tickets are void and their places free at once; the money follows.

    The order is `refunding` until the provider has confirmed.
    """
    url = public_url(request)

    async def work(session: Session) -> OrderOut:
        file = await own_file(session, number=number, caller=caller)
        refunded = await staff.refund(
            session, order_id=file.view.id, ticket_ids=data.ticket_ids, reason=data.reason
        )
        if data.at_least_fen is not None and refunded.amount_fen < data.at_least_fen:
            raise errors.RefundChanged(amount_fen=refunded.amount_fen)
        return await order_out(session, number=number, caller=caller, public_url=url)

    answer = await unit(
        change_once, scope=f"orders.refund/{number}", caller=caller, key=idempotency_key,
        body=data, change=work,
    )  # fmt: skip
    return msgspec.json.decode(answer, type=OrderOut)


@post(
    "/api/v1/orders/{number:str}/reschedule",
    guards=CHANGE,
    tags=TAGS,
    status_code=200,
    summary="Move tickets to another slot",
    responses=problems(
        errors.OrderNotFound,
        errors.NotReschedulable,
        errors.AlreadyUsed,
        errors.PriceHigher,
        errors.DocumentLimit,
        errors.DuplicateDocument,
        errors.PhoneLimit,
        errors.TransitionRefused,
        errors.TooEarly,
        errors.TooLate,
        errors.OutsideHours,
        inventory.SoldOut,
        inventory.SlotClosed,
        inventory.SlotNotFound,
        IdempotencyMismatch,
    ),
)
async def reschedule(
    request: AnyRequest,
    number: FromPath[str],
    data: JSONBody[RescheduleInput],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    idempotency_key: OptionalKey = None,
) -> OrderOut:
    """All of the tickets move, or none; they get new codes, and the old ones are void."""
    url = public_url(request)

    async def work(session: Session) -> OrderOut:
        file = await own_file(session, number=number, caller=caller)
        await staff.move(
            session, order_id=file.view.id, slot_id=data.slot_id, ticket_ids=data.ticket_ids,
            other_slot_ids=data.other_slot_ids, reason=data.reason,
        )  # fmt: skip
        return await order_out(session, number=number, caller=caller, public_url=url)

    answer = await unit(
        change_once, scope=f"orders.reschedule/{number}", caller=caller, key=idempotency_key,
        body=data, change=work,
    )  # fmt: skip
    return msgspec.json.decode(answer, type=OrderOut)


@post(
    "/api/v1/orders/{number:str}/confirm",
    guards=CHANGE,
    tags=TAGS,
    status_code=200,
    summary="Confirm that a channel was paid",
    responses=problems(
        errors.OrderNotFound,
        errors.NotPayable,
        errors.HoldLapsed,
        errors.AmountMismatch,
        IdempotencyMismatch,
    ),
)
async def confirm(
    request: AnyRequest,
    number: FromPath[str],
    data: JSONBody[ConfirmInput],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    idempotency_key: OptionalKey = None,
) -> OrderOut:
    """For a channel that takes its customers' money itself: the tickets are issued at once.

    The ledger has the amount as received by `external:<channel>`, to be settled with the channel.
    Confirming again changes nothing.
    """
    url = public_url(request)

    async def work(session: Session) -> OrderOut:
        file = await own_file(session, number=number, caller=caller)
        await staff.confirm(
            session, order_id=file.view.id, channel=caller.channel, reference=data.reference,
            amount_fen=data.amount_fen,
        )  # fmt: skip
        return await order_out(session, number=number, caller=caller, public_url=url)

    answer = await unit(
        change_once, scope=f"orders.confirm/{number}", caller=caller, key=idempotency_key,
        body=data, change=work,
    )  # fmt: skip
    return msgspec.json.decode(answer, type=OrderOut)


@post(
    "/api/v1/orders/{number:str}/payments",
    guards=CHANGE,
    tags=TAGS,
    summary="Start to pay",
    # Whatever became of a first try, the payment that is open is found and told again.
    opt={"repeatable": True},
    responses=problems(
        errors.OrderNotFound,
        errors.NotPayable,
        errors.HoldLapsed,
        UnknownProvider,
        ProviderUnavailable,
        ProviderRefused,
    ),
)
async def pay(
    request: AnyRequest,
    number: FromPath[str],
    data: JSONBody[PaymentInput],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> PaymentOut:
    """Open a payment at a provider and get the address to pay at.

    A repetition finds the payment that is open already. An order that costs nothing is issued.
    """
    providers: Providers = request.app.state.providers
    before = await unit(order_out, number=number, caller=caller, public_url=providers.public_url)
    code = data.provider or providers.default.code
    attempt = await start_payment(
        unit,
        providers,
        order_id=before.id,
        provider=code,
        description=i18n.t(
            locale_of(request), "orders.pay.description", name=caller.name, count=before.persons
        ),
        return_url=data.return_url or f"{before.url}?returned=1",
        locale=before.locale,
    )
    order = await unit(order_out, number=number, caller=caller, public_url=providers.public_url)
    return PaymentOut(
        order=order,
        provider=code,
        pay_url=attempt.pay_url if attempt else "",
        expires_at=attempt.expires_at if attempt else order.hold_expires_at,
    )


async def tickets_of(session: Session, *, number: str, caller: ApiCaller) -> TicketList:
    """All tickets of an order with their codes; raises OrderNotFound."""
    file = await own_file(session, number=number, caller=caller)
    site = await site_of(session, site_id=file.view.site_id)
    codes = ticket_codes(session.keyring, file, site_number=site.number, timezone=site.timezone)
    found = []
    for seq, (line, sold) in enumerate(zip(file.view.tickets, file.lines, strict=True)):
        code = codes.get(line.ticket_id)
        found.append(
            TicketOut(
                ticket_id=line.ticket_id,
                ticket_type_id=line.ticket_type_id,
                number=f"{file.view.number}-{seq}",
                name=line.name,
                status=line.status,
                persons=line.persons,
                persons_entered=line.persons_entered,
                valid_from=line.valid_from,
                valid_until=line.valid_until,
                windows=[
                    ZoneTime(zone_number=each.zone, starts_at=each.starts, ends_at=each.ends)
                    for each in sold.windows
                ],
                token=code.token if code else "",
                rotating=code.rotating if code else False,
                second_factor=code.second_factor if code else False,
            )
        )
    return TicketList(tickets=found)


@get(
    "/api/v1/orders/{number:str}/tickets",
    guards=[requires("orders.read")],
    tags=TAGS,
    summary="The tickets and their codes",
    responses=problems(errors.OrderNotFound),
)
async def tickets(
    number: FromPath[str], unit: NamedDependency[Unit], caller: NamedDependency[ApiCaller]
) -> TicketList:
    """What to put into your own e-ticket or on paper. A void ticket has no code."""
    return await unit(tickets_of, number=number, caller=caller)


routes = [cancel, refund_quote, refund, reschedule, confirm, pay, tickets]
