"""Transactions: the only place that commits.

A request, a job or a command is one transaction. Its work is a function that takes the session
first; :class:`Unit` runs it, commits, and runs the whole function again when PostgreSQL reports a
serialization failure or a deadlock. Nothing inside may call the network.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shanmen.db.keys import Keyrings
from shanmen.db.tenancy import TENANT_SETTING
from shanmen.kit.coalesce import CommitUnknown
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import BadInput, DomainError, Overloaded

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

RETRIED = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
MAX_ATTEMPTS = 5
AWAY_SECONDS = 2
SET_TENANT = text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)")


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


class Session(AsyncSession):
    """A session that knows its tenant, the tenant's keys, and who acts."""

    tenant_id: int
    actor: Actor
    keyring: Keyring
    keyrings: Keyrings

    async def driver(self) -> psycopg.AsyncConnection[Any]:
        """The psycopg connection of this transaction, for the set-wise hot paths."""
        raw = await (await self.connection()).get_raw_connection()
        driver = raw.driver_connection
        if not isinstance(driver, psycopg.AsyncConnection):
            msg = f"expected a psycopg connection, not {type(driver).__name__}"
            raise TypeError(msg)
        return driver


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
            connect_args={"options": self.options, "prepare_threshold": 2},
        )

    async def close(self) -> None:
        """Give back all connections."""
        await self.engine.dispose()

    async def check_role(self) -> None:
        """Refuse to run as a role that row-level security does not bind."""
        async with self.engine.connect() as connection:
            row = (
                await connection.execute(
                    text(
                        "SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles "
                        "WHERE rolname = current_user"
                    )
                )
            ).one()
        if row[1]:
            msg = (
                f"The database role {row[0]!r} can bypass row-level security; "
                f"run as {self.app_role!r}."
            )
            raise UnsafeRole(msg)

    @asynccontextmanager
    async def transaction(
        self, tenant_id: int | None, *, actor: Actor = SYSTEM
    ) -> AsyncIterator[Session]:
        """One transaction for one tenant (or none); commits on leaving, rolls back on error."""
        session = Session(self.engine, expire_on_commit=False, autoflush=False)
        session.tenant_id = tenant_id or 0
        session.actor = actor
        session.keyrings = self.keyrings
        try:
            if tenant_id is not None:
                session.keyring = await self.keyrings.get(session, tenant_id)
                await session.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield session
            await session.flush()
            await self._commit(session)
        except BaseException:
            await asyncio.shield(session.rollback())
            raise
        finally:
            await asyncio.shield(session.close())

    @staticmethod
    async def _commit(session: Session) -> None:
        try:
            await session.commit()
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError):
                raise CommitUnknown from error
            raise

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
        """Run `work(session, …)`, commit, return its value; retry it on a serialization failure."""
        attempt = 1
        while True:
            try:
                async with self.database.transaction(self.tenant_id, actor=self.actor) as session:
                    if self.begin is not None:
                        await self.begin(session)
                    return await work(session, *args, **kwargs)
            except (DBAPIError, psycopg.Error, PoolTimeout) as error:
                cause = error.orig if isinstance(error, DBAPIError) else error
                if isinstance(cause, psycopg.errors.LockNotAvailable):
                    raise LockTimeout from error
                if _is_away(error, cause):
                    raise DatabaseAway(retry_after=AWAY_SECONDS) from error
                if _is_unstorable(cause):
                    raise BadInput from error
                if not isinstance(cause, RETRIED) or attempt == MAX_ATTEMPTS:
                    raise
                log.info("transaction retried", extra={"attempt": attempt})
                await asyncio.sleep(random.uniform(0.001, 0.01) * 2**attempt)  # noqa: S311 - jitter
                attempt += 1


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


class UnsafeRole(RuntimeError):
    """The server was about to run as a role that could see all tenants."""


def sqlalchemy_url(url: str) -> str:
    """The same address as SQLAlchemy spells it for psycopg 3."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "postgres://", "postgresql+psycopg://", 1
    )
