"""How many may be inside a zone at once: counted exactly here, shared out for gates without us.

The row of a zone's limit is locked by whoever lets somebody in or out, so the count is exact. What
a gate may let in while it is cut off is kept free for it as long as it does not hear of us: that it
is heard itself does not say that our answers reach it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from shanmen.admission.errors import OutOfRange, ZoneMissing
from shanmen.admission.models import ZoneLimit
from shanmen.audit import service as audit
from shanmen.db.pipeline import Statement, columns, run
from shanmen.db.session import Session
from shanmen.kit import clock

Rows = Iterable[Sequence[Any]]

MOST_INSIDE = 1_000_000
CUT_OFF_AFTER = timedelta(seconds=15)
"""A gate that was not heard of for so long is taken to be without network."""
FORGOTTEN_AFTER = timedelta(hours=20)

_ZONES = """
SELECT l.zone_id, z.site_id, z.number, z.name, l.max_inside, l.day, l.inside, coalesce((
    SELECT sum(d.share) FROM gate_device d
    JOIN entrance e ON e.tenant_id = d.tenant_id AND e.id = d.entrance_id
    WHERE d.tenant_id = l.tenant_id AND e.zone_id = l.zone_id AND d.revoked_at IS NULL
        AND d.share > 0
        AND coalesce(d.heard_at, d.last_seen_at) BETWEEN %(forgotten)s AND %(cut_off)s
        AND d.id IS DISTINCT FROM %(besides)s
), 0)
FROM zone_limit l
JOIN zone z ON z.tenant_id = l.tenant_id AND z.id = l.zone_id
WHERE l.tenant_id = %(tenant)s
"""
READ = f"{_ZONES} ORDER BY l.zone_id"
LOCK = f"""
{_ZONES} AND l.zone_id IN (
    SELECT e.zone_id FROM entrance e
    LEFT JOIN lane w ON w.tenant_id = e.tenant_id AND w.entrance_id = e.id
    WHERE e.tenant_id = %(tenant)s AND (w.id = ANY(%(lanes)s) OR e.id = ANY(%(entrances)s))
) ORDER BY l.zone_id FOR NO KEY UPDATE OF l
"""  # noqa: S608 - our own text
MOVE = """
UPDATE zone_limit AS l SET day = m.day,
    inside = greatest(0, CASE WHEN l.day = m.day THEN l.inside ELSE 0 END + m.persons)
FROM unnest(%s::uuid[], %s::date[], %s::int[]) AS m(zone_id, day, persons)
WHERE l.tenant_id = %s AND l.zone_id = m.zone_id AND l.day <= m.day
"""
# Ticket by ticket: who leaves where nobody of the ticket is known to have entered makes no room. It
# may have been yesterday, or at a gate that has not told of it yet. Only those who were counted
# without a ticket, in an emergency, are taken to be the ones who leave with one.
INSIDE = """
SELECT coalesce(sum(greatest(net, 0)) FILTER (WHERE named), 0) + greatest(0,
    coalesce(sum(net) FILTER (WHERE NOT named OR net < 0), 0))
FROM (
    SELECT s.ticket_id IS NOT NULL AS named,
        sum(CASE s.direction WHEN 'in' THEN s.persons ELSE -s.persons END) AS net
    FROM scan s
    JOIN entrance e ON e.tenant_id = s.tenant_id AND e.id = s.entrance_id
    WHERE s.tenant_id = %(tenant)s AND s.site_id = %(site)s AND s.day = %(day)s
        AND e.zone_id = %(zone)s AND s.outcome = 'admitted' AND s.undone_at IS NULL
    GROUP BY s.ticket_id
) AS tickets
"""
# Places that a gate has freed while it was cut off it gives away itself, until it is told anew.
COUNT_ANEW = f"""
WITH before AS (
    SELECT CASE day WHEN %(day)s THEN inside ELSE 0 END AS inside FROM zone_limit
    WHERE tenant_id = %(tenant)s AND zone_id = %(zone)s
), counted AS (
    UPDATE zone_limit AS l SET day = %(day)s, inside = ({INSIDE})
    WHERE l.tenant_id = %(tenant)s AND l.zone_id = %(zone)s AND l.day <= %(day)s
    RETURNING l.inside
)
UPDATE gate_device SET told_count = greatest(told_count, %(count)s),
    share = least(share + before.inside - counted.inside, {MOST_INSIDE})
