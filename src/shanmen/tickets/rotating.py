"""The code that changes every 30 seconds, so that a picture of a ticket is soon worth nothing.

Keys go down a ladder: the tenant's data key gives a key for a site and a day, that gives one for a
ticket, and that gives a code for each half minute. The server hands the ticket's keys to the
visitor's phone, which needs no network afterwards; a gate holds day keys for a few days and works
out the rest, so it knows tickets that were sold after it was last online, and a stolen gate is
worth those days at most. ``docs/ticket-format.md`` has every byte, with examples.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shanmen.kit import base45, clock
from shanmen.kit.crypto import Keyring
from shanmen.tickets.token import TAIL_CHARS

STEP_SECONDS = 30
"""How long a code is shown."""
TOLERATED_STEPS = 1
"""A code is fresh in its own step and in those beside it: clocks differ, people take a moment."""

_PURPOSE = "rotating-code-day"
_TICKET_LABEL = b"SMR1"
_CODE_BYTES = 5
_WINDOW = 256
"""Steps until their low byte comes round again: 128 minutes."""
_AHEAD = 16
"""Steps that a phone's clock may be ahead and still be told so, rather than be called wrong."""
_LOOK_BACK = timedelta(hours=26)
"""How old a code may be and still be told from a wrong one: yesterday's picture at the least."""


class Outcome(StrEnum):
    """What a code is."""

    FRESH = "fresh"
    """Of now."""
    STALE = "stale"
    """Right once: most likely a picture, or a phone whose clock is slow."""
    FROM_FUTURE = "from_future"
    """Right later: a phone whose clock is fast."""
    WRONG = "wrong"
    """Never right for this ticket and generation."""
    MISSING = "missing"
    """There is none: paper, or a text message."""
    NO_KEY = "no_key"
    """The key of the day is not here, so it cannot be told."""


@dataclass(frozen=True, slots=True)
class RotatingVerdict:
    """What a code is, and for how long it has not been, or will not be, the one shown."""

    outcome: Outcome
    seconds: int = 0
    """For STALE, since it was last shown; for FROM_FUTURE, until it will be; else 0."""

    @property
    def fresh(self) -> bool:
        """Whether the code proves that the ticket itself is here, and not a picture of it."""
        return self.outcome is Outcome.FRESH


def day_key(keyring: Keyring, *, site_number: int, day: date) -> bytes:
    """Return the key of a site for a local date, which gates hold; only the server can."""
    return keyring.derive(_PURPOSE, site_number, day)


def ticket_key(key_of_day: bytes, *, ticket_id: UUID, generation: int) -> bytes:
    """Return the key of a ticket for that day, which the visitor's phone holds."""
    message = _TICKET_LABEL + ticket_id.bytes + bytes([generation])
    return hmac.digest(key_of_day, message, "sha256")


def step_at(instant: datetime) -> int:
    """Return the number of the half minute since 1970 that an instant is in."""
    return int(instant.timestamp()) // STEP_SECONDS


def day_of(step: int, timezone: str) -> date:
    """Return the local date that a step begins in, whose key makes its code."""
    return clock.local(datetime.fromtimestamp(step * STEP_SECONDS, UTC), timezone).date()


def tail(key_of_ticket: bytes, step: int) -> str:
    """Return the nine characters that follow the token during a step."""
    return base45.encode(bytes([step % _WINDOW]) + _code(key_of_ticket, step))


def check(
    scanned: str | None,
    *,
    ticket_id: UUID,
    generation: int,
    now: datetime,
    timezone: str,
    day_key_of: Callable[[date], bytes | None],
) -> RotatingVerdict:
    """Judge the part that changes, as ``token.split`` returned it.

    ``timezone`` is the site's; ``day_key_of`` returns the site's key of a local date, or None
    where the gate does not hold it. Codes up to a day old are told from wrong ones.
    """
    if scanned is None:
        return RotatingVerdict(Outcome.MISSING)
    if len(scanned) != TAIL_CHARS:
        return RotatingVerdict(Outcome.WRONG)
    try:
        data = base45.decode(scanned)
    except ValueError:
        return RotatingVerdict(Outcome.WRONG)
    seconds_now = int(now.timestamp())
    latest = seconds_now // STEP_SECONDS + _AHEAD
    # The low byte says which steps it can be: one in each 128 minutes.
    step = latest - (latest - data[0]) % _WINDOW
    oldest = step_at(now - _LOOK_BACK)
    outcome: Outcome | None = None
    while step >= oldest:
        key_of_day = day_key_of(day_of(step, timezone))
        if key_of_day is not None:
            key = ticket_key(key_of_day, ticket_id=ticket_id, generation=generation)
            if hmac.compare_digest(_code(key, step), data[1:]):
                return _verdict(step, seconds_now)
        # The nearest step decides whether a code that fits nowhere is called wrong.
        outcome = outcome or (Outcome.NO_KEY if key_of_day is None else Outcome.WRONG)
        step -= _WINDOW
    return RotatingVerdict(outcome or Outcome.WRONG)


def _code(key_of_ticket: bytes, step: int) -> bytes:
    return hmac.digest(key_of_ticket, step.to_bytes(4, "big"), "sha256")[:_CODE_BYTES]


def _verdict(step: int, seconds_now: int) -> RotatingVerdict:
    behind = seconds_now // STEP_SECONDS - step
    if abs(behind) <= TOLERATED_STEPS:
        return RotatingVerdict(Outcome.FRESH)
    if behind > 0:
        return RotatingVerdict(Outcome.STALE, seconds_now - (step + 1) * STEP_SECONDS)
    return RotatingVerdict(Outcome.FROM_FUTURE, step * STEP_SECONDS - seconds_now)
