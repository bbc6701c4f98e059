"""The life of orders as somebody would keep it on paper: what each step must come to.

A plain model in memory. It knows no locks, batches or tables; that is the point.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shanmen.orders.schemas import Placed
from tests.support.desk import HOLD_SECONDS
from tests.support.park import PRICES

GATE, RIDE = "gate", "ride"
Counters = dict[tuple[str, int], int]
"""Places by pool and number of the slot."""

PERSONS = {"adult": 1, "family": 3, "bundle": 1, "free": 1}
NEVER_ISSUED = frozenset({"held", "expired", "cancelled"})
HOLD = timedelta(seconds=HOLD_SECONDS)
EXTENDABLE = timedelta(minutes=5)
PAID = frozenset({"issued", "partly_used", "used", "refunding", "refunded"})


@dataclass
class PaperTicket:
    """A ticket: of which kind, for whom, at which slots of gate and cableway."""

    kind: str
    people: list[int]
    slot: int
    ride: int | None
    entered: int = 0
    refunded: bool = False
    id: UUID | None = None

    @property
    def persons(self) -> int:
        return PERSONS[self.kind]

    @property
    def places(self) -> Counters:
        taken = {(GATE, self.slot): self.persons}
        if self.ride is not None:
            taken[RIDE, self.ride] = 1
        return taken


@dataclass
class PaperOrder:
    """An order, its attempts to be paid, and the money on its way back."""

    placed: Placed
    tickets: list[PaperTicket]
    channel: str = "web"
    status: str = "held"
    moves: int = 0
    extended: bool = False
    attempts: dict[str, UUID] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)
    issued: bool = False
    open_refunds: int = 0

    @property
    def ends(self) -> datetime:
        """Until when its places are held."""
        return self.placed.hold_expires_at + (HOLD if self.extended else timedelta())

    @property
    def left(self) -> list[PaperTicket]:
        return [ticket for ticket in self.tickets if not ticket.refunded]

    def used_state(self) -> str:
        """By how many of those who may enter have entered."""
        entered = sum(ticket.entered for ticket in self.left)
        if entered == 0:
            return "issued"
        return "used" if entered >= sum(t.persons for t in self.left) else "partly_used"

    def after_refund(self) -> str:
        return self.used_state() if self.issued and self.left else "refunded"


@dataclass
class Paper:
    """The whole desk."""

    capacity: Counters
    closed: set[int] = field(default_factory=set)
    orders: list[PaperOrder] = field(default_factory=list)
    shares: dict[tuple[str, int], dict[str, tuple[str, int]]] = field(default_factory=dict)
    """By slot: what is promised to each channel, a fixed share or a minimum."""

    def counters(self) -> dict[tuple[str, int], tuple[int, int]]:
        """What is held and what is sold in each slot."""
        held: Counters = defaultdict(int)
        sold: Counters = defaultdict(int)
        for order in self.orders:
            for ticket in order.left:
                for key, places in ticket.places.items():
                    if order.status == "held":
                        held[key] += places
                    elif order.issued:
                        sold[key] += places
        return {key: (held[key], sold[key]) for key in self.capacity}

    def taken(self, key: tuple[str, int], channel: str) -> int:
        """Places of a slot that a channel has given away."""
        return sum(
            ticket.places.get(key, 0)
            for order in self.orders
            if order.channel == channel and (order.status == "held" or order.issued)
            for ticket in order.left
        )

    def promised(self, key: tuple[str, int], *, but: str = "") -> int:
        """Places of a slot that are kept for channels, but for one of them."""
        return sum(
            max(places - self.taken(key, channel), 0)
            for channel, (_, places) in self.shares.get(key, {}).items()
            if channel != but
        )

    def room(self, key: tuple[str, int], channel: str) -> int:
        """Places that a channel may still give away; below zero is none."""
        free = self.capacity[key] - sum(self.counters()[key]) - self.promised(key, but=channel)
        kind, places = self.shares.get(key, {}).get(channel, ("", 0))
        return min(free, places - self.taken(key, channel)) if kind == "fixed" else free

    def _active(self) -> Counter[int]:
        """How many places each person has; nobody may have more than one a day."""
        return Counter(
            person
            for order in self.orders
            if order.status == "held" or order.issued
            for ticket in order.left
            for person in ticket.people
        )

    def refusal_of(self, tickets: list[PaperTicket], channel: str) -> str | None:
        """Why these tickets cannot be sold now."""
        active = self._active()
        named: set[int] = set()
        for person in (person for ticket in tickets for person in ticket.people):
            if active[person]:
                return "DocumentLimit"
            if person in named:
                return "DuplicateDocument"
            named.add(person)
        return self.lack_of(tickets, channel)

    def lack_of(self, tickets: list[PaperTicket], channel: str) -> str | None:
        """Closed or full, in this order."""
        if any(ticket.slot in self.closed for ticket in tickets):
            return "SlotClosed"
        need: Counter[tuple[str, int]] = Counter()
        for ticket in tickets:
            need.update(ticket.places)
        full = any(self.room(key, channel) < n for key, n in need.items())
        return "SoldOut" if full else None

    def pay(self, order: PaperOrder, provider: str) -> str:
        """A provider says that it has the money."""
        if provider in order.paid:
            return "duplicate"
        order.paid.add(provider)
        if order.status == "held":
            order.status, order.issued = "issued", True
            return "issued"
        if order.status == "expired":
            if self.refusal_of(order.tickets, order.channel) is None:
                order.status, order.issued = "issued", True
                return "late_issued"
            order.status, order.open_refunds = "refunding", order.open_refunds + 1
            return "late_refunded"
        order.open_refunds += 1
        if order.status == "cancelled":
            order.status = "refunding"
            return "late_refunded"
        return "paid_twice"

    def sweep(self, now: datetime) -> int:
        """Holds lapse; returns how many."""
        lapsed = [order for order in self.orders if order.status == "held" and order.ends <= now]
        for order in lapsed:
            order.status = "expired"
        return len(lapsed)

    def extend(self, order: PaperOrder, now: datetime) -> str | None:
        """Hold the places for as long again, once, in the last minutes."""
        if order.status == "expired" or (order.status == "held" and now >= order.ends):
            return "HoldLapsed"
        if order.status != "held":
            return "NotPayable"
        if order.extended:
            return "HoldExtended"
        if order.ends - now > EXTENDABLE:
            return "HoldLongEnough"
        order.extended = True
        return None

    def cancel(self, order: PaperOrder) -> str | None:
        if order.status != "held":
            return "TransitionRefused"
        order.status = "cancelled"
        return None

    def give_back(self, order: PaperOrder, chosen: list[PaperTicket] | None) -> str | None:
        """Give tickets back without a fee; None is all that can be given back."""
        if chosen is None:
            tickets = [ticket for ticket in order.left if not ticket.entered]
        else:
            tickets = chosen
            if any(ticket.entered for ticket in tickets):
                return "AlreadyUsed"
        if not tickets or not order.issued or any(ticket.refunded for ticket in tickets):
            return "NotRefundable"
        if order.status not in {"issued", "partly_used"}:
            return "TransitionRefused"
        for ticket in tickets:
            ticket.refunded = True
        if sum(PRICES[ticket.kind] for ticket in tickets):
            order.status, order.open_refunds = "refunding", order.open_refunds + 1
        else:
            order.status = order.after_refund()
        return None

    def confirm_refunds(self, order: PaperOrder) -> None:
        """The provider has paid everything back that it was asked for."""
        if order.open_refunds and order.status == "refunding":
            order.status = order.after_refund()
        order.open_refunds = 0

    def move(self, order: PaperOrder, slot: int) -> str | None:
        """Move all tickets to another slot of the day."""
        tickets = order.left
        if not tickets or not order.issued:
            return "NotReschedulable"
        if any(ticket.entered for ticket in tickets):
            return "AlreadyUsed"
        if order.moves >= 1:
            return "NotReschedulable"
        before = [(ticket.slot, ticket.ride) for ticket in tickets]
        ride = self._ride_with(slot, order.channel)
        order.issued = False  # Its own places are free while new ones are looked for.
        for ticket in tickets:
            ticket.slot, ticket.ride = slot, None if ticket.ride is None else ride
        refusal = self.lack_of(tickets, order.channel)
        order.issued = True
        if refusal is None and order.status != "issued":
            refusal = "TransitionRefused"
        if refusal is not None:
            for ticket, (old, old_ride) in zip(tickets, before, strict=True):
                ticket.slot, ticket.ride = old, old_ride
            return refusal
        order.moves += 1
        return None

    def _ride_with(self, slot: int, channel: str) -> int:
        """The first ride that ends after the visit starts and has room, else the first of them."""
        fitting = [n for pool, n in sorted(self.capacity) if pool == RIDE and n >= slot]
        return next((n for n in fitting if self.room((RIDE, n), channel) > 0), fitting[0])

    def admit(self, order: PaperOrder, ticket: PaperTicket) -> int:
        """Everybody who is left of the party enters; returns how many do."""
        if not order.issued or ticket.refunded:
            return 0
        entering = ticket.persons - ticket.entered
        ticket.entered += entering
        return entering

    def follow(self, order: PaperOrder) -> None:
        """The order hears what happened at the gate."""
        if order.status in {"issued", "partly_used", "used"}:
            order.status = order.used_state()

    def set_capacity(self, slot: int, capacity: int) -> str | None:
        taken = sum(self.counters()[GATE, slot])
        if capacity < taken:
            return "CapacityBelowSold"
        if capacity < taken + self.promised((GATE, slot)):
            return "CapacityBelowReserved"
        self.capacity[GATE, slot] = capacity
        return None

    def divide(self, slot: int, shares: dict[str, tuple[str, int]]) -> str | None:
        """Promise places to channels, and forget what was promised before."""
        key = GATE, slot
        if sum(places for _, places in shares.values()) > self.capacity[key]:
            return "AllotmentsAboveCapacity"
        before, self.shares[key] = self.shares.get(key, {}), shares
        if sum(self.counters()[key]) + self.promised(key) > self.capacity[key]:
            self.shares[key] = before
            return "AllotmentAboveLeft"
        return None