FROM before, counted
WHERE tenant_id = %(tenant)s AND id = %(device)s AND before.inside > counted.inside
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A zone with a maximum."""

    zone_id: UUID
    site_id: UUID
    number: int
    name: dict[str, str]
    max_inside: int
    day: date
    inside: int
    reserved: int
    """What (other) gates that are cut off may let in."""

    def inside_on(self, day: date) -> int:
        """How many are inside on a day."""
        return self.inside if self.day == day else 0

    def room_on(self, day: date) -> int:
        """How many more the server may let in."""
        return max(0, self.max_inside - self.inside_on(day) - self.reserved)


def share_of(zone: ZoneRow, *, today: date, parts: int) -> int:
    """What is left of a zone, divided among the gates and entrances that lead into it.

    What other gates were told before they were cut off is theirs: it is not given out again.
    """
    return zone.room_on(today) // max(1, parts)


def room_of(said: int) -> int:
    """How many a gate says that it may let in, kept within what the tables hold."""
    return max(0, min(said, MOST_INSIDE))


def zones_statement(tenant_id: int, *, besides: UUID | None = None) -> Statement:
    """Read all zones with a maximum; rows make `zone_rows`.

    What is kept for the gate `besides` is left out: it is being told anew.
    """
    return Statement(READ, _times(tenant_id, besides))


def lock_statement(
    tenant_id: int, *, lanes: Iterable[UUID] = (), entrances: Iterable[UUID] = ()
) -> Statement:
    """Lock the limits of the zones of these lanes or entrances, after the tickets."""
    wanted = {"lanes": sorted(lanes), "entrances": sorted(entrances)}
    return Statement(LOCK, _times(tenant_id, None) | wanted)


def zone_rows(rows: Rows) -> dict[UUID, ZoneRow]:
    """Zones with a maximum, by id."""
    return {row[0]: ZoneRow(*row) for row in rows}


def move_statement(tenant_id: int, moves: Mapping[tuple[UUID, date], int]) -> Statement:
    """Let persons in or out, by zone and day; a day that is over changes nothing."""
    rows = [(zone_id, day, persons) for (zone_id, day), persons in moves.items()]
    return Statement(MOVE, (*columns(rows, 3), tenant_id))


def count_anew_statement(
    tenant_id: int, *, site_id: UUID, zone_id: UUID, day: date, device_id: UUID, count: int
) -> Statement:
    """Count who is inside a zone from all scans of a day; a day that is over changes nothing.

    For what a gate tells afterwards, with its request `count`. It comes in another order than it
    happened, an exit before its entry, so that adding it up is not enough. The zone's limit must
    be locked.
    """
    values = _day_of(tenant_id, site_id, zone_id, day) | {"device": device_id, "count": count}
    return Statement(COUNT_ANEW, values)


def _day_of(tenant_id: int, site_id: UUID, zone_id: UUID, day: date) -> dict[str, Any]:
    return {"tenant": tenant_id, "site": site_id, "zone": zone_id, "day": day}


async def set_limit(session: Session, *, zone_id: UUID, max_inside: int | None) -> None:
    """Set how many may be inside a zone at once; None is without limit.

    Raises:
        ZoneMissing, OutOfRange: naming the field.
    """
    site, timezone = await _site_of(session, zone_id)
    if max_inside is not None and not 1 <= max_inside <= MOST_INSIDE:
        raise OutOfRange(field="max_inside", low=1, high=MOST_INSIDE)
    tenant = session.tenant_id
    before = await session.scalar(
        select(ZoneLimit.max_inside).where(
            ZoneLimit.tenant_id == tenant, ZoneLimit.zone_id == zone_id
        )
    )
    if max_inside is None:
        await session.execute(
            delete(ZoneLimit).where(ZoneLimit.tenant_id == tenant, ZoneLimit.zone_id == zone_id)
        )
    else:
        day = clock.today(timezone)
        # Whoever counts waits for the row; whoever came in before it existed is in the scans.
        counted = await run(session, [Statement(INSIDE, _day_of(tenant, site, zone_id, day))])
        await session.execute(
            insert(ZoneLimit)
            .values(
                tenant_id=tenant,
                zone_id=zone_id,
                max_inside=max_inside,
                day=day,
                inside=counted[0][0][0],
            )
            .on_conflict_do_update(
                index_elements=["tenant_id", "zone_id"], set_={"max_inside": max_inside}
            )
        )
    await audit.record(
        session,
        action="admission.zone_limit_changed",
        entity="zone",
        entity_id=zone_id,
        before={"max_inside": before},
        after={"max_inside": max_inside},
    )


async def _site_of(session: Session, zone_id: UUID) -> tuple[UUID, str]:
    rows = await run(
        session,
        [
            Statement(
                "SELECT s.id, s.timezone FROM zone z "
                "JOIN site s ON s.tenant_id = z.tenant_id AND s.id = z.site_id "
                "WHERE z.tenant_id = %s AND z.id = %s",
                (session.tenant_id, zone_id),
            )
        ],
    )
    if not rows[0]:
        raise ZoneMissing(field="zone_id")
    site, timezone = rows[0][0]
    return site, timezone


def _times(tenant_id: int, besides: UUID | None) -> dict[str, Any]:
    now: datetime = clock.now()
    return {
        "tenant": tenant_id,
        "forgotten": now - FORGOTTEN_AFTER,
        "cut_off": now - CUT_OFF_AFTER,
        "besides": besides,
    }
