"""Several statements in one round trip, for the paths that are written for many.

psycopg's pipeline mode sends them together; they run one after the other in the transaction, so a
statement sees what the ones before it locked and changed. Each has a snapshot of its own (READ
COMMITTED), which is why a lock and the read it protects are two statements.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

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


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[str]:
    """Rows turned into one array literal for each column, as ``unnest(%s::uuid[], …)`` wants them.

    `count` is the number of columns, also of no rows.
    """
    if not rows:
        return ["{}"] * count
    return [array(column) for column in zip(*rows, strict=True)]


def array(values: Iterable[Any]) -> str:
    """The literal of a one-dimensional PostgreSQL array; all values of one type, or None.

    psycopg dumps a list element by element with a regular expression for its quoting, which costs
    more than everything else that placing an order does. The statement casts what this returns.

    Raises:
        TypeError: values of a type that this does not know.
    """
    values = list(values)
    kind = next((type(value) for value in values if value is not None), int)
    write = _WRITE.get(kind) or next((w for k, w in _WRITE.items() if issubclass(kind, k)), None)
    if write is None:
        msg = f"An array of {kind.__name__} cannot be written."
        raise TypeError(msg)
    if values and values[0] is values[-1] and values.count(values[0]) == len(values):
        # Most columns of a batch say the same in each row: the site, the state, nothing at all.
        texts = ["NULL" if values[0] is None else write(values[0])] * len(values)
    else:
        texts = ["NULL" if v is None else write(v) for v in values]
    return "{" + ",".join(texts) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITE: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "t" if value else "f",
    int: str,
    str: _quoted,
    bytes: lambda value: '"\\\\x' + value.hex() + '"',
    UUID: attrgetter("hex"),
    datetime: lambda value: '"' + value.isoformat() + '"',
    date: date.isoformat,
}
