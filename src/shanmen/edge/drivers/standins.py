"""Stand-ins for hardware, true to the byte, over pseudo-terminals and sockets.

`shanmen gate simulate` makes a whole entrance of them, and the tests of the drivers let them
misbehave: `Mischief` says how.
"""

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Callable
from dataclasses import dataclass, field

from shanmen.edge.drivers import modbus, sdt
from shanmen.edge.drivers.keyboard import EV_KEY, EVENT, KEY_ENTER, SHIFTS, keys_of
from shanmen.edge.drivers.relay import lcus


@dataclass
class Mischief:
    """What is wrong with a device; each count goes down as it is used."""

    noise: bytes = b""
    """Sent before each answer."""
    silent: int = 0
    """So many questions are not answered."""
    halves: int = 0
    """So many answers break off in the middle."""
    damaged: int = 0
    """So many answers have a wrong checksum."""
    delay_seconds: float = 0.0
    refuse: int = 0
    """A Modbus exception that answers everything; 0 is none."""

    def spoil(self, answer: bytes) -> bytes:
        """What is really sent; nothing where the device keeps silent."""
        if self.silent > 0:
            self.silent -= 1
            return b""
        if self.halves > 0:
            self.halves -= 1
            return self.noise + answer[: len(answer) // 2]
        if self.damaged > 0:
            self.damaged -= 1
            return self.noise + answer[:-1] + bytes([answer[-1] ^ 0x55])
        return self.noise + answer


class Port:
    """The far end of a pseudo-terminal: a driver opens `path` as a serial port."""

    def __init__(self, hear: Callable[[bytes], None] | None = None) -> None:
        self._hear = hear
        self._far, near = pty.openpty()
        tty.setraw(near)
        self.path = os.ttyname(near)
        # Kept open, so that the driver may close its end and come back.
        self._near: int | None = near
        os.set_blocking(self._far, False)
        self._loop = asyncio.get_running_loop()
        if hear is not None:
            self._loop.add_reader(self._far, self._arrived)

    def _arrived(self) -> None:
        try:
            data = os.read(self._far, 4096)
        except BlockingIOError:
            return
        except OSError:
            self.unplug()
            return
        if self._hear is not None:
            self._hear(data)

    def say(self, data: bytes) -> None:
        """Send bytes to the driver."""
        with contextlib.suppress(OSError):
            os.write(self._far, data)

    def unplug(self) -> None:
        """Pull the cable: the driver's reads fail from now on."""
        if self._near is not None:
            self._loop.remove_reader(self._far)
            os.close(self._near)
            os.close(self._far)
            self._near = None

    close = unplug


class SerialScanner:
    """A code scanner on a serial port."""

    def __init__(self, end: bytes = b"\r\n") -> None:
        self._end = end
        self.port = Port()

    def scan(self, text: str) -> None:
        """Scan a code."""
        self.port.say(text.encode() + self._end)

    def close(self) -> None:
        """Unplug it."""
        self.port.close()


class TypingScanner:
    """A scanner that is a keyboard: event records in a named pipe."""

    def __init__(self, path: str) -> None:
        os.mkfifo(path, 0o600)
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def scan(self, text: str) -> None:
        """Type a code and Enter."""
        shift = min(SHIFTS)
        for code, shifted in [*keys_of(text), (KEY_ENTER, False)]:
            if shifted:
                self.key(shift, 1)
            self.key(code, 1)
            self.key(code, 0)
            if shifted:
                self.key(shift, 0)

    def key(self, code: int, value: int) -> None:
        """One event of a key, and the report that follows it."""
        os.write(self._handle, EVENT.pack(0, 0, EV_KEY, code, value) + EVENT.pack(0, 0, 0, 0, 0))

    def close(self) -> None:
        """Unplug it."""
        os.close(self._handle)


class TcpScanner:
    """A code scanner on the network: sends lines to whoever is connected."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> "TcpScanner":
        """Listen on this machine; `port` then says where."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            await reader.read()
        self._writers.discard(writer)
        writer.close()

    def scan(self, text: str) -> None:
        """Scan a code."""
        for writer in self._writers:
            writer.write(text.encode() + b"\r\n")

    @property
    def connected(self) -> bool:
        """Whether a driver listens."""
        return bool(self._writers)

    async def stop(self) -> None:
        """Switch it off."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()


class IdCardReader:
    """A reader of identity cards; `card` lies on it, as 256 bytes of text (`sdt.text_of`)."""

    def __init__(self, mischief: Mischief | None = None) -> None:
        self.mischief = mischief or Mischief()
        self.card: bytes | None = None
        self.found_once = False
        """A real reader finds a card once, until it was lifted and laid down again."""
        self.asked = 0
        self.lose = 0
        """The answer to the first question of a kind is lost: 1 find, 2 select, 3 read."""
        self._selected = False
        self._frames = sdt.Frames()
        self.port = Port(self._hear)

    def lay(self, number: str, name: str = "张三", *, encoding: str = "utf-16-le") -> None:
        """Lay a card on the reader."""
        self.card, self.found_once = sdt.text_of(number, name, encoding=encoding), False

    def lift(self) -> None:
        """Take the card away."""
        self.card, self.found_once, self._selected = None, False, False

    def _hear(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            self.asked += 1
            answer = self._answer(body)
            if self._loses(body, answer):
                continue
            self.port.say(self.mischief.spoil(sdt.frame(b"\0\0" + answer)))

    def _loses(self, body: bytes, answer: bytes) -> bool:
        kinds = (sdt.FIND, sdt.SELECT, sdt.READ)
        if not self.lose or body != kinds[self.lose - 1] or answer[0] == sdt.NO_CARD:
            return False
        self.lose = 0
        return True

    def _answer(self, body: bytes) -> bytes:
        if body == sdt.STATUS:
            return bytes([sdt.SUCCESS])
        if body == sdt.FIND:
            if self.card is None or self.found_once:
                return bytes([sdt.NO_CARD])
            self.found_once = True
            return bytes([sdt.FOUND, 0, 0, 0, 0])
        if body == sdt.SELECT:
            self._selected = self.card is not None
            return bytes([sdt.SUCCESS if self._selected else 0x81]) + bytes(8)
        if body == sdt.READ and self._selected and self.card is not None:
            self._selected = False
            head = sdt.TEXT_BYTES.to_bytes(2, "big") + (1024).to_bytes(2, "big")
            return bytes([sdt.SUCCESS]) + head + self.card + bytes(1024)
        return bytes([0x41 if body == sdt.READ else 0x21])

    def close(self) -> None:
        """Unplug it."""
        self.port.close()


@dataclass
class Board:
    """A board of relays and inputs."""

    coils: list[bool] = field(default_factory=lambda: [False] * 16)
    inputs: list[bool] = field(default_factory=lambda: [False] * 16)
    on_coil: Callable[[int, bool], None] | None = None
    mischief: Mischief = field(default_factory=Mischief)
    looks: int = 0
    """How often its inputs were read."""

    def put(self, coil: int, *, on: bool) -> None:
        """Switch a relay."""
        if self.coils[coil] != on:
            self.coils[coil] = on
            if self.on_coil is not None:
                self.on_coil(coil, on)

    def answer(self, pdu: bytes) -> bytes:
        """What the board says to a request, and does by it."""
        function = pdu[0]
        if self.mischief.refuse:
            return bytes([function | modbus.ERROR_BIT, self.mischief.refuse])
        address, value = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if function == modbus.WRITE_COIL:
            return self._write(pdu, address, value)
        bits = {modbus.READ_COILS: self.coils, modbus.READ_INPUTS: self.inputs}.get(function)
        if bits is None:
            return bytes([function | modbus.ERROR_BIT, 1])
        self.looks += function == modbus.READ_INPUTS
        if not 0 < value <= len(bits) - address:
            return bytes([function | modbus.ERROR_BIT, 2])
        number = sum(bit << at for at, bit in enumerate(bits[address : address + value]))
        return bytes([function, (value + 7) // 8]) + number.to_bytes((value + 7) // 8, "little")

    def _write(self, pdu: bytes, address: int, value: int) -> bytes:
        if address >= len(self.coils):
            return bytes([pdu[0] | modbus.ERROR_BIT, 2])
        if value not in {modbus.COIL_ON, modbus.COIL_OFF}:
            return bytes([pdu[0] | modbus.ERROR_BIT, 3])
        self.put(address, on=value == modbus.COIL_ON)
        return pdu


class ModbusTcpBoard:
    """A board on the network."""

    def __init__(self, board: Board | None = None) -> None:
        self.board = board or Board()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> "ModbusTcpBoard":
        """Listen on this machine; `port` then says where."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readexactly(7)
                pdu = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                await asyncio.sleep(self.board.mischief.delay_seconds)
                answer = self.board.answer(pdu)
                whole = head[:4] + (len(answer) + 1).to_bytes(2, "big") + head[6:] + answer
                writer.write(self.board.mischief.spoil(whole))
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def cut(self) -> None:
        """End all connections; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        """Switch it off."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None


class ModbusSerialBoard:
    """A board on a serial line."""

    def __init__(self, board: Board | None = None, *, unit: int = 1) -> None:
        self.board = board or Board()
        self._unit = unit
        self._buffer = bytearray()
        self.port = Port(self._hear)

    def _hear(self, data: bytes) -> None:
        self._buffer += data
        # Every request that is sent here has eight bytes: unit, five of request, checksum.
        while len(self._buffer) >= 8:  # noqa: PLR2004
            request = bytes(self._buffer[:6])
            if modbus.crc16(request).to_bytes(2, "little") != self._buffer[6:8]:
                del self._buffer[0]
                continue
            del self._buffer[:8]
            if request[0] == self._unit:
                body = request[:1] + self.board.answer(request[1:])
                self.port.say(
                    self.board.mischief.spoil(body + modbus.crc16(body).to_bytes(2, "little"))
                )

    def close(self) -> None:
        """Unplug it."""
        self.port.close()


class SimpleSerialBoard:
    """A serial board that is told by four bytes (LCUS type)."""

    def __init__(self, board: Board | None = None) -> None:
        self.board = board or Board()
        self._buffer = bytearray()
        self.port = Port(self._hear)

    def _hear(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:  # noqa: PLR2004
            order = bytes(self._buffer[:4])
            if order[1] and order == lcus(order[1], on=bool(order[2])):
                self.board.put(order[1] - 1, on=bool(order[2]))
                del self._buffer[:4]
            else:
                del self._buffer[0]

    def close(self) -> None:
        """Unplug it."""
        self.port.close()
