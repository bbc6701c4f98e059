"""Several statements in one round trip, for the paths that are written for many.

psycopg's pipeline mode sends them together; they run one after the other in the transaction, so a
statement sees what the ones before it locked and changed. Each has a snapshot of its own (READ
COMMITTED), which is why a lock and the read it protects are two statements.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from shanmen.db.session import LockTimeout, Session


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its parameters in psycopg's style."""

    sql: str
    params: Sequence[Any] | dict[str, Any] = ()


async def run(session: Session, statements: Iterable[Statement]) -> list[list[tuple[Any, ...]]]:
    """Run all in one round trip; returns the rows of each, empty for those that return none.

    Raises:
        LockTimeout: a row stayed locked for too long.
    """
    driver = await session.driver()
    try:
        async with driver.pipeline():
            cursors = [await driver.execute(s.sql, s.params) for s in statements]
    except psycopg.errors.LockNotAvailable as error:
        raise LockTimeout from error
    return [await c.fetchall() if c.description else [] for c in cursors]


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Rows turned into columns, as ``unnest`` wants them; `count` columns also when empty."""
    if not rows:
        return [[] for _ in range(count)]
    return [list(column) for column in zip(*rows, strict=True)]
