"""Who orders what for a day, and what becomes of it: decided from a seed, before anything is sold.

The plan of a day is the same in every run, so a run that was interrupted goes on with the orders
that are missing. What the services make of it (a slot may be full by then) is known afterwards.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shanmen.demo import demand
from shanmen.demo.people import SURNAMES, Person, person, phone
from shanmen.inventory.rules import SlotState
from shanmen.kit import clock

Key = tuple[date, int]
"""The visit's day, and the order's number among those of the day."""


class Fate(StrEnum):
    """What becomes of an order before the visit."""

    PAID = "paid"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A party: its weight among others, and how many tickets of which kinds it buys."""

    weight: float
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Model:
    """What a park's visitors buy, where each kind begins, and who is named on it."""

    recipes: Sequence[Recipe]
    pool_of: Mapping[str, str]
    """Kind to the key of the pool in which its visit begins."""
    ride_of: Mapping[str, str] = field(default_factory=dict)
    """Kind to the key of a bundle's other pool."""
    show: str = ""
    """Kind that some parties add."""
    show_share: float = 0.0
    slot_weights: Mapping[str, Sequence[float]] = field(default_factory=dict)


PEOPLE = {"family": ("adult", "adult", "child"), "bundle": ("adult",), "cableway": ("adult",)}
"""The persons of a ticket by kind, where they are not one of the kind's own name."""

CHANNELS = (("web", 60), ("window", 22), ("meituan", 10), ("ctrip", 8))
REGULARS = 4000
"""People from nearby who come several times a year."""
REGULAR_SHARE = 0.09


