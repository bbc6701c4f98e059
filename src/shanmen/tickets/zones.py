"""The zones that a ticket opens: bit *n* of a number stands for the site's zone number *n*.

A ticket's entries count in each zone by itself: who has come in at the main gate has not yet taken
the cableway that the same ticket is for. It may have a time of its own there: a place on the
cableway at half past ten is sold for half past ten.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

SEVERAL: Final = "t.zones & (t.zones - 1) <> 0"
"""`several` in SQL, of a ticket called t."""

_DAY = timedelta(days=1)


class ZoneWindow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When a ticket admits in one of its zones, where that is not when the visit is."""

    zone: int
    starts: datetime
    ends: datetime


def several(zones: int) -> bool:
    """Whether it is more than one zone."""
    return zones & (zones - 1) != 0


def persons_in_all(*, party_size: int, entries: int, zones: int) -> int | None:
    """Admissions of persons over all zones of a ticket; None is without limit."""
    return party_size * entries * max(zones.bit_count(), 1) if entries else None


def days_of(valid_from: datetime, valid_until: datetime) -> int:
    """On how many days a ticket is valid, from its visit's start to the end on the last day."""
    return -((valid_from - valid_until) // _DAY)


def window_at(
    windows: Sequence[ZoneWindow],
    zone: int,
    at: datetime,
    *,
    days: int = 1,
    late: timedelta = timedelta(),
) -> ZoneWindow | None:
    """The window of a zone to go by at a moment: the first that is not over, else the last.

    A ticket of several days has its windows on each of them.

    Args:
        windows: of the ticket, on its first day.
        zone: where it is shown; None is returned where it has no window of its own.
        at: the moment.
        days: on how many days the ticket is valid.
        late: so long after its end a window is not over yet.
    """
    found = []
    for window in windows:
        if window.zone == zone:
            first = (at - late - window.ends) // _DAY + 1
            later = min(max(first, 0), days - 1) * _DAY
            found.append(ZoneWindow(zone, window.starts + later, window.ends + later))
    if not found:
        return None
    coming = [window for window in found if at < window.ends + late]
    if coming:
        return min(coming, key=lambda window: window.starts)
    return max(found, key=lambda window: window.ends)


def windows_text(windows: Sequence[ZoneWindow]) -> str | None:
    """Windows as the ticket's row keeps them, in JSON; None for none, as nearly all have."""
    return _encode(windows).decode() if windows else None


def windows_from(text: str | None) -> tuple[ZoneWindow, ...]:
    """The windows that a ticket's row keeps."""
    return () if text is None else _decode(text)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[ZoneWindow, ...]).decode
