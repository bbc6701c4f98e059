"""Taking places and giving them back, for many orders at once.

The counters of a slot are rows of `stock`: the slot's own (same id), one for each capped ticket
type, and one for each channel with a share of its own. The slot's own row is the lock of them all:
whoever changes any of them locks it first, sorted by id, once per transaction, and reads the others
after it. So a counter that begins while somebody waits is never overlooked. The CHECK on the table
is the last guard, never the first.

An order remembers only which slots it has places in. Which counters these places are counted in
follows from its channel and the ticket's type at the moment of each change: a cap or a share may
begin or end long after the sale.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Session
from shanmen.inventory.allotments import left_for
from shanmen.inventory.errors import SlotClosed, SlotNotFound, SoldOut

LOCK = """
SELECT s.id FROM stock s WHERE s.tenant_id = %s AND s.id = ANY(%s::uuid[])
ORDER BY s.id FOR NO KEY UPDATE
"""
# Read after the lock, in a statement (and so a snapshot) of its own: whoever closes a slot or makes
# a counter holds the lock, and a join would still show both as they were when the wait began.
COUNTERS = """
SELECT s.id, s.pool_id, s.day, s.starts_at, s.ends_at, s.status,
       k.id, k.scope, k.ref, k.capacity, k.held, k.sold, k.share, k.places, k.releases_at
FROM slot s JOIN stock k ON k.tenant_id = s.tenant_id AND k.slot_id = s.id
WHERE s.tenant_id = %s AND s.id = ANY(%s::uuid[])
"""
ZONES = """
SELECT p.id, z.number FROM pool p JOIN zone z ON z.tenant_id = p.tenant_id AND z.id = p.zone_id
WHERE p.tenant_id = %s AND p.id = ANY(%s::uuid[])
"""
APPLY = """
UPDATE stock SET held = stock.held + d.held, sold = stock.sold + d.sold
FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS d(id, held, sold)
WHERE stock.tenant_id = %s AND stock.id = d.id
"""
LOCK_TO_MOVE = """
SELECT id FROM stock WHERE tenant_id = %s AND id = ANY(%s::uuid[])
ORDER BY id FOR NO KEY UPDATE
"""
# Caps and shares that a slot does not have match no row.
MOVE = """
UPDATE stock SET held = stock.held + d.held, sold = stock.sold + d.sold
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[], %s::int[])
    AS d(slot_id, scope, ref, held, sold)
WHERE stock.tenant_id = %s AND stock.slot_id = d.slot_id AND stock.scope = d.scope
  AND stock.ref = d.ref
"""

Taking = tuple[UUID, UUID, str, int]
"""Places that an order has: slot, ticket type, channel, and how many."""
Moves = dict[tuple[UUID, UUID, str], tuple[int, int]]
"""(held, sold) deltas by slot, ticket type and channel."""


# Compared, and found in a dict, by identity: a row is locked once in a transaction.
@dataclass(slots=True, eq=False)
class Counter:
    """A locked stock row and what this transaction has taken from it so far."""

    id: UUID
    capacity: int
    held: int
    sold: int
    held_delta: int = 0
    sold_delta: int = 0

    @property
    def taken(self) -> int:
        """Places taken, also by this transaction."""
        return self.held + self.sold + self.held_delta + self.sold_delta

    @property
    def left(self) -> int:
        """Places left, after what this transaction took."""
        return self.capacity - self.taken


@dataclass(slots=True, eq=False)
class ShareCounter(Counter):
    """The counter of one channel's share."""

    kind: str = ""
    places: int = 0
    releases_at: datetime | None = None


@dataclass(slots=True, eq=False)
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
    shares: dict[str, ShareCounter] = field(default_factory=dict)

    def counters(self, ticket_type_id: UUID, channel: str) -> list[Counter]:
        """All counters that a ticket of this type draws on when this channel sells it."""
        found = [self.whole]
        if self.by_type and (cap := self.by_type.get(str(ticket_type_id))) is not None:
            found.append(cap)
        if self.shares and (share := self.shares.get(channel)) is not None:
            found.append(share)
        return found

    def all_counters(self) -> Iterator[Counter]:
        """The slot's own counter and all others."""
        yield self.whole
        yield from self.by_type.values()
        yield from self.shares.values()

    def left_for(self, channel: str, now: datetime) -> int:
        """Places that a channel may still take of the slot as a whole."""
        if not self.shares:
            return self.whole.left
        return left_for(channel, left=self.whole.left, shares=self.shares, now=now)


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

    def hold(
        self,
        wishes: Iterable[tuple[UUID, UUID, int]],
        *,
        channel: str,
        now: datetime,
        sold: bool = False,
    ) -> None:
        """Take places for all wishes (slot, ticket type, places) of one order, or for none.

        See `take`, which knows the slots already.
        """
        take(
            [(self.slots[slot_id], kind, places) for slot_id, kind, places in wishes],
            channel=channel,
            now=now,
            sold=sold,
        )

    def give_back(self, takings: Iterable[Taking]) -> None:
        """Give back places that were sold."""
        for slot_id, ticket_type_id, channel, places in takings:
            for counter in self.slots[slot_id].counters(ticket_type_id, channel):
                counter.sold_delta -= places

    def changes(self) -> dict[UUID, tuple[int, int]]:
        """What was taken: (held, sold) deltas by stock row, unchanged rows left out."""
        return {
            c.id: (c.held_delta, c.sold_delta)
            for slot in self.slots.values()
            for c in slot.all_counters()
            if c.held_delta or c.sold_delta
        }


