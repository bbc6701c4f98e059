"""The console's orders: find, look, and what staff may do with them."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.pages.common import AnyRequest, Page, order_path, providers_of
from shanmen.orders.pages.further import further_slots, read_further
from shanmen.orders.pages.order import OrderContents, TicketCard, cards
from shanmen.orders.queries import (
    OrderFilter,
    OrderPage,
    OrderRow,
    file_by_id,
    search_orders,
)
from shanmen.orders.rules import State
from shanmen.orders.schemas import OrderEventView
from shanmen.orders.service import staff as desk
from shanmen.orders.service.quote import TicketQuote, ticket_quotes
from shanmen.orders.service.staff import PlainData
from shanmen.payments import service as payments
from shanmen.sites.access import requires
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web import i18n
from shanmen.web.forms import Form
from shanmen.web.i18n import Locale
from shanmen.web.render import locale_of, page, redirect

READ: Final = [requires("orders.read")]
CHANGE: Final = [requires("orders.change")]
GOODWILL: Final = "catalog.edit"
"""Whoever makes the refund rules may depart from them."""
PAGE_SIZE: Final = 50
_JOB: Final = re.compile(r"[a-z]+\.[a-z_]+")
"""What the system calls itself in the history: the job that it did."""

TONES: Final = {
    State.HELD: "warn",
    State.ISSUED: "good",
    State.PARTLY_USED: "info",
    State.USED: "muted",
    State.EXPIRED: "muted",
    State.CANCELLED: "muted",
    State.REFUNDING: "warn",
    State.REFUNDED: "muted",
}
SHOWN_STATES: Final = tuple(TONES)


class ListForm(msgspec.Struct, kw_only=True):
    """What to look for."""

    q: str = ""
    status: str = ""
    day: date | None = None
    site: str = ""
    after: str = ""


@get("/console/orders", guards=READ, include_in_schema=False)
async def order_list(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """One field finds an order by anything; below it the latest ones."""
    form = Form.blank(dict(request.query_params.items()))
    status = 200
    try:
        wish = form.into(ListForm)
    except DomainError as error:
        form, wish, status = form.with_error(error), ListForm(), error.status
    by_slug = {site.slug: site for site in staff.sites}
    found: OrderPage = await unit(
        search_orders,
        where=OrderFilter(
            text=wish.q,
            status=wish.status if wish.status in set(SHOWN_STATES) else "",
            visit_day=wish.day,
            site_id=by_slug[wish.site].site_id if wish.site in by_slug else None,
        ),
        after=wish.after or None,
        limit=PAGE_SIZE,
    )
    if wish.q and len(found.rows) == 1 and found.following is None and not wish.after:
        return redirect(request, f"/console/orders/{found.rows[0].id}")
    chosen = {key: value for key in ("q", "status", "day", "site") if (value := form.value(key))}
    return page(
        request,
        "orders/console_list.html",
        status=status,
        form=form,
        rows=found.rows,
        older=f"?{urlencode({**chosen, 'after': found.following})}" if found.following else None,
        newest=f"?{urlencode(chosen)}" if wish.after else None,
        filtered=bool(chosen),
        states=SHOWN_STATES,
        tones=TONES,
        sites={site.site_id: site for site in staff.sites},
        zone=lambda row: _zone(row, staff),
        cache="no-store",
    )


def _zone(row: OrderRow, staff: SignedIn) -> str:
    return next((s.timezone for s in staff.sites if s.site_id == row.site_id), staff.timezone)


@dataclass(frozen=True, slots=True)
class RefundRow:
    """Money on its way back, or there."""

    id: UUID
    amount_fen: int
    status: str
    reason: str
    provider_ref: str
    trouble: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """An order with everything that staff look at."""

    contents: OrderContents
    refunds: tuple[RefundRow, ...]


@dataclass(frozen=True, slots=True)
class EventRow:
    """A transition in words."""

    event: OrderEventView
    state: str
    who: str
    why: str


def events(contents: OrderContents, locale: Locale) -> list[EventRow]:
    """The order's life, the latest first."""
    rows = []
    for event in reversed(contents.view.events):
        reason, _, code = event.reason.partition(":")
        why = _word(locale, f"orders.reason.{reason}", event.reason)
        if code:
            key = f"{code.partition('.')[0]}.error.{code.partition('.')[2]}"
            why = f"{why} ({_word(locale, key, code)})"
        rows.append(
            EventRow(
                event,
                i18n.t(locale, f"orders.state.{event.to_status}"),
                _who(locale, event.actor),
                why,
            )
        )
    return rows


def _who(locale: Locale, actor: str) -> str:
    """Who did it: a person or partner by name, a part of the system in words."""
    unnamed = i18n.t(locale, "orders.actor.system") if _JOB.fullmatch(actor) else actor
    return _word(locale, f"orders.actor.{actor}", unnamed)


def _word(locale: Locale, key: str, code: str) -> str:
    """The text of a key where there is one and it needs no figures, else the code itself."""
    if not i18n.has_text(locale, key):
        return code
    try:
        return i18n.t(locale, key)
    except i18n.MissingTextError:
        return code


