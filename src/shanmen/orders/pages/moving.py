"""What the pages of visitors and of staff share when tickets are moved: which, and where to."""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from shanmen.catalog.admission_hours import told
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.session import Session
from shanmen.inventory import queries as inventory
from shanmen.inventory.rules import (
    Availability,
    DayOffer,
    SlotOffer,
    SlotState,
    day_offer,
    slot_offers,
)
from shanmen.kit import clock
from shanmen.orders.pages.browse import span
from shanmen.orders.pages.further import named
from shanmen.orders.pages.order import OrderContents
from shanmen.orders.pages.window import Month, next_month
from shanmen.orders.rules import Line
from shanmen.web import i18n
from shanmen.web.forms import Form
from shanmen.web.i18n import Locale


@dataclass(frozen=True, slots=True)
class MoveWish:
    """Tickets to move, and what they need of a new slot."""

    lines: tuple[Line, ...]
    kinds: Mapping[UUID, TicketTypeInfo]

    @property
    def pool_id(self) -> UUID:
        """Where their visits begin."""
        return self.kinds[self.lines[0].ticket_type_id].draws[0].pool_id

    def fits(self, offer: SlotOffer) -> bool:
        """Whether all of them find room there, at no higher price, and it is another slot."""
        if any(line.slot_id == offer.slot.id for line in self.lines):
            return False
        places = 0
        for kind in self.kinds.values():
            lines = [line for line in self.lines if line.ticket_type_id == kind.id]
            here = offer.types.get(kind.id)
            if here is None or not here.bookable or here.left < len(lines):
                return False
            if any((here.price_fen or 0) > line.price_fen for line in lines):
                return False
            places += len(lines) * kind.draws[0].quantity
        return places <= offer.slot.left

    def left(self, offer: SlotOffer) -> int:
        """How many more tickets of each kind there is room for: a bundle also needs its ride."""
        return min((offer.types[kind].left for kind in self.kinds), default=0)

    def outside(self, offer: SlotOffer) -> list[TicketTypeInfo]:
        """The ticket types whose hours of admission leave out the slot."""
        return [
            kind
            for kind in self.kinds.values()
            if (here := offer.types.get(kind.id)) is not None
            and here.state is Availability.OUTSIDE_HOURS
        ]

    def pricier(self, offer: SlotOffer) -> bool:
        """Whether only the price speaks against it."""
        return any(
            (here := offer.types.get(line.ticket_type_id)) is not None
            and (here.price_fen or 0) > line.price_fen
            for line in self.lines
        )


def movable(contents: OrderContents) -> list[Line]:
    """The lines of tickets that may be moved now."""
    if contents.view.status != "issued":
        return []
    now = clock.now()
    unused = {
        t.ticket_id for t in contents.view.tickets if t.status == "valid" and not t.persons_entered
    }
    types = contents.file.catalog.types
    return [
        line
        for line in contents.file.lines
        if line.ticket_id in unused
        and (kind := types.get(line.ticket_type_id)) is not None
        and kind.draws
        and kind.reschedule.allowed(
            now=now, visit_starts=line.visit_starts, done=contents.file.generation
        )
    ]


def wish_of(contents: OrderContents, chosen: Collection[UUID]) -> MoveWish | None:
    """The tickets to move: those chosen, else all that begin where the first does."""
    lines = movable(contents)
    types = contents.file.catalog.types
    if chosen:
        lines = [line for line in lines if line.ticket_id in chosen]
    if not lines:
        return None
    pool = types[lines[0].ticket_type_id].draws[0].pool_id
    same = tuple(line for line in lines if types[line.ticket_type_id].draws[0].pool_id == pool)
    return MoveWish(same, {t: types[t] for t in {line.ticket_type_id for line in same}})


@dataclass(frozen=True, slots=True)
class MoveShop:
    """A month and a day as those who move find them."""

    month: Month
    offers: tuple[SlotOffer, ...]
    further: Mapping[UUID, tuple[SlotState, ...]]
    """By pool: the slots of the day in which a bundle's further visits can be."""
    pools: Mapping[UUID, dict[str, str]]
    """Names of the further pools."""

    def times_of(self, offer: SlotOffer, wish: MoveWish) -> list[SlotState]:
        """The further visits that go with a slot unless others are chosen."""
        companions = {s for kind in wish.kinds for s in offer.types[kind].companions}
        return [s for slots in self.further.values() for s in slots if s.id in companions]


