"""Comparing slots that exist with what the schedules say: pure, no clock and no session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from shanmen.inventory.rules import NO_CAP, SlotPlan


@dataclass(frozen=True, slots=True)
class CapState:
    """One ticket type's counter in a slot."""

    stock_id: UUID
    capacity: int
    taken: int


@dataclass(frozen=True, slots=True)
class ExistingSlot:
    """A slot as it is, for comparison with what the schedules say now."""

    id: UUID
    pool_id: UUID
    day: date
    starts: time
    ends: time
    ends_at: datetime
    status: str
    edited: bool
    capacity: int
    taken: int
    caps: Mapping[str, CapState]


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
    below what is taken. An unsold slot that is no longer planned closes; it is kept, because old
    orders may speak of it.
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
        bounded = _bounded(target)
        if bounded != target:
            sold.append(slot)
        if bounded.differs:
            update.append(bounded)
    return Reconciliation(tuple(create), tuple(update), tuple(sold), tuple(edited))


def _target(slot: ExistingSlot, plan: SlotPlan | None) -> tuple[time, int, str]:
    if plan is None:
        return slot.ends, slot.capacity, "closed"
    return plan.ends, plan.capacity, "open"


def _bounded(target: SlotUpdate) -> SlotUpdate:
    """As much of the target as a slot with places taken allows."""
    slot = target.slot
    if not slot.taken:
        return target
    if target.status == "closed":
        return SlotUpdate(slot, slot.ends, slot.capacity, slot.status)
    return SlotUpdate(slot, slot.ends, max(target.capacity, slot.taken), target.status)


def cap_capacity(wanted: int | None, cap: CapState | None, *, slot_taken: int) -> int | None:
    """What a type's counter in a slot should hold; None for no counter.

    A counter can only begin where nothing is taken: it would not know of what was sold before.
    """
    if cap is None:
        return None if wanted is None or slot_taken else wanted
    return max(NO_CAP if wanted is None else wanted, cap.taken)
