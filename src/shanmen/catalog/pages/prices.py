"""The price table of a ticket type, with a calendar of what comes of it."""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog import queries, service
from shanmen.catalog.pages.common import EDIT, READ, AnyRequest, Page, day_label
from shanmen.catalog.pages.typed import (
    PricesForm,
    filled_prices,
    with_blank_prices,
)
from shanmen.catalog.queries import SpecialDayView
from shanmen.catalog.rules import Catalog, PriceRule, TicketTypeInfo, fingerprint, price_on
from shanmen.catalog.schemas import PriceSpec, price_problems
from shanmen.db.session import Session, Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.queries import SignedIn
from shanmen.web.calendar import CalendarDay, CalendarMonth, month_grid
from shanmen.web.forms import Form
from shanmen.web.i18n import localized
from shanmen.web.render import locale_of, page, redirect
from shanmen.web.rows import with_errors, without_blank_rows

MONTHS = 2
RENAMED = {"amount_fen": "amount"}


@dataclass(frozen=True, slots=True)
class Pricing:
    """A ticket type with what its calendar needs."""

    info: TicketTypeInfo
    catalog: Catalog
    special: Mapping[date, SpecialDayView]
    today: date


async def pricing(session: Session, *, product_id: UUID) -> Pricing:
    """A ticket type with the days ahead; raises TicketTypeNotFound."""
    info = await queries.ticket_type(session, ticket_type_id=product_id)
    today = clock.today(await sites.site_timezone(session, info.site_id))
    return Pricing(
        info,
        await queries.current_catalog(session),
        await queries.special_days(
            session, site_id=info.site_id, first=today, last=today + timedelta(days=70)
        ),
        today,
    )


def preview_months(
    found: Pricing, prices: Sequence[PriceRule], *, locale: str
) -> list[CalendarMonth]:
    """The price of each day of this month and the next."""
    months = []
    year, month = found.today.year, found.today.month
    for _ in range(MONTHS):
        count = calendar.monthrange(year, month)[1]
        days = []
        for day in (date(year, month, n) for n in range(1, count + 1)):
            if day < found.today:
                continue
            kind = found.catalog.day_kind(found.info.site_id, day)
            price = price_on(prices, day, kind)
            special = found.special.get(day)
            name = localized(special.name, locale) if special else ""  # type: ignore[arg-type]
            days.append(
                CalendarDay(
                    day,
                    "closed" if price is None else "available",
                    price_fen=price,
                    label=day_label(day, kind, name, locale=locale) or None,
                )
            )
        months.append(month_grid(year, month, days, today=found.today))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - December
    return months


def _show(
    request: AnyRequest,
    staff: SignedIn,
    found: Pricing,
    form: Form,
    *,
    prices: Sequence[PriceRule],
    status: int = 200,
    unsaved: bool = False,
) -> Page:
    return page(
        request,
        "catalog/prices.html",
        status=status,
        info=found.info,
        form=form,
        rows=len(form.data["prices"]),
        months=preview_months(found, prices, locale=locale_of(request)),
        unsaved=unsaved,
        may_edit="catalog.edit" in staff.permissions,
    )


@get("/console/products/{product_id:uuid}/prices", guards=READ, include_in_schema=False)
async def price_table(
    request: AnyRequest,
    product_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show the price table and what comes of it."""
    found = await unit(pricing, product_id=product_id)
    form = filled_prices(found.info, fingerprint(found.info))
    return _show(request, staff, found, form, prices=found.info.prices)


@post(
    "/console/products/{product_id:uuid}/prices",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def save_prices(
    request: AnyRequest,
    product_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Save the price table, or show what would come of it."""
    telling = ("amount", "name", "date_from", "date_until")
    form = without_blank_rows(await Form.read(request), "prices", *telling)
    found = await unit(pricing, product_id=product_id)
    prices: Sequence[PriceRule] = found.info.prices
    status = 422
    try:
        wish = form.into(PricesForm)
        specs = wish.specs()
    except DomainError as error:
        form = with_errors(form, error, renamed=RENAMED)
    else:
        problems = price_problems(specs)
        form = with_errors(form, *problems, renamed=RENAMED)
        prices = [_rule(spec) for spec in specs] if not problems else prices
        if form.get("do") in ("preview", "rows") and not problems:
            more = 4 if form.get("do") == "rows" else 2
            form = with_blank_prices(form, more=more)
            return _show(request, staff, found, form, prices=prices, unsaved=True)
        if not problems:
            try:
                await unit(
                    service.set_prices,
                    ticket_type_id=product_id,
                    prices=specs,
                    seen=wish.seen or None,
                )
            except DomainError as error:
                form, status = with_errors(form, error, renamed=RENAMED), error.status
            else:
                url = f"/console/products/{product_id}/prices"
                return redirect(request, url, flash="web.saved")
    form = with_blank_prices(form)
    return _show(request, staff, found, form, prices=prices, status=status)


def _rule(spec: PriceSpec) -> PriceRule:
    return PriceRule(
        amount_fen=spec.amount_fen,
        date_from=spec.date_from,
        date_until=spec.date_until,
        weekdays=spec.weekdays,
        day_kind=spec.day_kind,
        priority=spec.priority,
        name=spec.name,
    )


routes = [price_table, save_prices]
