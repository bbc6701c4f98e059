"""Kinds of day: workdays, weekends and holidays, with China's shifted workdays.

The State Council moves workdays around the holidays by a notice each autumn. ``chinesecalendar``
knows the notices so far; for a year that it does not know, ``holidays`` gives the statutory days,
and without it (the base install has neither) the day of the week decides. What the operator sets
by hand goes before all of them.
"""

import contextlib
import importlib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import lru_cache
from types import ModuleType

from shanmen.kit import clock

_SATURDAY = 5

EVERY_WEEKDAY = 127
"""The bit mask of all days of the week; Monday is bit 0."""


class DayKind(StrEnum):
    """What a day is for those who work and those who travel."""

    WORKDAY = "workday"
    """A day of work, be it a Sunday that was made one."""
    WEEKEND = "weekend"
    """A Saturday or Sunday off that belongs to no holiday."""
    HOLIDAY = "holiday"
    """A day of a public holiday, with the days off around it."""


def day_kind(day: date, overrides: Mapping[date, DayKind] | None = None) -> DayKind:
    """Return the kind of a day; ``overrides`` are the operator's own."""
    if overrides and day in overrides:
        return overrides[day]
    return _known(day)[0]


def plain_kind(day: date) -> DayKind:
    """Return the kind of a day by its weekday alone, for who knows no calendar."""
    return DayKind.WEEKEND if day.weekday() >= _SATURDAY else DayKind.WORKDAY


def holiday_name(day: date, locale: str = "zh-CN") -> str | None:
    """Return the name of the public holiday a day belongs to, or None."""
    kind, chinese, english = _known(day)
    if kind is not DayKind.HOLIDAY:
        return None
    return chinese if locale.startswith("zh") else english


@lru_cache(maxsize=4096)
def _known(day: date) -> tuple[DayKind, str | None, str | None]:
    return _by_notice(day) or _by_statute(day) or (plain_kind(day), None, None)


def _by_notice(day: date) -> tuple[DayKind, str | None, str | None] | None:
    calendar = _module("chinese_calendar")
    if calendar is None:
        return None
    try:
        off, name = calendar.get_holiday_detail(day)
    except NotImplementedError:
        return None
    if not off:
        return DayKind.WORKDAY, None, None
    if name is None:
        return DayKind.WEEKEND, None, None
    return DayKind.HOLIDAY, _CHINESE.get(name, name), name


def _by_statute(day: date) -> tuple[DayKind, str | None, str | None] | None:
    package = _module("holidays")
    if package is None:
        return None
    names, workdays = _statutory(day.year)
    if day in workdays:
        return DayKind.WORKDAY, None, None
    if day not in names:
        return None
    # A day off that was moved here belongs to the holiday it touches.
    near = sorted(names, key=lambda other: (abs(other - day), other))
    english = next((name for other in near if (name := _NAMES.get(names[other]))), names[day])
    return DayKind.HOLIDAY, _CHINESE.get(english, english), english


@lru_cache(maxsize=16)
def _statutory(year: int) -> tuple[dict[date, str], frozenset[date]]:
    package = _module("holidays")
    if package is None:
        return {}, frozenset()
    calendar = package.CN(years=year, language="en_US")
    names = {day: name.removesuffix(" (observed)") for day, name in calendar.items()}
    return names, frozenset(calendar.weekend_workdays)


@lru_cache(maxsize=4)
def _module(name: str) -> ModuleType | None:
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)
    return None


# The names as people use them here, from those of the two packages.
_NAMES = {
    "New Year's Day": "New Year's Day",
    "Chinese New Year's Eve": "Spring Festival",
    "Chinese New Year (Spring Festival)": "Spring Festival",
    "Tomb-Sweeping Day": "Tomb-sweeping Day",
    "Labor Day": "Labour Day",
    "Dragon Boat Festival": "Dragon Boat Festival",
    "Mid-Autumn Festival": "Mid-autumn Festival",
    "National Day": "National Day",
}
_CHINESE = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "Mid-autumn Festival": "中秋节",
    "National Day": "国庆节",
    "Anti-Fascist 70th Day": "抗战胜利70周年纪念日",
}


def warm() -> None:
    """Load the calendars now, which takes seconds, instead of at the first question about a day."""
    today = clock.today("Asia/Shanghai")
    for year in (today.year, today.year + 1):
        day_kind(date(year, 1, 1), {})
