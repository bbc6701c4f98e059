"""What rows of a gate's journal come to: the scans as they become, and what does not fit.

No database and no clock: the facts are handed in, and `Merge` is asked for the outcome. The gate's
journal is the truth of what happened at the gate. The server's own decision of the same scan only
says whether the gate was told otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from uuid import UUID

from shanmen.admission.protocol import ROWS_AT_ONCE, JournalRow
from shanmen.admission.records import ScanRecord
from shanmen.admission.rules import CaseKind
from shanmen.admission.service import shown
from shanmen.admission.service.devices import Device
from shanmen.kit import clock
from shanmen.tickets.gate import GateTicket, Use
from shanmen.tickets.zones import several

MOST_PERSONS = 9_999
EMERGENCY = "emergency"
LATE = "late"
GIVEN_BACK = "given_back"
ID_BYTES = 16
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_MS = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """What a person has to look at."""

    kind: CaseKind
    at: datetime
    scan_id: UUID
    ticket_id: UUID | None
    details: Mapping[str, object] = field(default_factory=dict)


def counted(scan: ScanRecord) -> int:
    """How many a scan let through, as it stands."""
    return scan.persons if scan.outcome == "admitted" and scan.undone_at is None else 0


def corrected_time(row: JournalRow, *, now: datetime) -> datetime:
    """The server's time of a row: the gate's, less what its clock was ahead; never to come."""
    return min(_instant(row.at - row.skew_ms, now), now)


def gate_time(row: JournalRow, *, now: datetime) -> datetime:
    """The time that the gate's clock showed."""
    return _instant(row.at, now)


# A row's times and its ticket are asked for several times: as it is read, taken and written.
@lru_cache(maxsize=2 * ROWS_AT_ONCE)
def _instant(ms: int, now: datetime) -> datetime:
    try:
        return max(datetime.fromtimestamp(ms / _MS, UTC), _EARLIEST)
    except (OverflowError, ValueError, OSError):
        return now


def within(number: int, *, most: int = MOST_PERSONS) -> int:
    """A figure of a gate, kept within what the tables hold."""
    return max(-most, min(most, number))


def clean(text: str, *, limit: int = 200) -> str:
    """A text of a gate, as the tables can hold it."""
    return text.replace("\0", "")[:limit]


@lru_cache(maxsize=ROWS_AT_ONCE)
def id_of(raw: bytes | None) -> UUID | None:
    """A ticket's id as a gate sends it; None where it is none."""
    return UUID(bytes=raw) if raw is not None and len(raw) == ID_BYTES else None


