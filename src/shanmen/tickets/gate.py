"""What a gate asks of tickets: find them, lock them, whom they are made out to, count their use.

Everything is for many tickets at once: statements for :func:`shanmen.db.pipeline.run`, and what
their rows mean.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shanmen.db.pipeline import Statement, array, columns
from shanmen.kit import documents
from shanmen.kit.crypto import Keyring
from shanmen.tickets.zones import days_of, window_at, windows_from

Rows = Iterable[Sequence[Any]]

DOCUMENT_PURPOSE = "document"
"""Purpose of the blind index of documents."""
NAME_FIELD = "holder.name"
"""Name under which holders' names are encrypted."""

CANDIDATES = 12
"""Of one person's tickets, so many are looked at: the ones nearest in time."""
LOOK_BACK = timedelta(days=1)

COLUMNS = (
    "id, order_number, seq, site_id, ticket_type_id, slot_id, valid_from, valid_until, "
    "party_size, entries, zones, flags, generation, status, persons_entered, "
    "first_entered_at, channel, windows::text"
)

LOCK = f"""
SELECT {COLUMNS} FROM ticket WHERE tenant_id = %s AND id = ANY(%s::uuid[])
ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - our own column names

READ = f"""
SELECT {COLUMNS} FROM ticket WHERE tenant_id = %s AND id = ANY(%s::uuid[])
"""  # noqa: S608 - our own column names

BY_DOCUMENT = """
SELECT d.i, c.ticket_id, c.unpaid
FROM unnest(%(indexes)s::bigint[]) AS d(i)
CROSS JOIN LATERAL (
    SELECT h.ticket_id, t.id IS NULL AS unpaid,
           coalesce(abs(extract(epoch FROM t.valid_from - %(now)s)), 1e12) AS away
    FROM holder h
    LEFT JOIN ticket t ON t.tenant_id = h.tenant_id AND t.id = h.ticket_id
    WHERE h.tenant_id = %(tenant)s AND h.document_index = d.i
      AND (h.visit_day >= (%(since)s::timestamptz)::date OR t.valid_until >= %(since)s)
      AND (h.active OR t.id IS NOT NULL)
    ORDER BY away, h.ticket_id
    LIMIT %(limit)s
) AS c
"""

BY_NUMBER = """
SELECT t.order_number, t.seq, t.id
FROM unnest(%s::text[], %s::int[]) AS n(order_number, seq)
JOIN ticket t ON t.tenant_id = %s AND t.order_number = n.order_number AND t.seq = n.seq
"""

HOLDERS = """
SELECT ticket_id, seq, name, document_kind, document_index
FROM holder WHERE tenant_id = %s AND ticket_id = ANY(%s::uuid[]) ORDER BY ticket_id, seq
"""

COUNT_USE = """
UPDATE ticket AS t SET
    persons_entered = greatest(0, t.persons_entered + u.persons),
    first_entered_at = CASE WHEN t.persons_entered + u.persons <= 0 THEN NULL
                            ELSE coalesce(t.first_entered_at, u.at) END,
    status = CASE WHEN t.status = 'refunded' THEN t.status
                  WHEN t.entries > 0 AND t.persons_entered + u.persons
                    >= t.party_size * t.entries * greatest(bit_count(t.zones::bit(64)), 1)
                  THEN 'used' ELSE 'valid' END
FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[]) AS u(id, persons, at)
WHERE t.tenant_id = %s AND t.id = u.id
"""


@dataclass(frozen=True, slots=True)
class GateTicket:
    """A ticket as a gate sees it."""

    id: UUID
    order_number: str
    seq: int
    site_id: UUID
    ticket_type_id: UUID
    slot_id: UUID
    valid_from: datetime
    valid_until: datetime
    party_size: int
    entries: int
    zones: int
    flags: int
    generation: int
    status: str
    persons_entered: int
    first_entered_at: datetime | None
    channel: str = ""
    windows: str | None = None
    """As `zones.windows_from` reads it."""

    def window_in(self, zone: int, at: datetime) -> tuple[datetime, datetime]:
        """When it admits in a zone, as one looks at it at a moment."""
        days = days_of(self.valid_from, self.valid_until)
        own = window_at(windows_from(self.windows), zone, at, days=days)
        return (own.starts, own.ends) if own else (self.valid_from, self.valid_until)

    @property
    def short_number(self) -> str:
        """The order's number and the ticket's within it, as a guard can type it."""
        return f"{self.order_number}-{self.seq}"


@dataclass(frozen=True, slots=True)
class GateHolder:
    """A person that a ticket is made out to; the name is encrypted."""

    seq: int
    name: bytes
    document_kind: str
    document_index: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ticket that a document may open; `unpaid` while it is only held."""

    ticket_id: UUID
    unpaid: bool


