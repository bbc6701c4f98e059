"""The windows of zones: which one counts at a moment, and how they are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from shanmen.tickets.zones import ZoneWindow, days_of, window_at, windows_from, windows_text

DAY = datetime(2026, 5, 1, tzinfo=UTC)
LATE = timedelta(minutes=15)


def at(hour: float, *, day: int = 0) -> datetime:
    return DAY + timedelta(days=day, hours=hour)


UP, DOWN = ZoneWindow(1, at(10), at(11)), ZoneWindow(1, at(15), at(16))
BOTH_WAYS = (DOWN, UP, ZoneWindow(2, at(3), at(4)))


@pytest.mark.parametrize(
    ("moment", "starts"),
    [
        (at(2), at(10)),
        (at(10.5), at(10)),
        (at(11.2), at(10)),
        (at(11.25), at(15)),
        (at(20), at(15)),
        (at(20, day=3), at(15)),
    ],
)
def test_the_first_that_is_not_over_counts_else_the_last(moment: datetime, starts: datetime):
    found = window_at(BOTH_WAYS, 1, moment, late=LATE)
    assert found is not None
    assert found.starts == starts


@pytest.mark.parametrize(
    ("moment", "starts"),
    [
        (at(2, day=-5), at(10)),
        (at(12), at(10, day=1)),
        (at(10.5, day=1), at(10, day=1)),
        (at(12, day=2), at(10, day=2)),
        (at(12, day=9), at(10, day=2)),
    ],
)
def test_a_ticket_of_three_days_has_it_on_each(moment: datetime, starts: datetime):
    assert window_at([UP], 1, moment, days=3) == ZoneWindow(1, starts, starts + timedelta(hours=1))


def test_a_zone_without_one_opens_with_the_visit():
    assert window_at(BOTH_WAYS, 0, at(10)) is None
    assert window_at((), 1, at(10)) is None


@pytest.mark.parametrize(
    ("hours", "days"), [(2, 1), (24, 1), (24 + 2, 2), (48, 2), (24 * 364 + 9, 365)]
)
def test_on_how_many_days_a_ticket_is_valid(hours: int, days: int):
    assert days_of(at(8), at(8 + hours)) == days


def test_a_row_keeps_what_it_was_given():
    assert windows_from(windows_text(BOTH_WAYS)) == BOTH_WAYS
    assert windows_text([UP]) == '[[1,"2026-05-01T10:00:00Z","2026-05-01T11:00:00Z"]]'
    assert windows_text([]) is None
    assert windows_from(None) == ()
