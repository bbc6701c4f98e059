"""The figures of a day and of past days: what the queries return, the pages show, the API answers.

Persons are counted wherever a figure says nothing else; a family ticket of three is three. Whoever
enters twice with a ticket for several entries is counted twice.

The first zone of a site (the one with the lowest number) is the park itself; others, such as a
cableway, lie within it. Who entered, left and is inside a site is therefore counted at the
entrances of the first zone alone.
"""

from datetime import date, datetime, time
from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Fen = Annotated[int, Meta(description="In fen (1/100 yuan).", examples=[1286000])]
Text = Annotated[
    dict[str, str],
    Meta(description="A text by language.", examples=[{"zh-CN": "东门", "en": "East gate"}]),
]
SlotStateName = Literal["open", "few", "sold_out", "closed"]
PhaseName = Literal["past", "now", "later"]


class ZoneFigures(Struct, frozen=True, kw_only=True):
    """Who went in and out of a zone today."""

    number: int
    name: Text
    entered: Count
    left: Count
    inside: Annotated[Count, Meta(description="Entered less left, never below 0.")]


class EntranceFigures(Struct, frozen=True, kw_only=True):
    """Who went through an entrance today."""

    id: str
    name: Text
    zone_number: int
    active: Annotated[bool, Meta(description="False when the entrance is closed.")]
    entered: Count
    left: Count
    last_15_minutes: Annotated[Count, Meta(description="Entered within the last 15 minutes.")]


class RefusalFigures(Struct, frozen=True, kw_only=True):
    """Scans refused today for one reason."""

    reason: Annotated[str, Meta(examples=["already_used"])]
    scans: Count


class SlotFigures(Struct, frozen=True, kw_only=True):
    """One slot of today, in places of its pool."""

    id: str
    pool_id: str
    pool: Text
    starts: Annotated[time, Meta(tz=False, description="Local time.", examples=["08:00:00"])]
    ends: Annotated[time, Meta(tz=False, description="Local time.", examples=["10:00:00"])]
    capacity: Count
    held: Annotated[Count, Meta(description="Held for orders that are not paid yet.")]
    sold: Count
    entered: Annotated[
        int | None,
        Meta(
            description="Persons who entered today with a ticket of this slot; null for a pool "
            "that no ticket type has as its visit."
        ),
    ]
    state: Annotated[
        SlotStateName,
        Meta(description="`few` is at most a fifth of the capacity left; `closed` by staff."),
    ]
    phase: Annotated[PhaseName, Meta(description="Whether the slot is over, runs, or is to come.")]


class TypeFigures(Struct, frozen=True, kw_only=True):
    """Tickets of one type for a visit today."""

    id: str
    name: Text
    tickets: Count
    sold: Annotated[Count, Meta(description="Persons on those tickets.")]
    entered: Annotated[
        Count, Meta(description="Persons who entered today with a ticket of this type, of any day.")
    ]


class Quarter(Struct, frozen=True, kw_only=True):
    """A quarter of an hour, and who entered in it."""

    starts_at: datetime
    entered: Count
    last_week: Annotated[Count, Meta(description="At this time on the same weekday last week.")]


class DayFill(Struct, frozen=True, kw_only=True):
    """How full a pool is on one day, in places; slots that are closed do not count."""

    day: date
    capacity: Count
    held: Count
    sold: Count

    @property
    def share(self) -> float:
        """What is taken, from 0 to 1."""
        return (self.held + self.sold) / self.capacity if self.capacity else 0.0


class PoolAhead(Struct, frozen=True, kw_only=True):
    """A pool on the days ahead that have slots, today first."""

    pool_id: str
    pool: Text
    days: list[DayFill]


class TodayFigures(Struct, frozen=True, kw_only=True):
    """One day of a site at a glance."""

    day: Annotated[date, Meta(description="The site's day.")]
    as_of: Annotated[datetime, Meta(description="When these figures were read.")]
    timezone: Annotated[str, Meta(examples=["Asia/Shanghai"])]
    inside: Annotated[
        Count,
        Meta(description="Entered less left. Where exits are not scanned, all who entered."),
    ]
    entered: Annotated[
        Count,
        Meta(
            description="At the entrances of the site's first zone; other zones lie within it and "
            "are in `zones`."
        ),
    ]
    left: Count
    last_15_minutes: Annotated[Count, Meta(description="Entered within the last 15 minutes.")]
    visit_sold: Annotated[
        Count, Meta(description="Persons with a paid ticket for a visit today, refunded ones not.")
    ]
    visit_tickets: Annotated[Count, Meta(description="Their tickets.")]
    sold_orders: Annotated[Count, Meta(description="Orders paid today, for any day.")]
    sold_persons: Annotated[Count, Meta(description="Persons on them.")]
    taken_fen: Annotated[Fen, Meta(description="Money received today, in fen.")]
    refunded_fen: Annotated[
        Fen, Meta(description="Money given back today, as the payment provider confirmed, in fen.")
    ]
    refused: Annotated[Count, Meta(description="Scans refused today that nobody overrode.")]
    refusals: Annotated[list[RefusalFigures], Meta(description="The same by reason, most first.")]
    zones: list[ZoneFigures]
    entrances: list[EntranceFigures]
    slots: list[SlotFigures]
    ticket_types: list[TypeFigures]
    quarters: Annotated[
        list[Quarter],
        Meta(description="From the first quarter of an hour with an entry to the last or to now."),
    ]
    ahead: Annotated[list[PoolAhead], Meta(description="The next 14 days.")]


class Range(Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """The days that somebody asks for; what is left out is up to `rules.read_range`."""

    first: date | None = None
    last: date | None = None


class DayFigures(Struct, frozen=True, kw_only=True):
    """One day of a site, looked back on."""

    day: date
    entered: Count
    visit_sold: Annotated[Count, Meta(description="Persons with a ticket for that day.")]
    visit_refunded: Annotated[
        Count, Meta(description="Persons whose ticket for that day was given back.")
    ]
    capacity: Annotated[Count, Meta(description="Places for visits on that day.")]
    places_sold: Annotated[Count, Meta(description="Places of these that were sold.")]
    taken_fen: Annotated[Fen, Meta(description="Money received on that day, in fen.")]
    refunded_fen: Annotated[Fen, Meta(description="Money given back on that day, in fen.")]

    @property
    def occupancy(self) -> float:
        """The share of the places that was sold, from 0 to 1."""
        return self.places_sold / self.capacity if self.capacity else 0.0


class DaysFigures(Struct, frozen=True, kw_only=True):
    """Days of a site in order, with their sums."""

    first: date
    last: date
    timezone: str
    days: list[DayFigures]
    entered: Count
    visit_sold: Count
    visit_refunded: Count
    taken_fen: Fen
    refunded_fen: Fen
    capacity: Count
    places_sold: Count

    @property
    def occupancy(self) -> float:
        """The share of all places that was sold, from 0 to 1."""
        return self.places_sold / self.capacity if self.capacity else 0.0
