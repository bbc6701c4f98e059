"""Prices, refund rules, reschedule rules and limits: pure decisions.

Times are instants (aware datetimes); days and times of day are the site's local ones.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from shanmen.kit import clock, days, hours
from shanmen.kit.days import EVERY_WEEKDAY, DayKind
from shanmen.kit.hours import KindOf, Window


@dataclass(frozen=True, slots=True)
class RefundStep:
    """Until `hours_before` the start of the visit, `fee_percent` of the price is kept."""

    hours_before: float
    fee_percent: int


@dataclass(frozen=True, slots=True)
class RefundRule:
    """When an unused ticket can be given back, and at what fee; no steps means never.

    The steps are tried from the earliest deadline to the latest; the first whose deadline has not
    passed applies. A negative `hours_before` reaches past the start of the visit.
    """

    steps: tuple[RefundStep, ...] = ()

    def step_at(self, *, now: datetime, visit_starts: datetime) -> RefundStep | None:
        """The step that applies at `now`, or None when it is too late."""
        for step in sorted(self.steps, key=lambda s: -s.hours_before):
            if now <= visit_starts - timedelta(hours=step.hours_before):
                return step
        return None

    def deadline(self, *, visit_starts: datetime) -> datetime | None:
        """The last instant at which anything is paid back."""
        if not self.steps:
            return None
        return visit_starts - timedelta(hours=min(s.hours_before for s in self.steps))


def refund_fee(price_fen: int, fee_percent: int) -> int:
    """The fee that is kept, rounded half up to a whole fen."""
    return (price_fen * fee_percent + 50) // 100


@dataclass(frozen=True, slots=True)
class RescheduleRule:
    """Whether, how often and until when a visit may be moved to another slot."""

    times: int = 0
    hours_before: float = 0.0

    def allowed(self, *, now: datetime, visit_starts: datetime, done: int) -> bool:
        """True while a move is left and the deadline has not passed."""
        return done < self.times and now <= visit_starts - timedelta(hours=self.hours_before)


@dataclass(frozen=True, slots=True)
class NoShowRule:
    """Who did not come `count` times within `within_days` days may not book for `ban_days` days.

    A *no-show* is a ticket that was issued, was not given back, and that nobody entered with.
    """

    enabled: bool = False
    count: int = 3
    within_days: int = 365
    ban_days: int = 90


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one document, phone or order may have; 0 is without limit.

    A count is of tickets that are held or were bought and were not given back, for visits in the
    same slot, on the same day, in the same calendar month or year, over all ticket types with the
    same `group` (empty: this type alone). Each type keeps its own bounds against that count.
    """

    per_document_day: int = 1
    per_document_slot: int = 1
    per_document_month: int = 0
    per_document_year: int = 0
    per_phone_day: int = 0
    per_phone_slot: int = 0
    per_phone_month: int = 0
    per_phone_year: int = 0
    per_order: int = 0
    group: str = ""
    no_shows: NoShowRule = NoShowRule()

    @property
    def of_document(self) -> tuple[tuple[str, int], ...]:
        """The bounds of a document by what they are counted over, the narrowest first."""
        return _bounds(
            self.per_document_slot,
            self.per_document_day,
            self.per_document_month,
            self.per_document_year,
        )

    @property
    def of_phone(self) -> tuple[tuple[str, int], ...]:
        """The bounds of a phone number, as `of_document`."""
        return _bounds(
            self.per_phone_slot, self.per_phone_day, self.per_phone_month, self.per_phone_year
        )


PERIODS = ("slot", "day", "month", "year")
"""What a limit can be counted over, the narrowest first."""


def _bounds(*limits: int) -> tuple[tuple[str, int], ...]:
    return tuple((per, limit) for per, limit in zip(PERIODS, limits, strict=True) if limit)


def period_begins(per: str, day: date) -> date:
    """The first day of the period that a day is counted in."""
    if per == "year":
        return day.replace(month=1, day=1)
    return day.replace(day=1) if per == "month" else day


def period_ends(per: str, day: date) -> date:
    """The last day of the period that a day is counted in."""
    if per == "year":
        return day.replace(month=12, day=31)
    if per == "month":
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return day


