"""Making slots and their counters from schedules, set-wise: a year of them in one go.

The pools' rows are locked first, so that two runs do not make the same slots; then only the
counters of the slots that have to change, sorted by id, as everywhere. What was read before the
lock is read again after it, so a sale that came between is never overlooked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session
from shanmen.inventory.rules import SchedulePlan
from shanmen.inventory.service.planning import (
    CapChange,
    PoolPlan,
    SlotChanges,
    cap_changes,
    compare,
    existing_slots,
    horizon,
    pool_plans,
    span,
    summary,
    waiting,
)
from shanmen.inventory.service.reconcile import NewSlot, SlotUpdate
from shanmen.kit import clock, ids

LOCK_POOLS = text(
    "SELECT id FROM pool WHERE tenant_id = :tenant AND id = ANY(:pools) "
    "ORDER BY id FOR NO KEY UPDATE"
)
LOCK_STOCK = text(
    "SELECT id FROM stock WHERE tenant_id = :tenant AND slot_id = ANY(:slots) "
    "ORDER BY id FOR NO KEY UPDATE"
)
ADD_SLOTS = text("""
INSERT INTO slot (tenant_id, id, pool_id, day, starts, ends, starts_at, ends_at)
SELECT :tenant, * FROM unnest(CAST(:ids AS uuid[]), CAST(:pools AS uuid[]), CAST(:days AS date[]),
  CAST(:starts AS time[]), CAST(:ends AS time[]), CAST(:starts_at AS timestamptz[]),
  CAST(:ends_at AS timestamptz[]))
""")
ADD_STOCK = text("""
INSERT INTO stock (tenant_id, id, slot_id, scope, ref, capacity)
SELECT :tenant, * FROM unnest(CAST(:ids AS uuid[]), CAST(:slots AS uuid[]), CAST(:scopes AS text[]),
  CAST(:refs AS text[]), CAST(:capacities AS int[]))
""")
SET_SLOTS = text("""
UPDATE slot SET ends = n.ends, ends_at = n.ends_at, status = n.status
FROM unnest(CAST(:ids AS uuid[]), CAST(:ends AS time[]), CAST(:ends_at AS timestamptz[]),
  CAST(:statuses AS text[])) AS n(id, ends, ends_at, status)
