"""An order's page: what was ordered, paying, waiting for the money, the e-ticket, cancelling."""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

from shanmen.catalog.admission_hours import told
from shanmen.db.pipeline import Statement
from shanmen.db.reading import keyring_of
from shanmen.db.session import Unit
from shanmen.kit import clock, ids
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.pages.browse import span
from shanmen.orders.pages.common import (
    ORDER,
    AnyRequest,
    Frame,
    Page,
    frame_of,
    order_path,
    providers_of,
)
from shanmen.orders.pages.further import Further, further_slots, read_further
from shanmen.orders.pages.say import rules_of
from shanmen.orders.queries import OrderFile, file_for_page
from shanmen.orders.rules import EXTENDABLE_MINUTES, State
from shanmen.orders.schemas import OrderLineView, OrderView
from shanmen.orders.service.codes import TicketCode, ticket_codes
from shanmen.orders.service.start import ask_quietly
from shanmen.payments import service as payments
from shanmen.payments.service import PaymentView
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.i18n import Locale
from shanmen.web.qr import qr_svg
from shanmen.web.render import locale_of, page

ASK_AFTER: Final = timedelta(seconds=3)
"""When the money has not been heard of for so long, the provider is asked."""
ASK_EVERY: Final = 2.0
ASK_WITHIN: Final = 4.0
_ASKED: Final = "orders_asked"
_SHOWS_TICKETS: Final = frozenset({State.ISSUED, State.PARTLY_USED, State.USED, State.REFUNDING})
_HAS_CODE: Final = frozenset({"valid", "partly_used"})
_MASK: Final = 4
"""Of a ticket's QR code: most of what it says is a signature, so any mask is as good."""
KEEP_HEADER: Final = "x-shanmen-keep"
"""Tells the service worker to keep the page (1) or to forget it (0)."""
VERSION_HEADER: Final = "x-shanmen-version"
"""Tells the service worker whether a page that it has kept says what the order is now."""


@dataclass(frozen=True, slots=True)
class OrderContents:
    """An order with everything its page shows."""

    file: OrderFile
    payments: tuple[PaymentView, ...]
    codes: dict[UUID, TicketCode]
    further: dict[UUID, Further]
    """By slot: a bundle's further visits."""

    @property
    def view(self) -> OrderView:
        """The order."""
        return self.file.view


# The page's address has the order's number, so its attempts are asked for in the same round trip.
_ATTEMPTS: Final = payments.OF_ORDER.format(
    order="(SELECT id FROM orders WHERE tenant_id = %(tenant)s AND number = %(number)s)"
)


async def read_order(
    unit: Unit, *, number: str, secret: str, site: SiteContext, attempts: bool = True
) -> OrderContents:
    """An order of this site for whoever has its address; raises OrderNotFound.

    The attempts to pay matter only where somebody has begun to.
    """
    params = {"tenant": site.tenant_id, "number": ids.normalise(number)}
    more = [Statement(_ATTEMPTS, params)] if attempts else []
    file, found = await file_for_page(unit, number=number, secret=secret, more=more)
    if file.view.site_id != site.site_id:
        raise OrderNotFound
    slots = further_slots(file.lines)
    further = await unit(read_further, slots=slots, site_id=site.site_id) if slots else {}
    codes = ticket_codes(
        await keyring_of(unit), file, site_number=site.number, timezone=site.timezone
    )
    return OrderContents(
        file,
        tuple(PaymentView(*row) for rows in found for row in rows),
        codes,
        further,
    )


@dataclass(frozen=True, slots=True)
class TicketCard:
    """A ticket as the order page shows it."""

    line: OrderLineView
    index: int
    name: str
    when: str
    also: tuple[str, ...]
    days: str
    """The last day, where it is valid for several."""
    hours: str
    """When it opens the gates; empty where that is at any time."""
    code: TicketCode | None
    picture: str
    """The code as SVG; empty where there is none to show."""
    state: str
    over: bool


