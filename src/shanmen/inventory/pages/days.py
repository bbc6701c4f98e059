"""The calendar: public holidays, and days whose kind the operator sets."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from shanmen.catalog.queries import SpecialDayView, special_days
from shanmen.catalog.schemas import SpecialDaySpec, TypedText
from shanmen.db.session import Session, Unit
from shanmen.inventory import errors
from shanmen.inventory.pages.common import (
    EDIT_CATALOG,
    READ,
    AnyRequest,
    Page,
    month_asked,
    next_month,
    previous_month,
)
from shanmen.inventory.service.calendar import remove_special_days, set_special_days
from shanmen.kit import clock
from shanmen.kit.days import DayKind, day_kind, holiday_name
from shanmen.kit.errors import DomainError
from shanmen.sites.access import current_site
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web.forms import Form
from shanmen.web.i18n import localized
from shanmen.web.render import locale_of, page, redirect
from shanmen.web.rows import with_errors

WEEKS = calendar.Calendar(firstweekday=0)
MONTHS = 3
MOST_DAYS = 62
URL = "/console/calendar"


class DaysForm(msgspec.Struct, kw_only=True):
    """A day, or all days from the first to the last."""

    first: date
    last: date | None = None
    day_kind: Literal["workday", "weekend", "holiday"]
    name: TypedText = TypedText()

    def specs(self) -> list[SpecialDaySpec]:
        """As the services take it; raises DaysReversed, TooManyDays."""
        last = self.last or self.first
        if last < self.first:
            raise errors.DaysReversed(field="last")
        count = (last - self.first).days + 1
        if count > MOST_DAYS:
            raise errors.TooManyDays(field="last", most=MOST_DAYS)
        return [
            SpecialDaySpec(
                day=self.first + timedelta(days=n), day_kind=self.day_kind, name=self.name.text()
            )
            for n in range(count)
        ]


class RemoveForm(msgspec.Struct, kw_only=True):
    """The day that shall follow the public calendar again."""

    day: date


@dataclass(frozen=True, slots=True)
class CalendarCell:
    """A day with what the public calendar says and what the operator set."""

    date: date
    public: DayKind
    special: SpecialDayView | None

    @property
    def kind(self) -> DayKind:
        """What holds."""
        return self.special.day_kind if self.special else self.public

    @property
    def shifted(self) -> bool:
        """A Saturday or Sunday on which people work, to make up for a holiday."""
        return self.date.weekday() > 4 and self.kind is DayKind.WORKDAY  # noqa: PLR2004 - Friday


async def special_of(
    session: Session, *, site_id: UUID, first: date, last: date
) -> dict[date, SpecialDayView]:
    """The special days of a span."""
    return await special_days(session, site_id=site_id, first=first, last=last)


async def _show(
    request: AnyRequest,
    staff: SignedIn,
    unit: Unit,
    *,
    form: Form | None = None,
    status: int = 200,
) -> Page:
    site = current_site(request, staff)
    today = clock.today(site.timezone) if site else clock.now().date()
    first = month_asked(request, today)
    locale = locale_of(request)
    starts = [first]
    while len(starts) < MONTHS:
        starts.append(next_month(starts[-1]))
    last = next_month(starts[-1]) - timedelta(days=1)
    special: dict[date, SpecialDayView] = {}
    if site:
        special = await unit(special_of, site_id=site.site_id, first=first, last=last)

    def label(cell: CalendarCell) -> str:
        if cell.special and cell.special.name:
            return localized(cell.special.name, locale)
        return (holiday_name(cell.date, locale) or "") if cell.kind is DayKind.HOLIDAY else ""

    return page(
        request,
        "inventory/calendar.html",
        status=status,
        here=site,
        sites=staff.sites,
        months=[(start, _weeks(start, special)) for start in starts],
        special=list(special.values()),
        label=label,
        today=today,
        form=form or Form.blank({"day_kind": "holiday"}),
        previous=f"{previous_month(first):%Y-%m}",
        following=f"{next_month(first):%Y-%m}",
        may_edit="catalog.edit" in staff.permissions,
    )


def _weeks(start: date, special: dict[date, SpecialDayView]) -> list[list[CalendarCell | None]]:
    return [
        [
            CalendarCell(day, day_kind(day), special.get(day)) if day.month == start.month else None
            for day in week
        ]
        for week in WEEKS.monthdatescalendar(start.year, start.month)
    ]


@get(URL, guards=READ, include_in_schema=False)
async def calendar_page(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Show the public calendar and the operator's own days."""
    return await _show(request, staff, unit)


def _site(request: AnyRequest, staff: SignedIn) -> SiteContext:
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    return site


@post(URL, guards=EDIT_CATALOG, include_in_schema=False, status_code=200)
async def set_days(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Set the kind of one or several days."""
    site = _site(request, staff)
    form = await Form.read(request)
    try:
        days = form.into(DaysForm).specs()
        await unit(set_special_days, site_id=site.site_id, days=days)
    except DomainError as error:
        form = with_errors(form, error)
        return await _show(request, staff, unit, form=form, status=error.status)
    url = f"{URL}?site={site.slug}&month={days[0].day:%Y-%m}"
    return redirect(request, url, flash="inventory.calendar.saved", params={"n": len(days)})


@post(f"{URL}/remove", guards=EDIT_CATALOG, include_in_schema=False, status_code=200)
async def remove_day(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Let a day follow the public calendar again."""
    site = _site(request, staff)
    day = (await Form.read(request)).into(RemoveForm).day
    await unit(remove_special_days, site_id=site.site_id, days=[day])
    url = f"{URL}?site={site.slug}&month={day:%Y-%m}"
    return redirect(request, url, flash="inventory.calendar.removed")


routes = [calendar_page, set_days, remove_day]
