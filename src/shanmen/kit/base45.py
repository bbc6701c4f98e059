"""Base 45 (RFC 9285): bytes in the 45 characters of a QR code's alphanumeric mode."""

import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_SQUARE = 45 * 45
# Three characters stand for two bytes, so a table of pairs halves the work.
_PAIRS = tuple(first + second for second in ALPHABET for first in ALPHABET)
_TRIPLE = 3
_PAIR = 2
_MOST_OF_TWO_BYTES = 0xFFFF
_MOST_OF_A_BYTE = 0xFF


def encode(data: bytes) -> str:
    """Return the text of ``data``: three characters for two bytes, two for a last odd one."""
    even = len(data) & ~1
    # A gate is sent the codes of all its tickets sealed, so this runs by the ten thousand.
    numbers = struct.unpack(f">{even // 2}H", data[:even])
    text = "".join([_PAIRS[n % _SQUARE] + ALPHABET[n // _SQUARE] for n in numbers])
    return text + _PAIRS[data[-1]] if len(data) % 2 else text


def decode(text: str) -> bytes:
    """Return the bytes of a text; raises ValueError for what no encoder writes."""
    try:
        values = [_VALUES[character] for character in text]
    except KeyError as error:
        raise ValueError("A character is not of the base-45 alphabet.") from error
    whole, rest = divmod(len(values), _TRIPLE)
    if rest == 1:
        raise ValueError("The length is not one of a base-45 text.")
    out = bytearray()
    for at in range(0, whole * _TRIPLE, _TRIPLE):
        number = values[at] + 45 * values[at + 1] + _SQUARE * values[at + 2]
        if number > _MOST_OF_TWO_BYTES:
            raise ValueError("Three characters stand for more than two bytes.")
        out += number.to_bytes(2, "big")
    if rest == _PAIR:
        number = values[-2] + 45 * values[-1]
        if number > _MOST_OF_A_BYTE:
            raise ValueError("The last two characters stand for more than one byte.")
        out.append(number)
    return bytes(out)
