"""A park of its own for each race, with all guards on or some of them off."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from shanmen.db.keys import Keyrings
from shanmen.insight.stock_audit import StockDifference
from shanmen.insight.stock_audit import differences as stock_differences
from shanmen.ledger.service import differences as ledger_differences
from tests.conftest import APP_ROLE, MASTERS
from tests.races.tampered import CONSTRAINTS, Collision, Rewrite, TamperedDatabase, collide, without
from tests.support.desk import Desk
from tests.support.park import Park, make_park


@dataclass(frozen=True)
class World:
    """A park in a database that nobody else uses."""

    url: str
    database: TamperedDatabase
    park: Park
    desk: Desk

    async def collide(
        self, first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any], *, at: str
    ) -> Collision:
        return await collide(self.url, first, second, at=at)

    async def assert_sound(self) -> None:
        """Counters, orders, tickets and money agree."""
        assert await self.stock_differences() == []
        assert await self.desk.unit(ledger_differences) == []

    async def stock_differences(self) -> list[StockDifference]:
        return await self.desk.unit(stock_differences)


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def world(own_url: str) -> AsyncIterator[MakeWorld]:
    """Makes the park: `await world(capacity=…, off=("stock", "check"))`.

    Where all guards were on, the auditors have the last word.
    """
    opened: list[TamperedDatabase] = []
    guarded: list[World] = []

    async def make(
        *, off: tuple[str, ...] = (), rewrite: Rewrite | None = None, capacity: int = 100
    ) -> World:
        with psycopg.connect(own_url, autocommit=True) as owner:
            for guard in off:
                if guard in CONSTRAINTS:
                    owner.execute(CONSTRAINTS[guard])
        database = TamperedDatabase(
            own_url,
            keyrings=Keyrings(MASTERS),
            app_role=APP_ROLE,
            rewrite=rewrite or without(*off),
        )
        opened.append(database)
        park = await make_park(database, code="race", capacity=capacity)
        made = World(own_url, database, park, Desk(database, park))
        if not off and rewrite is None:
            guarded.append(made)
        return made

    yield make
    for made in guarded:
        await made.assert_sound()
    for database in opened:
        await database.close()
