"""Zones and entrances of a site.

Neither is ever removed: a zone's number is a bit in tickets that visitors hold, and giving it to
another zone would give them rights there. An entrance that is not used any more is closed.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import Entrance, Site, Zone
from shanmen.sites.queries import EntranceView, ZoneView


async def create_zone(session: Session, *, site_slug: str, name: Mapping[str, str]) -> ZoneView:
    """Add a zone under the lowest free number.

    Raises:
        SiteUnknown, NameMissing, NoNumberLeft: a site has 32 zones at most.
    """
    site_id = await lock_site(session, slug=site_slug)
    names = rules.clean_name(name)
    taken = await session.execute(
        select(Zone.number).where(Zone.tenant_id == session.tenant_id, Zone.site_id == site_id)
    )
    row = Zone(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        site_id=site_id,
        number=rules.free_number(set(taken.scalars()), rules.ZONE_NUMBERS),
        name=names,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        action="sites.zone_created",
        entity="zone",
        entity_id=row.id,
        after={"site": site_slug, "number": row.number, "name": names},
    )
    return ZoneView(row.id, site_id, row.number, row.name)


async def change_zone(
    session: Session, *, zone_id: UUID, name: Mapping[str, str], site_slug: str | None = None
) -> ZoneView:
    """Rename a zone; raises ZoneUnknown, NameMissing.

    `site_slug` says which site the caller takes it for: another one's zone is not found.
    """
    row = await session.get(Zone, (session.tenant_id, zone_id), with_for_update=True)
    if row is None:
        raise errors.ZoneUnknown
    if site_slug is not None:
        site = await session.get_one(Site, (session.tenant_id, row.site_id))
        if site.slug != site_slug:
            raise errors.ZoneUnknown
    before = row.name
    row.name = rules.clean_name(name)
    await session.flush()
    await audit.record(
        session,
        action="sites.zone_changed",
        entity="zone",
        entity_id=zone_id,
        before={"name": before},
        after={"name": row.name},
    )
    return ZoneView(row.id, row.site_id, row.number, row.name)


async def create_entrance(
    session: Session, *, site_slug: str, zone_id: UUID, name: Mapping[str, str]
) -> EntranceView:
    """Add an entrance into a zone of the site under the lowest free number.

    Raises:
        SiteUnknown, ZoneUnknown, NameMissing, NoNumberLeft: naming the field.
    """
    site_id = await lock_site(session, slug=site_slug)
    names = rules.clean_name(name)
    await _check_zone(session, zone_id, site_id)
    taken = await session.execute(
        select(Entrance.number).where(
            Entrance.tenant_id == session.tenant_id, Entrance.site_id == site_id
        )
    )
    row = Entrance(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        site_id=site_id,
        zone_id=zone_id,
        number=rules.free_number(set(taken.scalars()), rules.ENTRANCE_NUMBERS),
        name=names,
        active=True,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        action="sites.entrance_created",
        entity="entrance",
        entity_id=row.id,
        after={"site": site_slug, "number": row.number, **_facts(row)},
    )
    return queries.entrance_view(row)


async def change_entrance(
    session: Session,
    *,
    entrance_id: UUID,
    site_slug: str | None = None,
    zone_id: UUID | None = None,
    name: Mapping[str, str] | None = None,
    active: bool | None = None,
) -> EntranceView:
    """Rename, move to another zone, close or open an entrance; None leaves a field as it is.

    `site_slug` says which site the caller takes it for: another one's entrance is not found.

    Raises:
        EntranceUnknown, ZoneUnknown, NameMissing: naming the field.
    """
    row = await session.get(Entrance, (session.tenant_id, entrance_id), with_for_update=True)
    if row is None:
        raise errors.EntranceUnknown
    if site_slug is not None:
        site = await session.get_one(Site, (session.tenant_id, row.site_id))
        if site.slug != site_slug:
            raise errors.EntranceUnknown
    before = _facts(row)
    if zone_id is not None:
        await _check_zone(session, zone_id, row.site_id)
        row.zone_id = zone_id
    if name is not None:
        row.name = rules.clean_name(name)
    if active is not None:
        row.active = active
    await session.flush()
    await audit.record(
        session,
        action="sites.entrance_changed",
        entity="entrance",
        entity_id=entrance_id,
        before=before,
        after=_facts(row),
    )
    return queries.entrance_view(row)


def _facts(row: Entrance) -> dict[str, object]:
    return {"name": row.name, "zone_id": row.zone_id, "active": row.active}


async def _check_zone(session: Session, zone_id: UUID, site_id: UUID) -> None:
    zone = await session.get(Zone, (session.tenant_id, zone_id))
    if zone is None or zone.site_id != site_id:
        raise errors.ZoneUnknown(field="zone_id")


async def lock_site(session: Session, *, slug: str) -> UUID:
    """Lock a site while one of its places gets a number; raises SiteUnknown."""
    found = await session.execute(
        select(Site.id)
        .where(Site.tenant_id == session.tenant_id, Site.slug == slug)
        .with_for_update()
    )
    site_id = found.scalar_one_or_none()
    if site_id is None:
        raise errors.SiteUnknown(field="slug")
    return site_id
