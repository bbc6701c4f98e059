"""The site's first page with its calendar, and a day with its slots and tickets."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency

from shanmen.catalog.admission_hours import told
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.session import Unit
from shanmen.inventory.rules import Availability, SlotOffer
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.pages.basket import Basket
from shanmen.orders.pages.common import (
    AnyRequest,
    Frame,
    Page,
    frame_of,
    remembered,
    same_for_all,
)
from shanmen.orders.pages.say import rules_of, who_for
from shanmen.orders.pages.window import (
    MONTH_SECONDS,
    SLOT_STATES,
    SOON_OVER_DAYS,
    DayShop,
    Month,
    next_month,
    read_day,
    read_month,
)
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.calendar import CalendarDay, CalendarMonth, month_grid
from shanmen.web.forms import Form, nest
from shanmen.web.i18n import Locale
from shanmen.web.render import locale_of, page

_MONTHS = "orders_months"


async def month_of(request: AnyRequest, site: SiteContext, unit: Unit, first: date) -> Month:
    """A month, at most two seconds old."""
    months = remembered(request, _MONTHS, seconds=MONTH_SECONDS)
    found = await months.get(
        (site.tenant_id, site.site_id, first),
        lambda: unit(read_month, site_id=site.site_id, first=first, timezone=site.timezone),
    )
    if not isinstance(found, Month):
        raise TypeError(found)
    return found


def _asked_month(text: str, today: date) -> date:
    """The month in the address; the present one where there is none that can be shown."""
    this = today.replace(day=1)
    try:
        asked = date.fromisoformat(f"{text}-01")
    except ValueError:
        return this
    return asked if this <= asked <= date(today.year + 2, today.month, 1) else this


def grid(
    month: Month,
    first: date,
    *,
    today: date,
    base: str,
    pager: str = "?",
    selected: date | None = None,
) -> CalendarMonth:
    """A month as the calendar macro shows it.

    Days lead to ``base`` with their date, the arrows to ``pager`` with their month.
    """
    days = [
        CalendarDay(
            offer.day,
            SLOT_STATES[offer.state],  # type: ignore[arg-type] # One of the calendar's states.
            price_fen=offer.price_fen,
            dearer=offer.dearer,
            left=offer.left,
            href=f"{base}day={offer.day}",
            selected=offer.day == selected,
        )
        for offer in month.days
    ]
    following = next_month(first)
    previous = (first.replace(day=1) - date.resolution).replace(day=1)
    whole = month_grid(
        first.year,
        first.month,
        days,
        today=today,
        prev=f"{pager}month={previous:%Y-%m}#days" if first > today else None,
        next=f"{pager}month={following:%Y-%m}#days" if following <= month.last_day else None,
    )
    # Weeks that are over only push the days to choose from off a small screen.
    weeks = (w for w in whole.weeks if any(day is not None and day.date >= today for day in w))
    return replace(whole, weeks=tuple(weeks))


@get("/s/{slug:str}", opt=dict(PUBLIC), include_in_schema=False)
async def home(
    request: AnyRequest, site: NamedDependency[SiteContext], unit: NamedDependency[Unit]
) -> Page:
    """The site: what is on sale and when."""
    asked = request.query_params.get("month", "")[:7]
    return await same_for_all(
        request,
        ("home", site.tenant_id, site.slug, asked),
        lambda: _home(request, site, unit, asked),
    )


async def _home(request: AnyRequest, site: SiteContext, unit: Unit, asked: str) -> Page:
    frame = await frame_of(request, site, unit)
    today = clock.today(site.timezone)
    first = _asked_month(asked, today)
    month = await month_of(request, site, unit, first)
    base = f"/s/{site.slug}/visit?"
    months = [grid(month, first, today=today, base=base)]
    following = next_month(first)
    if not asked and (following - today).days <= SOON_OVER_DAYS and following <= month.last_day:
        later = await month_of(request, site, unit, following)
        months.append(grid(later, following, today=today, base=base))
    locale = locale_of(request)
    return page(
        request,
        "orders/home.html",
        site=frame.site,
        months=months,
        types=month.types,
        who={item.kind.id: who_for(item.kind, locale) for item in month.types},
        hours={item.kind.id: told(item.kind.admission_hours, locale) for item in month.types},
        soonest=next((d for d in month.days if d.price_fen is not None), None),
    )


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot as the visit page shows it."""

    id: UUID
    time: str
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A ticket type as the visit page shows it."""

    kind: TicketTypeInfo
    price_fen: int
    who: str
    hours: str
    """When it opens the gates; empty where that is at any time."""
    outside: tuple[UUID, ...]
    """The slots that these hours leave out."""
    none: str
    """Why none can be bought on this day, as a key of `orders.visit`; empty where some can."""
    most: int
    left: int | None
    """Left of its own cap, where that is less than the slots have."""
    others: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """For a bundle: each further pool's name and its slots to choose from."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """Slots, and the tickets that can be bought for them."""

    name: str
    slots: tuple[SlotRow, ...]
    types: tuple[TypeRow, ...]


