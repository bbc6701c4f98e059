"""Relays that open a barrier: a pulse for one passage, held on for an emergency."""

import asyncio
import contextlib
from typing import Protocol

from shanmen.edge.drivers.base import DeviceError, Fault, explain
from shanmen.edge.drivers.links import Address, Link
from shanmen.edge.drivers.modbus import Bus

PULSE_MS = 400
TRIES = 3
"""A relay that stays on is an open gate, one that stays off a queue: each order is repeated."""
ORDER_SECONDS = 2.0
_PAUSE_SECONDS = 0.05
_AGAIN_SECONDS = 0.5


class Switch(Protocol):
    """One contact of a relay board."""

    async def put(self, *, on: bool) -> None:
        """Close or open the contact; raises OSError, EOFError or DeviceError."""

    async def close(self) -> None:
        """Let go of the board."""


class Coil:
    """A coil of a Modbus board."""

    def __init__(self, bus: Bus, *, unit: int, coil: int) -> None:
        self._bus, self._unit, self._coil = bus, unit, coil

    async def put(self, *, on: bool) -> None:
        """Switch it; the board confirms."""
        await self._bus.write_coil(self._unit, self._coil, on=on)

    async def close(self) -> None:
        """The bus belongs to all lanes on it."""


class SerialContact:
    """A contact of a simple serial board, which is told by a few bytes and answers nothing.

    The usual USB boards (LCUS type) take ``A0``, the channel, 1 or 0, and the sum of the three.
    """

    def __init__(
        self,
        address: Address,
        *,
        channel: int = 1,
        on: bytes | None = None,
        off: bytes | None = None,
    ) -> None:
        self._address = address
        self._orders = {True: on or lcus(channel, on=True), False: off or lcus(channel, on=False)}
        self._link: Link | None = None
        self._lock = asyncio.Lock()

    async def put(self, *, on: bool) -> None:
        """Send the order; whether it was obeyed cannot be known."""
        async with self._lock:
            try:
                self._link = self._link or await self._address.open()
                await self._link.write(self._orders[on])
            except (OSError, EOFError):
                await self.close()
                raise

    async def close(self) -> None:
        """Close the port."""
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(OSError):
                await link.close()


def lcus(channel: int, *, on: bool) -> bytes:
    """An order to a simple serial board."""
    body = bytes([0xA0, channel, int(on)])
    return body + bytes([sum(body) & 0xFF])


class Relay:
    """A barrier behind a contact."""

    def __init__(
        self,
        name: str,
        switch: Switch,
        *,
        pulse_ms: int = PULSE_MS,
        order_seconds: float = ORDER_SECONDS,
    ) -> None:
        self.name = name
        self._switch = switch
        self._pulse = pulse_ms / 1000
        self._order_seconds = order_seconds
        self._held = False
        self._release: asyncio.Task[None] | None = None
        self._pulsing = asyncio.Event()
        self._stuck: Fault | None = None

    async def open(self) -> Fault | None:
        """Switch the contact on; it goes off again by itself after the pulse.

        Returns when the board has taken the order. A fault of the release before this, if there
        was one, is told here. An order that cannot be given in time is given up, because a barrier
        that opens later opens for somebody else.
        """
        if self._held:
            return None
        # Two pulses that run into each other would be one to the barrier.
        if self._release is not None and not self._release.done():
            await self._pulsing.wait()
        await self._stop_release()
        stuck, self._stuck = self._stuck, None
        fault = await self._put(on=True)
        # Off is also sent after a fault: the order may have arrived and only its answer got lost.
        self._pulsing.clear()
        self._release = asyncio.create_task(self._after_pulse())
        return fault or stuck

    async def hold(self, *, on: bool) -> Fault | None:
        """Keep the contact on, or let it go."""
        self._held = on
        await self._stop_release()
        fault = await self._put(on=on)
        if fault is not None and not on:
            self._release = asyncio.create_task(self._let_go())
        return fault

    async def close(self) -> None:
        """Let go of the board, with the contact off unless it is held."""
        await self._stop_release()
        if not self._held:
            await self._put(on=False)
        await self._switch.close()

    async def _after_pulse(self) -> None:
        await asyncio.sleep(self._pulse)
        self._pulsing.set()
        await self._let_go()

    async def _let_go(self) -> None:
        """Switch off, and go on trying: a contact that stays on is a gate that stands open."""
        while fault := await self._put(on=False):
            self._stuck = fault
            await asyncio.sleep(_AGAIN_SECONDS)
        self._stuck = None

    async def _stop_release(self) -> None:
        release, self._release = self._release, None
        self._pulsing.set()
        if release is not None and not release.done():
            release.cancel()
            await asyncio.wait([release])

    async def _put(self, *, on: bool) -> Fault | None:
        problem: BaseException = TimeoutError()
        try:
            async with asyncio.timeout(self._order_seconds):
                for attempt in range(TRIES):
                    if attempt:
                        await asyncio.sleep(_PAUSE_SECONDS)
                    try:
                        await self._switch.put(on=on)
                    except (OSError, EOFError, DeviceError) as error:
                        problem = error
                    else:
                        return None
        except TimeoutError:
            pass
        state = "open" if on else "close again"
        return Fault(self.name, f"The barrier was told to {state}, but: {explain(problem)}")
