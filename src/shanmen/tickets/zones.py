"""The zones that a ticket opens: bit *n* of a number stands for the site's zone number *n*.

A ticket's entries count in each zone by itself: who has come in at the main gate has not yet taken
the cableway that the same ticket is for.
"""

from typing import Final

SEVERAL: Final = "t.zones & (t.zones - 1) <> 0"
"""`several` in SQL, of a ticket called t."""


def several(zones: int) -> bool:
    """Whether it is more than one zone."""
    return zones & (zones - 1) != 0


def persons_in_all(*, party_size: int, entries: int, zones: int) -> int | None:
    """Admissions of persons over all zones of a ticket; None is without limit."""
    return party_size * entries * max(zones.bit_count(), 1) if entries else None
