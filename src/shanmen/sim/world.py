"""What everything in a simulated day has in common: the clock, chance, and the truth."""

import hashlib
import heapq
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shanmen.kit.clock import Simulated
from shanmen.sim.audit import Auditor
from shanmen.sim.entrance import Entrance
from shanmen.sim.park import Park
from shanmen.sim.people import Figures

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class World:
    """One thing happens after another, and every choice comes from `chance`."""

    park: Park
    true: Simulated
    chance: random.Random
    entrances: list[Entrance] = field(default_factory=list)
    auditor: Auditor = field(default_factory=Auditor)
    figures: Figures = field(default_factory=Figures)
    _queue: list[tuple[datetime, int, Work]] = field(default_factory=list)
    _order: int = 0
    _trace: Any = field(default_factory=hashlib.sha256)

    def later(self, wait: timedelta, work: Work) -> None:
        """Have something happen after a while."""
        self._order += 1
        heapq.heappush(self._queue, (self.true.now() + wait, self._order, work))

    async def step(self) -> bool:
        """Let the next thing happen; False where nothing is left to happen."""
        if not self._queue:
            return False
        when, _, work = heapq.heappop(self._queue)
        self.true.advance(max(0.0, (when - self.true.now()).total_seconds()))
        await work()
        return True

    def tell(self, what: str) -> None:
        """Write something into the trace."""
        line = f"{self.true.now():%H:%M:%S.%f} {what}"
        self._trace.update(line.encode() + b"\n")
        self.figures.lines.append(line)

    @property
    def trace(self) -> str:
        """Hash of all that was told."""
        return str(self._trace.hexdigest())
