"""A decision from what the gate holds: facts out of the store, then the very rules of the server.

Calls belong into a transaction of the caller's, together with the journal's row of the decision,
so that of two scans of one ticket the second sees what the first did.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from shanmen.admission.protocol import (
    Answer,
    AskRequest,
    Instant,
    TicketRow,
    TypeInfo,
    document_seal_key,
    open_sealed,
    seal_key,
)
from shanmen.admission.rules import (
    COMPANION_SECONDS,
    NOT_OF_NOW,
    Code,
    Decision,
    DocumentCheck,
    Entry,
    GateState,
    PlaceKey,
    ScanFacts,
    TicketFacts,
    best,
    decide,
)
from shanmen.edge.intents import Scanned, State
from shanmen.edge.journal import Journal
from shanmen.edge.place import Place, instant_of, moment_of
from shanmen.edge.presented import Presented, recognise
from shanmen.edge.tickets import counts
from shanmen.tickets.rotating import Outcome
from shanmen.tickets.token import TicketBody
from shanmen.tickets.zones import ZoneWindow

Method = Literal["qr", "document", "manual"]
METHODS: Mapping[Code, Method] = {
    Code.DOCUMENT: "document",
    Code.MISTYPED: "document",
    Code.TYPED: "manual",
}

_SAME_VISIT_MS = 20 * 3_600_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ticket that may be meant: the server's row, the code's own word, or both."""

    id: bytes
    row: TicketRow | None
    body: TicketBody | None = None

    @property
    def by_code(self) -> TicketBody | None:
        """What the code says, where it is all there is or newer than the row.

        The code is signed: a gate that was cut off before the sale, or before the visit was moved,
        goes by it alone.
        """
        newer = self.row is None or (self.body and self.body.generation > self.row.generation)
        return self.body if newer else None

    @property
    def type_number(self) -> int | None:
        """The ticket type's short number."""
        body = self.by_code
        if body is not None:
            return body.ticket_type_number
        return self.row.type_number if self.row else None


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides scans at one moment, from one journal."""

    place: Place
    journal: Journal
    document_keys: Sequence[bytes]
    now: datetime
    """By the server's clock, as far as it is known."""
    lane_open: bool = True
    room: int | None = None
    """How many more the zone takes; None is without limit."""

    def decide(self, scan: AskRequest, direction: Literal["in", "out"]) -> Scanned:
        """Decide one scan; nothing is written."""
        presented = recognise(scan, keys=self.place.keys, document_keys=self.document_keys)
        presented = self._with_fresh_code(presented)
        state = self.place.state(
            now=self.now, direction=direction, is_open=self.lane_open, room=self.room
        )
        candidate, decision = self._choose(scan, presented, state)
        return self._scanned(scan, presented, state, candidate, decision)

    def _with_fresh_code(self, presented: Presented) -> Presented:
        body = presented.body
        if body is None or not body.rotating:
            return presented
        verdict = self.place.check_tail(body, presented.tail, now=self.now)
        if verdict.outcome in {Outcome.MISSING, Outcome.NO_KEY}:
            # Without the day's key nobody can tell: then it is worth what paper is.
            return presented
        return replace(presented, code=Code.of_changing(verdict))

    def _choose(
        self, scan: AskRequest, presented: Presented, state: GateState
    ) -> tuple[Candidate | None, Decision]:
        candidates = list(self._candidates(presented))
        if not candidates:
            return None, decide(None, self._scan_facts(scan, presented, None), state)
        decisions = [
            decide(self._facts(each, state), self._scan_facts(scan, presented, each), state)
            for each in candidates
        ]
        chosen = best(decisions)
        return candidates[chosen], decisions[chosen]

    def _candidates(self, presented: Presented) -> Iterator[Candidate]:
        tickets = self.journal.tickets
        if presented.body is not None:
            ticket_id = presented.body.ticket_id.bytes
            yield Candidate(ticket_id, tickets.row(ticket_id), presented.body)
        elif presented.number is not None:
            for row in tickets.by_number(presented.number):
                yield Candidate(row.id, row)
        elif presented.code is Code.DOCUMENT:
            for row in tickets.by_marks(presented.marks):
                yield Candidate(row.id, row)

    def _facts(self, candidate: Candidate, state: GateState) -> TicketFacts:
        use = self.journal.tickets.use(candidate.id)
        counted = counts(candidate.row, use, day=self.place.day(self.now))
        last = None
        if counted.entered_at is not None:
            last = Entry(moment_of(counted.entered_at), self._place_name(candidate, counted.here))
        body, row = candidate.by_code, candidate.row
        if body is not None:
            facts = _facts_of_body(body)
        elif row is not None:
            facts = _facts_of_row(row, site=state.site)
        else:
            raise ValueError("A candidate has a row or a code.")
        kind = self._type(candidate, state)
        return replace(
            facts,
            generation=max(facts.generation, use.generation),
            persons_entered=max(0, counted.entered),
            persons_inside=max(0, counted.inside),
            last_entry=last,
            # Of a ticket that nobody told of, it is not known whom it names: it is taken that it
            # names somebody, so that whatever asks for a document asks for one here too.
            has_documents=bool(row.documents) if row is not None else True,
            entrances=self._entrances(candidate, state),
            inside_zones={state.zone: counted.inside_zone},
            companion=kind is not None and kind.companion,
            static_code=(row.static_code if row else "") or (kind.static_code if kind else ""),
            hours=kind.hours if kind else (),
        )

    def _place_name(self, candidate: Candidate, here: bool) -> Mapping[str, str]:  # noqa: FBT001
        row = candidate.row
        number = self.place.setup.entrance if here or row is None else row.last_entrance
        return self.place.entrance_name(number)

    def _entrances(self, candidate: Candidate, state: GateState) -> frozenset[PlaceKey] | None:
        if candidate.body is not None and candidate.body.home_entrance is not None:
            return frozenset({candidate.body.home_entrance})
        kind = self._type(candidate, state)
        return None if kind is None or kind.entrances is None else frozenset(kind.entrances)

    def _type(self, candidate: Candidate, state: GateState) -> TypeInfo | None:
        """What is known of the ticket's type; types are numbered within a site."""
        foreign = candidate.body is not None and candidate.body.site_number != state.site
        return None if foreign else self.place.types.get(candidate.type_number or 0)

    def _alone(self, type_number: int | None) -> bool:
        """Whether tickets of a type may enter without anybody."""
        kind = self.place.types.get(type_number or 0)
        return kind is None or not kind.companion

    def _accompanied(self, lane_id: UUID, candidate: Candidate) -> bool:
        """Whether somebody who may enter alone went ahead.

        That is at this lane just now, or on a ticket of the same order today.
        """
        now = instant_of(self.now)
        for intent in self.journal.intents.at_lane(lane_id, since=now - COMPANION_SECONDS * 1000):
            admitted = intent.persons > 0 and intent.state is not State.UNDONE
            scanned = intent.scanned
            if admitted and scanned.direction == "in" and self._alone(scanned.answer.type_number):
                return True
        if candidate.row is None:
            return False
        others = self.journal.tickets.of_order(candidate.row.number)
        return any(
            self._alone(row.type_number) and self._entered_since(row, now - _SAME_VISIT_MS)
            for row in others
        )

    def _entered_since(self, row: TicketRow, since: Instant) -> bool:
        use = self.journal.tickets.use(row.id)
        entered_at = counts(row, use, day=self.place.day(self.now)).entered_at
        return entered_at is not None and entered_at >= since

    def _scan_facts(
        self, scan: AskRequest, presented: Presented, candidate: Candidate | None
    ) -> ScanFacts:
        admitted_at = self.journal.document_admitted_at(presented.marks)
        row = candidate.row if candidate else None
        marks = {*presented.marks, *(mark for mark, _ in (row.documents if row else ()))}
        # Only a ticket that asks for company is looked up for it.
        asks = candidate is not None and not self._alone(candidate.type_number)
        return ScanFacts(
            code=presented.code,
            generation=presented.body.generation if presented.body else None,
            document=_document_check(presented, candidate, readable=bool(self.document_keys)),
            persons=scan.persons,
            document_admitted_at=None if admitted_at is None else moment_of(admitted_at),
            accompanied=asks
            and candidate is not None
            and self._accompanied(scan.lane_id, candidate),
            blocked=not marks.isdisjoint(self.place.blocked),
        )

    def _scanned(
        self,
        scan: AskRequest,
        presented: Presented,
        state: GateState,
        candidate: Candidate | None,
        decision: Decision,
    ) -> Scanned:
        row = candidate.row if candidate else None
        body = candidate.by_code if candidate else None
        answer = Answer(
            scan_id=scan.scan_id,
            outcome="admitted" if decision.admit else "refused",
            persons=decision.persons,
            persons_left=decision.persons_left,
            party_size=body.party_size if body else row.party_size if row else 0,
            reason=str(decision.reason or ""),
            params=msgspec.to_builtins(dict(decision.params)),
            override_allowed=decision.override_allowed and candidate is not None,
            ticket_id=candidate.id if candidate else None,
            ticket_number=row.number if row else "",
            type_number=candidate.type_number if candidate else None,
            names=_names(presented, row),
        )
        valid_until = row.valid_until if row else 0
        shown = presented.body
        return Scanned(
            answer=answer,
            direction="out" if state.direction == "out" else "in",
            decided_by="gate",
            method=METHODS.get(presented.code, "qr"),
            day=self.place.day(state.now),
            generation=shown.generation if shown else row.generation if row else None,
            valid_until=instant_of(body.valid_until) if body else valid_until,
            marks=presented.marks,
            staff=scan.staff,
        )


