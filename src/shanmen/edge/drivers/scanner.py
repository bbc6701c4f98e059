"""Code scanners that send a text and an end of line, by serial port, TCP or standard input."""

import asyncio
import sys
import threading
from contextlib import suppress
from typing import BinaryIO, Literal

from shanmen.edge.drivers.base import Emit, Health, Read, ReadKind, Works, keep_trying
from shanmen.edge.drivers.links import Address

LONGEST_TEXT = 600
IDLE_SECONDS = 0.06
"""Where a scanner sends no end of line, so long a silence ends a text."""

End = Literal["cr", "lf", "crlf", "any", "idle"]

_ENDS: dict[End, bytes] = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "any": b"\n", "idle": b""}
_TOO_LONG = f"More than {LONGEST_TEXT} bytes came without an end of line: check `end` and `baud`."


class Lines:
    """Takes bytes apart into texts.

    ``any`` takes a carriage return, a line feed, or both as one end. Start and end marks (STX,
    ETX) and other control characters around a text are left out; a space is part of it.
    """

    def __init__(self, end: End = "any") -> None:
        self._end = end
        self._buffer = bytearray()
        self._skipping = False
        self.overflowed = False
        """A text was too long and is left out up to its end; whoever looks resets it."""

    def feed(self, data: bytes) -> list[str]:
        """Texts that are complete now."""
        if self._end == "any":
            data = data.replace(b"\r", b"\n")
        self._buffer += data
        mark = _ENDS[self._end]
        found: list[str] = []
        while mark and (at := self._buffer.find(mark)) >= 0:
            line = bytes(self._buffer[:at])
            del self._buffer[: at + len(mark)]
            if self._skipping:
                self._skipping = False
            elif len(line) > LONGEST_TEXT:
                self.overflowed = True
            elif text := _text(line):
                found.append(text)
        self._limit()
        return found

    def idle(self) -> list[str]:
        """What stands in the buffer after a silence, for scanners without an end of line."""
        if self._end != "idle" or not self._buffer:
            return []
        line, skipped = bytes(self._buffer), self._skipping
        self._buffer.clear()
        self._skipping = False
        text = "" if skipped else _text(line)
        return [text] if text else []

    @property
    def waits_for_silence(self) -> bool:
        """Whether a silence would end a text now."""
        return self._end == "idle" and bool(self._buffer)

    def _limit(self) -> None:
        if len(self._buffer) > LONGEST_TEXT:
            # The last byte stays: it may be the first half of a two-byte end of line.
            del self._buffer[:-1]
            self._skipping = True
            self.overflowed = True


def _text(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("gb18030", errors="replace")
    return "".join(c for c in text if c.isprintable()).strip("\u3000").strip()


class Scanner:
    """A scanner at the end of a link."""

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        end: End = "any",
        kind: ReadKind = "code",
    ) -> None:
        self.name = name
        self._address, self._end, self._kind = address, end, kind

    async def run(self, emit: Emit) -> None:
        """Read until cancelled."""
        await keep_trying(lambda health: self._session(health, emit), name=self.name, emit=emit)

    async def _session(self, health: Health, emit: Emit) -> None:
        link = await self._address.open()
        try:
            # A scanner says nothing until it scans: an open port is all that can be known.
            health.works()
            lines = Lines(self._end)
            while True:
                try:
                    async with asyncio.timeout(IDLE_SECONDS if lines.waits_for_silence else None):
                        texts = lines.feed(await link.read())
                except TimeoutError:
                    texts = lines.idle()
                for text in texts:
                    health.works()
                    emit(Read(self.name, self._kind, text))
                if lines.overflowed:
                    lines.overflowed = False
                    health.fault(_TOO_LONG)
        finally:
            await link.close()


class StandardInput:
    """A keyboard, or a scanner that types, in the terminal that the agent runs in."""

    def __init__(self, name: str, source: BinaryIO | None = None) -> None:
        self.name = name
        self._source = source or sys.stdin.buffer

    async def run(self, emit: Emit) -> None:
        """Read lines until there are no more; then wait, because nothing can bring them back."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()

        def read() -> None:
            # A thread: a file or /dev/null, which a service has there, cannot be waited for. It is
            # a daemon, so that the agent ends without another key being pressed.
            with suppress(OSError, ValueError, RuntimeError):
                while line := self._source.readline(LONGEST_TEXT * 4):
                    loop.call_soon_threadsafe(arrived.put_nowait, line)

        threading.Thread(target=read, name="stdin", daemon=True).start()
        emit(Works(self.name))
        lines = Lines("any")
        while True:
            for text in lines.feed(await arrived.get()):
                emit(Read(self.name, "code", text))
