"""Pools, and which of them a ticket type draws on."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from shanmen.audit import service as audit
from shanmen.catalog import service as catalog_service
from shanmen.catalog.queries import current_catalog, ticket_type
from shanmen.catalog.rules import Draw, TicketTypeInfo
from shanmen.catalog.schemas import checked, refuse_first
from shanmen.catalog.service import raise_version
from shanmen.db.session import Session
from shanmen.inventory import errors
from shanmen.inventory.models import Allotment, Pool, Schedule, Slot, Stock, TypeCap
from shanmen.inventory.queries import PoolView, pool
from shanmen.inventory.schemas import DrawSpec, PoolSpec, draw_problems
from shanmen.inventory.service.materialize import refresh
from shanmen.inventory.service.planning import SlotChanges
from shanmen.kit import clock, ids
from shanmen.sites import queries as sites
from shanmen.sites.errors import ZoneUnknown


async def create_pool(session: Session, *, site_id: UUID, spec: PoolSpec) -> PoolView:
    """Add something scarce that tickets can draw on; raises PoolNameMissing, ZoneUnknown."""
    spec = _checked(spec)
    await _check_zone(session, spec, site_id=site_id)
    await raise_version(session)
    row = Pool(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        site_id=site_id,
        name=spec.name.names(),
        position=spec.position,
        zone_id=spec.zone_id,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        action="inventory.pool_created",
        entity="pool",
        entity_id=row.id,
        before=None,
        after=_audited(row),
    )
    return PoolView(row.id, row.site_id, row.name, row.position, row.zone_id)


async def edit_pool(session: Session, *, pool_id: UUID, spec: PoolSpec) -> PoolView:
    """Rename a pool, move it in the list, or say whose zone its places are of.

    Tickets open that zone in the pool's slot alone if they are sold, or moved, from now on: those
    that were sold before were sold without a time for it, and keep what their buyers were told.

    Raises:
        PoolNotFound, PoolNameMissing.
        ZoneUnknown: the zone is not one of the pool's site.
    """
    spec = _checked(spec)
    await raise_version(session)
    row = await _row(session, pool_id)
    await _check_zone(session, spec, site_id=row.site_id)
    before = _audited(row)
    row.name = spec.name.names()
    row.position = spec.position
    row.zone_id = spec.zone_id
    await session.flush()
    await audit.record(
        session,
        action="inventory.pool_changed",
        entity="pool",
        entity_id=row.id,
        before=before,
        after=_audited(row),
    )
    return PoolView(row.id, row.site_id, row.name, row.position, row.zone_id)


async def delete_pool(session: Session, *, pool_id: UUID) -> None:
    """Remove a pool that was made by mistake, with its schedules and empty slots.

    Raises:
        PoolNotFound.
        PoolInUse: a ticket type draws on it, places are taken, or it has slots in the past.
    """
    await raise_version(session)
    row = await _row(session, pool_id)
    catalog = await current_catalog(session)
    drawn = any(d.pool_id == pool_id for t in catalog.types.values() for d in t.draws)
    tenant = session.tenant_id
    slots = select(Slot.id).where(Slot.tenant_id == tenant, Slot.pool_id == pool_id)
    counters = (Stock.tenant_id == tenant, Stock.slot_id.in_(slots))
    # Nobody can take a place while the counters are locked; the lock is taken in their order.
    locked = await session.execute(
        select(Stock.held, Stock.sold).where(*counters).order_by(Stock.id).with_for_update()
    )
    taken = any(held or sold for held, sold in locked)
    past = await session.scalar(
        select(func.count()).where(
            Slot.tenant_id == tenant, Slot.pool_id == pool_id, Slot.starts_at < clock.now()
        )
    )
    if drawn or taken or past:
        raise errors.PoolInUse
    for statement in (
        delete(Stock).where(*counters),
        delete(Slot).where(Slot.tenant_id == tenant, Slot.pool_id == pool_id),
        delete(Allotment).where(Allotment.tenant_id == tenant, Allotment.pool_id == pool_id),
        delete(TypeCap).where(TypeCap.tenant_id == tenant, TypeCap.pool_id == pool_id),
        delete(Schedule).where(Schedule.tenant_id == tenant, Schedule.pool_id == pool_id),
        delete(Pool).where(Pool.tenant_id == tenant, Pool.id == pool_id),
    ):
        await session.execute(statement)
    await audit.record(
        session,
        action="inventory.pool_deleted",
        entity="pool",
        entity_id=pool_id,
        before=_audited(row),
        after=None,
    )


async def set_stock(
    session: Session,
    *,
    ticket_type_id: UUID,
    draws: Sequence[DrawSpec],
    seen: str | None = None,
) -> tuple[TicketTypeInfo, SlotChanges]:
    """Say which pools a ticket type draws on, and make slots as far ahead as it is sold.

    All slots follow in this one transaction; `follow.change_stock` does not hold up sales.

    Raises:
        The same as `set_draws`.
    """
    info, pool_ids = await set_draws(session, ticket_type_id=ticket_type_id, draws=draws, seen=seen)
    return info, await refresh(session, pool_ids=pool_ids)


async def set_draws(
    session: Session,
    *,
    ticket_type_id: UUID,
    draws: Sequence[DrawSpec],
    seen: str | None = None,
) -> tuple[TicketTypeInfo, set[UUID]]:
    """Say which pools a ticket type draws on, and its cap in the slots of each.

    The first pool sets the visit's slot. Without pools the ticket cannot be sold.

    Returns:
        The ticket type, and the pools whose slots have to follow.

    Raises:
        TicketTypeNotFound, CatalogChanged, PoolNotFound, DrawTwice, CapTooSmall.
    """
    draws = [checked(draw) for draw in draws]
    refuse_first(draw_problems(draws))
    await raise_version(session)
    before = await ticket_type(session, ticket_type_id=ticket_type_id)
    await _check_pools(session, draws, before)
    after = await catalog_service.set_draws(
        session,
        ticket_type_id=ticket_type_id,
        draws=[Draw(draw.pool_id, draw.quantity) for draw in draws],
        seen=seen,
    )
    old = await caps_of(session, ticket_type_id=ticket_type_id)
    new = {draw.pool_id: draw.cap for draw in draws if draw.cap is not None}
    await _set_caps(session, ticket_type_id, new)
    await audit.record(
        session,
        action="inventory.caps_changed",
        entity="ticket_type",
        entity_id=ticket_type_id,
        before={"caps": {str(key): cap for key, cap in old.items()}},
        after={"caps": {str(key): cap for key, cap in new.items()}},
    )
    return after, {draw.pool_id for draw in draws} | old.keys()


async def caps_of(session: Session, *, ticket_type_id: UUID) -> dict[UUID, int]:
    """A ticket type's caps by pool."""
    rows = await session.execute(
        select(TypeCap.pool_id, TypeCap.capacity)
        .where(TypeCap.tenant_id == session.tenant_id, TypeCap.ticket_type_id == ticket_type_id)
        .order_by(TypeCap.pool_id)
    )
    return {row.pool_id: row.capacity for row in rows}


