"""Putting a simulated day together: the server's application, a park, and the clock."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import httpx

from shanmen.app import create_app
from shanmen.db.session import Database
from shanmen.kit import clock, ids
from shanmen.kit.settings import Settings
from shanmen.sim.day import VISITORS, Day
from shanmen.sim.park import make_park
from shanmen.sim.people import Figures

START = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)
"""Half past eight in the morning, in the park."""


async def run_day(
    database: Database, *, seed: int, folder: Path, canary: str = "", visitors: int = VISITORS
) -> Figures:
    """Simulate one day; the same seed gives the same day."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # A park of its own: the code must not be taken, and is no part of what happens.
    code = f"sim{ids.token(6).lower().replace('_', 'x').replace('-', 'y')}"
    app = create_app(Settings(data_dir=folder / "server"), database=database)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    with clock.at(START) as true, ids.seeded(f"gates/{seed}"):
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            day = clock.local(START, "Asia/Shanghai").date()
            park = await make_park(database, code=code, day=day)
            made = Day(park, http, true, seed=seed, canary=canary, visitors=visitors)
            return await made.run(folder / "gates")
