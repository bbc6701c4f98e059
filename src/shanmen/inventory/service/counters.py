"""Counters of ticket types' caps and channels' shares: which a slot shall have, and making them so.

A counter that begins in a slot that was sold already begins with what was sold: the caller has
locked the slot, so the orders and the counters say the same while it is counted.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from shanmen.db.session import Session
from shanmen.inventory.allotments import SharePlan, fitted
from shanmen.inventory.rules import NO_CAP
from shanmen.inventory.sales import sold_in
from shanmen.inventory.service.planning import PoolPlan
from shanmen.inventory.service.reconcile import (
    CounterKey,
    CounterPlan,
    CounterState,
    ExistingSlot,
)
from shanmen.inventory.stock import LockedSlot
from shanmen.kit import ids

TYPE, CHANNEL = "type", "channel"

ADD = text("""
INSERT INTO stock (tenant_id, pool_id, day, id, slot_id, scope, ref, capacity, held, sold, share,
  places, releases_at)
SELECT s.tenant_id, s.pool_id, s.day, n.*
FROM unnest(CAST(:ids AS uuid[]), CAST(:slots AS uuid[]), CAST(:scopes AS text[]),
  CAST(:refs AS text[]), CAST(:capacities AS int[]), CAST(:held AS int[]), CAST(:sold AS int[]),
  CAST(:kinds AS text[]), CAST(:places AS int[]), CAST(:releases AS timestamptz[]))
  AS n(id, slot_id, scope, ref, capacity, held, sold, share, places, releases_at)
JOIN slot s ON s.tenant_id = :tenant AND s.id = n.slot_id
""")
CHANGE = text("""
UPDATE stock SET capacity = n.capacity, share = n.kind, places = n.places,
  releases_at = n.releases_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:capacities AS int[]), CAST(:kinds AS text[]),
  CAST(:places AS int[]), CAST(:releases AS timestamptz[]))
  AS n(id, capacity, kind, places, releases_at)
WHERE stock.tenant_id = :tenant AND stock.id = n.id
""")
END = text("DELETE FROM stock WHERE tenant_id = :tenant AND id = ANY(:ids)")

Counts = Mapping[CounterKey, tuple[int, int]]
"""Places (held, sold) of ticket types and channels in one slot."""


def share_counters(plans: Iterable[SharePlan]) -> dict[CounterKey, CounterPlan]:
    """The counters of channels' shares; only the slot itself has a capacity."""
    return {
        (CHANNEL, p.channel): CounterPlan(NO_CAP, p.kind, p.places, p.releases_at) for p in plans
    }


def taken_by_channel(taken: Mapping[CounterKey, int]) -> dict[str, int]:
    """Only the channels."""
    return {ref: places for (scope, ref), places in taken.items() if scope == CHANNEL}


def planned(
    pool: PoolPlan,
    slot: ExistingSlot,
    *,
    capacity: int,
    taken: Mapping[CounterKey, int],
    now: datetime,
) -> dict[CounterKey, CounterPlan]:
    """The counters that a slot shall have; what was set in it by hand stays."""
    plans: dict[CounterKey, CounterPlan] = {}
    kept = {TYPE: slot.edited, CHANNEL: slot.own_allotments}
    plans |= {key: c.plan for key, c in slot.counters.items() if kept[key[0]]}
    if not slot.edited:
        for ref, cap in pool.caps.items():
            plans[TYPE, ref] = CounterPlan(max(cap, taken.get((TYPE, ref), 0)))
    if not slot.own_allotments:
        shares = [rule.plan(capacity=capacity, starts_at=slot.starts_at) for rule in pool.division]
        room = capacity - slot.taken
        plans |= share_counters(fitted(shares, left=room, taken=taken_by_channel(taken), now=now))
    return plans


def taken_in(slot: ExistingSlot) -> dict[CounterKey, int]:
    """What the counters of a slot say that is taken."""
    return {key: counter.taken for key, counter in slot.counters.items()}


def differs(pool: PoolPlan, slot: ExistingSlot, now: datetime) -> bool:
    """True when a slot's counters are not what they shall be, as far as they tell."""
    if slot.ends_at <= now:
        return False
    plans = planned(pool, slot, capacity=slot.capacity, taken=taken_in(slot), now=now)
    return plans != {key: counter.plan for key, counter in slot.counters.items()}


def falls_short(
    pool: PoolPlan, slot: ExistingSlot, plans: Mapping[CounterKey, CounterPlan], capacity: int
) -> bool:
    """True when a channel gets less in a slot than its share of the pool."""
    if slot.own_allotments:
        return False
    return any(
        plans[CHANNEL, rule.channel].places < rule.places_of(capacity) for rule in pool.division
    )


async def counted(
    session: Session, slots: Mapping[UUID, date]
) -> dict[UUID, dict[CounterKey, tuple[int, int]]]:
    """What was sold in slots that the caller has locked, by ticket type and by channel."""
    found: dict[UUID, dict[CounterKey, tuple[int, int]]] = defaultdict(dict)
    for sold in await sold_in(session, slots):
        counts = found[sold.slot_id]
        for key in ((TYPE, str(sold.ticket_type_id)), (CHANNEL, sold.channel)):
            held, paid = counts.get(key, (0, 0))
            counts[key] = held + sold.held, paid + sold.sold
    return found


@dataclass(frozen=True, slots=True)
class NewCounter:
    """A row of stock."""

    slot_id: UUID
    key: CounterKey
    plan: CounterPlan
    held: int = 0
    sold: int = 0
    id: UUID | None = None
    """The slot's own row has the slot's id."""


