"""Modbus as relay boards speak it: write a coil, read discrete inputs, by TCP or serial line.

Frames follow the Modbus application protocol 1.1b3, Modbus/TCP (MBAP header) and Modbus RTU over
serial line 1.02 (CRC 16, polynomial A001, low byte first).
"""

import asyncio
import contextlib
import struct
from typing import Protocol

from shanmen.edge.drivers.base import DeviceError
from shanmen.edge.drivers.links import Address, Link

READ_COILS = 1
READ_INPUTS = 2
WRITE_COIL = 5
COIL_ON = 0xFF00
COIL_OFF = 0x0000
ERROR_BIT = 0x80

ANSWER_SECONDS = 0.3
GAP_SECONDS = 0.005
"""Silence between two frames on a serial line: 3.5 characters at 9600 baud, and a little."""
_ECHO = struct.Struct(">BHH")
_MBAP = struct.Struct(">HHHB")
_LONGEST_PDU = 253
_LONGEST_NOISE = 1024

EXCEPTIONS = {
    1: "it does not know the function",
    2: "it has no such coil or input: check the address",
    3: "it does not take the value",
    4: "it has failed",
    5: "it needs longer",
    6: "it is busy",
    8: "its memory has failed",
    10: "the gateway has no way to the device: check `unit`",
    11: "the device behind the gateway does not answer: check `unit` and the cable",
}


class Refused(DeviceError):
    """The device answered with an exception."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"The device refused: {EXCEPTIONS.get(number, f'exception {number}')}.")


class Garbled(DeviceError):
    """The device answered something else than was asked."""


def crc16(data: bytes) -> int:
    """Checksum of a serial frame."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def write_coil(address: int, *, on: bool) -> bytes:
    """The request that switches a coil."""
    return _ECHO.pack(WRITE_COIL, address, COIL_ON if on else COIL_OFF)


def read_bits(function: int, address: int, count: int) -> bytes:
    """The request that reads coils or discrete inputs."""
    return _ECHO.pack(function, address, count)


def answer_size(start: bytes) -> int | None:
    """Length of an answer that begins so; None while it cannot be told, 0 where it is none."""
    if not start:
        return None
    if start[0] & ERROR_BIT:
        return 2
    if start[0] == WRITE_COIL:
        return 5
    if start[0] in {READ_COILS, READ_INPUTS}:
        return None if len(start) < 2 else 2 + start[1]  # noqa: PLR2004
    return 0


class Wire(Protocol):
    """How a request and its answer are put on a link."""

    def pack(self, unit: int, pdu: bytes) -> bytes:
        """The bytes to send."""

    def take(self, unit: int, function: int, buffer: bytearray) -> bytes | None:
        """The answer in what has arrived, taken out of it; None while it is not complete."""


class TcpWire:
    """Frames with a number each: an answer that comes too late is told by it and dropped."""

    def __init__(self) -> None:
        self._number = 0

    def pack(self, unit: int, pdu: bytes) -> bytes:
        """Number, protocol 0, length, unit, request."""
        self._number = (self._number + 1) & 0xFFFF
        return _MBAP.pack(self._number, 0, len(pdu) + 1, unit) + pdu

    def take(self, unit: int, function: int, buffer: bytearray) -> bytes | None:
        """The answer of this number."""
        del function
        while len(buffer) >= _MBAP.size:
            number, protocol, length, from_unit = _MBAP.unpack_from(buffer)
            if protocol != 0 or not 2 <= length <= _LONGEST_PDU + 1:  # noqa: PLR2004
                raise Garbled("What answers there does not speak Modbus/TCP.")
            end = _MBAP.size + length - 1
            if len(buffer) < end:
                return None
            pdu = bytes(buffer[_MBAP.size : end])
            del buffer[:end]
            if number == self._number and from_unit == unit:
                return pdu
        return None


