"""Schedules to slots, and what a slot may be called by the number left: pure decisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from shanmen.catalog.rules import EVERY_WEEKDAY, matches_day
from shanmen.kit.days import DayKind

NEARLY_FULL_SHARE = 0.2
"""A slot with at most this share of its capacity left is called nearly full."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A slot as a schedule describes it: local times of one day."""

    starts: time
    ends: time
    capacity: int


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """The days a schedule speaks of, and their slots."""

    date_from: date | None
    date_until: date | None
    weekdays: int
    day_kind: str
    priority: int
    slots: tuple[SlotPlan, ...]

    def matches(self, day: date, kind: DayKind) -> bool:
        """True when the schedule speaks of this day."""
        return matches_day(
            day,
            kind,
            date_from=self.date_from,
            date_until=self.date_until,
            weekdays=self.weekdays,
            day_kind=self.day_kind,
        )


def slots_on(schedules: Iterable[SchedulePlan], day: date, kind: DayKind) -> tuple[SlotPlan, ...]:
    """The slots of a day: of the schedules that match, the one of the highest priority.

    Among equal priorities the narrower wins, as with prices: a kind of day, then weekdays, then a
    season; among those that are as narrow, the first.
    """

    def rank(s: SchedulePlan) -> tuple[int, bool, bool, bool]:
        seasonal = s.date_from is not None or s.date_until is not None
        return s.priority, bool(s.day_kind), s.weekdays != EVERY_WEEKDAY, seasonal

    best = max((s for s in schedules if s.matches(day, kind)), key=rank, default=None)
    return () if best is None else best.slots


def problem_with(slots: Iterable[SlotPlan]) -> tuple[int, str] | None:
    """The first thing wrong with a schedule's slots: (index, reason), None when all is well."""
    before: SlotPlan | None = None
    for index, slot in enumerate(slots):
        if slot.capacity < 0:
            return index, "capacity"
        if slot.ends <= slot.starts:
            return index, "times"
        if before is not None and slot.starts < before.ends:
            return index, "overlap"
        before = slot
    return None


class Availability(StrEnum):
    """What a visitor is told about a slot or a day."""

    OPEN = "open"
    NEARLY_FULL = "nearly_full"
    SOLD_OUT = "sold_out"
    CLOSED = "closed"
    OVER = "over"
    NOT_YET = "not_yet"
    """Not on sale yet."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot with its counters, as one statement saw them."""

    id: UUID
    pool_id: UUID
    day: date
    starts: time
    ends: time
    starts_at: datetime
    ends_at: datetime
    status: str
    note: dict[str, str]
    capacity: int
    held: int
    sold: int
    caps: dict[str, tuple[int, int]]
    """By ticket type id: (the cap, places left of it)."""
    edited: bool = False
    """Set by hand: closed by somebody, not by a schedule that left it out."""

    @property
    def left(self) -> int:
        """Places left in the slot as a whole."""
        return self.capacity - self.held - self.sold

    def left_for(self, ticket_type_id: UUID) -> int:
        """Places left for one ticket type, its own cap included."""
        cap = self.caps.get(str(ticket_type_id))
        return self.left if cap is None else min(self.left, cap[1])

    def availability(
        self, *, now: datetime, left: int | None = None, need: int = 1
    ) -> Availability:
        """What to call it; `left` when a cap or another pool leaves less than the slot."""
        left = self.left if left is None else left
        if self.status != "open":
            return Availability.CLOSED
        if now >= self.ends_at:
            return Availability.OVER
        if left < need:
            return Availability.SOLD_OUT
        if left <= self.capacity * NEARLY_FULL_SHARE:
            return Availability.NEARLY_FULL
        return Availability.OPEN


BEST_FIRST = (
    Availability.OPEN,
    Availability.NEARLY_FULL,
    Availability.NOT_YET,
    Availability.SOLD_OUT,
)


def day_availability(slots: Iterable[Availability]) -> Availability:
    """A whole day from its slots: the best of what is still to come."""
    states = set(slots)
    for state in BEST_FIRST:
        if state in states:
            return state
    return Availability.OVER if states == {Availability.OVER} else Availability.CLOSED


# --- From schedules to slots -------------------------------------------------------------------

NO_CAP = 1_000_000_000
"""The capacity of a type's counter whose cap was taken away: it counts on and binds nobody.

Such a counter stays, because orders name the counters that they have drawn on.
"""


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


# --- Bundles -----------------------------------------------------------------------------------


def companion_slot(
    main: SlotState,
    candidates: Iterable[SlotState],
    *,
    ticket_type_id: UUID | None = None,
    need: int = 1,
) -> SlotState | None:
    """The slot of a bundle's further pool that goes with the visit's slot.

    It is on the same day: the first open one that ends after the visit's slot starts and has room
    for `need` places. Where none has room it is the first that would do, so that the refusal can
    name it; None where there is none at all.
    """
    fitting = sorted(
        (
            s
            for s in candidates
            if s.day == main.day and s.status == "open" and s.ends_at > main.starts_at
        ),
        key=lambda s: (s.starts_at, s.ends_at, s.id),
    )
    for slot in fitting:
        left = slot.left if ticket_type_id is None else slot.left_for(ticket_type_id)
        if left >= need:
            return slot
    return fitting[0] if fitting else None
