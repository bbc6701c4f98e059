"""What there is and what there should be: reads and comparisons before any slot is made."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select, text

from shanmen.catalog.queries import day_kind_of
from shanmen.catalog.rules import Catalog
from shanmen.db.session import Session
from shanmen.inventory import errors
from shanmen.inventory.allotments import AllotmentRule
from shanmen.inventory.models import Pool, Schedule, TypeCap
from shanmen.inventory.queries import divisions, schedule_view
from shanmen.inventory.rules import SchedulePlan, slots_on
from shanmen.inventory.service.reconcile import (
    CounterKey,
    CounterPlan,
    CounterState,
    ExistingSlot,
    NewSlot,
    Reconciliation,
    SlotUpdate,
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
SELECT s.id, s.pool_id, s.day, s.starts, s.ends, s.starts_at, s.ends_at, s.status, s.edited,
       s.own_allotments, k.id AS stock_id, k.scope, k.ref, k.capacity, k.held + k.sold AS taken,
       k.share, k.places, k.releases_at
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
    divided: int = 0
    """Slots whose shares of channels, or caps of ticket types, changed."""
    short: int = 0
    """Slots too full already for all the shares that channels have in the pool."""
    examples: tuple[NewSlot | SlotUpdate, ...] = ()
    """The first of what changes, for a preview."""

    @property
    def nothing(self) -> bool:
        """True when everything was as planned."""
        return not (self.created or self.updated or self.divided)

    def counts(self) -> dict[str, int]:
        """The figures, for the audit log."""
        return {
            "created": self.created,
            "updated": self.updated,
            "opened": self.opened,
            "closed": self.closed,
            "kept_sold": len(self.kept_sold),
            "kept_edited": len(self.kept_edited),
            "divided": self.divided,
            "short": self.short,
        }


def added(one: SlotChanges, other: SlotChanges) -> SlotChanges:
    """The changes of two spans of days together."""
    values = {f.name: getattr(one, f.name) + getattr(other, f.name) for f in fields(SlotChanges)}
    return SlotChanges(**values | {"examples": values["examples"][:MOST_EXAMPLES]})


@dataclass(slots=True)
class PoolPlan:
    """A pool with what it needs for making slots."""

    id: UUID
    site_id: UUID
    timezone: str
    schedules: list[SchedulePlan] = field(default_factory=list)
    caps: dict[str, int] = field(default_factory=dict)
    division: list[AllotmentRule] = field(default_factory=list)


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
    """Pools with their schedules, caps and divisions; raises PoolNotFound."""
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
    for pool_id, rules in (await divisions(session, pool_ids=pool_ids)).items():
        pools[pool_id].division = rules
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
    counters: dict[UUID, dict[CounterKey, CounterState]] = defaultdict(dict)
    for row in rows:
        if row.scope != "slot":
            plan = CounterPlan(row.capacity, row.share, row.places, row.releases_at)
            counters[row.id][row.scope, row.ref] = CounterState(row.stock_id, plan, row.taken)
    return [
        ExistingSlot(
            id=row.id,
            pool_id=row.pool_id,
            day=row.day,
            starts=row.starts,
            ends=row.ends,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            status=row.status,
            edited=row.edited,
            own_allotments=row.own_allotments,
            capacity=row.capacity,
            taken=row.taken,
            counters=counters.get(row.id, {}),
        )
        for row in rows
        if row.scope == "slot"
    ]


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


MOST_EXAMPLES = 12


def summary(plan: Reconciliation, *, divided: int = 0, short: int = 0) -> SlotChanges:
    """A plan as its reader gets it."""
    examples: tuple[NewSlot | SlotUpdate, ...] = (*plan.update, *plan.create)
    return SlotChanges(
        created=len(plan.create),
        updated=len(plan.update),
        opened=plan.opened,
        closed=plan.closed,
        kept_sold=plan.kept_sold,
        kept_edited=plan.kept_edited,
        divided=divided,
        short=short,
        examples=examples[:MOST_EXAMPLES],
    )
