"""Hours of admission: at which times of which days a ticket opens a gate.

A window has times of day, days of the week and kinds of day; of several windows each admits. A
window belongs to the day on which it begins: one from 18:00 to 01:00 on Fridays ends in the night
to Saturday. One that ends when it began lasts the whole day.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from shanmen.kit import clock
from shanmen.kit.days import EVERY_WEEKDAY, DayKind

LOOK_AHEAD_DAYS = 400
"""The next opening is looked for so far ahead: longer than a ticket for a year is valid."""

KindOf = Callable[[date], DayKind]
"""Says what kind of day a day is at the site."""

_DAY = timedelta(days=1)
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Window:
    """Admits from `starts` until just before `ends`, by the site's clock, on the days it names."""

    starts: time
    ends: time
    weekdays: int = EVERY_WEEKDAY
    """Bit mask, Monday is bit 0."""
    day_kinds: tuple[DayKind, ...] = ()
    """Only on days of these kinds; empty is any."""

    @property
    def whole_day(self) -> bool:
        """It lasts until the clock shows the time at which it began."""
        return self.starts == self.ends

    @property
    def past_midnight(self) -> bool:
        """It ends on the day after the one on which it begins."""
        return self.ends <= self.starts

    def speaks_of(self, day: date, kind_of: KindOf) -> bool:
        """Whether it begins on this day."""
        return bool(self.weekdays >> day.weekday() & 1) and (
            not self.day_kinds or kind_of(day) in self.day_kinds
        )

    def begins(self, day: date) -> datetime:
        """What the clock on the wall shows when it begins on a day."""
        return datetime.combine(day, self.starts)

    def over(self, day: date) -> datetime:
        """What the clock on the wall shows when the window of a day is over."""
        return datetime.combine(day + _DAY if self.past_midnight else day, self.ends)


class Opening(NamedTuple):
    """A window of one day, as instants."""

    day: date
    starts: datetime
    ends: datetime


def days_open(
    windows: Sequence[Window],
    moment: datetime,
    timezone: str,
    kind_of: KindOf,
    *,
    before: timedelta = _NONE,
    after: timedelta = _NONE,
) -> frozenset[date]:
    """The days whose windows are open at a moment; empty where none is.

    `before` and `after` are how much sooner and later than its times a window admits. They are for
    times of day: a whole day begins and ends at its time.
    """
    wall = clock.local(moment, timezone).replace(tzinfo=None)
    spare = 1 + max(before, after).days
    around = [wall.date() + timedelta(days=n) for n in range(-1 - spare, 1 + spare)]
    return frozenset(
        day
        for window in windows
        for day in around
        if window.begins(day) - (_NONE if window.whole_day else before) <= wall
        and wall < window.over(day) + (_NONE if window.whole_day else after)
        and window.speaks_of(day, kind_of)
    )


def open_between(
    windows: Sequence[Window], starts: datetime, ends: datetime, timezone: str, kind_of: KindOf
) -> bool:
    """Whether a window is open at any moment from one instant until just before another.

    As with `days_open`, times are what the clock on the wall shows.
    """
    first, until = (clock.local(at, timezone).replace(tzinfo=None) for at in (starts, ends))
    # The window of the day before may last until this morning.
    around = [
        first.date() + timedelta(days=n) for n in range(-1, (until.date() - first.date()).days + 1)
    ]
    return any(
        window.begins(day) < until and first < window.over(day) and window.speaks_of(day, kind_of)
        for window in windows
        for day in around
    )


def openings(
    windows: Sequence[Window], first: date, last: date, timezone: str, kind_of: KindOf
) -> Iterator[Opening]:
    """All windows that begin on days from `first` to `last`, in the order in which they begin."""
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        for window in sorted(windows, key=lambda each: (each.starts, each.over(day))):
            if window.speaks_of(day, kind_of):
                over = window.over(day)
                yield Opening(
                    day,
                    clock.to_utc(day, window.starts, timezone),
                    clock.to_utc(over.date(), over.time(), timezone),
                )


def next_opening(
    windows: Sequence[Window], after: datetime, until: datetime, timezone: str, kind_of: KindOf
) -> Opening | None:
    """The first window that begins after one instant and before another, in the days to come."""
    first = clock.local(after, timezone).date()
    last = min(clock.local(until, timezone).date(), first + timedelta(days=LOOK_AHEAD_DAYS))
    for opening in openings(windows, first, last, timezone, kind_of):
        if opening.starts >= until:
            return None
        if opening.starts > after:
            return opening
    return None
