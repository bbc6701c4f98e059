"""Modbus by TCP and by serial line."""

import asyncio
from dataclasses import replace
from typing import Self

import pytest

from shanmen.edge.drivers import modbus
from shanmen.edge.drivers.links import Serial, Tcp
from shanmen.edge.drivers.modbus import Bus, Garbled, Refused, RtuWire
from shanmen.edge.drivers.standins import Board, Mischief, ModbusSerialBoard, ModbusTcpBoard

QUICK = 1.0
"""Long enough for an answer on a busy machine, and short enough to wait for none."""


def test_checksum_is_that_of_the_standard():
    # From the manuals of relay boards: unit 1, coil 0 on and off.
    assert RtuWire().pack(1, modbus.write_coil(0, on=True)).hex(" ") == "01 05 00 00 ff 00 8c 3a"
    assert RtuWire().pack(1, modbus.write_coil(0, on=False)).hex(" ") == "01 05 00 00 00 00 cd ca"
    assert RtuWire().pack(1, modbus.read_bits(2, 0, 8)).hex(" ") == "01 02 00 00 00 08 79 cc"


def test_a_request_by_tcp_is_that_of_the_standard():
    packed = modbus.TcpWire().pack(17, modbus.write_coil(172, on=True))
    assert packed.hex(" ") == "00 01 00 00 00 06 11 05 00 ac ff 00"


class Wired:
    """A bus and the board at its end."""

    def __init__(self, *, rtu: bool) -> None:
        self.rtu = rtu
        self.board = Board()
        self._tcp: ModbusTcpBoard | None = None
        self._serial: ModbusSerialBoard | None = None

    async def __aenter__(self) -> Self:
        if self.rtu:
            self._serial = ModbusSerialBoard(self.board)
            address: Serial | Tcp = Serial(self._serial.port.path, 9600)
        else:
            self._tcp = await ModbusTcpBoard(self.board).start()
            address = Tcp("127.0.0.1", self._tcp.port)
        self.bus = Bus(address, rtu=self.rtu, answer_seconds=QUICK)
        return self

    def cut(self) -> None:
        if self._tcp:
            self._tcp.cut()

    async def __aexit__(self, *_: object) -> None:
        await self.bus.close()
        if self._tcp:
            await self._tcp.close()
        if self._serial:
            self._serial.close()


BOTH = pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu"])


@BOTH
async def test_coils_are_switched_and_inputs_read(rtu):
    async with Wired(rtu=rtu) as wired:
        await wired.bus.write_coil(1, 3, on=True)
        assert wired.board.coils[3]
        assert await wired.bus.read_coils(1, 0, 5) == [False, False, False, True, False]
        await wired.bus.write_coil(1, 3, on=False)
        assert not any(wired.board.coils)
        wired.board.inputs[9] = True
        assert await wired.bus.read_inputs(1, 8, 3) == [False, True, False]


@BOTH
async def test_an_exception_is_said_in_words(rtu):
    async with Wired(rtu=rtu) as wired:
        with pytest.raises(Refused, match="no such coil or input"):
            await wired.bus.write_coil(1, 99, on=True)
        wired.board.mischief.refuse = 6
        with pytest.raises(Refused, match="busy"):
            await wired.bus.read_inputs(1, 0)
        wired.board.mischief.refuse = 0
        await wired.bus.write_coil(1, 0, on=True)


@BOTH
@pytest.mark.parametrize(
    "mischief", [Mischief(silent=1), Mischief(halves=1)], ids=["silence", "half"]
)
async def test_no_answer_ends_in_time_and_the_next_is_right(rtu, mischief):
    async with Wired(rtu=rtu) as wired:
        await wired.bus.write_coil(1, 0, on=False)
        wired.board.mischief = replace(mischief)
        with pytest.raises(TimeoutError):
            await wired.bus.read_inputs(1, 0)
        wired.board.inputs[0] = True
        assert await wired.bus.read_inputs(1, 0) == [True]


async def test_noise_on_a_serial_line_is_skipped():
    async with Wired(rtu=True) as wired:
        wired.board.mischief = Mischief(noise=b"\x01\x05\x00\x00\xff\x00\x00\x00\x01\x02\xff")
        await wired.bus.write_coil(1, 1, on=True)
        wired.board.inputs[1] = True
        assert await wired.bus.read_inputs(1, 1) == [True]


async def test_a_wrong_checksum_is_no_answer():
    async with Wired(rtu=True) as wired:
        wired.board.mischief.damaged = 1
        with pytest.raises(TimeoutError):
            await wired.bus.write_coil(1, 1, on=True)
        await wired.bus.write_coil(1, 1, on=True)


async def test_a_late_answer_is_not_taken_for_the_next():
    async with Wired(rtu=False) as wired:
        await wired.bus.read_inputs(1, 0)
        wired.board.mischief.delay_seconds = QUICK * 1.5
        with pytest.raises(TimeoutError):
            await wired.bus.read_inputs(1, 0)
        wired.board.mischief.delay_seconds = 0
        wired.board.inputs[4] = True
        assert await wired.bus.read_inputs(1, 4) == [True]


async def test_a_cut_connection_is_made_again():
    async with Wired(rtu=False) as wired:
        await wired.bus.read_inputs(1, 0)
        wired.cut()
        with pytest.raises((OSError, EOFError)):
            await wired.bus.read_inputs(1, 0)
        assert await wired.bus.read_inputs(1, 0) == [False]


async def test_somebody_who_speaks_something_else_is_told():
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    bus = Bus(Tcp("127.0.0.1", server.sockets[0].getsockname()[1]), rtu=False)
    with pytest.raises(Garbled, match="does not speak Modbus"):
        await bus.read_inputs(1, 0)
    await bus.close()
    server.close()


async def test_questions_of_several_lanes_take_turns():
    async with Wired(rtu=True) as wired:
        wired.board.inputs = [at % 2 == 1 for at in range(16)]
        answers = await asyncio.gather(*[wired.bus.read_inputs(1, at) for at in range(16)])
        assert [bit for (bit,) in answers] == wired.board.inputs
