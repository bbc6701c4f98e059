"""Base 45 (RFC 9285): bytes in the 45 characters of a QR code's alphanumeric mode."""

import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NONE = 0xFF
"""Stands for a character that is not of the alphabet."""
_NO_CHARACTER = "A character is not of the base-45 alphabet."
_VALUES = bytes(ALPHABET.find(chr(code)) & _NONE for code in range(256))
_SQUARE = 45 * 45
# Three characters stand for two bytes, so a table of pairs halves the work.
_PAIRS = tuple(first + second for second in ALPHABET for first in ALPHABET)
_TRIPLE = 3
_PAIR = 2
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
    # A gate is shown a code for each visitor, so this too goes over the text a few times at once
    # rather than character by character.
    try:
        values = text.encode("ascii").translate(_VALUES)
    except UnicodeEncodeError as error:
        raise ValueError(_NO_CHARACTER) from error
    if _NONE in values:
        raise ValueError(_NO_CHARACTER)
    whole, rest = divmod(len(values), _TRIPLE)
    if rest == 1:
        raise ValueError("The length is not one of a base-45 text.")
    end = whole * _TRIPLE
    numbers = [
        low + 45 * middle + _SQUARE * high
        for low, middle, high in zip(values[0:end:3], values[1:end:3], values[2:end:3], strict=True)
    ]
    try:
        data = struct.pack(f">{whole}H", *numbers)
    except struct.error as error:
        raise ValueError("Three characters stand for more than two bytes.") from error
    if rest == _PAIR:
        number = values[-2] + 45 * values[-1]
        if number > _MOST_OF_A_BYTE:
            raise ValueError("The last two characters stand for more than one byte.")
        return data + bytes([number])
    return data
