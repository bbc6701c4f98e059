"""Admitting many at once, in two round trips: lock the tickets and read, write.

Documents and short numbers need one before, to find their tickets; operators who limit zones, have
tickets for companions or block documents need one between.

A scan is known by the id its device chose, and by what was asked under it: the same id with another
question is refused. The id is looked up only after the tickets are locked, so of two transactions
with the same scan the second sees what the first wrote. Scans that lock no
ticket (an unknown code) can still meet; then the database refuses the second row, and the whole
transaction runs again and finds the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from uuid import UUID

import psycopg

from shanmen.admission import records
from shanmen.admission.events import tickets_used_statements
from shanmen.admission.presented import Presented, mark_of, recognise
from shanmen.admission.queries import views_of
from shanmen.admission.records import ScanRecord
from shanmen.admission.schemas import DecisionView, GateScan, ScanRequest
from shanmen.admission.service import around, reading, zones
from shanmen.admission.service.book import Book
from shanmen.admission.service.reading import Asked
from shanmen.catalog.queries import catalog_at
from shanmen.db.pipeline import Statement, run, run_at_commit, together
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import DomainError, IdempotencyMismatch
from shanmen.tickets import feed, gate
from shanmen.tickets.keys import own_keys

Outcome = DecisionView | DomainError


async def admit_one(session: Session, *, scan: ScanRequest) -> DecisionView:
    """Decide one scan; raises what `admit` returns as an error."""
    outcome = (await admit(session, scans=[scan]))[0]
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


async def admit(
    session: Session,
    *,
    scans: Sequence[ScanRequest],
    read: Sequence[Presented | None] = (),
    alone: bool = False,
) -> list[Outcome]:
    """Decide many scans in this transaction, in their order; one outcome for each.

    A scan that was decided before gets the same decision again and changes nothing. A request that
    cannot be a scan (an unknown lane, nothing scanned, an id of another scan) is answered with its
    error and leaves its neighbours alone. The caller commits before it answers anybody.

    Args:
        scans: what devices ask.
        read: what the scans present, one for each, as far as `recognise` has read it already.
        alone: the transaction has no other work, so that what is written goes with its commit.
    """
    now = clock.now()
    keys = own_keys(session.keyring)
    presented = [
        seen or recognise(scan, keyring=session.keyring, keys=keys)
        for scan, seen in zip(scans, read or repeat(None), strict=False)
    ]
    found = await _find(session, presented, now)
    book, known = await _lock_and_read(session, scans, presented, found, now)
    fresh: dict[UUID, ScanRecord] = {}
    errors: dict[int, DomainError] = {}
    for place, (scan, seen) in enumerate(zip(scans, presented, strict=True)):
        before = known.get(scan.scan_id) or fresh.get(scan.scan_id)
        if before is None:
            decided = book.decide(scan, seen)
            if isinstance(decided, DomainError):
                errors[place] = decided
            else:
                fresh[scan.scan_id] = decided
        elif _asks_otherwise(scan, before, keyring=session.keyring):
            errors[place] = IdempotencyMismatch(field="scan_id")
    told = await _views(session, list(known.values()), list(fresh.values()), book)
    views = {view.scan_id: view for view in told}
    if fresh:
        await _write(session, list(fresh.values()), book, alone=alone)
    return [errors.get(place) or views[scan.scan_id] for place, scan in enumerate(scans)]


def _asks_otherwise(scan: ScanRequest, before: ScanRecord, *, keyring: Keyring) -> bool:
    """Whether something else was asked under this id before."""
    if isinstance(scan, GateScan):
        return False
    # Without a mark it was a gate's, or is older than marks are.
    if before.asked is None:
        return before.device_id is not None
    return before.asked != mark_of(scan, keyring=keyring)


@dataclass(frozen=True, slots=True)
class _Found:
    """Which tickets the scans are about."""

    by_document: Mapping[int, list[gate.Candidate]]
    by_number: Mapping[tuple[str, int], UUID]


async def _find(session: Session, read: Iterable[Presented], now: datetime) -> _Found:
    read = list(read)
    indexes = {index for p in read if p.code == "document" for index in p.documents}
    numbers = {p.number for p in read if p.number is not None}
    if not indexes and not numbers:
        return _Found({}, {})
    by_document, by_number = await run(
        session,
        [
            gate.documents_statement(session.tenant_id, indexes, now=now),
            gate.numbers_statement(session.tenant_id, numbers),
        ],
    )
    return _Found(gate.candidates(by_document), gate.numbered(by_number))


async def _lock_and_read(
    session: Session,
    scans: Sequence[ScanRequest],
    presented: Sequence[Presented],
    found: _Found,
    now: datetime,
) -> tuple[Book, dict[UUID, ScanRecord]]:
    tenant = session.tenant_id
    ticket_ids = {p.body.ticket_id for p in presented if p.body is not None}
    ticket_ids.update(found.by_number.values())
    ticket_ids.update(c.ticket_id for several in found.by_document.values() for c in several)
    asked = Asked(
        scans=frozenset(scan.scan_id for scan in scans),
        lanes=frozenset(scan.lane_id for scan in scans),
        tickets=frozenset(ticket_ids),
        documents=frozenset(index for p in presented for index in p.documents),
    )
    locked, [row] = await run(
        session,
        [
            gate.lock_statement(tenant, asked.tickets),
            reading.statement(tenant, asked, now=now),
        ],
    )
    facts = reading.reading(row)
    catalog = await catalog_at(session, facts.catalog_version)
    book = Book(
        catalog=catalog,
        now=now,
        keyring=session.keyring,
        tickets=gate.tickets(locked),
        histories=facts.histories,
        holders=facts.holders,
        lanes=facts.lanes,
        policies=facts.policies,
        places=facts.places,
        documents_admitted=facts.documents_admitted,
        by_document=found.by_document,
        by_number=found.by_number,
    )
    if facts.rules.any:
        await _read_around(session, facts.rules, scans, book, asked=asked)
    return book, facts.known


async def _read_around(
    session: Session,
    there: around.RulesThere,
    scans: Sequence[ScanRequest],
    book: Book,
    *,
    asked: Asked,
) -> None:
    """Lock the zones with a maximum, and read what companions and blocked documents ask for."""
    tenant = session.tenant_id
    statements: list[Statement] = []
    if there.zone_limits:
        statements.append(zones.lock_statement(tenant, lanes=asked.lanes))
    if there.companions:
        statements += around.companions_statements(
            tenant, lanes=asked.lanes, tickets=asked.tickets, named=_named(scans), now=book.now
        )
    if there.blocked:
        today = clock.local(book.now, records.FALLBACK_TIMEZONE).date()
        statements.append(
            around.blocked_statement(
                tenant, tickets=asked.tickets, indexes=asked.documents, today=today
            )
        )
    rows = await run(session, statements)
    if there.zone_limits:
        book.zones = zones.zone_rows(rows.pop(0))
    if there.companions:
        book.around.meet(rows[:3])
    if there.blocked:
        book.around.block(rows[-1])


def _named(scans: Iterable[ScanRequest]) -> set[UUID]:
    """Tickets that gates name as company."""
    return {one for scan in scans if isinstance(scan, GateScan) for one in scan.companions}


async def _write(session: Session, fresh: Sequence[ScanRecord], book: Book, *, alone: bool) -> None:
    tenant = session.tenant_id
    statements = [records.insert_statement(tenant, fresh)]
    if book.uses:
        statements.append(gate.use_statement(tenant, book.uses))
    if book.moves:
        statements.append(zones.move_statement(tenant, book.moves))
    counted = [s.ticket_id for s in fresh if s.persons and s.ticket_id is not None]
    if counted:
        statements.append(feed.add_statement(tenant, counted, counted=True))
    statements += tickets_used_statements(tenant, ticket_ids=(use.ticket_id for use in book.uses))
    writing = together(statements)
    if alone:
        run_at_commit(session, [writing])
        return
    try:
        await run(session, [writing])
    except psycopg.errors.UniqueViolation as error:
        # Another transaction decided one of these scans meanwhile: run again and find it.
        raise psycopg.errors.SerializationFailure("a scan was decided meanwhile") from error


async def _views(
    session: Session, known: Sequence[ScanRecord], fresh: Sequence[ScanRecord], book: Book
) -> list[DecisionView]:
    """Views of new scans from the book; of old ones too, if it holds their tickets."""
    missing = [s for s in known if s.ticket_id is not None and s.ticket_id not in book.tickets]
    absent = {scan.id for scan in missing}
    from_book = records.Known(
        tickets=book.tickets,
        holders=book.holders,
        places=book.places,
        types=book.catalog.types,
        keyring=session.keyring,
    )
    views = [from_book.view(scan) for scan in [*known, *fresh] if scan.id not in absent]
    return views + await views_of(session, scans=missing)
