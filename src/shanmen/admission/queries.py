"""Reads of the gates: lanes, a lane's board, counts of the day, who is inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from shanmen.admission import records
from shanmen.admission.errors import LaneUnknown, ScanUnknown
from shanmen.admission.models import GatePolicy, Lane
from shanmen.admission.records import ScanRecord
from shanmen.admission.schemas import DecisionView
from shanmen.catalog.queries import current_catalog
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.sites.places import Place, places, places_statement
from shanmen.tickets import gate

DEFAULT_MINUTES = 15
DEFAULT_SECONDS = 15
LAST_SCANS = 10
LAST_WITHIN = timedelta(hours=24)

COUNTS = """
SELECT {group},
    coalesce(sum(persons) FILTER (WHERE direction = 'in' AND undone_at IS NULL), 0),
    coalesce(sum(persons) FILTER (WHERE direction = 'out' AND undone_at IS NULL), 0),
    count(*) FILTER (WHERE outcome = 'refused'),
    count(*) FILTER (WHERE undone_at IS NOT NULL),
    count(*) FILTER (WHERE override_by IS NOT NULL)
FROM scan WHERE tenant_id = %s AND {condition}
GROUP BY {group}
"""
OF_SITE = "site_id = %s AND day = %s"
OF_LANE = "lane_id = %s AND day = %s AND at >= %s"


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane with the place it belongs to."""

    id: UUID
    number: int
    name: dict[str, str]
    direction: str
    active: bool
    entrance_id: UUID
    entrance_number: int
    entrance_name: dict[str, str]
    entrance_active: bool
    zone_number: int
    zone_name: dict[str, str]
    site_id: UUID
    site_name: dict[str, str]
    timezone: str

    @property
    def open(self) -> bool:
        """Whether anybody can pass: neither the lane nor its entrance is closed."""
        return self.active and self.entrance_active


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What a site asks of its gates."""

    site_id: UUID
    grace_before_minutes: int = DEFAULT_MINUTES
    grace_after_minutes: int = DEFAULT_MINUTES
    repeat_seconds: int = DEFAULT_SECONDS
    entrances: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    """The only entrances of a ticket type; a type that is missing is admitted everywhere."""
    anti_passback: bool = False
    companions: frozenset[UUID] = frozenset()
    """Ticket types that enter only together with somebody of another type."""
    static_codes: Mapping[UUID, Mapping[str, str]] = field(default_factory=dict)
    """By ticket type and channel (empty: all others), what a static code must prove."""
    passage_seconds: int = 8
    ask_budget_ms: int = 150
    day_key_days: int = 3

    def facts(self) -> dict[str, Any]:
        """The same as the audit log compares it."""
        return {
            "grace_before_minutes": self.grace_before_minutes,
            "grace_after_minutes": self.grace_after_minutes,
            "repeat_seconds": self.repeat_seconds,
            "entrances": {str(kind): sorted(map(str, e)) for kind, e in self.entrances.items()},
            "anti_passback": self.anti_passback,
            "companions": sorted(map(str, self.companions)),
            "static_codes": {str(kind): dict(rule) for kind, rule in self.static_codes.items()},
            "passage_seconds": self.passage_seconds,
            "ask_budget_ms": self.ask_budget_ms,
            "day_key_days": self.day_key_days,
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened at one place today."""

    entered: int = 0
    left: int = 0
    refused: int = 0
    """Scans that were refused and not overridden."""
    undone: int = 0
    overridden: int = 0

    @property
    def inside(self) -> int:
        """Persons who came in and did not leave, as far as exits are scanned."""
        return max(0, self.entered - self.left)


@dataclass(frozen=True, slots=True)
class Board:
    """What a scanner page shows beside the decision."""

    counts: Counts
    last: tuple[DecisionView, ...]


@dataclass(frozen=True, slots=True)
class ZoneInside:
    """How many are inside a zone now."""

    zone_number: int
    zone_name: dict[str, str]
    counts: Counts


def lane_view(row: Lane, place: Place) -> LaneView:
    """A row as its reader gets it."""
    return LaneView(
        id=row.id,
        number=row.number,
        name=row.name,
        direction=row.direction,
        active=row.active,
        entrance_id=row.entrance_id,
        entrance_number=place.entrance_number,
        entrance_name=place.entrance_name,
        entrance_active=place.active,
        zone_number=place.zone_number,
        zone_name=place.zone_name,
        site_id=place.site_id,
        site_name=place.site_name,
        timezone=place.timezone,
    )


async def lanes(session: Session, *, site_id: UUID | None = None) -> tuple[LaneView, ...]:
    """All lanes of the tenant or of one site, closed ones too, in order of place and number."""
    where = await all_places(session)
    rows = (await session.scalars(select(Lane).where(Lane.tenant_id == session.tenant_id))).all()
    order = {entrance_id: position for position, entrance_id in enumerate(where)}
    return tuple(
        lane_view(row, where[row.entrance_id])
        for row in sorted(rows, key=lambda row: (order[row.entrance_id], row.number))
        if site_id is None or where[row.entrance_id].site_id == site_id
    )


