"""The code that changes: fresh for a minute, told when old, worthless without the day's key."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit.crypto import Keyring
from shanmen.tickets import rotating
from shanmen.tickets.rotating import Outcome, RotatingVerdict

KEYRING = Keyring(bytes(range(32)))
TICKET = UUID("019690e2-4c00-7000-8000-00000000002a")
ZONE = "Asia/Shanghai"
NOW = datetime(2026, 5, 1, 1, 2, 40, tzinfo=UTC)
"""Ten seconds into a step, 09:02 at the park."""


def day_key_of(day: date) -> bytes | None:
    return rotating.day_key(KEYRING, site_number=3, day=day)


def key_at(instant: datetime, generation: int = 0) -> bytes:
    key = day_key_of(rotating.day_of(rotating.step_at(instant), ZONE))
    assert key is not None
    return rotating.ticket_key(key, ticket_id=TICKET, generation=generation)


def shown(instant: datetime, generation: int = 0) -> str:
    return rotating.tail(key_at(instant, generation), rotating.step_at(instant))


def check(tail: str | None, now: datetime = NOW, keys=day_key_of) -> RotatingVerdict:
    return rotating.check(
        tail, ticket_id=TICKET, generation=0, now=now, timezone=ZONE, day_key_of=keys
    )


@pytest.mark.parametrize(
    ("age", "outcome", "seconds"),
    [
        (0, Outcome.FRESH, 0),
        (30, Outcome.FRESH, 0),
        (-30, Outcome.FRESH, 0),
        (60, Outcome.STALE, 40),
        (3600, Outcome.STALE, 3580),
        (7200, Outcome.STALE, 7180),
        (-60, Outcome.FROM_FUTURE, 50),
        (-300, Outcome.FROM_FUTURE, 290),
        (-3600, Outcome.WRONG, 0),
        (25 * 3600, Outcome.STALE, 25 * 3600 - 20),
        (27 * 3600, Outcome.WRONG, 0),
    ],
)
def test_a_code_is_judged_by_its_age(age: int, outcome: Outcome, seconds: int) -> None:
    verdict = check(shown(NOW - timedelta(seconds=age)))
    assert verdict == RotatingVerdict(outcome, seconds)
    assert verdict.fresh == (outcome is Outcome.FRESH)


@given(st.integers(-30, 59))
def test_a_picture_is_worth_nothing_a_minute_later(delay: int) -> None:
    taken = datetime(2026, 5, 1, 1, 2, 30, tzinfo=UTC)
    picture = shown(taken)
    assert check(picture, taken + timedelta(seconds=delay)).fresh
    assert not check(picture, taken + timedelta(seconds=max(60, delay + 60))).fresh


@given(st.integers(-480, 93_000), st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1)))  # noqa: DTZ001
def test_an_old_code_is_never_called_wrong_nor_fresh(age: int, naive: datetime) -> None:
    now = naive.replace(tzinfo=UTC, microsecond=0)
    verdict = check(shown(now - timedelta(seconds=age)), now)
    behind = rotating.step_at(now) - rotating.step_at(now - timedelta(seconds=age))
    expected = (
        Outcome.FRESH if abs(behind) <= 1 else Outcome.STALE if behind > 0 else Outcome.FROM_FUTURE
    )
    assert verdict.outcome is expected
    assert 0 <= verdict.seconds <= 93_000


def test_codes_of_another_ticket_generation_or_site_are_wrong() -> None:
    assert check(shown(NOW, generation=1)).outcome is Outcome.WRONG
    key = day_key_of(date(2026, 5, 1))
    assert key is not None
    other = rotating.ticket_key(key, ticket_id=UUID(int=1), generation=0)
    assert check(rotating.tail(other, rotating.step_at(NOW))).outcome is Outcome.WRONG

    def of_another_site(day: date) -> bytes:
        return rotating.day_key(KEYRING, site_number=4, day=day)

    assert check(shown(NOW), keys=of_another_site).outcome is Outcome.WRONG


@pytest.mark.parametrize("tail", ["", "0" * 8, "0" * 10, "_" * 9, ":" * 9, "000000000"])
def test_what_is_no_code_is_wrong(tail: str) -> None:
    assert check(tail).outcome is Outcome.WRONG


def test_paper_has_no_code() -> None:
    assert check(None) == RotatingVerdict(Outcome.MISSING)


def test_without_the_key_of_the_day_it_cannot_be_told() -> None:
    assert check(shown(NOW), keys=lambda _: None).outcome is Outcome.NO_KEY
    yesterday = {date(2026, 4, 30): day_key_of(date(2026, 4, 30))}
    assert check(shown(NOW), keys=yesterday.get).outcome is Outcome.NO_KEY
    # The day before is known, so its picture is told from a code that was never right.
    assert check(shown(NOW - timedelta(hours=20)), keys=yesterday.get).outcome is Outcome.STALE


def test_the_key_is_that_of_the_local_day_the_step_begins_in() -> None:
    midnight = datetime(2026, 4, 30, 16, 0, tzinfo=UTC)
    before, after = midnight - timedelta(seconds=1), midnight + timedelta(seconds=1)
    assert rotating.day_of(rotating.step_at(before), ZONE) == date(2026, 4, 30)
    assert rotating.day_of(rotating.step_at(after), ZONE) == date(2026, 5, 1)
    assert check(shown(before), after).fresh
    assert check(shown(after), before).fresh


def test_keys_are_apart_by_site_day_ticket_and_generation() -> None:
    days = {
        rotating.day_key(KEYRING, site_number=site, day=date(2026, 5, day))
        for site in (1, 2, 11)
        for day in (1, 2, 11)
    }
    assert len(days) == 9
    key = days.pop()
    tickets = {
        rotating.ticket_key(key, ticket_id=UUID(int=number), generation=generation)
        for number in (1, 2)
        for generation in (0, 1)
    }
    assert len(tickets) == 4


def test_a_tail_is_nine_characters_of_a_qr_codes_alphanumeric_mode() -> None:
    tails = {
        rotating.tail(key_at(NOW), step) for step in range(rotating.step_at(NOW), 10**9, 10**7)
    }
    assert {len(tail) for tail in tails} == {9}
