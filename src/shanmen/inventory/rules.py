"""Schedules to slots, and what a slot may be called by the number left: pure decisions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from shanmen.catalog.rules import TicketTypeInfo, matches_day
from shanmen.inventory.allotments import ShareKind, ShareState, left_for, released
from shanmen.kit.days import EVERY_WEEKDAY, DayKind

NEARLY_FULL_SHARE = 0.2
"""A slot with at most this share of its capacity left is called nearly full."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A slot as a schedule describes it: local times of one day."""

    starts: time
    ends: time
    capacity: int


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """The days a schedule speaks of, and their slots."""

    date_from: date | None
    date_until: date | None
    weekdays: int
    day_kind: str
    priority: int
    slots: tuple[SlotPlan, ...]

    def matches(self, day: date, kind: DayKind) -> bool:
        """True when the schedule speaks of this day."""
        return matches_day(
            day,
            kind,
            date_from=self.date_from,
            date_until=self.date_until,
            weekdays=self.weekdays,
            day_kind=self.day_kind,
        )


def slots_on(schedules: Iterable[SchedulePlan], day: date, kind: DayKind) -> tuple[SlotPlan, ...]:
    """The slots of a day: of the schedules that match, the one of the highest priority.

    Among equal priorities the narrower wins, as with prices: a kind of day, then weekdays, then a
    season; among those that are as narrow, the first.
    """

    def rank(s: SchedulePlan) -> tuple[int, bool, bool, bool]:
        seasonal = s.date_from is not None or s.date_until is not None
        return s.priority, bool(s.day_kind), s.weekdays != EVERY_WEEKDAY, seasonal

    best = max((s for s in schedules if s.matches(day, kind)), key=rank, default=None)
    return () if best is None else best.slots


def problem_with(slots: Iterable[SlotPlan]) -> tuple[int, str] | None:
    """The first thing wrong with a schedule's slots: (index, reason), None when all is well."""
    before: SlotPlan | None = None
    for index, slot in enumerate(slots):
        if slot.capacity < 0:
            return index, "capacity"
        if slot.ends <= slot.starts:
            return index, "times"
        if before is not None and slot.starts < before.ends:
            return index, "overlap"
        before = slot
    return None


NO_CAP = 1_000_000_000
"""More than any capacity: the counter of a channel's share counts and binds nobody by itself."""


class Availability(StrEnum):
    """What a visitor is told about a slot or a day."""

    OPEN = "open"
    NEARLY_FULL = "nearly_full"
    SOLD_OUT = "sold_out"
    CLOSED = "closed"
    OVER = "over"
    NOT_YET = "not_yet"
    """Not on sale yet."""
    OUTSIDE_HOURS = "outside_hours"
    """The ticket type does not open a gate in this slot; never said of a slot or a day."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot with its counters, as one statement saw them."""

    id: UUID
    pool_id: UUID
    day: date
    starts: time
    ends: time
    starts_at: datetime
    ends_at: datetime
    status: str
    note: dict[str, str]
    capacity: int
    held: int
    sold: int
    caps: dict[str, tuple[int, int]]
    """By ticket type id: (the cap, places left of it)."""
    edited: bool = False
    """Set by hand: closed by somebody, not by a schedule that left it out."""
    shares: Mapping[str, ShareState] = field(default_factory=dict)
    """By channel: its share of the places; channels without one draw on what is common."""
    own_allotments: bool = False
    """Divided by hand: not as the rest of the pool."""

    @property
    def taken(self) -> int:
        """Places held and sold."""
        return self.held + self.sold

    @property
    def left(self) -> int:
        """Places left in the slot as a whole."""
        return self.capacity - self.held - self.sold

    def seen_by(self, channel: str, now: datetime) -> "SlotState":
        """The same slot as one channel sees it: with its own places alone.

        A channel with a fixed share sees the share; any other the common stock, what is reserved
        for itself, and what it has taken of both.
        """
        if not self.shares or not channel:
            return self
        left = max(left_for(channel, left=self.left, shares=self.shares, now=now), 0)
        own = self.shares.get(channel)
        if own is not None and own.kind == ShareKind.FIXED and not released(own, now):
            held, sold = own.held, own.sold
        else:
            others = [share for code, share in self.shares.items() if code != channel]
            held = self.held - sum(share.held for share in others)
            sold = self.sold - sum(share.sold for share in others)
        return replace(self, capacity=held + sold + left, held=held, sold=sold, shares={})

    def left_for(self, ticket_type_id: UUID) -> int:
        """Places left for one ticket type, its own cap included."""
        cap = self.caps.get(str(ticket_type_id))
        return self.left if cap is None else min(self.left, cap[1])

    def capacity_for(self, ticket_type_id: UUID) -> int:
        """The most places that one ticket type can have here, taken ones included."""
        cap = self.caps.get(str(ticket_type_id))
        return self.capacity if cap is None else min(self.capacity, cap[0])

    def nearly_full_for(self, ticket_type_id: UUID) -> bool:
        """True when so little is left for one ticket type that visitors should know."""
        whole = self.capacity_for(ticket_type_id) * NEARLY_FULL_SHARE
        return self.left_for(ticket_type_id) <= whole

    def availability(
        self, *, now: datetime, left: int | None = None, need: int = 1
    ) -> Availability:
        """What to call it; `left` when a cap or another pool leaves less than the slot."""
        left = self.left if left is None else left
        if self.status != "open":
            return Availability.CLOSED
        if now >= self.ends_at:
            return Availability.OVER
        if left < need:
            return Availability.SOLD_OUT
        if left <= self.capacity * NEARLY_FULL_SHARE:
            return Availability.NEARLY_FULL
        return Availability.OPEN


