"""What an operator says about channels' shares, the rules it must keep, and how it is shown."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec
from msgspec import Meta

from shanmen.catalog.admission_hours import LocalTime
from shanmen.catalog.schemas import CHANNEL
from shanmen.inventory import errors
from shanmen.inventory.allotments import (
    PERCENT,
    AllotmentRule,
    ChannelPart,
    SharePlan,
    parts,
)
from shanmen.inventory.rules import SlotPlan, SlotState
from shanmen.inventory.schemas import Capacity, SlotChangesOut
from shanmen.kit.errors import DomainError

MOST_SHARES = 50

ChannelCode = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="The channel of an API key, or `web` or `window`.",
        examples=["ota"],
    ),
]
Kind = Annotated[
    Literal["fixed", "minimum"],
    Meta(description="`fixed`: so many and no more. `minimum`: so many for certain, and common."),
]
ReleaseMinutes = Annotated[
    Annotated[int, Meta(ge=0, le=525_600)] | None,
    Meta(
        description="So long before a slot starts the rest is common stock; null is never.",
        examples=[1440],
    ),
]


class AllotmentSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel's share of every slot of a pool, in places or in percent of the capacity."""

    channel: ChannelCode
    kind: Kind = "fixed"
    places: Annotated[Capacity | None, Meta(description="Or `percent`.")] = None
    percent: Annotated[
        Annotated[int, Meta(ge=0, le=PERCENT)] | None,
        Meta(description="Rounded down; or `places`."),
    ] = None
    release_minutes: ReleaseMinutes = None

    @property
    def rule(self) -> AllotmentRule:
        """As the rules read it."""
        return AllotmentRule(
            self.channel, self.kind, self.places, self.percent, self.release_minutes
        )

    @classmethod
    def of(cls, rule: AllotmentRule) -> "AllotmentSpec":
        """The wire shape of a rule."""
        return cls(
            channel=rule.channel,
            kind="minimum" if rule.kind == "minimum" else "fixed",
            places=rule.places,
            percent=rule.percent,
            release_minutes=rule.release_minutes,
        )


class ShareSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel's share of one slot."""

    channel: ChannelCode
    kind: Kind = "fixed"
    places: Capacity
    release_minutes: ReleaseMinutes = None

    def plan(self, starts_at: datetime) -> SharePlan:
        """As the rules read it."""
        rule = AllotmentRule(
            self.channel, self.kind, self.places, release_minutes=self.release_minutes
        )
        return rule.plan(capacity=0, starts_at=starts_at)


class DivisionPut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All shares of one slot, or of each slot of a day."""

    allotments: Annotated[list[ShareSpec], Meta(max_length=MOST_SHARES)]
    reason: Annotated[str, Meta(max_length=500, description="For the audit log.")] = ""


class AllotmentsSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A pool's shares, and what saving them did to the slots."""

    allotments: list[AllotmentSpec]
    changes: SlotChangesOut


class ShareOut(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's share of a slot, with what it has taken."""

    channel: str
    kind: Kind
    places: int
    releases_at: datetime | None
    released: Annotated[bool, Meta(description="The share is common stock by now.")]
    held: int
    sold: int
    reserved: Annotated[int, Meta(description="Places that only this channel may take.")]
    left: Annotated[int, Meta(description="Places that it may still take.")]

    @classmethod
    def of(cls, part: ChannelPart) -> "ShareOut":
        """The wire shape of a channel's part."""
        names = set(cls.__struct_fields__) - {"kind"}
        kind: Literal["fixed", "minimum"] = "minimum" if part.kind == "minimum" else "fixed"
        return cls(kind=kind, **{name: getattr(part, name) for name in names})


class SlotDivision(msgspec.Struct, frozen=True, kw_only=True):
    """How a slot is divided among channels."""

    slot_id: UUID
    starts: LocalTime
    ends: LocalTime
    own: Annotated[bool, Meta(description="Set for this slot, not by the pool's division.")]
    capacity: int
    held: int
    sold: int
    common_left: Annotated[int, Meta(description="Places that are reserved for nobody.")]
    allotments: list[ShareOut]

    @classmethod
    def of(cls, slot: SlotState, now: datetime) -> "SlotDivision":
        """The wire shape of a slot's division."""
        *own, common = slot_parts(slot, now)
        return cls(
            slot_id=slot.id,
            starts=slot.starts.isoformat("minutes"),
            ends=slot.ends.isoformat("minutes"),
            own=slot.own_allotments,
            capacity=slot.capacity,
            held=slot.held,
            sold=slot.sold,
            common_left=common.left,
            allotments=[ShareOut.of(part) for part in own],
        )


def slot_parts(slot: SlotState, now: datetime) -> list[ChannelPart]:
    """A slot's places by channel."""
    return parts(slot.shares, held=slot.held, sold=slot.sold, left=slot.left, now=now)


class Named(Protocol):
    """Something of a channel."""

    @property
    def channel(self) -> str:
        """The channel's code."""


def channel_problems(specs: Iterable[Named]) -> list[DomainError]:
    """Codes that cannot be a channel's, and channels that are named twice."""
    found: list[DomainError] = []
    seen: set[str] = set()
    for index, spec in enumerate(specs):
        field = f"allotments.{index}.channel"
        if not CHANNEL.fullmatch(spec.channel):
            found.append(errors.AllotmentChannel(field=field, channel=spec.channel))
        elif spec.channel in seen:
            found.append(errors.AllotmentTwice(field=field, channel=spec.channel))
        seen.add(spec.channel)
    return found


def division_problems(
    specs: Sequence[AllotmentSpec], slots: Iterable[SlotPlan]
) -> list[DomainError]:
    """Everything wrong with a pool's shares, given the slots that its schedules speak of."""
    found = channel_problems(specs)
    percent = 0
    for index, spec in enumerate(specs):
        if (spec.places is None) == (spec.percent is None):
            found.append(errors.AllotmentAmount(field=f"allotments.{index}.places"))
        percent += spec.percent or 0
        if percent > PERCENT:
            field = f"allotments.{index}.percent"
            found.append(errors.AllotmentsAboveWhole(field=field, total=percent))
            break
    if found:
        return found
    for slot in sorted(slots, key=lambda s: (s.capacity, s.starts)):
        problem = total_problem([(s.rule.places_of(slot.capacity)) for s in specs], slot)
        if problem is not None:
            index, error = problem
            name = "percent" if specs[index].places is None else "places"
            error.field = f"allotments.{index}.{name}"
            return [error]
    return []


class Sized(Protocol):
    """A slot with a start and a capacity."""

    @property
    def capacity(self) -> int:
        """Its places."""

    @property
    def starts(self) -> time:
        """Its start in local time."""


def total_problem(
    places: Iterable[int], slot: Sized
) -> tuple[int, errors.AllotmentsAboveCapacity] | None:
    """The first share with which all are more than a slot has, None when all fit."""
    total = 0
    for index, number in enumerate(places):
        total += number
        if total > slot.capacity:
            return index, errors.AllotmentsAboveCapacity(
                field=f"allotments.{index}.places",
                total=total,
                capacity=slot.capacity,
                starts=slot.starts.isoformat("minutes"),
            )
    return None
