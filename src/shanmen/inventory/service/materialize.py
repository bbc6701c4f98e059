"""Making slots and their counters from schedules, set-wise: a year of them in one go.

The pools' rows are locked first, so that two runs do not make the same slots; then only the
slots that have to change, sorted by id, as everywhere. What was read before the
lock is read again after it, so a sale that came between is never overlooked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session
from shanmen.inventory.allotments import fitted
from shanmen.inventory.rules import SchedulePlan
from shanmen.inventory.service.counters import (
    TYPE,
    NewCounter,
    add_counters,
    bring_counters,
    differs,
    share_counters,
)
from shanmen.inventory.service.planning import (
    PoolPlan,
    SlotChanges,
    compare,
    existing_slots,
    horizon,
    pool_plans,
    span,
    summary,
)
from shanmen.inventory.service.reconcile import CounterPlan, NewSlot, SlotUpdate
from shanmen.kit import clock, ids

LOCK_POOLS = text(
    "SELECT id FROM pool WHERE tenant_id = :tenant AND id = ANY(:pools) "
    "ORDER BY id FOR NO KEY UPDATE"
)
LOCK_STOCK = text(
    "SELECT id FROM stock WHERE tenant_id = :tenant AND id = ANY(:slots) "
    "ORDER BY id FOR NO KEY UPDATE"
)
ADD_SLOTS = text("""
INSERT INTO slot (tenant_id, id, pool_id, day, starts, ends, starts_at, ends_at)
SELECT :tenant, * FROM unnest(CAST(:ids AS uuid[]), CAST(:pools AS uuid[]), CAST(:days AS date[]),
  CAST(:starts AS time[]), CAST(:ends AS time[]), CAST(:starts_at AS timestamptz[]),
  CAST(:ends_at AS timestamptz[]))
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
) -> SlotChanges:
    """The same for several pools, in one order of locks; with `days`, only those of the span."""
    wanted = span(first, last) if days is None else sorted(set(days))
    if not wanted or not pool_ids:
        return SlotChanges()
    now = clock.now()
    await session.execute(LOCK_POOLS, {"tenant": session.tenant_id, "pools": list(pool_ids)})
    pools = await pool_plans(session, pool_ids=pool_ids)
    catalog = await current_catalog(session)
    slots = await existing_slots(session, pool_ids=pool_ids, first=wanted[0], last=wanted[-1])
    touched = {update.slot.id for update in compare(pools, catalog, wanted, slots).update}
    touched |= {slot.id for slot in slots if differs(pools[slot.pool_id], slot, now)}
    if touched:
        await lock_slots(session, touched)
        slots = await existing_slots(session, pool_ids=pool_ids, first=wanted[0], last=wanted[-1])
    plan = compare(pools, catalog, wanted, slots)
    updates = [u for u in plan.update if u.slot.id in touched]
    divided, short = await bring_counters(
        session,
        pools,
        [slot for slot in slots if slot.id in touched],
        capacities={u.slot.id: u.capacity for u in updates},
        now=now,
    )
    await _create(session, pools, plan.create)
    await _update(session, pools, updates)
    return summary(plan, divided=divided, short=short)


async def lock_slots(session: Session, slot_ids: Collection[UUID]) -> None:
    """Lock slots with all their counters; whoever read them before reads them again."""
    await session.execute(LOCK_STOCK, {"tenant": session.tenant_id, "slots": sorted(slot_ids)})


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
    return summary(compare(pools, catalog, days, before))


async def refresh(session: Session, *, pool_ids: Collection[UUID]) -> SlotChanges:
    """Bring pools in line from today to as far ahead as tickets are sold."""
    if not pool_ids:
        return SlotChanges()
    pools = await pool_plans(session, pool_ids=pool_ids)
    catalog = await current_catalog(session)
    today = min(clock.today(pool.timezone) for pool in pools.values())
    last = max(horizon(catalog, pool_id, today) for pool_id in pools)
    return await materialize_pools(session, pool_ids=pool_ids, first=today, last=last)


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
    counters: list[NewCounter] = []
    for id_, new, pool in slots:
        capacity = new.plan.capacity
        starts_at = clock.to_utc(new.day, new.plan.starts, pool.timezone)
        shares = [rule.plan(capacity=capacity, starts_at=starts_at) for rule in pool.division]
        fitting = fitted(shares, left=capacity, taken={}, now=clock.now())
        plans = {(TYPE, ref): CounterPlan(cap) for ref, cap in pool.caps.items()}
        plans |= share_counters(fitting)
        counters.append(NewCounter(id_, ("slot", ""), CounterPlan(capacity), id=id_))
        counters += [NewCounter(id_, key, plan) for key, plan in plans.items()]
    await add_counters(session, counters)


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