def cards(contents: OrderContents, site: SiteContext, locale: Locale) -> list[TicketCard]:
    """The order's tickets."""
    now = clock.now()
    lines = {line.ticket_id: line for line in contents.file.lines}
    found = []
    for index, shown in enumerate(contents.view.tickets, start=1):
        line = lines[shown.ticket_id]
        kind = contents.file.catalog.types.get(line.ticket_type_id)
        starts = clock.local(shown.valid_from, site.timezone)
        ends = clock.local(shown.valid_until, site.timezone)
        further = [contents.further[s] for s in line.slot_ids[1:] if s in contents.further]
        code = contents.codes.get(shown.ticket_id)
        over = now >= line.opens_until
        state = _ticket_state(shown, over=over)
        name = i18n.localized(shown.name, locale)
        number = f"{contents.view.number}-{index - 1}"
        found.append(
            TicketCard(
                shown,
                index,
                name,
                f"{i18n.format_day(shown.visit_day, locale)} {span(starts, ends, locale)}",
                tuple(visit.text(site.timezone, locale) for visit in further),
                _last_day(starts.date(), ends.date(), locale),
                told(kind.admission_hours, locale) if kind else "",
                code,
                _picture(code, state, now, name=name, number=number, locale=locale),
                state,
                over,
            )
        )
    return found


def _last_day(first: date, last: date, locale: Locale) -> str:
    """Until when a ticket of several days is good; of another year with the year."""
    if last == first:
        return ""
    write = i18n.format_day if last.year == first.year else i18n.format_date
    return write(last, locale)


def _picture(
    code: TicketCode | None, state: str, now: datetime, *, name: str, number: str, locale: Locale
) -> str:
    if code is None or state not in _HAS_CODE:
        return ""
    label = i18n.t(locale, "orders.order.qr_label", name=name, number=number)
    return _drawn(code.text_at(now), label)


@lru_cache(maxsize=1024)
def _drawn(text: str, label: str) -> Markup:
    """The picture of a code; a page is looked at more than once."""
    return qr_svg(text, label, mask=_MASK)


def _ticket_state(shown: OrderLineView, *, over: bool) -> str:
    if shown.status == "valid" and shown.persons_entered:
        return "partly_used"
    return "over" if shown.status == "valid" and over else shown.status


@dataclass(frozen=True, slots=True)
class Situation:
    """Where an order stands, for its buyer."""

    state: str
    waiting: bool
    seconds_left: int


def situation(contents: OrderContents, *, returned: int) -> Situation:
    """What the page is about: a hold whose time is over counts as lapsed before the sweep."""
    view = contents.view
    left = int((view.hold_expires_at - clock.now()).total_seconds())
    state = view.status
    started = any(p.status == "started" for p in contents.payments)
    waiting = bool(returned) and started and state == State.HELD
    if state == State.HELD and left <= 0 and not waiting:
        state = State.EXPIRED.value
    if state in (State.REFUNDING, State.REFUNDED) and view.paid_at is None:
        state = f"late_{state}"
    return Situation(state, waiting, max(left, 0))


def order_page(
    request: AnyRequest,
    site: SiteContext,
    frame: Frame,
    contents: OrderContents,
    *,
    error: DomainError | None = None,
    returned: int = 0,
) -> Page:
    """The page, in whatever state the order is."""
    locale = locale_of(request)
    view = contents.view
    now = situation(contents, returned=returned)
    kinds = [
        kind
        for line in contents.file.lines
        if (kind := contents.file.catalog.types.get(line.ticket_type_id)) is not None
    ]
    shown = cards(contents, site, locale)
    keep = view.status in _SHOWS_TICKETS and any(card.code for card in shown)
    ended = now.state in (State.EXPIRED, State.CANCELLED, State.REFUNDED)
    headers = {KEEP_HEADER: "1"} if keep else {KEEP_HEADER: "0"} if ended else {}
    headers[VERSION_HEADER] = _version(view)
    return page(
        request,
        "orders/order.html",
        status=error.status if error else 200,
        site=frame.site,
        order=view,
        base=order_path(site.slug, view.number, view.secret),
        cards=shown,
        now=now,
        extend_below=EXTENDABLE_MINUTES * 60,
        keep=keep,
        returned=returned,
        error=error,
        problem=i18n.error_text(locale, error) if error else None,
        may=permitted(contents),
        refunds_fen=view.refunded_fen,
        rules=rules_of(
            kinds,
            locale,
            starts=min((line.valid_from for line in contents.file.lines), default=None),
            timezone=site.timezone,
            now=clock.now(),
            moved=contents.file.generation,
        ),
        timezone=site.timezone,
        late=any(event.reason.startswith("late_payment") for event in view.events),
        headers=headers,
        cache="no-store",
    )


