"""Ids: in order, replayable, and never shared between forked processes."""

import os
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import clock, ids

MORNING = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)


def test_an_id_is_a_uuid_of_version_7_with_the_clock_in_it() -> None:
    with clock.at(MORNING):
        made = ids.new_id()
    assert isinstance(made, UUID)
    assert (made.version, made.variant) == (7, UUID(int=2 << 62).variant)
    assert made.int >> 80 == int(MORNING.timestamp() * 1000)
    assert made == UUID(str(made)) == UUID(bytes=made.bytes)
    assert hash(made) == hash(UUID(str(made)))


def test_ids_grow_also_within_a_millisecond() -> None:
    with clock.at(MORNING):
        made = [ids.new_id() for _ in range(5_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert len({one.int >> 80 for one in made}) == 1
    running = [ids.new_id() for _ in range(5_000)]
    assert running == sorted(running)


def test_ids_stay_in_order_when_the_clock_is_set_back_a_little() -> None:
    with ids.seeded(1), clock.at(MORNING) as frozen:
        first = ids.new_id()
        frozen.move_to(MORNING - timedelta(seconds=5))
        second = ids.new_id()
        frozen.move_to(MORNING - timedelta(days=1))
        third = ids.new_id()
    assert second > first
    assert third < first


def test_a_seed_replays_exactly() -> None:
    def run(seed: int) -> list[object]:
        with ids.seeded(seed), clock.at(MORNING) as frozen:
            made: list[object] = [ids.new_id(), ids.new_id()]
            frozen.advance(1)
            made += [ids.new_id(), ids.order_number(date(2026, 5, 1)), ids.token(8)]
            return [*made, ids.secret_bytes(5), ids.generator().random()]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_seeds_nest_and_end() -> None:
    with ids.seeded(1):
        outer = ids.token(8)
        with ids.seeded(1):
            assert ids.token(8) == outer
    assert ids.token(8) != outer


def test_threads_never_make_the_same_id() -> None:
    made: list[UUID] = []

    def make() -> None:
        with clock.at(MORNING):
            made.extend([ids.new_id() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_does_not_repeat_its_parent() -> None:
    ids.new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(ids.new_id().bytes for _ in range(20)))
        os._exit(0)
    os.close(writer)
    mine = {ids.new_id().bytes[6:] for _ in range(20)}
    got = b""
    while chunk := os.read(reader, 4096):
        got += chunk
    os.close(reader)
    os.waitpid(child, 0)
    theirs = {got[at + 6 : at + 16] for at in range(0, len(got), 16)}
    assert len(theirs) == 20
    assert not mine & theirs


def test_an_order_number_can_be_read_out() -> None:
    number = ids.order_number(date(2026, 5, 1))
    assert number.startswith("260501")
    assert len(number) == 16
    assert set(number[6:]) <= set(ids.CROCKFORD)
    assert len({ids.order_number(date(2026, 5, 1)) for _ in range(1000)}) == 1000


@given(st.text(ids.CROCKFORD, min_size=1, max_size=20))
def test_a_number_typed_carelessly_is_still_found(printed: str) -> None:
    typed = " ".join(printed.lower()).replace("0", "o").replace("1", "l")
    assert ids.normalise(typed) == ids.normalise(printed) == printed


@given(st.integers(0, (1 << 50) - 1), st.integers(10, 13))
def test_crockford_is_the_number(number: int, length: int) -> None:
    text = ids.crockford(number, length)
    assert len(text) == length
    assert sum(ids.CROCKFORD.index(c) << 5 * at for at, c in enumerate(reversed(text))) == number


def test_crockford_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ids.crockford(32, 1)


def test_a_token_is_url_safe_and_long_enough() -> None:
    assert len(ids.token(32)) == 43
    assert set(ids.token(300)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )
    assert len(ids.secret_bytes(9)) == 9


def test_the_interpreter_still_makes_uuids_of_two_slots() -> None:
    # new_id fills the two slots by hand; a third one would stay empty.
    assert set(UUID.__slots__) == {"int", "is_safe", "__weakref__"}, sys.version