@dataclass(frozen=True, slots=True)
class PriceRule:
    """One row of a ticket type's price table."""

    amount_fen: int
    date_from: date | None = None
    date_until: date | None = None
    weekdays: int = EVERY_WEEKDAY
    day_kind: str = ""
    priority: int = 0
    name: str = ""

    def matches(self, day: date, kind: DayKind) -> bool:
        """True when the rule speaks of this day."""
        return matches_day(
            day,
            kind,
            date_from=self.date_from,
            date_until=self.date_until,
            weekdays=self.weekdays,
            day_kind=self.day_kind,
        )


def matches_day(
    day: date,
    kind: DayKind,
    *,
    date_from: date | None,
    date_until: date | None,
    weekdays: int,
    day_kind: str,
) -> bool:
    """The condition that prices and schedules share: season, weekday, kind of day."""
    return (
        (date_from is None or date_from <= day)
        and (date_until is None or day <= date_until)
        and bool(weekdays >> day.weekday() & 1)
        and day_kind in ("", kind.value)
    )


def price_on(rules: Iterable[PriceRule], day: date, kind: DayKind) -> int | None:
    """The price of a day in fen: of the rules that match, the highest priority; None if none.

    Among equal priorities the narrower rule wins: a kind of day, then weekdays, then a season;
    among rules that are as narrow, the one that stands first in the table.
    """
    best = rule_on(rules, day, kind)
    return None if best is None else best.amount_fen


def rule_on(rules: Iterable[PriceRule], day: date, kind: DayKind) -> PriceRule | None:
    """The rule that sets the price of a day, see `price_on`; None if none speaks of it."""

    def rank(rule: PriceRule) -> tuple[int, bool, bool, bool]:
        seasonal = rule.date_from is not None or rule.date_until is not None
        return rule.priority, bool(rule.day_kind), rule.weekdays != EVERY_WEEKDAY, seasonal

    return max((r for r in rules if r.matches(day, kind)), key=rank, default=None)


@dataclass(frozen=True, slots=True)
class Draw:
    """Places that one ticket takes from a pool."""

    pool_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class TicketTypeInfo:
    """A ticket type as the order desk needs it."""

    id: UUID
    site_id: UUID
    number: int
    name: dict[str, str]
    description: dict[str, str]
    audience: str
    party_size: int
    documents: str
    min_age: int | None
    max_age: int | None
    entries: int
    valid_days: int
    zones: int
    rotating: bool
    second_factor: bool
    min_per_order: int
    max_per_order: int
    days_ahead: int
    sale_closes_minutes: int
    refund: RefundRule
    reschedule: RescheduleRule
    limits: Limits
    channels: frozenset[str]
    on_sale: bool
    position: int
    draws: tuple[Draw, ...]
    prices: tuple[PriceRule, ...]
    admission_hours: tuple[Window, ...] = ()
    """When it opens a gate; none is at any time."""

    def sold_by(self, channel: str) -> bool:
        """True when this channel may sell it now."""
        return self.on_sale and (not self.channels or channel in self.channels)

    @property
    def scope(self) -> str:
        """What its limits count together with: its group, or it alone."""
        return self.limits.group or str(self.id)

    @property
    def holders_per_ticket(self) -> int:
        """How many persons must be named on each ticket."""
        return {"each": self.party_size, "one": 1, "none": 0}[self.documents]

    @property
    def zone_numbers(self) -> tuple[int, ...]:
        """The numbers of the zones it opens."""
        return tuple(n for n in range(self.zones.bit_length()) if self.zones >> n & 1)

    @property
    def flags(self) -> int:
        """The token's flags: bit 0 rotating code, bit 1 document as second factor."""
        return self.rotating | self.second_factor << 1


def fingerprint(info: TicketTypeInfo) -> str:
    """A short text that changes with anything about the ticket type: what an editor has seen."""
    return hashlib.blake2b(repr(_stable(info)).encode(), digest_size=9).hexdigest()


def _stable(info: TicketTypeInfo) -> list[tuple[str, object]]:
    # Sets have no order of their own, and a process orders them as it likes.
    values = {f.name: getattr(info, f.name) for f in fields(info)}
    return sorted((values | {"channels": sorted(info.channels)}).items())


