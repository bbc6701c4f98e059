"""The API of ticket types and their prices."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from shanmen.catalog import errors, queries, service
from shanmen.catalog.admission_hours import DayKindName
from shanmen.catalog.hold_times import HoldTimes, hold_times, set_hold_times
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.catalog.schemas import PriceSpec, Product, TicketTypeSpec
from shanmen.db.session import Session, Unit
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import problems
from shanmen.web.forms import FormInvalid

TAGS = ["catalog"]
EDIT = [requires("catalog.edit")]
MOST_DAYS = 400
PRODUCT_ERRORS = (
    FormInvalid,
    errors.NameMissing,
    errors.AgesReversed,
    errors.QuantitiesReversed,
    errors.SecondFactorNeedsDocument,
    errors.RefundStepTwice,
    errors.RefundFeeFalls,
    errors.RefundFeeTooHigh,
    errors.ChannelUnreadable,
    errors.ZoneMissing,
    errors.ZoneUnknown,
    errors.WeekdayMissing,
    errors.HoursTwice,
)


async def visible_products(
    session: Session, *, slug: str, channel: str, everything: bool
) -> list[TicketTypeInfo]:
    """A site's ticket types that a channel sells; all of them for whoever edits the catalog."""
    site = await sites.site(session, slug=slug)
    catalog = await queries.current_catalog(session)
    return [t for t in catalog.of_site(site.id) if everything or t.sold_by(channel)]


async def create(session: Session, *, slug: str, spec: TicketTypeSpec) -> TicketTypeInfo:
    """Add a ticket type to the site at an address."""
    site = await sites.site(session, slug=slug)
    return await service.create_ticket_type(session, site_id=site.id, spec=spec)


@get(
    "/api/v1/sites/{slug:str}/products",
    guards=[requires()],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def list_products(
    slug: FromPath[str], caller: NamedDependency[ApiCaller], unit: NamedDependency[Unit]
) -> list[Product]:
    """List a site's ticket types with their rules and prices.

    A key sees what its channel sells; one that may edit the catalog sees everything.
    """
    found = await unit(
        visible_products,
        slug=slug,
        channel=caller.channel,
        everything="catalog.edit" in caller.permissions,
    )
    return [Product.of(info) for info in found]


@post(
    "/api/v1/sites/{slug:str}/products",
    guards=EDIT,
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown, *PRODUCT_ERRORS, errors.TooManyTicketTypes),
)
async def create_product(
    slug: FromPath[str], data: JSONBody[TicketTypeSpec], unit: NamedDependency[Unit]
) -> Product:
    """Add a ticket type. It can be sold once it has a price and draws on a pool."""
    return Product.of(await unit(create, slug=slug, spec=data))


@get(
    "/api/v1/products/{product_id:uuid}",
    guards=[requires()],
    tags=TAGS,
    responses=problems(errors.TicketTypeNotFound),
)
async def read_product(product_id: FromPath[UUID], unit: NamedDependency[Unit]) -> Product:
    """Read one ticket type."""
    return Product.of(await unit(queries.ticket_type, ticket_type_id=product_id))


@put(
    "/api/v1/products/{product_id:uuid}",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.TicketTypeNotFound, *PRODUCT_ERRORS),
)
async def replace_product(
    product_id: FromPath[UUID], data: JSONBody[TicketTypeSpec], unit: NamedDependency[Unit]
) -> Product:
    """Replace everything about a ticket type except its prices and draws.

    What is left out gets its default. Tickets that were sold keep what they were sold with.
    """
    return Product.of(await unit(service.edit_ticket_type, ticket_type_id=product_id, spec=data))


@put(
    "/api/v1/products/{product_id:uuid}/prices",
    guards=EDIT,
    tags=TAGS,
    responses=problems(
        errors.TicketTypeNotFound,
        FormInvalid,
        errors.SeasonReversed,
        errors.WeekdayMissing,
        errors.PriceTwice,
    ),
)
async def replace_prices(
    product_id: FromPath[UUID], data: JSONBody[list[PriceSpec]], unit: NamedDependency[Unit]
) -> Product:
    """Replace a ticket type's price table.

    Of the rules that match a day the highest priority wins; among equals the narrower one, then
    the first. A day that no rule matches is not sold.
    """
    return Product.of(await unit(service.set_prices, ticket_type_id=product_id, prices=data))


class DayPrice(Struct, frozen=True, kw_only=True):
    """What a ticket costs on a day."""

    day: date
    day_kind: DayKindName
    price_fen: Annotated[
        int | None, Meta(description="In fen; null where no price rule speaks of the day.")
    ]


async def priced_days(
    session: Session, *, ticket_type_id: UUID, first: date, last: date
) -> list[DayPrice]:
    """What a ticket costs on each day; raises TicketTypeNotFound, DaysReversed, TooManyDays."""
    if last < first:
        raise errors.DaysReversed(field="to")
    if (last - first).days >= MOST_DAYS:
        raise errors.TooManyDays(field="to", most=MOST_DAYS)
    catalog = await queries.current_catalog(session)
    info = catalog.types.get(ticket_type_id)
    if info is None:
        raise errors.TicketTypeNotFound
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        DayPrice(
            day=day,
            day_kind=catalog.day_kind(info.site_id, day).value,
            price_fen=catalog.price(info, day),
        )
        for day in days
    ]


@get(
    "/api/v1/products/{product_id:uuid}/calendar",
    guards=[requires()],
    tags=TAGS,
    responses=problems(errors.TicketTypeNotFound, errors.DaysReversed, errors.TooManyDays),
)
async def price_calendar(
    product_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    first: Annotated[date, QueryParameter(name="from", description="The first day.")],
    last: Annotated[date, QueryParameter(name="to", description="The last day.")],
) -> list[DayPrice]:
    """Say what a ticket costs on each day of a span, and what kind of day each is."""
    return await unit(priced_days, ticket_type_id=product_id, first=first, last=last)


@get("/api/v1/hold-times", guards=[requires()], tags=TAGS, responses=problems())
async def read_hold_times(unit: NamedDependency[Unit]) -> HoldTimes:
    """Say how long unpaid orders keep their places, by channel.

    A channel that is not named has the time of the empty one; without that, the server's.
    """
    return HoldTimes(times=await unit(hold_times))


@put(
    "/api/v1/hold-times",
    guards=EDIT,
    tags=TAGS,
    responses=problems(FormInvalid, errors.ChannelUnreadable, errors.HoldTimeTwice),
)
async def replace_hold_times(data: JSONBody[HoldTimes], unit: NamedDependency[Unit]) -> HoldTimes:
    """Replace all hold times. Orders that are held keep the time that they were given."""
    return HoldTimes(times=await unit(set_hold_times, times=data.times))


routes = [
    read_hold_times,
    replace_hold_times,
    list_products,
    create_product,
    read_product,
    replace_product,
    replace_prices,
    price_calendar,
]