@dataclass(frozen=True, slots=True)
class PlannedTicket:
    """A ticket of a planned order."""

    kind: str
    people: tuple[Person, ...]
    slot: SlotState
    ride: SlotState | None = None


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order with all that will happen to it. Instants are UTC."""

    key: Key
    created: datetime
    channel: str
    phone: str
    locale: str
    tickets: tuple[PlannedTicket, ...]
    fate: Fate
    refund_at: datetime | None = None
    move: tuple[datetime, UUID] | None = None
    """When the visit is moved, and to which slot."""
    no_show: bool = False

    @property
    def day(self) -> date:
        """The day of the visit."""
        return self.key[0]


class Places:
    """The places of some days, as far as a plan has given them away."""

    def __init__(self, slots: Sequence[SlotState], pools: Mapping[UUID, str]) -> None:
        self.by_pool: dict[tuple[str, date], list[SlotState]] = {}
        for slot in sorted(slots, key=lambda s: s.starts_at):
            self.by_pool.setdefault((pools[slot.pool_id], slot.day), []).append(slot)
        self.left = {slot.id: slot.capacity for slot in slots}

    def take(
        self,
        dice: random.Random,
        pool: str,
        day: date,
        places: int,
        *,
        weights: Sequence[float] = (),
        after: datetime,
        starts_after: datetime | None = None,
    ) -> SlotState | None:
        """A slot with room that ends later than `after`, by the weights; None if all are full."""
        found = [
            (slot, weights[n] if n < len(weights) else 1.0)
            for n, slot in enumerate(self.by_pool.get((pool, day), ()))
            if self.left[slot.id] >= places
            and slot.ends_at > after
            and (starts_after is None or slot.starts_at >= starts_after)
        ]
        if not found:
            return None
        slot = found[demand.choose(dice, [weight for _, weight in found])][0]
        self.left[slot.id] -= places
        return slot


class Planner:
    """Plans orders for the days of one park.

    Args:
        seed: of the whole history.
        model: what the park's visitors buy.
        places: the slots of all days that are planned.
        timezone: of the park.
    """

    def __init__(self, seed: int, model: Model, places: Places, timezone: str) -> None:
        self.seed = seed
        self.model = model
        self.places = places
        self.timezone = timezone
        self._weights = [recipe.weight for recipe in model.recipes]

    def day(self, day: date, count: int) -> list[PlannedOrder]:
        """So many orders for a day, fewer when it is sold out."""
        dice = random.Random(f"day {self.seed} {day}")  # noqa: S311 - a replay
        orders = []
        for number in range(count):
            own = random.Random(dice.getrandbits(64))  # noqa: S311 - a replay
            order = self._order(own, (day, number))
            if order is not None:
                orders.append(order)
        return orders

    def _order(self, dice: random.Random, key: Key) -> PlannedOrder | None:
        day = key[0]
        ahead = demand.lead(dice, day)
        bought = day - timedelta(days=ahead)
        hours = demand.BUYING_HOURS if ahead else demand.SAME_DAY_HOURS
        created = clock.to_utc(bought, _MIDNIGHT, self.timezone) + timedelta(
            seconds=demand.seconds_of_day(dice, hours)
        )
        regular = dice.random() < REGULAR_SHARE
        buyer = dice.randrange(REGULARS) if regular else dice.getrandbits(47) + REGULARS
        kinds = self.model.recipes[demand.choose(dice, self._weights)].kinds
        tickets = self._tickets(dice, kinds, day, created, buyer)
        if tickets is None:
            return None
        channel = CHANNELS[demand.choose(dice, [share for _, share in CHANNELS])][0]
        if channel == "window" and ahead:
            channel = "web"
        fate = _fate(dice, channel)
        changes = _change(dice, fate, created, tickets[0].slot.starts_at)
        return PlannedOrder(
            key=key,
            created=created,
            channel=channel,
            phone=phone(buyer),
            locale="en" if tickets[0].people[0].name.isascii() else "zh-CN",
            tickets=tickets,
            fate=fate,
            refund_at=changes[0],
            move=self._move(dice, changes[1], tickets),
            no_show=dice.random() < (0.05 if ahead else 0.02),
        )

    def _move(
        self, dice: random.Random, at: datetime | None, tickets: Sequence[PlannedTicket]
    ) -> tuple[datetime, UUID] | None:
        """Another time of the same day, or of the next."""
        visit = tickets[0].slot
        if at is None or any(ticket.slot is not visit for ticket in tickets):
            return None
        day = visit.day + timedelta(days=dice.randrange(2))
        places = sum(len(ticket.people) for ticket in tickets)
        pool = self.model.pool_of[tickets[0].kind]
        slot = self.places.take(dice, pool, day, places, after=at + timedelta(hours=1))
        return None if slot is None or slot is visit else (at, slot.id)

    def _tickets(
        self,
        dice: random.Random,
        kinds: Mapping[str, int],
        day: date,
        created: datetime,
        buyer: int,
    ) -> tuple[PlannedTicket, ...] | None:
        """The party's tickets, all of them in the same slot; None when there is no room."""
        model = self.model
        soon = created + timedelta(minutes=45)
        slots: dict[str, SlotState] = {}
        for pool in sorted({model.pool_of[kind] for kind in kinds}):
            need = sum(n * len(_audiences(k)) for k, n in kinds.items() if model.pool_of[k] == pool)
            weights = model.slot_weights.get(pool, ())
            slot = self.places.take(dice, pool, day, need, weights=weights, after=soon)
            if slot is None:
                return None
            slots[pool] = slot
        tickets: list[PlannedTicket] = []
        seen = 0
        surname = dice.choice(SURNAMES[:40]) if "family" in kinds or "child" in kinds else ""
        for kind, count in kinds.items():
            slot = slots[model.pool_of[kind]]
            ride = None
            if kind in model.ride_of:
                ride = self._ride(dice, model.ride_of[kind], slot, count, soon)
                if ride is None:
                    return None
            for _ in range(count):
                people = []
                for audience in _audiences(kind):
                    own = surname if audience == "child" or seen == 0 else ""
                    people.append(person((buyer << 5) + seen, audience, day, surname=own))
                    seen += 1
                tickets.append(PlannedTicket(kind, tuple(people), slot, ride))
        return (*tickets, *self._show(dice, tickets, day, soon))

    def _ride(
        self, dice: random.Random, pool: str, visit: SlotState, count: int, soon: datetime
    ) -> SlotState | None:
        """A ride after the party has come in."""
        begin = visit.starts_at + timedelta(minutes=30)
        return self.places.take(
            dice, pool, visit.day, count, weights=_SOONER, after=soon, starts_after=begin
        )

    def _show(
        self, dice: random.Random, tickets: Sequence[PlannedTicket], day: date, soon: datetime
    ) -> list[PlannedTicket]:
        model = self.model
        people = [p for ticket in tickets for p in ticket.people]
        if not model.show or dice.random() > model.show_share or (tickets[0].kind == model.show):
            return []
        begin = tickets[0].slot.starts_at + timedelta(hours=1)
        slot = self.places.take(
            dice, model.pool_of[model.show], day, len(people), after=soon, starts_after=begin
        )
        return [] if slot is None else [PlannedTicket(model.show, (p,), slot) for p in people]


_MIDNIGHT = datetime.min.time()
_SOONER = (5, 5, 4, 3, 2, 2, 1, 1)


def _audiences(kind: str) -> tuple[str, ...]:
    return PEOPLE.get(kind, (kind if kind in ("child", "senior", "elder", "student") else "adult",))


def _fate(dice: random.Random, channel: str) -> Fate:
    # Who pays at a window or at an agency has paid when the order comes.
    if channel != "web":
        return Fate.PAID
    return (Fate.PAID, Fate.LAPSED, Fate.CANCELLED)[demand.choose(dice, (94.6, 4.8, 0.6))]


def _change(
    dice: random.Random, fate: Fate, created: datetime, visit: datetime
) -> tuple[datetime | None, datetime | None]:
    """When an order is given back, or else moved, between the purchase and the visit, if ever."""
    room = (visit - created).total_seconds() - 4 * 3600
    lot, share = dice.random(), dice.random()
    if fate is not Fate.PAID or room < 3600:  # noqa: PLR2004 - an hour
        return None, None
    at = created + timedelta(seconds=1200 + share * (room - 1200))
    if lot < 0.04:  # noqa: PLR2004 - of a hundred orders in advance, four come back
        return at, None
    return None, at if lot < 0.055 else None  # noqa: PLR2004
