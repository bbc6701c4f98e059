"""Pools, what ticket types draw on, and schedules."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from shanmen.catalog import errors as catalog_errors
from shanmen.catalog.schemas import Product
from shanmen.db.session import Session, Unit
from shanmen.inventory import errors, queries
from shanmen.inventory.queries import PoolView, ScheduleView
from shanmen.inventory.schemas import (
    DrawSpec,
    PoolOut,
    PoolSpec,
    ScheduleOut,
    ScheduleSaved,
    ScheduleSpec,
    SlotChangesOut,
    SlotPlanOut,
)
from shanmen.inventory.service import pools, schedules
from shanmen.inventory.service.follow import change_stock
from shanmen.inventory.service.planning import SlotChanges
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.schemas import problems
from shanmen.web.forms import FormInvalid

TAGS = ["inventory"]
EDIT = [requires("inventory.edit")]
READ = [requires("inventory.edit", "insight.read")]
SCHEDULE_ERRORS = (
    FormInvalid,
    errors.ScheduleNameMissing,
    errors.SlotTimesReversed,
    errors.SlotsOverlap,
    catalog_errors.SeasonReversed,
    catalog_errors.WeekdayMissing,
)


def _pool(view: PoolView) -> PoolOut:
    return PoolOut(id=view.id, name=view.name, position=view.position, zone_id=view.zone_id)


def _schedule(view: ScheduleView) -> ScheduleOut:
    plans = [
        SlotPlanOut(
            starts=plan.starts.isoformat("minutes"),
            ends=plan.ends.isoformat("minutes"),
            capacity=plan.capacity,
        )
        for plan in view.slots
    ]
    names = set(ScheduleOut.__struct_fields__) - {"slots"}
    return ScheduleOut(**{name: getattr(view, name) for name in names}, slots=plans)


def _changes(changes: SlotChanges) -> SlotChangesOut:
    return SlotChangesOut(**changes.counts())


async def pools_at(session: Session, *, slug: str) -> list[PoolView]:
    """The pools of the site at an address."""
    site = await sites.site(session, slug=slug)
    return await queries.pools(session, site_id=site.id)


async def create_pool_at(session: Session, *, slug: str, spec: PoolSpec) -> PoolView:
    """Add a pool to the site at an address."""
    site = await sites.site(session, slug=slug)
    return await pools.create_pool(session, site_id=site.id, spec=spec)


@get(
    "/api/v1/sites/{slug:str}/pools",
    guards=READ,
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def list_pools(slug: FromPath[str], unit: NamedDependency[Unit]) -> list[PoolOut]:
    """List a site's pools."""
    return [_pool(view) for view in await unit(pools_at, slug=slug)]


@post(
    "/api/v1/sites/{slug:str}/pools",
    guards=EDIT,
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown, sites_errors.ZoneUnknown, errors.PoolNameMissing),
)
async def create_pool(
    slug: FromPath[str], data: JSONBody[PoolSpec], unit: NamedDependency[Unit]
) -> PoolOut:
    """Add a pool."""
    return _pool(await unit(create_pool_at, slug=slug, spec=data))


@put(
    "/api/v1/pools/{pool_id:uuid}",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.PoolNotFound, sites_errors.ZoneUnknown, errors.PoolNameMissing),
)
async def replace_pool(
    pool_id: FromPath[UUID], data: JSONBody[PoolSpec], unit: NamedDependency[Unit]
) -> PoolOut:
    """Rename a pool, move it in the list, or say whose zone its places are of."""
    return _pool(await unit(pools.edit_pool, pool_id=pool_id, spec=data))


@delete(
    "/api/v1/pools/{pool_id:uuid}",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.PoolNotFound, errors.PoolInUse),
)
async def remove_pool(pool_id: FromPath[UUID], unit: NamedDependency[Unit]) -> None:
    """Remove a pool that was never used, with its schedules and slots."""
    await unit(pools.delete_pool, pool_id=pool_id)