def slot_row(offer: SlotOffer, locale: Locale, *, wanted: Collection[UUID] = ()) -> SlotRow:
    """A slot with its state in words and the number left.

    One that the hours of a `wanted` ticket type leave out cannot be chosen.
    """
    slot = offer.slot
    time = span(slot.starts, slot.ends, locale)
    if any(kind in offer.types and _outside(offer, kind) for kind in wanted):
        return SlotRow(slot.id, time, "closed", i18n.t(locale, "orders.visit.outside_slot"))
    if offer.state is Availability.OPEN:
        note = i18n.t(locale, "orders.visit.left", left=offer.left)
    elif offer.state is Availability.NEARLY_FULL:
        note = i18n.t(locale, "orders.visit.few", left=offer.left)
    else:
        note = i18n.t(locale, f"orders.visit.{offer.state.value}")
    if slot.note and offer.state is Availability.CLOSED:
        note = i18n.localized(slot.note, locale) or note
    return SlotRow(slot.id, time, SLOT_STATES[offer.state], note)


def _outside(offer: SlotOffer, kind: UUID) -> bool:
    return offer.types[kind].state is Availability.OUTSIDE_HOURS


def span(starts: Any, ends: Any, locale: Locale) -> str:  # noqa: ANN401 - times or instants
    """Two times of day: 08:00–10:00."""
    return f"{i18n.format_time(starts, locale)}–{i18n.format_time(ends, locale)}"


def group_views(
    shop: DayShop, frame: Frame, locale: Locale, *, wanted: Collection[UUID] = ()
) -> list[GroupView]:
    """The day as the page shows it; slots are those for the `wanted` ticket types."""
    groups = shop.groups
    return [
        GroupView(
            i18n.localized(frame.pools.get(group.pool_id), locale) if len(groups) > 1 else "",
            tuple(slot_row(offer, locale, wanted=wanted) for offer in group.offers),
            tuple(_type_row(shop, kind, group.offers, frame, locale) for kind in group.types),
        )
        for group in groups
    ]


