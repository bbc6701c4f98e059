"""Each request of a gate is taken once, in whatever order they come; so is a scan's id."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.admission.protocol import COUNTS_APART
from shanmen.admission.service.counts import MOST, Taken
from shanmen.kit import ids
from shanmen.kit.errors import IdempotencyMismatch
from tests.admission.conftest import Gates


def take(*counts: int) -> list[bool]:
    """Whether each was taken, one after the other."""
    taken, found = Taken(), []
    for count in counts:
        after = taken.take(count)
        found.append(after is not None)
        taken = after or taken
    return found


def test_none_is_taken_twice():
    assert take(1, 2, 2, 1, 3) == [True, True, False, False, True]


def test_requests_may_overtake_each_other():
    assert take(3, 1, 2, 2, 1) == [True, True, True, False, False]


def test_what_is_far_behind_is_refused():
    last = COUNTS_APART + 1
    assert take(last, 1, 2, 2) == [True, False, True, False]


def test_a_gate_that_lost_power_begins_further_on():
    assert take(7, 1_000_001, 7, 1_000_000, MOST, MOST) == [True, True, False, True, True, False]


@pytest.mark.parametrize("count", [0, -1, MOST + 1])
def test_what_is_no_count(count: int):
    assert take(count) == [False]


@given(st.lists(st.integers(1, 400), max_size=300), st.integers(0, 2**32))
def test_no_order_of_arrival_has_one_taken_twice(counts: list[int], seed: int):
    random.Random(seed).shuffle(counts)
    taken = [count for count, done in zip(counts, take(*counts), strict=True) if done]
    assert len(taken) == len(set(taken))
    # Whatever is not far behind is taken the first time.
    highest = 0
    for place, count in enumerate(counts):
        if count > highest - COUNTS_APART and count not in counts[:place]:
            assert count in taken
        highest = max(highest, count)


async def test_a_scan_id_used_for_another_question_is_refused(gates: Gates) -> None:
    one, other = await gates.ticket("family"), await gates.ticket()
    asked: dict[str, Any] = {"scan_id": ids.new_id(), "persons": 1}
    first = await gates.scan(one.code, **asked)
    others: list[dict[str, Any]] = [
        {"code": other.code},
        {"code": "SM1FORGED"},
        {"persons": 2},
        {"lane_id": gates.east_2},
        {"document": one.documents[0]},
        {"direction": "in"},
    ]
    for changes in others:
        with pytest.raises(IdempotencyMismatch) as refused:
            await gates.scan(**{"code": one.code, **asked, **changes})
        assert refused.value.field == "scan_id"
    # Who stands there is no part of the question.
    assert await gates.scan(one.code, **asked, staff="Wu (wu)") == first
    assert (await gates.row(one.id)).persons_entered == 1
    assert (await gates.row(other.id)).persons_entered == 0
