"""Who comes, what really happens at the barriers, and what became of the day."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shanmen.sim.park import Ticket


@dataclass(slots=True)
class Figures:
    """What happened on a day."""

    visitors: int = 0
    admissions: int = 0
    partitions: int = 0
    power_losses: int = 0
    conflicts: int = 0
    overrides: int = 0
    taken_back: int = 0
    wrong: list[str] = field(default_factory=list)
    trace: str = ""
    """Hash of everything that happened, in order."""
    lines: list[str] = field(default_factory=list)
    """All of it, by the true clock (UTC)."""


@dataclass(slots=True)
class Visitor:
    """Somebody on the way in (or out)."""

    ticket: Ticket | None
    shows: str
    """code, old, picture, document, lent, ahead, forged, guest, or out."""
    at: int
    """Number of the entrance."""
    lane: int
    persons: int | None = None
    tries: int = 0
    text: str = ""
    comes: datetime | None = None
    """When they will be at the barrier, where others go by that."""

    @property
    def honest(self) -> bool:
        """Whether the owner shows what ought to open the barrier."""
        return self.shows in {"code", "document"}


@dataclass(slots=True)
class Passage:
    """One scan at a barrier and what really came of it."""

    ticket: Ticket | None
    direction: str
    at: datetime
    entrance: str = ""
    lane: int = 0
    persons: int = 0
    """Persons whom the barrier was opened for."""
    through: int = 0
    """Persons who really went through."""
    waiting: bool = False
    """Somebody may still go through."""
    alone: bool = False
    """The gate decided without the server."""
    asked: bool = False
    """The server was asked, whether the question got there or not."""
    override: bool = False
    """Staff let them in although the ticket did not."""
    crashed: bool = False
    """Power went between the decision and its end: for a moment the gate had to assume."""
    unclear: bool = False
    """What the gate assumed after that has not been put right yet."""

    @property
    def frees(self) -> bool:
        """Whether whoever leaves makes room by this gate."""
        return self.alone and not self.asked

    @property
    def counts(self) -> int:
        """Persons who are through, or may be in a moment."""
        return self.persons if self.waiting else self.through


@dataclass(slots=True)
class Passages:
    """Everything that happened at the barriers, as it really was."""

    by_scan: dict[UUID, Passage] = field(default_factory=dict)
    _by_ticket: dict[UUID, list[Passage]] = field(default_factory=dict)
    _by_place: dict[str, list[Passage]] = field(default_factory=dict)

    def add(self, scan_id: UUID, passage: Passage) -> Passage:
        """Note a scan."""
        self.by_scan[scan_id] = passage
        self._by_place.setdefault(passage.entrance, []).append(passage)
        if passage.ticket is not None:
            self._by_ticket.setdefault(passage.ticket.id, []).append(passage)
        return passage

    def of(self, ticket: Ticket) -> list[Passage]:
        """What happened to a ticket."""
        return self._by_ticket.get(ticket.id, [])

    def at(self, entrance: str) -> list[Passage]:
        """What happened at an entrance."""
        return self._by_place.get(entrance, [])

    def entering(self, ticket: Ticket) -> int:
        """Persons who have entered with a ticket, and those who are just being let in."""
        return sum(each.counts for each in self.of(ticket) if each.direction == "in")

    def inside(self, ticket: Ticket) -> int:
        """The same, less those who have left."""
        return net(self.of(ticket))


def net(passages: list[Passage]) -> int:
    """Who went in, less who went out."""
    return sum(each.counts if each.direction == "in" else -each.counts for each in passages)
