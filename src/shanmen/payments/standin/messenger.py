"""Sends events to the merchant, and again until they are taken."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import msgspec

from shanmen.kit import clock
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.sandbox_keys import ProviderKeys
from shanmen.payments.standin.faults import Faults, Manner
from shanmen.payments.standin.store import Store, StoredEvent

RETRY_AFTER_SECONDS = (1, 2, 5, 15, 30, 60, 180, 600, 1800, 3600, 10_800, 21_600)
"""The waits between attempts; after the last one the event is given up, as real providers do."""

_AT_ONCE = 64
_ANSWER_WITHIN_SECONDS = 5.0
_LONGEST_NAP_SECONDS = 30.0
_STALE_BY = timedelta(seconds=wire.FRESH_SECONDS * 2)
_logger = logging.getLogger(__name__)


def signed_headers(keys: ProviderKeys, body: bytes, manner: Manner) -> dict[str, str]:
    """Sign a callback now, or as badly as its manner asks."""
    moment = clock.now() - (_STALE_BY if manner.stale else timedelta())
    headers = wire.answer_headers(
        key=keys.provider_private_key,
        serial=keys.provider_serial,
        unix_seconds=int(moment.timestamp()),
        # A signature over something else looks right in every way but the one that counts.
        body=body + b" " if manner.bad_signature else body,
    )
    return {**headers, "Content-Type": "application/json"}


class Messenger:
    """One task that wakes when an event is due; ``sweep`` is called on each waking.

    ``trust`` is a certificate that merchants may answer under instead of a public authority's.
    """

    def __init__(
        self,
        *,
        store: Store,
        keys: ProviderKeys,
        faults: Callable[[], Faults],
        sweep: Callable[[], None],
        trust: Path | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._faults = faults
        self._sweep = sweep
        self._verify = ssl.create_default_context(cafile=trust)
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, list[asyncio.Future[None]]] = {}

    def wake(self) -> None:
        """Look for due events now."""
        self._wake.set()

    async def run(self) -> None:
        """Send what is due until cancelled; what is under way then is sent after the next start."""
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
        async with httpx.AsyncClient(
            timeout=_ANSWER_WITHIN_SECONDS, limits=limits, trust_env=False, verify=self._verify
        ) as client:
            try:
                while True:
                    self._wake.clear()
                    self._sweep()
                    self._start_due(client)
                    await self._nap()
            finally:
                tasks = list(self._under_way.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def attempted(self, event: StoredEvent, *, within_seconds: float) -> None:
        """Wait until an event, as it was just made, has been tried, but not longer than this."""
        now_kept = self._store.event(event.id)
        if event.next_at is None or now_kept is None or now_kept.attempts > event.attempts:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watched.setdefault(event.id, []).append(future)
        self.wake()
        try:
            async with asyncio.timeout(within_seconds):
                await future
        except TimeoutError:
            return
        finally:
            waiting = self._watched.get(event.id, [])
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._watched.pop(event.id, None)

    async def settled(self, event_id: str) -> None:
        """Wait until the event is not being sent."""
        task = self._under_way.get(event_id)
        if task is not None:
            await asyncio.wait({task})

    async def _nap(self) -> None:
        now = clock.now().timestamp()
        due = self._store.next_due(now)
        seconds = _LONGEST_NAP_SECONDS if due is None else due - now
        try:
            async with asyncio.timeout(max(0.0, min(seconds, _LONGEST_NAP_SECONDS))):
                await self._wake.wait()
        except TimeoutError:
            return

    def _start_due(self, client: httpx.AsyncClient) -> None:
        free = _AT_ONCE - len(self._under_way)
        if free <= 0:
            return
        now = clock.now().timestamp()
        for event in self._store.due_events(now, free, leave_out=tuple(self._under_way)):
            task = asyncio.create_task(self._attempt(client, event))
            self._under_way[event.id] = task
            task.add_done_callback(partial(self._done, event.id))

    def _done(self, event_id: str, task: asyncio.Task[None]) -> None:
        self._under_way.pop(event_id, None)
        for future in self._watched.pop(event_id, []):
            if not future.done():
                future.set_result(None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("Sending event %s failed.", event_id, exc_info=error)
        self.wake()

    async def _attempt(self, client: httpx.AsyncClient, event: StoredEvent) -> None:
        manner = msgspec.json.decode(event.manner, type=Manner)
        # Only the first attempt is multiplied: repeats of repeats would drown the merchant.
        copies = manner.copies if event.attempts == 0 else 1
        answers = await asyncio.gather(*(self._send(client, event, manner) for _ in range(copies)))
        taken = any(answer.startswith("2") for answer in answers)
        now = clock.now().timestamp()
        next_at = None
        if not taken and event.attempts < len(RETRY_AFTER_SECONDS):
            wait = RETRY_AFTER_SECONDS[event.attempts] * self._faults().retry_scale
            next_at = now + wait
        self._store.note_attempt(
            event.id,
            answer=", ".join(answers),
            next_at=next_at,
            taken_at=now if taken else None,
        )

    async def _send(self, client: httpx.AsyncClient, event: StoredEvent, manner: Manner) -> str:
        """Send one copy; returns the status, or what went wrong on the way."""
        headers = signed_headers(self._keys, event.body, manner)
        try:
            response = await client.post(event.notify_url, content=event.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return str(response.status_code)
