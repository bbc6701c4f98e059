"""Putting a simulated day together: the server's application, a park, and the clock."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from shanmen.kit import clock, ids
from shanmen.sim.day import VISITORS, Day
from shanmen.sim.park import make_park
from shanmen.sim.people import Figures
from shanmen.sim.server import Backend

START = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)
"""Half past eight in the morning, in the park."""


async def run_day(
    server: Backend,
    *,
    seed: int,
    folder: Path,
    canary: str = "",
    visitors: int = VISITORS,
    to_the_end: bool = True,
) -> Figures:
    """Simulate one day; the same seed gives the same day.

    Not `to_the_end`, it is over once something is wrong.
    """
    # A park of its own: the code must not be taken, and is no part of what happens.
    code = f"sim{ids.token(6).lower().replace('_', 'x').replace('-', 'y')}"
    with clock.at(START) as true, ids.seeded(f"gates/{seed}"):
        day = clock.local(START, "Asia/Shanghai").date()
        park = await make_park(server.database, code=code, day=day)
        made = Day(
            park, server, true, seed=seed, canary=canary, visitors=visitors, to_the_end=to_the_end
        )
        figures = await made.run(folder)
    # Thousands of days leave no more behind than one.
    shutil.rmtree(folder)
    return figures
