"""When the visitors of a day stand at which gate, and what they show there. No database here."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from shanmen.demo.plan import PlannedTicket
from shanmen.kit import clock
from shanmen.tickets.gate import GateTicket
from shanmen.tickets.zones import ZoneWindow, window_at, windows_from


class Show(StrEnum):
    """What is shown at a gate."""

    DOCUMENT = "document"
    CODE = "code"
    OLD_PICTURE = "old_picture"
    """A picture of a code that changes, some minutes old."""
    NUMBER = "number"
    STRANGER = "stranger"
    """A document that no ticket is made out to."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of a park by the zone that they lead into."""

    inward: Mapping[int, Sequence[UUID]]
    outward: Mapping[int, Sequence[UUID]]


@dataclass(frozen=True, slots=True)
class Stand:
    """Somebody stands at a lane: once decided, a scan."""

    at: datetime
    lane: UUID
    show: Show
    nth: int
    """Counts the scans of one ticket: with its id, it makes the scan's."""
    ticket: GateTicket | None = None
    document: str = ""
    persons: int | None = None
    out: bool = False
    let_in: bool = False
    """A supervisor lets them in when they are refused."""


LEAVE_BY = time(18, 30)
WHOLE_DAY = timedelta(hours=8)
DAYLIGHT = time(8, 30), time(17)
MAIN, CABLEWAY, THEATRE = 0, 1, 2
COUNTED_OUT = 0.9
"""Of those who came in; the rest leave by paths that nobody counts."""
EXITS_FOR = timedelta(days=21)
"""Exits are scanned on so many days before today: they show who is inside, and no report of older
days speaks of them."""


WALK = timedelta(minutes=33)
"""From the purchase to the gate: longer than the half hour that is the longest batch of scans."""
QUARTER = timedelta(minutes=15)
TO_CABLEWAY = timedelta(minutes=15)
"""On foot from the gate to the station, at the least."""


