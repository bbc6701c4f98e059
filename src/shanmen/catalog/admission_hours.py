"""Hours of admission as an operator says them, and as visitors and staff read them."""

from collections.abc import Iterable, Sequence
from datetime import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shanmen.catalog.errors import HoursTwice, WeekdayMissing
from shanmen.kit.days import EVERY_WEEKDAY, DayKind
from shanmen.kit.errors import DomainError
from shanmen.kit.hours import Window
from shanmen.web.i18n import LOCALES, Locale, format_time, t, weekday_name

MOST_WINDOWS = 20
MIDNIGHT = "00:00"

DayKindName = Literal["workday", "weekend", "holiday"]
Weekdays = Annotated[
    int, Meta(ge=0, le=EVERY_WEEKDAY, description="Bit mask; Monday is bit 0, Sunday bit 6.")
]
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
LocalTime = Annotated[
    str,
    Meta(
        pattern=f"^{_CLOCK}$",
        description="Time of day at the site.",
        examples=["08:00"],
    ),
]
MaybeTime = Annotated[str, Meta(pattern=f"^(?:{_CLOCK})?$")]
"""As `LocalTime`, or nothing."""


class HoursSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Admits from `starts` until just before `ends` on the days that match.

    Where `ends` is not after `starts`, it is the time of the next day; where both are equal, the
    window lasts a whole day. A window belongs to the day on which it starts.
    """

    starts: LocalTime = MIDNIGHT
    ends: LocalTime = MIDNIGHT
    weekdays: Weekdays = EVERY_WEEKDAY
    day_kinds: Annotated[
        list[DayKindName],
        Meta(max_length=3, description="Only days of these kinds; empty is any."),
    ] = msgspec.field(default_factory=list)

    @classmethod
    def of(cls, window: Window) -> "HoursSpec":
        """What an operator would say to make the same window."""
        return cls(
            starts=window.starts.isoformat("minutes"),
            ends=window.ends.isoformat("minutes"),
            weekdays=window.weekdays,
            day_kinds=[kind.value for kind in window.day_kinds],
        )

    @property
    def window(self) -> Window:
        """As the rules read it: the kinds in one order, and all of them are any."""
        kinds = tuple(kind for kind in DayKind if kind.value in self.day_kinds)
        return Window(
            time.fromisoformat(self.starts),
            time.fromisoformat(self.ends),
            self.weekdays,
            () if len(kinds) == len(DayKind) else kinds,
        )


def hours_problems(specs: Sequence[HoursSpec]) -> list[DomainError]:
    """Everything wrong with a table of hours."""
    found: list[DomainError] = []
    seen: list[Window] = []
    for index, spec in enumerate(specs):
        if not spec.weekdays:
            found.append(WeekdayMissing(field=f"admission_hours.{index}.weekdays"))
        elif spec.window in seen:
            row = seen.index(spec.window) + 1
            found.append(HoursTwice(field=f"admission_hours.{index}.starts", row=row))
        seen.append(spec.window)
    return found


def told(windows: Iterable[Window], locale: Locale) -> str:
    """Windows in words, ``Mon–Fri · except public holidays · 17:00–21:30``; empty: any time."""
    return t(locale, "catalog.hours.or").join(_line(window, locale) for window in windows)


def told_in_all(windows: Iterable[Window]) -> dict[Locale, str]:
    """The same in every language, for who does not know the reader's."""
    kept = tuple(windows)
    return {locale: told(kept, locale) for locale in LOCALES}


def _line(window: Window, locale: Locale) -> str:
    days = [_weekdays(window.weekdays, locale), _kinds(window.day_kinds, locale)]
    times = _times(window, locale)
    if window.whole_day and window.starts == time.min and any(days):
        times = ""
    return " · ".join(part for part in (*days, times) if part)


def _times(window: Window, locale: Locale) -> str:
    starts, ends = format_time(window.starts, locale), format_time(window.ends, locale)
    if window.whole_day and window.starts == time.min:
        return t(locale, "catalog.hours.all_day")
    if window.starts == time.min:
        return t(locale, "catalog.hours.until", time=ends)
    if window.ends == time.min:
        return t(locale, "catalog.hours.from", time=starts)
    if window.past_midnight:
        return t(locale, "catalog.hours.past_midnight", starts=starts, ends=ends)
    return f"{starts}–{ends}"


def _weekdays(mask: int, locale: Locale) -> str:
    if mask == EVERY_WEEKDAY:
        return ""
    runs: list[list[int]] = []
    for index in (n for n in range(7) if mask >> n & 1):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    names = []
    for run in runs:
        first, last = weekday_name(run[0], locale), weekday_name(run[-1], locale)
        mark = t(locale, "catalog.hours.to") if len(run) > 2 else t(locale, "catalog.hours.and")  # noqa: PLR2004 - of two days both are named
        names.append(first if len(run) == 1 else f"{first}{mark}{last}")
    return t(locale, "catalog.hours.and").join(names)


def _kinds(kinds: Sequence[DayKind], locale: Locale) -> str:
    if not kinds:
        return ""
    if len(kinds) == len(DayKind) - 1:
        (missing,) = set(DayKind) - set(kinds)
        return t(locale, f"catalog.hours.except_{missing}")
    return t(locale, f"catalog.day_kind.{kinds[0]}")
