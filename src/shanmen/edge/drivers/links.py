"""Byte streams to devices: serial ports and TCP, asynchronous, without further packages."""

import asyncio
import errno
import os
import socket
import termios
import tty
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

CONNECT_SECONDS = 3.0
WRITE_SECONDS = 1.0
_CHUNK = 4096

Parity = Literal["none", "even", "odd"]
BAUDS = {
    int(name[1:]): getattr(termios, name)
    for name in dir(termios)
    if name.startswith("B") and name[1:].isdigit() and int(name[1:]) >= 1200  # noqa: PLR2004
}
"""Speeds that this system's serial ports know."""


class Link(Protocol):
    """An open stream to a device."""

    async def read(self) -> bytes:
        """What has arrived, at least one byte; raises EOFError when the device is gone."""

    async def write(self, data: bytes) -> None:
        """Send everything; raises OSError or TimeoutError."""

    def drop_input(self) -> None:
        """Throw away what has arrived and was not read: answers to earlier questions."""

    async def close(self) -> None:
        """Let go of the device."""


class Address(Protocol):
    """Where a device is, and how to get there."""

    async def open(self) -> Link:
        """Connect; raises OSError or TimeoutError."""


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial port, always eight bits."""

    port: str
    baud: int = 115_200
    parity: Parity = "none"
    stop_bits: Literal[1, 2] = 1

    def __str__(self) -> str:
        return self.port

    async def open(self) -> Link:
        """Open the port raw: nothing that arrives is interpreted, echoed or turned to lines."""
        handle = os.open(self.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._configure(handle)
        except (OSError, termios.error) as error:
            os.close(handle)
            raise OSError(errno.ENOTTY, "This is not a serial port", self.port) from error
        return SerialLink(handle)

    def _configure(self, handle: int) -> None:
        tty.setraw(handle, termios.TCSANOW)
        settings = termios.tcgetattr(handle)
        control = settings[2] & ~(termios.PARENB | termios.PARODD | termios.CSTOPB | termios.HUPCL)
        # CLOCAL: a cable without modem lines must not make the port wait for a carrier.
        control |= termios.CLOCAL | termios.CREAD
        if self.parity != "none":
            control |= termios.PARENB | (termios.PARODD if self.parity == "odd" else 0)
        if self.stop_bits == 2:  # noqa: PLR2004
            control |= termios.CSTOPB
        settings[2] = control
        settings[4] = settings[5] = BAUDS[self.baud]
        termios.tcsetattr(handle, termios.TCSANOW, settings)
        termios.tcflush(handle, termios.TCIOFLUSH)


@dataclass(frozen=True, slots=True)
class Tcp:
    """A device, or a serial server in front of it, on the network."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self) -> Link:
        """Connect."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(self.host, self.port)
        except TimeoutError as error:
            raise TimeoutError(errno.ETIMEDOUT, "Nobody answers there", str(self)) from error
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "There is no way to"
            raise OSError(error.errno, why, str(self)) from error
        _keep_alive(writer.get_extra_info("socket"))
        return TcpLink(reader, writer)


def _keep_alive(connected: socket.socket | None) -> None:
    """Notice a device that lost power without a word; a scanner may be silent for hours."""
    if connected is None:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class SerialLink:
    """An open file descriptor of a port, read by the loop when something has arrived."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def read(self) -> bytes:
        """What has arrived, at least one byte."""
        while True:
            try:
                data = os.read(self._handle, _CHUNK)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)
                continue
            except OSError as error:
                # A pulled USB cable, or the other end of a pseudo-terminal, answers EIO.
                if error.errno == errno.EIO:
                    raise EOFError("The device was unplugged.") from error
                raise
            if not data:
                raise EOFError("The device was unplugged.")
            return data

    async def write(self, data: bytes) -> None:
        """Send everything."""
        rest = memoryview(data)
        async with asyncio.timeout(WRITE_SECONDS):
            while rest:
                try:
                    rest = rest[os.write(self._handle, rest) :]
                except BlockingIOError:
                    await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def _ready(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        ready = self._loop.create_future()
        add(self._handle, _settle, ready)
        try:
            await ready
        finally:
            if not self._closed:
                remove(self._handle)

    def drop_input(self) -> None:
        """Throw away what has arrived."""
        termios.tcflush(self._handle, termios.TCIFLUSH)

    async def close(self) -> None:
        """Close the port."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._handle)
            self._loop.remove_writer(self._handle)
            os.close(self._handle)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class TcpLink:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """What has arrived, at least one byte."""
        data = await self._reader.read(_CHUNK)
        if not data:
            raise EOFError("The device closed the connection.")
        return data

    async def write(self, data: bytes) -> None:
        """Send everything."""
        self._writer.write(data)
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()

    def drop_input(self) -> None:
        """Nothing is dropped here: over TCP an answer is told from a late one by its number."""

    async def close(self) -> None:
        """Close the connection without waiting for the other end."""
        self._writer.close()
