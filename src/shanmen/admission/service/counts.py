"""Taking each request of a gate once: in whichever process, and over their restarts.

As IPsec does it (RFC 4303, section 3.4.3): the highest count that was taken is remembered, and of
the counts just below it which of them were, for requests may overtake each other. What is further
behind is refused untaken: by then whoever asked waits no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from shanmen.admission.protocol import COUNTS_APART
from shanmen.db.pipeline import Statement, array, columns, run, run_at_commit
from shanmen.db.session import Session

MOST: Final = 2**63 - 1
_BYTES: Final = COUNTS_APART // 8
_ALL: Final = 2**COUNTS_APART - 1

LOCK = """
SELECT device_id, highest, seen FROM gate_counter
WHERE tenant_id = %s AND device_id = ANY(%s::uuid[]) ORDER BY device_id FOR NO KEY UPDATE
"""
BEGIN = """
INSERT INTO gate_counter (tenant_id, device_id) SELECT %s, unnest(%s::uuid[])
ON CONFLICT DO NOTHING
"""
KEEP = """
UPDATE gate_counter AS c SET highest = u.highest, seen = u.seen
FROM unnest(%s::uuid[], %s::bigint[], %s::bytea[]) AS u(device_id, highest, seen)
WHERE c.tenant_id = %s AND c.device_id = u.device_id
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Which counts of a gate were taken."""

    highest: int = 0
    seen: bytes = b""
    """A bit for each of the last counts, the highest in the lowest bit; empty for none."""

    def take(self, count: int) -> "Taken | None":
        """These and one more; None where it was taken before, or can be told of no more."""
        if not 1 <= count <= MOST:
            return None
        bits = int.from_bytes(self.seen, "big")
        ahead = count - self.highest
        if ahead > 0:
            # A count that is far ahead leaves nothing of those before it: no shift by billions.
            kept = (bits << ahead) & _ALL if ahead < COUNTS_APART else 0
            return Taken(count, (kept | 1).to_bytes(_BYTES, "big"))
        if -ahead >= COUNTS_APART or bits >> -ahead & 1:
            return None
        return Taken(self.highest, (bits | 1 << -ahead).to_bytes(_BYTES, "big"))


@dataclass(frozen=True, slots=True)
class Counted:
    """A request: whose it is, and which of theirs."""

    device_id: UUID
    count: int


async def take(session: Session, *, asked: Sequence[Counted]) -> list[int | None]:
    """Take each request that was not taken before.

    Returns None for each that was taken now, and for the others their gate's highest count.
    """
    tenant = session.tenant_id
    devices = array(sorted({one.device_id for one in asked}))
    lock = Statement(LOCK, (tenant, devices))
    [rows] = await run(session, [lock])
    known = _taken(rows)
    if any(one.device_id not in known for one in asked):
        _, rows = await run(session, [Statement(BEGIN, (tenant, devices)), lock])
        known = _taken(rows)
    outcomes: list[int | None] = []
    for one in asked:
        before = known[one.device_id]
        after = before.take(one.count)
        known[one.device_id] = after or before
        outcomes.append(None if after else before.highest)
    values = [(device_id, taken.highest, taken.seen) for device_id, taken in known.items()]
    run_at_commit(session, [Statement(KEEP, (*columns(values, 3), tenant))])
    return outcomes


def _taken(rows: Sequence[Sequence[Any]]) -> dict[UUID, Taken]:
    return {row[0]: Taken(*row[1:]) for row in rows}
