"""`lanes.toml`: which devices an entrance has, read with errors that name the line.

``docs/how-to/gate-hardware.md`` describes every key. What is not in the file has no device: a lane
without an entry is worked by hand on the guard's page.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from shanmen.edge.drivers.links import BAUDS, Address, Parity, Serial, Tcp
from shanmen.edge.drivers.scanner import End

AddressText = Annotated[str, Meta(min_length=1, max_length=200)]
Unit = Annotated[int, Meta(ge=0, le=255)]
Number16 = Annotated[int, Meta(ge=0, le=65535)]
Millis = Annotated[int, Meta(ge=10, le=60_000)]
Name = Annotated[str, Meta(max_length=40)]
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/]+):(?P<port>\d{1,5})")
_HIGHEST_PORT = 65535


class Wrong(Exception):
    """The file cannot be used; the text names file, line, key and what is expected."""


class _At(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    address: AddressText
    """``/dev/…`` of a serial port, or ``host:port``."""
    baud: int = 115_200
    parity: Parity = "none"
    stop_bits: Literal[1, 2] = 1


class ScannerEntry(_At, tag="scanner", tag_field="kind", frozen=True, kw_only=True):
    """A code scanner that sends lines."""

    end: End = "any"
    name: Name = ""


class KeyboardEntry(
    Struct, tag="keyboard", tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """A code scanner that types."""

    path: AddressText
    grab: bool = True
    name: Name = ""


class StdinEntry(
    Struct, tag="stdin", tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """The terminal that the agent runs in."""

    name: Name = ""


class CardEntry(_At, tag="id_card", tag_field="kind", frozen=True, kw_only=True):
    """An identity card reader that speaks SDT frames."""

    poll_ms: Annotated[int, Meta(ge=300, le=5000)] = 300
    name: Name = ""


Reader = ScannerEntry | KeyboardEntry | StdinEntry | CardEntry


class ModbusRelay(_At, tag="modbus_tcp", tag_field="kind", frozen=True, kw_only=True):
    """A coil of a board on the network."""

    unit: Unit = 1
    coil: Number16
    pulse_ms: Millis = 400


class ModbusSerialRelay(_At, tag="modbus_rtu", tag_field="kind", frozen=True, kw_only=True):
    """A coil of a board on a serial line."""

    baud: int = 9600
    unit: Unit = 1
    coil: Number16
    pulse_ms: Millis = 400


class SimpleRelay(_At, tag="serial", tag_field="kind", frozen=True, kw_only=True):
    """A contact of a simple serial board."""

    baud: int = 9600
    channel: Annotated[int, Meta(ge=1, le=16)] = 1
    on: str = ""
    off: str = ""
    """Bytes in hexadecimal, for boards of another make."""
    pulse_ms: Millis = 400


class NoRelay(
    Struct, tag="none", tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """No barrier."""


BarrierEntry = ModbusRelay | ModbusSerialRelay | SimpleRelay | NoRelay


class ModbusInput(_At, tag="modbus_tcp", tag_field="kind", frozen=True, kw_only=True):
    """A discrete input of a board on the network."""

    unit: Unit = 1
    input: Number16
    poll_ms: Millis = 50
    active_low: bool = False


class ModbusSerialInput(_At, tag="modbus_rtu", tag_field="kind", frozen=True, kw_only=True):
    """A discrete input of a board on a serial line."""

    baud: int = 9600
    unit: Unit = 1
    input: Number16
    poll_ms: Millis = 50
    active_low: bool = False


class CounterEntry(_At, tag="lines", tag_field="kind", frozen=True, kw_only=True):
    """A counter that sends a line for each passage."""

    baud: int = 9600


SensorEntry = ModbusInput | ModbusSerialInput | CounterEntry


class LaneEntry(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The devices of one lane."""

    number: Annotated[int, Meta(ge=1, le=999)]
    reader: list[Reader] = []
    barrier: BarrierEntry = NoRelay()
    sensor: SensorEntry | None = None
    person_ms: Millis = 2500
    """Without a sensor, so long after one person of a party the barrier opens for the next."""


