"""Today's figures, read once for all who look.

Each process keeps one board per site. Whoever asks gets figures that are at most a second old;
while somebody watches, the board reads them anew each second and wakes all watchers. Where a day is
so full that reading takes long, it reads less often, so that looking never costs the gates more
than a fifth of one connection.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from datetime import date
from typing import Any, Final
from uuid import UUID

from litestar.connection import ASGIConnection

from shanmen.db.session import Database
from shanmen.insight.queries.today import WEEK, entries_of_day, today_figures
from shanmen.insight.schemas import TodayFigures
from shanmen.kit import clock
from shanmen.web.stopping import at_stop, not_at_stop

log = logging.getLogger(__name__)

SECONDS: Final = 1.0
REST: Final = 4
"""After a reading the board rests so many times as long as the reading took."""
LAST_WEEK_SECONDS: Final = 600.0
"""A day that is past changes only when a gate hands in late what it admitted."""
HEARTBEAT_SECONDS: Final = 15.0
_STATE_KEY: Final = "shanmen_insight"

Connection = ASGIConnection[Any, Any, Any, Any]


class Board:
    """Today's figures of one site; made by `Boards.of`."""

    def __init__(
        self, database: Database, tenant_id: int, site_id: UUID, timezone: str, *, seconds: float
    ) -> None:
        self._unit = database.unit(tenant_id)
        self._site_id = site_id
        self._timezone = timezone
        self._seconds = seconds
        self._pace = seconds
        self._lock = asyncio.Lock()
        self._latest: TodayFigures | None = None
        self._read_at = 0.0
        self._last_week: tuple[date, float, dict[int, int]] | None = None
        self._made: dict[object, Any] = {}
        self._news = asyncio.Event()
        self._watchers = 0
        self._refresher: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return self._watchers

    @property
    def latest(self) -> TodayFigures | None:
        """What was read last, however long ago."""
        return self._latest

    async def figures(self) -> TodayFigures:
        """Today's figures, at most as old as the board's pace; many who ask share one reading."""
        return self._fresh() or await self._read_once()

    def rendered(self, key: object, make: Callable[[TodayFigures], Any]) -> Any:  # noqa: ANN401 - what `make` makes
        """What `make` makes of the latest figures, made once for all who name the same key."""
        if self._latest is None:
            raise LookupError("Nothing was read yet.")
        if key not in self._made:
            self._made[key] = make(self._latest)
        return self._made[key]

    async def watch(self, *, heartbeat: float = HEARTBEAT_SECONDS) -> AsyncGenerator[bool, None]:
        """True whenever there are new figures, the first at once; False after a silent while.

        It ends when the board is closed. Leave it by ``aclose()``, or the board goes on reading.
        """
        self._watchers += 1
        try:
            if self._refresher is None:
                self._refresher = asyncio.create_task(self._refresh())
            news = self._news
            if self._fresh():
                yield True
            while not self._closed.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), heartbeat)
                if self._closed.is_set():
                    return
                heard = news.is_set()
                news = self._news
                yield heard
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._stop()

    def close(self) -> None:
        """End all watching."""
        self._closed.set()
        self._announce()
        self._stop()

    def _stop(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()
            self._refresher = None

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _fresh(self) -> TodayFigures | None:
        """The latest figures if they are young and still of today."""
        if (
            self._latest is None
            or _monotonic() - self._read_at >= self._pace
            or self._latest.day != clock.today(self._timezone)
        ):
            return None
        return self._latest

    async def _read_once(self) -> TodayFigures:
        async with self._lock:
            # Whoever waited for the lock finds what the one before has read.
            return self._fresh() or await self._read()

    async def _read(self) -> TodayFigures:
        began = _monotonic()
        now = clock.now()
        day = clock.local(now, self._timezone).date()
        figures = await self._unit(
            today_figures,
            site_id=self._site_id,
            day=day,
            now=now,
            last_week=await self._entries_last_week(day),
        )
        self._read_at = _monotonic()
        self._pace = max(self._seconds, REST * (self._read_at - began)) if self._seconds else 0.0
        self._latest = figures
        self._made.clear()
        self._announce()
        return figures

    async def _entries_last_week(self, day: date) -> dict[int, int]:
        kept = self._last_week
        if kept is None or kept[0] != day or _monotonic() - kept[1] > LAST_WEEK_SECONDS:
            entries = await self._unit(entries_of_day, site_id=self._site_id, day=day - WEEK)
            kept = self._last_week = day, _monotonic(), entries
        return kept[2]

    async def _refresh(self) -> None:
        while True:
            try:
                await self.figures()
            except Exception:
                # The page says how old its figures are; the next reading may succeed.
                log.exception("today's figures could not be read")
            await asyncio.sleep(max(self._pace, 0.05))


class Boards:
    """The boards of one process.

    Args:
        seconds: how old figures may be; 0 reads them each time, for tests.
    """

    def __init__(self, database: Database, *, seconds: float = SECONDS) -> None:
        self.database = database
        self._seconds = seconds
        self._boards: dict[tuple[int, UUID, str], Board] = {}
        self._closed = False

    def of(self, tenant_id: int, site_id: UUID, timezone: str) -> Board:
        """The board of a site that the caller has found to be the tenant's own."""
        key = tenant_id, site_id, timezone
        board = self._boards.get(key)
        if board is None:
            board = Board(self.database, tenant_id, site_id, timezone, seconds=self._seconds)
            self._boards[key] = board
            if self._closed:
                board.close()
        return board

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed = True
        not_at_stop(self.close)
        for board in self._boards.values():
            board.close()


def boards_of(connection: Connection) -> Boards:
    """The application's boards; made at the first use."""
    state = connection.app.state
    found = state.get(_STATE_KEY)
    if not isinstance(found, Boards) or found.database is not state.database:
        found = Boards(state.database)
        at_stop(found.close)
        state[_STATE_KEY] = found
    return found


def close_boards(state: Any) -> None:  # noqa: ANN401 - Litestar's State
    """End all streams of an application, if it has any: for its shutdown."""
    found = state.get(_STATE_KEY)
    if isinstance(found, Boards):
        found.close()


def _monotonic() -> float:
    """Real seconds: how old figures are does not depend on what day is simulated."""
    return asyncio.get_running_loop().time()
