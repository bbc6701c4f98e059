"""Taking a gate's journal: each row once, in its order, with all that follows from it.

One upload is one transaction: rows, scans, the tickets' counters, what other gates must hear, and
the cases for a person are written together, or not at all.
"""

import asyncio
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import psycopg

from shanmen.admission import records
from shanmen.admission.errors import JournalGap
from shanmen.admission.events import tickets_used_statements
from shanmen.admission.protocol import JournalReceipt, JournalRow
from shanmen.admission.records import ScanRecord
from shanmen.admission.service import merged, shown, zones
from shanmen.admission.service.devices import Device, turn_statement
from shanmen.admission.service.merged import Case, Merge
from shanmen.admission.service.setup import blocked_marks, blocked_statement
from shanmen.audit import service as audit
from shanmen.catalog.queries import catalog_at, version_statement
from shanmen.catalog.rules import Catalog
from shanmen.db.arrays import Array
from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.kit.crypto import Keyring
from shanmen.tickets import feed, gate
from shanmen.tickets.zones import SEVERAL

Rows = Sequence[Sequence[Any]]

AT_ONCE = 100
"""So many rows, a few milliseconds, are worked out where the requests are served."""
EVENT_TICKETS = 500
"""One job follows so many tickets."""

LOCK_DEVICE = """
SELECT journal_through FROM gate_device WHERE tenant_id = %s AND id = %s FOR NO KEY UPDATE
"""
LOCK_SCANS = f"""
SELECT {records.COLUMNS} FROM scan WHERE tenant_id = %s AND id = ANY(%s::uuid[])
ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - our own column names
JOURNAL = """
INSERT INTO gate_journal (tenant_id, device_id, received_at, seq, scan_id, step, gate_at, at,
    lane_id, direction, decided_by, method, ticket_id, generation, persons, persons_left, reason,
    document_mark, staff)
SELECT %s, %s, %s, t.* FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::timestamptz[],
    %s::timestamptz[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::int[],
    %s::int[], %s::int[], %s::text[], %s::bytea[], %s::text[]) AS t
"""
JOURNAL_COLUMNS = 16
THROUGH = """
UPDATE gate_device SET journal_through = %s, last_seen_at = %s WHERE tenant_id = %s AND id = %s
"""
SCAN_FIELDS = [each.name for each in fields(ScanRecord)]
NEW_SCANS = f"""
INSERT INTO scan (tenant_id, {", ".join(SCAN_FIELDS)})
SELECT %s, t.* FROM unnest(%s::uuid[], %s::timestamptz[], %s::date[], %s::uuid[], %s::uuid[],
    %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[],
    %s::smallint[], %s::smallint[], %s::jsonb[], %s::bigint[], %s::text[], %s::uuid[],
    %s::smallint[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
    %s::text[], %s::timestamptz[]) AS t
"""  # noqa: S608 - our own column names
CHANGED_FIELDS = (
    "id", "ticket_id", "outcome", "persons", "persons_left", "device_id", "gate_persons",
    "override_by", "override_reason", "undone_at", "undone_by", "undo_reason", "gate_at",
)  # fmt: skip
CHANGED_SCANS = f"""
UPDATE scan SET {", ".join(f"{name} = u.{name}" for name in CHANGED_FIELDS[1:])}
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::smallint[], %s::smallint[], %s::uuid[],
    %s::smallint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[],
    %s::timestamptz[]) AS u({", ".join(CHANGED_FIELDS)})
WHERE scan.tenant_id = %s AND scan.id = u.id
"""  # noqa: S608 - our own column names
CASES = """
INSERT INTO gate_case (tenant_id, site_id, device_id, opened_at, id, kind, at, scan_id, ticket_id,
    details)
SELECT %s, %s, %s, %s, t.* FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::uuid[],
    %s::uuid[], %s::jsonb[]) AS t
ON CONFLICT (tenant_id, scan_id, kind) DO NOTHING
RETURNING id
"""
ENTERED_ZONE = f"""
SELECT s.ticket_id, sum(s.persons) FROM scan s
JOIN ticket t ON t.tenant_id = s.tenant_id AND t.id = s.ticket_id
JOIN entrance e ON e.tenant_id = s.tenant_id AND e.id = s.entrance_id
WHERE s.tenant_id = %s AND s.ticket_id = ANY(%s::uuid[]) AND e.zone_id = %s
  AND s.persons > 0 AND s.direction = 'in' AND s.undone_at IS NULL AND {SEVERAL}
