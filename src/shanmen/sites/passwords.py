"""Argon2id off the event loop, a bounded number at a time.

A hash takes 64 MiB and tens of milliseconds by design. Two threads compute them; a flood of
attempts waits in a short line and is then turned away, so that it takes neither the memory nor
the event loop from those who buy tickets.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shanmen.kit import ids
from shanmen.kit.errors import Overloaded
from shanmen.sites.rules import PASSWORD_MAX, normalise_password

T = TypeVar("T")

WORKERS = 2
WAITING = 64
"""At about 20 hashes a second, nobody waits for more than a few seconds."""
RETRY_AFTER = 5


class Passwords:
    """Hashes and verifies passwords in threads of its own.

    Args:
        hasher: argon2's parameters; the default is RFC 9106's for low memory.
        workers: hashes at once.
        waiting: callers in line, beyond which `Overloaded` is raised.
    """

    def __init__(
        self,
        hasher: PasswordHasher | None = None,
        *,
        workers: int = WORKERS,
        waiting: int = WAITING,
    ) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._room = workers + waiting
        self._inside = 0
        self._nobody = self._hasher.hash(ids.token(16))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def hash_now(self, password: str) -> str:
        """The hash to store, computed in the caller's thread: for commands and set-up."""
        return self._hasher.hash(normalise_password(password))

    async def hash(self, password: str) -> str:
        """The hash to store; raises Overloaded."""
        return await self._run(lambda: self.hash_now(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; None does the same work and says no; raises Overloaded."""
        text = normalise_password(password)
        long = len(text) > PASSWORD_MAX
        known = stored is not None and not long
        candidate = stored if known and stored else self._nobody
        matches = await self._run(lambda: self._matches(candidate, "" if long else text))
        return matches and known

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= self._room:
            raise Overloaded(retry_after=RETRY_AFTER)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1