@dataclass(slots=True)
class Visitor:
    """One ticket's way through the park.

    Args:
        dice: of this ticket alone.
        ticket: as the gate knows it.
        planned: who holds it.
        lanes: of the park.
        timezone: of the park.
        exits: whether the exits are scanned on that day.
    """

    dice: random.Random
    ticket: GateTicket
    planned: PlannedTicket
    lanes: Lanes
    timezone: str
    exits: bool = True
    stands: list[Stand] = field(default_factory=list)

    def walk(self, arrival: float, bought: datetime) -> list[Stand]:
        """All the times that the ticket is shown; `arrival` is where in its time the party comes.

        Few come late and stay outside, some try too early, some hold up an old picture first.
        """
        ticket, dice = self.ticket, self.dice
        zone = self._zone()
        opens, window = self._hours()
        at = opens + timedelta(seconds=arrival * window.total_seconds() + dice.random() * 40)
        at = max(at, bought + WALK)
        # Nobody is too early or too late for a ticket of the whole day.
        lot = dice.random() if window < WHOLE_DAY else 0.5 + dice.random() / 2
        if lot < 0.008:  # noqa: PLR2004 - shares of what goes wrong at a gate
            at = ticket.valid_until + timedelta(minutes=dice.uniform(18, 70))
            self._stand(at, zone, self._show(), let_in=dice.random() < 0.5)  # noqa: PLR2004
            return self.stands
        if lot < 0.035:  # noqa: PLR2004
            early = ticket.valid_from - timedelta(minutes=dice.uniform(18, 55))
            if early > bought + WALK:
                self._stand(early, zone, self._show())
        elif lot < 0.043 and zone == MAIN and CABLEWAY in self.lanes.inward:  # noqa: PLR2004
            if not ticket.zones >> CABLEWAY & 1:
                self._stand(at + timedelta(minutes=50), CABLEWAY, self._show())
        elif lot < 0.058 and self._rotating:  # noqa: PLR2004
            self._stand(at - timedelta(seconds=50), zone, Show.OLD_PICTURE)
        self._enter(at, zone)
        if lot > 0.99:  # noqa: PLR2004
            self._stand(at + timedelta(minutes=dice.uniform(3, 40)), zone, self._show())
        if zone == MAIN:
            self._go_on(at)
        return self.stands

    def _ride(self, at: datetime) -> ZoneWindow | None:
        """When the cableway takes this ticket, where that is not with the visit."""
        return window_at(windows_from(self.ticket.windows), CABLEWAY, at)

    def _hours(self) -> tuple[datetime, timedelta]:
        """When people come with this ticket: in its time, by daylight where that is a whole day."""
        opens, closes = self.ticket.valid_from, self.ticket.valid_until
        if closes - opens >= WHOLE_DAY:
            day = clock.local(opens, self.timezone).date()
            opens, closes = (clock.to_utc(day, hour, self.timezone) for hour in DAYLIGHT)
        ride = self._ride(opens)
        if ride is not None:
            # Whoever has a place on the cableway comes early enough for it.
            closes = max(opens, min(closes, ride.ends - 2 * TO_CABLEWAY))
        return opens, closes - opens

    @property
    def _rotating(self) -> bool:
        return bool(self.ticket.flags & 1)

    def _zone(self) -> int:
        zones = self.ticket.zones
        return (zones & -zones).bit_length() - 1

    def _enter(self, at: datetime, zone: int) -> None:
        party = self.ticket.party_size
        if party > 1 and self.dice.random() < 0.12:  # noqa: PLR2004 - somebody parks the car
            self._stand(at, zone, self._show(), persons=party - 1)
            later = at + timedelta(minutes=self.dice.uniform(1, 9))
            self._stand(later, zone, self._show(), persons=1)
        else:
            self._stand(at, zone, self._show())

    def _go_on(self, at: datetime) -> None:
        """Up by the cableway, where the ticket has it; out in the afternoon."""
        dice, day = self.dice, clock.local(at, self.timezone).date()
        if self.ticket.zones >> CABLEWAY & 1:
            self._stand(self._boards(at, dice.random()), CABLEWAY, self._show())
        stay = timedelta(minutes=dice.triangular(90, 420, 250))
        leave = min(at + stay, clock.to_utc(day, LEAVE_BY, self.timezone))
        if self.exits and MAIN in self.lanes.outward and dice.random() < COUNTED_OUT:
            leave = max(leave, at + timedelta(minutes=20))
            self._stand(leave, MAIN, Show.DOCUMENT, out=True, persons=self.ticket.party_size)

    def _boards(self, at: datetime, lot: float) -> datetime:
        """When the party stands at the cableway: at its time, else when it has walked there."""
        first, last = at + timedelta(minutes=25), at + timedelta(minutes=110)
        ride = self._ride(at)
        if ride is not None:
            # Who is too late for the ride tries all the same.
            first = max(ride.starts, at + TO_CABLEWAY)
            last = max(first, ride.ends)
        return first + lot * (last - first)

    def _show(self) -> Show:
        lot = self.dice.random()
        if lot < 0.58:  # noqa: PLR2004 - most put their card on the reader
            return Show.DOCUMENT
        return Show.CODE if lot < 0.94 or self._rotating else Show.NUMBER  # noqa: PLR2004

    def _stand(
        self,
        at: datetime,
        zone: int,
        show: Show,
        *,
        persons: int | None = None,
        out: bool = False,
        let_in: bool = False,
    ) -> None:
        lanes = (self.lanes.outward if out else self.lanes.inward)[zone]
        # More people take the first lanes, as they do.
        lane = lanes[int(self.dice.random() ** 1.3 * len(lanes))]
        holder = self.dice.choice(self.planned.people)
        self.stands.append(
            Stand(
                at, lane, show, len(self.stands), self.ticket, holder.document, persons, out, let_in
            )
        )  # fmt: skip


def arrival(dice: random.Random) -> float:
    """Where in its time a party comes: most in the first half of it."""
    return dice.betavariate(1.4, 2.4) * 0.97


def together(stands: Sequence[Stand], span: timedelta, most: int) -> Iterator[list[Stand]]:
    """Scans in order of time, those of the same half hour (or less) together.

    Half hours begin at a quarter past or to, as the times of tickets do: slots begin with an hour
    or half of one, and tickets are good from a quarter before.
    """
    batch: list[Stand] = []
    begun = 0.0
    for stand in sorted(stands, key=lambda s: (s.at, s.lane)):
        number = (stand.at + QUARTER).timestamp() // span.total_seconds()
        if batch and (number != begun or len(batch) == most):
            yield batch
            batch = []
        begun = number
        batch.append(stand)
    if batch:
        yield batch
