"""Posting transfers, and proving that accounts and transfers agree."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Session
from shanmen.kit import ids

log = logging.getLogger(__name__)

OPEN_ACCOUNTS = """
INSERT INTO ledger_account (tenant_id, code)
SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING
"""
LOCK_ACCOUNTS = """
SELECT code FROM ledger_account WHERE tenant_id = %s AND code = ANY(%s)
ORDER BY code FOR NO KEY UPDATE
"""
SUM_UP = """
UPDATE ledger_account AS a
SET debits_fen = a.debits_fen + d.debits, credits_fen = a.credits_fen + d.credits
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS d(code, debits, credits)
WHERE a.tenant_id = %s AND a.code = d.code
"""
POST = """
INSERT INTO ledger_transfer
    (tenant_id, id, site_id, at, business_day, kind, debit, credit, amount_fen, order_id, reference)
SELECT %s, t.* FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[], %s::text[],
    %s::text[], %s::text[], %s::bigint[], %s::uuid[], %s::uuid[]) AS t
"""
DIFFERENCES = """
SELECT a.code, a.debits_fen, a.credits_fen, coalesce(d.total, 0), coalesce(c.total, 0)
FROM ledger_account a
LEFT JOIN (SELECT debit, sum(amount_fen) total FROM ledger_transfer WHERE tenant_id = %s
           GROUP BY 1) d ON d.debit = a.code
LEFT JOIN (SELECT credit, sum(amount_fen) total FROM ledger_transfer WHERE tenant_id = %s
           GROUP BY 1) c ON c.credit = a.code
WHERE a.tenant_id = %s
  AND (a.debits_fen <> coalesce(d.total, 0) OR a.credits_fen <> coalesce(c.total, 0))
"""


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """An amount in fen from the account `credit` to the account `debit`."""

    kind: str
    debit: str
    credit: str
    amount_fen: int
    site_id: UUID
    at: datetime
    business_day: date
    order_id: UUID
    reference: UUID


class Posting(NamedTuple):
    """The statements that post transfers, in the order in which they run."""

    open: Statement
    """Makes accounts that are not there yet."""
    insert: Statement
    """Writes the transfers. It may go together with other writes."""
    lock: Statement
    sum_up: Statement
    """Counts the transfers in their accounts, which everybody waits for: so it comes last."""


async def post(session: Session, transfers: Sequence[NewTransfer]) -> None:
    """Post transfers; each account is locked once, in order of its code, and changed once."""
    if transfers:
        await run(session, posting(session.tenant_id, transfers))


def posting(tenant_id: int, transfers: Sequence[NewTransfer]) -> Posting:
    """What `post` runs for these, which are at least one."""
    debits: dict[str, int] = defaultdict(int)
    credits_: dict[str, int] = defaultdict(int)
    for transfer in transfers:
        debits[transfer.debit] += transfer.amount_fen
        credits_[transfer.credit] += transfer.amount_fen
    codes = sorted({*debits, *credits_})
    rows = [
        (ids.new_id(), t.site_id, t.at, t.business_day, t.kind, t.debit, t.credit, t.amount_fen,
         t.order_id, t.reference)
        for t in transfers
    ]  # fmt: skip
    accounts = array(codes)
    sums = [(code, debits[code], credits_[code]) for code in codes]
    return Posting(
        open=Statement(OPEN_ACCOUNTS, (tenant_id, accounts)),
        insert=Statement(POST, (tenant_id, *columns(rows, 10))),
        lock=Statement(LOCK_ACCOUNTS, (tenant_id, accounts)),
        sum_up=Statement(SUM_UP, (*columns(sums, 3), tenant_id)),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """An account whose sums disagree with its transfers, in fen."""

    code: str
    debits_fen: int
    credits_fen: int
    transfers_debit_fen: int
    transfers_credit_fen: int


async def differences(session: Session) -> list[Difference]:
    """Recompute every account from its transfers; empty when all agree."""
    tenant = session.tenant_id
    [rows] = await run(session, [Statement(DIFFERENCES, (tenant, tenant, tenant))])
    return [Difference(*row) for row in rows]


async def report(session: Session) -> int:
    """Log each account that differs as an error; returns how many there are."""
    found = await differences(session)
    for difference in found:
        log.error("ledger of tenant %s differs: %s", session.tenant_id, difference)
    return len(found)
