"""What was sold in a slot, as the orders tell it: asked where a counter begins after sales did.

Orders stand above the stock, so they cannot be read from here: whoever puts the product together
says who tells.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shanmen.db.session import Session


@dataclass(frozen=True, slots=True)
class Sold:
    """Places of one slot that tickets of one type have, sold by one channel."""

    slot_id: UUID
    ticket_type_id: UUID
    channel: str
    held: int
    sold: int


Teller = Callable[[Session, Mapping[UUID, date]], Awaitable[list[Sold]]]
"""Counts the places that are taken in slots, which come with their days."""

_tellers: list[Teller] = []


def install_teller(teller: Teller) -> None:
    """Say who knows what was sold; once per process."""
    _tellers[:] = [teller]


async def sold_in(session: Session, slots: Mapping[UUID, date]) -> list[Sold]:
    """The places that are taken in slots whose counters the caller has locked.

    Raises:
        LookupError: nobody said who knows: a mistake in the wiring.
    """
    if not slots:
        return []
    if not _tellers:
        raise LookupError("Nobody tells what was sold: see wiring.py.")
    return await _tellers[0](session, slots)
