"""What an operator says about pools, schedules and caps, and the rules it must keep."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from shanmen.catalog.admission_hours import LocalTime, Weekdays
from shanmen.catalog.schemas import LocalText, Priority, season_problems
from shanmen.inventory import errors
from shanmen.inventory.rules import SchedulePlan, SlotPlan, SlotState, problem_with
from shanmen.kit.days import EVERY_WEEKDAY
from shanmen.kit.errors import DomainError

MOST_SLOTS_A_DAY = 200

Capacity = Annotated[int, Meta(ge=0, le=10_000_000, examples=[800])]


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something scarce: places at the main gate, seats of the cableway."""

    name: LocalText
    position: Annotated[int, Meta(ge=-10_000, le=10_000)] = 0
    zone_id: Annotated[
        UUID | None,
        Meta(
            description="The site's zone that the places are in. Where it is another than the "
            "visit's, a bundle opens it in its slot of this pool alone, and not with the visit. "
            "It holds for tickets that are sold or moved from then on; null names none."
        ),
    ] = None


class SlotSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One slot of a day, in local time."""

    starts: LocalTime
    ends: LocalTime
    capacity: Capacity

    @classmethod
    def between(cls, starts: time, ends: time, capacity: int) -> "SlotSpec":
        """A slot from times of day."""
        return cls(
            starts=starts.isoformat("minutes"), ends=ends.isoformat("minutes"), capacity=capacity
        )

    @property
    def plan(self) -> SlotPlan:
        """As the rules read it."""
        return SlotPlan(
            time.fromisoformat(self.starts), time.fromisoformat(self.ends), self.capacity
        )


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
        return tuple(slot.plan for slot in self.slots)

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


class PoolOut(msgspec.Struct, frozen=True, kw_only=True):
    """A pool."""

    id: UUID
    name: Annotated[dict[str, str], Meta(examples=[{"zh-CN": "大门", "en": "Main gate"}])]
    position: int
    zone_id: Annotated[
        UUID | None, Meta(description="The zone that its places are in, if it says so.")
    ]


class SlotPlanOut(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of a schedule, in local time."""

    starts: LocalTime
    ends: LocalTime
    capacity: int


class ScheduleOut(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule of a pool."""

    id: UUID
    pool_id: UUID
    name: str
    date_from: date | None
    date_until: date | None
    weekdays: int
    day_kind: str
    priority: int
    slots: list[SlotPlanOut]


class SlotChangesOut(msgspec.Struct, frozen=True, kw_only=True):
    """What bringing slots in line with their schedules changed, or would change."""

    created: int
    updated: int
    opened: int
    closed: int
    kept_sold: Annotated[int, Meta(description="Left as they were: tickets were sold.")]
    kept_edited: Annotated[int, Meta(description="Left as they were: set by hand.")]
    divided: Annotated[int, Meta(description="Slots whose caps or shares of channels changed.")]
    short: Annotated[
        int, Meta(description="Slots too full already for all the shares of channels.")
    ]


class ScheduleSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, and what saving it did to the slots."""

    schedule: ScheduleOut
    changes: SlotChangesOut


class CapOut(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket type's own cap in a slot."""

    product_id: UUID
    capacity: int
    left: int


class StockOut(msgspec.Struct, frozen=True, kw_only=True):
    """A slot with its counters, for the operator."""

    id: UUID
    pool_id: UUID
    day: date
    starts: LocalTime
    ends: LocalTime
    starts_at: datetime
    ends_at: datetime
    status: Literal["open", "closed"]
    note: dict[str, str]
    edited: Annotated[bool, Meta(description="Set by hand: schedules leave it alone.")]
    capacity: int
    held: int
    sold: int
    left: int
    caps: list[CapOut]

    @classmethod
    def of(cls, slot: SlotState) -> "StockOut":
        """The wire shape of a slot."""
        caps = [
            CapOut(product_id=UUID(key), capacity=cap, left=left)
            for key, (cap, left) in sorted(slot.caps.items())
        ]
        names = set(cls.__struct_fields__) - {"caps", "starts", "ends"}
        return cls(
            **{name: getattr(slot, name) for name in names},
            starts=slot.starts.isoformat("minutes"),
            ends=slot.ends.isoformat("minutes"),
            caps=caps,
        )


class SlotPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a slot; what is left out stays."""

    capacity: Annotated[Capacity | None, Meta(description="Never below what is held and sold.")] = (
        None
    )
    status: Annotated[
        Literal["open", "closed"] | None,
        Meta(description="Closing stops sales alone: tickets that were sold stay valid."),
    ] = None
    note: LocalText | None = None
    caps: Annotated[
        dict[UUID, Capacity | None],
        Meta(description="Caps by ticket type; null takes one away."),
    ] = msgspec.field(default_factory=dict)
    reason: Annotated[str, Meta(max_length=500, description="For the audit log.")] = ""


class DayPut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a pool is open on a day."""

    status: Literal["open", "closed"]
    note: LocalText | None = None
    reason: Annotated[str, Meta(max_length=500, description="For the audit log.")] = ""


State = Annotated[
    Literal["open", "nearly_full", "sold_out", "closed", "over", "not_yet"],
    Meta(description="`open` and `nearly_full` can be booked."),
]


ProductState = Annotated[
    Literal["open", "nearly_full", "sold_out", "closed", "over", "not_yet", "outside_hours"],
    Meta(
        description="`open` and `nearly_full` can be booked; `outside_hours`: the ticket type's "
        "hours of admission leave out this slot."
    ),
]


class DayAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a day can be booked."""

    day: date
    day_kind: Literal["workday", "weekend", "holiday"]
    state: State
    price_fen: Annotated[
        int | None, Meta(description="The lowest price of what can be booked, in fen.")
    ]
    left: Annotated[int, Meta(description="Places left in all slots that can be booked.")]


class ProductAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket type in a slot."""

    product_id: UUID
    state: ProductState
    left: Annotated[int, Meta(description="Tickets left, over all pools and caps.")]
    price_fen: int | None
    other_slot_ids: Annotated[
        list[UUID], Meta(description="Slots of the further pools of a bundle.")
    ]


class SlotAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """A slot in which a visit can begin."""

    slot_id: UUID
    day: date
    starts: LocalTime
    ends: LocalTime
    starts_at: datetime
    ends_at: datetime
    state: State
    note: dict[str, str]
    products: list[ProductAvailability]
