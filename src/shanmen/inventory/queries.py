"""Reads of slots and their counters. Each is one statement, so the figures fit together."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.session import Session
from shanmen.inventory.allotments import AllotmentRule, ShareState
from shanmen.inventory.errors import DaysReversed, PoolNotFound, ScheduleNotFound, TooManyDays
from shanmen.inventory.models import Allotment, Pool, Schedule
from shanmen.inventory.rules import (
    DayOffer,
    SchedulePlan,
    SlotOffer,
    SlotPlan,
    SlotState,
    day_offer,
    slot_offers,
)
from shanmen.kit import clock
from shanmen.sites import queries as sites

MOST_DAYS = 100
"""Days that are answered at once."""

SLOTS = """
SELECT s.id, s.pool_id, s.day, s.starts, s.ends, s.starts_at, s.ends_at, s.status, s.note,
       s.edited, s.own_allotments, k.scope, k.ref, k.capacity, k.held, k.sold, k.share, k.places,
       k.releases_at
FROM slot s JOIN stock k ON k.tenant_id = s.tenant_id AND k.slot_id = s.id
WHERE s.tenant_id = {tenant} AND {condition}
ORDER BY s.pool_id, s.starts_at, k.scope, k.ref
"""
"""What `states_of` reads; whoever uses it names the tenant and says which slots."""
OF_DAYS = text(
    SLOTS.format(
        tenant=":tenant", condition="s.pool_id = ANY(:pools) AND s.day BETWEEN :first AND :last"
    )
)
BY_ID = text(SLOTS.format(tenant=":tenant", condition="s.id = ANY(:ids)"))


async def slots_between(
    session: Session, *, pool_ids: Iterable[UUID], first: date, last: date
) -> list[SlotState]:
    """All slots of the pools from `first` to `last`, in order of pool and time."""
    result = await session.execute(
        OF_DAYS,
        {"tenant": session.tenant_id, "pools": list(pool_ids), "first": first, "last": last},
    )
    return states_of(result.all())


async def slots_by_id(session: Session, *, ids: Iterable[UUID]) -> dict[UUID, SlotState]:
    """The slots with these ids; unknown ones are missing."""
    result = await session.execute(BY_ID, {"tenant": session.tenant_id, "ids": list(ids)})
    return {state.id: state for state in states_of(result.all())}


async def day_slots(
    session: Session,
    *,
    site_id: UUID,
    ticket_type_ids: Iterable[UUID],
    day: date,
    now: datetime,
    channel: str = "",
) -> list[SlotOffer]:
    """The slots of one day with what each of these ticket types finds there.

    With `channel`, types that it does not sell are left out, and what is left is what is left to
    it. The figures are of one statement, so
    they fit together; they are true at that moment and binding only for whoever holds a place.
    """
    days = await _offers(
        session, site_id, ticket_type_ids, first=day, last=day, now=now, channel=channel
    )
    return days.offers


async def month_availability(
    session: Session,
    *,
    site_id: UUID,
    ticket_type_ids: Iterable[UUID],
    first: date,
    last: date,
    now: datetime,
    channel: str = "",
) -> list[DayOffer]:
    """Each day from `first` to `last`: whether it can be booked, and from what price."""
    found = await _offers(
        session, site_id, ticket_type_ids, first=first, last=last, now=now, channel=channel
    )
    by_date: dict[date, list[SlotOffer]] = defaultdict(list)
    for offer in found.offers:
        by_date[offer.slot.day].append(offer)
    ahead = max((t.days_ahead for t in found.types), default=0)
    return [
        day_offer(
            day,
            found.catalog.day_kind(site_id, day),
            by_date.get(day, []),
            today=found.today,
            days_ahead=ahead,
        )
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
    ]


@dataclass(frozen=True, slots=True)
class _Offers:
    catalog: Catalog
    types: list[TicketTypeInfo]
    today: date
    offers: list[SlotOffer]


def check_span(first: date, last: date) -> None:
    """See that days can be asked for at once; raises DaysReversed, TooManyDays."""
    if last < first:
        raise DaysReversed(field="to")
    if (last - first).days >= MOST_DAYS:
        raise TooManyDays(field="to", most=MOST_DAYS)


async def _offers(
    session: Session,
    site_id: UUID,
    ticket_type_ids: Iterable[UUID],
    *,
    first: date,
    last: date,
    now: datetime,
    channel: str,
) -> _Offers:
    check_span(first, last)
    catalog = await current_catalog(session)
    wanted = set(ticket_type_ids)
    types = [t for t in catalog.of_site(site_id, channel=channel) if t.id in wanted]
    zone = await sites.site_timezone(session, site_id)
    today = clock.local(now, zone).date()
    pool_ids = {draw.pool_id for t in types for draw in t.draws}
    slots = await slots_between(session, pool_ids=pool_ids, first=first, last=last)
    offers = slot_offers(
        types,
        slots,
        price=catalog.price,
        admits=partial(catalog.admits, timezone=zone),
        today=today,
        now=now,
        channel=channel,
    )
    return _Offers(catalog, types, today, offers)


@dataclass(frozen=True, slots=True)
class PoolDay:
    """A pool's day in figures; `capacity` is that of open slots and of what is taken elsewhere."""

    pool_id: UUID
    day: date
    slots: int
    open: int
    capacity: int
    held: int
    sold: int

    @property
    def taken(self) -> int:
        """Places held and sold."""
        return self.held + self.sold


