"""The same key and the same body get the same answer, also after a restart.

A row per key keeps a digest of the request and the answer's bytes. The key's advisory lock is held
until the transaction ends, so a repetition that arrives while the first is running waits for it.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Index, SmallInteger, delete, select, text
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, TenantMixin
from shanmen.db.locks import lock_key
from shanmen.db.pipeline import Statement, array, columns
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.kit.errors import IdempotencyMismatch

KEEP_DAYS = 30
"""A key is remembered for at least this long; a nightly job removes older ones."""


class Idempotency(TenantMixin, Base):
    """A request that was answered."""

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "created_at", postgresql_using="brin"),)

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[bytes]
    created_at: Mapped[datetime]


def key_digest(scope: str, client: str, key: str) -> bytes:
    """Sixteen bytes that stand for one client's key in one scope."""
    return hashlib.blake2b(
        f"{scope}\0{client}\0{key}".encode(), digest_size=16, usedforsecurity=False
    ).digest()


def request_digest(body: bytes) -> bytes:
    """Sixteen bytes that stand for a request's content."""
    return hashlib.blake2b(body, digest_size=16, usedforsecurity=False).digest()


class Known(NamedTuple):
    """What is remembered under a key."""

    request_hash: bytes
    status: int
    answer: bytes


def lookup_statement(tenant_id: int, keys: Iterable[bytes]) -> Statement:
    """Reads what is known of these keys: (key_hash, request_hash, status, answer)."""
    return Statement(
        "SELECT key_hash, request_hash, status, answer FROM idempotency "
        "WHERE tenant_id = %s AND key_hash = ANY(%s)",
        (tenant_id, array(keys)),
    )


def remember_statement(
    tenant_id: int, rows: Sequence[tuple[bytes, bytes, int, bytes]], *, now: datetime
) -> Statement:
    """Keeps the answers to these requests: (key_hash, request_hash, status, answer)."""
    return Statement(
        "INSERT INTO idempotency (tenant_id, key_hash, request_hash, status, answer, created_at) "
        "SELECT %s, k, r, s, a, %s "
        "FROM unnest(%s::bytea[], %s::bytea[], %s::smallint[], %s::bytea[]) AS t(k, r, s, a)",
        (tenant_id, now, *columns(rows, 4)),
    )


async def once(
    session: Session,
    *,
    key_hash: bytes,
    request_hash: bytes,
    work: Callable[[], Awaitable[tuple[int, bytes]]],
) -> tuple[int, bytes]:
    """Run `work` unless this key was answered before; returns status and answer.

    Raises:
        IdempotencyMismatch: the key was used with another request.
    """
    await session.execute(
        text("SELECT pg_advisory_xact_lock(:key)"),
        {"key": lock_key("idempotency", session.tenant_id, key_hash)},
    )
    found = await session.get(Idempotency, (session.tenant_id, key_hash))
    if found is not None:
        if found.request_hash != request_hash:
            raise IdempotencyMismatch(field="Idempotency-Key")
        return found.status, found.answer
    status, answer = await work()
    session.add(
        Idempotency(
            tenant_id=session.tenant_id,
            key_hash=key_hash,
            request_hash=request_hash,
            status=status,
            answer=answer,
            created_at=clock.now(),
        )
    )
    return status, answer


async def forget_old(session: Session, *, before: datetime) -> int:
    """Remove keys older than `before`; returns how many."""
    old = (
        select(Idempotency.key_hash)
        .where(Idempotency.tenant_id == session.tenant_id, Idempotency.created_at < before)
        .limit(10_000)
    )
    result = await session.scalars(
        delete(Idempotency)
        .where(Idempotency.tenant_id == session.tenant_id, Idempotency.key_hash.in_(old))
        .returning(Idempotency.key_hash)
    )
    return len(result.all())
