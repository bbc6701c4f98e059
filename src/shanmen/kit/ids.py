"""Identifiers and random secrets.

Randomness comes from the operating system. Inside ``with seeded(seed)`` it comes from a seeded
generator instead, so that a simulation replays exactly; secrets made there are worth nothing, and
only tests, the simulator and the demo go there. Nonces of ciphers never come from here.
"""

import base64
import os
import random
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from functools import lru_cache
from uuid import UUID, SafeUUID

from shanmen.kit import clock

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that a number can be read out over the telephone."""

_PAIRS = tuple(first + second for first in CROCKFORD for second in CROCKFORD)
_TOLERATED_BACKSTEP_MS = 10_000
_NS_PER_MS = 1_000_000

# Version 7 in bits 76-79 and the variant 0b10 in bits 62-63 of the 128 (RFC 9562, section 5.7).
_FIXED_BITS = (0x7 << 76) | (0b10 << 62)

# Of the 74 bits of its own the first id in a millisecond fills 64 at random: 12 before the variant,
# then one bit stays empty, 52 are random, and 9 are left to count on in.
_SPARE_BITS = 9
_LOW_MASK = (1 << 52) - 1
_STEP_MASK = (1 << 32) - 1
# Random numbers are fetched from the operating system this many at a time.
_NUMBERS = struct.Struct(">512Q")

_blank = object.__new__
_set = object.__setattr__
_UNKNOWN = SafeUUID.unknown


class _Source:
    """Random bytes, and the state that keeps the ids of one process in order."""

    def __init__(self, seed: int | str | None) -> None:
        self.generator: random.Random = (
            random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 (a replay)
        )
        self._seeded = seed is not None
        self._lock = threading.Lock()
        self._numbers: Iterator[int] = iter(())
        self._last_ms = -_TOLERATED_BACKSTEP_MS
        self._last = 0

    def bytes(self, size: int) -> bytes:
        """Return bytes fit for a secret (unless seeded)."""
        return self.generator.randbytes(size) if self._seeded else os.urandom(size)

    def _refill(self) -> int:
        self._numbers = iter(_NUMBERS.unpack(self.bytes(_NUMBERS.size)))
        return next(self._numbers)

    def number(self) -> int:
        """Return 64 random bits."""
        with self._lock:
            number = next(self._numbers, -1)
            return self._refill() if number < 0 else number

    def next_id(self, ms: int) -> int:
        """Return the 128 bits of an id at ``ms`` milliseconds since 1970."""
        with self._lock:
            number = next(self._numbers, -1)
            if number < 0:
                number = self._refill()
            if 0 <= self._last_ms - ms <= _TOLERATED_BACKSTEP_MS:
                # The same millisecond, or the clock was set back a little: count on in random
                # steps, so that ids stay in order and still cannot be guessed from each other.
                # It would take 2^29 ids in one millisecond to run out of room.
                made = self._last + 1 + (number & _STEP_MASK)
            else:
                self._last_ms = ms
                made = (
                    (ms << 80)
                    | _FIXED_BITS
                    | ((number >> 52) << 64)
                    | ((number & _LOW_MASK) << _SPARE_BITS)
                )
            self._last = made
        return made


_system = _Source(None)
_current: ContextVar[_Source | None] = ContextVar("shanmen_random", default=None)


def _forget_after_fork() -> None:
    # A forked process must not hand out the bytes that its parent has fetched, and the parent may
    # have held the lock at that moment.
    global _system  # noqa: PLW0603 (the source belongs to the process)
    _system = _Source(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


@contextmanager
def seeded(seed: int | str) -> Iterator[None]:
    """Draw every id and secret in the block from a generator seeded with ``seed``."""
    token = _current.set(_Source(seed))
    try:
        yield
    finally:
        _current.reset(token)


def generator() -> random.Random:
    """Return the source for choices that are no secret: jitter, samples, shuffles."""
    return (_current.get() or _system).generator


def new_id() -> UUID:
    """Return a UUID of version 7 whose time is ``clock.now()``.

    Within one process ids grow, also within a millisecond and while the clock is set back by up to
    ten seconds. An id is hard to guess but is no secret.
    """
    number = (_current.get() or _system).next_id(clock.unix_ns() // _NS_PER_MS)
    # This is how the uuid module itself makes a UUID of a known integer; its constructor checks
    # its arguments for twice the time.
    made = _blank(UUID)
    _set(made, "int", number)
    _set(made, "is_safe", _UNKNOWN)
    return made


def order_number(local_date: date) -> str:
    """Return a number for people: ``yymmdd`` of the local date and 10 characters (50 bits)."""
    number = (_current.get() or _system).number()
    return (
        f"{_day_prefix(local_date)}"
        f"{_PAIRS[number & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number >> 20 & 1023]}"
        f"{_PAIRS[number >> 30 & 1023]}{_PAIRS[number >> 40 & 1023]}"
    )


@lru_cache(maxsize=16)
def _day_prefix(day: date) -> str:
    return f"{day.year % 100:02}{day.month:02}{day.day:02}"


def crockford(number: int, length: int) -> str:
    """Write a number in exactly ``length`` characters; raises ValueError if it does not fit."""
    if not 0 <= number < 1 << 5 * length:
        raise ValueError(f"{number} does not fit {length} characters of base 32.")
    pairs = "".join([_PAIRS[number >> at & 1023] for at in range(10 * (length // 2) - 10, -1, -10)])
    return CROCKFORD[number >> 5 * (length - 1)] + pairs if length % 2 else pairs


def normalise(typed: str) -> str:
    """Return what somebody typed for a Crockford number as it was printed.

    Spaces and hyphens go, letters become capitals, O is 0, I and L are 1.
    """
    return typed.upper().translate(_TYPED)


_TYPED = str.maketrans({" ": None, "-": None, "\u3000": None, "O": "0", "I": "1", "L": "1"})


def token(nbytes: int) -> str:
    """Return ``nbytes`` random bytes as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(secret_bytes(nbytes)).rstrip(b"=").decode("ascii")


def secret_bytes(nbytes: int) -> bytes:
    """Return random bytes from the operating system (from the seed inside ``seeded``)."""
    return (_current.get() or _system).bytes(nbytes)
