"""Past days: visitors, sales, money and how full it was, as a chart, a table and a file."""

import csv
import io
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency

from shanmen.db.session import Unit
from shanmen.insight.pages.today import READ, site_cookies, site_tabs
from shanmen.insight.queries.days import days_figures
from shanmen.insight.rules import read_range
from shanmen.insight.schemas import DaysFigures, Range
from shanmen.kit import clock
from shanmen.kit.days import holiday_name
from shanmen.kit.errors import DomainError
from shanmen.sites.access import current_site
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web import i18n
from shanmen.web.forms import Form
from shanmen.web.i18n import Locale
from shanmen.web.render import locale_of, page

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]

PATH: Final = "/console/days"
RANGES: Final = (("week", 7), ("month", 30), ("quarter", 90))
BOM: Final = "\ufeff"
"""Spreadsheets take a file for UTF-8 only when it begins so."""


@get(PATH, guards=READ, include_in_schema=False)
async def days_page(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """The days of one site."""
    site = current_site(request, staff)
    if site is None:
        return page(request, "insight/days.html", place=None)
    locale = locale_of(request)
    today = clock.today(site.timezone)
    form = Form.blank(dict(request.query_params.items()))
    status, found = 200, None
    first, last = read_range(Range(), today)
    try:
        first, last = read_range(form.into(Range), today)
        form = Form.blank({"from": first.isoformat(), "to": last.isoformat()})
        found = await unit(days_figures, site_id=site.site_id, first=first, last=last)
    except DomainError as error:
        status, form = error.status, form.with_error(error)
    return page(
        request,
        "insight/days.html",
        status=status,
        form=form,
        found=found,
        any=found is not None and bool(found.entered or found.visit_sold or found.taken_fen),
        holidays={one.day: holiday_name(one.day, locale) for one in found.days} if found else {},
        chart=chart(found, locale) if found else "",
        place=site,
        sites=site_tabs(PATH, staff, site, locale),
        ranges=_ranges(site, today, first, last, locale),
        csv_url=f"{PATH}.csv?{_query(site, first, last)}",
        cookies=site_cookies(request, site),
        cache="no-store",
    )


@get(f"{PATH}.csv", guards=READ, include_in_schema=False)
async def days_csv(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """The same days as a file for a spreadsheet."""
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    form = Form.blank(dict(request.query_params.items()))
    first, last = read_range(form.into(Range), clock.today(site.timezone))
    found = await unit(days_figures, site_id=site.site_id, first=first, last=last)
    return Response(
        write_csv(found, locale_of(request)).encode(),
        media_type="text/csv",
        headers={
            "content-disposition": f'attachment; filename="{site.slug}-{first}-{last}.csv"',
            "cache-control": "no-store",
        },
    )


def write_csv(found: DaysFigures, locale: Locale) -> str:
    """One line a day; money in yuan with two decimals."""
    headings = (
        "day", "entered", "sold", "visit_refunded", "csv_capacity", "csv_places_sold", "csv_taken",
        "csv_refunded", "csv_net",
    )  # fmt: skip
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow([i18n.t(locale, f"insight.days.{name}") for name in headings])
    for one in found.days:
        lines.writerow(
            [
                one.day.isoformat(), one.entered, one.visit_sold, one.visit_refunded, one.capacity,
                one.places_sold, _yuan(one.taken_fen), _yuan(one.refunded_fen),
                _yuan(one.taken_fen - one.refunded_fen),
            ]
        )  # fmt: skip
    return BOM + file.getvalue()


def chart(found: DaysFigures, locale: Locale) -> str:
    """The series of both charts as JSON; money in yuan."""
    return msgspec.json.encode(
        {
            "days": [_label(one.day, locale) for one in found.days],
            "entered": [one.entered for one in found.days],
            "sold": [one.visit_sold for one in found.days],
            "taken": [one.taken_fen / 100 for one in found.days],
            "refunded": [-one.refunded_fen / 100 for one in found.days],
        }
    ).decode()


def _label(day: date, locale: Locale) -> str:
    return f"{day.month}/{day.day} {i18n.format_weekday(day, locale)}"


def _yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02}"


def _query(site: SiteContext, first: date, last: date) -> str:
    return urlencode({"site": site.slug, "from": first.isoformat(), "to": last.isoformat()})


def _ranges(
    site: SiteContext, today: date, first: date, last: date, locale: Locale
) -> Iterable[tuple[str, str, bool]]:
    until = today - timedelta(days=1)
    found = []
    for name, days in RANGES:
        since = until - timedelta(days=days - 1)
        found.append(
            (
                f"{PATH}?{_query(site, since, until)}",
                i18n.t(locale, f"insight.days.{name}"),
                (first, last) == (since, until),
            )
        )
    return found


routes = [days_page, days_csv]
