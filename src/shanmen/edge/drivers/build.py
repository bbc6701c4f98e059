"""Devices as `lanes.toml` describes them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shanmen.edge.drivers import config
from shanmen.edge.drivers.base import Barrier, Device, NoBarrier
from shanmen.edge.drivers.idcard import CardReader
from shanmen.edge.drivers.keyboard import Keyboard
from shanmen.edge.drivers.modbus import Bus
from shanmen.edge.drivers.relay import Coil, Relay, SerialContact
from shanmen.edge.drivers.scanner import Scanner, StandardInput
from shanmen.edge.drivers.sensor import InputSensor, LineSensor

Modbus = (
    config.ModbusRelay | config.ModbusSerialRelay | config.ModbusInput | config.ModbusSerialInput
)
FindBus = Callable[[Modbus], Bus]


@dataclass
class LaneDevices:
    """What one lane has."""

    number: int
    readers: list[Device] = field(default_factory=list)
    barrier: Barrier = field(default_factory=lambda: NoBarrier("barrier"))
    sensor: Device | None = None
    person_seconds: float = 2.5


@dataclass
class Devices:
    """What an entrance has; boards that several lanes use are there once."""

    lanes: list[LaneDevices]
    buses: list[Bus] = field(default_factory=list)

    async def close(self) -> None:
        """Let go of barriers and boards."""
        for lane in self.lanes:
            await lane.barrier.close()
        for bus in self.buses:
            await bus.close()


def build(lanes: Iterable[config.LaneEntry]) -> Devices:
    """Make the devices; nothing is opened before it is used."""
    buses: dict[object, Bus] = {}

    def bus(entry: Modbus) -> Bus:
        rtu = isinstance(entry, config.ModbusSerialRelay | config.ModbusSerialInput)
        address = config.address_of(entry)
        if (address, rtu) not in buses:
            buses[address, rtu] = Bus(address, rtu=rtu)
        return buses[address, rtu]

    made = [
        LaneDevices(
            number=lane.number,
            readers=[_reader(entry, index) for index, entry in enumerate(lane.reader, 1)],
            barrier=_barrier(lane.barrier, bus),
            sensor=_sensor(lane.sensor, bus),
            person_seconds=lane.person_ms / 1000,
        )
        for lane in lanes
    ]
    return Devices(made, list(buses.values()))


def _reader(entry: config.Reader, index: int) -> Device:
    match entry:
        case config.ScannerEntry():
            name = entry.name or f"scanner {index}"
            return Scanner(name, config.address_of(entry), end=entry.end)
        case config.KeyboardEntry():
            return Keyboard(entry.name or f"keyboard {index}", entry.path, grab=entry.grab)
        case config.StdinEntry():
            return StandardInput(entry.name or "terminal")
        case config.CardEntry():
            name = entry.name or f"card reader {index}"
            return CardReader(name, config.address_of(entry), poll_ms=entry.poll_ms)


def _barrier(entry: config.BarrierEntry, bus: FindBus) -> Barrier:
    match entry:
        case config.ModbusRelay() | config.ModbusSerialRelay():
            coil = Coil(bus(entry), unit=entry.unit, coil=entry.coil)
            return Relay("barrier", coil, pulse_ms=entry.pulse_ms)
        case config.SimpleRelay():
            contact = SerialContact(
                config.address_of(entry),
                channel=entry.channel,
                on=bytes.fromhex(entry.on) or None,
                off=bytes.fromhex(entry.off) or None,
            )
            return Relay("barrier", contact, pulse_ms=entry.pulse_ms)
        case config.NoRelay():
            return NoBarrier("barrier")


def _sensor(entry: config.SensorEntry | None, bus: FindBus) -> Device | None:
    match entry:
        case None:
            return None
        case config.CounterEntry():
            return LineSensor("sensor", config.address_of(entry))
        case config.ModbusInput() | config.ModbusSerialInput():
            return InputSensor(
                "sensor",
                bus(entry),
                unit=entry.unit,
                address=entry.input,
                poll_ms=entry.poll_ms,
                active_low=entry.active_low,
            )
