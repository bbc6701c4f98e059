"""Relays and passage sensors."""

import asyncio
from functools import partial

import pytest

from shanmen.edge.drivers.base import NoBarrier
from shanmen.edge.drivers.links import Serial, Tcp
from shanmen.edge.drivers.modbus import Bus
from shanmen.edge.drivers.relay import Coil, Relay, SerialContact, lcus
from shanmen.edge.drivers.sensor import InputSensor, LineSensor, persons_of
from shanmen.edge.drivers.standins import (
    Board,
    Mischief,
    ModbusTcpBoard,
    Port,
    SimpleSerialBoard,
)
from tests.edge.drivers.conftest import Heard, eventually, listening

PULSE_MS = 60


class Watched(Board):
    """A board that notes how its relays were switched."""

    def __init__(self) -> None:
        super().__init__()
        self.switched: list[tuple[int, bool]] = []
        self.on_coil = lambda coil, on: self.switched.append((coil, on))


def relay_on(board: ModbusTcpBoard, coil: int = 0) -> tuple[Relay, Bus]:
    bus = Bus(Tcp("127.0.0.1", board.port), rtu=False, answer_seconds=1)
    return Relay("barrier", Coil(bus, unit=1, coil=coil), pulse_ms=PULSE_MS), bus


async def test_a_pulse_opens_and_ends():
    watched = Watched()
    board = await ModbusTcpBoard(watched).start()
    relay, bus = relay_on(board, coil=2)
    assert await relay.open() is None
    assert watched.coils[2]
    await eventually(lambda: not watched.coils[2])
    assert await relay.open() is None
    assert await relay.open() is None, "the second pulse waits for the end of the first"
    await relay.close()
    assert watched.switched == [(2, True), (2, False)] * 3
    await bus.close()
    await board.close()


async def test_an_emergency_keeps_it_open_through_everything():
    watched = Watched()
    board = await ModbusTcpBoard(watched).start()
    relay, bus = relay_on(board)
    assert await relay.open() is None
    assert await relay.hold(on=True) is None
    await asyncio.sleep(PULSE_MS / 1000 * 2)
    assert watched.coils[0], "the pulse before it does not end it"
    assert await relay.open() is None
    await asyncio.sleep(PULSE_MS / 1000 * 2)
    assert watched.coils[0]
    assert await relay.hold(on=False) is None
    assert watched.switched[-1] == (0, False)
    await relay.hold(on=True)
    await relay.close()
    assert watched.switched[-1] == (0, True), (
        "an agent that stops does not close what an emergency has opened"
    )
    await bus.close()
    await board.close()


async def test_a_lost_answer_is_asked_again():
    board = await ModbusTcpBoard(Watched()).start()
    relay, bus = relay_on(board)
    board.board.mischief = Mischief(silent=1)
    assert await relay.open() is None
    await relay.close()
    await bus.close()
    await board.close()


async def test_a_board_that_refuses_is_a_fault_and_is_let_go_later():
    watched = Watched()
    board = await ModbusTcpBoard(watched).start()
    relay, bus = relay_on(board)
    assert await relay.open() is None
    watched.mischief.refuse = 4
    await asyncio.sleep(PULSE_MS / 1000 * 3)
    assert watched.coils[0], "it could not be closed again"
    fault = await relay.open()
    assert fault is not None
    assert fault.what == ("The barrier was told to open, but: The device refused: it has failed.")
    watched.mischief.refuse = 0
    await eventually(lambda: not watched.coils[0])
    await relay.close()
    await bus.close()
    await board.close()


async def test_a_dead_board_answers_in_time():
    bus = Bus(Tcp("127.0.0.1", 1), rtu=False)
    relay = Relay("barrier", Coil(bus, unit=1, coil=0), pulse_ms=PULSE_MS)
    async with asyncio.timeout(3):
        fault = await relay.open()
        assert fault is not None
        assert "Connection refused" in fault.what
        await relay.close()