POOL_DAYS = text("""
SELECT s.pool_id, s.day, count(*), count(*) FILTER (WHERE s.status = 'open'),
       sum(CASE WHEN s.status = 'open' THEN k.capacity ELSE k.held + k.sold END),
       sum(k.held), sum(k.sold)
FROM slot s JOIN stock k ON k.tenant_id = s.tenant_id AND k.id = s.id
WHERE s.tenant_id = :tenant AND s.pool_id = ANY(:pools) AND s.day BETWEEN :first AND :last
  AND (s.status = 'open' OR s.edited OR k.held + k.sold > 0)
GROUP BY s.pool_id, s.day
""")


async def pool_days(
    session: Session, *, pool_ids: Iterable[UUID], first: date, last: date
) -> dict[tuple[UUID, date], PoolDay]:
    """The days of pools in figures; days without slots are missing."""
    result = await session.execute(
        POOL_DAYS,
        {"tenant": session.tenant_id, "pools": list(pool_ids), "first": first, "last": last},
    )
    return {(row[0], row[1]): PoolDay(*row) for row in result}


async def next_day(session: Session, *, pool_id: UUID, first: date, now: datetime) -> date | None:
    """The first day from `first` on with open slots that are not over, None without any."""
    found: date | None = await session.scalar(
        text(
            "SELECT min(day) FROM slot WHERE tenant_id = :tenant AND pool_id = :pool "
            "AND day >= :first AND status = 'open' AND ends_at > :now"
        ),
        {"tenant": session.tenant_id, "pool": pool_id, "first": first, "now": now},
    )
    return found


@dataclass(frozen=True, slots=True)
class PoolView:
    """Something scarce that tickets draw on."""

    id: UUID
    site_id: UUID
    name: dict[str, str]
    position: int
    zone_id: UUID | None


POOL = select(Pool.id, Pool.site_id, Pool.name, Pool.position, Pool.zone_id)


async def pools(session: Session, *, site_id: UUID) -> list[PoolView]:
    """A site's pools in the operator's order."""
    rows = await session.execute(
        POOL.where(Pool.tenant_id == session.tenant_id, Pool.site_id == site_id).order_by(
            Pool.position, Pool.id
        )
    )
    return [PoolView(*row) for row in rows]


