"""An entrance of stand-in devices: lanes of different make, so that every driver is used."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shanmen.edge.drivers.standins import (
    Board,
    IdCardReader,
    Mischief,
    ModbusSerialBoard,
    ModbusTcpBoard,
    Port,
    SerialScanner,
    SimpleSerialBoard,
    TcpScanner,
    TypingScanner,
)

_PULSE_MS = 80
_SENSOR_SECONDS = 0.12
_WAIT_SECONDS = 0.02
_MOST_WAITS = 50
_SLOWEST_WALK = 0.4
_QUICKEST_WALK = 0.1


class Scans(Protocol):
    """Any scanner."""

    def scan(self, text: str) -> None:
        """Scan a code."""


@dataclass
class VirtualLane:
    """A lane with its devices, and the people who stand before its barrier."""

    number: int
    scanner: Scans
    cards: IdCardReader
    rng: random.Random
    walkers: int = 0
    """So many of those who stand there go through; the others turn away."""
    _walking: set[asyncio.Task[None]] = field(default_factory=set)

    def scan(self, text: str) -> None:
        """Show a code to the scanner."""
        self.scanner.scan(text)

    def lay(self, number: str) -> None:
        """Lay an identity card on the reader."""
        self.cards.lay(number)

    def lift(self) -> None:
        """Take the card away."""
        self.cards.lift()

    def opened(self) -> None:
        """The barrier opens: one person goes through, if anybody wants to."""
        if self.walkers > 0:
            self.walkers -= 1
            task = asyncio.create_task(self._walk())
            self._walking.add(task)
            task.add_done_callback(self._walking.discard)

    async def _walk(self) -> None:
        await asyncio.sleep(self.rng.uniform(_QUICKEST_WALK, _SLOWEST_WALK))
        await self._sense()

    async def _sense(self) -> None:
        """Be seen by the sensor."""
        raise NotImplementedError


@dataclass
class InputLane(VirtualLane):
    """A lane whose sensor is an input of a Modbus board."""

    board: Board = field(default_factory=Board)
    coil: int = 0

    _turnstile: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _sense(self) -> None:
        # One after the other, as through a turnstile: two at once would be one signal.
        async with self._turnstile:
            self.board.inputs[self.coil] = True
            await self._looked_at()
            self.board.inputs[self.coil] = False
            await self._looked_at()

    async def _looked_at(self) -> None:
        """Stay a moment, and on a busy machine until the input was read: people are slow, too."""
        looks = self.board.looks
        await asyncio.sleep(_SENSOR_SECONDS)
        for _ in range(_MOST_WAITS):
            if self.board.looks > looks + 1:
                return
            await asyncio.sleep(_WAIT_SECONDS)


@dataclass
class CounterLane(VirtualLane):
    """A lane whose sensor sends lines."""

    counter: Port | None = None

    async def _sense(self) -> None:
        if self.counter is not None:
            self.counter.say(b"PASS\r\n")


@dataclass
class Rig:
    """All devices of the entrance."""

    lanes: list[VirtualLane] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    closing: list[object] = field(default_factory=list)

    def lanes_toml(self) -> str:
        """The file that describes these devices."""
        return "\n".join(self.entries)

    def connected(self) -> bool:
        """Whether every card reader was asked something and every network scanner has a reader.

        Serial scanners and keyboards cannot tell; their drivers open them at the same moment.
        """
        scanners = [lane.scanner for lane in self.lanes if isinstance(lane.scanner, TcpScanner)]
        return all(lane.cards.asked for lane in self.lanes) and all(
            scanner.connected for scanner in scanners
        )


@asynccontextmanager
async def rigged(
    folder: Path, rng: random.Random, *, lanes: int, noise: bool = False
) -> AsyncIterator[Rig]:
    """Devices for so many lanes, of three makes in turn; switched off at the end.

    With `noise` their lines are bad: rubbish stands before answers, and some get lost.
    """
    rig = Rig()
    board = Board()
    tcp = await ModbusTcpBoard(board).start()
    by_coil: dict[int, VirtualLane] = {}

    def switched(coil: int, *, on: bool) -> None:
        if on and coil in by_coil:
            by_coil[coil].opened()

    board.on_coil = lambda coil, on: switched(coil, on=on)
    tcp_scanners: list[TcpScanner] = []
    try:
        for number in range(1, lanes + 1):
            cards = IdCardReader(_bad_line(noise=noise))
            rig.closing.append(cards)
            match (number - 1) % 3:
                case 0:
                    coil = number - 1
                    lane = _network_lane(rig, number, cards, rng, (board, tcp.port, coil))
                    by_coil[coil] = lane
                case 1:
                    serial = ModbusSerialBoard(Board(mischief=_bad_line(noise=noise)))
                    path = folder / f"scanner{number}"
                    _serial_lane(rig, number, cards, rng, (path, serial))
                case _:
                    scanner = await TcpScanner().start()
                    tcp_scanners.append(scanner)
                    _simple_lane(rig, number, cards, rng, scanner)
        yield rig
    finally:
        for device in rig.closing:
            device.close()  # type: ignore[attr-defined]
        for scanner in tcp_scanners:
            await scanner.stop()
        await tcp.close()


def _bad_line(*, noise: bool) -> Mischief:
    if not noise:
        return Mischief()
    return Mischief(noise=b"\x01\x05\xaa\xaa\x96", silent=1, halves=1, damaged=1)


def _entry(number: int, reader: str, cards: IdCardReader, barrier: str, sensor: str) -> str:
    return f"""
