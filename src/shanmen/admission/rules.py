"""Who may enter: one decision, taken alike by the server and by a gate without network.

Everything here is plain arithmetic on facts that the caller has gathered: no clock, no I/O. The
caller says what is known of the ticket (`TicketFacts`), what was presented (`ScanFacts`) and where
and when that happened (`GateState`); :func:`decide` answers.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shanmen.kit import clock
from shanmen.tickets.token import ROTATING, SECOND_FACTOR

Names = Mapping[str, str]
"""A name in several languages."""

PlaceKey = UUID | int
"""How the caller names a site or an entrance: rows' ids on the server, short numbers in a token."""


class Reason(StrEnum):
    """Why somebody is refused; texts: ``admission.reason.<code>``, ``admission.tell.<code>``."""

    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    BAD_SIGNATURE = "bad_signature"
    NO_TICKET_TODAY = "no_ticket_today"
    UNPAID = "unpaid"
    REFUNDED = "refunded"
    REPLACED = "replaced"
    WRONG_SITE = "wrong_site"
    WRONG_ZONE = "wrong_zone"
    WRONG_ENTRANCE = "wrong_entrance"
    ALREADY_USED = "already_used"
    ALL_IN = "all_in"
    TOO_MANY = "too_many"
    NOT_OPEN_YET = "not_open_yet"
    TOMORROW = "tomorrow"
    OTHER_DAY = "other_day"
    SLOT_OVER = "slot_over"
    EXPIRED = "expired"
    DOCUMENT_MISMATCH = "document_mismatch"
    DOCUMENT_REQUIRED = "document_required"
    CODE_STALE = "code_stale"
    TOO_SOON = "too_soon"
    LANE_CLOSED = "lane_closed"


class CaseKind(StrEnum):
    """What a person has to look at once gates have told; texts: ``admission.case.<kind>``."""

    DOUBLE_ENTRY = "double_entry"
    """More persons entered with a ticket than it admits."""
    AFTER_REFUND = "after_refund"
    OLD_GENERATION = "old_generation"
    """With a code from before the ticket was rescheduled."""
    BLOCKED = "blocked"
    SERVER_REFUSED = "server_refused"
    """The gate admitted what the server had refused."""
    UNKNOWN_TICKET = "unknown_ticket"
    FOREIGN_SCAN = "foreign_scan"
    """The gate told of a scan that is another gate's."""


class Code(StrEnum):
    """What was presented to prove the ticket."""

    STATIC = "static"
    """A signed code without a part that changes: paper, SMS, a screenshot."""
    FRESH = "fresh"
    """A signed code whose changing part is of this half minute."""
    STALE = "stale"
    """A signed code whose changing part is old: most likely a picture of a code."""
    TYPED = "typed"
    """The ticket's short number, typed by the guard."""
    DOCUMENT = "document"
    """A document of one of its holders, without any code."""
    FORGED = "forged"
    """A code that this operator did not sign."""
    UNREADABLE = "unreadable"
    """Not a code of ours at all."""


class DocumentCheck(StrEnum):
    """How a document that was shown beside the code fits the ticket's holders."""

    NOT_SHOWN = "not_shown"
    MATCHES = "matches"
    DIFFERS = "differs"


NOT_OVERRIDABLE = frozenset(
    {
        Reason.UNREADABLE,
        Reason.UNKNOWN,
        Reason.BAD_SIGNATURE,
        Reason.NO_TICKET_TODAY,
        Reason.UNPAID,
        Reason.REFUNDED,
        Reason.LANE_CLOSED,
    }
)
"""Without a paid ticket there is nothing that a supervisor could let in."""

_NO_TICKET = {
    Code.UNREADABLE: Reason.UNREADABLE,
    Code.FORGED: Reason.BAD_SIGNATURE,
}

