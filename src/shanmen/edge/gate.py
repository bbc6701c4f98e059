"""The gate's work on its store: each method is one durable transaction.

It runs where the store is worked on (`edge.desk`); `edge.agent` is what others call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from uuid import UUID

from msgspec import structs

from shanmen.admission.protocol import Answer, AskRequest, Command, Instant
from shanmen.admission.rules import Code
from shanmen.edge.client import Skew
from shanmen.edge.decide import METHODS, Decider
from shanmen.edge.intents import Scanned, State
from shanmen.edge.journal import Journal
from shanmen.edge.memory import Memory
from shanmen.edge.place import Place, instant_of, moment_of
from shanmen.edge.presented import recognise
from shanmen.edge.states import NotByHand, NotEnrolled, Revoked, ScanUnknown, Unresolved
from shanmen.edge.store import Store

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan to be decided, with the server's decision if it gave one in time."""

    asked: AskRequest
    direction: Literal["in", "out"]
    sensor: bool
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts for those who watch; taken after each step."""

    last: int = 0
    through: int = 0
    unresolved: int = 0
    tickets: int = 0
    people: Mapping[UUID, int] = field(default_factory=dict)


class Gate:
    """Store, journal and memory of one gate."""

    def __init__(self, store: Store, memory: Memory, skew: Skew) -> None:
        self.store = store
        self.memory = memory
        self.skew = skew
        self.journal = Journal(store, skew_ms=skew.ms)
        self.figures = Figures()
        self.blocking = self.journal.last()
        """Until the server has this row, it must not be asked: it does not know all that counts."""
        self._tickets = self.journal.tickets.number_of_tickets()
        self.figures = self._counted()

    @property
    def may_ask(self) -> bool:
        """Whether the server knows everything that its decision depends on."""
        return self.figures.through >= self.blocking

    def step(self, work: Callable[[Instant], R], *, blocks: bool = True) -> R:
        """Carry out one step of a journal durably; `work` is given the instant."""
        self.journal.skew_ms = self.skew.ms
        with self.store.transaction():
            result = work(self.skew.now())
            figures = self._counted()
        self.figures = figures
        if blocks:
            self.blocking = figures.last
        return result

    def asking(self, asked: AskRequest, direction: Literal["in", "out"]) -> bool:
        """Remember that the server is being asked; False for a scan that was decided before."""

        def remember(at: Instant) -> bool:
            if self.journal.intents.find(asked.scan_id) is not None:
                return False
            answer = Answer(
                scan_id=asked.scan_id, outcome="refused", persons=0, persons_left=0, party_size=0
            )
            scanned = Scanned(
                answer=answer,
                direction=direction,
                decided_by="gate",
                method="qr",
                day=self._day(at),
                staff=asked.staff,
            )
            self.journal.asking(scanned, lane_id=asked.lane_id, at=at)
            return True

        return self.step(remember, blocks=False)

    def decide(self, scans: Sequence[Scan]) -> list[Answer]:
        """Decide many scans, each knowing those before it, in one commit."""
        if self.memory.revoked:
            raise Revoked
        place = self._place()
        blocking = self.blocking
        self.journal.skew_ms = self.skew.ms
        with self.store.transaction():
            now = self.skew.now()
            answers = []
            for scan in scans:
                known = self.journal.intents.find(scan.asked.scan_id)
                if known is not None and known.state is not State.ASKED:
                    answers.append(known.scanned.answer)
                    continue
                if known is not None:
                    self.journal.intents.drop(known.scan_id)
                unanswered = known is not None and scan.answer is None
                scanned = self._scanned(scan, place, now)
                if unanswered:
                    scanned = structs.replace(scanned, asked=True)
                self.journal.decided(
                    scanned, lane_id=scan.asked.lane_id, at=now, sensor=scan.sensor
                )
                answers.append(scanned.answer)
                # Also a refusal, where the server was asked and may have admitted: it has to learn
                # that nobody entered before it is asked about the same ticket again.
                admitted = scanned.answer.outcome == "admitted"
                if unanswered or (admitted and scanned.decided_by == "gate"):
                    blocking = self.journal.last()
            # Nothing is read after the commit: what is durable must not end as an error.
            figures = self._counted()
        self.figures, self.blocking = figures, blocking
        return answers

    def override(
        self, scan_id: UUID, *, persons: int, reason: str, staff: str, sensor: bool
    ) -> Answer:
        """Let in somebody who was refused."""
        if self.memory.revoked:
            raise Revoked
        return self.step(
            lambda at: (
                self.journal.overridden(
                    scan_id, persons=persons, reason=reason, staff=staff, at=at, sensor=sensor
                ).scanned.answer
            )
        )

    def lane_of(self, scan_id: UUID) -> UUID:
        """The lane that a scan was made at."""
        intent = self.journal.intents.find(scan_id)
        if intent is None:
            raise ScanUnknown
        return intent.lane_id

    def recover(self) -> int:
        """Settle what was under way when the gate stopped."""
        return self.step(lambda at: self.journal.recover(at=at))

    def unresolved(self) -> list[Unresolved]:
        """Admissions whose end was lost."""
        return [
            Unresolved(
                scan_id=intent.scan_id,
                lane_id=intent.lane_id,
                at=intent.at,
                persons=intent.waiting,
                assumed="not_entered" if intent.sensor else "entered",
                ticket_number=intent.scanned.answer.ticket_number,
            )
            for intent in self.journal.intents.in_states(State.ASSUMED)
        ]

    def net(self) -> tuple[str, int]:
        """Today, and who has taken room here today, as `Journal.net` has it."""
        day = self._day(self.skew.now())
        return day, self.journal.net(day)

    def walked(self, lane_id: UUID, persons: int) -> None:
        """Somebody went through without a scan."""

        def count(at: Instant) -> None:
            self.journal.walked(lane_id, persons, day=self._day(at))
            if self.memory.emergency:
                self.journal.emergency(lane_id, at=at, persons=persons, word="passage", staff="")

        self.step(count, blocks=False)

    @property
    def by_hand(self) -> bool:
        """Whether it may be said how many passed where no sensor counts.

        Guards have other things to do in an emergency, so it may be said for a while after it.
        """
        ended = self.memory.emergency_ended
        return self.memory.emergency or self.skew.now() - ended < _BY_HAND_MS

    def counted_by_hand(self, lane_id: UUID, persons: int, *, staff: str, sensor: bool) -> None:
        """A guard counted who went through in an emergency."""
        if sensor or not self.by_hand:
            raise NotByHand

        def count(at: Instant) -> None:
            self.journal.walked(lane_id, persons, day=self._day(at))
            self.journal.emergency(lane_id, at=at, persons=persons, word="by_hand", staff=staff)

        self.step(count, blocks=False)

    def emergency(self, *, on: bool, staff: str) -> None:
        """All lanes open, or no longer."""
        word = "on" if on else "off"
        place = self.memory.place

        def switch(at: Instant) -> None:
            self.memory.set_emergency(on=on, at=at)
            for lane_id in place.lanes if place else ():
                self.journal.emergency(lane_id, at=at, persons=0, word=word, staff=staff)

        self.step(switch, blocks=False)

    def set_lane(self, lane_id: UUID, *, is_open: bool) -> None:
        """Open or close a lane here."""
        with self.store.transaction():
            self.memory.set_lane(lane_id, is_open=is_open)

    def revoke(self) -> None:
        """Forget tickets and keys; the journal stays, for whoever looks into what happened."""
        with self.store.transaction():
            self.memory.revoke()
            self.journal.tickets.wipe()
        self.store.shred()
        self.recount_tickets()

    def take_command(self, command: Command) -> bool:
        """Remember a command; False where it was carried out before."""

        def take(at: Instant) -> bool:
            known = self.store.one("SELECT 1 FROM command WHERE id = ?", (command.id.bytes,))
            self.store.do("INSERT OR IGNORE INTO command VALUES (?, ?, 0)", (command.id.bytes, at))
            return known is None

        return self.step(take, blocks=False)

    def done_commands(self) -> list[UUID]:
        """Commands that the server has not heard the end of."""
        rows = self.store.all("SELECT id FROM command WHERE told = 0 LIMIT 100")
        return [UUID(bytes=row[0]) for row in rows]

    def commands_told(self, commands: Sequence[UUID]) -> None:
        """The server knows that these are done."""
        with self.store.transaction():
            self.store.do_many(
                "UPDATE command SET told = 1 WHERE id = ?", ((c.bytes,) for c in commands)
            )

    def recount_tickets(self) -> None:
        """After changes: how many tickets are known."""
        self._tickets = self.journal.tickets.number_of_tickets()
        self.figures = self._counted()

    def tidy(self) -> None:
        """Forget what is long over."""

        def prune(at: Instant) -> None:
            self.journal.prune(at)
            self.journal.tickets.prune(at)
            self.store.do("DELETE FROM command WHERE told = 1 AND at < ?", (at - _DAY_MS,))
            self.store.do("DELETE FROM people WHERE day < ?", (self._day(at - 7 * _DAY_MS),))

        self.step(prune, blocks=False)
        self.recount_tickets()

    def _place(self) -> Place:
        if self.memory.place is None:
            raise NotEnrolled
        return self.memory.place

    def _day(self, at: Instant) -> str:
        place = self.memory.place
        return place.day(moment_of(at)) if place else moment_of(at).date().isoformat()

    def _scanned(self, scan: Scan, place: Place, now: Instant) -> Scanned:
        if scan.answer is not None:
            return self._by_server(scan, scan.answer, place, now)
        day = place.day(moment_of(now))
        decider = Decider(
            place=place,
            journal=self.journal,
            document_keys=self.memory.secrets.document_keys,
            now=moment_of(now),
            lane_open=self.memory.lane_open(scan.asked.lane_id),
            room=self.memory.room(day=day, net=self.journal.net(day)),
        )
        return decider.decide(scan.asked, scan.direction)

    def _by_server(self, scan: Scan, answer: Answer, place: Place, now: Instant) -> Scanned:
        """A decision of the server's, kept like one of our own."""
        presented = recognise(
            scan.asked, keys=place.keys, document_keys=self.memory.secrets.document_keys
        )
        body = presented.body
        row = self.journal.tickets.row(answer.ticket_id) if answer.ticket_id else None
        valid_until = row.valid_until if row else now
        return Scanned(
            answer=answer,
            direction=scan.direction,
            decided_by="server",
            method=METHODS.get(Code(presented.code), "qr"),
            day=place.day(moment_of(now)),
            generation=body.generation if body else row.generation if row else None,
            valid_until=instant_of(body.valid_until) if body else valid_until,
            marks=presented.marks,
            staff=scan.asked.staff,
        )

    def _counted(self) -> Figures:
        return Figures(
            last=self.journal.last(),
            through=self.journal.through(),
            unresolved=self.journal.intents.count(State.ASSUMED),
            tickets=self._tickets,
            people=self.journal.people(self._day(self.skew.now())),
        )


_DAY_MS = 86_400_000
_BY_HAND_MS = 3_600_000
