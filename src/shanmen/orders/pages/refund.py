"""Giving tickets back, with the fee shown first."""

from collections.abc import Collection
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import NotRefundable
from shanmen.orders.pages.common import (
    ORDER,
    AnyRequest,
    Frame,
    Page,
    frame_of,
    order_path,
    ticket_ids,
)
from shanmen.orders.pages.order import OrderContents, cards, read_order
from shanmen.orders.service.quote import quote_for, refund_as_quoted, ticket_quotes
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.forms import Form, nest
from shanmen.web.render import locale_of, page, redirect


def refund_page(
    request: AnyRequest,
    site: SiteContext,
    frame: Frame,
    contents: OrderContents,
    chosen: Collection[UUID],
    *,
    error: DomainError | None = None,
) -> Page:
    """First which tickets, then what that pays: one ticket alone needs no choice."""
    now = clock.now()
    quotes = {quote.ticket_id: quote for quote in ticket_quotes(contents.file, now=now)}
    possible = [key for key, quote in quotes.items() if quote.fee_fen is not None]
    if len(possible) == 1 and not chosen:
        chosen = possible
    quote = quote_for(contents.file, chosen, now=now) if chosen else None
    if chosen and quote is None and error is None:
        error = NotRefundable()
    locale = locale_of(request)
    return page(
        request,
        "orders/refund.html",
        status=error.status if error else 200,
        site=frame.site,
        base=order_path(site.slug, contents.view.number, contents.view.secret),
        cards=[card for card in cards(contents, site, locale) if card.line.ticket_id in quotes],
        quotes=quotes,
        possible=possible,
        chosen=set(chosen),
        quote=quote,
        form=Form.blank().with_error(error) if error else Form.blank(),
        cache="no-store",
    )


@get(f"{ORDER}/refund", opt=dict(PUBLIC), include_in_schema=False)
async def refund_form(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Choose tickets to give back, and see what that pays."""
    frame = await frame_of(request, site, unit)
    contents = await read_order(unit, number=number, secret=secret, site=site)
    chosen = ticket_ids(Form.blank(nest(request.query_params.multi_items())))
    return refund_page(request, site, frame, contents, chosen)


@post(f"{ORDER}/refund", opt=dict(PUBLIC), include_in_schema=False, status_code=200)
async def refund(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Give tickets back for what was shown."""
    frame = await frame_of(request, site, unit)
    contents = await read_order(unit, number=number, secret=secret, site=site)
    form = await Form.read(request)
    chosen = ticket_ids(form)
    quoted = str(form.get("quoted_fen") or "")
    try:
        if not chosen or not quoted.isdecimal():
            raise NotRefundable
        refunded = await unit(
            refund_as_quoted,
            order_id=contents.view.id,
            ticket_ids=chosen,
            quoted_fen=int(quoted),
            reason="by_buyer",
        )
    except DomainError as error:
        contents = await read_order(unit, number=number, secret=secret, site=site)
        return refund_page(request, site, frame, contents, chosen, error=error)
    return redirect(
        request,
        order_path(site.slug, contents.view.number, contents.view.secret),
        flash="orders.refund.done",
        params={"amount": i18n.format_money(refunded.amount_fen, locale_of(request))},
    )


routes = [refund_form, refund]
