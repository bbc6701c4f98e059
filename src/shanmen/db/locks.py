"""Advisory locks, in the one documented order of all locks.

A transaction takes its locks in this order, each kind once and sorted by key, so that no two
transactions can wait for each other:

1. the catalog's version (changes of the catalog and of slots alone), 2. orders by id, or a gate
whose journal is merged, 3. tickets by id, then scans and full zones by id, 4. payments by id, 5.
idempotency keys and the subjects of limits (documents, phones), 6. pools by id, 7. stock rows by
id, 8. ledger accounts by code.

Kind 5 is advisory, because there may be no row to lock yet; its keys are hashes and are taken
together in ascending order. The rest are rows, locked by ``SELECT … ORDER BY … FOR NO KEY UPDATE``.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

LOCK_KEYS = (
    "SELECT count(pg_advisory_xact_lock(k)) "
    "FROM (SELECT unnest(%s::bigint[]) AS k ORDER BY 1) AS keys"
)
"""Takes advisory locks in ascending order of key. One parameter: the keys."""


def lock_key(kind: str, tenant_id: int, value: bytes | int) -> int:
    """A signed 64-bit advisory lock key; a collision costs a wait, never a wrong answer.

    Args:
        value: a digest or a blind index: it is spread over all numbers already, so that a number of
            the kind and the tenant is enough to keep them apart.
    """
    number = value if isinstance(value, int) else int.from_bytes(value[:8], "big", signed=True)
    return number ^ _apart(kind, tenant_id)


@lru_cache(maxsize=4096)
def _apart(kind: str, tenant_id: int) -> int:
    digest = hashlib.blake2b(
        f"{kind}:{tenant_id}".encode(), digest_size=8, usedforsecurity=False
    ).digest()
    return int.from_bytes(digest, "big", signed=True)


def lock_keys(kind: str, tenant_id: int, values: Iterable[bytes | int]) -> list[int]:
    """Sorted, distinct advisory keys for many values."""
    return sorted({lock_key(kind, tenant_id, value) for value in values})
