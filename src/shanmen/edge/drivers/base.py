"""What every device is to a lane: events, faults as values, and trying again by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

ReadKind = Literal["code", "document"]

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Read:
    """Something was read: a code's text, or a document's number."""

    device: str
    kind: ReadKind
    text: str = field(repr=False)
    """Not in the repr: it may be the number of somebody's identity card."""


@dataclass(frozen=True, slots=True)
class Passed:
    """So many people passed the barrier."""

    device: str
    persons: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """A device does not do what it should; told once, until `Works` or another fault."""

    device: str
    what: str
    """A sentence for whoever repairs it, in English, without anything that was read."""


@dataclass(frozen=True, slots=True)
class Works:
    """A device works, for the first time or again."""

    device: str


Event = Read | Passed | Fault | Works
Emit = Callable[[Event], None]


class DeviceError(Exception):
    """What a driver meets on the wire; `keep_trying` makes a `Fault` of it."""


class Device(Protocol):
    """A reader or a sensor."""

    name: str

    async def run(self, emit: Emit) -> None:
        """Work until cancelled; every event goes to `emit`, which returns at once."""


class Barrier(Protocol):
    """What lets people through."""

    name: str

    async def open(self) -> Fault | None:
        """Open for one passage; returns once the device has taken the order."""

    async def hold(self, *, on: bool) -> Fault | None:
        """Keep open for everybody (an emergency), or end that."""

    async def close(self) -> None:
        """Let go of the device. Leaves it closed where it is not held open."""


class NoBarrier:
    """An entrance without a barrier: a guard lets people in by hand."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def open(self) -> Fault | None:
        """Nothing to open."""
        return None

    async def hold(self, *, on: bool) -> Fault | None:
        """Nothing to hold."""
        del on
        return None

    async def close(self) -> None:
        """Nothing to let go of."""


class Health:
    """Tells a device's faults and recoveries once each."""

    def __init__(self, name: str, emit: Emit) -> None:
        self._name, self._emit = name, emit
        self._last: str | None = None

    def works(self) -> None:
        """The device has just done what it should."""
        if self._last != "":
            self._last = ""
            self._emit(Works(self._name))

    def fault(self, what: str) -> None:
        """The device has just failed."""
        if self._last != what:
            self._last = what
            self._emit(Fault(self._name, what))


def explain(error: BaseException) -> str:
    """An error of the operating system or of a driver as a sentence."""
    if isinstance(error, TimeoutError) and not str(error):
        return "The device did not answer in time."
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}."
    return str(error) or type(error).__name__


async def keep_trying(
    session: Callable[[Health], Awaitable[None]],
    *,
    name: str,
    emit: Emit,
    longest_pause: float = LONGEST_PAUSE_SECONDS,
) -> None:
    """Run `session` again and again until cancelled.

    A session connects, calls ``health.works()`` when the device answers, and ends by an OSError or
    a DeviceError. The pause doubles from a fifth of a second to `longest_pause` while nothing
    works, and begins anew once something did.
    """
    health = Health(name, emit)
    pause = FIRST_PAUSE_SECONDS
    while True:
        worked = False

        def works() -> None:
            nonlocal worked
            worked = True

        watched = _Watched(health, works)
        try:
            await session(watched)
            health.fault("The device closed the connection.")
        except (OSError, DeviceError, EOFError) as error:
            health.fault(explain(error))
        pause = FIRST_PAUSE_SECONDS if worked else min(pause * 2, longest_pause)
        await asyncio.sleep(pause)


class _Watched(Health):
    """A health that also notes that the device worked in this session."""

    def __init__(self, health: Health, note: Callable[[], None]) -> None:
        self._health, self._note = health, note

    def works(self) -> None:
        self._note()
        self._health.works()

    def fault(self, what: str) -> None:
        self._health.fault(what)