GROUP BY s.ticket_id
"""  # noqa: S608 - our own condition
SETTLED = """
UPDATE gate_case SET closed_at = %s, closed_by = %s, note = %s
WHERE tenant_id = %s AND scan_id = ANY(%s::uuid[]) AND closed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the database says of everything that an upload speaks of; the rows are locked."""

    device: Device
    now: datetime
    keyring: Keyring
    tickets: Rows
    scans: Rows
    blocked: Rows
    turn: int
    entered_zone: Rows
    holders: Rows
    """Of tickets that were used with a document beside the code."""
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an upload comes to."""

    work: Merge
    statements: Sequence[Statement]
    """To be run in this order; the last returns the cases that it opened."""


async def merge(
    session: Session, *, device: Device, rows: Sequence[JournalRow], count: int
) -> JournalReceipt:
    """Take rows of a gate's journal; those that are here already change nothing.

    `count` is the request's: what the gate said before of its room is behind that.

    Raises:
        JournalGap: rows before them are missing.
    """
    tenant, now = session.tenant_id, clock.now()
    [found] = await run(session, [Statement(LOCK_DEVICE, (tenant, device.id))])
    through: int = found[0][0]
    fresh = [row for row in rows if row.seq > through]
    for place, row in enumerate(fresh, through + 1):
        if row.seq != place:
            raise JournalGap(field="rows", wanted=place)
    if not fresh:
        return JournalReceipt(through=through)
    read = await _read(session, device, fresh, now)
    if len(fresh) <= AT_ONCE:
        plan = _plan(tenant, read, fresh, count)
    else:
        # A gate that was cut off for a day sends thousands: everybody else's requests would wait.
        plan = await asyncio.to_thread(_plan, tenant, read, fresh, count)
    opened = await _write(session, plan)
    return JournalReceipt(through=fresh[-1].seq, conflicts=opened)


async def _read(
    session: Session, device: Device, rows: Sequence[JournalRow], now: datetime
) -> _Read:
    tenant = session.tenant_id
    ticket_ids = {one for row in rows if (one := merged.id_of(row.ticket_id)) is not None}
    scan_ids = {row.scan_id for row in rows}
    # A server's decision may be about another ticket than the gate's: of both, none may move.
    [others] = await run(
        session,
        [
            Statement(
                "SELECT ticket_id FROM scan WHERE tenant_id = %s AND id = ANY(%s::uuid[]) "
                "AND ticket_id IS NOT NULL",
                (tenant, array(scan_ids)),
            )
        ],
    )
    ticket_ids.update(row[0] for row in others)
    compared = {merged.id_of(row.ticket_id) for row in rows if shown.shown_beside_a_code(row)}
    named = [one for one in compared if one is not None]
    locked, scans, _, blocked, turn, entered, version, *holders = await run(
        session,
        [
            gate.lock_statement(tenant, ticket_ids),
            Statement(LOCK_SCANS, (tenant, array(scan_ids))),
            zones.lock_statement(tenant, entrances=[device.entrance_id]),
            blocked_statement(tenant, timezone=device.timezone),
            turn_statement(tenant, site_id=device.site_id),
            Statement(ENTERED_ZONE, (tenant, array(ticket_ids), device.zone_id)),
            version_statement(tenant),
            *([shown.holders_statement(tenant, named)] if named else ()),
        ],
    )
    return _Read(
        device=device,
        now=now,
        keyring=session.keyring,
        tickets=locked,
        scans=scans,
        blocked=blocked,
        turn=turn[0][0],
        entered_zone=entered,
        holders=holders[0] if holders else (),
        catalog=await catalog_at(session, version[0][0] if version else 0),
    )