async def lane(session: Session, *, lane_id: UUID) -> LaneView:
    """One lane; raises LaneUnknown."""
    row = await session.get(Lane, (session.tenant_id, lane_id))
    if row is None:
        raise LaneUnknown
    return lane_view(row, (await all_places(session))[row.entrance_id])


async def all_places(session: Session) -> dict[UUID, Place]:
    """All entrances of the tenant by id."""
    return places((await run(session, [places_statement(session.tenant_id)]))[0])


async def policy_of(session: Session, *, site_id: UUID) -> PolicyView:
    """What a site asks of its gates; the defaults where nothing was set."""
    row = await session.get(GatePolicy, (session.tenant_id, site_id), populate_existing=True)
    if row is None:
        return PolicyView(site_id)
    return PolicyView(
        site_id=site_id,
        grace_before_minutes=row.grace_before_minutes,
        grace_after_minutes=row.grace_after_minutes,
        repeat_seconds=row.repeat_seconds,
        entrances={
            UUID(kind): tuple(UUID(e) for e in several) for kind, several in row.entrances.items()
        },
        anti_passback=row.anti_passback,
        companions=frozenset(map(UUID, row.companions)),
        static_codes={UUID(kind): rule for kind, rule in row.static_codes.items()},
        passage_seconds=row.passage_seconds,
        ask_budget_ms=row.ask_budget_ms,
        day_key_days=row.day_key_days,
    )


async def board(session: Session, *, lane_id: UUID) -> Board:
    """A lane's counts of today and its last scans; raises LaneUnknown."""
    found = await lane(session, lane_id=lane_id)
    now = clock.now()
    today = clock.local(now, found.timezone).date()
    counted, last = await run(
        session,
        [
            Statement(
                COUNTS.format(group="lane_id", condition=OF_LANE),
                (session.tenant_id, lane_id, today, now - LAST_WITHIN),
            ),
            Statement(records.OF_LANE, (session.tenant_id, lane_id, now - LAST_WITHIN, LAST_SCANS)),
        ],
    )
    counts = Counts(*counted[0][1:]) if counted else Counts()
    views = await views_of(session, scans=list(records.records(last).values()))
    return Board(counts=counts, last=tuple(views))


async def counts_by_lane(session: Session, *, site_id: UUID, day: date) -> dict[UUID, Counts]:
    """What happened at each lane of a site on a day."""
    return await _counts(session, "lane_id", site_id, day)


async def counts_by_entrance(session: Session, *, site_id: UUID, day: date) -> dict[UUID, Counts]:
    """What happened at each entrance of a site on a day."""
    return await _counts(session, "entrance_id", site_id, day)


async def _counts(session: Session, group: str, site_id: UUID, day: date) -> dict[UUID, Counts]:
    sql = COUNTS.format(group=group, condition=OF_SITE)
    rows = (await run(session, [Statement(sql, (session.tenant_id, site_id, day))]))[0]
    return {row[0]: Counts(*row[1:]) for row in rows}


async def inside(session: Session, *, site_id: UUID, day: date) -> tuple[ZoneInside, ...]:
    """How many are inside each zone of a site: entered minus left on that day."""
    by_entrance = await counts_by_entrance(session, site_id=site_id, day=day)
    zones: dict[int, ZoneInside] = {}
    for place in (await all_places(session)).values():
        if place.site_id != site_id:
            continue
        known = zones.get(place.zone_number)
        more = by_entrance.get(place.entrance_id, Counts())
        counts = _sum(known.counts, more) if known else more
        zones[place.zone_number] = ZoneInside(place.zone_number, place.zone_name, counts)
    return tuple(zones[number] for number in sorted(zones))


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(
        entered=one.entered + other.entered,
        left=one.left + other.left,
        refused=one.refused + other.refused,
        undone=one.undone + other.undone,
        overridden=one.overridden + other.overridden,
    )


async def scan(session: Session, *, scan_id: UUID) -> DecisionView:
    """A scan with its decision; raises ScanUnknown."""
    rows = (await run(session, [records.by_id_statement(session.tenant_id, [scan_id])]))[0]
    found = list(records.records(rows).values())
    if not found:
        raise ScanUnknown
    return (await views_of(session, scans=found))[0]


async def views_of(session: Session, *, scans: list[ScanRecord]) -> list[DecisionView]:
    """What gates are told of these scans."""
    if not scans:
        return []
    ticket_ids = {s.ticket_id for s in scans if s.ticket_id is not None}
    rows = await run(
        session,
        [
            gate.read_statement(session.tenant_id, ticket_ids),
            gate.holders_statement(session.tenant_id, ticket_ids),
            places_statement(session.tenant_id),
        ],
    )
    catalog = await current_catalog(session)
    known = records.Known(
        tickets=gate.tickets(rows[0]),
        holders=gate.holders(rows[1]),
        places=places(rows[2]),
        types=catalog.types,
        keyring=session.keyring,
    )
    return [known.view(s) for s in scans]
