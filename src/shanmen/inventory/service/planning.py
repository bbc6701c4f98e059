"""What there is and what there should be: reads and comparisons before any slot is made."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select, text

from shanmen.catalog.queries import day_kind_of
from shanmen.catalog.rules import Catalog
from shanmen.db.session import Session
from shanmen.inventory import errors
from shanmen.inventory.models import Pool, Schedule, TypeCap
from shanmen.inventory.queries import schedule_view
from shanmen.inventory.rules import SchedulePlan, slots_on
from shanmen.inventory.service.reconcile import (
    CapState,
    ExistingSlot,
    NewSlot,
    Reconciliation,
    SlotUpdate,
    cap_capacity,
    reconcile,
)
from shanmen.kit import clock
from shanmen.sites import queries as sites

SPARE_DAYS = 7
"""Slots exist for so many days beyond the day up to which tickets are sold."""
DAYS_WITHOUT_TYPES = 30
"""So many days of slots for a pool that no ticket type draws on yet."""
MOST_DAYS = 800

EXISTING = text("""
SELECT s.id, s.pool_id, s.day, s.starts, s.ends, s.ends_at, s.status, s.edited,
       k.id AS stock_id, k.scope, k.ref, k.capacity, k.held + k.sold AS taken
FROM slot s JOIN stock k ON k.tenant_id = s.tenant_id AND k.slot_id = s.id
WHERE s.tenant_id = :tenant AND s.pool_id = ANY(:pools) AND s.day BETWEEN :first AND :last
""")


@dataclass(frozen=True, slots=True)
class SlotChanges:
    """What bringing slots in line with their schedules changed, or would change."""

    created: int = 0
    updated: int = 0
    """Their end, their capacity, or whether they are open."""
    opened: int = 0
    closed: int = 0
    kept_sold: tuple[ExistingSlot, ...] = ()
    """As they were, or nearly: tickets were sold."""
    kept_edited: tuple[ExistingSlot, ...] = ()
    """As somebody set them by hand."""
    caps_waiting: int = 0
    """Open slots that have sales already and so take no new cap of a ticket type."""
    examples: tuple[NewSlot | SlotUpdate, ...] = ()
    """The first of what changes, for a preview."""

    @property
    def nothing(self) -> bool:
        """True when everything was as planned."""
        return not (self.created or self.updated)

    def counts(self) -> dict[str, int]:
        """The figures, for the audit log."""
        return {
            "created": self.created,
            "updated": self.updated,
            "opened": self.opened,
            "closed": self.closed,
            "kept_sold": len(self.kept_sold),
            "kept_edited": len(self.kept_edited),
            "caps_waiting": self.caps_waiting,
        }


@dataclass(slots=True)
class PoolPlan:
    """A pool with what it needs for making slots."""

    id: UUID
    site_id: UUID
    timezone: str
    schedules: list[SchedulePlan] = field(default_factory=list)
    caps: dict[str, int] = field(default_factory=dict)


def horizon(catalog: Catalog, pool_id: UUID, today: date) -> date:
    """The last day for which a pool must have slots: past every type's days ahead, and a week."""
    ahead = [
        t.days_ahead for t in catalog.types.values() if any(d.pool_id == pool_id for d in t.draws)
    ]
    return today + timedelta(days=max(ahead, default=DAYS_WITHOUT_TYPES) + SPARE_DAYS)


def span(first: date, last: date) -> list[date]:
    """All days from `first` to `last`; raises TooManyDays."""
    count = (last - first).days + 1
    if count > MOST_DAYS:
        raise errors.TooManyDays(most=MOST_DAYS)
    return [first + timedelta(days=offset) for offset in range(count)]


async def pool_plans(session: Session, *, pool_ids: Collection[UUID]) -> dict[UUID, PoolPlan]:
    """Pools with their schedules and caps; raises PoolNotFound."""
    tenant = session.tenant_id
    zones = {site.site_id: site.timezone for site in await sites.site_contexts(session)}
    rows = await session.execute(
        select(Pool.id, Pool.site_id).where(Pool.tenant_id == tenant, Pool.id.in_(pool_ids))
    )
    pools = {row.id: PoolPlan(row.id, row.site_id, zones[row.site_id]) for row in rows}
    if len(pools) != len(set(pool_ids)):
        raise errors.PoolNotFound
    schedules = await session.scalars(
        select(Schedule)
        .where(Schedule.tenant_id == tenant, Schedule.pool_id.in_(pool_ids))
        .order_by(Schedule.id)
        .execution_options(populate_existing=True)
    )
    for schedule in schedules:
        pools[schedule.pool_id].schedules.append(schedule_view(schedule).plan)
    caps = await session.execute(
        select(TypeCap.pool_id, TypeCap.ticket_type_id, TypeCap.capacity).where(
            TypeCap.tenant_id == tenant, TypeCap.pool_id.in_(pool_ids)
        )
    )
    for pool_id, ticket_type_id, capacity in caps:
        pools[pool_id].caps[str(ticket_type_id)] = capacity
    return pools


