"""The list of ticket types, and the page of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog import queries, service
from shanmen.catalog.admission_hours import told
from shanmen.catalog.pages.common import EDIT, READ, AnyRequest, Page
from shanmen.catalog.pages.typed import (
    TicketTypeForm,
    blank_ticket_type,
    filled_ticket_type,
    with_blank_tables,
)
from shanmen.catalog.rules import Catalog, TicketTypeInfo, fingerprint
from shanmen.catalog.schemas import AUDIENCES, ticket_type_problems
from shanmen.db.session import Session, Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.access import current_site
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import SignedIn, SiteContext, ZoneView
from shanmen.web.forms import Form
from shanmen.web.render import locale_of, page, redirect
from shanmen.web.rows import with_errors, without_blank_rows

MORE_ROWS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A ticket type in the list, with its price today and what keeps it from being sold."""

    info: TicketTypeInfo
    price_fen: int | None
    zones: list[Mapping[str, str]]


async def product_lines(session: Session, *, site: SiteContext) -> list[Line]:
    """All ticket types of a site."""
    catalog: Catalog = await queries.current_catalog(session)
    names = {zone.number: zone.name for zone in await sites.zones(session, site_id=site.site_id)}
    today = clock.today(site.timezone)
    return [
        Line(
            info,
            catalog.price(info, today),
            [names[number] for number in info.zone_numbers if number in names],
        )
        for info in catalog.of_site(site.site_id)
    ]


async def zones_of(session: Session, *, site_id: UUID) -> list[ZoneView]:
    """A site's zones."""
    return list(await sites.zones(session, site_id=site_id))


@dataclass(frozen=True, slots=True)
class Editing:
    """A ticket type with what its page offers to choose from."""

    info: TicketTypeInfo
    zones: list[ZoneView]


async def editing(session: Session, *, product_id: UUID) -> Editing:
    """A ticket type and its site's zones; raises TicketTypeNotFound."""
    info = await queries.ticket_type(session, ticket_type_id=product_id)
    return Editing(info, await zones_of(session, site_id=info.site_id))


@get("/console/products", guards=READ, include_in_schema=False)
async def product_list(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Show all ticket types of a site."""
    site = current_site(request, staff)
    lines = await unit(product_lines, site=site) if site else []
    return page(
        request,
        "catalog/products.html",
        here=site,
        sites=staff.sites,
        lines=lines,
        hours={line.info.id: told(line.info.admission_hours, locale_of(request)) for line in lines},
        may_edit="catalog.edit" in staff.permissions,
    )


def _show(
    request: AnyRequest,
    staff: SignedIn,
    form: Form,
    *,
    zones: list[ZoneView],
    info: TicketTypeInfo | None = None,
    status: int = 200,
) -> Page:
    return page(
        request,
        "catalog/product.html",
        status=status,
        form=form,
        zones=zones,
        info=info,
        here=current_site(request, staff),
        audiences=AUDIENCES,
        may_edit="catalog.edit" in staff.permissions,
    )


@get("/console/products/new", guards=EDIT, include_in_schema=False)
async def new_product(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Ask for a new ticket type."""
    site = current_site(request, staff)
    if site is None:
        return redirect(request, "/console/products")
    zones = await unit(zones_of, site_id=site.site_id)
    form = blank_ticket_type([zone.number for zone in zones])
    return _show(request, staff, form, zones=zones)


async def _read(request: AnyRequest) -> tuple[Form, str]:
    """The form as it was sent, and the table that it only asks more rows for, if it does."""
    form = without_blank_rows(await Form.read(request), "refund", "hours_before", "fee_percent")
    form = without_blank_rows(form, "admission_hours", "starts", "ends", "weekdays", "day_kinds")
    return form, {"rows": "refund", "hours": "hours"}.get(str(form.get("do")), "")


def _with_more(form: Form, table: str) -> Form:
    return with_blank_tables(form, **{table: MORE_ROWS})


def _checked(form: Form, zones: list[ZoneView]) -> tuple[TicketTypeForm | None, Form]:
    """The typed values, or None and the form with everything that is wrong with them."""
    try:
        wish = form.into(TicketTypeForm)
    except DomainError as error:
        return None, with_errors(form, error)
    problems = ticket_type_problems(wish.spec(), zones=[zone.number for zone in zones])
    return (None if problems else wish), with_errors(form, *problems)


@post("/console/products/new", guards=EDIT, include_in_schema=False, status_code=200)
async def create_product(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Add a ticket type and go on to the pools that it draws on."""
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    form, more = await _read(request)
    zones = await unit(zones_of, site_id=site.site_id)
    if more:
        return _show(request, staff, _with_more(form, more), zones=zones)
    wish, form = _checked(form, zones)
    if wish is not None:
        try:
            made = await unit(service.create_ticket_type, site_id=site.site_id, spec=wish.spec())
        except DomainError as error:
            form = with_errors(form, error)
        else:
            return redirect(
                request, f"/console/products/{made.id}/stock", flash="catalog.product.created"
            )
    return _show(request, staff, with_blank_tables(form), zones=zones, status=422)


@get("/console/products/{product_id:uuid}", guards=READ, include_in_schema=False)
async def product_page(
    request: AnyRequest,
    product_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show a ticket type to change it."""
    found = await unit(editing, product_id=product_id)
    form = filled_ticket_type(found.info, fingerprint(found.info))
    return _show(request, staff, form, zones=found.zones, info=found.info)


@post("/console/products/{product_id:uuid}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_product(
    request: AnyRequest,
    product_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Save a ticket type."""
    form, more = await _read(request)
    found = await unit(editing, product_id=product_id)
    if more:
        form = _with_more(form, more)
        return _show(request, staff, form, zones=found.zones, info=found.info)
    wish, form = _checked(form, found.zones)
    status = 422
    if wish is not None:
        try:
            await unit(
                service.edit_ticket_type,
                ticket_type_id=product_id,
                spec=wish.spec(),
                seen=wish.seen or None,
            )
        except DomainError as error:
            form, status = with_errors(form, error), error.status
        else:
            return redirect(request, f"/console/products/{product_id}", flash="web.saved")
    form = with_blank_tables(form)
    return _show(request, staff, form, zones=found.zones, info=found.info, status=status)


@post(
    "/console/products/{product_id:uuid}/on-sale",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def switch_sale(
    request: AnyRequest, product_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> Page:
    """Put a ticket type on sale or take it off."""
    form = await Form.read(request)
    on_sale = form.get("on_sale") == "true"
    await unit(service.set_on_sale, ticket_type_id=product_id, on_sale=on_sale)
    flash = "catalog.product.now_on_sale" if on_sale else "catalog.product.now_off_sale"
    return redirect(request, "/console/products", flash=flash)


routes = [product_list, new_product, create_product, product_page, save_product, switch_sale]
