"""Reads that change nothing, in one round trip: what a page is made of.

A unit of work begins, names its tenant, asks, and commits, and waits for the server each time. Who
only reads need not wait in between: here all of it is sent together, which takes a third of the
processor's time. What is asked of one tenant while an answer is on its way goes together in the
next round trip, which takes half of that again where many ask at once.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.util import greenlet_spawn

from shanmen.db.pipeline import Statement, run
from shanmen.db.session import (
    AWAY_SECONDS,
    SET_TENANT,
    DatabaseAway,
    Driver,
    Session,
    Unit,
    driver_of,
)
from shanmen.kit.coalesce import Coalescer
from shanmen.kit.crypto import Keyring

log = logging.getLogger(__name__)

Rows = list[tuple[Any, ...]]

# A reading takes a millisecond and a new connection ten, so readings wait for each other rather
# than open connections beyond those that are kept.
_turns: WeakKeyDictionary[AsyncEngine, asyncio.Semaphore] = WeakKeyDictionary()

# What follows in the transaction cannot write, whatever it is.
_SET: Final = f"{SET_TENANT}, set_config('transaction_read_only', 'on', true)"


_TOGETHER: Final = 16
_MOST_WAITING: Final = 4096
# With one alone, a slow question would hold up all others of its tenant.
_IN_FLIGHT: Final = 2


async def read(unit: Unit, statements: Iterable[Statement]) -> list[Rows]:
    """Run queries in one transaction of the unit's tenant, which can only read; returns the rows.

    It does what ``unit(run, statements)`` does, and leaves to that whatever goes wrong: then the
    queries are run again, and what is wrong is said in the usual way.

    Raises:
        ReadOnlySqlTransaction: a statement changes something.
        DatabaseAway: no connection became free in time.
        Overloaded: too many wait already.
    """
    statements = list(statements)
    if unit.tenant_id is not None and unit.begin is None:
        try:
            return await _gathered.submit((unit.database.engine, unit.tenant_id), statements)
        except psycopg.errors.ReadOnlySqlTransaction:
            raise
        except PoolTimeout as error:
            raise DatabaseAway(retry_after=AWAY_SECONDS) from error
        except (psycopg.Error, DBAPIError):
            log.info("read again in a unit of work", exc_info=True)
    return await unit(run, statements)


async def keyring_of(unit: Unit) -> Keyring:
    """The keys of the unit's tenant, for what was read.

    Raises:
        LookupError: the unit has no tenant, or one that does not exist.
    """
    try:
        return unit.database.keyrings.opened(unit.tenant_id or 0)
    except LookupError:
        return await unit(_keyring)


async def _keyring(session: Session) -> Keyring:
    return session.keyring


async def _read(key: tuple[AsyncEngine, int], asked: list[list[Statement]]) -> list[list[Rows]]:
    """What several ask of one tenant, in one round trip; each statement sees what is so now."""
    engine, tenant_id = key
    turns = _turns.get(engine)
    if turns is None:
        turns = _turns[engine] = asyncio.Semaphore(_kept(engine))
    async with turns:
        pooled = await engine.raw_connection()
        driver = driver_of(pooled)
        try:
            # Without a BEGIN the whole pipeline is one transaction, which ends where it ends.
            async with driver.pipeline():
                await driver.execute(_SET, (str(tenant_id),))
                cursors = [
                    [await driver.execute(s.sql, s.params) for s in statements]
                    for statements in asked
                ]
        except BaseException as error:
            await asyncio.shield(_clear(pooled, driver, error))
            raise
        await asyncio.shield(greenlet_spawn(pooled.close))
        return [[await cursor.fetchall() for cursor in found] for found in cursors]


# A statement that fails takes the others of its round trip along: they are asked again without it.
# Where the connection was lost there is no culprit to look for.
_gathered: Final = Coalescer(
    _read,
    max_batch=_TOGETHER,
    max_queue=_MOST_WAITING,
    concurrency=_IN_FLIGHT,
    shared=(PoolTimeout, DBAPIError, psycopg.OperationalError),
)


def _kept(engine: AsyncEngine) -> int:
    """How many connections stay open."""
    pool = engine.pool
    return pool.size() if isinstance(pool, QueuePool) else 1


async def _clear(pooled: PoolProxiedConnection, driver: Driver, error: BaseException) -> None:
    """Give back a connection whose reading did not come to its end."""
    if not isinstance(error, Exception):
        # Who was cancelled may have left answers unread.
        await greenlet_spawn(pooled.invalidate)
        return
    try:
        await driver.rollback()
    except Exception:  # noqa: BLE001 - whatever it is, this connection is of no use any more
        await greenlet_spawn(pooled.invalidate)
    else:
        await greenlet_spawn(pooled.close)
