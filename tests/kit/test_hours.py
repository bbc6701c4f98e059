"""Windows of hours: which moments they hold, and when the next one begins."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import clock
from shanmen.kit.days import EVERY_WEEKDAY, DayKind, plain_kind
from shanmen.kit.hours import Window, days_open, next_opening, open_between, openings

ZONE = "Asia/Shanghai"
FRIDAY = date(2026, 5, 1)
HOLIDAYS = {FRIDAY: DayKind.HOLIDAY, date(2026, 5, 4): DayKind.HOLIDAY}
NIGHT = Window(time(17), time(21, 30))
EARLY = Window(time(0), time(9, 30))
LATE = Window(time(18), time(1))
WEEKDAYS = Window(time(0), time(0), day_kinds=(DayKind.WORKDAY, DayKind.WEEKEND))


def kind_of(day: date) -> DayKind:
    return HOLIDAYS.get(day) or plain_kind(day)


def at(hour: int, minute: int = 0, second: int = 0, *, day: date = FRIDAY) -> datetime:
    return clock.to_utc(day, time(hour, minute, second), ZONE)


def is_open(*windows: Window, moment: datetime, **grace: timedelta) -> bool:
    return bool(days_open(windows, moment, ZONE, kind_of, **grace))


@pytest.mark.parametrize(
    ("window", "moment", "opened"),
    [
        (NIGHT, at(16, 59, 59), False),
        (NIGHT, at(17), True),
        (NIGHT, at(21, 29, 59), True),
        (NIGHT, at(21, 30), False),
        (EARLY, at(0), True),
        (EARLY, at(9, 30), False),
        (LATE, at(0, 30), True),
        (LATE, at(1), False),
        (LATE, at(23, 59), True),
        (Window(time(17), time(0)), at(23, 59, 59), True),
        (Window(time(17), time(0)), at(0), False),
        (WEEKDAYS, at(12), False),
        (WEEKDAYS, at(0, day=date(2026, 5, 2)), True),
        (WEEKDAYS, at(23, 59, 59, day=date(2026, 5, 3)), True),
    ],
)
def test_a_window_holds_its_beginning_and_not_its_end(window, moment, opened):
    assert is_open(window, moment=moment) is opened


def test_a_window_belongs_to_the_day_on_which_it_begins():
    fridays = Window(time(18), time(1), weekdays=1 << 4)
    saturday = FRIDAY + timedelta(days=1)
    assert not is_open(fridays, moment=at(0, 30))
    assert days_open([fridays], at(0, 30, day=saturday), ZONE, kind_of) == {FRIDAY}
    assert not is_open(fridays, moment=at(19, day=saturday))


def test_grace_is_for_times_of_day():
    grace = {"before": timedelta(minutes=15), "after": timedelta(minutes=10)}
    assert is_open(NIGHT, moment=at(16, 45), **grace)
    assert not is_open(NIGHT, moment=at(16, 44, 59), **grace)
    assert is_open(NIGHT, moment=at(21, 39, 59), **grace)
    assert not is_open(NIGHT, moment=at(21, 40), **grace)
    # A pass that is not valid on holidays does not open one of them at ten past midnight.
    assert not is_open(WEEKDAYS, moment=at(0, 10), **grace)


@pytest.mark.parametrize(
    ("window", "starts", "ends", "open_then"),
    [
        (NIGHT, at(10), at(12), False),
        (NIGHT, at(15), at(17), False),
        (NIGHT, at(15), at(17, 1), True),
        (NIGHT, at(21, 29), at(23), True),
        (NIGHT, at(21, 30), at(23), False),
        (NIGHT, at(0), at(23, 59), True),
        (LATE, at(0), at(2), True),
        (LATE, at(1), at(18), False),
        (WEEKDAYS, at(0), at(23, 59), False),
        (WEEKDAYS, at(8, day=date(2026, 5, 2)), at(10, day=date(2026, 5, 2)), True),
        (WEEKDAYS, at(20), at(2, day=date(2026, 5, 2)), True),
    ],
)
def test_a_window_that_is_open_between_two_instants(window, starts, ends, open_then):
    assert open_between([window], starts, ends, ZONE, kind_of) is open_then
    assert not open_between([], starts, ends, ZONE, kind_of)


@given(st.times(), st.times(), st.integers(1, 127), st.integers(0, 3 * 24 * 4), st.integers(1, 96))
def test_what_is_open_between_two_instants_is_open_at_one_of_them(
    starts, ends, weekdays, quarter, length
):
    starts, ends = (moment.replace(second=0, microsecond=0) for moment in (starts, ends))
    window = Window(starts, ends, weekdays)
    first = at(0, day=FRIDAY - timedelta(days=1)) + timedelta(minutes=15 * quarter)
    minutes = [first + timedelta(minutes=n) for n in range(15 * length)]
    until = minutes[-1] + timedelta(minutes=1)
    assert open_between([window], first, until, ZONE, kind_of) is any(
        is_open(window, moment=moment) for moment in minutes
    )


def test_the_next_opening():
    until = at(12, day=FRIDAY + timedelta(days=40))
    night = next_opening([NIGHT], at(9), until, ZONE, kind_of)
    assert night == (FRIDAY, at(17), at(21, 30))
    tomorrow = next_opening([NIGHT], at(17), until, ZONE, kind_of)
    assert tomorrow is not None
    assert tomorrow.day == FRIDAY + timedelta(days=1)
    weekday = Window(time(9), time(17), weekdays=0b11111, day_kinds=(DayKind.WORKDAY,))
    after_holidays = next_opening([weekday], at(12), until, ZONE, kind_of)
    assert after_holidays == (
        date(2026, 5, 5),
        at(9, day=date(2026, 5, 5)),
        at(17, day=date(2026, 5, 5)),
    )
    assert next_opening([weekday], at(12), at(12, day=date(2026, 5, 4)), ZONE, kind_of) is None


windows = st.builds(
    Window,
    st.times().map(lambda t: t.replace(microsecond=0)),
    st.times().map(lambda t: t.replace(microsecond=0)),
    st.integers(1, EVERY_WEEKDAY),
    st.lists(st.sampled_from(DayKind), unique=True, max_size=2).map(tuple),
)
moments = st.datetimes(
    datetime(2026, 4, 20),  # noqa: DTZ001 - the zone is given beside them
    datetime(2026, 5, 20),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(st.lists(windows, min_size=1, max_size=3), moments)
def test_a_moment_is_open_exactly_within_an_opening(found: list[Window], moment: datetime):
    today = clock.local(moment, ZONE).date()
    around = openings(found, today - timedelta(days=2), today + timedelta(days=1), ZONE, kind_of)
    truth = {each.day for each in around if each.starts <= moment < each.ends}
    assert days_open(found, moment, ZONE, kind_of) == truth


@given(st.lists(windows, min_size=1, max_size=3), moments, st.integers(0, 12))
def test_nothing_opens_before_the_next_opening(found: list[Window], moment: datetime, days: int):
    until = moment + timedelta(days=days)
    coming = next_opening(found, moment, until, ZONE, kind_of)
    first = clock.local(moment, ZONE).date()
    begun = [
        each.starts
        for each in openings(found, first, first + timedelta(days=days), ZONE, kind_of)
        if moment < each.starts < until
    ]
    assert (coming.starts if coming else None) == min(begun, default=None)
