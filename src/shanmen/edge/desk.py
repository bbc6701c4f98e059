"""Where the store is worked on: one thread, so that the event loop never waits for a disk."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

R = TypeVar("R")


class Desk(Protocol):
    """Runs work on the store, one piece after the other."""

    async def run(self, work: Callable[[], R]) -> R:
        """What `work` returns, or whatever it raises."""
        ...

    def close(self) -> None:
        """Take no more work; what has begun is finished."""
        ...


class ThreadDesk:
    """One thread of its own: SQLite waits for the disk at each commit, the lanes must not."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def run(self, work: Callable[[], R]) -> R:
        """Run `work` in the thread, with the clock and the randomness of the caller."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: context.run(work))

    def close(self) -> None:
        """Wait for what has begun."""
        self._thread.shutdown(wait=True)


class InlineDesk:
    """The caller's own thread: a replay has no second one."""

    async def run(self, work: Callable[[], R]) -> R:
        """Run `work` here and now."""
        return work()

    def close(self) -> None:
        """Nothing is left to do."""