def _version(view: OrderView) -> str:
    """A name for what the order's page says of its tickets, another one after each change."""
    tickets = [(ticket.status, ticket.persons_entered) for ticket in view.tickets]
    said = f"{view.status} {view.events[-1].at.isoformat()} {tickets}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def permitted(contents: OrderContents) -> dict[str, bool]:
    """What the buyer may do now."""
    view = contents.view
    now = clock.now()
    unused = {t.ticket_id for t in view.tickets if t.status == "valid" and not t.persons_entered}
    lines = [line for line in contents.file.lines if line.ticket_id in unused]
    types = contents.file.catalog.types
    active = view.status in (State.ISSUED, State.PARTLY_USED)
    return {
        "pay": view.status == State.HELD and now < view.hold_expires_at,
        "cancel": view.status == State.HELD,
        "extend": view.status == State.HELD
        and not view.hold_extended
        and now < view.hold_expires_at,
        "refund": active
        and any(
            line.refund.step_at(now=now, visit_starts=line.visit_starts) is not None
            for line in lines
        ),
        "reschedule": view.status == State.ISSUED
        and any(
            (kind := types.get(line.ticket_type_id)) is not None
            and kind.reschedule.allowed(
                now=now, visit_starts=line.visit_starts, done=contents.file.generation
            )
            for line in lines
        ),
    }


def _returned(request: AnyRequest) -> int:
    """How often this browser has looked since it came back from the provider; 0: it did not."""
    text = request.query_params.get("returned", "")
    return min(int(text), 999) if text.isascii() and text.isdecimal() else 0


def _due(request: AnyRequest, contents: OrderContents) -> PaymentView | None:
    """An attempt that the provider should be asked about now; None: not yet, or not again."""
    if contents.view.status not in (State.HELD, State.EXPIRED):
        return None
    attempt = next((p for p in contents.payments if p.status == "started"), None)
    if attempt is None or clock.now() - attempt.created_at < ASK_AFTER:
        return None
    asked: dict[UUID, float] = request.app.state.setdefault(_ASKED, {})
    moment = clock.monotonic()
    if moment - asked.get(attempt.id, -ASK_EVERY) < ASK_EVERY:
        return None
    if len(asked) > 1000:  # noqa: PLR2004 - it is a memory of seconds, cleared before it grows
        asked.clear()
    asked[attempt.id] = moment
    return attempt


async def _ask(
    request: AnyRequest, site: SiteContext, unit: Unit, contents: OrderContents
) -> OrderContents:
    """Ask the provider if it is time, and read the order again."""
    attempt = _due(request, contents)
    if attempt is None:
        return contents
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ASK_WITHIN):
            await ask_quietly(unit, providers_of(request), attempt)
    view = contents.view
    return await read_order(unit, number=view.number, secret=view.secret, site=site)


@get(ORDER, opt=dict(PUBLIC), include_in_schema=False)
async def show(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """The order."""
    frame = await frame_of(request, site, unit)
    returned = _returned(request)
    contents = await read_order(
        unit, number=number, secret=secret, site=site, attempts=returned > 0
    )
    # The first look after coming back leaves the callback its time; without JavaScript the page
    # comes again by itself, and then asks.
    if returned > 1:
        contents = await _ask(request, site, unit, contents)
    return order_page(request, site, frame, contents, returned=returned)


@get(
    f"{ORDER}/state",
    opt=dict(PUBLIC),
    include_in_schema=False,
)
async def state(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Response[dict[str, Any]]:
    """Where the order stands, for a page that waits; ``?waited=`` seconds make it ask."""
    contents = await read_order(unit, number=number, secret=secret, site=site)
    waited = request.query_params.get("waited", "0")
    if waited.isascii() and waited.isdecimal() and int(waited) >= ASK_AFTER.seconds:
        contents = await _ask(request, site, unit, contents)
    return Response(
        {"status": contents.view.status, "changed_at": contents.view.events[-1].at},
        headers={"cache-control": "no-store"},
    )


routes = [show, state]
