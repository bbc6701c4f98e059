"""The facts of one batch of scans, and the decisions taken on them one after the other.

Everything is read before; here nothing waits. A decision changes the facts for the scans after it
in the same batch, as it would if they had come in separate transactions.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from shanmen.admission.errors import LaneUnknown, NothingScanned
from shanmen.admission.presented import Presented, mark_of
from shanmen.admission.records import History, ScanRecord
from shanmen.admission.rules import (
    Code,
    Decision,
    DocumentCheck,
    Entry,
    GateState,
    ScanFacts,
    TicketFacts,
    best,
    decide,
)
from shanmen.admission.schemas import GateScan, ScanRequest
from shanmen.admission.service.around import Around
from shanmen.admission.service.lane_rows import LaneRow, PolicyRow
from shanmen.admission.service.zones import ZoneRow
from shanmen.catalog.rules import Catalog
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import DomainError
from shanmen.sites.places import Place
from shanmen.tickets import rotating
from shanmen.tickets.gate import Candidate, GateHolder, GateTicket, Use
from shanmen.tickets.zones import several, windows_from

METHODS = {Code.DOCUMENT: "document", Code.MISTYPED: "document", Code.TYPED: "manual"}


@dataclass(slots=True)
class Book:
    """All that one batch knows, and what it has decided so far."""

    now: datetime
    keyring: Keyring
    lanes: Mapping[UUID, LaneRow]
    places: Mapping[UUID, Place]
    policies: Mapping[UUID, PolicyRow]
    tickets: Mapping[UUID, GateTicket]
    holders: Mapping[UUID, tuple[GateHolder, ...]]
    histories: Mapping[UUID, History]
    by_document: Mapping[int, list[Candidate]]
    by_number: Mapping[tuple[str, int], UUID]
    documents_admitted: dict[int, datetime]
    catalog: Catalog
    around: Around = field(default_factory=Around)
    zones: Mapping[UUID, ZoneRow] = field(default_factory=dict)
    """Those with a maximum, locked."""
    moves: dict[tuple[UUID, date], int] = field(default_factory=dict)
    """How many more are inside a zone with a maximum, by its id and the day."""
    facts: dict[UUID, TicketFacts] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    gates: dict[tuple[UUID, str], GateState] = field(default_factory=dict)

    def decide(self, scan: ScanRequest, presented: Presented) -> ScanRecord | DomainError:
        """Decide one scan; the error is for a request that cannot be a scan at all."""
        lane = self.lanes.get(scan.lane_id)
        place = self.places.get(lane.entrance_id) if lane else None
        if lane is None or place is None:
            return LaneUnknown(field="lane_id")
        if presented.empty:
            return NothingScanned(field="code")
        gate = self._gate(lane, place, scan)
        presented = self._with_fresh_code(presented, place)
        ticket_id, decision = self._choose(scan, presented, gate)
        if decision.admit:
            self._apply(ticket_id, decision, presented, gate, scan.lane_id)
        ticket = self.tickets.get(ticket_id) if ticket_id else None
        return self._record(scan, presented, gate, ticket, decision)

    def _gate(self, lane: LaneRow, place: Place, scan: ScanRequest) -> GateState:
        direction = (scan.direction or "in") if lane.direction == "both" else lane.direction
        known = self.gates.get((lane.id, direction))
        if known is None:
            known = self.gates[lane.id, direction] = self._gate_of(lane, place, direction)
        zone = self._zone(known)
        if zone is None:
            return known
        day = known.day(self.now)
        return replace(known, room=zone.room_on(day) - self.moves.get((zone.zone_id, day), 0))

    def _zone(self, gate: GateState) -> ZoneRow | None:
        """The gate's zone, where it has a maximum."""
        if not self.zones:
            return None
        return next(
            (z for z in self.zones.values() if z.site_id == gate.site and z.number == gate.zone),
            None,
        )

    def _gate_of(self, lane: LaneRow, place: Place, direction: str) -> GateState:
        neighbours = [p for p in self.places.values() if p.site_id == place.site_id]
        return GateState(
            now=self.now,
            timezone=place.timezone,
            site=place.site_id,
            zone=place.zone_number,
            entrance=place.entrance_id,
            direction=direction,
            open=lane.active and place.active,
            policy=self.policies.get(place.site_id, _DEFAULT).policy,
            kind_of=self.catalog.kinds_of(place.site_id),
            site_names={p.site_id: p.site_name for p in self.places.values()},
            zone_names={p.zone_number: p.zone_name for p in neighbours},
            entrance_names={p.entrance_id: p.entrance_name for p in neighbours},
        )

    def _with_fresh_code(self, presented: Presented, place: Place) -> Presented:
        """Judge the part of a code that changes, where there is one and the ticket asks for it."""
        body = presented.body
        if body is None or not body.rotating:
            return presented
        own = next((p for p in self.places.values() if p.site_number == body.site_number), place)
        verdict = rotating.check(
            presented.tail,
            ticket_id=body.ticket_id,
            generation=body.generation,
            now=self.now,
            timezone=own.timezone,
            day_key_of=lambda day: rotating.day_key(
                self.keyring, site_number=body.site_number, day=day
            ),
        )
        if verdict.outcome is rotating.Outcome.MISSING:
            return presented
        return replace(presented, code=Code.of_changing(verdict))

    def _with_home(self, facts: TicketFacts, presented: Presented) -> TicketFacts:
        """The ticket with the one entrance that its code names, if it names one."""
        body = presented.body
        if body is None or body.home_entrance is None:
            return facts
        home = frozenset(
            place.entrance_id
            for place in self.places.values()
            if place.site_number == body.site_number and place.entrance_number == body.home_entrance
        )
        return replace(facts, entrances=home)

    def _choose(
        self, scan: ScanRequest, presented: Presented, gate: GateState
    ) -> tuple[UUID | None, Decision]:
        """The ticket to go by: the only one, or of a person's several the best."""
        candidates = self._candidates(presented)
        if not candidates:
            return None, decide(None, self._scan_facts(scan, presented, None), gate)
        decisions = [
            decide(
                self._with_home(self._facts(c), presented),
                self._scan_facts(scan, presented, c.ticket_id),
                gate,
            )
            for c in candidates
        ]
        chosen = best(decisions)
        return candidates[chosen].ticket_id, decisions[chosen]

    def _candidates(self, presented: Presented) -> list[Candidate]:
        if presented.code is Code.DOCUMENT:
            found = [c for index in presented.documents for c in self.by_document.get(index, ())]
            return [c for c in found if c.unpaid or c.ticket_id in self.tickets]
        ticket_id = presented.body.ticket_id if presented.body else None
        if presented.number is not None:
            ticket_id = self.by_number.get(presented.number)
        if ticket_id is None or ticket_id not in self.tickets:
            return []
        return [Candidate(ticket_id, unpaid=False)]

    def _scan_facts(
        self, scan: ScanRequest, presented: Presented, ticket_id: UUID | None
    ) -> ScanFacts:
        shown = set(presented.documents)
        check = DocumentCheck.NOT_SHOWN
        if presented.shows_document and ticket_id is not None:
            own = {holder.document_index for holder in self.holders.get(ticket_id, ())}
            check = DocumentCheck.MATCHES if shown & own else DocumentCheck.DIFFERS
        admitted = [self.documents_admitted[i] for i in shown if i in self.documents_admitted]
        return ScanFacts(
            code=presented.code,
            generation=presented.body.generation if presented.body else None,
            document=check,
            persons=scan.persons,
            document_admitted_at=max(admitted, default=None),
            accompanied=ticket_id is not None and self._accompanied(scan, ticket_id),
            blocked=bool(self.around.blocked) and self._blocked(shown, ticket_id),
        )

    def _accompanied(self, scan: ScanRequest, ticket_id: UUID) -> bool:
        ticket = self.tickets.get(ticket_id)
        return ticket is not None and self.around.accompanied(
            lane_id=scan.lane_id,
            ticket_id=ticket_id,
            order=ticket.order_number,
            now=self.now,
            named=scan.companions if isinstance(scan, GateScan) else (),
        )

    def _blocked(self, shown: set[int], ticket_id: UUID | None) -> bool:
        people = self.holders.get(ticket_id, ()) if ticket_id else ()
        own = {holder.document_index for holder in people}
        return not self.around.blocked.isdisjoint(shown | own)

    def _facts(self, candidate: Candidate) -> TicketFacts:
        known = self.facts.get(candidate.ticket_id)
        if known is None:
            ticket = self.tickets.get(candidate.ticket_id)
            known = _UNPAID if ticket is None else self._facts_of(ticket)
            self.facts[candidate.ticket_id] = known
        return known

    def _facts_of(self, ticket: GateTicket) -> TicketFacts:
        history = self.histories.get(ticket.id, History())
        last = None
        if history.entered_at is not None and history.entrance_id is not None:
            place = self.places.get(history.entrance_id)
            last = Entry(history.entered_at, place.entrance_name if place else {})
        rules = self.policies.get(ticket.site_id, _DEFAULT)
        kind = self.catalog.types.get(ticket.ticket_type_id)
        return TicketFacts(
            site=ticket.site_id,
            valid_from=ticket.valid_from,
            valid_until=ticket.valid_until,
            party_size=ticket.party_size,
            entries=ticket.entries,
            zones=ticket.zones,
            flags=ticket.flags,
            generation=ticket.generation,
            status=ticket.status,
            persons_entered=ticket.persons_entered,
            persons_inside=history.inside,
            last_entry=last,
            has_documents=bool(self.holders.get(ticket.id)),
            entrances=rules.entrances.get(str(ticket.ticket_type_id)),
            inside_zones=self._by_zone(history.ways),
            entered_zones=self._by_zone(history.entries) if several(ticket.zones) else None,
            companion=str(ticket.ticket_type_id) in rules.companions,
            static_code=rules.static_rule(ticket.ticket_type_id, ticket.channel),
            hours=kind.admission_hours if kind else (),
            zone_windows=windows_from(ticket.windows),
        )

    def _by_zone(self, ways: Iterable[tuple[UUID, int]]) -> dict[int, int]:
        """Persons by entrance as persons by the zone that it leads into."""
        found: dict[int, int] = defaultdict(int)
        for entrance_id, persons in ways:
            place = self.places.get(entrance_id)
            if place is not None:
                found[place.zone_number] += persons
        return found

    def _apply(
        self,
        ticket_id: UUID | None,
        decision: Decision,
        presented: Presented,
        gate: GateState,
        lane_id: UUID,
    ) -> None:
        if ticket_id is None:
            return
        way = -decision.persons if gate.direction == "out" else decision.persons
        facts = self.facts[ticket_id]
        zone = self._zone(gate)
        if zone is not None:
            # Who leaves without having entered, as far as is known, makes no room.
            known = -max(0, facts.inside_zones.get(gate.zone, 0))
            key = zone.zone_id, gate.day(self.now)
            self.moves[key] = self.moves.get(key, 0) + max(way, known)
        inside = {**facts.inside_zones, gate.zone: facts.inside_zones.get(gate.zone, 0) + way}
        if gate.direction == "out":
            left = max(0, facts.persons_inside - decision.persons)
            self.facts[ticket_id] = replace(facts, inside_zones=inside, persons_inside=left)
            return
        ticket = self.tickets.get(ticket_id)
        if ticket is not None and not facts.companion:
            self.around.entered(lane_id=lane_id, order=ticket.order_number, now=self.now)
        self.uses.append(Use(ticket_id, decision.persons, self.now))
        entered = facts.entered_zones
        if entered is not None:
            entered = {**entered, gate.zone: entered.get(gate.zone, 0) + decision.persons}
        self.facts[ticket_id] = replace(
            facts,
            inside_zones=inside,
            entered_zones=entered,
            persons_entered=facts.persons_entered + decision.persons,
            persons_inside=facts.persons_inside + decision.persons,
            last_entry=Entry(self.now, self.places[_uuid(gate.entrance)].entrance_name),
        )
        if presented.documents:
            self.documents_admitted.update(dict.fromkeys(presented.documents, self.now))

    def _record(
        self,
        scan: ScanRequest,
        presented: Presented,
        gate: GateState,
        ticket: GateTicket | None,
        decision: Decision,
    ) -> ScanRecord:
        return ScanRecord(
            id=scan.scan_id,
            at=self.now,
            day=gate.day(self.now),
            site_id=_uuid(gate.site),
            entrance_id=_uuid(gate.entrance),
            lane_id=scan.lane_id,
            direction=gate.direction,
            method=METHODS.get(presented.code, "qr"),
            ticket_id=ticket.id if ticket else None,
            ticket_type_id=ticket.ticket_type_id if ticket else None,
            slot_id=ticket.slot_id if ticket else None,
            outcome="admitted" if decision.admit else "refused",
            reason=str(decision.reason or ""),
            persons=decision.persons,
            persons_left=decision.persons_left,
            details=msgspec.to_builtins(dict(decision.params)),
            document_index=self._document(presented, ticket),
            staff_label=scan.staff,
            device_id=scan.device_id if isinstance(scan, GateScan) else None,
            gate_persons=decision.persons if isinstance(scan, GateScan) else 0,
            asked=mark_of(scan, keyring=self.keyring),
        )

    def _document(self, presented: Presented, ticket: GateTicket | None) -> int | None:
        """The index under which the shown document is known, else the first it could have."""
        if not presented.documents:
            return None
        own = {h.document_index for h in self.holders.get(ticket.id, ())} if ticket else set()
        return next((i for i in presented.documents if i in own), presented.documents[0])


_DEFAULT = PolicyRow()
_EVER = datetime.fromtimestamp(0).astimezone()
_UNPAID = TicketFacts(
    site=0,
    valid_from=_EVER,
    valid_until=_EVER + timedelta(days=1),
    party_size=1,
    entries=1,
    zones=0,
    status="unpaid",
)


def _uuid(key: UUID | int) -> UUID:
    if not isinstance(key, UUID):
        raise TypeError(f"The server names places by their rows' ids, not {key!r}.")
    return key
