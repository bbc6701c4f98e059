"""The days of a month as a page shows them."""

import calendar as months
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["CalendarDay", "CalendarMonth", "DayState", "month_grid"]

DayState = Literal["available", "few", "soldout", "closed", "notyet", "past"]
# Weeks start on Monday, as calendars in China print them.
_WEEKS: Final = months.Calendar(firstweekday=0)


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day: whether it can be bought, from what price (fen), where choosing it leads.

    ``label`` is a short extra such as a holiday's name.
    """

    date: dt.date
    state: DayState
    price_fen: int | None = None
    href: str | None = None
    left: int | None = None
    label: str | None = None
    selected: bool = False
    dearer: bool = False
    """There is something dearer too: the price is shown as the lowest."""


@dataclass(frozen=True, slots=True)
class CalendarMonth:
    """A month as weeks of seven; None fills the days of the neighbouring months."""

    first: dt.date
    weeks: tuple[tuple[CalendarDay | None, ...], ...]
    today: dt.date
    previous_href: str | None
    next_href: str | None


def month_grid(
    year: int,
    month: int,
    days: Iterable[CalendarDay],
    *,
    today: dt.date,
    prev: str | None = None,
    next: str | None = None,  # noqa: A002 - the words of a calendar.
) -> CalendarMonth:
    """Lay out a month; a day that is not among ``days`` is closed, or past before ``today``.

    ``prev`` and ``next`` are the addresses of the neighbouring months, where they can be shown.
    """
    known = {day.date: day for day in days}

    def cell(date: dt.date) -> CalendarDay | None:
        if date.month != month:
            return None
        return known.get(date) or CalendarDay(date, "past" if date < today else "closed")

    weeks = tuple(
        tuple(cell(date) for date in week) for week in _WEEKS.monthdatescalendar(year, month)
    )
    return CalendarMonth(dt.date(year, month, 1), weeks, today, prev, next)
