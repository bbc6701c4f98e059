"""Coalescing: batches grow under load, and one bad item never costs its neighbours anything."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shanmen.kit import clock
from shanmen.kit.coalesce import Coalescer, CommitUnknown, WrongNumberOfResults
from shanmen.kit.errors import NotFound, Overloaded


class Recorder:
    """A run that can be held, and that fails where told."""

    def __init__(self, fails: Callable[[list[int]], Exception | None] = lambda _: None) -> None:
        self.calls: list[list[int]] = []
        self.done: list[int] = []
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()
        self.flying: Counter[str] = Counter()
        self.most_flying = 0

    async def __call__(self, key: str, items: list[int]) -> list[int]:
        self.calls.append(items)
        self.flying[key] += 1
        self.most_flying = max(self.most_flying, self.flying[key])
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            error = self.fails(items)
            if error is not None:
                raise error
            self.done += items
            return [item * 10 for item in items]
        finally:
            self.flying[key] -= 1


def coalescer(run: Recorder, **options) -> Coalescer[str, int, int]:
    return Coalescer(run, **{"max_batch": 4, "max_queue": 100, **options})


async def ticks(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def gather(batcher: Coalescer[str, int, int], items, key: str = "a") -> list:
    return await asyncio.gather(
        *(batcher.submit(key, item) for item in items), return_exceptions=True
    )


async def test_one_item_goes_at_once_and_alone() -> None:
    run = Recorder()
    batcher = coalescer(run)
    assert await batcher.submit("a", 1) == 10
    assert await batcher.submit("a", 2) == 20
    assert run.calls == [[1], [2]]


async def test_what_arrives_meanwhile_goes_together_next() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run)
    first = asyncio.create_task(batcher.submit("a", 1))
    await ticks()
    rest = asyncio.create_task(gather(batcher, range(2, 8)))
    await ticks()
    assert run.calls == [[1]]
    assert batcher.figures().depth == 6
    assert batcher.figures().in_flight == 1
    run.gate.set()
    assert await first == 10
    assert await rest == [20, 30, 40, 50, 60, 70]
    assert run.calls == [[1], [2, 3, 4, 5], [6, 7]]
    figures = batcher.figures()
    assert (figures.batches, figures.items, figures.largest) == (3, 7, 4)
    assert (figures.depth, figures.in_flight) == (0, 0)


async def test_keys_do_not_wait_for_each_other_and_are_forgotten() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run)
    both = [asyncio.create_task(batcher.submit(key, 1)) for key in "ab"]
    await ticks()
    assert run.calls == [[1], [1]]
    run.gate.set()
    await asyncio.gather(*both)
    await ticks()
    assert batcher._lanes == {}


async def test_concurrency_is_per_key_and_kept() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run, max_batch=1, concurrency=3)
    work = asyncio.create_task(gather(batcher, range(10)))
    await ticks(10)
    assert run.flying["a"] == 1
    more = [asyncio.create_task(batcher.submit("a", item)) for item in (10, 11, 12)]
    for _ in more:
        await ticks()
    assert run.most_flying <= 3
    run.gate.set()
    assert await work == [item * 10 for item in range(10)]
    await asyncio.gather(*more)
    assert run.most_flying <= 3


async def test_a_second_batch_starts_beside_the_first_when_allowed() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run, concurrency=2)
    tasks = []
    for item in (1, 2, 3):
        tasks.append(asyncio.create_task(batcher.submit("a", item)))
        await ticks()
    assert run.calls == [[1], [2]]
    run.gate.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30]


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run, max_queue=8)
    with clock.at(datetime(2026, 5, 1, tzinfo=UTC)) as frozen:
        first = asyncio.create_task(batcher.submit("a", 0))
        await ticks()
        frozen.advance(3)
        run.gate.set()
        await first
        run.gate.clear()
        flying = asyncio.create_task(batcher.submit("a", 0))
        await ticks()
        waiting = asyncio.create_task(gather(batcher, range(8)))
        await ticks()
        with pytest.raises(Overloaded) as caught:
            await batcher.submit("a", 9)
        # Two batches of four wait, and one took three seconds.
        assert caught.value.retry_after == 6
        other = asyncio.create_task(batcher.submit("b", 1))
        await ticks()
        run.gate.set()
        assert await other == 10
        await flying
        assert await waiting == [item * 10 for item in range(8)]
    assert batcher.figures().refused == 1


@pytest.mark.parametrize("culprit", range(8))
async def test_only_the_culprit_gets_an_unexpected_error(culprit: int) -> None:
    boom = RuntimeError("unexpected")
    run = Recorder(lambda items: boom if culprit in items else None)
    batcher = coalescer(run, max_batch=8)
    results = await gather(batcher, range(8))
    assert results[culprit] is boom
    assert [r for r in results if r is not boom] == [i * 10 for i in range(8) if i != culprit]
    assert sorted(run.done) == [item for item in range(8) if item != culprit]
    assert batcher.figures().bisections == 3


async def test_a_refusal_is_a_result() -> None:
    async def run(_: str, items: list[int]) -> list[int | NotFound]:
        return [NotFound() if item == 2 else item for item in items]

    batcher: Coalescer[str, int, int | NotFound] = Coalescer(run, max_batch=4, max_queue=9)
    results = await asyncio.gather(*(batcher.submit("a", item) for item in (1, 2, 3)))
    assert isinstance(results[1], NotFound)
    assert (results[0], results[2]) == (1, 3)
    assert batcher.figures().batches == 1


async def test_trouble_that_is_not_in_the_items_is_not_searched_for_ever() -> None:
    run = Recorder(lambda _: RuntimeError("the database is gone"))
    batcher = coalescer(run, max_batch=512, max_queue=512)
    results = await gather(batcher, range(512))
    assert {type(result) for result in results} == {RuntimeError}
    assert batcher.figures().batches == 32
    run.fails = lambda _: None
    assert await batcher.submit("a", 1) == 10


@pytest.mark.parametrize("error", [Overloaded(retry_after=2), ConnectionError("gone")])
async def test_shared_trouble_is_told_to_all_at_once(error: Exception) -> None:
    run = Recorder(lambda _: error)
    batcher = coalescer(run, shared=(Overloaded, ConnectionError))
    assert await gather(batcher, range(4)) == [error] * 4
    assert batcher.figures().batches == 1


async def test_a_lost_commit_is_run_again_as_it_is() -> None:
    answers: list[Exception | None] = [CommitUnknown(), CommitUnknown(), None]
    run = Recorder(lambda _: answers.pop(0))
    batcher = coalescer(run)
    assert await gather(batcher, range(3)) == [0, 10, 20]
    assert run.calls == [[0, 1, 2]] * 3
    assert batcher.figures().reruns == 2


async def test_a_commit_that_stays_unknown_is_told_to_all_and_never_split() -> None:
    run = Recorder(lambda _: CommitUnknown())
    batcher = coalescer(run, reruns=1)
    results = await gather(batcher, range(3))
    assert {type(result) for result in results} == {CommitUnknown}
    assert run.calls == [[0, 1, 2]] * 2


async def test_a_lost_commit_inside_a_search_concerns_its_half_alone() -> None:
    def fails(items: list[int]) -> Exception | None:
        if 3 in items:
            return ValueError("bad")
        return CommitUnknown() if 0 in items else None

    run = Recorder(fails)
    batcher = coalescer(run, reruns=0)
    results = await gather(batcher, range(4))
    assert [type(result) for result in results] == [CommitUnknown, CommitUnknown, int, ValueError]


async def test_a_wrong_number_of_results_is_a_mistake_that_nobody_repeats() -> None:
    async def run(_: str, items: list[int]) -> list[int]:
        calls.append(items)
        return items[:-1]

    calls: list[list[int]] = []
    batcher: Coalescer[str, int, int] = Coalescer(run, max_batch=4, max_queue=9)
    results = await gather(batcher, range(3))
    assert {type(result) for result in results} == {WrongNumberOfResults}
    assert len(calls) == 1


async def test_a_cancelled_caller_takes_back_what_has_not_started() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run)
    tasks = [asyncio.create_task(batcher.submit("a", 1))]
    await ticks()
    tasks += [asyncio.create_task(batcher.submit("a", item)) for item in (2, 3)]
    await ticks()
    tasks[0].cancel()
    tasks[1].cancel()
    await ticks()
    run.gate.set()
    assert await tasks[2] == 30
    assert run.calls == [[1], [3]]
    assert run.done == [1, 3]


async def test_a_timeout_of_a_caller_does_not_stop_the_batch() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await batcher.submit("a", 1)
    run.gate.set()
    await batcher.close()
    assert run.done == [1]


async def test_closing_drains_and_refuses() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run)
    work = asyncio.create_task(gather(batcher, range(6)))
    await ticks()
    closing = asyncio.create_task(batcher.close())
    await ticks()
    with pytest.raises(Overloaded):
        await batcher.submit("a", 9)
    with pytest.raises(Overloaded):
        await batcher.submit("new", 9)
    assert not closing.done()
    run.gate.set()
    await closing
    assert await work == [item * 10 for item in range(6)]
    await batcher.close()
    assert batcher._lanes == {}


async def test_nobody_waits_for_ever_when_the_process_goes_down() -> None:
    run = Recorder()
    run.gate.clear()
    batcher = coalescer(run)
    flying = asyncio.create_task(batcher.submit("a", 1))
    await ticks()
    waiting = asyncio.create_task(batcher.submit("a", 2))
    await ticks()
    for task in batcher._tasks:
        task.cancel()
    with pytest.raises(CommitUnknown):
        await flying
    with pytest.raises(Overloaded):
        await waiting
    run.gate.set()
    assert await batcher.submit("a", 3) == 30


async def test_the_list_belongs_to_the_run() -> None:
    async def run(_: str, items: list[int]) -> list[int]:
        if len(items) > 1:
            items.clear()
            raise ValueError
        return items

    batcher: Coalescer[str, int, int] = Coalescer(run, max_batch=4, max_queue=9)
    assert await gather(batcher, range(4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("option", ["max_batch", "max_queue", "concurrency"])
def test_limits_are_at_least_one(option: str) -> None:
    run = Recorder()
    with pytest.raises(ValueError, match="at least 1"):
        coalescer(run, **{option: 0})


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["good", "good", "good", "bad", "cancelled"]),
        st.integers(0, 3),
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(
    events=EVENTS,
    max_batch=st.integers(1, 9),
    concurrency=st.integers(1, 3),
    lost=st.sets(st.integers(0, 30), max_size=2),
)
def test_whatever_happens_everybody_gets_the_own_answer(
    events: list[tuple[str, str, int]], max_batch: int, concurrency: int, lost: set[int]
) -> None:
    bad = {at for at, (_, kind, _) in enumerate(events) if kind == "bad"}
    runs = 0
    committed: Counter[int] = Counter()
    seen: dict[int, int] = {}

    async def run(key: str, items: list[int]) -> list[int]:
        nonlocal runs
        runs += 1
        this = runs
        assert 0 < len(items) <= max_batch
        assert {events[item][0] for item in items} == {key}
        await asyncio.sleep(0)
        if bad & set(items):
            raise KeyError(*sorted(bad & set(items)))
        committed.update(set(items) - seen.keys())
        seen.update((item, item * 10) for item in items)
        if this in lost:
            raise CommitUnknown
        return [seen[item] for item in items]

    async def play() -> list[int | BaseException]:
        batcher = Coalescer(run, max_batch=max_batch, max_queue=1000, concurrency=concurrency)
        tasks = []
        for at, (key, kind, pause) in enumerate(events):
            tasks.append(asyncio.create_task(batcher.submit(key, at)))
            await ticks(pause)
            if kind == "cancelled":
                tasks[-1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        assert batcher._lanes == {}
        assert batcher.figures().depth == batcher.figures().in_flight == 0
        return results

    with asyncio.Runner() as runner:
        results = runner.run(play())
    for at, ((_, kind, _), result) in enumerate(zip(events, results, strict=True)):
        committed_once, answered = EXPECTED[kind]
        assert committed[at] in committed_once
        assert answered(at, result)


EXPECTED: dict[str, tuple[set[int], Callable[[int, object], bool]]] = {
    "good": ({1}, lambda at, result: result == at * 10),
    "bad": ({0}, lambda _, result: isinstance(result, KeyError)),
    "cancelled": ({0, 1}, lambda _, __: True),
}