class Counted(NamedTuple):
    """Places in `PERIODS` that some type of a scope limits, for documents and for phones."""

    of_document: tuple[int, ...]
    of_phone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """One version of all that a tenant sells; immutable, shared by all requests of a process."""

    tenant_id: int
    version: int
    types: dict[UUID, TicketTypeInfo]
    special_days: dict[UUID, dict[date, DayKind]] = field(default_factory=dict)
    """By site: the days whose kind the operator set by hand."""
    hold_seconds: dict[str, int] = field(default_factory=dict)
    """By channel: how long an unpaid order keeps its places, where the operator says so; the
    empty text stands for all other channels."""
    _counted: dict[UUID, "Counted"] = field(default_factory=dict, repr=False)
    _prices: dict[tuple[UUID, date], int | None] = field(default_factory=dict, repr=False)
    _odd_days: dict[tuple[UUID, date, date], dict[date, DayKind]] = field(
        default_factory=dict, repr=False
    )

    def kinds_of(self, site_id: UUID) -> KindOf:
        """What says the kind of a day at a site."""
        return partial(self.day_kind, site_id)

    def day_kind(self, site_id: UUID, day: date) -> DayKind:
        """Workday, weekend or holiday: as the operator says, else by the public calendar."""
        return days.day_kind(day, self.special_days.get(site_id, {}))

    def odd_days(self, site_id: UUID, first: date, last: date) -> dict[date, DayKind]:
        """The days whose kind is not what their weekday says."""
        key = (site_id, first, last)
        if key not in self._odd_days:
            span = (first + timedelta(days=n) for n in range((last - first).days + 1))
            kinds = {day: self.day_kind(site_id, day) for day in span}
            self._odd_days[key] = {
                day: kind for day, kind in kinds.items() if kind is not days.plain_kind(day)
            }
        return self._odd_days[key]

    def hold_time(self, channel: str, *, otherwise: int) -> int:
        """Seconds for which an unpaid order of a channel keeps its places."""
        return self.hold_seconds.get(channel) or self.hold_seconds.get("") or otherwise

    @property
    def counted(self) -> dict[UUID, "Counted"]:
        """By ticket type: what is counted of its documents and phones, for its group's limits."""
        if not self._counted:
            scopes: dict[str, list[Limits]] = {}
            for kind in self.types.values():
                scopes.setdefault(kind.scope, []).append(kind.limits)
            for kind in self.types.values():
                group = scopes[kind.scope]
                self._counted[kind.id] = Counted(
                    tuple(
                        n
                        for n, per in enumerate(PERIODS)
                        if any(per == found for limits in group for found, _ in limits.of_document)
                    ),
                    tuple(
                        n
                        for n, per in enumerate(PERIODS)
                        if any(per == found for limits in group for found, _ in limits.of_phone)
                    ),
                )
        return self._counted

    def price(self, kind: TicketTypeInfo, day: date) -> int | None:
        """The price of a ticket type on a day in fen; None when it has none, so is not sold."""
        key = (kind.id, day)
        if key not in self._prices:
            self._prices[key] = price_on(kind.prices, day, self.day_kind(kind.site_id, day))
        return self._prices[key]

    def admits(
        self, kind: TicketTypeInfo, starts_at: datetime, ends_at: datetime, timezone: str
    ) -> bool:
        """Whether a ticket opens a gate at any moment of the slot that its visit begins in.

        The hours are of arrival, so the slots of a bundle's further pools do not count, nor does
        the gates' grace. A slot of the whole day has all the hours of its day.

        For a ticket of several days or a pass, the slot only says when the first day begins: it
        admits after the slot's end too. So it needs a moment between the slot's start and the end
        of that day. Its later days do not count, since whoever chose a day wants to come then, and
        loses nothing by choosing another one.
        """
        if not kind.admission_hours:
            return True
        if kind.valid_days > 1:
            tomorrow = clock.local(starts_at, timezone).date() + timedelta(days=1)
            ends_at = max(ends_at, clock.to_utc(tomorrow, time(), timezone))
        return hours.open_between(
            kind.admission_hours, starts_at, ends_at, timezone, self.kinds_of(kind.site_id)
        )

    def of_site(self, site_id: UUID, *, channel: str = "") -> list[TicketTypeInfo]:
        """The site's types in the operator's order, those that `channel` sells if it is given."""
        return sorted(
            (
                t
                for t in self.types.values()
                if t.site_id == site_id and (not channel or t.sold_by(channel))
            ),
            key=lambda t: (t.position, t.number),
        )