async def add_counters(session: Session, counters: Sequence[NewCounter]) -> None:
    """New counters in slots that the caller has locked or made."""
    if not counters:
        return
    await session.execute(
        ADD,
        {
            "tenant": session.tenant_id,
            "ids": [c.id or ids.new_id() for c in counters],
            "slots": [c.slot_id for c in counters],
            "scopes": [c.key[0] for c in counters],
            "refs": [c.key[1] for c in counters],
            "capacities": [c.plan.capacity for c in counters],
            "held": [c.held for c in counters],
            "sold": [c.sold for c in counters],
            "kinds": [c.plan.kind for c in counters],
            "places": [c.plan.places for c in counters],
            "releases": [c.plan.releases_at for c in counters],
        },
    )


async def change_counters(session: Session, plans: Mapping[UUID, CounterPlan]) -> None:
    """Other bounds for counters of slots that the caller has locked."""
    if not plans:
        return
    await session.execute(
        CHANGE,
        {
            "tenant": session.tenant_id,
            "ids": list(plans),
            "capacities": [plan.capacity for plan in plans.values()],
            "kinds": [plan.kind for plan in plans.values()],
            "places": [plan.places for plan in plans.values()],
            "releases": [plan.releases_at for plan in plans.values()],
        },
    )


async def end_counters(session: Session, stock_ids: Collection[UUID]) -> None:
    """Count no longer, in slots that the caller has locked."""
    if stock_ids:
        await session.execute(END, {"tenant": session.tenant_id, "ids": list(stock_ids)})


async def write_counters(
    session: Session,
    slots: Iterable[
        tuple[UUID, Mapping[CounterKey, CounterState], Mapping[CounterKey, CounterPlan]]
    ],
    counts: Mapping[UUID, Counts],
) -> int:
    """Make counters of locked slots (their id, what there is, what there shall be) so.

    Returns how many slots changed.
    """
    begin: list[NewCounter] = []
    change: dict[UUID, CounterPlan] = {}
    end: list[UUID] = []
    touched: set[UUID] = set()
    for slot_id, known, plans in slots:
        before = len(begin), len(change), len(end)
        for key, plan in plans.items():
            if key not in known:
                held, sold = counts.get(slot_id, {}).get(key, (0, 0))
                begin.append(NewCounter(slot_id, key, plan, held, sold))
            elif known[key].plan != plan:
                change[known[key].stock_id] = plan
        end += [counter.stock_id for key, counter in known.items() if key not in plans]
        if before != (len(begin), len(change), len(end)):
            touched.add(slot_id)
    await end_counters(session, end)
    await change_counters(session, change)
    await add_counters(session, begin)
    return len(touched)


async def bring_counters(
    session: Session,
    pools: Mapping[UUID, PoolPlan],
    slots: Sequence[ExistingSlot],
    *,
    capacities: Mapping[UUID, int],
    now: datetime,
) -> tuple[int, int]:
    """Bring the counters of locked slots in line: (slots changed, slots short of places).

    `capacities` are those of slots whose capacity changes in this transaction.
    """
    slots = [slot for slot in slots if slot.ends_at > now]
    unknown = {
        slot.id: slot.day
        for slot in slots
        if slot.taken and _wanted(pools[slot.pool_id], slot) - slot.counters.keys()
    }
    counts = await counted(session, unknown)
    made = []
    short = 0
    for slot in slots:
        taken = taken_in(slot)
        for key, (held, sold) in counts.get(slot.id, {}).items():
            taken.setdefault(key, held + sold)
        pool, capacity = pools[slot.pool_id], capacities.get(slot.id, slot.capacity)
        plans = planned(pool, slot, capacity=capacity, taken=taken, now=now)
        short += falls_short(pool, slot, plans, capacity)
        made.append((slot.id, slot.counters, plans))
    return await write_counters(session, made, counts), short


def _wanted(pool: PoolPlan, slot: ExistingSlot) -> set[CounterKey]:
    wanted: set[CounterKey] = set()
    if not slot.edited:
        wanted |= {(TYPE, ref) for ref in pool.caps}
    if not slot.own_allotments:
        wanted |= {(CHANNEL, rule.channel) for rule in pool.division}
    return wanted


async def count_beginning(
    session: Session, slot: LockedSlot, channels: Iterable[str]
) -> tuple[dict[str, int], Counts]:
    """What channels have taken of a locked slot, also those that have no share of it yet.

    Returns:
        Places by channel, and the counts where a share begins.
    """
    taken = {code: share.taken for code, share in slot.shares.items()}
    counts: Counts = {}
    if slot.whole.taken and set(channels) - taken.keys():
        counts = (await counted(session, {slot.id: slot.day})).get(slot.id, {})
        for (scope, ref), (held, sold) in counts.items():
            if scope == CHANNEL:
                taken.setdefault(ref, held + sold)
    return taken, counts


async def write_shares(
    session: Session, slot: LockedSlot, plans: Iterable[SharePlan], counts: Counts
) -> bool:
    """Divide a locked slot among channels; True when that changes anything."""
    known = {
        (CHANNEL, code): CounterState(
            s.id, CounterPlan(s.capacity, s.kind, s.places, s.releases_at), s.taken
        )
        for code, s in slot.shares.items()
    }
    changed = await write_counters(
        session, [(slot.id, known, share_counters(plans))], {slot.id: counts}
    )
    return changed > 0
