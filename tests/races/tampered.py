"""A database whose statements a test holds up at a named point, or robs of their locks.

The rewriting happens in the cursor, below everything that the product does: the same use cases run,
and what reaches PostgreSQL lacks the one guard whose worth is to be shown.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import create_async_engine

from shanmen.db.keys import Keyrings
from shanmen.db.session import Database

ROW_LOCK = re.compile(r"\s+FOR NO KEY UPDATE( OF \w+)?( SKIP LOCKED)?")
FIRST_TABLE = re.compile(r"\bFROM\s+(\w+)")
CONSTRAINTS = {
    "check": "ALTER TABLE stock DROP CONSTRAINT ck_stock_no_oversell",
    "key": "ALTER TABLE idempotency DROP CONSTRAINT pk_idempotency",
    "scan": "ALTER TABLE scan DROP CONSTRAINT pk_scan",
    "journal": "ALTER TABLE gate_journal DROP CONSTRAINT pk_gate_journal",
    "issue": "ALTER TABLE ticket DROP CONSTRAINT pk_ticket",
    "notice": "ALTER TABLE payment_notice DROP CONSTRAINT "
    "uq_payment_notice_tenant_id_provider_event_id",
}
"""Guards that stand in the tables. The others are `advisory`, and row locks by table."""

WRITES = "UPDATE stock SET held"
"""Where placing has decided and is about to write."""
MOVES = "SELECT id FROM stock"
"""Where a change of an order has decided and is about to move places."""

Rewrite = Callable[[str], str]


def without(*guards: str) -> Rewrite:
    """A rewriting that takes away advisory locks, or the row locks of some tables."""
    tables = set(guards)

    def rewrite(sql: str) -> str:
        if "advisory" in tables:
            sql = sql.replace("pg_advisory_xact_lock", "abs")
        first = FIRST_TABLE.search(sql)
        if first and first[1] in tables:
            sql = ROW_LOCK.sub("", sql)
        return sql

    return rewrite


class Hold:
    """Keeps a task waiting before its first statement that contains `text`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reached = asyncio.Event()
        self.go = asyncio.Event()


_hold: ContextVar[Hold | None] = ContextVar("hold", default=None)


class TamperedDatabase(Database):
    """As `Database`, with cursors that wait where they are told and send what `rewrite` makes."""

    def __init__(
        self, url: str, *, keyrings: Keyrings, app_role: str, rewrite: Rewrite, pool_size: int = 8
    ) -> None:
        super().__init__(url, keyrings=keyrings, app_role=app_role, pool_size=pool_size)

        class Cursor(psycopg.AsyncCursor[Any]):
            async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                hold = _hold.get()
                if hold is not None and hold.text in query and not hold.reached.is_set():
                    hold.reached.set()
                    await hold.go.wait()
                return await super().execute(rewrite(query), params, **options)

        self.engine = create_async_engine(
            self.engine.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_reset_on_return=None,
            connect_args={**self.connect_args(), "cursor_factory": Cursor},
        )


@dataclass(frozen=True)
class Collision:
    """What came of two that met. `waited`: the second stood still until the first was done."""

    first: Any
    second: Any
    waited: bool


async def collide(
    url: str, first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any], *, at: str
) -> Collision:
    """Hold `first` up before the statement `at`, let `second` go as far as it can, let both end.

    Args:
        url: the owner's URL of a database that nobody else uses: who waits there is `second`.
        first: a use case; its error is its outcome.
        second: likewise.
        at: part of the statement before which the first is held.
    """
    hold = Hold(at)

    async def held() -> Any:
        _hold.set(hold)
        return await first

    one = asyncio.create_task(held())
    reached = asyncio.create_task(hold.reached.wait())
    await asyncio.wait({one, reached}, return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    assert not one.done(), f"The first never came to {at!r}: {one}"
    two = asyncio.create_task(second)
    waited = await _waits_for_lock(url, two)
    hold.go.set()
    outcomes = await asyncio.gather(one, two, return_exceptions=True)
    return Collision(outcomes[0], outcomes[1], waited)


async def _waits_for_lock(url: str, task: asyncio.Task[Any]) -> bool:
    """Wait until the task is done, which is False, or stands before a lock."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for _ in range(2000):
            if task.done():
                return False
            found = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            row = await found.fetchone()
            if row and row[0]:
                return True
            await asyncio.sleep(0.005)
    raise TimeoutError("The second neither ends nor waits for a lock.")