WHERE slot.tenant_id = :tenant AND slot.id = n.id
""")
SET_CAPACITIES = text("""
UPDATE stock SET capacity = n.capacity
FROM unnest(CAST(:ids AS uuid[]), CAST(:capacities AS int[])) AS n(id, capacity)
WHERE stock.tenant_id = :tenant AND stock.id = n.id
""")


async def materialize(session: Session, *, pool_id: UUID, first: date, last: date) -> SlotChanges:
    """Bring the slots of a pool's days in line with its schedules.

    Slots that are missing are made; slots that nobody edited and nobody bought follow the plan;
    unsold ones that are no longer planned close. A capacity never falls below what is taken.

    Raises:
        PoolNotFound, TooManyDays.
    """
    return await materialize_pools(session, pool_ids=[pool_id], first=first, last=last)


async def materialize_pools(
    session: Session,
    *,
    pool_ids: Collection[UUID],
    first: date,
    last: date,
    days: Collection[date] | None = None,
    uncounted: Collection[UUID] = (),
) -> SlotChanges:
    """The same for several pools, in one order of locks.

    With `days`, only those of the span. `uncounted` are ticket types of which nothing was ever
    sold, so that a new cap of theirs needs no empty slot to begin in.
    """
    wanted = span(first, last) if days is None else sorted(set(days))
    if not wanted or not pool_ids:
        return SlotChanges()
    await session.execute(LOCK_POOLS, {"tenant": session.tenant_id, "pools": list(pool_ids)})
    pools = await pool_plans(session, pool_ids=pool_ids)
    catalog = await current_catalog(session)
    types = {str(key) for key in uncounted}
    slots = await existing_slots(session, pool_ids=pool_ids, first=wanted[0], last=wanted[-1])
    touched = {update.slot.id for update in compare(pools, catalog, wanted, slots).update}
    touched |= {change.slot.id for change in cap_changes(pools, slots, types)}
    if touched:
        params = {"tenant": session.tenant_id, "slots": sorted(touched)}
        await session.execute(LOCK_STOCK, params)
        slots = await existing_slots(session, pool_ids=pool_ids, first=wanted[0], last=wanted[-1])
    plan = compare(pools, catalog, wanted, slots)
    await _create(session, pools, plan.create)
    await _update(session, pools, [u for u in plan.update if u.slot.id in touched])
    changes = cap_changes(pools, slots, types)
    await _set_caps(session, [change for change in changes if change.slot.id in touched])
    return summary(plan, waiting(pools, slots, types))


async def preview(
    session: Session, *, pool_id: UUID, schedules: Sequence[SchedulePlan], last: date | None = None
) -> SlotChanges:
    """What other schedules for a pool would change from today on; changes nothing."""
    pools = await pool_plans(session, pool_ids=[pool_id])
    pools[pool_id].schedules = list(schedules)
    catalog = await current_catalog(session)
    today = clock.today(pools[pool_id].timezone)
    days = span(today, last or horizon(catalog, pool_id, today))
    before = await existing_slots(session, pool_ids=[pool_id], first=days[0], last=days[-1])
    return summary(compare(pools, catalog, days, before), 0)


async def refresh(
    session: Session, *, pool_ids: Collection[UUID], uncounted: Collection[UUID] = ()
) -> SlotChanges:
    """Bring pools in line from today to as far ahead as tickets are sold."""
    if not pool_ids:
        return SlotChanges()
    pools = await pool_plans(session, pool_ids=pool_ids)
    catalog = await current_catalog(session)
    today = min(clock.today(pool.timezone) for pool in pools.values())
    last = max(horizon(catalog, pool_id, today) for pool_id in pools)
    return await materialize_pools(
        session, pool_ids=pool_ids, first=today, last=last, uncounted=uncounted
    )


async def _create(
    session: Session, pools: Mapping[UUID, PoolPlan], create: Iterable[NewSlot]
) -> None:
    slots = [(ids.new_id(), new, pools[new.pool_id]) for new in create]
    if not slots:
        return
    await session.execute(
        ADD_SLOTS,
        {
            "tenant": session.tenant_id,
            "ids": [id_ for id_, _, _ in slots],
            "pools": [pool.id for _, _, pool in slots],
            "days": [new.day for _, new, _ in slots],
            "starts": [new.plan.starts for _, new, _ in slots],
            "ends": [new.plan.ends for _, new, _ in slots],
            "starts_at": [clock.to_utc(n.day, n.plan.starts, p.timezone) for _, n, p in slots],
            "ends_at": [clock.to_utc(n.day, n.plan.ends, p.timezone) for _, n, p in slots],
        },
    )
    whole = [(id_, id_, "slot", "", new.plan.capacity) for id_, new, _ in slots]
    capped = [
        (ids.new_id(), id_, "type", ref, capacity)
        for id_, _, pool in slots
        for ref, capacity in pool.caps.items()
    ]
    await add_stock(session, [*whole, *capped])


async def add_stock(session: Session, rows: Sequence[tuple[UUID, UUID, str, str, int]]) -> None:
    """New counters: (id, slot, scope, ref, capacity)."""
    if not rows:
        return
    keys, slots, scopes, refs, capacities = zip(*rows, strict=True)
    await session.execute(
        ADD_STOCK,
        {
            "tenant": session.tenant_id,
            "ids": list(keys),
            "slots": list(slots),
            "scopes": list(scopes),
            "refs": list(refs),
            "capacities": list(capacities),
        },
    )


async def set_capacities(session: Session, capacities: Mapping[UUID, int]) -> None:
    """Other capacities for counters that the caller has locked."""
    if not capacities:
        return
    params = {"ids": list(capacities), "capacities": list(capacities.values())}
    await session.execute(SET_CAPACITIES, {"tenant": session.tenant_id, **params})


async def _update(
    session: Session, pools: Mapping[UUID, PoolPlan], updates: Sequence[SlotUpdate]
) -> None:
    if not updates:
        return
    await session.execute(
        SET_SLOTS,
        {
            "tenant": session.tenant_id,
            "ids": [u.slot.id for u in updates],
            "ends": [u.ends for u in updates],
            "ends_at": [
                clock.to_utc(u.slot.day, u.ends, pools[u.slot.pool_id].timezone) for u in updates
            ],
            "statuses": [u.status for u in updates],
        },
    )
    await set_capacities(
        session, {u.slot.id: u.capacity for u in updates if u.capacity != u.slot.capacity}
    )


async def _set_caps(session: Session, changes: Sequence[CapChange]) -> None:
    await set_capacities(
        session, {c.stock_id: c.capacity for c in changes if c.stock_id is not None}
    )
    await add_stock(
        session,
        [
            (ids.new_id(), c.slot.id, "type", c.ref, c.capacity)
            for c in changes
            if c.stock_id is None
        ],
    )
