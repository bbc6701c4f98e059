"""The figures of one day of a site, all statements in one round trip.

Each statement is a snapshot of its own (READ COMMITTED); sums and their parts come from the same
statement, so a page never shows parts that do not add up.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.insight.queries import day_sql as sql
from shanmen.insight.schemas import (
    DayFill,
    EntranceFigures,
    PhaseName,
    PoolAhead,
    Quarter,
    RefusalFigures,
    SlotFigures,
    SlotStateName,
    TodayFigures,
    TypeFigures,
    ZoneFigures,
)
from shanmen.inventory.rules import NEARLY_FULL_SHARE
from shanmen.kit import clock
from shanmen.sites.errors import SiteUnknown

AHEAD_DAYS: Final = 14
RECENT: Final = timedelta(minutes=15)
WEEK: Final = timedelta(days=7)
QUARTER: Final = timedelta(minutes=15)

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Tally:
    """What a day's scans come to in one place."""

    entered: int = 0
    left: int = 0
    recent: int = 0
    refused: int = 0

    @property
    def inside(self) -> int:
        """Who entered and did not leave, as far as exits are scanned."""
        return max(0, self.entered - self.left)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.entered + other.entered,
            self.left + other.left,
            self.recent + other.recent,
            self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True)
class Tallies:
    """The day's scans by place, type, slot, quarter of an hour and reason."""

    by_entrance: dict[UUID, Tally] = field(default_factory=dict)
    by_type: dict[UUID, Tally] = field(default_factory=dict)
    by_slot: dict[UUID, Tally] = field(default_factory=dict)
    by_quarter: dict[datetime, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def at(self, entrances: Iterable[UUID]) -> Tally:
        """What the day comes to at some entrances."""
        return sum((self.by_entrance.get(one, Tally()) for one in entrances), Tally())


async def today_figures(
    session: Session,
    *,
    site_id: UUID,
    day: date,
    now: datetime,
    last_week: Mapping[int, int] | None = None,
) -> TodayFigures:
    """Everything that happened on `day` until `now`.

    Args:
        site_id: a site of the tenant.
        day: by the site's own calendar.
        now: what the last 15 minutes and the phases of slots are counted from.
        last_week: what `entries_of_day` said of the same weekday last week, if the caller has kept
            it; it is read otherwise.

    Raises:
        SiteUnknown: the tenant has no such site.
    """
    timezone = await _timezone(session, site_id)
    at = _parameters(session, site_id, day, now, timezone)
    wanted = [sql.ENTRANCES, sql.SCANS, sql.SLOTS, sql.AHEAD, sql.TYPES, sql.SALES, sql.MONEY]
    statements = [Statement(one, at) for one in wanted]
    if last_week is None:
        statements.append(_entries(session, site_id, day - WEEK, timezone))
    rows = await run(session, statements)
    before = _numbered(rows[7], day - WEEK, timezone) if last_week is None else last_week
    scans = _tallies(rows[1])
    types = _types(rows[4], scans)
    moved = dict(rows[6])
    [(orders, persons)] = rows[5]
    total = scans.at(_outer(rows[0]))
    return TodayFigures(
        day=day,
        as_of=now,
        timezone=timezone,
        inside=total.inside,
        entered=total.entered,
        left=total.left,
        last_15_minutes=total.recent,
        visit_sold=sum(one.sold for one in types),
        visit_tickets=sum(one.tickets for one in types),
        sold_orders=orders,
        sold_persons=persons,
        taken_fen=moved.get("payment", 0),
        refunded_fen=moved.get("refund", 0),
        refused=scans.at(scans.by_entrance).refused,
        refusals=[
            RefusalFigures(reason=reason, scans=count)
            for reason, count in sorted(scans.refusals.items(), key=lambda one: (-one[1], one[0]))
        ],
        zones=_zones(rows[0], scans),
        entrances=_entrances(rows[0], scans),
        slots=[_slot(row, scans, now) for row in rows[2]],
        ticket_types=types,
        quarters=_quarters(
            _numbered(scans.by_quarter.items(), day, timezone),
            before,
            at["opens"],
            at["closes"],
            now,
        ),
        ahead=_ahead(rows[3]),
    )


async def entries_of_day(session: Session, *, site_id: UUID, day: date) -> dict[int, int]:
    """Persons who entered on a day, by the number of the quarter of an hour since midnight."""
    timezone = await _timezone(session, site_id)
    [rows] = await run(session, [_entries(session, site_id, day, timezone)])
    return _numbered(rows, day, timezone)


def midnight(day: date, timezone: str) -> datetime:
    """The instant at which a day of the site begins."""
    return clock.to_utc(day, time(), timezone)


async def _timezone(session: Session, site_id: UUID) -> str:
    """The site's time zone."""
    [rows] = await run(session, [Statement(sql.SITES, {"tenant": session.tenant_id})])
    zones: dict[UUID, str] = dict(rows)
    if site_id not in zones:
        raise SiteUnknown
    return zones[site_id]


def _parameters(
    session: Session, site_id: UUID, day: date, now: datetime, timezone: str
) -> dict[str, Any]:
    return {
        "tenant": session.tenant_id,
        "site": site_id,
        "day": day,
        "last": day + timedelta(days=AHEAD_DAYS - 1),
        "opens": midnight(day, timezone),
        "closes": midnight(day + timedelta(days=1), timezone),
        "recent": now - RECENT,
    }


def _entries(session: Session, site_id: UUID, day: date, timezone: str) -> Statement:
    opens = midnight(day, timezone)
    return Statement(
        sql.ENTRIES, {"tenant": session.tenant_id, "site": site_id, "day": day, "opens": opens}
    )


def _numbered(
    rows: Iterable[tuple[datetime, int] | Row], day: date, timezone: str
) -> dict[int, int]:
    """Entries by the number of the quarter of an hour since midnight, to lay days side by side."""
    opens = midnight(day, timezone)
    return {(starts_at - opens) // QUARTER: count for starts_at, count in rows}


def _tallies(rows: Iterable[Row]) -> Tallies:
    found = Tallies()
    places = {"entrance": found.by_entrance, "type": found.by_type, "slot": found.by_slot}
    for what, place, quarter, refusal, *sums in rows:
        tally = Tally(*sums)
        if what in places and place is not None:
            places[what][place] = tally
        elif what == "quarter" and quarter is not None:
            found.by_quarter[quarter] = tally.entered
        elif what == "refusal" and refusal is not None:
            found.refusals[refusal] = tally.refused
    return found


def _outer(rows: Sequence[Row]) -> list[UUID]:
    """The entrances of the first zone, through which visitors come to the site from outside."""
    first = min((row[3] for row in rows), default=None)
    return [row[0] for row in rows if row[3] == first]


def _entrances(rows: Iterable[Row], scans: Tallies) -> list[EntranceFigures]:
    """Those in use, and those that somebody went through before they were closed."""
    figures = []
    for entrance_id, name, active, zone_number, _ in rows:
        tally = scans.by_entrance.get(entrance_id, Tally())
        if active or tally != Tally():
            figures.append(
                EntranceFigures(
                    id=str(entrance_id),
                    name=name,
                    zone_number=zone_number,
                    active=active,
                    entered=tally.entered,
                    left=tally.left,
                    last_15_minutes=tally.recent,
                )
            )
    return figures


def _zones(rows: Iterable[Row], scans: Tallies) -> list[ZoneFigures]:
    names: dict[int, dict[str, str]] = {}
    sums: dict[int, Tally] = defaultdict(Tally)
    for entrance_id, _, _, number, name in rows:
        names[number] = name
        sums[number] += scans.by_entrance.get(entrance_id, Tally())
    return [
        ZoneFigures(
            number=number,
            name=name,
            entered=sums[number].entered,
            left=sums[number].left,
            inside=sums[number].inside,
        )
        for number, name in names.items()
    ]


def _types(rows: Iterable[Row], scans: Tallies) -> list[TypeFigures]:
    """Those on sale, and those that somebody has a ticket of."""
    return [
        TypeFigures(id=str(type_id), name=name, tickets=tickets, sold=persons, entered=entered)
        for type_id, name, on_sale, tickets, persons in rows
        if (entered := scans.by_type.get(type_id, Tally()).entered) or on_sale or tickets
    ]


def _slot(row: Row, scans: Tallies, now: datetime) -> SlotFigures:
    (slot_id, pool_id, pool, starts, ends, starts_at, ends_at, status, capacity, held, sold,
     is_visit) = row  # fmt: skip
    return SlotFigures(
        id=str(slot_id),
        pool_id=str(pool_id),
        pool=pool,
        starts=starts,
        ends=ends,
        capacity=capacity,
        held=held,
        sold=sold,
        entered=scans.by_slot.get(slot_id, Tally()).entered if is_visit else None,
        state=_state(status, capacity, held + sold),
        phase=_phase(starts_at, ends_at, now),
    )


def _state(status: str, capacity: int, taken: int) -> SlotStateName:
    if status == "closed":
        return "closed"
    if taken >= capacity:
        return "sold_out"
    return "few" if capacity - taken <= capacity * NEARLY_FULL_SHARE else "open"


def _phase(starts_at: datetime, ends_at: datetime, now: datetime) -> PhaseName:
    if ends_at <= now:
        return "past"
    return "now" if starts_at <= now else "later"


def _quarters(
    today: Mapping[int, int],
    before: Mapping[int, int],
    opens: datetime,
    closes: datetime,
    now: datetime,
) -> list[Quarter]:
    """Every quarter of an hour between the first and the last that has something to show."""
    busy = {number for number, count in (*today.items(), *before.items()) if count}
    if not busy:
        return []
    if opens <= now < closes:
        busy.add((now - opens) // QUARTER)
    return [
        Quarter(
            starts_at=opens + number * QUARTER,
            entered=today.get(number, 0),
            last_week=before.get(number, 0),
        )
        for number in range(max(0, min(busy)), max(busy) + 1)
        if opens + number * QUARTER < closes
    ]


def _ahead(rows: Iterable[Row]) -> list[PoolAhead]:
    pools: dict[UUID, PoolAhead] = {}
    for pool_id, name, day, capacity, held, sold in rows:
        pool = pools.setdefault(pool_id, PoolAhead(pool_id=str(pool_id), pool=name, days=[]))
        pool.days.append(DayFill(day=day, capacity=capacity, held=held, sold=sold))
    return list(pools.values())
