"""Which days a report is about."""

from datetime import date, timedelta
from typing import Final

from shanmen.insight.schemas import Range

USUAL_DAYS: Final = 30


def read_range(asked: Range, today: date) -> tuple[date, date]:
    """The days that were asked for; where an end is open, 30 days, at best up to yesterday."""
    first, last = asked.first, asked.last
    if last is None:
        last = today - timedelta(days=1)
        if first is not None:
            last = max(first, min(last, _after(first, USUAL_DAYS - 1)))
    return first or _after(last, 1 - USUAL_DAYS), last


def _after(day: date, days: int) -> date:
    """A day some days later or earlier; at the ends of the calendar, the day itself."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return day
