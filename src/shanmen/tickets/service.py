"""Issuing tickets, naming their holders, giving tickets back, moving them to another slot.

All of it for many at once; orders calls it inside its own transactions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from shanmen.db.pipeline import Statement, columns
from shanmen.tickets.zones import persons_in_all

HOLDERS = """
INSERT INTO holder (tenant_id, ticket_id, seq, order_id, ticket_type_id, slot_id, visit_day, name,
    name_index, document_kind, document, document_index)
SELECT %s, t.* FROM unnest(%s::uuid[], %s::smallint[], %s::uuid[], %s::uuid[], %s::uuid[],
    %s::date[], %s::bytea[], %s::bigint[], %s::text[], %s::bytea[], %s::bigint[]) AS t
"""
ISSUE = """
INSERT INTO ticket (tenant_id, id, order_id, order_number, seq, site_id, ticket_type_id, slot_id,
    visit_day, valid_from, valid_until, party_size, entries, zones, flags, channel, windows,
    issued_at)
SELECT %s, t.*, %s FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::smallint[], %s::uuid[],
    %s::uuid[], %s::uuid[], %s::date[], %s::timestamptz[], %s::timestamptz[], %s::smallint[],
    %s::smallint[], %s::bigint[], %s::smallint[], %s::text[], %s::jsonb[]) AS t
"""
SET_ACTIVE = """
UPDATE holder SET active = %s WHERE tenant_id = %s AND ticket_id = ANY(%s)
"""
REFUND = """
UPDATE ticket SET status = 'refunded', generation = generation + 1
WHERE tenant_id = %s AND id = ANY(%s)
"""
LOCK = """
SELECT id, order_id, status, persons_entered, party_size, entries, zones, generation,
    first_entered_at
FROM ticket WHERE tenant_id = %s AND order_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
MOVE = """
UPDATE ticket SET slot_id = d.slot_id, visit_day = d.visit_day, valid_from = d.valid_from,
    valid_until = d.valid_until, windows = d.windows, generation = ticket.generation + 1
FROM unnest(%s::uuid[], %s::uuid[], %s::date[], %s::timestamptz[], %s::timestamptz[], %s::jsonb[])
    AS d(id, slot_id, visit_day, valid_from, valid_until, windows)
WHERE ticket.tenant_id = %s AND ticket.id = d.id
"""
MOVE_HOLDERS = """
UPDATE holder SET slot_id = d.slot_id, visit_day = d.visit_day
FROM unnest(%s::uuid[], %s::uuid[], %s::date[]) AS d(id, slot_id, visit_day)
WHERE holder.tenant_id = %s AND holder.ticket_id = d.id
"""


class NewHolder(NamedTuple):
    """A person named on a ticket, as a row; name and document are encrypted."""

    ticket_id: UUID
    seq: int
    order_id: UUID
    ticket_type_id: UUID
    slot_id: UUID
    visit_day: date
    name: bytes
    name_index: int
    document_kind: str
    document: bytes
    document_index: int


class NewTicket(NamedTuple):
    """A ticket to issue, as a row."""

    id: UUID
    order_id: UUID
    order_number: str
    seq: int
    site_id: UUID
    ticket_type_id: UUID
    slot_id: UUID
    visit_day: date
    valid_from: datetime
    valid_until: datetime
    party_size: int
    entries: int
    zones: int
    flags: int
    channel: str = ""
    windows: str | None = None
    """As `zones.windows_text` makes it."""


@dataclass(frozen=True, slots=True)
class TicketUse:
    """What has happened with an issued ticket; its row is locked."""

    id: UUID
    order_id: UUID
    status: str
    persons_entered: int
    party_size: int
    entries: int
    zones: int
    generation: int
    first_entered_at: datetime | None

    @property
    def uses(self) -> int:
        """Admissions of persons after which it is used; without a limit, one for each."""
        total = persons_in_all(party_size=self.party_size, entries=self.entries, zones=self.zones)
        return total or self.party_size


@dataclass(frozen=True, slots=True)
class Move:
    """A ticket's new visit."""

    ticket_id: UUID
    slot_id: UUID
    visit_day: date
    valid_from: datetime
    valid_until: datetime
    windows: str | None = None
    """As `zones.windows_text` makes it."""


def holders_statement(tenant_id: int, holders: Sequence[NewHolder]) -> Statement:
    """Name the holders of tickets that are being held."""
    return Statement(HOLDERS, (tenant_id, *columns(holders, len(NewHolder._fields))))


def issue_statement(
    tenant_id: int, tickets: Sequence[NewTicket], *, issued_at: datetime
) -> Statement:
    """Issue tickets."""
    return Statement(ISSUE, (tenant_id, issued_at, *columns(tickets, len(NewTicket._fields))))


def set_active_statement(tenant_id: int, ticket_ids: Iterable[UUID], *, active: bool) -> Statement:
    """Count, or no longer count, the holders of these tickets in the limits."""
    return Statement(SET_ACTIVE, (active, tenant_id, list(ticket_ids)))


def refund_statement(tenant_id: int, ticket_ids: Iterable[UUID]) -> Statement:
    """Make tickets void; their generation goes up, so that gates refuse older tokens too."""
    return Statement(REFUND, (tenant_id, list(ticket_ids)))


def lock_statement(tenant_id: int, order_ids: Iterable[UUID]) -> Statement:
    """Locks the tickets of these orders by id; rows make `TicketUse`."""
    return Statement(LOCK, (tenant_id, list(order_ids)))


def move_statements(tenant_id: int, moves: Sequence[Move]) -> tuple[Statement, Statement]:
    """Move tickets and their holders to other slots; tickets get a new generation."""
    rows = [
        (m.ticket_id, m.slot_id, m.visit_day, m.valid_from, m.valid_until, m.windows) for m in moves
    ]
    ids, slots, days, starts, ends, windows = columns(rows, 6)
    return (
        Statement(MOVE, (ids, slots, days, starts, ends, windows, tenant_id)),
        Statement(MOVE_HOLDERS, (ids, slots, days, tenant_id)),
    )
