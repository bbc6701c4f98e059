"""Schedules to slots, and what a slot may be called by the number left: pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from shanmen.catalog.rules import matches_day
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
    """The slots of a day: of the schedules that match, the one of the highest priority."""
    best = max(
        (s for s in schedules if s.matches(day, kind)),
        key=lambda s: (s.priority, bool(s.day_kind), s.date_from is not None),
        default=None,
    )
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

    @property
    def left(self) -> int:
        """Places left in the slot as a whole."""
        return self.capacity - self.held - self.sold

    def left_for(self, ticket_type_id: UUID) -> int:
        """Places left for one ticket type, its own cap included."""
        cap = self.caps.get(str(ticket_type_id))
        return self.left if cap is None else min(self.left, cap[1])

    def availability(self, *, now: datetime, left: int | None = None, need: int = 1) -> Availability:
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


def day_availability(slots: Iterable[Availability]) -> Availability:
    """A whole day from its slots: the best of what is still to come."""
    states = set(slots)
    for state in (Availability.OPEN, Availability.NEARLY_FULL, Availability.SOLD_OUT):
        if state in states:
            return state
    return Availability.OVER if states == {Availability.OVER} else Availability.CLOSED
