"""The list of pools with their schedules; adding, renaming and removing pools."""

from dataclasses import dataclass
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog.schemas import TypedText
from shanmen.db.session import Session, Unit
from shanmen.inventory import queries
from shanmen.inventory.pages.common import EDIT, READ, AnyRequest, Page
from shanmen.inventory.queries import PoolView, ScheduleView
from shanmen.inventory.schemas import PoolSpec
from shanmen.inventory.service.pools import create_pool, delete_pool, edit_pool
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.access import current_site
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import SignedIn, ZoneView
from shanmen.web.forms import Form
from shanmen.web.i18n import localized
from shanmen.web.render import locale_of, page, redirect
from shanmen.web.rows import with_errors

LIST = "/console/schedules"


class PoolForm(msgspec.Struct, kw_only=True):
    """A pool's name, its place in the list, and the zone that its places are in."""

    name: TypedText = TypedText()
    position: int = 0
    zone_id: UUID | None = None

    def spec(self) -> PoolSpec:
        """As the services take it."""
        return PoolSpec(name=self.name.text(), position=self.position, zone_id=self.zone_id)


@dataclass(frozen=True, slots=True)
class PoolSchedules:
    """A pool with its schedules, the highest priority first."""

    pool: PoolView
    schedules: list[ScheduleView]


@dataclass(frozen=True, slots=True)
class SitePools:
    """A site's pools, and the zones that their places can be in."""

    pools: list[PoolSchedules]
    zones: tuple[ZoneView, ...]


async def all_schedules(session: Session, *, site_id: UUID) -> SitePools:
    """A site's pools with their schedules."""
    pools = [
        PoolSchedules(pool, await queries.schedules(session, pool_id=pool.id))
        for pool in await queries.pools(session, site_id=site_id)
    ]
    return SitePools(pools, await sites.zones(session, site_id=site_id))


async def _list(
    request: AnyRequest,
    staff: SignedIn,
    unit: Unit,
    *,
    part: str = "",
    form: Form | None = None,
    status: int = 200,
) -> Page:
    site = current_site(request, staff)
    found = await unit(all_schedules, site_id=site.site_id) if site else SitePools([], ())
    return page(
        request,
        "inventory/schedules.html",
        status=status,
        here=site,
        sites=staff.sites,
        pools=found.pools,
        zone_names={zone.id: zone.name for zone in found.zones},
        zone_options=[
            (str(zone.id), localized(zone.name, locale_of(request))) for zone in found.zones
        ],
        part=part,
        form=form,
        may_edit="inventory.edit" in staff.permissions,
    )


@get(LIST, guards=READ, include_in_schema=False)
async def schedule_list(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Show all pools with their schedules."""
    return await _list(request, staff, unit)


@post("/console/pools", guards=EDIT, include_in_schema=False, status_code=200)
async def add_pool(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Add a pool and go on to its first schedule."""
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    form = await Form.read(request)
    try:
        spec = form.into(PoolForm).spec()
        made = await unit(create_pool, site_id=site.site_id, spec=spec)
    except DomainError as error:
        form = with_errors(form, error)
        return await _list(request, staff, unit, part="new", form=form, status=error.status)
    url = f"{LIST}/new?pool={made.id}"
    return redirect(request, url, flash="inventory.pool.created")


@post("/console/pools/{pool_id:uuid}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_pool(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Save a pool's name, place and zone, or remove one that was never used."""
    form = await Form.read(request)
    try:
        if form.get("do") == "delete":
            await unit(delete_pool, pool_id=pool_id)
        else:
            await unit(edit_pool, pool_id=pool_id, spec=form.into(PoolForm).spec())
    except DomainError as error:
        form, part = with_errors(form, error), str(pool_id)
        return await _list(request, staff, unit, part=part, form=form, status=error.status)
    return redirect(request, LIST, flash="web.saved")


routes = [schedule_list, add_pool, save_pool]