CLOSEST_FIRST = (
    Reason.DOCUMENT_REQUIRED,
    Reason.CODE_STALE,
    Reason.TOO_SOON,
    Reason.TOO_MANY,
    Reason.NOT_OPEN_YET,
    Reason.WRONG_ENTRANCE,
    Reason.WRONG_ZONE,
    Reason.ALL_IN,
    Reason.ALREADY_USED,
    Reason.SLOT_OVER,
    Reason.TOMORROW,
    Reason.OTHER_DAY,
    Reason.WRONG_SITE,
    Reason.REPLACED,
    Reason.EXPIRED,
    Reason.UNPAID,
    Reason.REFUNDED,
)
"""Of several tickets of one person, the refusal nearest to an admission explains best."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator sets per site."""

    grace_before: timedelta = timedelta(minutes=15)
    grace_after: timedelta = timedelta(minutes=15)
    repeat_after: timedelta = timedelta(seconds=15)
    """The same document, or a ticket for many entries, is not admitted again sooner."""
    anti_passback: bool = False
    """Nobody enters a zone again before leaving it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An earlier admission."""

    at: datetime
    place: Names
    """The entrance's name."""
    lane: Names = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What is known of a ticket at this moment."""

    site: PlaceKey
    valid_from: datetime
    valid_until: datetime
    party_size: int
    entries: int
    """How many times each person may enter; 0 is without limit."""
    zones: int
    flags: int = 0
    """Bits of `tickets.token`: ROTATING, SECOND_FACTOR."""
    generation: int = 0
    status: str = "valid"
    """valid, used, refunded, or unpaid where the order is not paid."""
    persons_entered: int = 0
    persons_inside: int = 0
    """Entered and not left today, as far as exits are scanned."""
    last_entry: Entry | None = None
    has_documents: bool = True
    entrances: frozenset[PlaceKey] | None = None
    """The only entrances that admit it; None is any."""

    @property
    def total(self) -> int | None:
        """Admissions of persons in all; None is without limit."""
        return self.party_size * self.entries if self.entries else None

    @property
    def persons_left(self) -> int:
        """How many may enter at once now: at most the party."""
        if self.total is None:
            return self.party_size
        return max(0, min(self.party_size, self.total - self.persons_entered))


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What was presented, and how many want to enter."""

    code: Code
    generation: int | None = None
    """The generation that the code carries; None where the code carries none."""
    document: DocumentCheck = DocumentCheck.NOT_SHOWN
    persons: int | None = None
    """As many as the guard chose; None is all that are left."""
    document_admitted_at: datetime | None = None
    """When this very document was last admitted, with whichever ticket."""


@dataclass(frozen=True, slots=True)
class GateState:
    """Where and when it happens. The names serve explanations only."""

    now: datetime
    timezone: str
    site: PlaceKey
    zone: int
    entrance: PlaceKey
    direction: str = "in"
    open: bool = True
    policy: Policy = Policy()
    site_names: Mapping[PlaceKey, Names] = field(default_factory=dict)
    zone_names: Mapping[int, Names] = field(default_factory=dict)
    entrance_names: Mapping[PlaceKey, Names] = field(default_factory=dict)

    def day(self, instant: datetime) -> date:
        """The site's date at an instant."""
        return clock.local(instant, self.timezone).date()


@dataclass(frozen=True, slots=True)
class Decision:
    """Let so many in, or refuse and say why."""

    admit: bool
    persons: int
    persons_left: int
    """How many of the party may still enter after this."""
    reason: Reason | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    """For the texts: instants, dates, whole numbers, names and lists of names."""

    @property
    def override_allowed(self) -> bool:
        """Whether a supervisor may admit all the same."""
        return self.reason is not None and self.reason not in NOT_OVERRIDABLE

    @property
    def tell(self) -> str | None:
        """Key of what to tell the visitor; None when admitted."""
        return f"admission.tell.{self.reason}" if self.reason else None


