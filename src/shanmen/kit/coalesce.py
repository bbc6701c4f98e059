"""Gather requests that arrive at the same time into one batch, without ever waiting for more.

A hot row costs one lock and one commit per transaction, however many requests the transaction
serves. So the first request starts a batch at once, and those that arrive while it is in flight go
together in the next: an idle system adds no delay, a busy one grows its batches by itself.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shanmen.kit import clock
from shanmen.kit.errors import DomainError, Overloaded

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")

_LONGEST_RETRY_AFTER = 60
_SMOOTHING = 0.2
_FIRST_RERUN_DELAY = 0.05
# Runs that may fail in a row: a batch of 16 is searched to its end even if every item is bad.
_PATIENCE = 32


class CommitUnknown(DomainError):
    """The answer to a COMMIT was lost: the work may or may not be durable.

    ``run`` raises it for its batch. A caller that gets it repeats the same request with the same
    idempotency key, and learns what became of the first.
    """

    code = "kit.commit_unknown"
    status = 503


class WrongNumberOfResults(Exception):
    """A run did not return one result per item: a mistake in its code."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a coalescer has done so far, for the metrics."""

    batches: int
    """Runs, those of halves and repeats included."""
    items: int
    """Items handed to a first run."""
    largest: int
    """Most items in one run."""
    depth: int
    """Items waiting now, over all keys."""
    in_flight: int
    """Batches in flight now, over all keys."""
    refused: int
    """Items refused because the queue of their key was full."""
    bisections: int
    """Batches that failed and were split."""
    reruns: int
    """Batches repeated because the answer to their commit was lost."""