class RtuWire:
    """Frames with a checksum: noise before, after and between them is skipped."""

    def pack(self, unit: int, pdu: bytes) -> bytes:
        """Unit, request, checksum."""
        body = bytes([unit]) + pdu
        return body + crc16(body).to_bytes(2, "little")

    def take(self, unit: int, function: int, buffer: bytearray) -> bytes | None:
        """The first frame of this unit and function whose checksum fits."""
        for start in range(len(buffer)):
            if buffer[start] != unit:
                continue
            rest = bytes(buffer[start + 1 :])
            if rest and rest[0] & ~ERROR_BIT != function:
                continue
            size = answer_size(rest)
            if not size or len(rest) < size + 2:
                continue
            body = bytes(buffer[start : start + 1 + size])
            checked = bytes(buffer[start + 1 + size : start + 3 + size])
            if crc16(body).to_bytes(2, "little") == checked:
                del buffer[: start + 3 + size]
                return body[1:]
        if len(buffer) > _LONGEST_NOISE:
            del buffer[: len(buffer) - _LONGEST_PDU]
        return None


class Bus:
    """One connection, one question at a time; connects when it is asked something.

    The boards of several lanes may hang on one line, so a question waits its turn, and never
    longer than the time that its answer may take.
    """

    def __init__(
        self, address: Address, *, rtu: bool, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._address, self._rtu = address, rtu
        self._seconds = answer_seconds
        self._lock = asyncio.Lock()
        self._link: Link | None = None
        self._wire: Wire = RtuWire() if rtu else TcpWire()
        self._buffer = bytearray()
        self._free_at = 0.0

    async def write_coil(self, unit: int, address: int, *, on: bool) -> None:
        """Switch a coil; raises OSError, EOFError or DeviceError."""
        request = write_coil(address, on=on)
        answer = await self._ask(unit, request)
        if answer != request:
            raise Garbled("The device answered for another coil than was switched.")

    async def read_inputs(self, unit: int, address: int, count: int = 1) -> list[bool]:
        """Read discrete inputs; raises as `write_coil`."""
        return await self._read(READ_INPUTS, unit, address, count)

    async def read_coils(self, unit: int, address: int, count: int = 1) -> list[bool]:
        """Read coils; raises as `write_coil`."""
        return await self._read(READ_COILS, unit, address, count)

    async def _read(self, function: int, unit: int, address: int, count: int) -> list[bool]:
        answer = await self._ask(unit, read_bits(function, address, count))
        if len(answer) != 2 + (count + 7) // 8:
            raise Garbled("The device answered for another number of inputs.")
        return [bool(answer[2 + at // 8] >> at % 8 & 1) for at in range(count)]

    async def _ask(self, unit: int, request: bytes) -> bytes:
        # Held through the question alone: connecting has a limit of its own.
        async with self._lock:
            try:
                if self._link is None:
                    self._link = await self._address.open()
                    self._buffer.clear()
                answer = await self._exchange(self._link, unit, request)
            except (OSError, EOFError, Garbled, asyncio.CancelledError):
                # An answer that is still under way must not be taken for the next one's.
                await self._drop()
                raise
        if answer[0] == request[0] | ERROR_BIT:
            raise Refused(answer[1] if len(answer) > 1 else 0)
        if answer[0] != request[0]:
            raise Garbled("The device answered another question.")
        return answer

    async def _exchange(self, link: Link, unit: int, request: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        if self._rtu:
            await asyncio.sleep(max(0.0, self._free_at - loop.time()))
            link.drop_input()
            self._buffer.clear()
        async with asyncio.timeout(self._seconds):
            await link.write(self._wire.pack(unit, request))
            while True:
                answer = self._wire.take(unit, request[0], self._buffer)
                if answer:
                    self._free_at = loop.time() + GAP_SECONDS
                    return answer
                self._buffer += await link.read()

    async def _drop(self) -> None:
        link, self._link = self._link, None
        self._buffer.clear()
        if link is not None:
            with contextlib.suppress(OSError):
                await link.close()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._drop()
