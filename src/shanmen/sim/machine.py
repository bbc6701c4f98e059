"""A gate's machine: a clock that is off, and a disk whose power can go between any two writes."""

import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from shanmen.edge.store import FILE, Row, Store, StoreBroken
from shanmen.kit.clock import Clock, Simulated

_FULL = 2
"""SQLite's number for: a commit returns when the log is on the disk."""


class Skewed(Clock):
    """The true clock, some way off."""

    def __init__(self, true: Simulated, by: timedelta) -> None:
        self._true = true
        self._by = by

    def unix_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by this clock."""
        return self._true.unix_ns() + self._by // timedelta(microseconds=1) * 1000

    def now(self) -> datetime:
        """Return this clock's instant, aware, in UTC."""
        return self._true.now() + self._by

    def monotonic(self) -> float:
        """Seconds, for measuring spans."""
        return self._true.monotonic()


class PowerLost(StoreBroken):
    """The machine is off: whatever was asked of it did not come to its end."""


class Disk(Store):
    """The gate's store on a machine that may lose power.

    `fuse` writes are carried out, and before or after the next one power is gone. A write is any
    statement, and each beginning and end of a transaction. A disk that `lies` says that it has
    written what it has not; a store that `hurries` does not wait for its disk.
    """

    def __init__(self, path: Path, *, lies: bool = False, hurries: bool = False) -> None:
        self.fuse: int | None = None
        self.off = False
        self._lies = lies
        self._commits = 0
        self._syncs = True
        self._really: dict[str, bytes] = {}
        super().__init__(path)
        if hurries:
            self.do("PRAGMA synchronous = NORMAL")
        # What a commit leaves on the disk is this class's business from here on: the machine that
        # the simulation runs on need not wait for its own disk.
        self._syncs = self.all("PRAGMA synchronous") >= [(_FULL,)]
        self.do("PRAGMA synchronous = OFF")
        self._synced = 0

    def _spend(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            self.off = self.off or self.fuse < 0
        if self.off:
            raise PowerLost("Power is gone.")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As in the store; power may go before it, within it, and after its end."""
        self._spend()
        with super().transaction():
            yield
        if self._syncs:
            self._synced = self._log_size()
        if self._lies:
            self._commits += 1
            if self._commits % 40 == 1:
                self._really = {path.name: path.read_bytes() for path in self._files()}
        self._spend()

    def do(self, statement: str, values: Row = ()) -> int:
        """As in the store."""
        self._spend()
        return super().do(statement, values)

    def do_many(self, statement: str, values: Iterable[Row]) -> None:
        """As in the store."""
        self._spend()
        super().do_many(statement, values)

    def all(self, statement: str, values: Row = ()) -> list[tuple[object, ...]]:
        """As in the store; a machine that is off answers nothing."""
        if self.off:
            raise PowerLost("Power is gone.")
        return super().all(statement, values)

    def pull(self, target: Path, chance: random.Random) -> Path:
        """What the disk has once power is back: what was synced, then anything.

        Returns the new file; this store is of no use any more.
        """
        target.mkdir(parents=True)
        if self._really:
            for name, content in self._really.items():
                (target / name).write_bytes(content)
            return self._gone(target)
        shutil.copy(self.path, target / FILE)
        log = self.path.with_name(f"{FILE}-wal")
        if log.exists():
            raw = log.read_bytes()
            lost = max(0, len(raw) - self._synced)
            kept = raw[: len(raw) - lost]
            (target / log.name).write_bytes(kept + chance.randbytes(chance.randrange(4096)))
        return self._gone(target)

    def _gone(self, target: Path) -> Path:
        self.off = True
        self.close()
        return target / FILE

    def _files(self) -> list[Path]:
        log = self.path.with_name(f"{FILE}-wal")
        return [self.path, log] if log.exists() else [self.path]

    def _log_size(self) -> int:
        log = self.path.with_name(f"{FILE}-wal")
        return log.stat().st_size if log.exists() else 0
