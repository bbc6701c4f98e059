"""What an operator says about pools, schedules and caps, and the rules it must keep."""

from collections.abc import Sequence
from datetime import date, time
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shanmen.catalog.schemas import EVERY_WEEKDAY, LocalText, Priority, Weekdays, season_problems
from shanmen.inventory import errors
from shanmen.inventory.rules import SchedulePlan, SlotPlan, problem_with
from shanmen.kit.errors import DomainError

MOST_SLOTS_A_DAY = 200

Capacity = Annotated[int, Meta(ge=0, le=10_000_000, examples=[800])]


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something scarce: places at the main gate, seats of the cableway."""

    name: LocalText
    position: Annotated[int, Meta(ge=-10_000, le=10_000)] = 0


class SlotSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One slot of a day, in local time."""

    starts: Annotated[time, Meta(tz=False, examples=["08:00"])]
    ends: Annotated[time, Meta(tz=False, examples=["10:00"])]
    capacity: Capacity


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slots of the days that match; of those that match the highest priority wins.

    Without slots it says that the pool is closed on these days.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80, examples=["夏季"])]
    date_from: date | None = None
    date_until: date | None = None
    weekdays: Weekdays = EVERY_WEEKDAY
    day_kind: Literal["", "workday", "weekend", "holiday"] = ""
    priority: Priority = 0
    slots: Annotated[list[SlotSpec], Meta(max_length=MOST_SLOTS_A_DAY)] = msgspec.field(
        default_factory=list
    )

    def ordered(self) -> "ScheduleSpec":
        """The same with its slots in order of time."""
        return msgspec.structs.replace(
            self, slots=sorted(self.slots, key=lambda slot: (slot.starts, slot.ends))
        )

    def plans(self) -> tuple[SlotPlan, ...]:
        """Its slots as the rules read them."""
        return tuple(SlotPlan(slot.starts, slot.ends, slot.capacity) for slot in self.slots)

    def schedule_plan(self) -> SchedulePlan:
        """As the rules read it."""
        return SchedulePlan(
            self.date_from,
            self.date_until,
            self.weekdays,
            self.day_kind,
            self.priority,
            self.plans(),
        )


class DrawSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pool that each ticket of a type takes places from."""

    pool_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=1000, description="Places for each ticket.")] = 1
    cap: Annotated[
        int | None,
        Meta(description="At most so many places of each slot for this ticket type; null is all."),
    ] = None


def schedule_problems(spec: ScheduleSpec) -> list[DomainError]:
    """Everything wrong between the fields of a schedule whose slots are in order of time."""
    found: list[DomainError] = []
    if not spec.name.strip():
        found.append(errors.ScheduleNameMissing(field="name"))
    found += season_problems(
        date_from=spec.date_from, date_until=spec.date_until, weekdays=spec.weekdays
    )
    return found + slot_problems(spec.plans())


def slot_problems(slots: Sequence[SlotPlan]) -> list[DomainError]:
    """The first thing wrong with a day's slots, as a list of none or one."""
    problem = problem_with(slots)
    if problem is None:
        return []
    index, reason = problem
    slot = slots[index]
    if reason == "times":
        return [
            errors.SlotTimesReversed(
                field=f"slots.{index}.ends",
                starts=slot.starts.isoformat("minutes"),
                ends=slot.ends.isoformat("minutes"),
            )
        ]
    return [
        errors.SlotsOverlap(
            field=f"slots.{index}.starts",
            starts=slot.starts.isoformat("minutes"),
            ends=slots[index - 1].ends.isoformat("minutes"),
        )
    ]


def draw_problems(draws: Sequence[DrawSpec]) -> list[DomainError]:
    """Everything wrong with the pools that a ticket type draws on."""
    return [
        errors.CapTooSmall(field=f"draws.{index}.cap", cap=draw.cap, quantity=draw.quantity)
        for index, draw in enumerate(draws)
        if draw.cap is not None and draw.cap < draw.quantity
    ]