def take(
    wishes: Iterable[tuple[LockedSlot, UUID, int]],
    *,
    channel: str,
    now: datetime,
    sold: bool = False,
) -> None:
    """Take places for all wishes (slot, ticket type, places) of one order, or for none.

    Args:
        wishes: what the order needs.
        channel: who sells it; its share counts.
        now: the moment that tells whether shares are released.
        sold: count them as sold at once instead of held.

    Raises:
        SoldOut: with `left`, the places left to this channel where they do not suffice.
        SlotClosed: a slot is closed.
    """
    need: dict[Counter, int] = {}
    slots: dict[Counter, LockedSlot] = {}
    for slot, ticket_type_id, places in wishes:
        if slot.status != "open":
            raise SlotClosed(slot=slot.id)
        slots[slot.whole] = slot
        for counter in slot.counters(ticket_type_id, channel):
            need[counter] = need.get(counter, 0) + places
    for counter, places in need.items():
        whole = slots.get(counter)
        left = counter.left if whole is None else whole.left_for(channel, now)
        if left < places:
            raise SoldOut(left=max(left, 0))
    for counter, places in need.items():
        if sold:
            counter.sold_delta += places
        else:
            counter.held_delta += places


def lock_statements(tenant_id: int, slot_ids: Iterable[UUID]) -> tuple[Statement, Statement]:
    """Locks the slots in the documented order, then reads them with all their counters."""
    params = (tenant_id, array(slot_ids))
    return Statement(LOCK, params), Statement(COUNTERS, params)


def zones_statement(tenant_id: int, pool_ids: Iterable[UUID]) -> Statement:
    """Reads in which zones the places of pools are; pools that name none have no row."""
    return Statement(ZONES, (tenant_id, array(pool_ids)))


def locked(rows: Iterable[tuple[Any, ...]]) -> LockedStock:
    """The rows that the second of `lock_statements` returned."""
    slots: dict[UUID, LockedSlot] = {}
    others: list[tuple[Any, ...]] = []
    for row in rows:
        if row[7] == "slot":
            slots[row[0]] = LockedSlot(
                row[0], row[1], row[2], row[3], row[4], row[5], Counter(row[6], *row[9:12])
            )
        else:
            others.append(row)
    for row in others:
        slot, id_, ref = slots[row[0]], row[6], row[8]
        if row[7] == "type":
            slot.by_type[ref] = Counter(id_, *row[9:12])
        else:
            slot.shares[ref] = ShareCounter(id_, row[9], row[10], row[11], 0, 0, *row[12:])
    return LockedStock(slots)


def apply_statement(tenant_id: int, changes: Mapping[UUID, tuple[int, int]]) -> Statement:
    """Adds (held, sold) deltas to counters that the caller has locked and read."""
    rows = [(key, held, sold) for key, (held, sold) in sorted(changes.items())]
    return Statement(APPLY, (*columns(rows, 3), tenant_id))


async def lock(session: Session, slot_ids: Iterable[UUID]) -> LockedStock:
    """Lock these slots and read their counters."""
    _, rows = await run(session, lock_statements(session.tenant_id, slot_ids))
    return locked(rows)


async def apply(session: Session, stock: LockedStock) -> None:
    """Write what was taken of locked slots."""
    if changes := stock.changes():
        await run(session, [apply_statement(session.tenant_id, changes)])


async def move(session: Session, moves: Moves) -> None:
    """Move places of orders that the caller has locked, see `move_statements`."""
    await run(session, move_statements(session.tenant_id, moves))


def move_statements(tenant_id: int, moves: Moves) -> list[Statement]:
    """Move places of orders that the caller has locked: from held to sold, or back.

    The slots are locked in order of their id before their counters change, so that two transactions
    with the same slots cannot wait for each other.
    """
    counters: dict[tuple[UUID, str, str], tuple[int, int]] = {}
    for (slot_id, ticket_type_id, channel), (held, sold) in moves.items():
        if not held and not sold:
            continue
        for key in (
            (slot_id, "slot", ""),
            (slot_id, "type", str(ticket_type_id)),
            (slot_id, "channel", channel),
        ):
            before = counters.get(key, (0, 0))
            counters[key] = before[0] + held, before[1] + sold
    if not counters:
        return []
    rows = [(*key, *delta) for key, delta in counters.items()]
    slots = array({slot_id for slot_id, _, _ in counters})
    return [
        Statement(LOCK_TO_MOVE, (tenant_id, slots)),
        Statement(MOVE, (*columns(rows, 5), tenant_id)),
    ]


def summed(takings: Iterable[Taking], *, held: int, sold: int) -> Moves:
    """Deltas for places: each counts `held` and `sold` (-1, 0 or 1)."""
    total: Moves = {}
    add(total, takings, held=held, sold=sold)
    return total


def add(total: Moves, takings: Iterable[Taking], *, held: int, sold: int) -> None:
    """Add deltas for places to others."""
    for slot_id, ticket_type_id, channel, places in takings:
        key = slot_id, ticket_type_id, channel
        before = total.get(key, (0, 0))
        total[key] = before[0] + held * places, before[1] + sold * places