[[lane]]
number = {number}
[[lane.reader]]
{reader}
[[lane.reader]]
kind = "id_card"
address = "{cards.port.path}"
[lane.barrier]
{barrier}
pulse_ms = {_PULSE_MS}
[lane.sensor]
{sensor}
"""


def _network_lane(
    rig: Rig,
    number: int,
    cards: IdCardReader,
    rng: random.Random,
    board: tuple[Board, int, int],
) -> VirtualLane:
    """Serial scanner; barrier and sensor on the Modbus/TCP board of the entrance."""
    scanner = SerialScanner()
    shared, port, coil = board
    lane = InputLane(number, scanner, cards, rng, board=shared, coil=coil)
    at = f'kind = "modbus_tcp"\naddress = "127.0.0.1:{port}"'
    reader = f'kind = "scanner"\naddress = "{scanner.port.path}"'
    rig.entries.append(
        _entry(number, reader, cards, f"{at}\ncoil = {coil}", f"{at}\ninput = {coil}")
    )
    rig.lanes.append(lane)
    rig.closing.append(scanner)
    return lane


def _serial_lane(
    rig: Rig,
    number: int,
    cards: IdCardReader,
    rng: random.Random,
    devices: tuple[Path, ModbusSerialBoard],
) -> None:
    """A scanner that types; barrier and sensor on a Modbus board at a serial line."""
    path, serial = devices
    scanner = TypingScanner(str(path))
    lane = InputLane(number, scanner, cards, rng, board=serial.board)
    serial.board.on_coil = lambda _, on: lane.opened() if on else None
    at = f'kind = "modbus_rtu"\naddress = "{serial.port.path}"'
    reader = f'kind = "keyboard"\npath = "{path}"\ngrab = false'
    rig.entries.append(_entry(number, reader, cards, f"{at}\ncoil = 0", f"{at}\ninput = 0"))
    rig.lanes.append(lane)
    rig.closing += [scanner, serial]


def _simple_lane(
    rig: Rig, number: int, cards: IdCardReader, rng: random.Random, scanner: TcpScanner
) -> None:
    """A scanner on the network, a simple serial relay, and a counter that sends lines."""
    simple, counter = SimpleSerialBoard(), Port()
    lane = CounterLane(number, scanner, cards, rng, counter=counter)
    simple.board.on_coil = lambda _, on: lane.opened() if on else None
    rig.entries.append(
        _entry(
            number,
            f'kind = "scanner"\naddress = "127.0.0.1:{scanner.port}"',
            cards,
            f'kind = "serial"\naddress = "{simple.port.path}"',
            f'kind = "lines"\naddress = "{counter.path}"',
        )
    )
    rig.lanes.append(lane)
    rig.closing += [simple, counter]
