"""Transactions: the only place that commits.

A request, a job or a command is one transaction. Its work is a function that takes the session
first; :class:`Unit` runs it, commits, and runs the whole function again when PostgreSQL reports a
serialization failure or a deadlock. Nothing inside may call the network.

A transaction begins with its first statement: BEGIN and the tenant's setting travel with it. The
driver would send BEGIN alone and wait for the answer, so its connections are in its autocommit
mode, and BEGIN is ours. What would run without it would see no tenant's rows.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import PoolProxiedConnection

import shanmen.db.arrays  # noqa: F401 - what it registers must be known before an engine is made
from shanmen.db.keys import Keyrings
from shanmen.db.tenancy import TENANT_SETTING
from shanmen.kit.coalesce import CommitUnknown
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import BadInput, DomainError, Overloaded

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Driver = psycopg.AsyncConnection[Any]
Sent = tuple[str, Sequence[Any] | dict[str, Any]]
"""A statement in psycopg's style, and its parameters."""

RETRIED = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
MAX_ATTEMPTS = 5
AWAY_SECONDS = 2
SET_TENANT = f"SELECT set_config('{TENANT_SETTING}', %s, true)"


class LockTimeout(DomainError):
    """Rows that the work needs stayed locked for longer than the server waits."""

    code = "kit.lock_timeout"
    status = 503


class DatabaseAway(Overloaded):
    """The database cannot be reached, or was lost before the work was committed.

    Whoever repeats the request with its idempotency key after ``retry_after`` seconds is safe.
    """

    code = "kit.database_away"
    status = 503


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: kept with every change. `kind` is visitor, staff, api, system or provider."""

    kind: str
    id: str = ""
    label: str = ""
    ip: str = ""


SYSTEM = Actor("system")


class Outdated(Exception):
    """The work was prepared with what is no longer so: :class:`Unit` runs it again from the start.

    Whoever raises it has brought up to date what was outdated.
    """


class Opening:
    """What begins a transaction; it is sent once, before or together with the first statement."""

    __slots__ = ("_sent", "_tenant_id")

    def __init__(self, tenant_id: int | None) -> None:
        self._tenant_id = tenant_id
        self._sent = False

    def statements(self) -> list[Sent]:
        """What is still to be sent before any other statement; the caller sends it."""
        if self._sent:
            return []
        self._sent = True
        begin: Sent = ("BEGIN", ())
        if self._tenant_id is None:
            return [begin]
        return [begin, (SET_TENANT, (str(self._tenant_id),))]

    async def send(self, driver: Driver) -> None:
        """Begin now, unless it was done."""
        if statements := self.statements():
            async with driver.pipeline():
                for sql, params in statements:
                    await driver.execute(sql, params)


class _Opened(SyncSession):
    """What SQLAlchemy's asynchronous session runs inside; it begins by the opening."""

    opening: Opening


@event.listens_for(_Opened, "after_begin")
def _begin(session: SyncSession, _: SessionTransaction, connection: Connection) -> None:
    opened = cast("_Opened", session).opening
    adapted = cast("Any", connection.connection.dbapi_connection)
    adapted.run_async(opened.send)


class Session(AsyncSession):
    """A session that knows its tenant, the tenant's keys, and who acts."""

    sync_session_class = _Opened
    tenant_id: int
    actor: Actor
    keyring: Keyring
    keyrings: Keyrings
    opening: Opening
    closing: list[Sent]
    """What is sent together with COMMIT, see `pipeline.run_at_commit`."""
    raw_driver: Driver
    """The connection, even where its transaction has not begun."""

    async def driver(self) -> Driver:
        """The psycopg connection of this transaction, for the set-wise hot paths."""
        await self.opening.send(self.raw_driver)
        return self.raw_driver


