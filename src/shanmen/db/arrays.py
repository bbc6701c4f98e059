"""Arrays as PostgreSQL's binary protocol has them, for statements that are written for many.

psycopg dumps a list element by element, with a regular expression for the quoting of each text,
which costs more than everything else that placing an order does. PostgreSQL in turn reads binary
values faster than their text. An array here is one bytes object with the type of its elements.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat
from types import NoneType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

_HEAD = struct.Struct("!5i")
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.date().toordinal()
_MICROSECOND = timedelta(microseconds=1)
_length = struct.Struct("!i").pack
_int8 = struct.Struct("!iq").pack
_int4 = struct.Struct("!ii").pack


class Array:
    """An array as it is sent: the bytes, and the Python type that its elements are written as."""

    __slots__ = ("data", "kind")

    def __init__(self, kind: type, data: bytes) -> None:
        self.kind = kind
        self.data = data

    def __repr__(self) -> str:
        return f"Array({self.kind.__name__}, {len(self.data)} bytes)"


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def get_key(self, obj: Array, format: PyFormat) -> DumperKey:  # noqa: A002, ARG002
        return self.cls, obj.kind

    def upgrade(self, obj: Array, format: PyFormat) -> "_ArrayDumper":  # noqa: A002, ARG002
        made = type(self)(self.cls)
        _, made.oid, _ = _TYPES[obj.kind]
        return made

    def dump(self, obj: Array) -> bytes:
        return obj.data


psycopg.adapters.register_dumper(Array, _ArrayDumper)


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[Array | str]:
    """Rows turned into one array for each column, as ``unnest(%s::uuid[], …)`` wants them.

    `count` is the number of columns, also of no rows.
    """
    if not rows:
        return ["{}"] * count
    return [array(column) for column in zip(*rows, strict=True)]


def array(values: Iterable[Any]) -> Array | str:
    """A one-dimensional array for a statement; all values of one type, or None.

    Where the type is not known, because there is no value, it is a literal that fits every type.
    An int is a bigint, a str is text: the statement casts where it needs another type.

    Raises:
        TypeError: values of a type that this does not know, or an instant without a time zone.
    """
    values = values if isinstance(values, (list, tuple)) else list(values)
    kind = next((type(value) for value in values if value is not None), None)
    if kind is None:
        return "{" + ",".join(["NULL"] * len(values)) + "}"
    if kind not in _TYPES:
        found = next((known for known in _TYPES if issubclass(kind, known)), None)
        if found is None:
            msg = f"An array of {kind.__name__} cannot be written."
            raise TypeError(msg)
        kind = found
    element, _, write = _TYPES[kind]
    count = len(values)
    if NoneType in set(map(type, values)):
        body = b"".join([_NULL if v is None else write((v,)) for v in values])
        return Array(kind, _HEAD.pack(1, 1, element, count, 1) + body)
    if values[0] is values[-1] and values.count(values[0]) == count:
        # Many columns of a batch say the same in each row: the site, the state, the day.
        return Array(kind, _HEAD.pack(1, 0, element, count, 1) + write(values[:1]) * count)
    return Array(kind, _HEAD.pack(1, 0, element, count, 1) + write(values))


def _bigints(values: Sequence[int]) -> bytes:
    count = len(values)
    lengths = repeat(8, count)
    pairs = chain.from_iterable(zip(lengths, values, strict=True))
    return struct.pack("!" + "iq" * count, *pairs)


def _bytes(values: Iterable[bytes]) -> bytes:
    return b"".join([_length(len(value)) + value for value in values])


def _texts(values: Iterable[str]) -> bytes:
    return _bytes([value.encode() for value in values])


def _uuids(values: Iterable[UUID]) -> bytes:
    return b"".join([b"\0\0\0\x10" + value.int.to_bytes(16, "big") for value in values])


def _booleans(values: Iterable[bool]) -> bytes:
    return b"".join([b"\0\0\0\1\1" if value else b"\0\0\0\1\0" for value in values])


def _dates(values: Iterable[date]) -> bytes:
    return b"".join([_int4(4, value.toordinal() - _EPOCH_DAY) for value in values])


def _instants(values: Iterable[datetime]) -> bytes:
    # In a batch most instants are the same: those of its slot, or of the batch itself.
    seen: dict[datetime, bytes] = {}
    written = []
    for value in values:
        made = seen.get(value)
        if made is None:
            made = seen[value] = _int8(8, (value - _EPOCH) // _MICROSECOND)
        written.append(made)
    return b"".join(written)


_TYPES: dict[type, tuple[int, int, Callable[[Any], bytes]]] = {
    bool: (16, 1000, _booleans),
    int: (20, 1016, _bigints),
    str: (25, 1009, _texts),
    bytes: (17, 1001, _bytes),
    UUID: (2950, 2951, _uuids),
    datetime: (1184, 1185, _instants),
    date: (1082, 1182, _dates),
}
"""By type of the values: the elements' type, the array's type, and how values are written.

The numbers are those of ``pg_type``, which never change. A datetime is a date to Python, so it
stands before it.
"""