async def pool(session: Session, *, pool_id: UUID) -> PoolView:
    """One pool; raises PoolNotFound."""
    row = (
        await session.execute(POOL.where(Pool.tenant_id == session.tenant_id, Pool.id == pool_id))
    ).one_or_none()
    if row is None:
        raise PoolNotFound
    return PoolView(*row)


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """The days a schedule speaks of, and their slots."""

    id: UUID
    pool_id: UUID
    name: str
    date_from: date | None
    date_until: date | None
    weekdays: int
    day_kind: str
    priority: int
    slots: tuple[SlotPlan, ...]

    @property
    def plan(self) -> SchedulePlan:
        """As the rules read it."""
        return SchedulePlan(
            self.date_from,
            self.date_until,
            self.weekdays,
            self.day_kind,
            self.priority,
            self.slots,
        )

    @property
    def fingerprint(self) -> str:
        """A short text that changes with anything about the schedule: what an editor has seen."""
        return hashlib.blake2b(repr(self).encode(), digest_size=9).hexdigest()


async def schedules(session: Session, *, pool_id: UUID) -> list[ScheduleView]:
    """A pool's schedules, the highest priority first."""
    rows = await session.scalars(
        select(Schedule)
        .where(Schedule.tenant_id == session.tenant_id, Schedule.pool_id == pool_id)
        .order_by(Schedule.priority.desc(), Schedule.id)
        .execution_options(populate_existing=True)
    )
    return [schedule_view(row) for row in rows]


async def schedule(session: Session, *, schedule_id: UUID) -> ScheduleView:
    """One schedule; raises ScheduleNotFound."""
    row = await session.get(Schedule, (session.tenant_id, schedule_id), populate_existing=True)
    if row is None:
        raise ScheduleNotFound
    return schedule_view(row)


def schedule_view(row: Schedule) -> ScheduleView:
    """A row as its reader gets it."""
    return ScheduleView(
        id=row.id,
        pool_id=row.pool_id,
        name=row.name,
        date_from=row.date_from,
        date_until=row.date_until,
        weekdays=row.weekdays,
        day_kind=row.day_kind,
        priority=row.priority,
        slots=tuple(
            SlotPlan(
                time.fromisoformat(slot["starts"]),
                time.fromisoformat(slot["ends"]),
                slot["capacity"],
            )
            for slot in row.slots
        ),
    )


def by_day(states: Iterable[SlotState]) -> dict[date, list[SlotState]]:
    """The same slots, grouped by day."""
    days: dict[date, list[SlotState]] = defaultdict(list)
    for state in states:
        days[state.day].append(state)
    return days


def states_of(rows: Sequence[Sequence[Any]]) -> list[SlotState]:
    """Slots from rows of `SLOTS`."""
    caps: dict[UUID, dict[str, tuple[int, int]]] = defaultdict(dict)
    shares: dict[UUID, dict[str, ShareState]] = defaultdict(dict)
    for row in rows:
        scope, ref, capacity, held, sold, kind, places, releases_at = row[11:]
        if scope == "type":
            caps[row[0]][ref] = (capacity, capacity - held - sold)
        elif scope == "channel":
            shares[row[0]][ref] = ShareState(kind, places, releases_at, held, sold)
    found = []
    for row in rows:
        if row[11] != "slot":
            continue
        id_, pool_id, day, starts, ends, starts_at, ends_at, status, note, edited, own = row[:11]
        capacity, held, sold = row[13:16]
        found.append(
            SlotState(
                id_, pool_id, day, starts, ends, starts_at, ends_at, status, note, capacity, held,
                sold, caps.get(id_, {}), edited, shares.get(id_, {}), own,
            )
        )  # fmt: skip
    return found


async def divisions(
    session: Session, *, pool_ids: Collection[UUID]
) -> dict[UUID, list[AllotmentRule]]:
    """The shares of channels in pools, in their order; pools without any are missing."""
    rows = await session.execute(
        select(
            Allotment.pool_id,
            Allotment.channel,
            Allotment.kind,
            Allotment.places,
            Allotment.percent,
            Allotment.release_minutes,
        )
        .where(Allotment.tenant_id == session.tenant_id, Allotment.pool_id.in_(pool_ids))
        .order_by(Allotment.position, Allotment.channel)
    )
    found: dict[UUID, list[AllotmentRule]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(AllotmentRule(*row[1:]))
    return dict(found)
