"""Several statements in one round trip, for the paths that are written for many.

psycopg's pipeline mode sends them together; they run one after the other in the transaction, so a
statement sees what the ones before it locked and changed. Each has a snapshot of its own (READ
COMMITTED), which is why a lock and the read it protects are two statements.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg

from shanmen.db.arrays import array, columns
from shanmen.db.session import LockTimeout, Session

__all__ = ["Statement", "array", "columns", "gathered", "run", "run_at_commit", "together"]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its parameters in psycopg's style."""

    sql: str
    params: Sequence[Any] | dict[str, Any] = ()


async def run(session: Session, statements: Iterable[Statement]) -> list[list[tuple[Any, ...]]]:
    """Run all in one round trip; returns the rows of each, empty for those that return none.

    Nothing is sent where there are none.

    Raises:
        LockTimeout: a row stayed locked for too long.
    """
    statements = list(statements)
    if not statements:
        return []
    driver = session.raw_driver
    try:
        async with driver.pipeline():
            for sql, params in session.opening.statements():
                await driver.execute(sql, params)
            cursors = [await driver.execute(s.sql, s.params) for s in statements]
    except psycopg.errors.LockNotAvailable as error:
        raise LockTimeout from error
    # `description` makes an object for each column; a row has a number where there can be rows.
    return [await c.fetchall() if c.rownumber is not None else [] for c in cursors]


def run_at_commit(session: Session, statements: Iterable[Statement]) -> None:
    """Run these in the round trip that commits, so that locks are kept for one round trip less.

    What they return is not read, and nothing may be run after them; what they raise, committing
    raises.
    """
    session.closing.extend((s.sql, s.params) for s in statements)


def together(statements: Sequence[Statement]) -> Statement:
    """One statement that does what several do, each of which writes another table.

    They are planned and run at once, which for a batch costs a third of running them in turn. None
    sees what another writes.
    """
    params = [value for statement in statements for value in statement.params]
    return Statement(_joined(tuple(statement.sql for statement in statements)), params)


def gathered(queries: Sequence[Statement]) -> Statement:
    """One query for several: its only row has a text for each, with its rows as JSON objects.

    A column is None where its query found nothing. They have one snapshot. Sending and starting a
    statement costs as much as most of what a batch reads, and the driver takes longer to make
    values of a row than it takes to read JSON. Columns of a query need names of their own.
    """
    params = [value for query in queries for value in query.params]
    return Statement(_gathered(tuple(query.sql for query in queries)), params)


@lru_cache(maxsize=64)
def _gathered(texts: tuple[str, ...]) -> str:
    parts = [f"(SELECT json_agg(r)::text FROM ({text.strip()}) AS r)" for text in texts]  # noqa: S608 - our own statements
    return "SELECT " + ",\n".join(parts)


@lru_cache(maxsize=64)
def _joined(texts: tuple[str, ...]) -> str:
    *first, last = texts
    if not first:
        return last
    parts = ",\n".join(f"part_{n} AS ({text.strip()})" for n, text in enumerate(first))
    return f"WITH {parts}\n{last.strip()}"
