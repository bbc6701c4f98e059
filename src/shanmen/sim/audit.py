"""What really happened, and whether everybody's books and decisions agree with it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shanmen.admission.bound import Bound
from shanmen.admission.rules import Reason
from shanmen.sim.park import Ticket

GRACE = timedelta(minutes=15)
REPEAT = timedelta(seconds=16)
_MOMENTARY = frozenset({Reason.TOO_SOON})
"""Refusals that mean no more than to wait a moment."""


@dataclass(slots=True)
class Passage:
    """One admission at a barrier, as the auditor sees it."""

    ticket: Ticket | None
    persons: int
    direction: str
    entrance: str = ""
    crashed: bool = False
    """Power went between the decision and its end: for a moment the gate had to assume."""
    through: int = 0
    """Persons who really went through."""
    waiting: bool = True
    """Somebody may still go through."""


@dataclass(slots=True)
class Auditor:
    """Knows the truth. `wrong` is what does not agree with it, in words."""

    passages: dict[UUID, Passage] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    visitors: int = 0
    entered: int = 0

    def inside(self, ticket: Ticket) -> int:
        """Persons who have entered with a ticket, and those who are just being let in."""
        return sum(
            passage.persons if passage.waiting else passage.through
            for passage in self.passages.values()
            if passage.ticket is ticket and passage.direction == "in"
        )

    def really_entered(self, ticket: Ticket) -> int:
        """Persons who really went in with a ticket."""
        return sum(
            passage.through
            for passage in self.passages.values()
            if passage.ticket is ticket and passage.direction == "in"
        )

    def may_enter(self, ticket: Ticket, persons: int, now: datetime) -> bool:
        """Whether so many must be let in with a ticket now, by everything that is true."""
        body = ticket.body
        # A minute on both sides is left to clocks.
        opens, closes = body.valid_from - GRACE, body.valid_until + GRACE
        minute = timedelta(minutes=1)
        if ticket.refunded or not opens + minute <= now <= closes - minute:
            return False
        return ticket.total is None or self.inside(ticket) + persons <= ticket.total

    def refused(self, what: str, reason: str, *, due: bool) -> None:
        """Somebody was refused who, by the truth, was (`due`) or was not to be let in."""
        if due and reason not in _MOMENTARY:
            self.wrong.append(f"{what} was refused ({reason}) with a valid ticket")

    def admitted_against(self, what: str, why: str) -> None:
        """Somebody was let in whom this gate could know not to let in."""
        self.wrong.append(f"{what} was let in {why}")

    def close(
        self,
        *,
        sold: list[Ticket],
        bounds: Mapping[int, Bound],
        counted: Mapping[UUID, int],
        cases: int,
    ) -> int:
        """Compare the books at the end of the day; returns how many tickets entered too often."""
        doubles = 0
        truth: dict[UUID, int] = defaultdict(int)
        for ticket in sold:
            truth[ticket.id] = self.really_entered(ticket)
            bound = bounds[ticket.body.ticket_type_number].at_most
            if bound is not None and truth[ticket.id] > bound:
                self.wrong.append(
                    f"ticket {ticket.number} let in {truth[ticket.id]} persons,"
                    f" and {bound} is the bound"
                )
            if ticket.total is not None and truth[ticket.id] > ticket.total:
                doubles += 1
            self._compare_gates(ticket)
            if counted.get(ticket.id, 0) != truth[ticket.id]:
                self.wrong.append(
                    f"ticket {ticket.number} ({ticket.kind}): the server counts"
                    f" {counted.get(ticket.id, 0)} persons, and {truth[ticket.id]} entered"
                )
        if cases < doubles:
            self.wrong.append(f"{doubles} tickets entered too often, and {cases} cases say so")
        return doubles

    def _compare_gates(self, ticket: Ticket) -> None:
        """A gate counts for itself, network or not: alone it lets nobody in too often."""
        by_gate: dict[str, int] = defaultdict(int)
        excused = set()
        for passage in self.passages.values():
            if passage.ticket is ticket and passage.direction == "in":
                by_gate[passage.entrance] += passage.through
                if passage.crashed:
                    excused.add(passage.entrance)
        for name, persons in by_gate.items():
            if ticket.total is not None and persons > ticket.total and name not in excused:
                self.wrong.append(f"ticket {ticket.number} let in {persons} at {name} alone")