@put(
    "/api/v1/products/{product_id:uuid}/draws",
    guards=[requires("catalog.edit")],
    tags=TAGS,
    responses=problems(
        catalog_errors.TicketTypeNotFound,
        catalog_errors.DrawTwice,
        errors.PoolNotFound,
        errors.CapTooSmall,
        FormInvalid,
    ),
)
async def replace_draws(
    product_id: FromPath[UUID], data: JSONBody[list[DrawSpec]], unit: NamedDependency[Unit]
) -> Product:
    """Say which pools a ticket type draws on, and its own cap in the slots of each.

    The first pool sets the visit's slot; several make a bundle.
    """
    info, _ = await change_stock(unit, ticket_type_id=product_id, draws=data)
    return Product.of(info)


async def pool_schedules(session: Session, *, pool_id: UUID) -> list[ScheduleView]:
    """A pool's schedules; raises PoolNotFound."""
    await queries.pool(session, pool_id=pool_id)
    return await queries.schedules(session, pool_id=pool_id)


@get(
    "/api/v1/pools/{pool_id:uuid}/schedules",
    guards=READ,
    tags=TAGS,
    responses=problems(errors.PoolNotFound),
)
async def list_schedules(pool_id: FromPath[UUID], unit: NamedDependency[Unit]) -> list[ScheduleOut]:
    """List a pool's schedules, the highest priority first."""
    return [_schedule(view) for view in await unit(pool_schedules, pool_id=pool_id)]


@post(
    "/api/v1/pools/{pool_id:uuid}/schedules",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.PoolNotFound, *SCHEDULE_ERRORS),
)
async def create_schedule(
    pool_id: FromPath[UUID], data: JSONBody[ScheduleSpec], unit: NamedDependency[Unit]
) -> ScheduleSaved:
    """Add a schedule and make its slots as far ahead as tickets are sold."""
    view, changes = await unit(schedules.create_schedule, pool_id=pool_id, spec=data)
    return ScheduleSaved(schedule=_schedule(view), changes=_changes(changes))


@post(
    "/api/v1/pools/{pool_id:uuid}/schedules/preview",
    guards=READ,
    tags=TAGS,
    status_code=200,
    responses=problems(errors.PoolNotFound, errors.ScheduleNotFound, *SCHEDULE_ERRORS),
)
async def preview_schedule(
    pool_id: FromPath[UUID],
    data: JSONBody[ScheduleSpec],
    unit: NamedDependency[Unit],
    schedule_id: Annotated[
        UUID | None, QueryParameter(name="schedule", description="The one it would replace.")
    ] = None,
) -> SlotChangesOut:
    """Say what saving a schedule would change; nothing is saved."""
    return _changes(
        await unit(schedules.preview_schedule, pool_id=pool_id, schedule_id=schedule_id, spec=data)
    )


@put(
    "/api/v1/schedules/{schedule_id:uuid}",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.ScheduleNotFound, *SCHEDULE_ERRORS),
)
async def replace_schedule(
    schedule_id: FromPath[UUID], data: JSONBody[ScheduleSpec], unit: NamedDependency[Unit]
) -> ScheduleSaved:
    """Replace a schedule and bring its slots in line; what was sold or set by hand stays."""
    view, changes = await unit(schedules.edit_schedule, schedule_id=schedule_id, spec=data)
    return ScheduleSaved(schedule=_schedule(view), changes=_changes(changes))


@delete(
    "/api/v1/schedules/{schedule_id:uuid}",
    guards=EDIT,
    tags=TAGS,
    status_code=200,
    responses=problems(errors.ScheduleNotFound),
)
async def remove_schedule(
    schedule_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> SlotChangesOut:
    """Remove a schedule; its unsold slots close where no other schedule has them."""
    return _changes(await unit(schedules.delete_schedule, schedule_id=schedule_id))


routes = [
    list_pools,
    create_pool,
    replace_pool,
    remove_pool,
    replace_draws,
    list_schedules,
    create_schedule,
    preview_schedule,
    replace_schedule,
    remove_schedule,
]
