"""A small memory of what every request asks again: who a key belongs to, where an address leads.

Entries are short-lived, because another process may change what they say. Requests that miss the
same entry at the same moment wait for one look-up instead of making one each.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from shanmen.kit import clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES = 4096


class Remembered(Generic[K, V]):
    """Values by key for `seconds`; None is an answer that is never kept.

    Args:
        seconds: how long an answer is used again.
        renew_after: from this age on it is looked up again, while the one that is kept is still
            given: then nobody waits for it, as long as somebody asks often enough.
        max_entries: beyond this many the oldest answer is forgotten.
    """

    def __init__(
        self, *, seconds: float, renew_after: float | None = None, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._seconds = seconds
        self._renew_after = seconds if renew_after is None else renew_after
        self._max = max_entries
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V | None]] = {}

    def forget(self, key: K) -> None:
        """Look this key up again at its next use, also if it is being looked up now."""
        self._values.pop(key, None)
        self._loading.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._loading.clear()

    async def get(self, key: K, load: Callable[[], Awaitable[V | None]]) -> V | None:
        """The remembered value, or what `load` finds."""
        kept = self._values.get(key)
        if kept is not None and 0 <= (age := clock.monotonic() - kept[0]) < self._seconds:
            if age >= self._renew_after:
                self._look_up(key, load)
            return kept[1]
        # The look-up goes on for the others when the request that began it is given up.
        return await asyncio.shield(self._look_up(key, load))

    def _look_up(self, key: K, load: Callable[[], Awaitable[V | None]]) -> asyncio.Task[V | None]:
        """The look-up that goes on for this key, or one that begins now."""
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._load(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return task

    async def _load(self, key: K, load: Callable[[], Awaitable[V | None]]) -> V | None:
        # Time is taken before the look-up, so that an answer never lives longer than it may.
        started = clock.monotonic()
        value = await load()
        if value is not None and self._loading.get(key) is asyncio.current_task():
            self._values[key] = (started, value)
            self._values.move_to_end(key)
            if len(self._values) > self._max:
                self._values.popitem(last=False)
        return value

    def _loaded(self, key: K, task: asyncio.Task[V | None]) -> None:
        if self._loading.get(key) is task:
            del self._loading[key]
        if not task.cancelled():
            # Marks the error as seen: those who wait for the look-up get it themselves.
            task.exception()