class PageEntry(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where the guard's page listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=_HIGHEST_PORT)] = 8788


class LanesFile(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The whole file."""

    lane: list[LaneEntry] = []
    page: PageEntry = PageEntry()


def load(path: Path) -> LanesFile:
    """Read the file; one that is not there has no devices. Raises Wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return LanesFile()
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{path.name} cannot be read: {error}") from error
    return parse(text, name=path.name)


def parse(text: str, *, name: str = "lanes.toml") -> LanesFile:
    """Read the text of such a file; raises Wrong."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Wrong(f"{name}: {error}") from error
    try:
        file = msgspec.convert(raw, LanesFile)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        keys = _keys(where.rstrip("`"))
        raise _wrong(name, text, keys, _plainly(what, keys)) from error
    _check(file, name, text)
    return file


def address_of(entry: _At) -> Address:
    """Where a device is; raises ValueError for a text that is neither port nor host."""
    if entry.address.startswith("/"):
        return Serial(entry.address, entry.baud, entry.parity, entry.stop_bits)
    match = _HOST_PORT.fullmatch(entry.address)
    if match is None or not 0 < int(match["port"]) <= _HIGHEST_PORT:
        raise ValueError(entry.address)
    return Tcp(match["host"].strip("[]"), int(match["port"]))


def _check(file: LanesFile, name: str, text: str) -> None:
    """What types alone do not say."""
    numbers: set[int] = set()
    readers: set[str] = set()
    speeds: dict[str, Address] = {}
    for at, lane in enumerate(file.lane):
        if lane.number in numbers:
            what = f"expected each lane once; {lane.number} is there twice"
            raise _wrong(name, text, ["lane", at, "number"], what)
        numbers.add(lane.number)
        places: list[tuple[list[str | int], object]] = [
            (["lane", at, "reader", index], reader) for index, reader in enumerate(lane.reader)
        ]
        places += [(["lane", at, "barrier"], lane.barrier), (["lane", at, "sensor"], lane.sensor)]
        for keys, entry in places:
            if keys[-2] == "reader":
                key = "path" if isinstance(entry, KeyboardEntry) else "address"
                address = str(getattr(entry, key, "stdin"))
                if address in readers:
                    what = "expected a device of its own for each reader; it is there twice"
                    raise _wrong(name, text, [*keys, key], what)
                readers.add(address)
            if isinstance(entry, _At):
                _check_place(entry, keys, speeds, (name, text))
            if isinstance(entry, SimpleRelay):
                _check_bytes(entry, keys, (name, text))


def _check_place(
    entry: _At, keys: list[str | int], speeds: dict[str, Address], file: tuple[str, str]
) -> None:
    try:
        address = address_of(entry)
    except ValueError as error:
        what = 'expected "/dev/…" of a serial port, or "host:port"'
        raise _wrong(*file, [*keys, "address"], what) from error
    if isinstance(address, Serial):
        if entry.baud not in BAUDS:
            known = ", ".join(str(baud) for baud in sorted(BAUDS))
            raise _wrong(*file, [*keys, "baud"], f"expected one of {known}")
        if speeds.setdefault(entry.address, address) != address:
            what = "expected the same speed, parity and stop bits as elsewhere for this port"
            raise _wrong(*file, [*keys, "address"], what)


def _check_bytes(entry: SimpleRelay, keys: list[str | int], file: tuple[str, str]) -> None:
    if bool(entry.on) != bool(entry.off):
        raise _wrong(*file, [*keys, "on" if entry.on else "off"], "expected both `on` and `off`")
    for key in ("on", "off"):
        try:
            bytes.fromhex(getattr(entry, key))
        except ValueError as error:
            what = 'expected bytes in hexadecimal, as in "A0 01 01 A2"'
            raise _wrong(*file, [*keys, key], what) from error


def _keys(where: str) -> list[str | int]:
    """``.lane[0].barrier.kind`` as a list."""
    return [
        int(index) if index else key for key, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", where)
    ]


_KINDS = {
    "reader": "scanner, keyboard, stdin, id_card",
    "barrier": "modbus_tcp, modbus_rtu, serial, none",
    "sensor": "modbus_tcp, modbus_rtu, lines",
}


def _plainly(what: str, keys: list[str | int]) -> str:
    device = next((key for key in reversed(keys) if key in _KINDS), None)
    if device is not None and (keys[-1] == "kind" or "`kind`" in what):
        return f"expected `kind`, one of {_KINDS[str(device)]}"
    if match := re.search(r"unknown field `(.+)`", what):
        keys.append(match[1])
        return "expected no such key; is it misspelt?"
    if match := re.search(r"missing required field `(.+)`", what):
        return f"expected `{match[1]}`, which is missing"
    return what[:1].lower() + what[1:]


def _wrong(name: str, text: str, keys: list[str | int], what: str) -> Wrong:
    line = line_of(text, keys)
    # Counted from 1, as people count.
    said = "".join(f" {key + 1}" if isinstance(key, int) else f" {key}" for key in keys).strip()
    place = f"line {line}, " if line else ""
    return Wrong(f"{name}, {place}{said or 'the file'}: {what}.")


def line_of(text: str, keys: list[str | int]) -> int | None:
    """The line on which a key stands, or the table that it should be in; counted from 1."""
    best: tuple[int, int | None] = (0, None)
    counts: dict[tuple[str | int, ...], int] = {}
    here: tuple[str | int, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[(\[?)\s*([\w.\s-]+?)\s*\]", line):
            here = _table(match[2], counts, repeated=bool(match[1]))
            found = here
        elif match := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
            found = (*here, match[1])
        else:
            continue
        depth = len(found)
        if found == tuple(keys[:depth]) and depth > best[0]:
            best = (depth, number)
    return best[1]


def _table(
    header: str, counts: dict[tuple[str | int, ...], int], *, repeated: bool
) -> tuple[str | int, ...]:
    """``lane.reader`` as the path of the entry that it begins or continues."""
    path: tuple[str | int, ...] = ()
    parts = [part.strip() for part in header.split(".")]
    for at, part in enumerate(parts):
        path = (*path, part)
        if repeated and at == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
