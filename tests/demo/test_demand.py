"""Demand: holidays above weekends above workdays, summer above winter, the same in every run."""

from datetime import date, timedelta
from itertools import pairwise
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from shanmen.demo import demand
from shanmen.demo.people import AGES, person, phone
from shanmen.kit import documents, phones
from shanmen.kit.days import DayKind, day_kind

YEAR = [date(2025, 11, 1) + timedelta(days=n) for n in range(365)]


def test_holidays_are_busier_than_weekends_and_those_than_workdays():
    by_kind = {
        kind: mean(demand.weight(day, 1) for day in YEAR if day_kind(day) is kind)
        for kind in DayKind
    }
    assert by_kind[DayKind.HOLIDAY] > 1.3 * by_kind[DayKind.WEEKEND]
    assert by_kind[DayKind.WEEKEND] > 1.5 * by_kind[DayKind.WORKDAY]


def test_a_sunday_that_was_made_a_workday_is_one():
    moved = date(2026, 9, 20)
    assert day_kind(moved) is DayKind.WORKDAY
    assert demand.kind_factor(moved) < demand.kind_factor(date(2026, 9, 13))


def test_seasons():
    assert demand.season(date(2026, 8, 10)) > 2.5 * demand.season(date(2026, 1, 10))
    steps = [abs(demand.season(a) - demand.season(b)) for a, b in pairwise(YEAR)]
    assert max(steps) < 0.05


def test_as_many_orders_as_asked_for():
    each = demand.scale(YEAR, 100_000, 1)
    counts = [demand.orders_on(day, each, 1) for day in YEAR]
    assert abs(sum(counts) - 100_000) < 100
    assert counts == [demand.orders_on(day, each, 1) for day in YEAR]
    assert counts != [demand.orders_on(day, each, 2) for day in YEAR]


@given(st.integers(0, 2**52), st.sampled_from(sorted(AGES)), st.dates(YEAR[0], YEAR[-1]))
def test_people_have_valid_documents_and_the_right_age(key: int, audience: str, day: date):
    somebody = person(key, audience, day)
    document = documents.check(somebody.document_kind, somebody.document)
    assert phones.is_mainland_mobile(phones.normalise(phone(key)))
    assert somebody == person(key, audience, day)
    low, high = {"adult": (18, 70), "child": (6, 17), "senior": (60, 69), "elder": (70, 99),
                 "student": (16, 30)}[audience]  # fmt: skip
    if document.birth_date:
        for when in (day - timedelta(days=40), day):
            assert low <= documents.age_on(document.birth_date, when) <= high