async def read_move(
    session: Session, *, wish: MoveWish, contents: OrderContents, first: date, day: date, zone: str
) -> MoveShop:
    """The days of a month and the slots of a day for these tickets."""
    catalog = contents.file.catalog
    types = list(wish.kinds.values())
    now = clock.now()
    today = clock.local(now, zone).date()
    last = next_month(first) - date.resolution
    slots = await inventory.slots_between(
        session,
        pool_ids={draw.pool_id for kind in types for draw in kind.draws},
        first=max(min(first, day), today),
        last=max(last, day),
    )
    offers = [
        offer
        for offer in slot_offers(
            types,
            slots,
            price=catalog.price,
            admits=partial(catalog.admits, timezone=zone),
            today=today,
            now=now,
            channel=contents.view.channel,
        )
        if offer.slot.pool_id == wish.pool_id
    ]
    ahead = min(kind.days_ahead for kind in types)
    days: list[DayOffer] = []
    current = max(first, today)
    while current <= last:
        fitting = [o for o in offers if o.slot.day == current and wish.fits(o)]
        kind_of_day = catalog.day_kind(contents.view.site_id, current)
        found = day_offer(current, kind_of_day, fitting, today=today, days_ahead=ahead)
        days.append(replace(found, price_fen=None))
        current += date.resolution
    month = Month((), tuple(days), today + ahead * date.resolution)
    channel = contents.view.channel
    further: dict[UUID, tuple[SlotState, ...]] = {
        draw.pool_id: tuple(
            sorted(
                (
                    slot.seen_by(channel, now)
                    for slot in slots
                    if slot.pool_id == draw.pool_id
                    and slot.day == day
                    and slot.status == "open"
                    and slot.ends_at > now
                ),
                key=lambda slot: slot.starts_at,
            )
        )
        for kind in types
        for draw in kind.draws[1:]
    }
    names = await inventory.pools(session, site_id=contents.view.site_id) if further else []
    return MoveShop(
        month,
        tuple(o for o in offers if o.slot.day == day),
        further,
        {pool.id: pool.name for pool in names},
    )


def slot_rows(wish: MoveWish, shop: MoveShop, locale: Locale) -> list[dict[str, Any]]:
    """The day's slots, what else goes with them, and why some of them cannot be chosen."""
    rows = []
    for offer in shop.offers:
        slot = offer.slot
        times: list[SlotState] = []
        if wish.fits(offer):
            times = shop.times_of(offer, wish)
            state = "available"
            note = i18n.t(locale, "orders.visit.left", left=wish.left(offer))
        elif any(line.slot_id == slot.id for line in wish.lines):
            state, note = "closed", i18n.t(locale, "orders.move.present")
        elif outside := wish.outside(offer):
            # Of several kinds the first is enough to choose another time by.
            hours = told(outside[0].admission_hours, locale)
            state, note = "closed", i18n.t(locale, "orders.move.outside_hours", hours=hours)
        elif wish.pricier(offer):
            state, note = "closed", i18n.t(locale, "orders.move.pricier")
        else:
            state, note = "soldout", i18n.t(locale, "orders.move.no_room")
        rows.append(
            {
                "id": slot.id,
                "time": span(slot.starts, slot.ends, locale),
                "state": state,
                "note": note,
                "also": [_named_time(shop, other, locale) for other in times],
                "others": ".".join(str(other.id) for other in times),
            }
        )
    return rows


def _named_time(shop: MoveShop, slot: SlotState, locale: Locale) -> str:
    return named(shop.pools.get(slot.pool_id), span(slot.starts, slot.ends, locale), locale)


def other_rows(shop: MoveShop, locale: Locale) -> list[dict[str, Any]]:
    """For each further pool its name, and the slots to choose from."""
    return [
        {
            "name": i18n.localized(shop.pools.get(pool_id), locale),
            "options": [
                (
                    str(slot.id),
                    i18n.t(
                        locale,
                        "orders.visit.other_slot",
                        time=span(slot.starts, slot.ends, locale),
                        left=slot.left,
                    ),
                )
                for slot in slots
                if slot.left > 0
            ],
        }
        for pool_id, slots in shop.further.items()
    ]


def others_of(form: Form, slot_id: UUID) -> list[UUID]:
    """The further slots that were chosen, then those that the page said would go with the slot."""
    chosen, shown = form.get("other"), form.get("auto")
    texts = list(chosen.values()) if isinstance(chosen, Mapping) else []
    if isinstance(shown, Mapping):
        texts += str(shown.get(f"s{slot_id.hex}") or "").split(".")
    found = []
    for text in texts:
        with contextlib.suppress(ValueError):
            found.append(UUID(str(text)))
    return found
