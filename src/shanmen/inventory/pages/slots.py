"""The month of all pools, and one day of one pool."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog.queries import current_catalog, special_days
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.catalog.schemas import TypedText
from shanmen.db.session import Session, Unit
from shanmen.inventory import queries
from shanmen.inventory.pages.common import (
    EDIT,
    READ,
    AnyRequest,
    Page,
    month_asked,
    next_month,
    previous_month,
)
from shanmen.inventory.queries import PoolDay, PoolView
from shanmen.inventory.rules import NEARLY_FULL_SHARE, SlotState
from shanmen.inventory.service.slots import edit_day, edit_slot, follow_schedule
from shanmen.kit import clock
from shanmen.kit.days import DayKind, holiday_name
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.access import current_site
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web.forms import Form
from shanmen.web.i18n import localized
from shanmen.web.render import locale_of, page, redirect
from shanmen.web.rows import with_errors

WEEKS = calendar.Calendar(firstweekday=0)


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of the overview."""

    date: date
    kind: DayKind
    name: Mapping[str, str]
    figures: PoolDay | None
    hidden: bool = False
    """Past, and nothing was there: a week of such days is left out."""

    @property
    def tone(self) -> str:
        """How full it is: none, closed, free, few or full."""
        found = self.figures
        if found is None:
            return "none"
        if not found.open:
            return "closed"
        left = found.capacity - found.taken
        if left <= 0:
            return "full"
        return "few" if left <= found.capacity * NEARLY_FULL_SHARE else "free"


@dataclass(frozen=True, slots=True)
class PoolMonth:
    """A pool's month as weeks of seven; None fills the days of the neighbouring months."""

    pool: PoolView
    weeks: list[list[MonthDay | None]]
    has_slots: bool


async def month_of(session: Session, *, site: SiteContext, first: date) -> list[PoolMonth]:
    """The month of all pools of a site, by one statement of figures."""
    pools = await queries.pools(session, site_id=site.site_id)
    last = next_month(first) - timedelta(days=1)
    figures = await queries.pool_days(
        session, pool_ids=[pool.id for pool in pools], first=first, last=last
    )
    catalog = await current_catalog(session)
    special = await special_days(session, site_id=site.site_id, first=first, last=last)
    today = clock.today(site.timezone)

    def day(pool: PoolView, when: date) -> MonthDay | None:
        if when.month != first.month:
            return None
        name = special[when].name if when in special else {}
        kind = catalog.day_kind(site.site_id, when)
        found = figures.get((pool.id, when))
        return MonthDay(when, kind, name, found, hidden=found is None and when < today)

    weeks = WEEKS.monthdatescalendar(first.year, first.month)
    return [
        PoolMonth(
            pool,
            [[day(pool, when) for when in week] for week in weeks],
            any(key[0] == pool.id for key in figures),
        )
        for pool in pools
    ]


