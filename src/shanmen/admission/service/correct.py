"""Correcting a decision: a supervisor lets somebody in all the same, or takes an admission back.

Both keep what was decided first: an override keeps the refused rule's code, an undone admission
keeps its persons. Repeating either changes nothing.
"""

from collections.abc import Iterable
from uuid import UUID

from shanmen.admission import records
from shanmen.admission.errors import (
    CannotOverride,
    NotAdmitted,
    NotRefused,
    ReasonMissing,
    ScanUnknown,
    TooManyPersons,
    UndoTooLate,
)
from shanmen.admission.events import tickets_used
from shanmen.admission.queries import scan as read_scan
from shanmen.admission.records import ScanRecord
from shanmen.admission.rules import NOT_OVERRIDABLE
from shanmen.admission.schemas import DecisionView
from shanmen.admission.service import zones
from shanmen.audit import service as audit
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.sites.places import places, places_statement
from shanmen.tickets import feed, gate


async def override(session: Session, *, scan_id: UUID, persons: int, reason: str) -> DecisionView:
    """Admit `persons` whom a scan refused; the caller has checked `admission.override`.

    Raises:
        ScanUnknown, NotRefused, CannotOverride, ReasonMissing, TooManyPersons.
    """
    reason = _given(reason)
    scan, ticket, zone_ids = await _lock(session, scan_id)
    if scan.override_by is not None:
        return await read_scan(session, scan_id=scan_id)
    if scan.outcome != "refused":
        raise NotRefused
    if ticket is None or scan.reason in NOT_OVERRIDABLE or ticket.status == "refunded":
        raise CannotOverride
    if not 1 <= persons <= ticket.party_size:
        raise TooManyPersons(field="persons", limit=ticket.party_size)
    tenant = session.tenant_id
    left = max(0, min(scan.persons_left, ticket.party_size) - persons)
    await run(
        session,
        [
            Statement(
                records.OVERRIDE, (persons, left, session.actor.label, reason, tenant, scan_id)
            ),
            gate.use_statement(tenant, [gate.Use(ticket.id, persons, scan.at)]),
            feed.add_statement(tenant, [ticket.id], counted=True),
            _move(tenant, scan, zone_ids, persons),
        ],
    )
    await tickets_used(session, ticket_ids=[ticket.id])
    await audit.record(
        session,
        action="admission.overridden",
        entity="scan",
        entity_id=scan_id,
        before={"outcome": "refused", "rule": scan.reason, "persons": 0},
        after={"outcome": "admitted", "rule": scan.reason, "persons": persons},
        reason=reason,
    )
    return await read_scan(session, scan_id=scan_id)


async def undo(session: Session, *, scan_id: UUID, reason: str) -> DecisionView:
    """Take an admission of today back: its persons may enter again.

    Raises:
        ScanUnknown, NotAdmitted, UndoTooLate, ReasonMissing.
    """
    reason = _given(reason)
    scan, ticket, zone_ids = await _lock(session, scan_id)
    if scan.undone_at is not None:
        return await read_scan(session, scan_id=scan_id)
    if scan.outcome != "admitted":
        raise NotAdmitted
    now, tenant = clock.now(), session.tenant_id
    rows = await run(session, [places_statement(tenant)])
    place = places(rows[0]).get(scan.entrance_id)
    if place is not None and clock.local(now, place.timezone).date() != scan.day:
        raise UndoTooLate
    statements = [
        Statement(records.UNDO, (now, session.actor.label, reason, tenant, scan_id)),
        _move(tenant, scan, zone_ids, -scan.persons),
    ]
    if ticket is not None and scan.direction == "in":
        statements.append(gate.use_statement(tenant, [gate.Use(ticket.id, -scan.persons, now)]))
    if ticket is not None:
        statements.append(feed.add_statement(tenant, [ticket.id], counted=True))
    await run(session, statements)
    if ticket is not None:
        await tickets_used(session, ticket_ids=[ticket.id])
    await audit.record(
        session,
        action="admission.undone",
        entity="scan",
        entity_id=scan_id,
        before={"persons": scan.persons, "undone_at": None},
        after={"persons": scan.persons, "undone_at": now},
        reason=reason,
    )
    return await read_scan(session, scan_id=scan_id)


def _given(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise ReasonMissing(field="reason")
    return reason


def _move(tenant: int, scan: ScanRecord, zone_ids: Iterable[UUID], persons: int) -> Statement:
    """Count persons in or out of the zone, where it has a maximum."""
    way = persons if scan.direction == "in" else -persons
    return zones.move_statement(tenant, {(zone_id, scan.day): way for zone_id in zone_ids})


async def _lock(
    session: Session, scan_id: UUID
) -> tuple[ScanRecord, gate.GateTicket | None, list[UUID]]:
    """Lock the scan's ticket, then the scan and its zone: tickets come before all of admission."""
    tenant = session.tenant_id
    first = records.records((await run(session, [records.by_id_statement(tenant, [scan_id])]))[0])
    if scan_id not in first:
        raise ScanUnknown
    ticket_id, entrance_id = first[scan_id].ticket_id, first[scan_id].entrance_id
    rows = await run(
        session,
        [
            gate.lock_statement(tenant, [ticket_id] if ticket_id else []),
            Statement(records.LOCK_ONE, (tenant, scan_id)),
            zones.lock_statement(tenant, entrances=[entrance_id]),
        ],
    )
    ticket = gate.tickets(rows[0]).get(ticket_id) if ticket_id else None
    return records.records(rows[1])[scan_id], ticket, list(zones.zone_rows(rows[2]))