def _plan(tenant: int, read: _Read, rows: Sequence[JournalRow], count: int) -> _Plan:
    """Take the rows one after the other; no database, so that any thread may do it."""
    device, now = read.device, read.now
    work = Merge(
        device=device,
        now=now,
        scans=records.records(read.scans),
        tickets=gate.tickets(read.tickets),
        blocked=blocked_marks(read.keyring, read.blocked, site_id=device.site_id, turn=read.turn),
        holders=shown.marks(read.keyring, read.holders, site_id=device.site_id, turn=read.turn),
        types_by_number={kind.number: kind.id for kind in read.catalog.of_site(device.site_id)},
        entered_zone={row[0]: row[1] for row in read.entered_zone},
    )
    for row in rows:
        work.take(row)
    statements = [
        _journal(tenant, work, rows, key=read.keyring.derive("gate-journal-mark")),
        Statement(THROUGH, (rows[-1].seq, now, tenant, device.id)),
    ]
    if work.new:
        statements.append(Statement(NEW_SCANS, (tenant, *_scan_columns(work.new, SCAN_FIELDS))))
    if work.changes:
        changed = _scan_columns(work.changes, CHANGED_FIELDS)
        statements.append(Statement(CHANGED_SCANS, (*changed, tenant)))
    uses = work.uses()
    if uses:
        statements.append(gate.use_statement(tenant, uses))
    if work.ticket_ids():
        statements.append(feed.add_statement(tenant, work.ticket_ids(), counted=True))
    if days := work.days():
        statements.append(
            zones.count_anew_statement(
                tenant,
                site_id=device.site_id,
                zone_id=device.zone_id,
                day=max(days),
                device_id=device.id,
                count=count,
            )
        )
    if work.gone:
        settled = (now, device.name, merged.GIVEN_BACK, tenant, array(work.gone))
        statements.append(Statement(SETTLED, settled))
    used = sorted(use.ticket_id for use in uses)
    for start in range(0, len(used), EVENT_TICKETS):
        several = used[start : start + EVENT_TICKETS]
        statements += tickets_used_statements(tenant, ticket_ids=several)
    statements.append(_cases(tenant, work, work.conflicts(uses)))
    return _Plan(work, statements)


async def _write(session: Session, plan: _Plan) -> int:
    try:
        *_, opened = await run(session, plan.statements)
    except psycopg.errors.UniqueViolation as error:
        # The server decided one of these scans meanwhile: run again and find it.
        raise psycopg.errors.SerializationFailure("a scan was decided meanwhile") from error
    for on, staff in plan.work.switches:
        await audit.record(
            session,
            action="admission.emergency_began" if on else "admission.emergency_ended",
            entity="gate_device",
            entity_id=plan.work.device.id,
            after={"entrance_id": plan.work.device.entrance_id, "staff": staff},
        )
    return len(opened)


def _journal(tenant_id: int, work: Merge, rows: Iterable[JournalRow], *, key: bytes) -> Statement:
    now = work.now
    values = [
        (
            row.seq,
            row.scan_id,
            row.step,
            merged.gate_time(row, now=now),
            merged.corrected_time(row, now=now),
            row.lane_id,
            row.direction,
            row.decided_by,
            row.method,
            merged.id_of(row.ticket_id),
            None if row.generation is None else merged.within(row.generation),
            merged.within(row.persons),
            merged.within(row.persons_left),
            merged.clean(row.reason),
            None if row.document_mark is None else _kept_mark(key, row.document_mark),
            merged.clean(row.staff),
        )
        for row in rows
    ]
    head = (tenant_id, work.device.id, now)
    return Statement(JOURNAL, (*head, *columns(values, JOURNAL_COLUMNS)))


def _kept_mark(key: bytes, mark: bytes) -> bytes:
    """A document's mark as it is kept here: the keys that gates had tell nothing of it."""
    return hmac.digest(key, mark, "sha256")[: len(mark)]


def _scan_columns(scans: Sequence[ScanRecord], names: Sequence[str]) -> list[Array | str]:
    return [array(_values(scans, name)) for name in names]


def _values(scans: Sequence[ScanRecord], name: str) -> Iterable[Any]:
    values = map(attrgetter(name), scans)
    if name == "details":
        return (msgspec.json.encode(value).decode() for value in values)
    return values


def _cases(tenant_id: int, work: Merge, cases: Sequence[Case]) -> Statement:
    rows = [
        (
            ids.new_id(),
            str(case.kind),
            case.at,
            case.scan_id,
            case.ticket_id,
            msgspec.json.encode(case.details).decode(),
        )
        for case in cases
    ]
    head = (tenant_id, work.device.site_id, work.device.id, work.now)
    return Statement(CASES, (*head, *columns(rows, 6)))