@dataclass(frozen=True, slots=True)
class Use:
    """So many persons entered with a ticket; negative when an admission is undone."""

    ticket_id: UUID
    persons: int
    at: datetime


def lock_statement(tenant_id: int, ids: Iterable[UUID]) -> Statement:
    """Lock tickets in the order of their ids; rows make `tickets`."""
    return Statement(LOCK, (tenant_id, array(ids)))


def read_statement(tenant_id: int, ids: Iterable[UUID]) -> Statement:
    """Read tickets as they stand, without a lock; rows make `tickets`."""
    return Statement(READ, (tenant_id, array(ids)))


def tickets(rows: Rows) -> dict[UUID, GateTicket]:
    """Tickets by id; unknown ones are missing."""
    return {row[0]: GateTicket(*row) for row in rows}


def documents_statement(tenant_id: int, indexes: Iterable[int], *, now: datetime) -> Statement:
    """Find the tickets of the holders with these documents; rows make `candidates`.

    Tickets that ended more than a day ago are left out.
    """
    return Statement(
        BY_DOCUMENT,
        {
            "indexes": sorted(indexes),
            "tenant": tenant_id,
            "now": now,
            "since": now - LOOK_BACK,
            "limit": CANDIDATES,
        },
    )


def candidates(rows: Rows) -> dict[int, list[Candidate]]:
    """Tickets by document index, the nearest in time first."""
    found: dict[int, list[Candidate]] = defaultdict(list)
    for index, ticket_id, unpaid in rows:
        found[index].append(Candidate(ticket_id, unpaid))
    return dict(found)


def numbers_statement(tenant_id: int, numbers: Iterable[tuple[str, int]]) -> Statement:
    """Find tickets by short number (order number, number within the order)."""
    wanted = sorted(set(numbers))
    return Statement(BY_NUMBER, (*columns(wanted, 2), tenant_id))


def numbered(rows: Rows) -> dict[tuple[str, int], UUID]:
    """Ids of tickets by short number."""
    return {(number, seq): ticket_id for number, seq, ticket_id in rows}


def holders_statement(tenant_id: int, ids: Iterable[UUID]) -> Statement:
    """Read the holders of tickets; rows make `holders`."""
    return Statement(HOLDERS, (tenant_id, array(ids)))


def holders(rows: Rows) -> dict[UUID, tuple[GateHolder, ...]]:
    """Holders by ticket, in their order."""
    found: dict[UUID, list[GateHolder]] = defaultdict(list)
    for ticket_id, *rest in rows:
        found[ticket_id].append(GateHolder(*rest))
    return {ticket_id: tuple(people) for ticket_id, people in found.items()}


def masked_names(people: Iterable[GateHolder], *, keyring: Keyring) -> list[str]:
    """The holders' names as a gate may show them: the first character of each."""
    return [documents.mask_name(keyring.decrypt(p.name, field=NAME_FIELD)) for p in people]


def document_index(keyring: Keyring, kind: str, number: str) -> int:
    """The blind index of a document by its normalised number: its kind belongs to it."""
    return keyring.blind_index(f"{kind}:{number}", purpose=DOCUMENT_PURPOSE)


def document_indexes(number: str, *, keyring: Keyring) -> tuple[int, ...]:
    """Blind indexes of a document number under every kind of document that it can be.

    A card reader and a number pad tell the number alone, and the kind belongs to the index. Empty
    where the number cannot be one of any kind.
    """
    return tuple(
        document_index(keyring, document.kind, document.number)
        for document in documents.possible(number)
    )


def use_statement(tenant_id: int, uses: Sequence[Use]) -> Statement:
    """Count entries, or take them back; the tickets are locked already.

    A ticket whose total is reached is used; one that gets persons back is valid again.
    """
    total: dict[UUID, tuple[int, datetime]] = {}
    for use in uses:
        persons, at = total.get(use.ticket_id, (0, use.at))
        total[use.ticket_id] = (persons + use.persons, min(at, use.at))
    rows = [(ticket_id, persons, at) for ticket_id, (persons, at) in total.items()]
    return Statement(COUNT_USE, (*columns(rows, 3), tenant_id))
