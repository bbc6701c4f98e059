"""Which days a report is about."""

from datetime import date

import pytest

from shanmen.insight.rules import read_range
from shanmen.insight.schemas import Range

TODAY = date(2026, 10, 8)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, (date(2026, 9, 8), date(2026, 10, 7))),
        (date(2026, 10, 1), None, (date(2026, 10, 1), date(2026, 10, 7))),
        (date(2026, 1, 1), None, (date(2026, 1, 1), date(2026, 1, 30))),
        (TODAY, None, (TODAY, TODAY)),
        (None, date(2026, 3, 30), (date(2026, 3, 1), date(2026, 3, 30))),
        (date(2026, 3, 2), date(2026, 3, 1), (date(2026, 3, 2), date(2026, 3, 1))),
        (date.max, None, (date.max, date.max)),
        (None, date.min, (date.min, date.min)),
    ],
)
def test_an_open_end_is_closed(first: date | None, last: date | None, expected: object) -> None:
    assert read_range(Range(first=first, last=last), TODAY) == expected
