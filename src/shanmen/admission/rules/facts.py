"""What a decision is made of, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from shanmen.admission.rules.reasons import NOT_OVERRIDABLE, Code, DocumentCheck, Reason
from shanmen.kit import clock, days
from shanmen.kit.hours import KindOf, Window
from shanmen.tickets.zones import ZoneWindow, days_of, several, window_at

Names = Mapping[str, str]
"""A name in several languages."""

PlaceKey = UUID | int
"""How the caller names a site or an entrance: rows' ids on the server, short numbers in a token."""

COMPANION_SECONDS = 60
"""Who must not enter alone follows somebody at the same lane within so long.

Or somebody of the same order is inside already: parents who went ahead through another lane.
"""

FREE = "free"
"""A code that does not change is enough."""
DOCUMENT = "document"
"""A code that does not change asks for a document beside it."""


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
    """How many times each person may enter each of the zones; 0 is without limit."""
    zones: int
    flags: int = 0
    """Bits of `tickets.token`: ROTATING, SECOND_FACTOR."""
    generation: int = 0
    status: str = "valid"
    """valid, used, refunded, or unpaid where the order is not paid."""
    persons_entered: int = 0
    """Of a ticket for several zones those in the gate's, see `entered_zones`."""
    persons_inside: int = 0
    """Entered and not left today, as far as exits are scanned."""
    last_entry: Entry | None = None
    has_documents: bool = True
    entrances: frozenset[PlaceKey] | None = None
    """The only entrances that admit it; None is any."""
    inside_zones: Mapping[int, int] = field(default_factory=dict)
    """Of `persons_inside`, how many are in each zone, by its number."""
    entered_zones: Mapping[int, int] | None = None
    """How many entered each zone, of a ticket for several; None where `persons_entered` says it."""
    companion: bool = False
    """It enters only together with somebody of another type: a child."""
    static_code: str = ""
    """What a code must prove that does not change: FREE, DOCUMENT, or as `flags` say."""
    hours: tuple[Window, ...] = ()
    """When its type admits; none is at any time."""
    zone_windows: tuple[ZoneWindow, ...] = ()
    """The zones that it opens at a time of their own; the others it opens with the visit."""
    own_window: bool = False
    """`valid_from` and `valid_until` are of the gate's zone alone."""

    def in_zone(self, zone: int, *, now: datetime, late: timedelta) -> "TicketFacts":
        """The same with the entries that count in a zone, and the zone's own window if it has one.

        `late` is the grace after a window.
        """
        facts = self
        if facts.entered_zones is not None:
            entered = facts.entered_zones.get(zone, 0)
            facts = replace(facts, persons_entered=entered, entered_zones=None)
        if facts.zone_windows:
            days = days_of(facts.valid_from, facts.valid_until)
            own = window_at(facts.zone_windows, zone, now, days=days, late=late)
            if own is not None:
                facts = replace(
                    facts,
                    valid_from=own.starts,
                    valid_until=own.ends,
                    zone_windows=(),
                    own_window=True,
                )
        return facts

    @property
    def came_in_time(self) -> bool:
        """Whether somebody has come who may come once more when the window is over.

        A zone with a window of its own asks for an entry there: the main gate's does not count.
        """
        if self.own_window:
            return self.entries != 1 and self.persons_entered > 0
        return self.comes_again and self.last_entry is not None

    @property
    def comes_again(self) -> bool:
        """Whether a person who has entered may have to enter once more: again, or another zone."""
        return self.entries != 1 or several(self.zones)

    @property
    def total(self) -> int | None:
        """Admissions of persons into one zone; None is without limit."""
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
    accompanied: bool = False
    """Somebody who may enter alone has just entered with them (COMPANION_SECONDS)."""
    blocked: bool = False
    """The document shown, or one that the ticket is made out on, is blocked."""


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
    room: int | None = None
    """How many more the zone takes; None is without limit."""
    kind_of: KindOf = days.plain_kind
    """What kind of day a day is at the site."""
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
