"""The codes of an order's tickets, signed anew whenever they are shown; they are stored nowhere."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

from shanmen.kit import clock
from shanmen.kit.crypto import Keyring
from shanmen.orders.queries import OrderFile
from shanmen.orders.rules import Line
from shanmen.orders.schemas import OrderLineView
from shanmen.tickets import rotating, token
from shanmen.tickets.keys import signing_key

SHOWN: Final = frozenset({"valid", "used"})
"""States in which a ticket has a code: a used one is still asked for, to see when it was used."""
MOST_KEY_DAYS: Final = 31
"""How many days ahead a phone can make codes without having been online."""


@dataclass(frozen=True, slots=True)
class DayKey:
    """A ticket's key for one local day, from `begins` until `ends` in unix seconds."""

    begins: int
    ends: int
    key: bytes


@dataclass(frozen=True, slots=True)
class TicketCode:
    """What a ticket's QR code says, and what makes the part of it that changes."""

    ticket_id: UUID
    token: str
    rotating: bool
    second_factor: bool
    keys: tuple[DayKey, ...] = ()

    def text_at(self, now: datetime) -> str:
        """The whole text at a moment; the token alone where no key speaks of it."""
        step = rotating.step_at(now)
        for day in self.keys:
            if day.begins <= step * rotating.STEP_SECONDS < day.ends:
                return self.token + rotating.tail(day.key, step)
        return self.token


def ticket_codes(
    keyring: Keyring, file: OrderFile, *, site_number: int, timezone: str
) -> dict[UUID, TicketCode]:
    """The codes of all tickets of an issued order that were not given back."""
    lines = {line.ticket_id: line for line in file.lines}
    return {
        shown.ticket_id: _code(
            keyring,
            shown,
            lines[shown.ticket_id],
            type_number=file.catalog.types[shown.ticket_type_id].number,
            site_number=site_number,
            timezone=timezone,
        )
        for shown in file.view.tickets
        if shown.status in SHOWN
    }


def _code(
    keyring: Keyring,
    shown: OrderLineView,
    line: Line,
    *,
    type_number: int,
    site_number: int,
    timezone: str,
) -> TicketCode:
    key_id, key = signing_key(keyring)
    body = token.TicketBody.of_ticket(
        key_id=key_id,
        site_number=site_number,
        ticket_id=line.ticket_id,
        generation=shown.generation,
        ticket_type_number=type_number,
        party_size=line.party_size,
        entries=line.entries,
        valid_from=line.valid_from,
        valid_until=line.valid_until,
        zones=line.zones,
        flags=line.flags,
    )
    return TicketCode(
        line.ticket_id,
        token.issue(body, key),
        body.rotating,
        body.second_factor,
        _day_keys(keyring, body, timezone) if body.rotating else (),
    )


def _day_keys(keyring: Keyring, body: token.TicketBody, timezone: str) -> tuple[DayKey, ...]:
    # What is over needs no key any more, so an annual pass has those of the days to come.
    day = max(clock.local(body.valid_from, timezone).date(), clock.today(timezone))
    last = clock.local(body.valid_until, timezone).date()
    found: list[DayKey] = []
    while day <= last and len(found) < MOST_KEY_DAYS:
        following = day + timedelta(days=1)
        found.append(
            DayKey(
                int(clock.to_utc(day, time(), timezone).timestamp()),
                int(clock.to_utc(following, time(), timezone).timestamp()),
                rotating.ticket_key(
                    rotating.day_key(keyring, site_number=body.site_number, day=day),
                    ticket_id=body.ticket_id,
                    generation=body.generation,
                ),
            )
        )
        day = following
    return tuple(found)