async def existing_slots(
    session: Session, *, pool_ids: Collection[UUID], first: date, last: date
) -> list[ExistingSlot]:
    """The slots of some pools' days with all their counters."""
    result = await session.execute(
        EXISTING,
        {"tenant": session.tenant_id, "pools": list(pool_ids), "first": first, "last": last},
    )
    rows = result.all()
    caps: dict[UUID, dict[str, CapState]] = defaultdict(dict)
    for row in rows:
        if row.scope == "type":
            caps[row.id][row.ref] = CapState(row.stock_id, row.capacity, row.taken)
    return [
        ExistingSlot(
            id=row.id,
            pool_id=row.pool_id,
            day=row.day,
            starts=row.starts,
            ends=row.ends,
            ends_at=row.ends_at,
            status=row.status,
            edited=row.edited,
            capacity=row.capacity,
            taken=row.taken,
            caps=caps.get(row.id, {}),
        )
        for row in rows
        if row.scope == "slot"
    ]


@dataclass(frozen=True, slots=True)
class CapChange:
    """A type's counter in a slot that must begin or get another capacity."""

    slot: ExistingSlot
    ref: str
    stock_id: UUID | None
    capacity: int


def compare(
    pools: Mapping[UUID, PoolPlan],
    catalog: Catalog,
    days: Sequence[date],
    existing: Iterable[ExistingSlot],
) -> Reconciliation:
    """What must change on these days so that the pools' slots are as their schedules say."""
    by_pool: dict[UUID, list[ExistingSlot]] = defaultdict(list)
    for slot in existing:
        by_pool[slot.pool_id].append(slot)
    parts = []
    for pool in pools.values():
        plans = {
            day: slots_on(pool.schedules, day, day_kind_of(catalog, pool.site_id, day))
            for day in days
        }
        parts.append(reconcile(plans, by_pool[pool.id], pool_id=pool.id, now=clock.now()))
    return Reconciliation(
        tuple(new for part in parts for new in part.create),
        tuple(update for part in parts for update in part.update),
        tuple(slot for part in parts for slot in part.kept_sold),
        tuple(slot for part in parts for slot in part.kept_edited),
    )


def cap_changes(
    pools: Mapping[UUID, PoolPlan], existing: Iterable[ExistingSlot], uncounted: set[str]
) -> list[CapChange]:
    """Counters of ticket types that must begin or get another capacity.

    `uncounted` are types of which nothing was ever sold.
    """
    changes = []
    now = clock.now()
    for slot in existing:
        if slot.edited or slot.ends_at <= now:
            continue
        wanted = pools[slot.pool_id].caps
        for ref in wanted.keys() | slot.caps.keys():
            cap = slot.caps.get(ref)
            taken = 0 if ref in uncounted else slot.taken
            capacity = cap_capacity(wanted.get(ref), cap, slot_taken=taken)
            if capacity is not None and (cap is None or cap.capacity != capacity):
                changes.append(CapChange(slot, ref, cap.stock_id if cap else None, capacity))
    return changes


def waiting(
    pools: Mapping[UUID, PoolPlan], existing: Iterable[ExistingSlot], uncounted: set[str]
) -> int:
    """How many open slots take no new cap, because they have sales that nobody counted by type."""
    now = clock.now()
    return sum(
        slot.status == "open"
        and not slot.edited
        and slot.ends_at > now
        and slot.taken > 0
        and bool(pools[slot.pool_id].caps.keys() - slot.caps.keys() - uncounted)
        for slot in existing
    )


MOST_EXAMPLES = 12


def summary(plan: Reconciliation, caps_waiting: int) -> SlotChanges:
    """A plan as its reader gets it."""
    examples: tuple[NewSlot | SlotUpdate, ...] = (*plan.update, *plan.create)
    return SlotChanges(
        created=len(plan.create),
        updated=len(plan.update),
        opened=plan.opened,
        closed=plan.closed,
        kept_sold=plan.kept_sold,
        kept_edited=plan.kept_edited,
        caps_waiting=caps_waiting,
        examples=examples[:MOST_EXAMPLES],
    )
