"""Price tables: which rule sets the price of a day."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shanmen.catalog.rules import (
    PriceRule,
    RefundRule,
    RefundStep,
    price_on,
    refund_fee,
    rule_on,
)
from shanmen.kit.days import DayKind

DAY = date(2026, 10, 1)
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
kinds = st.sampled_from(list(DayKind))
rules = st.builds(
    PriceRule,
    amount_fen=st.integers(0, 10**7),
    date_from=st.none() | days,
    date_until=st.none() | days,
    weekdays=st.integers(1, 127),
    day_kind=st.sampled_from(["", *(kind.value for kind in DayKind)]),
    priority=st.integers(-3, 3),
)
tables = st.lists(rules, max_size=12)


@given(tables, days, kinds)
def test_price_is_that_of_a_matching_rule_of_the_highest_priority(table, day, kind):
    matching = [rule for rule in table if rule.matches(day, kind)]
    price = price_on(table, day, kind)
    if not matching:
        assert price is None
        return
    highest = max(rule.priority for rule in matching)
    assert price in {rule.amount_fen for rule in matching if rule.priority == highest}


@given(tables, rules, days, kinds)
def test_a_rule_that_does_not_speak_of_the_day_changes_nothing(table, rule, day, kind):
    if not rule.matches(day, kind):
        assert price_on([*table, rule], day, kind) == price_on(table, day, kind)
        assert price_on([rule, *table], day, kind) == price_on(table, day, kind)


@given(tables, days, kinds, st.integers(0, 10**7))
def test_a_rule_above_all_others_always_wins(table, day, kind, amount):
    assert price_on([*table, PriceRule(amount, priority=1000)], day, kind) == amount


@given(tables, days, kinds)
def test_a_season_holds_on_its_first_and_last_day_only_from_within(table, day, kind):
    day_alone = PriceRule(1, date_from=day, date_until=day)
    assert day_alone.matches(day, kind)
    assert not day_alone.matches(day + timedelta(days=1), kind)
    assert not day_alone.matches(day - timedelta(days=1), kind)


def test_the_narrower_rule_wins_among_equal_priorities():
    everyday = PriceRule(100)
    season = PriceRule(200, date_from=date(2026, 9, 1), date_until=date(2026, 10, 31))
    thursdays = PriceRule(300, weekdays=0b0001000)
    holidays = PriceRule(400, day_kind="holiday")
    table = [everyday, season, thursdays, holidays]
    for length in range(1, 5):
        assert price_on(table[:length], DAY, DayKind.HOLIDAY) == length * 100
        assert price_on(table[:length][::-1], DAY, DayKind.HOLIDAY) == length * 100


def test_the_first_wins_among_equals():
    summer = PriceRule(100, date_from=date(2026, 6, 1))
    autumn = PriceRule(200, date_from=date(2026, 9, 1))
    assert rule_on([summer, autumn], DAY, DayKind.HOLIDAY) == summer
    assert rule_on([autumn, summer], DAY, DayKind.HOLIDAY) == autumn


steps = st.lists(
    st.builds(RefundStep, st.integers(-48, 240).map(float), st.integers(0, 99)), max_size=6
)


@given(steps, st.integers(-72 * 60, 300 * 60))
def test_the_refund_step_is_the_earliest_deadline_that_has_not_passed(table, minutes_before):
    starts = datetime(2026, 10, 1, tzinfo=UTC)
    now = starts - timedelta(minutes=minutes_before)
    step = RefundRule(tuple(table)).step_at(now=now, visit_starts=starts)
    reachable = [s for s in table if minutes_before >= s.hours_before * 60]
    if step is None:
        assert not reachable
    else:
        assert step.hours_before == max(s.hours_before for s in reachable)
        deadline = RefundRule(tuple(table)).deadline(visit_starts=starts)
        assert deadline is not None
        assert now <= deadline


@given(st.integers(0, 10**9), st.integers(0, 100))
def test_the_refund_fee_is_within_the_price(price, percent):
    assert 0 <= refund_fee(price, percent) <= price
    assert abs(refund_fee(price, percent) - price * percent / 100) <= 0.5