async def test_an_order_is_not_given_late():
    board = await ModbusTcpBoard(Watched()).start()
    bus = Bus(Tcp("127.0.0.1", board.port), rtu=False, answer_seconds=5)
    relay = Relay("barrier", Coil(bus, unit=1, coil=0), pulse_ms=PULSE_MS, order_seconds=0.1)
    board.board.mischief.delay_seconds = 0.4
    fault = await relay.open()
    assert fault is not None
    assert "did not answer in time" in fault.what
    board.board.mischief.delay_seconds = 0
    await relay.close()
    await bus.close()
    await board.close()


async def test_a_simple_serial_board_is_switched():
    watched = Watched()
    board = SimpleSerialBoard(watched)
    contact = SerialContact(Serial(board.port.path, 9600), channel=2)
    relay = Relay("barrier", contact, pulse_ms=PULSE_MS)
    assert lcus(1, on=True).hex(" ") == "a0 01 01 a2"
    assert await relay.open() is None
    await eventually(lambda: watched.switched == [(1, True), (1, False)])
    board.port.say(b"anything")
    await relay.close()
    board.close()


async def test_a_serial_board_of_another_make_gets_its_own_bytes():
    heard = bytearray()
    port = Port(heard.extend)
    contact = SerialContact(Serial(port.path, 9600), on=b"\x55\x01", off=b"\x55\x00")
    relay = Relay("barrier", contact, pulse_ms=PULSE_MS)
    await relay.open()
    await eventually(lambda: bytes(heard) == b"\x55\x01\x55\x00")
    port.unplug()
    fault = await relay.open()
    assert fault is not None
    async with asyncio.timeout(3):
        await relay.close()


async def test_no_barrier_never_fails():
    barrier = NoBarrier("none")
    assert await barrier.open() is None
    assert await barrier.hold(on=True) is None
    await barrier.close()


def reached(heard: Heard, count: int) -> bool:
    return heard.passed == count


@pytest.mark.parametrize("active_low", [False, True])
async def test_each_time_an_input_becomes_active_one_person_passed(active_low):
    board = await ModbusTcpBoard().start()
    inputs = board.board.inputs
    inputs[3] = not active_low  # Somebody stands in the barrier as the agent starts.
    bus = Bus(Tcp("127.0.0.1", board.port), rtu=False, answer_seconds=1)
    sensor = InputSensor("sensor", bus, unit=1, address=3, poll_ms=10, active_low=active_low)
    async with listening(sensor) as heard:
        await asyncio.sleep(0.05)
        assert heard.passed == 0
        for count in (1, 2):
            inputs[3] = active_low
            await asyncio.sleep(0.05)
            inputs[3] = not active_low
            await eventually(partial(reached, heard, count))
        board.cut()
        await heard.until(lambda: bool(heard.faults))
        await heard.until(lambda: heard.works)
        assert heard.passed == 2, "a connection that came back is no passage"
    await bus.close()
    await board.close()


async def test_an_input_that_could_not_be_read_for_a_moment_is_told():
    """The orders of a barrier on the same bad line keep the sensor from being looked at."""
    board = await ModbusTcpBoard().start()
    bus = Bus(Tcp("127.0.0.1", board.port), rtu=False, answer_seconds=1)
    sensor = InputSensor("sensor", bus, unit=1, address=3, poll_ms=10)
    async with listening(sensor) as heard:
        board.board.mischief.delay_seconds = 0.3
        await heard.until(lambda: bool(heard.faults))
        assert "could not be read for a moment" in heard.faults[0]
        board.board.mischief.delay_seconds = 0
        await heard.until(lambda: heard.works)
    await bus.close()
    await board.close()


async def test_a_counter_that_sends_lines():
    port = Port()
    async with listening(LineSensor("counter", Serial(port.path))) as heard:
        port.say(b"PASS\r\nPING\r\nPASS 2\r\n1\r\n")
        await heard.until(lambda: heard.passed == 4)
    port.close()


@pytest.mark.parametrize(
    ("line", "persons"), [("PASS", 1), ("PASS 3", 3), ("ping", 0), ("TOTAL 4711", 1), ("²", 1)]
)
def test_what_a_line_counts(line, persons):
    assert persons_of(line) == persons
