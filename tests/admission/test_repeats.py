"""Each request of a gate is taken once, in whatever order they come."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.admission.protocol import COUNTS_APART
from shanmen.admission.service.counts import MOST, Taken


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
