"""The API of sites, zones and entrances."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.sites import errors, queries
from shanmen.sites.access import requires
from shanmen.sites.schemas import (
    EntranceChange,
    EntranceOut,
    NewEntrance,
    NewZone,
    SiteChange,
    SiteOut,
    ZoneOut,
    problems,
)
from shanmen.sites.service import places, tenants

TAGS = ["sites"]


@get("/api/v1/sites", guards=[requires()], tags=TAGS, responses=problems())
async def list_sites(unit: NamedDependency[Unit]) -> list[SiteOut]:
    """List the tenant's sites."""
    return [SiteOut.of(site) for site in await unit(queries.sites)]


@get(
    "/api/v1/sites/{slug:str}",
    guards=[requires()],
    tags=TAGS,
    responses=problems(errors.SiteUnknown),
)
async def read_site(slug: FromPath[str], unit: NamedDependency[Unit]) -> SiteOut:
    """Read one site."""
    return SiteOut.of(await unit(queries.site, slug=slug))


@patch(
    "/api/v1/sites/{slug:str}",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(
        errors.SiteUnknown, errors.NameMissing, errors.TextTooLong, clock.UnknownTimeZone
    ),
)
async def change_site(
    slug: FromPath[str], data: JSONBody[SiteChange], unit: NamedDependency[Unit]
) -> SiteOut:
    """Change a site's texts."""
    return SiteOut.of(
        await unit(
            tenants.change_site,
            slug=slug,
            name=data.name,
            intro=data.intro,
            notice=data.notice,
            address=data.address,
            opening_hours=data.opening_hours,
            timezone=data.timezone,
            phone=data.phone,
        )
    )


@get(
    "/api/v1/sites/{slug:str}/zones",
    guards=[requires()],
    tags=TAGS,
    responses=problems(errors.SiteUnknown),
)
async def list_zones(slug: FromPath[str], unit: NamedDependency[Unit]) -> list[ZoneOut]:
    """List a site's zones."""
    site = await unit(queries.site, slug=slug)
    return [ZoneOut.of(zone) for zone in await unit(queries.zones, site_id=site.id)]


@post(
    "/api/v1/sites/{slug:str}/zones",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(errors.SiteUnknown, errors.NameMissing, errors.NoNumberLeft),
)
async def create_zone(
    slug: FromPath[str], data: JSONBody[NewZone], unit: NamedDependency[Unit]
) -> ZoneOut:
    """Add a zone. A zone is never removed: its number stands in tickets that were sold."""
    return ZoneOut.of(await unit(places.create_zone, site_slug=slug, name=data.name))


@get(
    "/api/v1/sites/{slug:str}/entrances",
    guards=[requires()],
    tags=TAGS,
    responses=problems(errors.SiteUnknown),
)
async def list_entrances(slug: FromPath[str], unit: NamedDependency[Unit]) -> list[EntranceOut]:
    """List a site's entrances, those not used any more too."""
    site = await unit(queries.site, slug=slug)
    return [EntranceOut.of(one) for one in await unit(queries.entrances, site_id=site.id)]


@post(
    "/api/v1/sites/{slug:str}/entrances",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(
        errors.SiteUnknown, errors.ZoneUnknown, errors.NameMissing, errors.NoNumberLeft
    ),
)
async def create_entrance(
    slug: FromPath[str], data: JSONBody[NewEntrance], unit: NamedDependency[Unit]
) -> EntranceOut:
    """Add an entrance."""
    return EntranceOut.of(
        await unit(places.create_entrance, site_slug=slug, zone_id=data.zone_id, name=data.name)
    )


@patch(
    "/api/v1/sites/{slug:str}/entrances/{entrance_id:uuid}",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(errors.EntranceUnknown, errors.ZoneUnknown, errors.NameMissing),
)
async def change_entrance(
    slug: FromPath[str],
    entrance_id: FromPath[UUID],
    data: JSONBody[EntranceChange],
    unit: NamedDependency[Unit],
) -> EntranceOut:
    """Rename, move, close or open an entrance."""
    return EntranceOut.of(
        await unit(
            places.change_entrance,
            entrance_id=entrance_id,
            site_slug=slug,
            zone_id=data.zone_id,
            name=data.name,
            active=data.active,
        )
    )


@delete(
    "/api/v1/sites/{slug:str}/entrances/{entrance_id:uuid}",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(errors.EntranceUnknown),
)
async def close_entrance(
    slug: FromPath[str], entrance_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> None:
    """Close an entrance. It stays in the list, because admissions name it."""
    await unit(places.change_entrance, entrance_id=entrance_id, site_slug=slug, active=False)


routes = [
    list_sites,
    read_site,
    change_site,
    list_zones,
    create_zone,
    list_entrances,
    create_entrance,
    change_entrance,
    close_entrance,
]