def decide(ticket: TicketFacts | None, scan: ScanFacts, gate: GateState) -> Decision:
    """Admit or refuse one scan.

    Where several reasons apply, the one is given that a visitor can act on: first whether the
    ticket stands at all, then where, then whether it is used up, then when, then what is missing.
    """
    if not gate.open:
        return refuse(Reason.LANE_CLOSED)
    if ticket is None or scan.code in _NO_TICKET:
        unknown = Reason.NO_TICKET_TODAY if scan.code is Code.DOCUMENT else Reason.UNKNOWN
        return refuse(_NO_TICKET.get(scan.code, unknown))
    if gate.direction == "out":
        return _let_out(ticket, scan)
    left = ticket.persons_left
    for check in (_standing, _place, _used, _time, _proof):
        refusal = check(ticket, scan, gate)
        if refusal is not None:
            reason, params = refusal
            return Decision(admit=False, persons=0, persons_left=left, reason=reason, params=params)
    persons = left if scan.persons is None else scan.persons
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


def _let_out(ticket: TicketFacts, scan: ScanFacts) -> Decision:
    # Whoever stands at an exit is inside, whatever the books say: nobody is kept from leaving.
    persons = scan.persons or max(1, ticket.persons_inside)
    return Decision(admit=True, persons=persons, persons_left=ticket.persons_left)


def _standing(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> Refusal | None:
    if ticket.status == "unpaid":
        return Reason.UNPAID, {}
    if ticket.status == "refunded":
        return Reason.REFUNDED, {}
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


def _used(ticket: TicketFacts, scan: ScanFacts, _: GateState) -> Refusal | None:
    left = ticket.persons_left
    if left == 0:
        params: dict[str, object] = {"persons": ticket.party_size}
        if ticket.last_entry:
            params |= {"at": ticket.last_entry.at, "place": ticket.last_entry.place}
        return (Reason.ALREADY_USED if ticket.party_size == 1 else Reason.ALL_IN), params
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
    last = gate.day(ticket.valid_until)
    if last == today:
        # Whoever came in time may come back on the same day where the ticket lets people re-enter.
        if ticket.entries != 1 and ticket.persons_entered > 0:
            return None
        return Reason.SLOT_OVER, _window(ticket, gate)
    return Reason.EXPIRED, _window(ticket, gate) | {"last": last}


def _proof(ticket: TicketFacts, scan: ScanFacts, gate: GateState) -> Refusal | None:
    if scan.document is DocumentCheck.DIFFERS:
        return Reason.DOCUMENT_MISMATCH, {}
    shown = scan.document is DocumentCheck.MATCHES or scan.code is Code.DOCUMENT
    if not shown:
        missing = _missing_proof(ticket, scan)
        if missing is not None:
            return missing, {}
    # A family that enters part by part is asked how many; that is no mistaken second scan.
    if scan.persons is not None:
        return None
    last = _counted_before(ticket, scan)
    if last is None or last + gate.policy.repeat_after <= gate.now:
        return None
    seconds = math.ceil((last + gate.policy.repeat_after - gate.now).total_seconds())
    return Reason.TOO_SOON, {"at": last, "seconds": seconds}


def _missing_proof(ticket: TicketFacts, scan: ScanFacts) -> Reason | None:
    if scan.code is Code.STALE:
        return Reason.CODE_STALE
    if ticket.flags & SECOND_FACTOR and ticket.has_documents:
        return Reason.DOCUMENT_REQUIRED
    if ticket.flags & ROTATING and scan.code is not Code.FRESH:
        # Paper and SMS cannot change by themselves: a document stands in for it.
        return Reason.DOCUMENT_REQUIRED if ticket.has_documents else Reason.CODE_STALE
    return None


def _counted_before(ticket: TicketFacts, scan: ScanFacts) -> datetime | None:
    """When this very document, or this ticket for many entries, was counted last."""
    moments = [scan.document_admitted_at] if scan.document_admitted_at else []
    own_code = scan.code is not Code.DOCUMENT or ticket.party_size == 1
    if ticket.entries != 1 and own_code and ticket.last_entry:
        moments.append(ticket.last_entry.at)
    return max(moments, default=None)
