"""Slots as the operator sees and changes them, and special days."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from shanmen.catalog import errors as catalog_errors
from shanmen.catalog.admission_hours import DayKindName
from shanmen.catalog.queries import SpecialDayView, special_days
from shanmen.catalog.schemas import LocalText, SpecialDayOut, SpecialDaySpec
from shanmen.db.session import Session, Unit
from shanmen.inventory import errors, queries
from shanmen.inventory.rules import SlotState
from shanmen.inventory.schemas import DayPut, SlotPatch, StockOut
from shanmen.inventory.service import calendar, slots
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.schemas import problems

TAGS = ["inventory"]
EDIT = [requires("inventory.edit")]
READ = [requires("inventory.edit", "insight.read")]
First = Annotated[date, QueryParameter(name="from", description="The first day.")]
Last = Annotated[date, QueryParameter(name="to", description="The last day.")]


async def pool_slots(
    session: Session, *, pool_id: UUID, first: date, last: date
) -> list[SlotState]:
    """A pool's slots; raises PoolNotFound, DaysReversed, TooManyDays."""
    queries.check_span(first, last)
    await queries.pool(session, pool_id=pool_id)
    return await queries.slots_between(session, pool_ids=[pool_id], first=first, last=last)


@get(
    "/api/v1/pools/{pool_id:uuid}/slots",
    guards=READ,
    tags=TAGS,
    responses=problems(errors.PoolNotFound, errors.DaysReversed, errors.TooManyDays),
)
async def list_stock(
    pool_id: FromPath[UUID], unit: NamedDependency[Unit], first: First, last: Last
) -> list[StockOut]:
    """List a pool's slots with what is held and sold."""
    found = await unit(pool_slots, pool_id=pool_id, first=first, last=last)
    return [StockOut.of(slot) for slot in found]


@patch(
    "/api/v1/slots/{slot_id:uuid}",
    guards=EDIT,
    tags=TAGS,
    responses=problems(
        errors.SlotNotFound,
        errors.SlotIsOver,
        errors.NothingToChange,
        errors.CapacityBelowSold,
        errors.CapacityOutOfRange,
        errors.CapacityBelowReserved,
        errors.CapWithoutDraw,
    ),
)
async def change_slot(
    slot_id: FromPath[UUID], data: JSONBody[SlotPatch], unit: NamedDependency[Unit]
) -> StockOut:
    """Change one slot by hand: its capacity, whether it is open, its note, its caps."""
    return StockOut.of(
        await unit(
            slots.edit_slot,
            slot_id=slot_id,
            capacity=data.capacity,
            status=data.status,
            note=data.note,
            caps=data.caps,
            reason=data.reason,
        )
    )


@put(
    "/api/v1/pools/{pool_id:uuid}/days/{day:date}",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.PoolNotFound, errors.SlotNotFound),
)
async def change_day(
    pool_id: FromPath[UUID],
    day: FromPath[date],
    data: JSONBody[DayPut],
    unit: NamedDependency[Unit],
) -> list[StockOut]:
    """Close or open all of a pool's slots of a day."""
    found = await unit(
        slots.edit_day,
        pool_id=pool_id,
        day=day,
        status=data.status,
        note=data.note,
        reason=data.reason,
    )
    return [StockOut.of(slot) for slot in found]


async def special_days_at(
    session: Session, *, slug: str, first: date, last: date
) -> list[SpecialDayView]:
    """The special days of the site at an address."""
    site = await sites.site(session, slug=slug)
    return list((await special_days(session, site_id=site.id, first=first, last=last)).values())


async def set_special_day_at(session: Session, *, slug: str, spec: SpecialDaySpec) -> None:
    """Set the kind of a day at the site at an address."""
    site = await sites.site(session, slug=slug)
    await calendar.set_special_days(session, site_id=site.id, days=[spec])


async def remove_special_day_at(session: Session, *, slug: str, day: date) -> None:
    """Let a day of the site at an address follow the public calendar."""
    site = await sites.site(session, slug=slug)
    await calendar.remove_special_days(session, site_id=site.id, days=[day])


@get(
    "/api/v1/sites/{slug:str}/special-days",
    guards=[requires()],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def list_special_days(
    slug: FromPath[str], unit: NamedDependency[Unit], first: First, last: Last
) -> list[SpecialDayOut]:
    """List the days whose kind the operator set against the public calendar."""
    found = await unit(special_days_at, slug=slug, first=first, last=last)
    return [SpecialDayOut(day=d.day, day_kind=d.day_kind.value, name=d.name) for d in found]


class SpecialDayPut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What kind of day it is, and what it is called."""

    day_kind: Annotated[DayKindName, Meta(examples=["holiday"])]
    name: LocalText = LocalText()


@put(
    "/api/v1/sites/{slug:str}/special-days/{day:date}",
    guards=[requires("catalog.edit")],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def put_special_day(
    slug: FromPath[str],
    day: FromPath[date],
    data: JSONBody[SpecialDayPut],
    unit: NamedDependency[Unit],
) -> SpecialDayOut:
    """Set the kind of a day; prices and slots follow at once."""
    spec = SpecialDaySpec(day=day, day_kind=data.day_kind, name=data.name)
    await unit(set_special_day_at, slug=slug, spec=spec)
    return SpecialDayOut(day=day, day_kind=data.day_kind, name=data.name.names())


@delete(
    "/api/v1/sites/{slug:str}/special-days/{day:date}",
    guards=[requires("catalog.edit")],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown, catalog_errors.SpecialDayNotFound),
)
async def delete_special_day(
    slug: FromPath[str], day: FromPath[date], unit: NamedDependency[Unit]
) -> None:
    """Let a day follow the public calendar again."""
    await unit(remove_special_day_at, slug=slug, day=day)


routes = [
    list_stock,
    change_slot,
    change_day,
    list_special_days,
    put_special_day,
    delete_special_day,
]
