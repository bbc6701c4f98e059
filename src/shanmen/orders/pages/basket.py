"""What a visitor has chosen so far. It travels in addresses and forms; the server keeps nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from shanmen.catalog.rules import TicketTypeInfo
from shanmen.inventory.errors import SlotNotFound, SoldOut
from shanmen.inventory.rules import Availability, SlotState
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import (
    NothingChosen,
    NotOnSale,
    SlotNotChosen,
    TooEarly,
    TooLate,
    TooManyTickets,
    WrongNumberOfTickets,
)
from shanmen.orders.pages.window import DayShop
from shanmen.orders.schemas import MAX_TICKETS
from shanmen.orders.service.hours import outside_hours
from shanmen.web.forms import Form

MOST_TYPED: Final = 999


@dataclass(frozen=True, slots=True)
class Wanted:
    """One ticket type in the basket."""

    kind: TicketTypeInfo
    count: int
    price_fen: int

    @property
    def amount_fen(self) -> int:
        """What all of them cost."""
        return self.price_fen * self.count


@dataclass(frozen=True, slots=True)
class Chosen:
    """Tickets of one type with their time."""

    wanted: Wanted
    slot: SlotState
    others: tuple[UUID, ...]
    """Slots of a bundle's further pools; empty: the first that fits."""


@dataclass(frozen=True, slots=True)
class Basket:
    """A day, the slots chosen on it, and how many tickets of each type.

    Ticket types go by their number within the site (``qty-n3``), because a form's names are read as
    a tree and an id is too long for an address.
    """

    day: date
    slot_ids: tuple[UUID, ...]
    counts: Mapping[int, int]
    others: Mapping[int, tuple[UUID, ...]]

    @classmethod
    def read(cls, form: Form, day: date) -> "Basket":
        """What a form or an address says; whatever cannot be read counts as not chosen."""
        counts = {
            number: count
            for number, value in _numbered(form.get("qty"))
            if (count := _count(value)) > 0
        }
        others = {
            number: tuple(_ids(list(value.values())))
            for number, value in _numbered(form.get("other"))
            if isinstance(value, Mapping)
        }
        slots = form.get("slot")
        return cls(
            day, tuple(_ids(slots.values() if isinstance(slots, Mapping) else [slots])), counts,
            {number: ids for number, ids in others.items() if ids},
        )  # fmt: skip

    def fields(self) -> list[tuple[str, str]]:
        """The same as names and values of hidden fields, or of an address."""
        pairs = [("day", self.day.isoformat())]
        pairs += [(f"slot-s{n}", str(slot)) for n, slot in enumerate(self.slot_ids)]
        pairs += [(f"qty-n{number}", str(count)) for number, count in sorted(self.counts.items())]
        pairs += [
            (f"other-n{number}-p{n}", str(slot))
            for number, slots in sorted(self.others.items())
            for n, slot in enumerate(slots)
        ]
        return pairs

    @property
    def query(self) -> str:
        """As the query of an address."""
        return urlencode(self.fields())

    def wanted(self, shop: DayShop) -> list[Wanted]:
        """The tickets in the operator's order, whatever their time.

        Raises:
            DomainError: the first thing that cannot be bought like this, at its field.
        """
        total = sum(self.counts.values())
        if not total:
            raise NothingChosen
        if total > MAX_TICKETS:
            raise TooManyTickets(most=MAX_TICKETS)
        by_number = {kind.number: kind for kind in shop.types}
        if set(self.counts) - set(by_number):
            raise NotOnSale
        found = []
        for kind in shop.types:
            count = self.counts.get(kind.number, 0)
            if not count:
                continue
            field = f"qty.n{kind.number}"
            most = min(kind.max_per_order, kind.limits.per_order or kind.max_per_order)
            if not kind.min_per_order <= count <= most:
                raise WrongNumberOfTickets(field=field, least=kind.min_per_order, most=most)
            price = shop.price(kind)
            if price is None or not kind.draws:
                raise NotOnSale(field=field)
            found.append(Wanted(kind, count, price))
        return found

    def chosen(self, shop: DayShop, wanted: Sequence[Wanted]) -> list[Chosen]:
        """The same tickets with their slots; raises what keeps them from being bought now."""
        slots = [shop.slots[slot_id] for slot_id in self.slot_ids if slot_id in shop.slots]
        found = [self._one(shop, one, slots) for one in wanted]
        self._check_room(found)
        return found

    def _one(self, shop: DayShop, wanted: Wanted, slots: list[SlotState]) -> Chosen:
        kind = wanted.kind
        slot = next((s for s in slots if s.pool_id == kind.draws[0].pool_id), None)
        if slot is None:
            raise SlotNotChosen(field="slot")
        offer = shop.offer(slot.id)
        here = offer.types.get(kind.id) if offer else None
        if here is None:
            raise SlotNotFound(field="slot")
        if refusal := _refusal(here.state, kind):
            raise refusal
        others = self._others_of(shop, kind)
        if here.left < wanted.count and not others:
            raise SoldOut(field="slot", left=here.left)
        return Chosen(wanted, slot, others)

    def _others_of(self, shop: DayShop, kind: TicketTypeInfo) -> tuple[UUID, ...]:
        """The slots chosen for a bundle's further pools; none unless there is one for each."""
        wanted = self.others.get(kind.number, ())
        if len(wanted) != len(kind.draws) - 1:
            return ()
        for slot_id, draw in zip(wanted, kind.draws[1:], strict=True):
            slot = shop.slots.get(slot_id)
            if slot is None or slot.pool_id != draw.pool_id:
                raise SlotNotFound(field=f"other.n{kind.number}")
        return wanted

    @staticmethod
    def _check_room(found: list[Chosen]) -> None:
        """Several types share a slot: together they must fit in it."""
        need: dict[UUID, int] = {}
        for one in found:
            wanted = one.wanted
            places = need.get(one.slot.id, 0) + wanted.count * wanted.kind.draws[0].quantity
            need[one.slot.id] = places
            if places > one.slot.left:
                raise SoldOut(field="slot", left=max(one.slot.left, 0))


def _refusal(state: Availability, kind: TicketTypeInfo) -> DomainError | None:
    if state is Availability.SOLD_OUT:
        return SoldOut(field="slot", left=0)
    if state is Availability.NOT_YET:
        return TooEarly(field="slot", days_ahead=kind.days_ahead)
    if state is Availability.OVER:
        return TooLate(field="slot")
    if state is Availability.OUTSIDE_HOURS:
        return outside_hours(kind, path="slot")
    if state is Availability.CLOSED:
        return NotOnSale(field=f"qty.n{kind.number}")
    return None


def _numbered(node: object) -> Iterator[tuple[int, Any]]:
    """The entries ``n3``, ``n12`` of a form's mapping, by number."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key[:1] == "n" and key[1:].isdecimal() and len(key) <= 6:  # noqa: PLR2004 - n65535
                yield int(key[1:]), value


def _count(value: object) -> int:
    text = str(value).strip()
    return min(int(text), MOST_TYPED) if text.isascii() and text.isdecimal() else 0


def _ids(values: Any) -> Iterator[UUID]:  # noqa: ANN401 - whatever was sent
    for value in values:
        try:
            yield UUID(str(value))
        except ValueError:
            continue
