"""Comparing slots that exist with what the schedules say: pure, no clock and no session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from shanmen.inventory.allotments import reserved
from shanmen.inventory.rules import SlotPlan

CounterKey = tuple[str, str]
"""A counter within a slot: its scope (type, channel) and whose it is."""


@dataclass(frozen=True, slots=True)
class CounterPlan:
    """What a counter of a ticket type or a channel shall be."""

    capacity: int
    kind: str = ""
    places: int = 0
    releases_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CounterState:
    """A ticket type's or a channel's counter in a slot."""

    stock_id: UUID
    plan: CounterPlan
    taken: int

    @property
    def kind(self) -> str:
        """How a channel's share is meant."""
        return self.plan.kind

    @property
    def places(self) -> int:
        """How many places a channel's share has."""
        return self.plan.places

    @property
    def releases_at(self) -> datetime | None:
        """When a channel's share becomes common stock."""
        return self.plan.releases_at


@dataclass(frozen=True, slots=True)
class ExistingSlot:
    """A slot as it is, for comparison with what the schedules say now."""

    id: UUID
    pool_id: UUID
    day: date
    starts: time
    ends: time
    starts_at: datetime
    ends_at: datetime
    status: str
    edited: bool
    own_allotments: bool
    capacity: int
    taken: int
    counters: Mapping[CounterKey, CounterState]

    def needed(self, now: datetime) -> int:
        """Places taken, and those that somebody has reserved for channels in this very slot."""
        if not self.own_allotments:
            return self.taken
        shares = (c for (scope, _), c in self.counters.items() if scope == "channel")
        return self.taken + sum(reserved(share, now) for share in shares)


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A slot that is planned and does not exist yet."""

    pool_id: UUID
    day: date
    plan: SlotPlan


@dataclass(frozen=True, slots=True)
class SlotUpdate:
    """An existing slot and what it becomes."""

    slot: ExistingSlot
    ends: time
    capacity: int
    status: str

    @property
    def differs(self) -> bool:
        """True when it is not what the slot is already."""
        slot = self.slot
        return (self.ends, self.capacity, self.status) != (slot.ends, slot.capacity, slot.status)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What must change so that the slots are as the schedules say."""

    create: tuple[NewSlot, ...] = ()
    update: tuple[SlotUpdate, ...] = ()
    kept_sold: tuple[ExistingSlot, ...] = ()
    """They differ from the plan and stay as they are, because tickets were sold."""
    kept_edited: tuple[ExistingSlot, ...] = ()
    """They differ from the plan and stay as they are, because somebody set them by hand."""

    @property
    def opened(self) -> int:
        """How many closed slots open."""
        return sum(u.status == "open" != u.slot.status for u in self.update)

    @property
    def closed(self) -> int:
        """How many open slots close."""
        return sum(u.status == "closed" != u.slot.status for u in self.update)


def reconcile(
    plans: Mapping[date, Sequence[SlotPlan]],
    existing: Iterable[ExistingSlot],
    *,
    pool_id: UUID,
    now: datetime,
) -> Reconciliation:
    """Compare what is planned for some days of one pool with the slots that exist on them.

    A slot is known by its day and start. What lies in the past stays; so does what was edited by
    hand. A slot with places taken keeps its end and never closes, and its capacity never falls
    below what is taken, or reserved there by hand. An unsold slot that is no longer planned closes;
    it is kept, because old orders may speak of it.
    """
    create: list[NewSlot] = []
    update: list[SlotUpdate] = []
    sold: list[ExistingSlot] = []
    edited: list[ExistingSlot] = []
    known: dict[tuple[date, time], ExistingSlot] = {(s.day, s.starts): s for s in existing}
    compared: list[tuple[ExistingSlot, SlotPlan | None]] = []
    for day, slots in plans.items():
        for plan in slots:
            slot = known.pop((day, plan.starts), None)
            if slot is None:
                create.append(NewSlot(pool_id, day, plan))
            else:
                compared.append((slot, plan))
    compared += [(slot, None) for slot in known.values() if slot.day in plans]
    for slot, wanted in compared:
        target = SlotUpdate(slot, *_target(slot, wanted))
        if slot.ends_at <= now or not target.differs:
            continue
        if slot.edited:
            edited.append(slot)
            continue
        bounded = _bounded(target, now)
        if bounded != target:
            sold.append(slot)
        if bounded.differs:
            update.append(bounded)
    return Reconciliation(tuple(create), tuple(update), tuple(sold), tuple(edited))


def _target(slot: ExistingSlot, plan: SlotPlan | None) -> tuple[time, int, str]:
    if plan is None:
        return slot.ends, slot.capacity, "closed"
    return plan.ends, plan.capacity, "open"


def _bounded(target: SlotUpdate, now: datetime) -> SlotUpdate:
    """As much of the target as a slot with places taken or reserved allows."""
    slot = target.slot
    capacity = max(target.capacity, slot.needed(now))
    if not slot.taken:
        return SlotUpdate(slot, target.ends, capacity, target.status)
    if target.status == "closed":
        return SlotUpdate(slot, slot.ends, slot.capacity, slot.status)
    return SlotUpdate(slot, slot.ends, capacity, target.status)
