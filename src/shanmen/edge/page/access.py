"""Who may use the guard's page: whoever knows the gate's PIN, by name, for one shift."""

import base64
import hmac
import os
import secrets
from collections import defaultdict, deque
from pathlib import Path

import msgspec
from msgspec import Struct

from shanmen.kit import clock

FILE = "page.json"
COOKIE = "shanmen_guard"
SHIFT_SECONDS = 16 * 3600
PIN_DIGITS = 6
LONGEST_NAME = 40

TRIES = 5
"""Wrong PINs from one address, within a minute."""
TRIES_OF_ALL = 30
"""Wrong PINs from all addresses, within a minute."""
WINDOW_SECONDS = 60.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Kept(Struct, frozen=True):
    """What the folder keeps."""

    pin: str
    secret: bytes
    """Signs the cookies: who is signed in stays so when the agent starts again."""


class Access:
    """Checks PINs and cookies."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._wrong: defaultdict[str, deque[float]] = defaultdict(deque)

    @classmethod
    def load(cls, folder: Path) -> "Access":
        """Read the folder's PIN; makes one where there is none, readable by its owner alone."""
        path = folder / FILE
        try:
            return cls(msgspec.json.decode(path.read_bytes(), type=Kept))
        except (FileNotFoundError, msgspec.DecodeError):
            pin = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))
            kept = Kept(pin, secrets.token_bytes(32))
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return cls(kept)

    @property
    def pin(self) -> str:
        """To be shown where the agent runs."""
        return self._kept.pin

    def may_try(self, peer: str) -> bool:
        """Whether an address may try a PIN now; a passer-by must not guess a million of them."""
        since = clock.monotonic() - WINDOW_SECONDS
        for address in list(self._wrong):
            tries = self._wrong[address]
            while tries and tries[0] < since:
                tries.popleft()
            if not tries:
                del self._wrong[address]
        own = len(self._wrong[peer]) if peer in self._wrong else 0
        # Nobody on the network can lock out the gate's own screen.
        own_screen = peer in LOOPBACK
        return own < TRIES and (own_screen or sum(map(len, self._wrong.values())) < TRIES_OF_ALL)

    def check(self, pin: str, *, peer: str) -> bool:
        """Whether this is the PIN; a wrong one is counted."""
        right = hmac.compare_digest(pin.strip().encode(), self._kept.pin.encode())
        if not right:
            self._wrong[peer].append(clock.monotonic())
        return right

    def cookie(self, name: str) -> str:
        """What a browser keeps: the guard's name and until when, signed."""
        until = int(clock.now().timestamp()) + SHIFT_SECONDS
        said = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
        return f"{said}.{until}.{self._signature(said, str(until))}"

    def who(self, cookie: str) -> str | None:
        """The guard's name; None where the cookie is not ours or its shift is over."""
        parts = cookie.split(".")
        if len(parts) != 3:  # noqa: PLR2004
            return None
        said, until, signature = parts
        if not hmac.compare_digest(signature.encode(), self._signature(said, until).encode()):
            return None
        if int(until) < clock.now().timestamp():
            return None
        return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).decode()

    def _signature(self, said: str, until: str) -> str:
        return hmac.digest(self._kept.secret, f"{said}.{until}".encode(), "sha256").hex()
