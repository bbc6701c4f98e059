"""Moving tickets to another day or slot."""

from datetime import date
from urllib.parse import urlencode
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import NotReschedulable
from shanmen.orders.pages.browse import grid
from shanmen.orders.pages.common import ORDER, AnyRequest, Page, frame_of, order_path, ticket_ids
from shanmen.orders.pages.moving import (
    movable,
    other_rows,
    others_of,
    read_move,
    slot_rows,
    wish_of,
)
from shanmen.orders.pages.order import OrderContents, TicketCard, cards, read_order
from shanmen.orders.service.reschedule import reschedule
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.forms import Form, nest
from shanmen.web.render import locale_of, page, redirect


async def move_page(
    request: AnyRequest,
    site: SiteContext,
    unit: Unit,
    contents: OrderContents,
    form: Form,
    *,
    error: DomainError | None = None,
) -> Page:
    """Choose tickets, a day and a slot with room for all of them."""
    frame = await frame_of(request, site, unit)
    locale = locale_of(request)
    base = order_path(site.slug, contents.view.number, contents.view.secret)
    chosen = ticket_ids(form)
    wish = wish_of(contents, chosen)
    if wish is None:
        refused = error or NotReschedulable()
        return page(
            request, "orders/move.html", status=refused.status, site=frame.site, base=base,
            cards=[], calendar=None, slots=[], others=[], day=None, chosen=set(),
            form=Form.blank().with_error(refused), hidden=[], cache="no-store",
        )  # fmt: skip
    today = clock.today(site.timezone)
    day = _date(form.get("day"), max(wish.lines[0].visit_day, today))
    first = _month(form.get("month"), day, today)
    shop = await unit(
        read_move, wish=wish, contents=contents, first=first, day=day, zone=site.timezone
    )
    tickets = [("tickets[]", str(line.ticket_id)) for line in wish.lines]
    query = urlencode(tickets)
    calendar = grid(
        shop.month,
        first,
        today=today,
        base=f"{base}/reschedule?{query}&",
        pager=f"?{query}&",
        selected=day,
    )
    lines = {line.ticket_id for line in movable(contents)}
    shown: list[TicketCard] = [
        card for card in cards(contents, site, locale) if card.line.ticket_id in lines
    ]
    return page(
        request,
        "orders/move.html",
        status=error.status if error else 200,
        site=frame.site,
        base=base,
        cards=shown,
        chosen={line.ticket_id for line in wish.lines},
        calendar=calendar,
        day=day,
        slots=slot_rows(wish, shop, locale),
        others=other_rows(shop, locale),
        hidden=[*tickets, ("day", day.isoformat())],
        form=form.with_error(error) if error else form,
        cache="no-store",
    )


def _date(value: object, default: date) -> date:
    try:
        return date.fromisoformat(str(value or ""))
    except ValueError:
        return default


def _month(value: object, day: date, today: date) -> date:
    this = today.replace(day=1)
    found = _date(f"{value}-01" if value else "", day.replace(day=1))
    return found if this <= found <= date(today.year + 2, today.month, 1) else this


@get(f"{ORDER}/reschedule", opt=dict(PUBLIC), include_in_schema=False)
async def move_form(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Choose another time."""
    contents = await read_order(unit, number=number, secret=secret, site=site)
    form = Form.blank(nest(request.query_params.multi_items()))
    return await move_page(request, site, unit, contents, form)


@post(f"{ORDER}/reschedule", opt=dict(PUBLIC), include_in_schema=False, status_code=200)
async def move(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Move the tickets, all or none."""
    contents = await read_order(unit, number=number, secret=secret, site=site)
    form = await Form.read(request)
    chosen = ticket_ids(form)
    try:
        slot_id = UUID(str(form.get("slot") or ""))
    except ValueError:
        form.add("slot", i18n.t(locale_of(request), "orders.move.choose"))
        return await move_page(request, site, unit, contents, form)
    try:
        await unit(
            reschedule,
            order_id=contents.view.id,
            slot_id=slot_id,
            ticket_ids=chosen or None,
            other_slot_ids=others_of(form, slot_id),
            reason="by_buyer",
        )
    except DomainError as error:
        error.field = "slot"
        contents = await read_order(unit, number=number, secret=secret, site=site)
        return await move_page(request, site, unit, contents, form, error=error)
    return redirect(
        request,
        order_path(site.slug, contents.view.number, contents.view.secret),
        flash="orders.move.done",
    )


routes = [move_form, move]
