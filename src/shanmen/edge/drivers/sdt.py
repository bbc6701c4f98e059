"""Frames of identity card readers (SDT protocol) and what is written on a card.

A frame is ``AA AA AA 96 69``, two bytes of length (big endian, of everything that follows, the
checksum included), the body, and one byte that makes the exclusive-or of length, body and itself
zero. To the reader the body is command, parameter and data; from it three status bytes and data.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from shanmen.kit import documents

PREAMBLE = bytes.fromhex("AAAAAA9669")
LONGEST_BODY = 4096

FIND = bytes.fromhex("2001")
SELECT = bytes.fromhex("2002")
READ = bytes.fromhex("3001")
STATUS = bytes.fromhex("11FF")

FOUND = 0x9F
SUCCESS = 0x90
NO_CARD = 0x80

ERRORS = {
    0x10: "the checksum of what was sent to it was wrong",
    0x11: "the length of what was sent to it was wrong",
    0x21: "it does not know the command",
    0x24: "it does not know the command",
    0x31: "the card could not be authenticated",
    0x32: "the card could not be authenticated",
    0x33: "the card could not be authenticated",
    0x40: "the card could not be read",
    0x41: "the card could not be read",
    0x60: "its security module failed its own test",
    0x66: "its security module refused",
    0x80: "there is no card",
    0x81: "the card could not be selected",
}

TEXT_BYTES = 256
_TYPE_AT = 248
_FOREIGNER_2017 = "I"


def checksum(covered: bytes) -> int:
    """Exclusive-or of length and body."""
    return reduce(xor, covered, 0)


def frame(body: bytes) -> bytes:
    """A body with everything around it."""
    covered = (len(body) + 1).to_bytes(2, "big") + body
    return PREAMBLE + covered + bytes([checksum(covered)])


class Frames:
    """Finds frames in what arrives, also after noise and half frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.damaged = 0
        """Frames whose checksum or length was wrong."""

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies of the frames that are complete now."""
        self._buffer += data
        found: list[bytes] = []
        while True:
            start = self._buffer.find(PREAMBLE)
            if start < 0:
                # The beginning of a preamble may stand at the end.
                del self._buffer[: max(0, len(self._buffer) - len(PREAMBLE) + 1)]
                return found
            del self._buffer[:start]
            size = self._size()
            if size is None or len(self._buffer) < size:
                # A length of a whole card's data may have been a wrong one: what follows it must
                # not wait for bytes that never come, so a second preamble inside ends the first.
                if size is None or not self._restarts():
                    return found
                continue
            covered = bytes(self._buffer[len(PREAMBLE) : size - 1])
            if checksum(covered) == self._buffer[size - 1]:
                found.append(covered[2:])
                del self._buffer[:size]
            else:
                self.damaged += 1
                del self._buffer[0]

    def _size(self) -> int | None:
        if len(self._buffer) < len(PREAMBLE) + 2:
            return None
        length = int.from_bytes(self._buffer[len(PREAMBLE) : len(PREAMBLE) + 2], "big")
        # A length that nobody sends is damage; it then reads as the shortest frame and fails.
        return len(PREAMBLE) + 2 + (length if 0 < length <= LONGEST_BODY else 1)

    def _restarts(self) -> bool:
        again = self._buffer.find(PREAMBLE, 1)
        if again < 0:
            return False
        self.damaged += 1
        del self._buffer[:again]
        return True

    def forget(self) -> None:
        """Drop half a frame after a silence."""
        self._buffer.clear()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reader answers."""

    status: int
    data: bytes = field(repr=False)

    @property
    def why(self) -> str:
        """The status in words."""
        return ERRORS.get(self.status, f"status {self.status:02X}")


def reply(body: bytes) -> Reply | None:
    """Take an answer's body apart; None where it is too short to be one."""
    return Reply(status=body[2], data=body[3:]) if len(body) >= 3 else None  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Card:
    """What a gate needs of a card; the photo and the rest are dropped at once."""

    number: str = field(repr=False)
    name: str = field(repr=False)


def card(data: bytes) -> Card | None:
    """What stands on a card; None where the number is none.

    `data` is the answer to `READ` without its status: the lengths of text and photo (two bytes
    each, big endian), the text, the photo. The text is UTF-16LE; some readers for the domestic
    market send the same columns in GBK, which is told from it by the number.
    """
    if len(data) < 4:  # noqa: PLR2004
        return None
    size = int.from_bytes(data[:2], "big")
    text = data[4 : 4 + size]
    if size < TEXT_BYTES or len(text) < TEXT_BYTES:
        return None
    foreigner = _decode(text[_TYPE_AT : _TYPE_AT + 2], "utf-16-le") == _FOREIGNER_2017
    columns = (120, 2, 30) if foreigner else (30, 92, 36)
    start = columns[0] + columns[1]
    for encoding in ("utf-16-le", "gb18030"):
        number = _decode(text[start : start + columns[2]], encoding).upper()
        if _IS_NUMBER[foreigner](number):
            return Card(number, _decode(text[: columns[0]], encoding))
    return None


def text_of(
    number: str, name: str, *, encoding: str = "utf-16-le", foreigner: bool = False
) -> bytes:
    """The 256 bytes of a card, for stand-ins: number and name, the other columns blank."""

    def column(value: str, size: int) -> bytes:
        space = " ".encode(encoding)
        return (value.encode(encoding) + space * size)[:size]

    if foreigner:
        body = column(name, 120) + column("", 2) + column(number, 30)
        return body + column("", _TYPE_AT - len(body)) + "I".encode(encoding) + column("", 6)
    return (column(name, 30) + column("", 92) + column(number, 36)).ljust(TEXT_BYTES, column("", 1))


def _decode(data: bytes, encoding: str) -> str:
    return data.decode(encoding, errors="replace").replace("\0", " ").strip()


def _checks(*kinds: documents.DocumentKind) -> Callable[[str], bool]:
    def checked(number: str) -> bool:
        for kind in kinds:
            try:
                documents.check(kind, number)
            except documents.DocumentInvalid:
                continue
            return True
        return False

    return checked


_IS_NUMBER = {
    False: _checks(
        documents.DocumentKind.ID_CARD,
        documents.DocumentKind.HMT_RESIDENCE_PERMIT,
        documents.DocumentKind.FOREIGN_PERMANENT_RESIDENT,
    ),
    True: _checks(documents.DocumentKind.FOREIGN_PERMANENT_RESIDENT),
}