async def _set_caps(session: Session, ticket_type_id: UUID, caps: dict[UUID, int]) -> None:
    await session.execute(
        delete(TypeCap).where(
            TypeCap.tenant_id == session.tenant_id,
            TypeCap.ticket_type_id == ticket_type_id,
            TypeCap.pool_id.not_in(list(caps)),
        )
    )
    for pool_id, capacity in caps.items():
        await session.execute(
            insert(TypeCap)
            .values(
                tenant_id=session.tenant_id,
                pool_id=pool_id,
                ticket_type_id=ticket_type_id,
                capacity=capacity,
            )
            .on_conflict_do_update(
                index_elements=["tenant_id", "pool_id", "ticket_type_id"],
                set_={"capacity": capacity},
            )
        )


async def _check_pools(session: Session, draws: Sequence[DrawSpec], info: TicketTypeInfo) -> None:
    for index, draw in enumerate(draws):
        try:
            found = await pool(session, pool_id=draw.pool_id)
        except errors.PoolNotFound as error:
            raise errors.PoolNotFound(field=f"draws.{index}.pool_id") from error
        if found.site_id != info.site_id:
            raise errors.PoolNotFound(field=f"draws.{index}.pool_id")


async def _row(session: Session, pool_id: UUID) -> Pool:
    row = await session.get(Pool, (session.tenant_id, pool_id), populate_existing=True)
    if row is None:
        raise errors.PoolNotFound
    return row


def _checked(spec: PoolSpec) -> PoolSpec:
    spec = checked(spec)
    if not spec.name.zh.strip():
        raise errors.PoolNameMissing(field="name.zh-CN")
    return spec


async def _check_zone(session: Session, spec: PoolSpec, *, site_id: UUID) -> None:
    if spec.zone_id is None:
        return
    if spec.zone_id not in {zone.id for zone in await sites.zones(session, site_id=site_id)}:
        raise ZoneUnknown(field="zone_id")


def _audited(row: Pool) -> dict[str, Any]:
    return {
        "site_id": row.site_id,
        "name": row.name,
        "position": row.position,
        "zone_id": row.zone_id,
    }
