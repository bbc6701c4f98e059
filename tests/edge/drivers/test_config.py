"""`lanes.toml`: what it means, and what is said where it is wrong."""

from pathlib import Path

import pytest

from shanmen.edge.drivers import config
from shanmen.edge.drivers.build import build
from shanmen.edge.drivers.config import Wrong
from shanmen.edge.drivers.idcard import CardReader
from shanmen.edge.drivers.keyboard import Keyboard
from shanmen.edge.drivers.relay import Relay
from shanmen.edge.drivers.scanner import Scanner
from shanmen.edge.drivers.sensor import InputSensor, LineSensor

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"

WHOLE = """
[page]
host = "0.0.0.0"

[[lane]]
number = 1

[[lane.reader]]
kind = "scanner"
address = "/dev/ttyACM0"

[[lane.reader]]
kind = "id_card"
address = "/dev/ttyUSB0"

[lane.barrier]
kind = "modbus_tcp"
address = "192.168.1.50:502"
coil = 0

[lane.sensor]
kind = "modbus_tcp"
address = "192.168.1.50:502"
input = 0

[[lane]]
number = 2
person_ms = 1000

[[lane.reader]]
kind = "keyboard"
path = "/dev/input/by-id/usb-scanner-event-kbd"

[lane.barrier]
kind = "serial"
address = "/dev/ttyUSB1"
channel = 2

[lane.sensor]
kind = "lines"
address = "[fe80::1]:9000"
"""


def test_a_whole_file_is_built():
    file = config.parse(WHOLE)
    devices = build(file.lane)
    first, second = devices.lanes
    assert [type(reader) for reader in first.readers] == [Scanner, CardReader]
    assert [type(reader) for reader in second.readers] == [Keyboard]
    assert isinstance(first.barrier, Relay)
    assert isinstance(first.sensor, InputSensor)
    assert isinstance(second.sensor, LineSensor)
    assert len(devices.buses) == 1, "one board has one connection"
    assert second.person_seconds == 1
    assert (file.page.host, file.page.port) == ("0.0.0.0", 8788)  # noqa: S104 - what is written


def test_no_file_has_no_devices(tmp_path):
    assert config.load(tmp_path / "lanes.toml") == config.LanesFile()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("number = 2", 'number = "2"', "line 27, lane 2 number: expected `int`, got `str`."),
        ("number = 2", "number = 1", "lane 2 number: expected each lane once; 1 is there twice."),
        (
            'kind = "id_card"',
            'kind = "idcard"',
            (
                "lanes.toml, line 13, lane 1 reader 2 kind: expected `kind`, one of "
                "scanner, keyboard, stdin, id_card."
            ),
        ),
        ("coil = 0", "", "line 16, lane 1 barrier: expected `coil`, which is missing."),
        ("coil = 0", "coil = 70000", "line 19, lane 1 barrier coil: expected `int` <= 65535."),
        ("coil = 0", "coil = 0\nbuad = 1", "line 20, lane 1 barrier buad: expected no such key"),
        ("person_ms = 1000", "person_ms = true", "lane 2 person_ms: expected `int`, got `bool`."),
        (
            '"/dev/ttyACM0"',
            '"COM3"',
            'line 10, lane 1 reader 1 address: expected "/dev/…" of a serial port, or "host:port".',
        ),
        ('"/dev/ttyACM0"', '"host:99999"', "reader 1 address: expected"),
        (
            '"/dev/ttyACM0"',
            '"/dev/ttyACM0"\nbaud = 12345',
            "line 11, lane 1 reader 1 baud: expected one of 1200,",
        ),
        ("channel = 2", 'on = "A0"', "line 37, lane 2 barrier on: expected both `on` and `off`."),
        ("channel = 2", 'on = "xx"\noff = "00"', "barrier on: expected bytes in hexadecimal, as"),
        (
            'path = "/dev/input/by-id/usb-scanner-event-kbd"',
            'path = "/dev/ttyACM0"',
            "line 32, lane 2 reader 1 path: expected a device of its own for each reader",
        ),
        ("[page]", "[page", "lanes.toml: Expected"),
        ('"/dev/ttyUSB1"', '"/dev/ttyUSB0"', "line 36, lane 2 barrier address: expected the same"),
    ],
)
def test_each_error_names_the_line_and_what_is_expected(old, new, said):
    assert old in WHOLE
    with pytest.raises(Wrong) as caught:
        config.parse(WHOLE.replace(old, new, 1))
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["gate-hardware.md", "gate-hardware.zh-CN.md"])
def test_the_example_in_the_guide_is_right(name):
    text = (HOW_TO / name).read_text(encoding="utf-8")
    examples = text.split("```toml\n")[1:]
    assert examples
    for example in examples:
        file = config.parse(example.partition("```")[0])
        assert len(build(file.lane).lanes) == len(file.lane)