@get("/console/slots", guards=READ, include_in_schema=False)
async def month_page(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Show how full each day of a month is, pool by pool."""
    site = current_site(request, staff)
    today = clock.today(site.timezone) if site else clock.now().date()
    first = month_asked(request, today)
    locale = locale_of(request)

    def label(day: MonthDay) -> str:
        if day.name:
            return localized(day.name, locale)
        return (holiday_name(day.date, locale) or "") if day.kind is DayKind.HOLIDAY else ""

    return page(
        request,
        "inventory/month.html",
        here=site,
        sites=staff.sites,
        months=await unit(month_of, site=site, first=first) if site else [],
        first=first,
        today=today,
        label=label,
        previous=f"{previous_month(first):%Y-%m}",
        following=f"{next_month(first):%Y-%m}",
        may_edit="inventory.edit" in staff.permissions,
    )


@dataclass(frozen=True, slots=True)
class DayOfPool:
    """A pool's day with the ticket types that draw on it."""

    pool: PoolView
    slots: list[SlotState]
    types: list[TicketTypeInfo]
    timezone: str
    kind: DayKind


async def day_of(session: Session, *, pool_id: UUID, day: date) -> DayOfPool:
    """A pool's day; raises PoolNotFound."""
    pool = await queries.pool(session, pool_id=pool_id)
    catalog = await current_catalog(session)
    slots = await queries.slots_between(session, pool_ids=[pool_id], first=day, last=day)
    return DayOfPool(
        pool,
        # A slot that the schedule has dropped and nobody bought is of no interest any more.
        [s for s in slots if s.status == "open" or s.edited or s.taken],
        [
            t
            for t in catalog.of_site(pool.site_id)
            if any(draw.pool_id == pool_id for draw in t.draws)
        ],
        await sites.site_timezone(session, pool.site_id),
        catalog.day_kind(pool.site_id, day),
    )


class SlotForm(msgspec.Struct, kw_only=True):
    """What can be changed of a slot."""

    capacity: int
    note: TypedText = TypedText()
    caps: dict[str, int | None] = msgspec.field(default_factory=dict)
    reason: str = ""
    do: Literal["save", "close", "open", "follow"] = "save"


class DayForm(msgspec.Struct, kw_only=True):
    """Closing or opening a whole day."""

    do: Literal["close", "open"]
    note: TypedText = TypedText()
    reason: str = ""


def cap_of(slot: SlotState, info: TicketTypeInfo) -> int | None:
    """A ticket type's cap in a slot, None without one."""
    cap = slot.caps.get(str(info.id))
    return None if cap is None else cap[0]


async def _show(
    request: AnyRequest,
    staff: SignedIn,
    unit: Unit,
    pool_id: UUID,
    day: date,
    *,
    part: str = "",
    form: Form | None = None,
    status: int = 200,
) -> Page:
    found = await unit(day_of, pool_id=pool_id, day=day)
    now: datetime = clock.now()
    return page(
        request,
        "inventory/day.html",
        status=status,
        pool=found.pool,
        slots=found.slots,
        types=found.types,
        kind=found.kind,
        holiday=holiday_name(day, locale_of(request)),
        day=day,
        now=now,
        timezone=found.timezone,
        cap_of=cap_of,
        part=part,
        form=form,
        may_edit="inventory.edit" in staff.permissions,
        previous=day - timedelta(days=1),
        following=day + timedelta(days=1),
    )


@get("/console/slots/{pool_id:uuid}/{day:date}", guards=READ, include_in_schema=False)
async def day_page(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    day: FromPath[date],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show a pool's slots of one day."""
    return await _show(request, staff, unit, pool_id, day)


@post(
    "/console/slots/{pool_id:uuid}/{day:date}",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def change_day(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    day: FromPath[date],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Close or open a whole day."""
    form = await Form.read(request)
    try:
        wish = form.into(DayForm)
        closing = wish.do == "close"
        await unit(
            edit_day,
            pool_id=pool_id,
            day=day,
            status="closed" if closing else "open",
            note=wish.note.text() if closing else None,
            reason=wish.reason,
        )
    except DomainError as error:
        form = with_errors(form, error)
        return await _show(
            request, staff, unit, pool_id, day, part="day", form=form, status=error.status
        )
    flash = "inventory.day.now_closed" if closing else "inventory.day.now_open"
    return redirect(request, f"/console/slots/{pool_id}/{day}", flash=flash)


@post(
    "/console/slots/{pool_id:uuid}/{day:date}/{slot_id:uuid}",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def change_slot(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    day: FromPath[date],
    slot_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Change one slot, close or open it, or let it follow its schedule again."""
    form = await Form.read(request)
    try:
        await _change(unit, slot_id, form)
    except DomainError as error:
        form = with_errors(form, error)
        part = str(slot_id)
        return await _show(
            request, staff, unit, pool_id, day, part=part, form=form, status=error.status
        )
    url = f"/console/slots/{pool_id}/{day}#slot-{slot_id}"
    return redirect(request, url, flash="web.saved")


async def _change(unit: Unit, slot_id: UUID, form: Form) -> None:
    # The names of fields part at hyphens, and so a ticket type's id is written without them.
    sent = form.data.get("caps")
    caps = dict.fromkeys(sent, None) | sent if isinstance(sent, dict) else {}
    wish = form.into(SlotForm)
    if wish.do == "follow":
        await unit(follow_schedule, slot_id=slot_id, reason=wish.reason)
        return
    await unit(
        edit_slot,
        slot_id=slot_id,
        capacity=wish.capacity,
        status={"close": "closed", "open": "open"}.get(wish.do),  # type: ignore[arg-type]
        note=wish.note.text(),
        caps={UUID(key): wish.caps.get(key) for key in caps if _is_id(key)},
        reason=wish.reason,
    )


def _is_id(text: str) -> bool:
    return len(text) == 32 and all(c in "0123456789abcdef" for c in text)  # noqa: PLR2004 - a UUID


routes = [month_page, day_page, change_day, change_slot]
