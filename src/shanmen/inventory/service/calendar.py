"""Days whose kind the operator sets: prices and schedules follow at once."""

from collections.abc import Collection, Iterable
from datetime import date
from uuid import UUID

from shanmen.catalog import service as catalog_service
from shanmen.catalog.queries import current_catalog
from shanmen.catalog.schemas import SpecialDaySpec
from shanmen.db.session import Session
from shanmen.inventory.queries import pools
from shanmen.inventory.service.materialize import materialize_pools
from shanmen.inventory.service.planning import SlotChanges, horizon, pool_plans
from shanmen.kit import clock


async def set_special_days(
    session: Session, *, site_id: UUID, days: Iterable[SpecialDaySpec]
) -> SlotChanges:
    """Set the kind of days against the public calendar and bring their slots in line."""
    changed = await catalog_service.set_special_days(session, site_id=site_id, days=days)
    return await _bring_in_line(session, site_id, changed)


async def remove_special_days(
    session: Session, *, site_id: UUID, days: Iterable[date]
) -> SlotChanges:
    """Let days follow the public calendar again, and their slots with them.

    Raises:
        SpecialDayNotFound.
    """
    changed = await catalog_service.remove_special_days(session, site_id=site_id, days=days)
    return await _bring_in_line(session, site_id, changed)


async def _bring_in_line(session: Session, site_id: UUID, days: Collection[date]) -> SlotChanges:
    """Slots of days beyond those on sale are made by the daily job when their time comes."""
    pool_ids = [pool.id for pool in await pools(session, site_id=site_id)]
    if not pool_ids or not days:
        return SlotChanges()
    plans = await pool_plans(session, pool_ids=pool_ids)
    today = clock.today(next(iter(plans.values())).timezone)
    catalog = await current_catalog(session)
    last = max(horizon(catalog, pool_id, today) for pool_id in pool_ids)
    near = [day for day in days if today <= day <= last]
    if not near:
        return SlotChanges()
    return await materialize_pools(
        session, pool_ids=pool_ids, first=near[0], last=near[-1], days=near
    )
