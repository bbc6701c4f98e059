"""What happened at the gate, step by step: each is on the disk before the next begins.

Every method is one step and changes three things together: the scan (`intents`), the count of its
ticket (`tickets`), and the journal that goes up to the server. Rows of the journal are numbered
without gaps and stay until the server has them. Calls belong into a transaction of the caller's.

Instants are by the server's clock, as far as this gate knows it; a row also says how far off the
gate's own clock was.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import structs

from shanmen.admission.protocol import Instant, JournalRow, Step, encode
from shanmen.admission.rules import Reason
from shanmen.edge.intents import Intent, Intents, Scanned, State
from shanmen.edge.states import CannotBeDone, ScanUnknown
from shanmen.edge.store import Store
from shanmen.edge.tickets import Tickets
from shanmen.kit import ids

_THROUGH = "through"
_NET = "net"
_KEEP_MS = 2 * 86_400_000
_OPEN = (State.DECIDED, State.OPENED)
_STANDING = (State.DECIDED, State.OPENED, State.DONE, State.ASSUMED)

_decode = msgspec.msgpack.Decoder(JournalRow).decode


class Journal:
    """Steps of admissions, and the rows that tell the server of them."""

    def __init__(self, store: Store, *, skew_ms: int = 0) -> None:
        self._store = store
        self.intents = Intents(store)
        self.tickets = Tickets(store)
        self.skew_ms = skew_ms
        """How far this gate's clock is ahead of the server's, as far as it knows."""

    def asking(self, scanned: Scanned, *, lane_id: UUID, at: Instant) -> None:
        """The server is about to be asked: what it admits must be taken back if this gate dies."""
        self.intents.add(
            Intent(
                scan_id=scanned.answer.scan_id,
                lane_id=lane_id,
                at=at,
                state=State.ASKED,
                sensor=False,
                persons=0,
                passed=0,
                scanned=scanned,
            )
        )

    def decided(self, scanned: Scanned, *, lane_id: UUID, at: Instant, sensor: bool) -> Intent:
        """A scan was decided. What it admits is counted at once, before anybody passes."""
        # Names are for the guard's eyes, not for the disk.
        answer = structs.replace(scanned.answer, names=[])
        scanned = structs.replace(scanned, answer=answer)
        admitted = answer.outcome == "admitted"
        intent = Intent(
            scan_id=answer.scan_id,
            lane_id=lane_id,
            at=at,
            state=State.DECIDED if admitted else State.REFUSED,
            sensor=sensor,
            persons=answer.persons if admitted else 0,
            passed=0,
            scanned=scanned,
        )
        self.intents.add(intent)
        self._write(intent, "admitted" if admitted else "refused", at, persons=intent.persons)
        if not admitted and answer.ticket_id is not None and scanned.generation is not None:
            self.tickets.remember_generation(
                answer.ticket_id, scanned.generation, valid_until=scanned.valid_until
            )
        if admitted:
            self._count(intent, intent.persons, at)
            self._see(intent, at)
        return intent

    def opened(self, scan_id: UUID) -> None:
        """The barrier was told to open; without a sensor that is the end: they are in."""
        intent = self._find(scan_id)
        if intent.state is not State.DECIDED:
            return
        if intent.sensor:
            self.intents.change(intent, state=State.OPENED)
            return
        self.intents.change(intent, state=State.DONE, passed=intent.persons)
        self.walked(intent.lane_id, intent.waiting, day=intent.scanned.day)

    def passed(self, scan_id: UUID, persons: int, *, at: Instant) -> int:
        """So many went through; returns how many of this scan still may.

        Whoever passes after the time was over was given back, and is counted again.
        """
        intent = self._find(scan_id)
        if intent.state not in _STANDING:
            return 0
        self.walked(intent.lane_id, persons, day=intent.scanned.day)
        own = min(persons, intent.waiting)
        if own == 0:
            return 0
        passed = intent.passed + own
        if intent.state in _OPEN:
            self._write(intent, "passed", at, persons=own)
        elif intent.sensor:
            self._write(intent, "corrected", at, persons=own, reason="late_passage")
            self._count(intent, own, at)
            self._see(intent, at)
        rest = intent.persons - passed
        done = rest == 0 or intent.state is State.DONE
        state = State.DONE if done else (State.OPENED if intent.state in _OPEN else intent.state)
        self.intents.change(intent, state=state, passed=passed)
        return rest if state is State.OPENED else 0

    def not_passed(self, scan_id: UUID, *, at: Instant) -> int:
        """The time is over: whoever has not passed is given back."""
        intent = self._find(scan_id)
        if intent.state not in _OPEN:
            return 0
        return self._give_back(intent, at, State.DONE)

    def overridden(
        self, scan_id: UUID, *, persons: int, reason: str, staff: str, at: Instant, sensor: bool
    ) -> Intent:
        """Staff lets in somebody who was refused; from here it is an admission like others."""
        intent = self._find(scan_id)
        answer = intent.scanned.answer
        if intent.state is not State.REFUSED or not answer.override_allowed:
            raise CannotBeDone(state=intent.state.value)
        admitted = structs.replace(answer, outcome="admitted", persons=persons)
        scanned = structs.replace(intent.scanned, answer=admitted, staff=staff)
        self.intents.change(intent, state=State.DECIDED, persons=persons, scanned=scanned)
        self._store.do(
            "UPDATE intent SET sensor = ?, at = ? WHERE scan = ?", (sensor, at, scan_id.bytes)
        )
        changed = self._find(scan_id)
        self._write(changed, "override", at, persons=persons, reason=reason, staff=staff)
        self._count(changed, persons, at)
        self._see(changed, at)
        return changed

    def undone(self, scan_id: UUID, *, reason: str, staff: str, at: Instant) -> int:
        """Staff takes an admission back; returns how many persons that were."""
        intent = self._find(scan_id)
        if intent.state not in _STANDING:
            raise CannotBeDone(state=intent.state.value)
        # What was given back already, or corrected, is not given back twice.
        settled = intent.state is State.DONE or (intent.sensor and intent.state is State.ASSUMED)
        persons = intent.passed if settled else intent.persons
        self._write(intent, "undone", at, persons=persons, reason=reason, staff=staff)
        self._count(intent, -persons, at)
        self._forget(intent)
        self.intents.change(intent, state=State.UNDONE)
        return persons

    def recover(self, *, at: Instant) -> int:
        """After a start: settle what was under way when the gate stopped; returns how many.

        Without a sensor the barrier may have opened, so they count as entered. Where a sensor did
        not fire they did not pass, so they are given back. A person may correct either.
        """
        for intent in self.intents.in_states(State.ASKED):
            # Nobody was let in on it. Where the server has admitted, it learns that here.
            self._write(intent, "refused", at, persons=0, reason=Reason.GATE_STOPPED)
            self.intents.change(intent, state=State.REFUSED)
        found = self.intents.in_states(*_OPEN)
        for intent in found:
            if intent.sensor:
                self._give_back(intent, at, State.ASSUMED)
            else:
                self.intents.change(intent, state=State.ASSUMED)
        return len(found)

    def corrected(self, scan_id: UUID, *, entered: bool, staff: str, at: Instant) -> None:
        """Somebody says what became of an admission whose end was lost."""
        intent = self._find(scan_id)
        if intent.state is not State.ASSUMED:
            raise CannotBeDone(state=intent.state.value)
        assumed_entered = not intent.sensor
        change = (entered - assumed_entered) * intent.waiting
        self._write(intent, "corrected", at, persons=change, staff=staff)
        if change:
            self._count(intent, change, at)
        passed = intent.persons if entered else intent.passed
        if entered:
            self.walked(intent.lane_id, intent.waiting, day=intent.scanned.day)
        else:
            self._forget(intent)
        self.intents.change(intent, state=State.DONE, passed=passed)

    def emergency(self, lane_id: UUID, *, at: Instant, persons: int, word: str, staff: str) -> None:
        """All lanes were opened or are no longer (`word`), or somebody walked through one."""
        row = JournalRow(
            seq=self.last() + 1,
            scan_id=ids.new_id(),
            step="emergency",
            at=at + self.skew_ms,
            skew_ms=self.skew_ms,
            lane_id=lane_id,
            persons=persons,
            reason=word,
            staff=staff,
        )
        self._store.do("INSERT INTO journal VALUES (?, ?, ?)", (row.seq, at, encode(row)))

    def walked(self, lane_id: UUID, persons: int, *, day: str) -> None:
        """Count passages of a lane, with a ticket or without."""
        self._store.do(
            "INSERT INTO people VALUES (?, ?, ?)"
            " ON CONFLICT (lane, day) DO UPDATE SET persons = persons + excluded.persons",
            (lane_id.bytes, day, persons),
        )

    def net(self, day: str) -> int:
        """Persons who entered here on a day, minus those who made room by leaving."""
        said = (self._store.meta(_NET) or b"").decode().partition(" ")
        return int(said[2]) if said[0] == day else 0

    def people(self, day: str) -> dict[UUID, int]:
        """Passages of the day, by lane."""
        rows = self._store.all("SELECT lane, persons FROM people WHERE day = ?", (day,))
        return {UUID(bytes=lane): persons for lane, persons in rows}

    def document_admitted_at(self, marks: Sequence[bytes]) -> Instant | None:
        """When a document with one of these marks was last admitted here."""
        found = [self._store.one("SELECT at FROM seen WHERE mark = ?", (m,)) for m in marks]
        return max((row[0] for row in found if row is not None), default=None)

    def last(self) -> int:
        """The number of the last row."""
        row = self._store.one("SELECT max(seq) FROM journal")
        return (row[0] if row else None) or 0

    def through(self) -> int:
        """The number up to which the server has everything."""
        return int(self._store.meta(_THROUGH) or b"0")

    def unsent(self, limit: int) -> list[JournalRow]:
        """The oldest rows that the server does not have."""
        rows = self._store.all(
            "SELECT body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (self.through(), limit)
        )
        return [_decode(row[0]) for row in rows]

    def received(self, through: int) -> None:
        """The server has all rows up to a number."""
        if self.through() < through <= self.last():
            self._store.set_meta(_THROUGH, str(through).encode())

    def renumber(self, through: int) -> None:
        """The server has rows up to a number that this disk does not: unsent rows go behind them.

        The disk was put back from a copy, or had not written what it said it had.
        """
        rows = self.unsent(self.last())
        self._store.do("DELETE FROM journal WHERE seq > ?", (self.through(),))
        for seq, row in enumerate(rows, through + 1):
            moved = encode(structs.replace(row, seq=seq))
            self._store.do(
                "INSERT INTO journal VALUES (?, ?, ?)", (seq, row.at - row.skew_ms, moved)
            )
        self._store.set_meta(_THROUGH, str(through).encode())

    def rewind(self, through: int) -> None:
        """The server lacks rows that it had: it was put back from a backup."""
        if through < self.through():
            self._store.set_meta(_THROUGH, str(max(0, through)).encode())

    def prune(self, now: Instant) -> None:
        """Forget what the server has and nobody asks for any more; the last row stays to count."""
        before = now - _KEEP_MS
        self.intents.prune(before)
        self._store.do("DELETE FROM seen WHERE at < ?", (before,))
        self._store.do(
            "DELETE FROM journal WHERE at < ? AND seq <= ? AND seq < ?",
            (before, self.through(), self.last()),
        )

    def _find(self, scan_id: UUID) -> Intent:
        intent = self.intents.find(scan_id)
        if intent is None:
            raise ScanUnknown
        return intent

    def _give_back(self, intent: Intent, at: Instant, state: State) -> int:
        rest = intent.waiting
        if rest:
            self._write(intent, "given_back", at, persons=rest)
            self._count(intent, -rest, at)
        if not intent.passed:
            self._forget(intent)
        self.intents.change(intent, state=state)
        return rest

    def _write(
        self,
        intent: Intent,
        step: Step,
        at: Instant,
        *,
        persons: int,
        reason: str = "",
        staff: str = "",
    ) -> None:
        scanned = intent.scanned
        answer = scanned.answer
        row = JournalRow(
            seq=self.last() + 1,
            scan_id=intent.scan_id,
            step=step,
            at=at + self.skew_ms,
            skew_ms=self.skew_ms,
            lane_id=intent.lane_id,
            direction=scanned.direction,
            decided_by=scanned.decided_by,
            method=scanned.method,
            ticket_id=answer.ticket_id,
            generation=scanned.generation,
            type_number=answer.type_number,
            persons=persons,
            persons_left=answer.persons_left,
            reason=reason or (answer.reason if step == "refused" else ""),
            document_mark=scanned.marks[0] if scanned.marks else None,
            staff=staff or scanned.staff,
        )
        self._store.do("INSERT INTO journal VALUES (?, ?, ?)", (row.seq, at, encode(row)))

    def _count(self, intent: Intent, persons: int, at: Instant) -> None:
        """Count persons of a ticket who went through (negative: who did not, after all)."""
        scanned = intent.scanned
        if scanned.answer.ticket_id is None:
            return
        leaving = scanned.direction == "out"
        if not leaving or scanned.frees:
            net = self.net(scanned.day) + (-persons if leaving else persons)
            self._store.set_meta(_NET, f"{scanned.day} {net}".encode())
        self.tickets.count(
            scanned.answer.ticket_id,
            persons=0 if leaving else persons,
            inside=-persons if leaving else persons,
            at=at,
            day=scanned.day,
            generation=scanned.generation or 0,
            valid_until=scanned.valid_until,
        )

    def _see(self, intent: Intent, at: Instant) -> None:
        if intent.scanned.direction == "in":
            self._store.do_many(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)",
                ((mark, intent.scan_id.bytes, at) for mark in intent.scanned.marks),
            )

    def _forget(self, intent: Intent) -> None:
        self._store.do("DELETE FROM seen WHERE scan = ?", (intent.scan_id.bytes,))
