"""How far the history is: a line now and then for the terminal, a small file for the console."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
from rich.console import Console

FILE_NAME = "demo-progress.json"
LINE_SECONDS = 20.0
FILE_SECONDS = 2.0


class State(msgspec.Struct, frozen=True):
    """What the file says."""

    orders: int
    total: int
    scans: int
    day: date | None
    per_second: float
    seconds_left: int
    done: bool


class Progress:
    """Counts what was done, and tells it.

    Args:
        total: orders that are meant.
        folder: where the file is kept; None keeps none.
        console: where lines go; None says nothing.
    """

    def __init__(
        self,
        total: int = 0,
        *,
        folder: Path | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.orders = 0
        self.before = 0
        self.scans = 0
        self.day: date | None = None
        self._folder = folder
        self._console = console
        self._clock = clock
        self._begun = self._line_at = self._file_at = clock()

    def count(self, *, orders: int = 0, scans: int = 0, day: date | None = None) -> None:
        """Count what a transaction did, and tell it when it is time to."""
        self.orders += orders
        self.scans += scans
        self.day = day or self.day
        now = self._clock()
        if now - self._file_at >= FILE_SECONDS:
            self._file_at = now
            self._write(self.state())
        if now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            self._say()

    def found(self, orders: int) -> None:
        """Count orders that an earlier run has made."""
        self.before += orders

    def finish(self) -> None:
        """Tell that all is there."""
        self._write(self.state(done=True))
        if self._console and self.orders:
            spent = self._clock() - self._begun
            self._console.print(
                f"[dim]demo history:[/] complete, {self.orders:,} orders and {self.scans:,} scans "
                f"in {spent:.0f} s"
            )

    def state(self, *, done: bool = False) -> State:
        """As it is now."""
        spent = max(self._clock() - self._begun, 1e-3)
        rate = self.orders / spent
        have = self.before + self.orders
        left = max(self.total - have, 0)
        return State(
            orders=have,
            total=max(self.total, have),
            scans=self.scans,
            day=self.day,
            per_second=round(rate, 1),
            seconds_left=0 if done or not rate else round(left / rate),
            done=done,
        )

    def _say(self) -> None:
        if self._console is None:
            return
        at = self.state()
        self._console.print(
            f"[dim]demo history:[/] {at.orders:,} of {at.total:,} orders, at {at.day}, "
            f"{at.per_second:.0f}/s, about {max(1, round(at.seconds_left / 60))} min left"
        )

    def _write(self, state: State) -> None:
        if self._folder is None:
            return
        path = self._folder / FILE_NAME
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(state))
        fresh.replace(path)


def read(folder: Path) -> State | None:
    """What the file says, for a page; None where there is none."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None