BEST_FIRST = (
    Availability.OPEN,
    Availability.NEARLY_FULL,
    Availability.NOT_YET,
    Availability.SOLD_OUT,
)


def day_availability(slots: Iterable[Availability]) -> Availability:
    """A whole day from its slots: the best of what is still to come."""
    states = set(slots) - {Availability.OUTSIDE_HOURS}
    for state in BEST_FIRST:
        if state in states:
            return state
    return Availability.OVER if states == {Availability.OVER} else Availability.CLOSED


def companion_slot(
    main: SlotState,
    candidates: Iterable[SlotState],
    *,
    ticket_type_id: UUID | None = None,
    need: int = 1,
    now: datetime | None = None,
) -> SlotState | None:
    """The slot of a bundle's further pool that goes with the visit's slot.

    It is on the same day: the first open one that starts when the visit's slot does, or later (and
    is not over at `now`), and has room for `need` places. Only where no such slot has room it is
    one that has begun before and is still running then. Where none has room it is the first that
    would do, so that the refusal can name it; None where there is none at all.
    """
    fitting = sorted(
        (
            s
            for s in candidates
            if s.day == main.day
            and s.status == "open"
            and s.ends_at > main.starts_at
            and (now is None or s.ends_at > now)
        ),
        key=lambda s: (s.starts_at < main.starts_at, s.starts_at, s.ends_at, s.id),
    )
    for slot in fitting:
        left = slot.left if ticket_type_id is None else slot.left_for(ticket_type_id)
        if left >= need:
            return slot
    return fitting[0] if fitting else None


@dataclass(frozen=True, slots=True)
class TypeOffer:
    """One ticket type in one slot: whether it can be bought, how many are left, at what price.

    `left` counts tickets, not places, over all pools and caps. `companions` are the slots of the
    further pools of a bundle.
    """

    ticket_type_id: UUID
    state: Availability
    left: int
    price_fen: int | None
    companions: tuple[UUID, ...] = ()

    @property
    def bookable(self) -> bool:
        """True when it can be bought now."""
        return self.state in (Availability.OPEN, Availability.NEARLY_FULL)


@dataclass(frozen=True, slots=True)
class SlotOffer:
    """A slot of the visit with what each ticket type finds there."""

    slot: SlotState
    state: Availability
    types: Mapping[UUID, TypeOffer]
    bookable: bool
    """True when any of them can be bought now."""
    price_fen: int | None
    """The lowest price of what can be bought."""

    @property
    def left(self) -> int:
        """The most tickets of any one type that are left."""
        return max((offer.left for offer in self.types.values()), default=0)


@dataclass(frozen=True, slots=True)
class DayOffer:
    """A day: the best of its slots, the lowest price of what can be bought, places left in all."""

    day: date
    kind: DayKind
    state: Availability
    price_fen: int | None
    left: int
    dearer: bool = False
    """Something else of the day costs more than that."""


