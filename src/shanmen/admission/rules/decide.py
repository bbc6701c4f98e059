"""The decision itself."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from shanmen.admission.rules.facts import (
    DOCUMENT,
    FREE,
    Decision,
    GateState,
    ScanFacts,
    TicketFacts,
)
from shanmen.admission.rules.hours import outside_hours
from shanmen.admission.rules.reasons import (
    CLOSEST_FIRST,
    NO_TICKET,
    NOT_OF_NOW,
    Code,
    DocumentCheck,
    Reason,
)
from shanmen.tickets.token import ROTATING, SECOND_FACTOR


def decide(ticket: TicketFacts | None, scan: ScanFacts, gate: GateState) -> Decision:
    """Admit or refuse one scan.

    Where several reasons apply, the one is given that a visitor can act on: first whether the
    ticket stands at all, then where, then whether it is used up, then when, then what is missing.
    """
    if not gate.open:
        return refuse(Reason.LANE_CLOSED)
    if ticket is None or scan.code in NO_TICKET:
        return refuse(NO_TICKET.get(scan.code) or _unknown(scan))
    ticket = ticket.in_zone(gate.zone, now=gate.now, late=gate.policy.grace_after)
    if gate.direction == "out":
        return _let_out(ticket, scan)
    left = ticket.persons_left
    for check in (_standing, _place, _used, _time, outside_hours, _proof, _company, _room):
        refusal = check(ticket, scan, gate)
        if refusal is not None:
            reason, params = refusal
            return Decision(admit=False, persons=0, persons_left=left, reason=reason, params=params)
    persons = _wanted(ticket, scan, gate)
    rest = ticket.party_size if ticket.total is None else left - persons
    return Decision(admit=True, persons=persons, persons_left=max(0, rest))


def refuse(reason: Reason, *, persons_left: int = 0, **params: object) -> Decision:
    """Build a refusal."""
    return Decision(admit=False, persons=0, persons_left=persons_left, reason=reason, params=params)


def best(decisions: Iterable[Decision]) -> int:
    """Index of the decision to go by among several tickets of one person.

    The first that admits; else the refusal that is nearest to an admission.
    """
    rank = {reason: place for place, reason in enumerate(CLOSEST_FIRST)}
    chosen, lowest = 0, math.inf
    for index, decision in enumerate(decisions):
        if decision.admit:
            return index
        place = rank.get(decision.reason, len(rank)) if decision.reason else len(rank)
        if place < lowest:
            chosen, lowest = index, place
    return chosen


Refusal = tuple[Reason, Mapping[str, object]]


def _unknown(scan: ScanFacts) -> Reason:
    if scan.code is not Code.DOCUMENT:
        return Reason.UNKNOWN
    unreadable = scan.document is DocumentCheck.UNREADABLE
    return Reason.DOCUMENTS_UNREADABLE if unreadable else Reason.NO_TICKET_TODAY


def _let_out(ticket: TicketFacts, scan: ScanFacts) -> Decision:
    # Whoever stands at an exit is inside, whatever the books say: nobody is kept from leaving.
    persons = scan.persons or max(1, ticket.persons_inside)
    return Decision(admit=True, persons=persons, persons_left=ticket.persons_left)


def _standing(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> Refusal | None:
    if ticket.status == "unpaid":
        return Reason.UNPAID, {}
    if ticket.status == "refunded":
        return Reason.REFUNDED, {}
    if scan.blocked:
        return Reason.BLOCKED, {}
    if scan.generation is not None and scan.generation < ticket.generation:
        return Reason.REPLACED, _window(ticket, gate)
    return None


def _place(ticket: TicketFacts, _: ScanFacts, gate: GateState) -> Refusal | None:
    if ticket.site != gate.site:
        return Reason.WRONG_SITE, {"place": gate.site_names.get(ticket.site, {})}
    if not ticket.zones >> gate.zone & 1:
        names = [name for number, name in gate.zone_names.items() if ticket.zones >> number & 1]
        return Reason.WRONG_ZONE, {"here": gate.zone_names.get(gate.zone, {}), "places": names}
    if ticket.entrances is not None and gate.entrance not in ticket.entrances:
        names = [gate.entrance_names[key] for key in gate.entrance_names if key in ticket.entrances]
        return Reason.WRONG_ENTRANCE, {"places": names}
    return None


def _outside(ticket: TicketFacts, gate: GateState) -> int:
    """How many of the party may be outside this zone, as far as that matters."""
    if not gate.policy.anti_passback:
        return ticket.party_size
    return max(0, ticket.party_size - max(0, ticket.inside_zones.get(gate.zone, 0)))


def _wanted(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> int:
    """How many want to enter: as many as were chosen, else all who can."""
    if scan.persons is not None:
        return scan.persons
    return min(ticket.persons_left, _outside(ticket, gate))


def _used(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> Refusal | None:
    left = ticket.persons_left
    if left == 0:
        params: dict[str, object] = {"persons": ticket.party_size}
        if ticket.last_entry:
            params |= {"at": ticket.last_entry.at, "place": ticket.last_entry.place}
        return (Reason.ALREADY_USED if ticket.party_size == 1 else Reason.ALL_IN), params
    left = min(left, _outside(ticket, gate))
    if left == 0:
        last = ticket.last_entry
        return Reason.STILL_INSIDE, {"at": last.at, "place": last.place} if last else {}
    if scan.persons is not None and scan.persons > left:
        return Reason.TOO_MANY, {"left": left}
    return None


def _window(ticket: TicketFacts, gate: GateState) -> dict[str, object]:
    return {
        "day": gate.day(ticket.valid_from),
        "starts": ticket.valid_from,
        "ends": ticket.valid_until,
    }


def _time(ticket: TicketFacts, _: ScanFacts, gate: GateState) -> Refusal | None:
    now, today = gate.now, gate.day(gate.now)
    opens = ticket.valid_from - gate.policy.grace_before
    if now < opens:
        params = _window(ticket, gate)
        first = gate.day(ticket.valid_from)
        if first == today:
            minutes = math.ceil((opens - now) / timedelta(minutes=1))
            return Reason.NOT_OPEN_YET, params | {"minutes": minutes}
        tomorrow = first == today + timedelta(days=1)
        return (Reason.TOMORROW if tomorrow else Reason.OTHER_DAY), params
    if now < ticket.valid_until + gate.policy.grace_after:
        return None
    # The window's end is no part of it: what ends at midnight ends with the day before.
    last = gate.day(ticket.valid_until - timedelta(microseconds=1))
    if last == today:
        # Whoever came in time may come back on the same day where the ticket lets people re-enter,
        # and go on to its other zones, as far as these have no time of their own.
        if ticket.came_in_time:
            return None
        return Reason.SLOT_OVER, _window(ticket, gate)
    return Reason.EXPIRED, _window(ticket, gate) | {"last": last}


def _proof(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> Refusal | None:
    if scan.document is DocumentCheck.DIFFERS:
        return Reason.DOCUMENT_MISMATCH, {}
    shown = scan.document is DocumentCheck.MATCHES or scan.code is Code.DOCUMENT
    if not shown:
        missing = _missing_proof(ticket, scan)
        if missing is Reason.DOCUMENT_REQUIRED and scan.document is DocumentCheck.UNREADABLE:
            return Reason.DOCUMENTS_UNREADABLE, {}
        if missing is not None:
            return missing, {}
    last = _counted_before(ticket, scan)
    if last is None or last + gate.policy.repeat_after <= gate.now:
        return None
    seconds = math.ceil((last + gate.policy.repeat_after - gate.now).total_seconds())
    return Reason.TOO_SOON, {"at": last, "seconds": seconds}


def _missing_proof(ticket: TicketFacts, scan: ScanFacts) -> Reason | None:
    if scan.code in NOT_OF_NOW:
        return NOT_OF_NOW[scan.code]
    if ticket.flags & SECOND_FACTOR and ticket.has_documents:
        return Reason.DOCUMENT_REQUIRED
    rule = ticket.static_code or (DOCUMENT if ticket.flags & ROTATING else FREE)
    if rule == FREE or scan.code is Code.FRESH:
        return None
    # Paper and SMS cannot change by themselves: a document stands in for it.
    if ticket.has_documents:
        return Reason.DOCUMENT_REQUIRED
    return Reason.CODE_STALE if ticket.flags & ROTATING else None


def _company(ticket: TicketFacts, scan: ScanFacts, _: GateState) -> Refusal | None:
    return (Reason.COMPANION_MISSING, {}) if ticket.companion and not scan.accompanied else None


def _room(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> Refusal | None:
    if gate.room is None or _wanted(ticket, scan, gate) <= gate.room:
        return None
    return Reason.ZONE_FULL, {"left": max(0, gate.room), "here": gate.zone_names.get(gate.zone, {})}


def _counted_before(ticket: TicketFacts, scan: ScanFacts) -> datetime | None:
    """When this very document, or this ticket for many entries, was counted last."""
    moments = [scan.document_admitted_at] if scan.document_admitted_at else []
    own_code = scan.code is not Code.DOCUMENT or ticket.party_size == 1
    # A party that enters part by part is asked how many each time; that is no mistaken second scan.
    by_parts = scan.persons is not None and ticket.party_size > 1
    if ticket.entries != 1 and own_code and not by_parts and ticket.last_entry:
        moments.append(ticket.last_entry.at)
    return max(moments, default=None)
