"""Scans as rows: writing many at once, finding them again, and what a gate is told of one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from shanmen.admission.rules import NOT_OVERRIDABLE
from shanmen.admission.schemas import DecisionView
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.pipeline import Statement, array, columns
from shanmen.kit.crypto import Keyring
from shanmen.sites.places import Place
from shanmen.tickets.gate import GateHolder, GateTicket, masked_names
from shanmen.tickets.zones import SEVERAL

Rows = Iterable[Sequence[Any]]

REMEMBER_INSIDE = timedelta(hours=20)
"""Whoever is inside came in within this long: parks close at night."""
LONGEST_REPEAT = timedelta(hours=1)
FALLBACK_TIMEZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """A row of the table of scans, without its tenant."""

    id: UUID
    at: datetime
    day: date
    site_id: UUID
    entrance_id: UUID
    lane_id: UUID
    direction: str
    method: str
    ticket_id: UUID | None
    ticket_type_id: UUID | None
    slot_id: UUID | None
    outcome: str
    reason: str
    persons: int
    persons_left: int
    details: dict[str, Any]
    document_index: int | None
    staff_label: str
    device_id: UUID | None = None
    gate_persons: int = 0
    asked: int | None = None
    override_by: str | None = None
    override_reason: str | None = None
    undone_at: datetime | None = None
    undone_by: str | None = None
    undo_reason: str | None = None
    gate_at: datetime | None = None


_NAMES = tuple(field.name for field in fields(ScanRecord))
COLUMNS = ", ".join(_NAMES)
WRITTEN = 21
"""The columns that a scan is written with; the rest come with an override or an undo."""
_written = attrgetter(*_NAMES[:WRITTEN])
DETAILS = _NAMES.index("details")

INSERT = f"""
INSERT INTO scan (tenant_id, {", ".join(_NAMES[:WRITTEN])})
SELECT %s, t.* FROM unnest(%s::uuid[], %s::timestamptz[], %s::date[], %s::uuid[], %s::uuid[],
    %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[],
    %s::smallint[], %s::smallint[], %s::jsonb[], %s::bigint[], %s::text[],
    %s::uuid[], %s::smallint[], %s::bigint[]) AS t
"""  # noqa: S608 - our own column names

BY_ID = f"""
SELECT {COLUMNS} FROM scan WHERE tenant_id = %s AND id = ANY(%s::uuid[])
"""  # noqa: S608 - our own column names

LOCK_ONE = f"""
SELECT {COLUMNS} FROM scan WHERE tenant_id = %s AND id = %s FOR NO KEY UPDATE
"""  # noqa: S608 - our own column names

OF_LANE = f"""
SELECT {COLUMNS} FROM scan WHERE tenant_id = %s AND lane_id = %s AND at >= %s
ORDER BY at DESC LIMIT %s
"""  # noqa: S608 - our own column names

HISTORY = f"""
SELECT t.id AS ticket_id, entered.at AS entered_at, entered.entrance_id, passed.entrances,
    passed.persons, came.entrances AS came_by, came.persons AS came
FROM ticket t
LEFT JOIN LATERAL (
    SELECT s.at, s.entrance_id FROM scan s
    WHERE s.tenant_id = t.tenant_id AND s.ticket_id = t.id AND s.persons > 0
      AND s.direction = 'in' AND s.undone_at IS NULL
    ORDER BY s.at DESC LIMIT 1
) AS entered ON true
LEFT JOIN LATERAL (
    SELECT array_agg(s.entrance_id) AS entrances,
        array_agg(CASE s.direction WHEN 'in' THEN s.persons ELSE -s.persons END) AS persons
    FROM scan s
    WHERE s.tenant_id = t.tenant_id AND s.ticket_id = t.id AND s.persons > 0
      AND s.undone_at IS NULL AND s.at >= %s
) AS passed ON true
LEFT JOIN LATERAL (
    SELECT array_agg(s.entrance_id) AS entrances, array_agg(s.persons) AS persons
    FROM scan s
    WHERE s.tenant_id = t.tenant_id AND s.ticket_id = t.id AND s.persons > 0
      AND s.direction = 'in' AND s.undone_at IS NULL
      AND (t.entries > 0 OR t.windows IS NOT NULL) AND {SEVERAL}
) AS came ON true
WHERE t.tenant_id = %s AND t.id = ANY(%s::uuid[]) AND t.persons_entered > 0
"""  # noqa: S608 - our own condition

DOCUMENT_HISTORY = """
SELECT document_index, max(at) AS at FROM scan
WHERE tenant_id = %s AND ticket_id = ANY(%s::uuid[]) AND document_index = ANY(%s::bigint[])
  AND persons > 0
  AND direction = 'in' AND undone_at IS NULL AND at >= %s
GROUP BY document_index
"""

OVERRIDE = """
UPDATE scan SET outcome = 'admitted', persons = %s, persons_left = %s, override_by = %s,
    override_reason = %s