async def read_dossier(session: Session, *, order_id: UUID) -> Dossier:
    """An order for staff; raises OrderNotFound."""
    file = await file_by_id(session, order_id=order_id)
    paid = await payments.payments_of(session, order_id=order_id)
    back = await payments.refunds_of(session, order_id=order_id)
    further = await read_further(
        session, slots=further_slots(file.lines), site_id=file.view.site_id
    )
    return Dossier(
        OrderContents(file, tuple(paid), {}, further),
        tuple(
            RefundRow(r.id, r.amount_fen, r.status, r.reason, r.provider_ref, r.last_error,
                      r.created_at)
            for r in back
        ),
    )  # fmt: skip


def site_of(staff: SignedIn, site_id: UUID) -> SiteContext:
    """The order's site; raises OrderNotFound when it is none of the caller's."""
    found = next((site for site in staff.sites if site.site_id == site_id), None)
    if found is None:
        raise OrderNotFound
    return found


def detail_page(
    request: AnyRequest,
    staff: SignedIn,
    dossier: Dossier,
    *,
    error: DomainError | None = None,
    plain: PlainData | None = None,
    link: str = "",
) -> Page:
    """The order, with what was just refused, revealed or asked for."""
    contents = dossier.contents
    view = contents.view
    site = site_of(staff, view.site_id)
    locale = locale_of(request)
    quotes: dict[UUID, TicketQuote] = {
        quote.ticket_id: quote for quote in ticket_quotes(contents.file, now=clock.now())
    }
    shown: list[TicketCard] = cards(contents, site, locale)
    may_change = staff.may("orders.change")
    active = view.status in (State.ISSUED, State.PARTLY_USED)
    names: dict[UUID, list[Any]] = {}
    for visitor in plain.visitors if plain else ():
        names.setdefault(visitor.ticket_id, []).append(visitor)
    return page(
        request,
        "orders/console_order.html",
        status=error.status if error else 200,
        order=view,
        order_site=site,
        cards=shown,
        quotes=quotes,
        events=events(contents, locale),
        payments=contents.payments,
        refunds=dossier.refunds,
        plain=plain,
        plain_names=names,
        link=link,
        tone=TONES.get(State(view.status), "muted"),
        may={
            "change": may_change,
            "cancel": may_change and view.status == State.HELD,
            "refund": may_change and active and bool(quotes),
            "move": may_change and view.status == State.ISSUED and bool(quotes),
            "goodwill": staff.may(GOODWILL),
        },
        form=Form.blank().with_error(error) if error else Form.blank(),
        timezone=site.timezone,
        cache="no-store",
    )


@get("/console/orders/{order_id:uuid}", guards=READ, include_in_schema=False)
async def order_detail(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """An order with its tickets, money and history."""
    dossier = await unit(read_dossier, order_id=order_id)
    return detail_page(request, staff, dossier)


class ReasonForm(msgspec.Struct, kw_only=True):
    """Why."""

    reason: str


async def refused(
    request: AnyRequest, unit: Unit, staff: SignedIn, order_id: UUID, error: DomainError
) -> Page:
    """The order as it stands, with what was refused on top."""
    return detail_page(request, staff, await unit(read_dossier, order_id=order_id), error=error)


@post(
    "/console/orders/{order_id:uuid}/reveal", guards=CHANGE, include_in_schema=False,
    status_code=200,
)  # fmt: skip
async def reveal(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Show the personal data once, to somebody who says why."""
    form = await Form.read(request)
    try:
        wish = form.into(ReasonForm)
        plain = await unit(desk.reveal, order_id=order_id, reason=wish.reason[:200])
    except DomainError as error:
        return await refused(request, unit, staff, order_id, error)
    dossier = await unit(read_dossier, order_id=order_id)
    return detail_page(request, staff, dossier, plain=plain)


@post(
    "/console/orders/{order_id:uuid}/link", guards=CHANGE, include_in_schema=False, status_code=200
)
async def link(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Show the address of the visitor's page, as text to send on and as a code to scan."""
    dossier = await unit(read_dossier, order_id=order_id)
    view = dossier.contents.view
    site = site_of(staff, view.site_id)
    await unit(desk.show_link, order_id=order_id)
    address = order_path(site.slug, view.number, view.secret)
    return detail_page(request, staff, dossier, link=f"{providers_of(request).public_url}{address}")


@post(
    "/console/orders/{order_id:uuid}/cancel", guards=CHANGE, include_in_schema=False,
    status_code=200,
)  # fmt: skip
async def cancel(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Cancel an unpaid order."""
    form = await Form.read(request)
    try:
        wish = form.into(ReasonForm)
        site_of(staff, (await unit(read_dossier, order_id=order_id)).contents.view.site_id)
        await unit(desk.cancel, order_id=order_id, reason=wish.reason[:200])
    except DomainError as error:
        return await refused(request, unit, staff, order_id, error)
    return redirect(request, f"/console/orders/{order_id}", flash="orders.cancelled_now")


routes = [order_list, order_detail, reveal, link, cancel]
