"""How many come, and when: seasons, weekends, public holidays, weather, hours. Pure arithmetic.

The figures are in the proportions of a mountain park south of the Yangtze: two peaks, in spring and
autumn, summer holidays, a quiet winter with a busy Spring Festival; May and October holidays at
three to four times a usual day.
"""

import random
from bisect import bisect
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate

from shanmen.kit.days import DayKind, day_kind, holiday_name

MONTHS = (0.36, 0.48, 0.72, 1.12, 1.2, 0.95, 1.3, 1.36, 0.98, 1.28, 0.82, 0.44)
"""Season: the middle of each month, against the average of the year."""

WEEKDAYS = (0.72, 0.7, 0.72, 0.76, 0.9, 1.55, 1.4)
"""Days that belong to no holiday; a Sunday that was made a workday counts as a Wednesday."""

HOLIDAYS = {
    "元旦": 2.8,
    "春节": 4.2,
    "清明节": 2.4,
    "劳动节": 3.2,
    "端午节": 2.3,
    "中秋节": 2.3,
    "国庆节": 3.0,
}
"""The busiest day of a public holiday against a usual day of its season."""
OTHER_HOLIDAY = 2.2

RAIN = 0.2
SCHOOL_HOLIDAYS = ((1, 20), (2, 20)), ((7, 5), (8, 31))

LEAD_DAYS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 21, 28)
LEAD_WEIGHTS = (30, 25, 12, 8, 5, 4, 3, 3.5, 3, 2.5, 2, 1.2, 0.8)
"""How many days before the visit people buy, and how many of a hundred."""
HOLIDAY_LEAD_WEIGHTS = (14, 17, 12, 9, 8, 7, 6, 7, 7, 5, 4, 2.5, 1.5)
LONGEST_LEAD = LEAD_DAYS[-1]

BUYING_HOURS = (
    1,
    0.5,
    0.3,
    0.2,
    0.2,
    0.5,
    1.5,
    3,
    4.5,
    6,
    7,
    6.5,
    6,
    5.5,
    5,
    5,
    5,
    5,
    5.5,
    7,
    8,
    8,
    6,
    3,
)
"""When people buy for another day, by hour."""
SAME_DAY_HOURS = (0.2, 0.1, 0, 0, 0, 0.5, 4, 9, 14, 15, 13, 9, 7, 6, 4, 2, 0.5, 0, 0, 0, 0, 0, 0, 0)


def choose(dice: random.Random, weights: Sequence[float]) -> int:
    """An index, each with its weight."""
    sums = list(accumulate(weights))
    return min(bisect(sums, dice.random() * sums[-1]), len(weights) - 1)


def season(day: date) -> float:
    """Between the middles of two months, on a straight line."""
    middle = date(day.year, day.month, 15)
    if day >= middle:
        after = (middle + timedelta(days=30)).replace(day=15)
        before_at, after_at = middle, after
    else:
        before_at, after_at = (middle - timedelta(days=30)).replace(day=15), middle
    share = (day - before_at).days / (after_at - before_at).days
    return MONTHS[before_at.month - 1] * (1 - share) + MONTHS[after_at.month - 1] * share


def kind_factor(day: date) -> float:
    """Workday, weekend or holiday, and where in the holiday."""
    kind = day_kind(day)
    if kind is DayKind.HOLIDAY:
        return HOLIDAYS.get(holiday_name(day) or "", OTHER_HOLIDAY) * _position(day)
    if kind is DayKind.WORKDAY:
        usual = WEEKDAYS[min(day.weekday(), 4)] if day.weekday() < 5 else WEEKDAYS[2]  # noqa: PLR2004
        begin = any(
            date(day.year, *first) <= day <= date(day.year, *last)
            for first, last in SCHOOL_HOLIDAYS
        )
        return usual * (1.25 if begin else 1.0)
    return WEEKDAYS[day.weekday()]


def _position(day: date) -> float:
    """The first day is for travelling, the last for going home; the fullest lie between."""
    before = after = 0
    while day_kind(day - timedelta(days=before + 1)) is DayKind.HOLIDAY:
        before += 1
    while day_kind(day + timedelta(days=after + 1)) is DayKind.HOLIDAY:
        after += 1
    length = before + after + 1
    if length == 1:
        return 1.0
    if after == 0:
        return 0.6
    if before == 0:
        return 0.8
    return 1.0 if before <= max(1, length // 2) else 0.85


def weather(day: date, seed: int) -> float:
    """How the weather of a day bears on those who come: about 1, half of it in the rain.

    Two days in a row are alike, as weather is.
    """
    today, before = (
        random.Random(f"weather {seed} {d}")  # noqa: S311 - a replay
        for d in (day, day - timedelta(days=1))
    )
    wet = min(today.random(), before.random() + 0.05) < RAIN * (1.3 if day.month in (6, 7) else 0.8)
    noise = 0.6 * today.gauss(0, 0.13) + 0.4 * before.gauss(0, 0.13)
    return max(0.2, (0.58 if wet else 1.06) * (1 + noise))


def weight(day: date, seed: int) -> float:
    """How busy a day is, against the average of the year."""
    return season(day) * kind_factor(day) * weather(day, seed)


def scale(days: Sequence[date], total: int, seed: int) -> float:
    """Orders for each unit of weight, so that these days have `total` in all."""
    return total / sum(weight(day, seed) for day in days)


def orders_on(day: date, each: float, seed: int) -> int:
    """How many orders are meant for a day; what is left of a whole order falls by lot."""
    whole = weight(day, seed) * each
    lot = random.Random(f"rest {seed} {day}").random()  # noqa: S311 - a replay
    return int(whole) + (lot < whole % 1)


def lead(dice: random.Random, day: date) -> int:
    """How many days before the visit somebody buys."""
    holiday = day_kind(day) is DayKind.HOLIDAY
    at = choose(dice, HOLIDAY_LEAD_WEIGHTS if holiday else LEAD_WEIGHTS)
    nearest = LEAD_DAYS[at]
    following = LEAD_DAYS[at + 1] if at + 1 < len(LEAD_DAYS) else nearest + 1
    return min(dice.randrange(nearest, following), LONGEST_LEAD)


def seconds_of_day(dice: random.Random, hours: Sequence[float]) -> float:
    """A time of day, in seconds since midnight, by a curve over the hours."""
    return choose(dice, hours) * 3600 + dice.random() * 3600