@dataclass(slots=True)
class Merge:
    """Rows of one gate, taken in their order by `take`; what they come to is in the properties."""

    device: Device
    now: datetime
    scans: dict[UUID, ScanRecord]
    """As they stand now, by id; changed in place."""
    tickets: Mapping[UUID, GateTicket]
    blocked: frozenset[bytes]
    types_by_number: Mapping[int, UUID]
    holders: shown.Marks = field(default_factory=dict)
    """Of tickets that somebody entered with who showed a document beside the code."""
    entered_zone: Mapping[UUID, int] = field(default_factory=dict)
    """Of tickets for several zones, how many had entered the gate's."""
    before: dict[UUID, ScanRecord] = field(default_factory=dict)
    touched: dict[UUID, None] = field(default_factory=dict)
    cases: dict[tuple[UUID, CaseKind], Case] = field(default_factory=dict)
    switches: list[tuple[bool, str]] = field(default_factory=list)
    """The emergency was switched on or off, and by whom."""

    def __post_init__(self) -> None:
        self.before = dict(self.scans)

    def take(self, row: JournalRow) -> None:
        """Let one row change what is known."""
        if row.step == EMERGENCY and row.persons <= 0:
            self.switches.append((row.reason != "off", clean(row.staff)))
            return
        if row.step == "passed":
            return
        scan = self.scans.get(row.scan_id)
        if scan is not None and scan.entrance_id != self.device.entrance_id:
            # An id of somebody else's scan: it is theirs, whatever this gate says of it.
            self._open(CaseKind.FOREIGN_SCAN, row, self._new(row, "refused", 0))
            return
        changed = self._changed(row, scan)
        if changed is not None and changed != scan:
            self.scans[row.scan_id] = changed
            self.touched[row.scan_id] = None

    @property
    def new(self) -> list[ScanRecord]:
        """Scans that the server did not know."""
        return [self.scans[key] for key in self.touched if key not in self.before]

    @property
    def changes(self) -> list[ScanRecord]:
        """Scans that the server knew otherwise."""
        return [self.scans[key] for key in self.touched if key in self.before]

    @property
    def gone(self) -> list[UUID]:
        """Scans that nobody stands behind any more: their cases are settled."""
        return [key for key in self.touched if not counted(self.scans[key])]

    def uses(self) -> list[Use]:
        """How the tickets' counters change."""
        total: dict[UUID, Use] = {}
        for key in self.touched:
            scan, more = self.scans[key], self._more(key)
            ticket_id = scan.ticket_id
            if more and scan.direction == "in" and ticket_id and ticket_id in self.tickets:
                known = total.get(ticket_id)
                at = min(known.at, scan.at) if known else scan.at
                total[ticket_id] = Use(ticket_id, more + (known.persons if known else 0), at)
        return [use for use in total.values() if use.persons]

    def days(self) -> set[date]:
        """The days on which others went through than was known."""
        return {self.scans[key].day for key in self.touched if self._more(key)}

    def ticket_ids(self) -> set[UUID]:
        """Tickets that other gates must hear of."""
        found = {self.scans[key].ticket_id for key in self.touched}
        return {ticket_id for ticket_id in found if ticket_id is not None}

    def conflicts(self, uses: Iterable[Use]) -> list[Case]:
        """All cases; those of tickets that `uses` makes used too often are among them."""
        last = self._last_entries()
        for use in uses:
            ticket = self.tickets[use.ticket_id]
            allowed = ticket.party_size * ticket.entries
            entered = self._entered(ticket) + use.persons
            scan = last.get(use.ticket_id)
            if use.persons > 0 and ticket.entries and entered > allowed and scan is not None:
                self._note(CaseKind.DOUBLE_ENTRY, scan, {"entered": entered, "allowed": allowed})
        return [case for case in self.cases.values() if counted(self.scans[case.scan_id])
                or case.kind is CaseKind.FOREIGN_SCAN]  # fmt: skip

    def _entered(self, ticket: GateTicket) -> int:
        """How many had entered before these rows, where the gate stands."""
        if several(ticket.zones):
            return self.entered_zone.get(ticket.id, 0)
        return ticket.persons_entered

    def _more(self, key: UUID) -> int:
        before = self.before.get(key)
        return counted(self.scans[key]) - (counted(before) if before else 0)

    def _last_entries(self) -> dict[UUID, ScanRecord]:
        """By ticket, the last of these scans that let somebody in by the rules."""
        found = {}
        for key in self.touched:
            scan = self.scans[key]
            if scan.ticket_id and scan.override_by is None and self._more(key) > 0:
                found[scan.ticket_id] = scan
        return found

    def _changed(self, row: JournalRow, scan: ScanRecord | None) -> ScanRecord | None:
        """The scan after a row; None where the row says nothing of it."""
        persons = within(row.persons)
        first: ScanRecord | None = None
        if row.step == "admitted":
            first = self._admitted(row, scan, persons)
        elif row.step == "refused":
            first = self._refused(row, scan)
        elif row.step == "override":
            first = self._overridden(row, scan, persons)
        elif row.step == EMERGENCY:
            made = replace(self._new(row, "admitted", persons), reason=EMERGENCY, ticket_id=None)
            first = scan or made
        elif scan is not None:
            first = self._afterwards(row, scan, persons)
        return first

    def _afterwards(self, row: JournalRow, scan: ScanRecord, persons: int) -> ScanRecord:
        """What became of a scan that is known."""
        if row.step == "undone":
            return self._undo(row, scan, clean(row.staff) or self.device.name, clean(row.reason))
        if row.step == "corrected" and persons > 0:
            return self._add(row, scan, persons)
        return self._less(row, scan, abs(persons))

    def _admitted(
        self, row: JournalRow, scan: ScanRecord | None, persons: int
    ) -> ScanRecord | None:
        if persons <= 0 or (scan is not None and scan.reason == EMERGENCY):
            # Who passed while all lanes stood open used no ticket, and is counted already.
            return scan
        made = self._new(row, "admitted", persons)
        if scan is not None and scan.undone_at is not None:
            # The console took it back meanwhile; the gate only has to be known as the one that
            # counted it.
            return replace(
                scan, gate_persons=persons, gate_at=made.gate_at, device_id=self.device.id
            )
        if row.direction == "in":
            self._check(row, made)
        if scan is None:
            return made
        if scan.outcome == "refused":
            self._open(CaseKind.SERVER_REFUSED, row, scan, {"reason": scan.reason})
        return replace(
            scan,
            outcome="admitted",
            persons=persons,
            persons_left=made.persons_left,
            gate_persons=persons,
            gate_at=made.gate_at,
            device_id=self.device.id,
            ticket_id=scan.ticket_id or made.ticket_id,
        )

    def _refused(self, row: JournalRow, scan: ScanRecord | None) -> ScanRecord | None:
        if scan is None:
            return self._new(row, "refused", 0)
        if not counted(scan) or scan.override_by is not None:
            return scan
        # The server's answer came too late: nobody went through.
        return self._undo(row, scan, self.device.name, LATE)

    def _overridden(
        self, row: JournalRow, scan: ScanRecord | None, persons: int
    ) -> ScanRecord | None:
        if persons <= 0 or (scan is not None and scan.override_by is not None):
            return scan
        base = scan or self._new(row, "refused", 0)
        return replace(
            base,
            outcome="admitted",
            reason=scan.reason if scan else "",
            persons=persons,
            persons_left=max(0, within(row.persons_left)),
            override_by=clean(row.staff) or self.device.name,
            override_reason=clean(row.reason),
            gate_persons=persons,
            gate_at=gate_time(row, now=self.now),
            device_id=self.device.id,
            undone_at=None,
            undone_by=None,
            undo_reason=None,
        )

    def _undo(self, row: JournalRow, scan: ScanRecord, by: str, reason: str) -> ScanRecord:
        if not counted(scan):
            return replace(scan, gate_persons=0)
        return replace(
            scan,
            gate_persons=0,
            undone_at=corrected_time(row, now=self.now),
            undone_by=by,
            undo_reason=reason,
        )

    def _less(self, row: JournalRow, scan: ScanRecord, persons: int) -> ScanRecord:
        """So many did not go through after all."""
        if persons <= 0:
            return scan
        if persons >= scan.persons:
            return self._undo(row, scan, self.device.name, GIVEN_BACK)
        known = max(0, scan.gate_persons - persons)
        if not counted(scan):
            return replace(scan, gate_persons=known)
        return replace(
            scan,
            persons=scan.persons - persons,
            persons_left=scan.persons_left + persons,
            gate_persons=known,
        )

    def _add(self, row: JournalRow, scan: ScanRecord, persons: int) -> ScanRecord:
        """So many went through after all."""
        more = counted(scan) + persons
        changed = replace(
            scan,
            outcome="admitted",
            persons=more,
            gate_persons=scan.gate_persons + persons,
            undone_at=None,
            undone_by=None,
            undo_reason=None,
        )
        if row.direction == "in":
            self._check(row, changed)
        return changed

    def _check(self, row: JournalRow, scan: ScanRecord) -> None:
        """What would have spoken against it, had the gate known all."""
        ticket = self.tickets.get(scan.ticket_id) if scan.ticket_id else None
        if ticket is None:
            if scan.ticket_id is not None:
                self._open(CaseKind.UNKNOWN_TICKET, row, scan)
            return
        if ticket.status == "refunded":
            self._open(CaseKind.AFTER_REFUND, row, scan)
        elif row.generation is not None and row.generation < ticket.generation % 256:
            self._open(CaseKind.OLD_GENERATION, row, scan)
        if row.document_mark is not None and row.document_mark in self.blocked:
            self._open(CaseKind.BLOCKED, row, scan)
        own = self.holders.get(ticket.id)
        # Whom a ticket does not name it admits with whatever document a gate has asked for.
        if own and shown.shown_beside_a_code(row) and row.document_mark not in own:
            self._open(CaseKind.DOCUMENT_MISMATCH, row, scan)

    def _open(
        self,
        kind: CaseKind,
        row: JournalRow,
        scan: ScanRecord,
        details: Mapping[str, object] | None = None,
    ) -> None:
        self._note(kind, replace(scan, id=row.scan_id), details or {})

    def _note(self, kind: CaseKind, scan: ScanRecord, details: Mapping[str, object]) -> None:
        self.cases.setdefault(
            (scan.id, kind), Case(kind, scan.at, scan.id, scan.ticket_id, details)
        )

    def _new(self, row: JournalRow, outcome: str, persons: int) -> ScanRecord:
        at = corrected_time(row, now=self.now)
        ticket_id = id_of(row.ticket_id)
        ticket = self.tickets.get(ticket_id) if ticket_id else None
        number = self.types_by_number.get(row.type_number) if row.type_number is not None else None
        own = self.holders.get(ticket_id, {}) if ticket_id else {}
        return ScanRecord(
            id=row.scan_id,
            at=at,
            day=clock.local(at, self.device.timezone).date(),
            site_id=self.device.site_id,
            entrance_id=self.device.entrance_id,
            lane_id=row.lane_id,
            direction=row.direction,
            method=row.method,
            ticket_id=ticket_id,
            ticket_type_id=ticket.ticket_type_id if ticket else number,
            slot_id=ticket.slot_id if ticket else None,
            outcome=outcome,
            reason="" if outcome == "admitted" else clean(row.reason),
            persons=persons,
            persons_left=max(0, within(row.persons_left)),
            details={},
            document_index=own.get(row.document_mark) if row.document_mark else None,
            staff_label=clean(row.staff) or self.device.name,
            device_id=self.device.id,
            gate_persons=persons,
            gate_at=gate_time(row, now=self.now),
        )
