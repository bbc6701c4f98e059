import asyncio
from datetime import UTC, datetime

import pytest

from shanmen.kit import clock
from shanmen.sites.cache import Remembered

NOW = datetime(2026, 10, 1, tzinfo=UTC)


class Source:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_an_answer_lives_for_its_seconds():
    cache: Remembered[int, object] = Remembered(seconds=5)
    source = Source("a", "b")
    with clock.at(NOW) as time:
        assert await cache.get(1, source) == "a"
        time.advance(4.9)
        assert await cache.get(1, source) == "a"
        time.advance(0.1)
        assert await cache.get(1, source) == "b"


async def test_it_is_renewed_before_anybody_waits():
    cache: Remembered[int, object] = Remembered(seconds=5, renew_after=3)
    source = Source("a", "b", ValueError("x"), "c")
    with clock.at(NOW) as time:
        assert await cache.get(1, source) == "a"
        time.advance(2.9)
        assert await cache.get(1, source) == "a"
        assert source.asked == 1
        time.advance(0.1)
        assert [await cache.get(1, source) for _ in range(3)] == ["a"] * 3
        await asyncio.sleep(0.01)
        assert await cache.get(1, source) == "b"
        assert source.asked == 2
        # Where renewing fails, what is kept is given as long as it may be, and no longer.
        time.advance(4)
        assert await cache.get(1, source) == "b"
        await asyncio.sleep(0.01)
        time.advance(1)
        assert await cache.get(1, source) == "c"


async def test_none_is_asked_again():
    cache: Remembered[int, object] = Remembered(seconds=5)
    source = Source(None, "b")
    assert await cache.get(1, source) is None
    assert await cache.get(1, source) == "b"


async def test_many_at_once_ask_once():
    cache: Remembered[int, object] = Remembered(seconds=5)
    source = Source("a")
    assert await asyncio.gather(*(cache.get(1, source) for _ in range(50))) == ["a"] * 50
    assert source.asked == 1


async def test_an_error_reaches_all_and_is_forgotten():
    cache: Remembered[int, object] = Remembered(seconds=5)
    source = Source(ValueError("x"), "b")
    results = await asyncio.gather(
        *(cache.get(1, source) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [ValueError] * 3
    assert await cache.get(1, source) == "b"


async def test_one_that_gives_up_leaves_the_others_their_answer():
    cache: Remembered[int, object] = Remembered(seconds=5)
    source = Source("a")
    first = asyncio.ensure_future(cache.get(1, source))
    second = asyncio.ensure_future(cache.get(1, source))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == "a"


async def test_what_is_forgotten_during_its_look_up_is_not_kept():
    cache: Remembered[int, object] = Remembered(seconds=5)
    source = Source("old", "new")
    waiting = asyncio.ensure_future(cache.get(1, source))
    await asyncio.sleep(0)
    cache.forget(1)
    assert await waiting == "old"
    assert await cache.get(1, source) == "new"


async def test_the_oldest_makes_room():
    cache: Remembered[int, object] = Remembered(seconds=5, max_entries=2)
    for key in (1, 2, 3):
        await cache.get(key, Source(key))
    assert await cache.get(1, Source("again")) == "again"
    assert await cache.get(3, Source()) == 3
    cache.clear()
    assert await cache.get(3, Source("anew")) == "anew"
