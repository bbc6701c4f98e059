"""Hours of admission in words, and the shapes they are said in."""

from datetime import time

import pytest

from shanmen.catalog.admission_hours import HoursSpec, hours_problems, told
from shanmen.kit.days import DayKind
from shanmen.kit.hours import Window


@pytest.mark.parametrize(
    ("spec", "english", "chinese"),
    [
        (HoursSpec(), "all day", "全天"),
        (HoursSpec(starts="17:00", ends="21:30"), "17:00–21:30", "17:00–21:30"),
        (HoursSpec(starts="18:00", ends="01:00"), "18:00–01:00 (next day)", "18:00–次日01:00"),
        (HoursSpec(ends="09:30"), "until 09:30", "09:30 前"),
        (HoursSpec(starts="17:00"), "from 17:00", "17:00 起"),
        (HoursSpec(weekdays=0b11111), "Mon–Fri", "周一至周五"),
        (HoursSpec(weekdays=0b1000101, starts="09:00"), "Mon, Wed, Sun · from 09:00",
         "周一、周三、周日 · 09:00 起"),
        (HoursSpec(day_kinds=["workday", "weekend"]), "except public holidays", "法定节假日除外"),
        (HoursSpec(day_kinds=["workday"]), "Workdays", "工作日"),
    ],
)  # fmt: skip
def test_a_window_in_words(spec, english, chinese):
    assert told([spec.window], "en") == english
    assert told([spec.window], "zh-CN") == chinese


def test_several_windows_and_none():
    both = [HoursSpec(ends="09:30").window, HoursSpec(day_kinds=["workday"]).window]
    assert told(both, "en") == "until 09:30; Workdays"
    assert told([], "en") == ""


def test_all_kinds_of_day_are_any():
    said = HoursSpec(day_kinds=["holiday", "workday", "weekend"])
    assert said.window == Window(time(0), time(0))
    mixed = HoursSpec(day_kinds=["weekend", "workday"]).window
    assert mixed.day_kinds == (DayKind.WORKDAY, DayKind.WEEKEND)
    assert HoursSpec.of(mixed).window == mixed


def test_what_is_wrong_with_hours():
    night = HoursSpec(starts="17:00", ends="21:30")
    problems = hours_problems([night, HoursSpec(weekdays=0), night])
    assert [(each.code, each.field) for each in problems] == [
        ("catalog.weekday_missing", "admission_hours.1.weekdays"),
        ("catalog.hours_twice", "admission_hours.2.starts"),
    ]
