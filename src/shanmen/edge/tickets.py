"""Tickets as the gate holds them, and what happened to each of them here.

The server tells rows (`protocol.TicketRow`); what this gate itself let in is counted apart, in
`use`, and never overwritten by what comes from the server: of a row only the part counts that
others let in. So it does not matter which of the gate's own reports the server knew when it wrote
the row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import structs

from shanmen.admission.protocol import Instant, TicketCount, TicketRow, encode
from shanmen.edge.store import Store

GONE = "gone"
_DAY_MS = 86_400_000
KEEP_MS = 3 * _DAY_MS
"""Own counts outlive their ticket by so much: its code may still be shown."""

_decode = msgspec.msgpack.Decoder(TicketRow).decode


@dataclass(frozen=True, slots=True)
class Use:
    """What this gate knows of a ticket by itself."""

    generation: int = 0
    """The highest that was ever shown or told here."""
    persons: int = 0
    """Entered here."""
    inside: int = 0
    """Entered minus left here, today."""
    day: str = ""
    """The local date of `inside`."""
    entered_at: Instant | None = None

    def inside_on(self, day: str) -> int:
        """Entered minus left on a day; another day's are not inside any more."""
        return self.inside if self.day == day else 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Use by everybody: what others let in, and what this gate did."""

    entered: int
    inside: int
    entered_at: Instant | None
    here: bool
    """Whether the last entry was at this entrance."""
    inside_zone: int
    """Of those inside, who is in this gate's zone."""


def counts(row: TicketRow | None, use: Use, *, day: str) -> Counts:
    """Put together what the server told of others and what happened here."""
    if row is None:
        inside = use.inside_on(day)
        return Counts(use.persons, inside, use.entered_at, here=True, inside_zone=inside)
    here, there = use.entered_at, row.last_entered_at
    latest = max((at for at in (here, there) if at is not None), default=None)
    return Counts(
        entered=row.persons_entered - row.entered_here + use.persons,
        inside=row.persons_inside - row.inside_here + use.inside_on(day),
        entered_at=latest,
        here=there is None or (here is not None and here >= there),
        inside_zone=row.inside_zone - row.inside_here + use.inside_on(day),
    )


