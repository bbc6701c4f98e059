"""Kinds of day: by notice, by statute, by the week, and by the operator before all."""

import subprocess
import sys
from datetime import date, timedelta

import pytest

from shanmen.kit.days import DayKind, day_kind, holiday_name


@pytest.mark.parametrize(
    ("day", "kind", "chinese", "english"),
    [
        (date(2026, 10, 1), DayKind.HOLIDAY, "国庆节", "National Day"),
        (date(2026, 10, 3), DayKind.HOLIDAY, "国庆节", "National Day"),
        (date(2026, 10, 10), DayKind.WORKDAY, None, None),
        (date(2026, 9, 20), DayKind.WORKDAY, None, None),
        (date(2026, 9, 25), DayKind.HOLIDAY, "中秋节", "Mid-autumn Festival"),
        (date(2026, 4, 5), DayKind.HOLIDAY, "清明节", "Tomb-sweeping Day"),
        (date(2026, 5, 16), DayKind.WEEKEND, None, None),
        (date(2026, 5, 18), DayKind.WORKDAY, None, None),
        (date(2030, 10, 1), DayKind.HOLIDAY, "国庆节", "National Day"),
        (date(2030, 5, 1), DayKind.HOLIDAY, "劳动节", "Labour Day"),
        (date(2030, 2, 2), DayKind.HOLIDAY, "春节", "Spring Festival"),
        (date(2030, 5, 18), DayKind.WEEKEND, None, None),
        (date(2030, 5, 20), DayKind.WORKDAY, None, None),
        (date(1995, 5, 20), DayKind.WEEKEND, None, None),
    ],
)
def test_a_day_is_known(day: date, kind: DayKind, chinese: str | None, english: str | None) -> None:
    assert day_kind(day) is kind
    assert holiday_name(day) == chinese
    assert holiday_name(day, "en") == english


def test_the_operator_has_the_last_word() -> None:
    fair = date(2026, 5, 18)
    assert day_kind(fair, {fair: DayKind.HOLIDAY}) is DayKind.HOLIDAY
    assert day_kind(fair, {fair + timedelta(days=1): DayKind.HOLIDAY}) is DayKind.WORKDAY
    assert day_kind(fair, {}) is DayKind.WORKDAY


def test_every_holiday_has_a_name_in_both_languages() -> None:
    day = date(2024, 1, 1)
    while day < date(2031, 1, 1):
        if day_kind(day) is DayKind.HOLIDAY:
            chinese, english = holiday_name(day), holiday_name(day, "en")
            assert chinese
            assert english
            assert english.isascii()
            assert not chinese.isascii()
        day += timedelta(days=1)


PROGRAM = """
import sys
from datetime import date
hidden = set(sys.argv[1:])
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
from shanmen.kit.days import day_kind, holiday_name
assert not {"holidays", "chinese_calendar"} & set(sys.modules)
print(*[day_kind(date(*day)) for day in ((2026, 10, 1), (2026, 10, 10), (2026, 10, 17))])
print(holiday_name(date(2026, 10, 7), "en"))
"""


@pytest.mark.parametrize(
    ("hidden", "printed"),
    [
        (["chinese_calendar"], "holiday workday weekend\nNational Day\n"),
        (["chinese_calendar", "holidays"], "workday weekend weekend\nNone\n"),
    ],
)
def test_it_works_with_fewer_packages(hidden: list[str], printed: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *hidden], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == (printed, "")
