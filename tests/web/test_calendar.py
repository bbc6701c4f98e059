import datetime as dt

from shanmen.web.calendar import CalendarDay, month_grid

TODAY = dt.date(2026, 2, 10)


def test_a_month_is_whole_weeks_from_monday():
    month = month_grid(2026, 2, [], today=TODAY)
    assert [len(week) for week in month.weeks] == [7] * len(month.weeks)
    assert month.weeks[0][0] is None
    assert month.weeks[0][6].date == dt.date(2026, 2, 1)


def test_days_that_nobody_sells_are_past_or_closed():
    known = CalendarDay(dt.date(2026, 2, 11), "available", 8000, "/x")
    days = {
        day.date.day: day
        for week in month_grid(2026, 2, [known], today=TODAY).weeks
        for day in week
        if day
    }
    assert (days[9].state, days[10].state, days[11]) == ("past", "closed", known)
    assert len(days) == 28


def test_a_day_of_another_month_is_not_shown():
    other = CalendarDay(dt.date(2026, 3, 1), "available")
    month = month_grid(2026, 2, [other], today=TODAY)
    assert all(day is None or day.date.month == 2 for week in month.weeks for day in week)
