"""Scanners by serial port and TCP."""

import asyncio
import contextlib
import io
import os

import pytest

from shanmen.edge.drivers.base import Fault
from shanmen.edge.drivers.links import BAUDS, Serial, Tcp
from shanmen.edge.drivers.scanner import IDLE_SECONDS, LONGEST_TEXT, Lines, Scanner, StandardInput
from shanmen.edge.drivers.standins import SerialScanner
from tests.edge.drivers.conftest import listening

TOKEN = "SM1V50100300190AEIGR977E88G000000.00000CN1W502A0/522A0SI2000100 %AB"


async def test_a_scan_arrives():
    standin = SerialScanner()
    async with listening(Scanner("reader", Serial(standin.port.path))) as heard:
        standin.scan(TOKEN)
        standin.scan("11010519491231002X")
        await heard.until(lambda: len(heard.texts) == 2)
    assert heard.texts == [TOKEN, "11010519491231002X"]
    assert TOKEN not in repr(heard.events), "what was read is not in any log"
    standin.close()


@pytest.mark.parametrize(
    ("end", "mark"), [("cr", b"\r"), ("lf", b"\n"), ("crlf", b"\r\n"), ("any", b"\r\n")]
)
async def test_each_end_of_line(end, mark):
    standin = SerialScanner(mark)
    async with listening(Scanner("reader", Serial(standin.port.path), end=end)) as heard:
        standin.port.say(b"FIRST" + mark + b"SEC")
        await heard.until(lambda: heard.texts == ["FIRST"])
        standin.port.say(b"OND" + mark)
        await heard.until(lambda: len(heard.texts) == 2)
    assert heard.texts == ["FIRST", "SECOND"]
    standin.close()


async def test_a_silence_ends_a_text_where_nothing_else_does():
    standin = SerialScanner(b"")
    async with listening(Scanner("reader", Serial(standin.port.path), end="idle")) as heard:
        standin.port.say(b"FIR")
        standin.port.say(b"ST")
        await heard.until(lambda: bool(heard.texts))
        await asyncio.sleep(IDLE_SECONDS)
        standin.scan("SECOND")
        await heard.until(lambda: len(heard.texts) == 2)
    assert heard.texts == ["FIRST", "SECOND"]
    standin.close()


async def test_a_pulled_cable_is_told_and_comes_back(tmp_path):
    standin = SerialScanner()
    port = tmp_path / "scanner"
    port.symlink_to(standin.port.path)
    async with listening(Scanner("reader", Serial(str(port)))) as heard:
        standin.port.unplug()
        await heard.until(lambda: bool(heard.faults))
        assert not heard.works
        second = SerialScanner()
        port.unlink()
        port.symlink_to(second.port.path)
        await heard.until(lambda: heard.works)
        second.scan("AGAIN-7")
        await heard.until(lambda: heard.texts == ["AGAIN-7"])
    second.close()


async def test_a_port_that_is_not_there_is_one_fault():
    async with listening(Scanner("reader", Serial("/dev/no-such-port"))) as heard:
        await asyncio.sleep(0.7)
    assert heard.events == [Fault("reader", "No such file or directory (/dev/no-such-port).")]


async def test_a_file_is_no_serial_port(tmp_path):
    path = tmp_path / "file"
    path.touch()
    async with listening(Scanner("reader", Serial(str(path)))) as heard:
        pass
    assert heard.faults == [f"This is not a serial port ({path})."]


async def test_a_scanner_on_the_network_comes_back():
    writers: list[asyncio.StreamWriter] = []
    arrived = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        arrived.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with listening(Scanner("reader", Tcp("127.0.0.1", port))) as heard:
        await arrived.wait()
        writers[0].write(b"ONE\n")
        await heard.until(lambda: heard.texts == ["ONE"])
        writers[0].close()
        await heard.until(lambda: bool(heard.faults))
        arrived.clear()
        await arrived.wait()
        writers[1].write(b"TWO\n")
        await heard.until(lambda: heard.texts == ["ONE", "TWO"])
        assert heard.works
    for writer in writers:
        writer.close()
    server.close()


async def test_nobody_on_the_network_is_a_fault():
    async with listening(Scanner("reader", Tcp("127.0.0.1", 1))) as heard:
        pass
    assert heard.faults == ["Connection refused (127.0.0.1:1)."]


async def test_the_terminal():
    far, near = os.pipe()
    with os.fdopen(far, "rb") as source, os.fdopen(near, "wb", buffering=0) as keys:
        async with listening(StandardInput("terminal", source)) as heard:
            keys.write(b"SM1 A B\nsec")
            keys.write(b"ond\n")
            await heard.until(lambda: len(heard.texts) == 2)
            assert heard.texts == ["SM1 A B", "second"]
            keys.close()


async def test_a_service_has_no_terminal():
    async with listening(StandardInput("terminal", io.BytesIO())) as heard:
        await asyncio.sleep(0.02)
        assert heard.works
        assert heard.texts == []


def test_noise_that_never_ends_is_left_out_and_told():
    lines = Lines("any")
    for _ in range(100):
        assert lines.feed(os.urandom(50).replace(b"\r", b"x").replace(b"\n", b"x")) == []
    assert lines.overflowed
    assert lines.feed(b"rest of it\nGOOD\n") == ["GOOD"]


def test_a_long_line_at_once_is_left_out():
    lines = Lines("crlf")
    assert lines.feed(b"A" * (LONGEST_TEXT + 1) + b"\r\nB\r\n") == ["B"]
    assert lines.overflowed


def test_an_end_of_line_in_two_parts_after_noise():
    lines = Lines("crlf")
    assert lines.feed(b"A" * (LONGEST_TEXT + 1) + b"\r") == []
    assert lines.feed(b"\nGOOD\r\n") == ["GOOD"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"\x02SM1 A B\x03\r\n", "SM1 A B"),
        ("订单\r\n".encode(), "订单"),
        ("订单\r\n".encode("gbk"), "订单"),
        (b"\r\n\r\n", None),
        (b"  X  \n", "X"),
    ],
)
def test_what_a_line_says(line, text):
    assert Lines("any").feed(line) == ([] if text is None else [text])


def test_one_byte_at_a_time():
    lines = Lines("any")
    with contextlib.suppress(StopIteration):
        found = [text for byte in b"ONE\r\nTWO\r\n" for text in lines.feed(bytes([byte]))]
    assert found == ["ONE", "TWO"]


def test_usual_speeds_are_known():
    assert {9600, 19200, 38400, 57600, 115200} <= set(BAUDS)