class _Lane(Generic[T, R]):
    """The items of one key that wait, and how many batches of it are in flight."""

    __slots__ = ("running", "starting", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self.running = 0
        self.starting = False


class _Search:
    """The search for the culprits of a failed batch: how many runs failed in a row."""

    __slots__ = ("failures",)

    def __init__(self) -> None:
        self.failures = 0


class Coalescer(Generic[K, T, R]):
    """Runs batches of items, one at a time per key.

    ``run(key, items)`` returns one result per item, in order. A refusal of one item (sold out, a
    limit reached) is a *result*, not an exception: whatever ``run`` raises concerns the batch.

    - An unexpected exception: the batch is run again in halves, so that only the culprit's caller
      gets the exception. ``run`` must therefore leave nothing behind when it raises. When very
      many runs in a row fail, the trouble is not in the items: the rest gets the exception too.
    - ``shared`` exceptions (by default Overloaded) say beforehand that it is not in the items:
      every caller of the batch gets them at once.
    - CommitUnknown: the batch is run again as it is, ``reruns`` times at most; the idempotency
      keys in its items tell what was done.

    A caller that is cancelled while its item waits takes it back; once the item is in flight, the
    batch goes on and its result is dropped. A batch runs in the context (``contextvars``) of the
    caller that found the key idle, so ``run`` must not read anything of a request from there.

    All calls come from one event loop.
    """

    def __init__(
        self,
        run: Callable[[K, list[T]], Awaitable[list[R]]],
        *,
        max_batch: int,
        max_queue: int,
        concurrency: int = 1,
        reruns: int = 3,
        shared: tuple[type[Exception], ...] = (Overloaded,),
    ) -> None:
        if min(max_batch, max_queue, concurrency) < 1 or reruns < 0:
            raise ValueError("max_batch, max_queue and concurrency are at least 1, reruns 0.")
        self._run = run
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._concurrency = concurrency
        self._reruns = reruns
        # What a run did before it returned too few results may be committed: no second try.
        self._whole: tuple[type[Exception], ...] = (CommitUnknown, WrongNumberOfResults, *shared)
        self._lanes: dict[K, _Lane[T, R]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._seconds = 0.0
        self._batches = self._items = self._largest = 0
        self._refused = self._bisections = self._repeated = self._in_flight = 0

    async def submit(self, key: K, item: T) -> R:
        """Return the result of one item; raises Overloaded when too many wait already."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        if self._closed or len(lane.waiting) >= self._max_queue:
            self._refused += 1
            self._forget(key, lane)
            raise Overloaded(retry_after=self._retry_after(lane))
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        lane.waiting.append((item, result))
        if lane.running < self._concurrency and not lane.starting:
            lane.running += 1
            lane.starting = True
            task = loop.create_task(self._drain(key, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await result

    async def close(self) -> None:
        """Refuse new items and wait until those already here are done."""
        self._closed = True
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def figures(self) -> Figures:
        """Return what has been done so far."""
        return Figures(
            batches=self._batches,
            items=self._items,
            largest=self._largest,
            depth=sum(len(lane.waiting) for lane in self._lanes.values()),
            in_flight=self._in_flight,
            refused=self._refused,
            bisections=self._bisections,
            reruns=self._repeated,
        )

    def _retry_after(self, lane: _Lane[T, R]) -> int:
        """Estimate the seconds until the queue that is here now is done."""
        batches = math.ceil(len(lane.waiting) / self._max_batch / self._concurrency)
        return max(1, min(_LONGEST_RETRY_AFTER, math.ceil(batches * self._seconds)))

    def _forget(self, key: K, lane: _Lane[T, R]) -> None:
        # A lane lives while something happens in it: keys come and go, memory must not grow.
        if not lane.running and not lane.waiting:
            self._lanes.pop(key, None)

    async def _drain(self, key: K, lane: _Lane[T, R]) -> None:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        try:
            while True:
                # Once around the loop: the answers of the batch before go out first, and whoever
                # has come meanwhile comes along.
                await asyncio.sleep(0)
                lane.starting = False
                batch = self._take(lane)
                if not batch:
                    return
                self._items += len(batch)
                self._in_flight += 1
                started = clock.monotonic()
                try:
                    await self._settle(key, batch, _Search())
                finally:
                    self._in_flight -= 1
                spent = clock.monotonic() - started
                self._seconds += (spent - self._seconds) * (_SMOOTHING if self._seconds else 1)
        except BaseException:
            # The process is going down in the middle of a batch: nobody may wait for ever.
            _fail(batch, CommitUnknown())
            _fail(list(lane.waiting), Overloaded(retry_after=1))
            lane.waiting.clear()
            raise
        finally:
            lane.starting = False
            lane.running -= 1
            self._forget(key, lane)

    def _take(self, lane: _Lane[T, R]) -> list[tuple[T, asyncio.Future[R]]]:
        waiting = lane.waiting
        batch: list[tuple[T, asyncio.Future[R]]] = []
        while waiting and len(batch) < self._max_batch:
            entry = waiting.popleft()
            # A caller that was cancelled has taken its item back.
            if not entry[1].done():
                batch.append(entry)
        return batch

    async def _settle(
        self, key: K, batch: list[tuple[T, asyncio.Future[R]]], search: _Search
    ) -> None:
        try:
            results = await self._attempt(key, [item for item, _ in batch])
        except self._whole as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 (whatever it is, its caller must get it)
            search.failures += 1
            if len(batch) == 1 or search.failures >= _PATIENCE:
                _fail(batch, error)
                return
            self._bisections += 1
            half = len(batch) // 2
            await self._settle(key, batch[:half], search)
            if search.failures >= _PATIENCE:
                _fail(batch[half:], error)
                return
            await self._settle(key, batch[half:], search)
        else:
            search.failures = 0
            for (_, waiting), result in zip(batch, results, strict=True):
                if not waiting.done():
                    waiting.set_result(result)

    async def _attempt(self, key: K, items: list[T]) -> list[R]:
        rerun = 0
        while True:
            self._batches += 1
            self._largest = max(self._largest, len(items))
            try:
                # A copy, so that a run that changes its list does not change the next one.
                results = await self._run(key, items.copy())
            except CommitUnknown:
                if rerun >= self._reruns:
                    raise
                await asyncio.sleep(_FIRST_RERUN_DELAY * 2**rerun)
                rerun += 1
                self._repeated += 1
                continue
            if len(results) != len(items):
                raise WrongNumberOfResults(len(items), len(results))
            return results


def _fail(batch: list[tuple[T, asyncio.Future[R]]], error: Exception) -> None:
    for _, waiting in batch:
        if not waiting.done():
            waiting.set_exception(error)
