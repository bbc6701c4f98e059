"""Counting this gate's requests: no count is ever used twice, also not after a power cut.

A write to the disk for each request would make every question wait for it. So counts are set aside
on the disk a thousand at a time, and what was set aside and not used when the power went is left
out. The server minds no gaps.
"""

from shanmen.edge.desk import Desk
from shanmen.edge.store import Store

_KEY = "counts"
_AT_ONCE = 1_000


class Counter:
    """Counts from 1 on."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store = store
        self._desk = desk
        self._aside = int(store.meta(_KEY) or b"0")
        """Up to this one they were set aside: after a start any of them may have been used."""
        self._last = self._aside

    async def next(self) -> int:
        """A count that was never given before; raises StoreBroken."""
        while self._last >= self._aside:
            await self._desk.run(self._set_aside)
        self._last += 1
        return self._last

    async def pass_by(self, count: int) -> None:
        """Give none any more up to this one; raises StoreBroken."""
        self._last = max(self._last, count)

    def _set_aside(self) -> None:
        aside = max(self._aside, self._last) + _AT_ONCE
        with self._store.transaction():
            self._store.set_meta(_KEY, str(aside).encode())
        self._aside = aside