class Database:
    """The application's way to the database, as the role that cannot bypass isolation.

    Args:
        url: a libpq URL (``postgresql://…``).
        keyrings: opens the tenants' data keys.
        app_role: the role to run as; the connection switches to it when it logs in as another.
        pool_size: connections kept by this process.
        lock_timeout_ms: how long a statement waits for a lock before `LockTimeout`.
    """

    def __init__(
        self,
        url: str,
        *,
        keyrings: Keyrings,
        app_role: str,
        pool_size: int = 8,
        lock_timeout_ms: int = 5000,
    ) -> None:
        self.url = url
        self.keyrings = keyrings
        self.app_role = app_role
        self.options = f"-c role={app_role} -c lock_timeout={lock_timeout_ms} -c timezone=UTC"
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_reset_on_return=None,
            connect_args=self.connect_args(),
        )

    def connect_args(self) -> dict[str, Any]:
        """How the driver connects."""
        return {"options": self.options, "prepare_threshold": 2, "autocommit": True}

    async def close(self) -> None:
        """Give back all connections."""
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(
        self, tenant_id: int | None, *, actor: Actor = SYSTEM
    ) -> AsyncIterator[Session]:
        """One transaction for one tenant (or none); commits on leaving, rolls back on error."""
        connection, driver = await self._take()
        session = Session(connection, expire_on_commit=False, autoflush=False)
        session.tenant_id = tenant_id or 0
        session.actor = actor
        session.keyrings = self.keyrings
        session.raw_driver = driver
        session.closing = []
        session.opening = cast("_Opened", session.sync_session).opening = Opening(tenant_id)
        try:
            if tenant_id is not None:
                session.keyring = await self.keyrings.get(session, tenant_id)
            yield session
            await self._commit(session)
        except BaseException as error:
            await asyncio.shield(self._give_back(connection, session, error))
            raise
        await asyncio.shield(self._give_back(connection, session))

    async def _take(self) -> tuple[AsyncConnection, Driver]:
        connection = await self.engine.connect()
        try:
            return connection, driver_of(await connection.get_raw_connection())
        except BaseException:
            await asyncio.shield(connection.close())
            raise

    @staticmethod
    async def _commit(session: Session) -> None:
        if session.in_transaction():
            await session.flush()
        driver = session.raw_driver
        try:
            if session.closing:
                async with driver.pipeline():
                    for sql, params in session.closing:
                        await driver.execute(sql, params)
                    # The driver's own commit would wait for its answer before the pipeline ends,
                    # and the pipeline for another.
                    await driver.execute("COMMIT")
            if session.in_transaction():
                await session.commit()
            if driver.info.transaction_status is not TransactionStatus.IDLE:
                await driver.commit()
        except (DBAPIError, psycopg.OperationalError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if _is_away(error, cause):
                raise CommitUnknown from error
            raise
        except psycopg.errors.UniqueViolation as error:
            # Another wrote meanwhile what was not there when this was decided: run again, find it.
            raise psycopg.errors.SerializationFailure("written meanwhile") from error

    async def _give_back(
        self, connection: AsyncConnection, session: Session, error: BaseException | None = None
    ) -> None:
        """All that ends a transaction, in one task, which a second cancellation leaves alone."""
        driver = session.raw_driver
        if error is not None and not isinstance(error, Exception):
            # Who was cancelled stood anywhere, also in the middle of a pipeline, and what it left
            # unread would be taken for the next one's answers.
            await connection.invalidate()
            await session.close()
        elif error is not None:
            await _undo(session)
        if session.in_transaction():
            await session.close()
        if not connection.invalidated and driver.closed:
            # The server has gone or has ended this connection. SQLAlchemy did not see it, and what
            # else it keeps is most likely as dead.
            await connection.invalidate()
            await self.engine.dispose()
        await connection.close()

    def unit(self, tenant_id: int | None, *, actor: Actor = SYSTEM) -> "Unit":
        """What an edge uses to run one use case."""
        return Unit(self, tenant_id, actor)


@dataclass(frozen=True, slots=True)
class Unit:
    """Runs a use case in one transaction: ``await unit(service.cancel_order, number="…")``."""

    database: Database
    tenant_id: int | None
    actor: Actor
    begin: Callable[[Session], Awaitable[None]] | None = None
    """Runs first in each transaction."""

    async def __call__(
        self,
        work: Callable[Concatenate[Session, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run `work(session, …)`, commit, return its value; retry it on a serialization failure.

        It goes to its end also where whoever asked is cancelled, as a browser that leaves a stream
        does again and again until all is over: what a transaction left in the middle would cost is
        its connection.
        """
        return await asyncio.shield(asyncio.ensure_future(self._run(work, *args, **kwargs)))

    async def _run(
        self,
        work: Callable[Concatenate[Session, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        attempt = 1
        while True:
            try:
                async with self.database.transaction(self.tenant_id, actor=self.actor) as session:
                    if self.begin is not None:
                        await self.begin(session)
                    return await work(session, *args, **kwargs)
            except Outdated:
                if attempt == MAX_ATTEMPTS:
                    raise
                attempt += 1
            except (DBAPIError, psycopg.Error, PoolTimeout) as error:
                cause = error.orig if isinstance(error, DBAPIError) else error
                if (known := _known(error, cause)) is not None:
                    raise known from error
                if not isinstance(cause, RETRIED) or attempt == MAX_ATTEMPTS:
                    raise
                log.info("transaction retried", extra={"attempt": attempt})
                await asyncio.sleep(random.uniform(0.001, 0.01) * 2**attempt)  # noqa: S311 - jitter
                attempt += 1


def _known(error: Exception, cause: BaseException | None) -> Exception | None:
    """What an error of the database is called outside, None for one that has no name there."""
    if isinstance(cause, psycopg.errors.LockNotAvailable):
        return LockTimeout()
    if _is_away(error, cause):
        return DatabaseAway(retry_after=AWAY_SECONDS)
    return BadInput() if _is_unstorable(cause) else None


def driver_of(pooled: PoolProxiedConnection) -> Driver:
    """The psycopg connection inside of one that the pool gave."""
    driver = pooled.driver_connection
    if not isinstance(driver, psycopg.AsyncConnection):
        raise TypeError(f"expected a psycopg connection, not {type(driver).__name__}")
    return driver


async def _undo(session: Session) -> None:
    if session.in_transaction():
        await session.rollback()
    driver = session.raw_driver
    if not driver.closed and driver.info.transaction_status is not TransactionStatus.IDLE:
        await driver.rollback()


def _is_away(error: Exception, cause: object) -> bool:
    """Whether there is no connection any more: the server went, or is just starting."""
    if isinstance(error, PoolTimeout) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return True
    # Without a state, the driver itself noticed; 08 and 57P are what the server says as it goes.
    return isinstance(cause, psycopg.OperationalError) and (
        cause.sqlstate is None or cause.sqlstate.startswith(("08", "57P"))
    )


def _is_unstorable(cause: object) -> bool:
    """Whether a text had characters that PostgreSQL cannot hold: NUL, or half a surrogate pair.

    The driver refuses NUL with the plain class; the server refuses it in JSON.
    """
    return type(cause) is psycopg.DataError or isinstance(
        cause,
        (psycopg.errors.UntranslatableCharacter, psycopg.errors.CharacterNotInRepertoire),
    )


def sqlalchemy_url(url: str) -> str:
    """The same address as SQLAlchemy spells it for psycopg 3."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "postgres://", "postgresql+psycopg://", 1
    )