WHERE tenant_id = %s AND id = %s
"""

UNDO = """
UPDATE scan SET undone_at = %s, undone_by = %s, undo_reason = %s WHERE tenant_id = %s AND id = %s
"""


@dataclass(frozen=True, slots=True)
class History:
    """What a ticket has been used for."""

    entered_at: datetime | None = None
    entrance_id: UUID | None = None
    entrances: Sequence[UUID] | None = None
    """Where it was used lately, way by way."""
    persons: Sequence[int] | None = None
    """How many entered there, negative for those who left."""
    came_by: Sequence[UUID] | None = None
    """Of a ticket whose entries count in each of several zones: where people ever entered."""
    came: Sequence[int] | None = None
    """How many entered there."""

    @property
    def entries(self) -> list[tuple[UUID, int]]:
        """Entrances and persons of all entries, of a ticket for several zones."""
        return list(zip(self.came_by or (), self.came or (), strict=True))

    @property
    def ways(self) -> list[tuple[UUID, int]]:
        """Entrances and persons of what it was used for lately."""
        return list(zip(self.entrances or (), self.persons or (), strict=True))

    @property
    def inside(self) -> int:
        """Who entered lately and did not leave."""
        return sum(self.persons or ())


def insert_statement(tenant_id: int, scans: Sequence[ScanRecord]) -> Statement:
    """Write new scans."""
    rows = []
    for scan in scans:
        row = list(_written(scan))
        row[DETAILS] = msgspec.json.encode(scan.details).decode()
        rows.append(row)
    return Statement(INSERT, (tenant_id, *columns(rows, WRITTEN)))


def by_id_statement(tenant_id: int, ids: Iterable[UUID]) -> Statement:
    """Find scans that were decided before; rows make `records`."""
    return Statement(BY_ID, (tenant_id, array(ids)))


def records(rows: Rows) -> dict[UUID, ScanRecord]:
    """Scans by id, in the order of the rows."""
    return {row[0]: ScanRecord(*row) for row in rows}


def history_statement(tenant_id: int, ids: Iterable[UUID], *, now: datetime) -> Statement:
    """Read what tickets have been used for; rows are a ticket and its `History`.

    Nothing is looked up for a ticket with which nobody has entered yet, as most are that come.
    """
    return Statement(HISTORY, (now - REMEMBER_INSIDE, tenant_id, array(ids)))


def document_history_statement(
    tenant_id: int, ids: Iterable[UUID], indexes: Iterable[int], *, now: datetime
) -> Statement:
    """When documents were last admitted with one of these tickets; rows: index and instant."""
    return Statement(
        DOCUMENT_HISTORY, (tenant_id, array(ids), array(indexes), now - LONGEST_REPEAT)
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What makes a view of a scan's row."""

    tickets: Mapping[UUID, GateTicket]
    holders: Mapping[UUID, tuple[GateHolder, ...]]
    places: Mapping[UUID, Place]
    types: Mapping[UUID, TicketTypeInfo]
    keyring: Keyring

    def view(self, scan: ScanRecord) -> DecisionView:
        """What a gate is told of a scan; alike at the first time and when it is asked again."""
        place = self.places.get(scan.entrance_id)
        ticket = self.tickets.get(scan.ticket_id) if scan.ticket_id else None
        kind = self.types.get(scan.ticket_type_id) if scan.ticket_type_id else None
        people = self.holders.get(scan.ticket_id, ()) if scan.ticket_id else ()
        valid_from, valid_until = _window(ticket, place, scan.at)
        return DecisionView(
            scan_id=scan.id,
            at=scan.at,
            lane_id=scan.lane_id,
            entrance_id=scan.entrance_id,
            entrance_name=place.entrance_name if place else {},
            timezone=place.timezone if place else FALLBACK_TIMEZONE,
            direction=scan.direction,
            method=scan.method,
            outcome="admitted" if scan.outcome == "admitted" else "refused",
            persons=scan.persons,
            persons_left=scan.persons_left,
            party_size=ticket.party_size if ticket else 0,
            reason=scan.reason,
            params=scan.details,
            override_allowed=(
                scan.outcome == "refused"
                and ticket is not None
                and scan.reason not in NOT_OVERRIDABLE
            ),
            ticket_id=scan.ticket_id,
            ticket_number=ticket.short_number if ticket else "",
            ticket_type_id=scan.ticket_type_id,
            ticket_type=kind.name if kind else {},
            ticket_type_number=kind.number if kind else None,
            audience=kind.audience if kind else "",
            names=masked_names(people, keyring=self.keyring),
            valid_from=valid_from,
            valid_until=valid_until,
            staff=scan.staff_label,
            override_by=scan.override_by,
            override_reason=scan.override_reason,
            undone_at=scan.undone_at,
            undone_by=scan.undone_by,
            undo_reason=scan.undo_reason,
        )


def _window(
    ticket: GateTicket | None, place: Place | None, at: datetime
) -> tuple[datetime | None, datetime | None]:
    """When the ticket admits where it was shown."""
    if ticket is None:
        return None, None
    if place is None:
        return ticket.valid_from, ticket.valid_until
    return ticket.window_in(place.zone_number, at)
