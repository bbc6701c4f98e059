"""Scanners that are keyboards (HID), read from Linux' event devices and kept from everybody else.

Without the exclusive grab a scanned code would also be typed into whatever has the focus on the
gate's own screen, with an Enter at its end.
"""

import asyncio
import errno
import fcntl
import os
import struct

from shanmen.edge.drivers.base import Emit, Health, Read, keep_trying
from shanmen.edge.drivers.scanner import LONGEST_TEXT

EVENT = struct.Struct("llHHi")
"""struct input_event of this machine: seconds, microseconds, type, code, value."""
EV_KEY = 1
PRESSED = 1
KEY_ENTER, KEY_KPENTER, KEY_TAB = 28, 96, 15
SHIFTS = frozenset({42, 54})
FORGET_SECONDS = 1.0
"""Keys without an Enter are forgotten after so long a silence."""

_EVIOCGRAB = 0x40044590

_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (55, "*", "*"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),
    (98, "/", "/"),
)
PLAIN = {start + at: char for start, keys, _ in _ROWS for at, char in enumerate(keys)}
SHIFTED = {start + at: char for start, _, keys in _ROWS for at, char in enumerate(keys)}


def keys_of(text: str) -> list[tuple[int, bool]]:
    """Keys (code, with shift) that type a text on a US keyboard; for stand-ins and tests."""
    plain = {char: code for code, char in sorted(PLAIN.items(), reverse=True)}
    shifted = {char: code for code, char in sorted(SHIFTED.items(), reverse=True)}
    return [(plain[char], False) if char in plain else (shifted[char], True) for char in text]


class Typing:
    """Makes texts of key events."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._shifts: set[int] = set()
        self._buffer = b""

    def feed(self, data: bytes) -> list[str]:
        """Texts that were ended by Enter or Tab."""
        self._buffer += data
        found = []
        whole = len(self._buffer) // EVENT.size * EVENT.size
        for _, _, kind, code, value in EVENT.iter_unpack(self._buffer[:whole]):
            if kind != EV_KEY:
                continue
            if code in SHIFTS:
                (self._shifts.add if value else self._shifts.discard)(code)
            elif value == PRESSED and (text := self._press(code)):
                found.append(text)
        self._buffer = self._buffer[whole:]
        return found

    def _press(self, code: int) -> str:
        if code in {KEY_ENTER, KEY_KPENTER, KEY_TAB}:
            text = "".join(self._keys).strip()
            self._keys.clear()
            return text
        char = (SHIFTED if self._shifts else PLAIN).get(code)
        if char is not None and len(self._keys) < LONGEST_TEXT:
            self._keys.append(char)
        return ""

    def forget(self) -> None:
        """Drop keys that no Enter followed."""
        self._keys.clear()

    @property
    def unfinished(self) -> bool:
        """Whether keys wait for an Enter."""
        return bool(self._keys)


class Keyboard:
    """An event device, ``/dev/input/by-id/…-event-kbd``."""

    def __init__(self, name: str, path: str, *, grab: bool = True) -> None:
        self.name = name
        self._path, self._grab = path, grab

    async def run(self, emit: Emit) -> None:
        """Read until cancelled."""
        await keep_trying(lambda health: self._session(health, emit), name=self.name, emit=emit)

    async def _session(self, health: Health, emit: Emit) -> None:
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        try:
            if self._grab:
                self._take(handle)
            health.works()
            typing = Typing()
            loop.add_reader(handle, arrived.set)
            while True:
                try:
                    async with asyncio.timeout(FORGET_SECONDS if typing.unfinished else None):
                        await arrived.wait()
                except TimeoutError:
                    typing.forget()
                    continue
                arrived.clear()
                for text in typing.feed(self._read(handle)):
                    emit(Read(self.name, "code", text))
        finally:
            loop.remove_reader(handle)
            os.close(handle)

    def _take(self, handle: int) -> None:
        try:
            fcntl.ioctl(handle, _EVIOCGRAB, 1)
        except OSError as error:
            why = {
                errno.ENOTTY: "This is not an input device",
                errno.EINVAL: "This is not an input device",
                errno.EBUSY: "Another program has taken this keyboard",
            }.get(error.errno or 0, error.strerror)
            raise OSError(error.errno, why, self._path) from error

    def _read(self, handle: int) -> bytes:
        try:
            data = os.read(handle, EVENT.size * 64)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise EOFError("The scanner was unplugged.") from error
            raise
        if not data:
            raise EOFError("The scanner was unplugged.")
        return data
