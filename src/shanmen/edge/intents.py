"""Scans as the gate keeps them: what was decided, and how far the admission has come.

    asked --> refused or decided; by a crash --> refused
    refused --override--> decided --opened--> opened --passed, not passed--> done
                                                 '--a crash--> assumed --corrected--> done

``undone`` is the end of what staff took back.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from shanmen.admission.protocol import Answer, Instant, encode
from shanmen.edge.store import Store


class State(StrEnum):
    """How far a scan has come."""

    ASKED = "asked"
    """The server is being asked; it may admit, and the answer may never come."""
    REFUSED = "refused"
    DECIDED = "decided"
    """Admitted and durable; the barrier may not have opened yet."""
    OPENED = "opened"
    DONE = "done"
    ASSUMED = "assumed"
    """Its end was lost in a crash; what happened is assumed and waits for a person's word."""
    UNDONE = "undone"


class Scanned(Struct, frozen=True, kw_only=True):
    """What was decided on a scan, whole."""

    answer: Answer
    direction: Literal["in", "out"]
    decided_by: Literal["server", "gate"]
    method: Literal["qr", "document", "manual"]
    day: str
    """The local date, which counts of people inside belong to."""
    generation: int | None = None
    valid_until: Instant = 0
    marks: list[bytes] = []
    """Of the document that was shown; a number may be of several kinds of document."""
    staff: str = ""
    asked: bool = False
    """The server was asked, and its answer did not come in time: it may have decided as well."""

    @property
    def frees(self) -> bool:
        """Whether whoever leaves on it makes room here: else the server gives that room away."""
        return self.decided_by == "gate" and not self.asked


@dataclass(frozen=True, slots=True)
class Intent:
    """A scan and how far it has come."""

    scan_id: UUID
    lane_id: UUID
    at: Instant
    state: State
    sensor: bool
    persons: int
    passed: int
    scanned: Scanned

    @property
    def waiting(self) -> int:
        """Persons who were let in and have not been seen to pass."""
        return max(0, self.persons - self.passed)


_COLUMNS = "scan, lane, at, state, sensor, persons, passed, body"
_decode = msgspec.msgpack.Decoder(Scanned).decode


class Intents:
    """Scans in the store. Calls belong into a transaction of the caller's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, intent: Intent) -> None:
        """Keep a new scan."""
        self._store.do(
            "INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                intent.scan_id.bytes,
                intent.lane_id.bytes,
                intent.at,
                intent.state,
                intent.sensor,
                intent.persons,
                intent.passed,
                encode(intent.scanned),
            ),
        )

    def drop(self, scan_id: UUID) -> None:
        """Forget a scan, to keep it anew."""
        self._store.do("DELETE FROM intent WHERE scan = ?", (scan_id.bytes,))

    def find(self, scan_id: UUID) -> Intent | None:
        """A scan by its id."""
        row = self._store.one(
            f"SELECT {_COLUMNS} FROM intent WHERE scan = ?",  # noqa: S608 - our own columns
            (scan_id.bytes,),
        )
        return None if row is None else _intent(row)

    def change(
        self,
        intent: Intent,
        *,
        state: State,
        persons: int | None = None,
        passed: int | None = None,
        scanned: Scanned | None = None,
    ) -> None:
        """Take a scan a step on."""
        self._store.do(
            "UPDATE intent SET state = ?, persons = ?, passed = ?, body = ? WHERE scan = ?",
            (
                state,
                intent.persons if persons is None else persons,
                intent.passed if passed is None else passed,
                encode(scanned or intent.scanned),
                intent.scan_id.bytes,
            ),
        )

    def in_states(self, *states: State) -> list[Intent]:
        """Scans that have come so far and no further, the latest first."""
        found: list[Intent] = []
        for state in states:
            rows = self._store.all(
                f"SELECT {_COLUMNS} FROM intent WHERE state = ?",  # noqa: S608 - our own columns
                (state,),
            )
            found += map(_intent, rows)
        return sorted(found, key=lambda intent: (intent.at, intent.scan_id), reverse=True)

    def at_lane(self, lane_id: UUID, *, since: Instant) -> list[Intent]:
        """Scans of one lane since an instant."""
        rows = self._store.all(
            f"SELECT {_COLUMNS} FROM intent WHERE lane = ? AND at >= ?",  # noqa: S608 - as above
            (lane_id.bytes, since),
        )
        return [_intent(row) for row in rows]

    def count(self, state: State) -> int:
        """How many scans have come so far and no further."""
        row = self._store.one("SELECT count(*) FROM intent WHERE state = ?", (state,))
        return row[0] if row else 0

    def prune(self, before: Instant) -> None:
        """Forget scans that have come to their end and are older."""
        self._store.do(
            "DELETE FROM intent WHERE at < ? AND state IN ('refused', 'done', 'undone')", (before,)
        )


def _intent(row: tuple[Any, ...]) -> Intent:
    scan, lane, at, state, sensor, persons, passed, body = row
    return Intent(
        scan_id=UUID(bytes=scan),
        lane_id=UUID(bytes=lane),
        at=at,
        state=State(state),
        sensor=bool(sensor),
        persons=persons,
        passed=passed,
        scanned=_decode(body),
    )
