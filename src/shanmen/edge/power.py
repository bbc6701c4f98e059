"""What the machine says of its battery: `/sys/class/power_supply` of Linux."""

from dataclasses import dataclass
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")


@dataclass(frozen=True, slots=True)
class Power:
    """How long the machine may go on."""

    battery_percent: int | None = None
    on_mains: bool | None = None


def read_power(folder: Path = SUPPLIES) -> Power:
    """The battery's charge and whether the mains is there; None for what the machine lacks."""
    charges, mains = [], []
    for supply in sorted(folder.glob("*")):
        kind = _read(supply / "type")
        if kind == "Battery" and (charge := _read(supply / "capacity")).isdigit():
            charges.append(int(charge))
        elif kind in {"Mains", "USB"} and (online := _read(supply / "online")).isdigit():
            mains.append(online != "0")
    return Power(min(charges, default=None), any(mains) if mains else None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