def _facts_of_body(body: TicketBody) -> TicketFacts:
    return TicketFacts(
        site=body.site_number,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        party_size=body.party_size,
        entries=body.entries,
        zones=body.zones,
        flags=body.flags,
        generation=body.generation,
    )


def _facts_of_row(row: TicketRow, *, site: PlaceKey) -> TicketFacts:
    return TicketFacts(
        site=site,
        valid_from=moment_of(row.valid_from),
        valid_until=moment_of(row.valid_until),
        party_size=row.party_size,
        entries=row.entries,
        zones=row.zones,
        flags=row.flags,
        generation=row.generation,
        status=row.status,
        zone_windows=tuple(
            ZoneWindow(zone, moment_of(starts), moment_of(ends))
            for zone, starts, ends in row.windows
        ),
    )


def _document_check(
    presented: Presented, candidate: Candidate | None, *, readable: bool
) -> DocumentCheck:
    if not presented.shows_document:
        return DocumentCheck.NOT_SHOWN
    if not readable:
        return DocumentCheck.UNREADABLE
    if candidate is None:
        return DocumentCheck.NOT_SHOWN
    row = candidate.row
    if row is None:
        # Sold after this gate went offline: that a document was shown counts, its mark goes into
        # the journal, and the server compares it when it hears of it: a stranger's is a case for
        # the console. A picture of a code gains nothing by that.
        counts_for = presented.shown and presented.code not in NOT_OF_NOW
        return DocumentCheck.MATCHES if counts_for else DocumentCheck.NOT_SHOWN
    own = {mark for mark, _ in row.documents}
    return DocumentCheck.MATCHES if own & set(presented.marks) else DocumentCheck.DIFFERS


def _names(presented: Presented, row: TicketRow | None) -> list[str]:
    """Masked names, opened with what the visitor shows: the code, else the document."""
    if row is None:
        return []
    if presented.token and row.sealed:
        holders = open_sealed(seal_key(presented.token), row.sealed)
        if holders is not None:
            return holders.names
    shown_by_mark = {shown.mark: shown for shown in presented.shown}
    for mark, sealed in row.documents:
        shown = shown_by_mark.get(mark)
        if shown is not None:
            holders = open_sealed(document_seal_key(shown.key, shown.number), sealed)
            return holders.names if holders is not None else []
    return []
