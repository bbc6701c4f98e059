"""What can be booked: days and slots."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, cast
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session, Unit
from shanmen.inventory import errors, queries
from shanmen.inventory.rules import DayOffer, SlotOffer
from shanmen.inventory.schemas import (
    DayAvailability,
    ProductAvailability,
    SlotAvailability,
    State,
)
from shanmen.kit import clock
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import problems

TAGS = ["inventory"]
Products = Annotated[
    list[UUID] | None,
    QueryParameter(name="product", description="Ticket types; without any, all that are sold."),
]


async def _asked(
    session: Session, slug: str, product: Sequence[UUID] | None, channel: str
) -> tuple[UUID, list[UUID]]:
    site = await sites.site(session, slug=slug)
    catalog = await current_catalog(session)
    sold = [t.id for t in catalog.of_site(site.id, channel=channel)]
    return site.id, sold if product is None else [t for t in sold if t in product]


async def days_at(
    session: Session,
    *,
    slug: str,
    product: Sequence[UUID] | None,
    channel: str,
    first: date,
    last: date,
) -> list[DayOffer]:
    """The days of the site at an address."""
    site_id, types = await _asked(session, slug, product, channel)
    return await queries.month_availability(
        session,
        site_id=site_id,
        ticket_type_ids=types,
        first=first,
        last=last,
        now=clock.now(),
        channel=channel,
    )


async def slots_at(
    session: Session, *, slug: str, product: Sequence[UUID] | None, channel: str, day: date
) -> list[SlotOffer]:
    """The slots of a day of the site at an address."""
    site_id, types = await _asked(session, slug, product, channel)
    return await queries.day_slots(
        session,
        site_id=site_id,
        ticket_type_ids=types,
        day=day,
        now=clock.now(),
        channel=channel,
    )


@get(
    "/api/v1/sites/{slug:str}/availability",
    guards=[requires()],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown, errors.DaysReversed, errors.TooManyDays),
)
async def availability(
    slug: FromPath[str],
    caller: NamedDependency[ApiCaller],
    unit: NamedDependency[Unit],
    first: Annotated[date, QueryParameter(name="from", description="The first day.")],
    last: Annotated[date, QueryParameter(name="to", description="The last day.")],
    product: Products = None,
) -> list[DayAvailability]:
    """Say of each day whether it can be booked by the key's channel, and from what price."""
    days = await unit(
        days_at, slug=slug, product=product, channel=caller.channel, first=first, last=last
    )
    return [day_out(day) for day in days]


@get(
    "/api/v1/sites/{slug:str}/slots",
    guards=[requires()],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def available_slots(
    slug: FromPath[str],
    caller: NamedDependency[ApiCaller],
    unit: NamedDependency[Unit],
    day: Annotated[date, QueryParameter(name="date", description="The day of the visit.")],
    product: Products = None,
) -> list[SlotAvailability]:
    """List a day's slots with what is left of each ticket type that the key's channel sells."""
    offers = await unit(slots_at, slug=slug, product=product, channel=caller.channel, day=day)
    return [slot_out(offer) for offer in offers]


def day_out(day: DayOffer) -> DayAvailability:
    """A day as programs see it."""
    return DayAvailability(
        day=day.day,
        day_kind=day.kind.value,
        state=cast("State", day.state.value),
        price_fen=day.price_fen,
        left=day.left,
    )


def slot_out(offer: SlotOffer) -> SlotAvailability:
    """A slot as programs see it."""
    slot = offer.slot
    return SlotAvailability(
        slot_id=slot.id,
        day=slot.day,
        starts=slot.starts.isoformat("minutes"),
        ends=slot.ends.isoformat("minutes"),
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        state=cast("State", offer.state.value),
        note=slot.note,
        products=[
            ProductAvailability(
                product_id=key,
                state=kind.state.value,
                left=kind.left,
                price_fen=kind.price_fen,
                other_slot_ids=list(kind.companions),
            )
            for key, kind in offer.types.items()
        ],
    )


routes = [availability, available_slots]