def offer_of(
    info: TicketTypeInfo,
    main: SlotState,
    others: Iterable[SlotState],
    *,
    price_fen: int | None,
    today: date,
    now: datetime,
    admitted: bool = True,
) -> TypeOffer:
    """What one ticket type finds in one slot of its first pool.

    `others` are the day's slots of its further pools, `today` is the site's local date, `admitted`
    says whether its hours of admission have a moment of the slot.
    """
    drawn = [main]
    rest = list(others)
    for draw in info.draws[1:]:
        candidates = (s for s in rest if s.pool_id == draw.pool_id)
        found = companion_slot(
            main, candidates, ticket_type_id=info.id, need=draw.quantity, now=now
        )
        if found is not None:
            drawn.append(found)
    complete = len(drawn) == len(info.draws)
    left = 0
    if complete:
        pairs = zip(drawn, info.draws, strict=True)
        left = max(min(s.left_for(info.id) // d.quantity for s, d in pairs), 0)
    state = Availability.OPEN
    if price_fen is None or main.status != "open" or not complete:
        state = Availability.CLOSED
    elif now >= main.ends_at - timedelta(minutes=info.sale_closes_minutes):
        state = Availability.OVER
    elif not admitted:
        state, left = Availability.OUTSIDE_HOURS, 0
    elif main.day > today + timedelta(days=info.days_ahead):
        state = Availability.NOT_YET
    elif left < info.min_per_order:
        state = Availability.SOLD_OUT
    elif any(s.nearly_full_for(info.id) for s in drawn):
        state = Availability.NEARLY_FULL
    return TypeOffer(info.id, state, left, price_fen, tuple(s.id for s in drawn[1:]))


def slot_offers(
    types: Sequence[TicketTypeInfo],
    slots: Sequence[SlotState],
    *,
    price: Callable[[TicketTypeInfo, date], int | None],
    admits: Callable[[TicketTypeInfo, datetime, datetime], bool],
    today: date,
    now: datetime,
    channel: str = "",
    only: Collection[UUID] | None = None,
) -> list[SlotOffer]:
    """All slots in which one of these types begins its visit, in order of time.

    `price` and `admits` are the catalog's. With `channel` they are as it sees them; with `only`,
    these alone are worked out.

    A slot that a schedule has dropped is left out; one that somebody closed is shown as closed.
    """
    by_day: dict[date, list[SlotState]] = {}
    slots = [slot.seen_by(channel, now) for slot in slots]
    for slot in slots:
        by_day.setdefault(slot.day, []).append(slot)
    offers = []
    if only is not None:
        slots = [slot for slot in slots if slot.id in only]
    for slot in sorted(slots, key=lambda s: (s.starts_at, s.ends_at, s.pool_id)):
        if slot.status == "closed" and not slot.edited:
            continue
        found = {
            t.id: offer_of(
                t,
                slot,
                by_day[slot.day],
                price_fen=price(t, slot.day),
                today=today,
                now=now,
                admitted=admits(t, slot.starts_at, slot.ends_at),
            )
            for t in types
            if t.draws and t.draws[0].pool_id == slot.pool_id
        }
        if found:
            offers.append(_slot_offer(slot, found))
    return offers


def _slot_offer(slot: SlotState, types: Mapping[UUID, TypeOffer]) -> SlotOffer:
    bookable = [offer for offer in types.values() if offer.bookable]
    prices = [offer.price_fen for offer in bookable if offer.price_fen is not None]
    state = day_availability(offer.state for offer in types.values())
    return SlotOffer(slot, state, types, bool(bookable), min(prices, default=None))


def day_offer(
    day: date, kind: DayKind, offers: Sequence[SlotOffer], *, today: date, days_ahead: int
) -> DayOffer:
    """A day from the offers of its slots; `days_ahead` is the most of the types asked for."""
    prices = {
        one.price_fen
        for offer in offers
        for one in offer.types.values()
        if one.bookable and one.price_fen is not None
    }
    left = sum(offer.slot.left for offer in offers if offer.bookable)
    if offers:
        state = day_availability(offer.state for offer in offers)
    elif day < today:
        state = Availability.OVER
    elif day > today + timedelta(days=days_ahead):
        state = Availability.NOT_YET
    else:
        state = Availability.CLOSED
    return DayOffer(day, kind, state, min(prices, default=None), left, dearer=len(prices) > 1)
