"""Days looked back on: visitors, tickets, money and occupancy, one row a day."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.insight.errors import DaysBackwards, TooManyDays
from shanmen.insight.queries import day_sql
from shanmen.insight.schemas import DayFigures, DaysFigures
from shanmen.sites.errors import SiteUnknown

MOST_DAYS: Final = 92
"""Days that are answered at once: a quarter of a year."""

ENTERED: Final = f"""
SELECT day, sum(persons)::bigint
FROM scan
WHERE tenant_id = %(tenant)s AND site_id = %(site)s AND day BETWEEN %(first)s AND %(last)s
    AND outcome = 'admitted' AND direction = 'in' AND undone_at IS NULL
    AND entrance_id IN {day_sql.OUTER_ENTRANCES}
GROUP BY 1
"""  # noqa: S608 - our own text.

VISITS: Final = """
SELECT visit_day, coalesce(sum(party_size) FILTER (WHERE status <> 'refunded'), 0)::bigint,
    coalesce(sum(party_size) FILTER (WHERE status = 'refunded'), 0)::bigint
FROM ticket
WHERE tenant_id = %(tenant)s AND site_id = %(site)s AND visit_day BETWEEN %(first)s AND %(last)s
GROUP BY 1
"""

PLACES: Final = """
SELECT s.day, sum(k.capacity)::bigint, sum(k.sold)::bigint
FROM pool p
JOIN slot s ON s.tenant_id = p.tenant_id AND s.pool_id = p.id
    AND s.day BETWEEN %(first)s AND %(last)s AND s.status = 'open'
JOIN stock k ON k.tenant_id = s.tenant_id AND k.id = s.id
WHERE p.tenant_id = %(tenant)s AND p.site_id = %(site)s
    AND EXISTS (SELECT FROM ticket_type_draw d
                WHERE d.tenant_id = p.tenant_id AND d.pool_id = p.id AND d.position = 0)
GROUP BY 1
"""

MONEY: Final = """
SELECT t.business_day, coalesce(sum(t.amount_fen) FILTER (WHERE t.kind = 'payment'), 0)::bigint,
    coalesce(sum(t.amount_fen) FILTER (WHERE t.kind = 'refund'), 0)::bigint
FROM ledger_transfer t
WHERE t.tenant_id = %(tenant)s AND t.site_id = %(site)s
    AND t.business_day BETWEEN %(first)s AND %(last)s
GROUP BY 1
"""


async def days_figures(session: Session, *, site_id: UUID, first: date, last: date) -> DaysFigures:
    """Each day from `first` to `last`, also those on which nothing happened.

    Raises:
        DaysBackwards: the last day is before the first.
        TooManyDays: more than `MOST_DAYS`.
        SiteUnknown: the tenant has no such site.
    """
    if last < first:
        raise DaysBackwards(field="to")
    count = (last - first).days + 1
    if count > MOST_DAYS:
        raise TooManyDays(field="from", most=MOST_DAYS)
    tenant = session.tenant_id
    [sites] = await run(session, [Statement(day_sql.SITES, {"tenant": tenant})])
    zones = dict(sites)
    if site_id not in zones:
        raise SiteUnknown
    asked = {"tenant": tenant, "site": site_id, "first": first, "last": last}
    rows = await run(session, [Statement(one, asked) for one in (ENTERED, VISITS, PLACES, MONEY)])
    by_day = [{day: tuple(figures) for day, *figures in one} for one in rows]
    days = [_day(first + timedelta(days=n), by_day) for n in range(count)]
    return DaysFigures(
        first=first,
        last=last,
        timezone=zones[site_id],
        days=days,
        **{
            name: sum(getattr(one, name) for one in days)
            for name in (
                "entered", "visit_sold", "visit_refunded", "taken_fen", "refunded_fen",
                "capacity", "places_sold",
            )
        },
    )  # fmt: skip


def _day(day: date, by_day: list[dict[Any, tuple[int, ...]]]) -> DayFigures:
    entered, visits, places, money = by_day

    def figures(found: Mapping[Any, tuple[int, ...]], width: int) -> tuple[int, ...]:
        return found.get(day, (0,) * width)

    return DayFigures(
        day=day,
        entered=figures(entered, 1)[0],
        visit_sold=figures(visits, 2)[0],
        visit_refunded=figures(visits, 2)[1],
        capacity=figures(places, 2)[0],
        places_sold=figures(places, 2)[1],
        taken_fen=figures(money, 2)[0],
        refunded_fen=figures(money, 2)[1],
    )
