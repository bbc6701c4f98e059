"""One reading for all who look, and streams that tell what changed."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from shanmen.insight.live import Board, Boards
from shanmen.insight.pages import parts
from shanmen.insight.pages.today import events
from shanmen.kit import clock
from shanmen.web.render import Web, WebConfig
from tests.insight.conftest import Day
from tests.support.park import ZONE
from tests.support.patience import PATIENCE_SECONDS

WEB = Web(WebConfig(secret=b"s" * 32))


@pytest.fixture
def board(visit: Day) -> Board:
    return Boards(visit.database, seconds=0.05).of(visit.park.tenant_id, visit.park.site_id, ZONE)


async def next_figures(
    stream: AsyncIterator[bytes], *, seconds: float = PATIENCE_SECONDS
) -> dict[str, str]:
    """The next event, without comments."""
    async with asyncio.timeout(seconds):
        async for chunk in stream:
            name, _, data = chunk.decode().partition("\n")
            if name == "event: figures":
                assert data.startswith("data: ")
                assert data.endswith("\n\n")
                return dict(json.loads(data.removeprefix("data: ")))
    raise AssertionError("the stream ended")


async def figure(stream: AsyncIterator[bytes], name: str) -> dict[str, str]:
    """The next event that changes a figure."""
    while True:
        changed = await next_figures(stream)
        if name in changed:
            return changed


async def test_an_admission_reaches_whoever_watches(visit: Day, board: Board) -> None:
    _, [adult] = await visit.sell(("adult", 0))
    with clock.at(visit.at(8, 30)):
        stream = events(board, WEB, "en")
        first = await next_figures(stream)
        assert (first["entered"], first["visit_sold"], first["as_of"]) == ("0", "1", "08:30:00")
        assert set(first) == {*parts.fragments(WEB, "en", await board.figures())}
        await visit.scan(adult, visit.at(8, 30))
        changed = await figure(stream, "entered")
        assert (changed["entered"], changed["inside"]) == ("1", "1")
        assert "East gate" in changed["entrances"]
        assert json.loads(changed["chart"])["today"] == [1]
        assert "taken" not in changed, "only what changed is sent"
        await stream.aclose()
    assert board.watchers == 0


async def test_watchers_share_one_reading_and_one_drawing(board: Board) -> None:
    found = await asyncio.gather(*(board.figures() for _ in range(10)))
    assert len({id(one) for one in found}) == 1
    drawn = [board.rendered("en", lambda figures: object()) for _ in range(3)]
    assert len({id(one) for one in drawn}) == 1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await board.figures() is found[0]:  # noqa: ASYNC110 - it is read when asked
            await asyncio.sleep(0.05)
    assert board.rendered("en", lambda figures: object()) is not drawn[0]


async def test_nothing_is_read_when_nobody_looks(board: Board) -> None:
    one, other = board.watch(), board.watch()
    assert await anext(one)
    assert await anext(other)
    assert board.watchers == 2
    await one.aclose()
    assert await anext(other), "the other goes on"
    await other.aclose()
    latest = board.latest
    await asyncio.sleep(0.4)
    assert board.latest is latest


async def test_a_watcher_without_news_hears_a_heartbeat(visit: Day) -> None:
    board = Boards(visit.database, seconds=60).of(visit.park.tenant_id, visit.park.site_id, ZONE)
    await board.figures()
    watching = board.watch(heartbeat=0.05)
    assert await anext(watching) is True
    assert await anext(watching) is False
    await watching.aclose()
    stream = events(board, WEB, "zh-CN", heartbeat=0.05, seconds=2)
    chunks = [chunk async for chunk in stream]
    assert chunks[0].startswith(b"retry: ")
    assert b": still here\n\n" in chunks
    assert board.watchers == 0, "it ends by itself, so that a stale right to read ends too"


async def test_closing_ends_every_stream(visit: Day) -> None:
    boards = Boards(visit.database, seconds=60)
    board = boards.of(visit.park.tenant_id, visit.park.site_id, ZONE)
    streams = [events(board, WEB, "en") for _ in range(3)]
    for stream in streams:
        await next_figures(stream)
    boards.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        for stream in streams:
            assert [chunk async for chunk in stream] == []
    late = boards.of(visit.park.tenant_id, visit.park.site_id, "Asia/Urumqi")
    assert [heard async for heard in late.watch()] == []


async def test_reading_goes_on_after_a_failure(
    visit: Day, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Boards(visit.database, seconds=0.05).of(
        visit.park.tenant_id, visit.park.entrance_id, ZONE
    )
    watching = broken.watch(heartbeat=0.3)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "could not be read" not in caplog.text:
            assert await anext(watching) is False
    assert "could not be read" in caplog.text
    assert await anext(watching) is False, "and the stream stays open"
    await watching.aclose()
