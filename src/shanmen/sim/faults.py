"""Deliberate faults, one at a time: an auditor that does not see one of them sees nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import structs
from nacl.signing import VerifyKey

from shanmen.admission.protocol import Instant, Setup, Step, TicketRow, ZoneState
from shanmen.edge.client import Server
from shanmen.edge.gate import Gate
from shanmen.edge.intents import Intent
from shanmen.edge.journal import Journal
from shanmen.edge.memory import Memory
from shanmen.edge.place import Place
from shanmen.edge.tickets import Tickets, Use
from shanmen.edge.wire import Reply
from shanmen.kit import ids
from shanmen.tickets.rotating import Outcome, RotatingVerdict


class AnyKey:
    """Takes every signature for genuine."""

    def verify(self, signature: bytes, data: bytes) -> None:
        """Say yes."""


class Credulous(Place):
    """Believes every code, whoever signed it."""

    @property
    def keys(self) -> Mapping[int, VerifyKey]:
        """A key for every number, which fits everything."""
        return dict.fromkeys(range(4), AnyKey())  # type: ignore[arg-type]


class Timeless(Place):
    """Takes every moving code for fresh."""

    def check_tail(self, *_: Any, **__: Any) -> RotatingVerdict:
        """Say that it is of now."""
        return RotatingVerdict(Outcome.FRESH)


class Unguarded(Place):
    """Knows of no ticket type that has to be accompanied."""

    def __init__(self, setup: Setup, zone_states: Sequence[ZoneState] = ()) -> None:
        types = [structs.replace(kind, companion=False) for kind in setup.types]
        super().__init__(structs.replace(setup, types=types), zone_states)


class Hourless(Place):
    """Knows of no ticket type that has hours."""

    def __init__(self, setup: Setup, zone_states: Sequence[ZoneState] = ()) -> None:
        types = [structs.replace(kind, hours=()) for kind in setup.types]
        super().__init__(structs.replace(setup, types=types), zone_states)


class Industrious(Place):
    """Knows of no holiday."""

    def __init__(self, setup: Setup, zone_states: Sequence[ZoneState] = ()) -> None:
        super().__init__(structs.replace(setup, day_kinds={}), zone_states)


class Roomy(Memory):
    """Counts its share of a zone twice."""

    def room(self, *, day: str, net: int) -> int | None:
        """As if as many as the share had not come in yet."""
        place = self.place
        state = place.zone_states.get(place.setup.zone) if place else None
        share = state.share or 0 if state else 0
        return super().room(day=day, net=net - share)


class Believing(Server):
    """Forgets which question an answer belongs to."""

    def _check(self, reply: Reply, count: str, nonce: str) -> None:
        del reply, count, nonce


class Forgetful(Tickets):
    """Does not count what it admits."""

    def count(self, ticket_id: bytes, **values: Any) -> None:
        """Count nothing."""
        del ticket_id, values


class Absent(Tickets):
    """Does not remember who is inside."""

    def count(self, ticket_id: bytes, *, inside: int, **values: Any) -> None:
        """Count entries alone."""
        del inside
        super().count(ticket_id, inside=0, **values)


class Generationless(Tickets):
    """Takes every generation of a ticket for the first."""

    def row(self, ticket_id: bytes) -> TicketRow | None:
        """The row, as if the ticket had never changed."""
        row = super().row(ticket_id)
        return None if row is None else structs.replace(row, generation=0)

    def use(self, ticket_id: bytes) -> Use:
        """What happened here, as if the ticket had never changed."""
        use = super().use(ticket_id)
        return Use(0, use.persons, use.inside, use.day, use.entered_at)


class Lossy(Journal):
    """Leaves out every seventh admission when it reports."""

    left = 7

    def _write(self, intent: Intent, step: Step, at: Instant, **values: Any) -> None:
        if step == "admitted":
            self.left -= 1
            if self.left == 0:
                self.left = 7
                return
        super()._write(intent, step, at, **values)


class Renaming(Journal):
    """Reports admissions under another scan's id than the server was asked with."""

    def _write(self, intent: Intent, step: Step, at: Instant, **values: Any) -> None:
        other = structs.replace(intent.scanned.answer, scan_id=ids.new_id())
        scanned = structs.replace(intent.scanned, answer=other)
        renamed = Intent(
            other.scan_id, intent.lane_id, intent.at, intent.state, intent.sensor, intent.persons,
            intent.passed, scanned,
        )  # fmt: skip
        super()._write(renamed if step == "admitted" else intent, step, at, **values)


class Generous(Journal):
    """Gives nobody back who did not pass."""

    def not_passed(self, *_: Any, **__: Any) -> int:
        """Forget that it was asked."""
        return 0


class Discreet(Journal):
    """Tells nobody whom staff let in."""

    def _write(self, intent: Intent, step: Step, at: Instant, **values: Any) -> None:
        if step != "override":
            super()._write(intent, step, at, **values)


class Stubborn(Journal):
    """Takes nothing back."""

    def undone(self, *_: Any, **__: Any) -> int:
        """Forget that it was asked."""
        return 0


def journal_of(kind: type[Journal]) -> Callable[[Gate], None]:
    """Put another journal into a gate."""

    def change(gate: Gate) -> None:
        gate.journal = kind(gate.store, skew_ms=gate.skew.ms)

    return change


def tickets_of(kind: type[Tickets]) -> Callable[[Gate], None]:
    """Put another counter of tickets into a gate."""

    def change(gate: Gate) -> None:
        gate.journal.tickets = kind(gate.store)

    return change


PLACES: Mapping[str, type[Place]] = {
    "unsigned-ticket": Credulous,
    "stale-code": Timeless,
    "child-alone": Unguarded,
    "forgotten-hours": Hourless,
    "forgotten-holiday": Industrious,
}
MEMORIES: Mapping[str, type[Memory]] = {"share-counted-twice": Roomy}
SERVERS: Mapping[str, type[Server]] = {"forgotten-nonce": Believing}
GATES: Mapping[str, Callable[[Gate], None]] = {
    "forgotten-use": tickets_of(Forgetful),
    "forgotten-inside": tickets_of(Absent),
    "wrong-generation": tickets_of(Generationless),
    "lost-journal-row": journal_of(Lossy),
    "renamed-scan": journal_of(Renaming),
    "nobody-given-back": journal_of(Generous),
    "override-not-told": journal_of(Discreet),
    "undo-forgotten": journal_of(Stubborn),
}
UNSYNCED = "unsynced-disk"
"""The disk says that it has written what it has not."""
HURRIED = "hurried-commit"
"""The store does not wait until its disk has written."""
NAMES = (*PLACES, *MEMORIES, *SERVERS, *GATES, UNSYNCED, HURRIED)
