"""The one source of time.

Everything asks ``clock.now()`` instead of the operating system, so that a test can freeze time and
a simulation can run a day in a second and replay it exactly. The clock in use belongs to the
context (``contextvars``): asyncio tasks inherit it from the code that created them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from shanmen.kit.errors import DomainError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_SECOND = 1_000_000_000

C = TypeVar("C", bound="Clock")


class UnknownTimeZone(DomainError):
    """The name is not an IANA time zone; ``params``: ``name``."""

    code = "kit.unknown_time_zone"
    status = 422


class Clock:
    """The operating system's clock, and the interface of every other."""

    def unix_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed point, never going back; for measuring spans."""
        return time.monotonic()


class Simulated(Clock):
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime) -> None:
        self._ns = _to_ns(start)
        self._monotonic_ns = 0

    def unix_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by this clock."""
        return self._ns

    def now(self) -> datetime:
        """Return this clock's instant, aware, in UTC."""
        return _EPOCH + timedelta(microseconds=self._ns // 1000)

    def monotonic(self) -> float:
        """Seconds, for measuring spans; includes what was advanced."""
        return self._monotonic_ns / _NS_PER_SECOND

    def advance(self, seconds: float) -> None:
        """Move time forward by ``seconds``, which may be a fraction but not negative."""
        if seconds < 0:
            raise ValueError(
                f"Time does not go back: advance({seconds}); use move_to for another day."
            )
        step = round(seconds * _NS_PER_SECOND)
        self._ns += step
        self._monotonic_ns += step

    def move_to(self, instant: datetime) -> None:
        """Jump to an instant, also an earlier one; spans that are being measured do not see it."""
        self._ns = _to_ns(instant)


class Shifted(Clock):
    """A clock that runs at the usual speed, some way off the real time."""

    def __init__(self, by: timedelta) -> None:
        self._offset_ns = _span_ns(by)
        self._advanced_ns = 0

    def unix_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by this clock."""
        return time.time_ns() + self._offset_ns

    def now(self) -> datetime:
        """Return this clock's instant, aware, in UTC."""
        return _EPOCH + timedelta(microseconds=self.unix_ns() // 1000)

    def monotonic(self) -> float:
        """Seconds, for measuring spans; includes what was advanced."""
        return time.monotonic() + self._advanced_ns / _NS_PER_SECOND

    def advance(self, seconds: float) -> None:
        """Move time forward by ``seconds`` at once; it then runs on."""
        if seconds < 0:
            raise ValueError(f"Time does not go back: advance({seconds}).")
        step = round(seconds * _NS_PER_SECOND)
        self._offset_ns += step
        self._advanced_ns += step


_SYSTEM = Clock()
_current: ContextVar[Clock] = ContextVar("shanmen_clock", default=_SYSTEM)


def current() -> Clock:
    """Return the clock of this context."""
    return _current.get()


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return _current.get().now()


def unix_ns() -> int:
    """Return the present instant as nanoseconds since 1970-01-01 UTC."""
    return _current.get().unix_ns()


def monotonic() -> float:
    """Return seconds since some fixed point, for measuring spans."""
    return _current.get().monotonic()


@contextmanager
def using(clock: C) -> Iterator[C]:
    """Use ``clock`` inside the block."""
    token = _current.set(clock)
    try:
        yield clock
    finally:
        _current.reset(token)


@contextmanager
def at(instant: datetime) -> Iterator[Simulated]:
    """Freeze time at ``instant`` (aware); the yielded clock can ``advance`` and ``move_to``."""
    with using(Simulated(instant)) as clock:
        yield clock


@contextmanager
def shifted(by: timedelta) -> Iterator[Shifted]:
    """Let time run on ``by`` away from the present; the yielded clock can ``advance``."""
    with using(Shifted(by)) as clock:
        yield clock


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo:
    """Return the time zone; raises UnknownTimeZone for a name that IANA does not list."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownTimeZone(name=name) from error


def today(tz: str) -> date:
    """Return the date on the wall in time zone ``tz``."""
    return now().astimezone(zone(tz)).date()


def local(instant: datetime, tz: str) -> datetime:
    """Return an aware instant as the wall clock in ``tz`` shows it."""
    _require_aware(instant)
    return instant.astimezone(zone(tz))


def to_utc(day: date, at_time: time_of_day, tz: str) -> datetime:
    """Return the UTC instant at which the wall clock in ``tz`` shows this day and time.

    Where a clock change makes the time happen twice, the first one is meant unless ``at_time`` has
    ``fold=1``; a time that is skipped counts on from before the change (PEP 495).
    """
    if at_time.tzinfo is not None:
        raise ValueError("The time of day must be naive: its zone is the tz argument.")
    return datetime.combine(day, at_time, zone(tz)).astimezone(UTC)


def _require_aware(instant: datetime) -> None:
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone.")


def _to_ns(instant: datetime) -> int:
    _require_aware(instant)
    return _span_ns(instant - _EPOCH)


def _span_ns(span: timedelta) -> int:
    return (span // timedelta(microseconds=1)) * 1000
