"""What can be bought: a month of days, and one day with its slots and tickets.

The month is remembered for two seconds, because many look at it and it takes a thousand figures to
make; the figures of a day are read anew for every page.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.session import Session
from shanmen.inventory import queries as inventory
from shanmen.inventory.rules import Availability, DayOffer, SlotOffer, SlotState, slot_offers
from shanmen.kit import clock
from shanmen.orders.pages.common import CHANNEL

MONTH_SECONDS: Final = 2.0
SOON_OVER_DAYS: Final = 14
"""With so few days of the month left, the next month is shown too."""

SLOT_STATES: Final = {
    Availability.OPEN: "available",
    Availability.NEARLY_FULL: "few",
    Availability.SOLD_OUT: "soldout",
    Availability.CLOSED: "closed",
    Availability.NOT_YET: "notyet",
    Availability.OVER: "past",
}
"""Availability in the words of the web kit."""


@dataclass(frozen=True, slots=True)
class OnSale:
    """A ticket type as the site's first page lists it."""

    kind: TicketTypeInfo
    from_fen: int | None
    """The lowest price of the days ahead."""


@dataclass(frozen=True, slots=True)
class Month:
    """What is on sale, and the days of one month from today on."""

    types: tuple[OnSale, ...]
    days: tuple[DayOffer, ...]
    last_day: date
    """The last day that any ticket is on sale for."""


async def read_month(session: Session, *, site_id: UUID, first: date, timezone: str) -> Month:
    """The month that begins on `first`, from today on."""
    catalog = await current_catalog(session)
    types = catalog.of_site(site_id, channel=CHANNEL)
    now = clock.now()
    today = clock.local(now, timezone).date()
    last = next_month(first) - timedelta(days=1)
    begin = max(first, today)
    days: list[DayOffer] = []
    if begin <= last:
        days = await inventory.month_availability(
            session,
            site_id=site_id,
            ticket_type_ids=_telling(catalog, types, begin),
            first=begin,
            last=last,
            now=now,
            channel=CHANNEL,
        )
    return Month(
        tuple(OnSale(kind, _lowest(catalog, kind, today)) for kind in types),
        tuple(days),
        today + timedelta(days=max((kind.days_ahead for kind in types), default=0)),
    )


def _telling(catalog: Catalog, types: list[TicketTypeInfo], day: date) -> list[UUID]:
    """The types that the calendar shows prices of: a free ticket for infants tells nobody much."""
    paid = [kind.id for kind in types if catalog.price(kind, day) != 0]
    return paid or [kind.id for kind in types]


def _lowest(catalog: Catalog, kind: TicketTypeInfo, today: date) -> int | None:
    ahead = (today + timedelta(days=n) for n in range(min(kind.days_ahead, 60) + 1))
    prices = [price for day in ahead if (price := catalog.price(kind, day)) is not None]
    return min(prices, default=None)


def next_month(first: date) -> date:
    """The first day of the month after the one that begins on `first`."""
    return (first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Group:
    """Tickets whose visit begins in the same pool, and its slots."""

    pool_id: UUID
    offers: tuple[SlotOffer, ...]
    types: tuple[TicketTypeInfo, ...]


@dataclass(frozen=True, slots=True)
class DayShop:
    """One day: slots, prices, and what is left."""

    day: date
    today: date
    now: datetime
    catalog: Catalog
    types: tuple[TicketTypeInfo, ...]
    offers: tuple[SlotOffer, ...]
    slots: dict[UUID, SlotState]

    def price(self, kind: TicketTypeInfo) -> int | None:
        """What a ticket costs on this day, in fen."""
        return self.catalog.price(kind, self.day)

    def offer(self, slot_id: UUID | None) -> SlotOffer | None:
        """A slot in which visits begin."""
        return next((offer for offer in self.offers if offer.slot.id == slot_id), None)

    def of_pool(self, pool_id: UUID) -> list[SlotState]:
        """The day's open slots of a pool that are not over, in order of time."""
        return sorted(
            (
                slot
                for slot in self.slots.values()
                if slot.pool_id == pool_id and slot.status == "open" and slot.ends_at > self.now
            ),
            key=lambda slot: slot.starts_at,
        )

    @property
    def groups(self) -> list[Group]:
        """The tickets by the pool that their visit begins in; those that cost nothing known go."""
        offers: dict[UUID, list[SlotOffer]] = defaultdict(list)
        for offer in self.offers:
            offers[offer.slot.pool_id].append(offer)
        types: dict[UUID, list[TicketTypeInfo]] = defaultdict(list)
        for kind in self.types:
            if kind.draws and self.price(kind) is not None:
                types[kind.draws[0].pool_id].append(kind)
        return [
            Group(pool_id, tuple(offers[pool_id]), tuple(kinds))
            for pool_id, kinds in types.items()
            if offers[pool_id]
        ]


async def read_day(session: Session, *, site_id: UUID, day: date, timezone: str) -> DayShop:
    """One day as it stands now."""
    catalog = await current_catalog(session)
    types = catalog.of_site(site_id, channel=CHANNEL)
    now = clock.now()
    today = clock.local(now, timezone).date()
    slots = await inventory.slots_between(
        session, pool_ids={d.pool_id for kind in types for d in kind.draws}, first=day, last=day
    )
    slots = [slot.seen_by(CHANNEL, now) for slot in slots]
    offers = slot_offers(
        types,
        slots,
        price=catalog.price,
        admits=partial(catalog.admits, timezone=timezone),
        today=today,
        now=now,
    )
    return DayShop(
        day, today, now, catalog, tuple(types), tuple(offers), {slot.id: slot for slot in slots}
    )
