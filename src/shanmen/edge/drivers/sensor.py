"""Sensors that say that somebody passed."""

import asyncio

from shanmen.edge.drivers.base import Emit, Health, Passed, keep_trying
from shanmen.edge.drivers.links import Address
from shanmen.edge.drivers.modbus import Bus
from shanmen.edge.drivers.scanner import Lines
from shanmen.kit import clock

POLL_MS = 50
LONGEST_BLIND_SECONDS = 1.0
"""A sensor is looked for often: while it is blind, people pass unseen."""
BLIND_SECONDS = 0.25
"""Somebody may have passed unseen when an input was not read for so long."""
_MOST_AT_ONCE = 20


class InputSensor:
    """A discrete input of a Modbus board; each time that it becomes active, one person passed."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        *,
        unit: int,
        address: int,
        poll_ms: int = POLL_MS,
        active_low: bool = False,
    ) -> None:
        self.name = name
        self._bus, self._unit, self._address = bus, unit, address
        self._pause = poll_ms / 1000
        self._active = not active_low

    async def run(self, emit: Emit) -> None:
        """Poll until cancelled."""
        await keep_trying(
            lambda health: self._session(health, emit),
            name=self.name,
            emit=emit,
            longest_pause=LONGEST_BLIND_SECONDS,
        )

    async def _session(self, health: Health, emit: Emit) -> None:
        # An input that is active at the beginning is somebody who stands there, not a passage.
        before = True
        looked = clock.monotonic()
        while True:
            (bit,) = await self._bus.read_inputs(self._unit, self._address)
            since, looked = looked, clock.monotonic()
            if looked - since > self._pause + BLIND_SECONDS:
                health.fault("The input could not be read for a moment: the line is bad or busy.")
            health.works()
            active = bit is self._active
            if active and not before:
                emit(Passed(self.name))
            before = active
            await asyncio.sleep(self._pause)


class LineSensor:
    """A counter that sends a line for each passage, by serial port or TCP.

    A line may end in a number of persons (``PASS 2``); any other line is one person. Lines of
    ``PING`` only say that the counter works.
    """

    def __init__(self, name: str, address: Address) -> None:
        self.name = name
        self._address = address

    async def run(self, emit: Emit) -> None:
        """Read until cancelled."""
        await keep_trying(
            lambda health: self._session(health, emit),
            name=self.name,
            emit=emit,
            longest_pause=LONGEST_BLIND_SECONDS,
        )

    async def _session(self, health: Health, emit: Emit) -> None:
        link = await self._address.open()
        try:
            health.works()
            lines = Lines("any")
            while True:
                for line in lines.feed(await link.read()):
                    if persons := persons_of(line):
                        emit(Passed(self.name, persons))
        finally:
            await link.close()


def persons_of(line: str) -> int:
    """How many passed by a line of a counter."""
    if line.upper() == "PING":
        return 0
    last = line.rsplit(maxsplit=1)[-1]
    # A number beyond what fits through a barrier at once is a total or noise: one person.
    return int(last) if last.isascii() and last.isdigit() and int(last) <= _MOST_AT_ONCE else 1
