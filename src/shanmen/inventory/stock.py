"""Taking places and giving them back, for many orders at once.

The counters of a slot are rows of `stock`: the slot's own (same id) and one per capped ticket
type. Whoever changes them locks them first, sorted by id, once per transaction; the CHECK on the
table is the last guard, never the first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Session
from shanmen.inventory.errors import SlotClosed, SlotNotFound, SoldOut

LOCK = """
SELECT id, slot_id, scope, ref, capacity, held, sold
FROM stock WHERE tenant_id = %s AND slot_id = ANY(%s)
ORDER BY id FOR NO KEY UPDATE
"""
# Read after the lock, in a statement (and so a snapshot) of its own: whoever closes a slot holds
# its counters' locks, and a join would still show the slot as it was when the wait began.
SLOTS = """
SELECT id, pool_id, day, starts_at, ends_at, status
FROM slot WHERE tenant_id = %s AND id = ANY(%s)
"""
APPLY = """
UPDATE stock SET held = stock.held + d.held, sold = stock.sold + d.sold
FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS d(id, held, sold)
WHERE stock.tenant_id = %s AND stock.id = d.id
"""


@dataclass(slots=True)
class Counter:
    """A locked stock row and what this transaction has taken from it so far."""

    id: UUID
    capacity: int
    held: int
    sold: int
    held_delta: int = 0
    sold_delta: int = 0

    @property
    def left(self) -> int:
        """Places left, after what this transaction took."""
        return self.capacity - self.held - self.sold - self.held_delta - self.sold_delta


@dataclass(slots=True)
class LockedSlot:
    """A slot whose counters this transaction has locked."""

    id: UUID
    pool_id: UUID
    day: date
    starts_at: datetime
    ends_at: datetime
    status: str
    whole: Counter
    by_type: dict[str, Counter] = field(default_factory=dict)

    def counters(self, ticket_type_id: UUID) -> list[Counter]:
        """All counters that a ticket of this type draws on."""
        cap = self.by_type.get(str(ticket_type_id))
        return [self.whole] if cap is None else [self.whole, cap]


Draws = list[tuple[UUID, int]]
"""What a ticket has taken: stock row ids and numbers of places."""


@dataclass(slots=True)
class LockedStock:
    """All the slots a transaction works on."""

    slots: dict[UUID, LockedSlot]

    def slot(self, slot_id: UUID, *, pool_id: UUID) -> LockedSlot:
        """The slot, checked to be of this pool; raises SlotNotFound."""
        slot = self.slots.get(slot_id)
        if slot is None or slot.pool_id != pool_id:
            raise SlotNotFound
        return slot

    def hold(self, wishes: Iterable[tuple[UUID, UUID, int]], *, sold: bool = False) -> None:
        """Take places for all wishes (slot, ticket type, places) of one order, or for none.

        Args:
            wishes: what the order needs.
            sold: count them as sold at once instead of held.

        Raises:
            SoldOut: with `left`, the places left where they do not suffice.
            SlotClosed: a slot is closed.
        """
        need: dict[UUID, int] = defaultdict(int)
        rows: dict[UUID, Counter] = {}
        for slot_id, ticket_type_id, places in wishes:
            slot = self.slots[slot_id]
            if slot.status != "open":
                raise SlotClosed(slot=slot_id)
            for counter in slot.counters(ticket_type_id):
                rows[counter.id] = counter
                need[counter.id] += places
        for key, places in need.items():
            if rows[key].left < places:
                raise SoldOut(left=max(rows[key].left, 0))
        for key, places in need.items():
            if sold:
                rows[key].sold_delta += places
            else:
                rows[key].held_delta += places

    def sell_draws(self, draws: Draws) -> None:
        """Take places as sold that an order had before; raises SoldOut or SlotClosed."""
        counters = {
            c.id: (slot, c)
            for slot in self.slots.values()
            for c in (slot.whole, *slot.by_type.values())
        }
        need = {key: sold for key, (_, sold) in summed(draws, held=0, sold=1).items()}
        for key, places in need.items():
            slot, counter = counters[key]
            if slot.status != "open":
                raise SlotClosed(slot=slot.id)
            if counter.left < places:
                raise SoldOut(left=max(counter.left, 0))
        for key, places in need.items():
            counters[key][1].sold_delta += places

    def give_back_draws(self, draws: Draws) -> None:
        """Give back places that were sold."""
        counters = {
            c.id: c for slot in self.slots.values() for c in (slot.whole, *slot.by_type.values())
        }
        for key, places in draws:
            counters[key].sold_delta -= places

    def changes(self) -> dict[UUID, tuple[int, int]]:
        """What was taken: (held, sold) deltas by stock row, unchanged rows left out."""
        return {
            c.id: (c.held_delta, c.sold_delta)
            for slot in self.slots.values()
            for c in (slot.whole, *slot.by_type.values())
            if c.held_delta or c.sold_delta
        }


def lock_statements(tenant_id: int, slot_ids: Iterable[UUID]) -> tuple[Statement, Statement]:
    """Locks all counters of the slots in the documented order, then reads the slots."""
    params = (tenant_id, array(slot_ids))
    return Statement(LOCK, params), Statement(SLOTS, params)


def locked(counters: Iterable[tuple[Any, ...]], slots: Iterable[tuple[Any, ...]]) -> LockedStock:
    """The rows that `lock_statements` returned."""
    whole: dict[UUID, Counter] = {}
    caps: dict[UUID, dict[str, Counter]] = defaultdict(dict)
    for id_, slot_id, scope, ref, capacity, held, sold in counters:
        counter = Counter(id_, capacity, held, sold)
        if scope == "slot":
            whole[slot_id] = counter
        else:
            caps[slot_id][ref] = counter
    return LockedStock(
        {
            slot_id: LockedSlot(
                slot_id, pool_id, day, starts_at, ends_at, status, whole[slot_id], caps[slot_id]
            )
            for slot_id, pool_id, day, starts_at, ends_at, status in slots
        }
    )


def apply_statement(tenant_id: int, changes: Mapping[UUID, tuple[int, int]]) -> Statement:
    """Adds (held, sold) deltas to the counters."""
    rows = [(key, held, sold) for key, (held, sold) in sorted(changes.items())]
    return Statement(APPLY, (*columns(rows, 3), tenant_id))


async def lock(session: Session, slot_ids: Iterable[UUID]) -> LockedStock:
    """Lock the counters of these slots."""
    return locked(*await run(session, lock_statements(session.tenant_id, slot_ids)))


async def move(session: Session, changes: Mapping[UUID, tuple[int, int]]) -> None:
    """Add deltas to counters whose orders the caller has locked.

    The rows are locked in order of their id before they change, so that two transactions with the
    same counters cannot wait for each other.
    """
    changes = {key: delta for key, delta in changes.items() if delta != (0, 0)}
    if not changes:
        return
    await run(
        session,
        [
            Statement(
                "SELECT id FROM stock WHERE tenant_id = %s AND id = ANY(%s) "
                "ORDER BY id FOR NO KEY UPDATE",
                (session.tenant_id, list(changes)),
            ),
            apply_statement(session.tenant_id, changes),
        ],
    )


def summed(
    draws: Iterable[tuple[UUID, int]], *, held: int, sold: int
) -> dict[UUID, tuple[int, int]]:
    """Deltas for draws: each place counts `held` and `sold` (-1, 0 or 1)."""
    total: dict[UUID, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for key, places in draws:
        h, s = total[key]
        total[key] = h + held * places, s + sold * places
    return dict(total)
