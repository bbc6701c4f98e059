"""Placing, reading and finding orders."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from shanmen.db.idempotency import key_digest, request_digest
from shanmen.db.session import Session, Unit
from shanmen.inventory import errors as inventory
from shanmen.kit import documents, phones
from shanmen.kit.errors import IdempotencyMismatch, Overloaded
from shanmen.orders import errors
from shanmen.orders.api.common import (
    SEES_ALL_CHANNELS,
    TAGS,
    AnyRequest,
    RequiredKey,
    order_out,
    public_url,
    shown,
)
from shanmen.orders.desk import OrderDesk
from shanmen.orders.queries import OrderFilter, OrderPage, search_orders
from shanmen.orders.schemas import (
    OrderInput,
    OrderList,
    OrderOut,
    OrderSummary,
    PlaceOrder,
)
from shanmen.sites import errors as site_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import Access, access_of, actor_of, requires
from shanmen.sites.queries import ApiCaller, SiteContext
from shanmen.sites.schemas import problems

PLACE_ERRORS = (
    site_errors.SiteUnknown,
    IdempotencyMismatch,
    Overloaded,
    errors.NotOnSale,
    errors.TooEarly,
    errors.TooLate,
    errors.OutsideHours,
    errors.WrongNumberOfTickets,
    errors.WrongNumberOfVisitors,
    errors.NameInvalid,
    errors.WrongAge,
    errors.DocumentLimit,
    errors.DuplicateDocument,
    errors.PhoneLimit,
    errors.Restricted,
    phones.PhoneInvalid,
    documents.DocumentLength,
    documents.DocumentCharacters,
    documents.DocumentCheckDigit,
    documents.DocumentBirthDate,
    documents.DocumentRegion,
    documents.DocumentKindMismatch,
    inventory.SoldOut,
    inventory.SlotClosed,
    inventory.SlotNotFound,
)


async def site_of_caller(access: Access, slug: str, caller: ApiCaller) -> SiteContext:
    """One of the caller's own sites; raises SiteUnknown."""
    try:
        site = await access.site(slug)
    except site_errors.SiteUnknown:
        site = None
    if site is None or site.tenant_id != caller.tenant_id:
        raise site_errors.SiteUnknown(field="slug")
    return site


async def place_order(
    state: State, *, site: SiteContext, caller: ApiCaller, order: OrderInput, key: str
) -> OrderOut:
    """Place an order for a program, or find the one that it placed before with the same key.

    Args:
        state: the application's.
        key: the caller's own id of the request.
    """
    desk: OrderDesk = state.orders
    url: str = state.providers.public_url
    placed, new = await desk.place_and_show(
        caller.tenant_id,
        PlaceOrder(
            site_id=site.site_id,
            timezone=site.timezone,
            channel=caller.channel,
            order=order,
            key_hash=key_digest("orders.place", str(caller.key_id), key),
            request_hash=request_digest(msgspec.json.encode((site.slug, order))),
            placed_by=caller.label,
        ),
    )
    if new is not None:
        return shown(new, slug=site.slug, public_url=url)
    unit = state.database.unit(caller.tenant_id, actor=actor_of(caller))
    answer: OrderOut = await unit(order_out, number=placed.number, caller=caller, public_url=url)
    return answer


@post(
    "/api/v1/sites/{slug:str}/orders",
    guards=[requires("orders.change")],
    tags=TAGS,
    summary="Place an order",
    responses=problems(*PLACE_ERRORS),
)
async def place(
    request: AnyRequest,
    slug: FromPath[str],
    data: JSONBody[OrderInput],
    idempotency_key: RequiredKey,
    caller: NamedDependency[ApiCaller],
) -> OrderOut:
    """Hold places for named visitors, for as long as `hold_expires_at` says.

    The order is of the key's channel. It is then paid (`…/payments`), or confirmed by a channel
    that has taken the money itself (`…/confirm`); its tickets are issued in the same moment.
    """
    # Well-formed requests are answered by `direct.place`, in the same way.
    site = await site_of_caller(access_of(request), slug, caller)
    return await place_order(
        request.app.state, site=site, caller=caller, order=data, key=idempotency_key
    )


@get(
    "/api/v1/orders/{number:str}",
    guards=[requires("orders.read")],
    tags=TAGS,
    summary="Read an order",
    responses=problems(errors.OrderNotFound),
)
async def read(
    request: AnyRequest,
    number: FromPath[str],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> OrderOut:
    """An order with its tickets, visitors (masked) and transitions.

    A key sees the orders of its own channel; with `insight.read`, those of all.
    """
    return await unit(order_out, number=number, caller=caller, public_url=public_url(request))


async def find(
    session: Session, *, where: OrderFilter, slug: str, after: str | None, limit: int
) -> OrderList:
    """The orders that match, with the addresses of their sites."""
    contexts = await sites.site_contexts(session)
    slugs = {site.site_id: site.slug for site in contexts}
    site_id: UUID | None = None
    if slug:
        site_id = next((key for key, value in slugs.items() if value == slug), None)
        if site_id is None:
            raise site_errors.SiteUnknown(field="site")
    wanted = OrderFilter(where.text, where.status, where.visit_day, site_id, where.channel)
    page: OrderPage = await search_orders(session, where=wanted, after=after, limit=limit)
    return OrderList(
        orders=[
            OrderSummary(
                id=row.id, number=row.number, site=slugs[row.site_id], channel=row.channel,
                status=row.status, visit_day=row.visit_day, phone=row.phone,
                amount_fen=row.amount_fen, refunded_fen=row.refunded_fen, persons=row.persons,
                created_at=row.created_at, hold_expires_at=row.hold_expires_at,
            )
            for row in page.rows
        ],
        next=page.following,
    )  # fmt: skip


@get(
    "/api/v1/orders",
    guards=[requires("orders.read")],
    tags=TAGS,
    summary="Find orders",
    responses=problems(site_errors.SiteUnknown),
)
async def search(
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    number: Annotated[
        str, QueryParameter(max_length=300, description="The order's or a ticket's number")
    ] = "",
    phone: Annotated[
        str, QueryParameter(max_length=300, description="The buyer's telephone number")
    ] = "",
    document: Annotated[
        str, QueryParameter(max_length=300, description="A visitor's document number")
    ] = "",
    name: Annotated[
        str, QueryParameter(max_length=300, description="A visitor's name in full")
    ] = "",
    ticket: Annotated[
        str, QueryParameter(max_length=300, description="A ticket's id, or what its QR code says")
    ] = "",
    status: Annotated[
        str, QueryParameter(max_length=32, description="Such as held, issued, refunded")
    ] = "",
    of_site: Annotated[
        str,
        QueryParameter(name="site", max_length=40, description="The site's part of the address"),
    ] = "",
    visit_day: Annotated[
        date | None, QueryParameter(description="Day of the visit, as 2026-05-01")
    ] = None,
    after: Annotated[
        str, QueryParameter(max_length=100, description="`next` of the answer before")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Orders of an answer")] = 50,
) -> OrderList:
    """Orders by number, telephone, document, name or ticket; or the latest, by state and day.

    Personal data is found by its blind index and answered masked.
    """
    text = number or phone or document or name or ticket
    where = OrderFilter(
        text, status, visit_day, None, "" if caller.may(SEES_ALL_CHANNELS) else caller.channel
    )
    return await unit(find, where=where, slug=of_site, after=after or None, limit=limit)


routes = [place, read, search]
