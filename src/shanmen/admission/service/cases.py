"""Cases that gates' journals opened: listed, shown with what happened, closed with a note."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shanmen.admission.errors import CaseUnknown, NoteMissing
from shanmen.admission.models import GateCase
from shanmen.audit import service as audit
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock

NOTE_LENGTH = 500
LISTED = 100
"""Cases of a page."""

CASES = """
SELECT c.id, c.kind, c.opened_at, c.at, c.scan_id, c.ticket_id, c.details, c.closed_at, c.closed_by,
    c.note, d.name, e.name, t.order_number || '-' || t.seq, t.order_number
FROM gate_case c
JOIN gate_device d ON d.tenant_id = c.tenant_id AND d.id = c.device_id
JOIN entrance e ON e.tenant_id = d.tenant_id AND e.id = d.entrance_id
LEFT JOIN ticket t ON t.tenant_id = c.tenant_id AND t.id = c.ticket_id
WHERE c.tenant_id = %(tenant)s
"""
OF_SITE = f"""{CASES}
    AND c.site_id = %(site)s AND (c.closed_at IS NULL) = %(open)s
    AND (%(after)s::uuid IS NULL OR (c.opened_at, c.id) < (
        SELECT opened_at, id FROM gate_case WHERE tenant_id = %(tenant)s AND id = %(after)s
    ))
ORDER BY c.opened_at DESC, c.id DESC LIMIT %(limit)s
"""  # noqa: S608 - our own statement
ONE = f"{CASES} AND c.id = %(case)s"
OPEN = """
SELECT count(*) FROM gate_case WHERE tenant_id = %s AND site_id = %s AND closed_at IS NULL
"""
ENTRIES = """
SELECT s.at, s.gate_at, e.name, s.persons, s.undone_at IS NOT NULL, s.override_by IS NOT NULL,
    s.id = %(scan)s
FROM scan s
JOIN entrance e ON e.tenant_id = s.tenant_id AND e.id = s.entrance_id
WHERE s.tenant_id = %(tenant)s AND s.persons > 0 AND s.direction = 'in'
    AND (s.id = %(scan)s OR s.ticket_id = %(ticket)s)
ORDER BY s.at, s.id LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case with the gate that told of it."""

    id: UUID
    kind: str
    opened_at: datetime
    at: datetime
    scan_id: UUID
    ticket_id: UUID | None
    details: dict[str, Any]
    closed_at: datetime | None
    closed_by: str
    note: str
    gate: str
    entrance: dict[str, str]
    ticket: str | None
    """The short number."""
    order_number: str | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with the case's ticket."""

    at: datetime
    gate_at: datetime | None
    """What the gate's own clock showed."""
    entrance: dict[str, str]
    persons: int
    undone: bool
    overridden: bool
    of_case: bool


@dataclass(frozen=True, slots=True)
class CasePage:
    """Cases, the latest first."""

    rows: list[CaseView]
    following: UUID | None
    """What to ask for after them; None where they are the last."""


async def cases(
    session: Session,
    *,
    site_id: UUID,
    is_open: bool = True,
    after: UUID | None = None,
    limit: int = LISTED,
) -> CasePage:
    """Cases of a site, open or closed ones: the latest, or those that follow `after`."""
    asked = {
        "tenant": session.tenant_id, "site": site_id, "open": is_open, "after": after,
        "limit": limit + 1,
    }  # fmt: skip
    [rows] = await run(session, [Statement(OF_SITE, asked)])
    found = [CaseView(*row) for row in rows[:limit]]
    return CasePage(found, found[-1].id if len(rows) > limit else None)


async def open_cases(session: Session, *, site_id: UUID) -> int:
    """How many cases of a site wait for somebody."""
    [[(count,)]] = await run(session, [Statement(OPEN, (session.tenant_id, site_id))])
    return int(count)


async def case(session: Session, *, case_id: UUID) -> tuple[CaseView, list[EntryView]]:
    """One case and all entries with its ticket; raises CaseUnknown."""
    [rows] = await run(session, [Statement(ONE, {"tenant": session.tenant_id, "case": case_id})])
    if not rows:
        raise CaseUnknown
    found = CaseView(*rows[0])
    asked = {"tenant": session.tenant_id, "scan": found.scan_id, "ticket": found.ticket_id}
    [entries] = await run(session, [Statement(ENTRIES, asked)])
    return found, [EntryView(*row) for row in entries]


async def close_case(session: Session, *, case_id: UUID, note: str) -> None:
    """Say what was found; a case that is closed stays as it is.

    Raises:
        CaseUnknown, NoteMissing: naming the field.
    """
    note = note.strip()[:NOTE_LENGTH]
    row = await session.get(GateCase, (session.tenant_id, case_id), with_for_update=True)
    if row is None:
        raise CaseUnknown
    if not note:
        raise NoteMissing(field="note")
    if row.closed_at is not None:
        return
    row.closed_at = clock.now()
    row.closed_by = session.actor.label
    row.note = note
    await session.flush()
    await audit.record(
        session,
        action="admission.case_closed",
        entity="gate_case",
        entity_id=case_id,
        before={"closed_at": None},
        after={"closed_at": row.closed_at},
        reason=note,
    )
