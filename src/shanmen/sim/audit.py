"""What really happened, and whether everybody's books and decisions agree with it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shanmen.admission.bound import Bound
from shanmen.admission.rules import COMPANION_SECONDS, Reason
from shanmen.sim.hall import Hall
from shanmen.sim.park import Ticket
from shanmen.sim.people import Passage, Passages, Visitor, net

GRACE = timedelta(minutes=15)
_CLOCKS = timedelta(seconds=2)
"""Gates measure the server's clock over a network that takes its time."""
_WITH = timedelta(seconds=COMPANION_SECONDS)
_MOMENTARY = frozenset({Reason.TOO_SOON})
"""Refusals that mean no more than to wait a moment."""
PAGE = "page"
"""Where telephones are the entrance: the server decides, no gate."""


@dataclass(slots=True)
class Auditor:
    """Knows the truth. `wrong` is what does not agree with it, in words."""

    passages: Passages = field(default_factory=Passages)
    hall: Hall = field(default_factory=Hall)
    wrong: list[str] = field(default_factory=list)
    late_from: datetime | None = None
    """From when tickets of the kind ``late`` admit, with the grace."""

    def may_enter(self, visitor: Visitor, persons: int, *, entrance: str, now: datetime) -> bool:
        """Whether so many must be let in now at a gate, by everything that is true."""
        ticket = visitor.ticket
        if ticket is None or not visitor.honest:
            return False
        body = ticket.body
        # A minute on both sides is left to clocks.
        opens, closes = body.valid_from - GRACE, body.valid_until + GRACE
        if ticket.kind == "late" and self.late_from:
            opens = max(opens, self.late_from)
        minute = timedelta(minutes=1)
        if ticket.refunded or not opens + minute <= now <= closes - minute:
            return False
        own = self.passages.of(ticket)
        # What a crash made a gate assume stands until the guard has put it right.
        if any(each.unclear for each in own):
            return False
        if ticket.kind == "child":
            ahead = self._ahead(ticket, entrance, visitor.lane, now - _WITH + _CLOCKS)
            return ahead and self._left(ticket, persons)
        if ticket.total is None:
            # Other gates may not have told yet who came or left there.
            here = all(each.entrance == entrance or not each.persons for each in own)
            return here and self.passages.inside(ticket) + persons <= ticket.body.party_size
        return self._left(ticket, persons)

    def _left(self, ticket: Ticket, persons: int) -> bool:
        return ticket.total is None or self.passages.entering(ticket) + persons <= ticket.total

    def _ahead(self, ticket: Ticket, entrance: str, lane: int, since: datetime) -> bool:
        """Whether somebody grown up was let in at this lane, and is known to have gone in."""
        return any(
            each.lane == lane
            and each.at >= since
            and _grown_up(each)
            and each.through > 0
            and not each.unclear
            for each in self.passages.at(entrance)
            if each.ticket is not ticket
        )

    def refused(self, what: str, reason: str, *, due: bool) -> None:
        """Somebody was refused who, by the truth, was (`due`) or was not to be let in."""
        if due and reason not in _MOMENTARY:
            self.wrong.append(f"{what} was refused ({reason}) with a valid ticket")

    def admitted_against(self, what: str, why: str) -> None:
        """Somebody was let in whom this gate could know not to let in."""
        self.wrong.append(f"{what} was let in {why}")

    def admitted(self, what: str, passage: Passage) -> None:
        """Somebody was let in: whether the gate's own counts were kept."""
        ticket = passage.ticket
        if ticket is None or passage.direction != "in" or passage.override:
            return
        if ticket.kind == "late" and self.late_from and passage.at < self.late_from - _CLOCKS:
            self.admitted_against(what, "before its hours")
        if ticket.kind == "child" and not self._accompanied(passage, ticket):
            self.admitted_against(what, "without anybody grown up")
        if ticket.total is None:
            here = [each for each in self.passages.of(ticket) if each.entrance == passage.entrance]
            if not any(each.crashed for each in here) and net(here) > ticket.body.party_size:
                self.admitted_against(what, "though nobody had left there")

    def _accompanied(self, passage: Passage, child: Ticket) -> bool:
        since = passage.at - _WITH - _CLOCKS
        near = any(
            each.lane == passage.lane and each.at >= since and _grown_up(each)
            for each in self.passages.at(passage.entrance)
        )
        return near or any(
            _grown_up(each) and each.ticket is not None and each.ticket.order == child.order
            for each in self.passages.by_scan.values()
        )

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
        for ticket in sold:
            went = [each for each in self.passages.of(ticket) if each.direction == "in"]
            entered = sum(each.through for each in went)
            by_ticket = sum(each.through for each in went if not each.override)
            bound = bounds[ticket.body.ticket_type_number].at_most
            if bound is not None and by_ticket > bound:
                self.wrong.append(
                    f"ticket {ticket.number} let in {by_ticket} persons, and {bound} is the bound"
                )
            if ticket.total is not None and by_ticket > ticket.total:
                doubles += 1
            self._compare_gates(ticket, went)
            if counted.get(ticket.id, 0) != entered:
                self.wrong.append(
                    f"ticket {ticket.number} ({ticket.kind}): the server counts"
                    f" {counted.get(ticket.id, 0)} persons, and {entered} entered"
                )
        if cases < doubles:
            self.wrong.append(f"{doubles} tickets entered too often, and {cases} cases say so")
        return doubles

    def _compare_gates(self, ticket: Ticket, went: list[Passage]) -> None:
        """A gate counts for itself, network or not: alone it lets nobody in too often."""
        by_gate: dict[str, int] = defaultdict(int)
        excused = set()
        for passage in went:
            if not passage.override:
                by_gate[passage.entrance] += passage.through
            if passage.crashed:
                excused.add(passage.entrance)
        for name, persons in by_gate.items():
            if ticket.total is not None and persons > ticket.total and name not in excused:
                self.wrong.append(f"ticket {ticket.number} let in {persons} at {name} alone")


def _grown_up(passage: Passage) -> bool:
    ticket = passage.ticket
    return (
        ticket is not None
        and ticket.kind != "child"
        and passage.direction == "in"
        and passage.persons > 0
    )