def _type_row(
    shop: DayShop,
    kind: TicketTypeInfo,
    offers: tuple[SlotOffer, ...],
    frame: Frame,
    locale: Locale,
) -> TypeRow:
    most = min(kind.max_per_order, kind.limits.per_order or kind.max_per_order)
    offers = tuple(o for o in offers if kind.id in o.types)
    bookable = [o for o in offers if o.types[kind.id].bookable]
    outside = tuple(o.slot.id for o in offers if _outside(o, kind.id))
    sold_out = any(o.types[kind.id].state is Availability.SOLD_OUT for o in offers)
    none = "outside_day" if outside and not sold_out else "none_left"
    left = max((o.types[kind.id].left for o in bookable), default=0)
    capped = any(o.types[kind.id].left * kind.draws[0].quantity < o.slot.left for o in bookable)
    others = tuple(
        (
            i18n.localized(frame.pools.get(draw.pool_id), locale),
            tuple(
                (
                    str(slot.id),
                    i18n.t(
                        locale,
                        "orders.visit.other_slot",
                        time=span(slot.starts, slot.ends, locale),
                        left=max(slot.left_for(kind.id) // draw.quantity, 0),
                    ),
                )
                for slot in shop.of_pool(draw.pool_id)
                if slot.left_for(kind.id) >= draw.quantity
            ),
        )
        for draw in kind.draws[1:]
    )
    return TypeRow(
        kind,
        shop.price(kind) or 0,
        who_for(kind, locale),
        told(kind.admission_hours, locale),
        outside,
        "" if bookable else none,
        min(most, left) if bookable else 0,
        left if capped or not bookable else None,
        others,
    )


def asked_day(request: AnyRequest, today: date) -> date:
    """The day in the address; today where there is none."""
    try:
        return date.fromisoformat(request.query_params.get("day", ""))
    except ValueError:
        return today


def query_form(request: AnyRequest) -> Form:
    """What the address says, as a form."""
    return Form.blank(nest(request.query_params.multi_items()))


def visit_page(
    request: AnyRequest,
    site: SiteContext,
    frame: Frame,
    shop: DayShop,
    form: Form,
    *,
    error: DomainError | None = None,
) -> Page:
    """A day, with what was chosen so far and what is wrong with it."""
    locale = locale_of(request)
    basket = Basket.read(form, shop.day)
    starts = _first_start(shop, basket)
    groups = group_views(shop, frame, locale)
    ahead = max((kind.days_ahead for kind in shop.types), default=0)
    return page(
        request,
        "orders/visit.html",
        status=error.status if error else 200,
        site=frame.site,
        day=shop.day,
        today=shop.today,
        before=shop.day - date.resolution if shop.day > shop.today else None,
        after=shop.day + date.resolution if (shop.day - shop.today).days < ahead else None,
        groups=groups,
        state=_day_state(shop, groups),
        chosen={str(slot_id) for slot_id in basket.slot_ids},
        counts=basket.counts,
        rules=rules_of(shop.types, locale, starts=starts, timezone=site.timezone, now=shop.now),
        form=form.with_error(error) if error else form,
        only=_only_slot(groups),
    )


def _first_start(shop: DayShop, basket: Basket) -> datetime | None:
    starts = [shop.slots[s].starts_at for s in basket.slot_ids if s in shop.slots]
    return min(starts, default=None)


def _day_state(shop: DayShop, groups: list[GroupView]) -> str:
    """Why nothing can be bought on this day; empty when something can."""
    states = {slot.state for group in groups for slot in group.slots}
    if states & {"available", "few"}:
        return ""
    if shop.day < shop.today or states == {"past"}:
        return "over"
    if "soldout" in states:
        return "sold_out"
    if "notyet" in states:
        return "not_yet"
    ahead = max((kind.days_ahead for kind in shop.types), default=0)
    return "not_yet" if (shop.day - shop.today).days > ahead else "closed"


def _only_slot(groups: list[GroupView]) -> str:
    """The one slot that can be chosen, which then is."""
    if len(groups) != 1:
        return ""
    open_slots = [slot for slot in groups[0].slots if slot.state in {"available", "few"}]
    return str(open_slots[0].id) if len(open_slots) == 1 else ""


@get("/s/{slug:str}/visit", opt=dict(PUBLIC), include_in_schema=False)
async def visit(
    request: AnyRequest, site: NamedDependency[SiteContext], unit: NamedDependency[Unit]
) -> Page:
    """Choose a slot and tickets."""
    day = asked_day(request, clock.today(site.timezone))

    async def make() -> Page:
        frame = await frame_of(request, site, unit)
        shop = await unit(read_day, site_id=site.site_id, day=day, timezone=site.timezone)
        return visit_page(request, site, frame, shop, query_form(request))

    if set(request.query_params) <= {"day"}:
        return await same_for_all(request, ("visit", site.tenant_id, site.slug, day), make)
    return await make()


routes = [home, visit]