class Tickets:
    """Tickets and their use in the store. Calls belong into a transaction of the caller's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def row(self, ticket_id: bytes) -> TicketRow | None:
        """What the server told of a ticket."""
        found = self._store.one("SELECT body FROM ticket WHERE id = ?", (ticket_id,))
        return None if found is None else _decode(found[0])

    def by_number(self, number: str) -> list[TicketRow]:
        """The ticket with a short number, if it is known."""
        found = self._store.all("SELECT body FROM ticket WHERE number = ?", (number,))
        return [_decode(row[0]) for row in found]

    def by_marks(self, marks: Iterable[bytes]) -> list[TicketRow]:
        """Tickets that are made out on documents with these marks, the earliest first."""
        rows = {}
        for mark in marks:
            for (body,) in self._store.all(
                "SELECT t.body FROM mark m JOIN ticket t ON t.id = m.ticket WHERE m.mark = ?",
                (mark,),
            ):
                row = _decode(body)
                rows[row.id] = row
        return sorted(rows.values(), key=lambda row: (row.valid_from, row.id))

    def of_order(self, number: str) -> list[TicketRow]:
        """All tickets of the order that a short number belongs to."""
        order, _, _ = number.rpartition("-")
        # Between the hyphen and the next character of ASCII lie all numbers of the order.
        found = self._store.all(
            "SELECT body FROM ticket WHERE number > ? AND number < ?", (f"{order}-", f"{order}.")
        )
        return [_decode(row[0]) for row in found]

    def use(self, ticket_id: bytes) -> Use:
        """What happened to a ticket here."""
        found = self._store.one(
            "SELECT generation, persons, inside, day, entered_at FROM use WHERE ticket = ?",
            (ticket_id,),
        )
        return Use() if found is None else Use(*found)

    def count(
        self,
        ticket_id: bytes,
        *,
        persons: int,
        inside: int,
        at: Instant,
        day: str,
        generation: int = 0,
        valid_until: Instant = 0,
    ) -> None:
        """Count entries and exits of a ticket here; negative takes back."""
        old = self.use(ticket_id)
        entered_at = at if persons > 0 else old.entered_at
        if persons < 0 and old.persons + persons <= 0:
            entered_at = None
        self._store.do(
            "INSERT INTO use VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ticket) DO UPDATE SET"
            " generation = excluded.generation, persons = excluded.persons,"
            " inside = excluded.inside, day = excluded.day, entered_at = excluded.entered_at,"
            " keep_until = max(keep_until, excluded.keep_until)",
            (
                ticket_id,
                max(old.generation, generation),
                old.persons + persons,
                old.inside_on(day) + inside,
                day,
                entered_at,
                max(at, valid_until) + KEEP_MS,
            ),
        )

    def remember_generation(
        self, ticket_id: bytes, generation: int, *, valid_until: Instant
    ) -> None:
        """Keep the highest generation that was shown, though the server has not told of it yet."""
        if generation <= self.use(ticket_id).generation:
            return
        self._store.do(
            "INSERT INTO use VALUES (?, ?, 0, 0, '', NULL, ?) ON CONFLICT (ticket) DO UPDATE SET"
            " generation = excluded.generation, keep_until = max(keep_until, excluded.keep_until)",
            (ticket_id, generation, valid_until + KEEP_MS),
        )

    def put(self, rows: Sequence[TicketRow], *, epoch: int) -> None:
        """Take over rows of the server; marks that a ticket has no longer are dropped."""
        self._drop_marks(rows)
        kept = [row for row in rows if row.status != GONE]
        self._store.do_many(
            "DELETE FROM ticket WHERE id = ?", ((r.id,) for r in rows if r.status == GONE)
        )
        self._store.do_many(
            "INSERT OR REPLACE INTO ticket VALUES (?, ?, ?, ?, ?)",
            ((row.id, row.number, epoch, row.valid_until, encode(row)) for row in kept),
        )
        self._store.do_many(
            "INSERT OR IGNORE INTO mark VALUES (?, ?)",
            sorted((mark, row.id) for row in kept for mark, _ in row.documents),
        )

    def put_counts(self, counts: Sequence[TicketCount]) -> int:
        """Take over how often tickets were used by all; returns how many of them are unknown."""
        told = {count.id: count for count in counts}
        known = self._store.all(
            f"SELECT body FROM ticket WHERE id IN ({', '.join('?' * len(told))})",  # noqa: S608
            list(told),
        )
        rows = [_decode(row[0]) for row in known]
        changed = [structs.replace(row, **structs.asdict(told[row.id])) for row in rows]
        self._store.do_many(
            "UPDATE ticket SET body = ? WHERE id = ?", ((encode(row), row.id) for row in changed)
        )
        return len(told) - len(rows)

    def _drop_marks(self, rows: Sequence[TicketRow]) -> None:
        known = self._store.all(
            f"SELECT body FROM ticket WHERE id IN ({', '.join('?' * len(rows))})",  # noqa: S608
            [row.id for row in rows],
        )
        before = [_decode(row[0]) for row in known]
        gone = [(mark, old.id) for old in before for mark, _ in old.documents]
        self._store.do_many("DELETE FROM mark WHERE mark = ? AND ticket = ?", gone)

    def drop_before(self, epoch: int) -> None:
        """After a fresh load: forget what the server did not tell again."""
        self._store.do("DELETE FROM ticket WHERE epoch < ?", (epoch,))
        self._drop_stray_marks()

    def prune(self, now: Instant) -> None:
        """Forget tickets and counts whose time is long over."""
        if self._store.do("DELETE FROM ticket WHERE valid_until < ?", (now - 2 * _DAY_MS,)):
            self._drop_stray_marks()
        # A row says how much of its count came from here: that part must not be forgotten first.
        self._store.do(
            "DELETE FROM use WHERE keep_until < ?"
            " AND NOT EXISTS (SELECT 1 FROM ticket WHERE id = use.ticket)",
            (now,),
        )

    def _drop_stray_marks(self) -> None:
        self._store.do(
            "DELETE FROM mark WHERE NOT EXISTS (SELECT 1 FROM ticket WHERE id = mark.ticket)"
        )

    def number_of_tickets(self) -> int:
        """How many tickets are known."""
        found = self._store.one("SELECT count(*) FROM ticket")
        return found[0] if found else 0

    def wipe(self) -> None:
        """Forget every ticket; what happened here stays, until the server has it."""
        self._store.do("DELETE FROM ticket")
        self._store.do("DELETE FROM mark")
