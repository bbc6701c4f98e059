"""A site's days as they are sold: kept in memory, and checked against the tables at every read.

Reading a month's slots and working out what each ticket type finds in them takes ten times as long
as asking which of its days have changed. So a process keeps what it has worked out for a day
together with the versions of that day's rows, and works out again only the days whose rows have
other versions by now. Every answer is as true as one that was read from the tables: the versions
are asked for after the question came.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from shanmen.catalog.queries import catalog_of, current_catalog
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.pipeline import Statement, array
from shanmen.db.reading import read
from shanmen.db.session import Unit
from shanmen.inventory.queries import SLOTS, states_of
from shanmen.inventory.rules import DayOffer, SlotOffer, SlotState, day_offer, slot_offers
from shanmen.kit import clock
from shanmen.sites.queries import SiteContext

MAX_DAYS = 1000
"""Days that one process keeps; the one that was asked for longest ago goes first."""
MAX_RENDERED = 64
"""Answers kept for one day: channels and choices of ticket types."""

VERSION = "SELECT version FROM catalog_version WHERE tenant_id = %s"
# A row's xmin is the transaction that wrote this version of it, so a day whose rows were changed,
# added or removed has another count or another sum. Frozen rows keep theirs.
VERSIONS = """
SELECT s.day, count(*), sum(hashtextextended(s.xmin::text || '.' || k.xmin::text, 0))
FROM slot s JOIN stock k ON k.tenant_id = s.tenant_id AND k.slot_id = s.id
WHERE s.tenant_id = %s AND s.pool_id = ANY(%s::uuid[]) AND s.day = ANY(%s::date[])
GROUP BY s.day
"""
ROWS = SLOTS.format(
    tenant="%s", condition="s.pool_id = ANY(%s::uuid[]) AND s.day = ANY(%s::date[])"
)

Versions = tuple[int, int, Any]
"""Of the catalog, and count and sum of a day's rows; a day without slots has zeros."""


@dataclass(slots=True)
class DayBoard:
    """One day of a site as it was sold when its rows had these versions."""

    day: date
    site: SiteContext
    catalog: Catalog
    versions: Versions
    slots: list[SlotState]
    now: datetime
    until: datetime
    """From then on something is over or on sale although no row has changed."""
    _rendered: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def types(self, channel: str, wanted: Collection[UUID] | None) -> list[TicketTypeInfo]:
        """The ticket types that a channel sells, or those of them that are wanted."""
        sold = self.catalog.of_site(self.site.site_id, channel=channel)
        return sold if wanted is None else [t for t in sold if t.id in wanted]

    def offers(self, channel: str, wanted: Collection[UUID] | None) -> list[SlotOffer]:
        """The slots with what each ticket type finds there."""
        return slot_offers(
            self.types(channel, wanted),
            self.slots,
            price=self.catalog.price,
            today=clock.local(self.now, self.site.timezone).date(),
            now=self.now,
            channel=channel,
        )

    def offer(self, channel: str, wanted: Collection[UUID] | None) -> DayOffer:
        """The day as a whole."""
        types = self.types(channel, wanted)
        return day_offer(
            self.day,
            self.catalog.day_kind(self.site.site_id, self.day),
            self.offers(channel, wanted),
            today=clock.local(self.now, self.site.timezone).date(),
            days_ahead=max((t.days_ahead for t in types), default=0),
        )

    def rendered(self, key: tuple[object, ...], make: Callable[["DayBoard"], bytes]) -> bytes:
        """What `make` makes of this board, made once for each key."""
        known = self._rendered.get(key)
        if known is None:
            if len(self._rendered) >= MAX_RENDERED:
                self._rendered.clear()
            known = self._rendered[key] = make(self)
        return known


class Boards:
    """The days that one process keeps, of all tenants."""

    def __init__(self) -> None:
        self._days: OrderedDict[tuple[int, UUID, date], DayBoard] = OrderedDict()
        self._catalogs: dict[int, Catalog] = {}

    async def read(
        self, unit: Unit, *, site: SiteContext, days: Collection[date]
    ) -> dict[date, DayBoard]:
        """The days as they are now."""
        tenant = site.tenant_id
        catalog = self._catalogs.get(tenant)
        if catalog is None:
            catalog = await unit(current_catalog)
        while True:
            pools = _pools(catalog, site.site_id)
            params = (tenant, array(pools), array(days))
            numbers, rows = await read(
                unit, [Statement(VERSION, (tenant,)), Statement(VERSIONS, params)]
            )
            version = numbers[0][0] if numbers else 0
            if version == catalog.version:
                break
            catalog = await catalog_of(unit, version)
        self._catalogs[tenant] = catalog
        reading = _Reading(site, catalog, pools, clock.now())
        found = dict.fromkeys(days, (0, 0)) | {row[0]: (row[1], row[2]) for row in rows}
        changed: list[date] = []
        boards: dict[date, DayBoard] = {}
        for day, (count, total) in found.items():
            versions = (catalog.version, count, total)
            board = self._days.get((tenant, site.site_id, day))
            if board is None or board.versions != versions or reading.now >= board.until:
                changed.append(day)
            else:
                boards[day] = board
        if changed:
            boards |= await _work_out(unit, reading, {day: found[day] for day in changed})
        for day, board in boards.items():
            self._keep((tenant, site.site_id, day), board)
        return boards

    def _keep(self, key: tuple[int, UUID, date], board: DayBoard) -> None:
        self._days[key] = board
        self._days.move_to_end(key)
        while len(self._days) > MAX_DAYS:
            self._days.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What all days of one reading share."""

    site: SiteContext
    catalog: Catalog
    pools: list[UUID]
    now: datetime


async def _work_out(
    unit: Unit, reading: _Reading, days: Mapping[date, tuple[int, Any]]
) -> dict[date, DayBoard]:
    # These rows may be newer than the versions that were read before them. Then the next read finds
    # other versions and works the day out again: too often, and never too late.
    params = (reading.site.tenant_id, array(reading.pools), array(days))
    [rows] = await read(unit, [Statement(ROWS, params)])
    slots: dict[date, list[SlotState]] = defaultdict(list)
    for state in states_of(rows):
        slots[state.day].append(state)
    site, catalog, now = reading.site, reading.catalog, reading.now
    types = catalog.of_site(site.site_id)
    return {
        day: DayBoard(
            day, site, catalog, (catalog.version, *versions), slots[day], now,
            _next_moment(slots[day], types, now=now, timezone=site.timezone),
        )
        for day, versions in days.items()
    }  # fmt: skip


def _pools(catalog: Catalog, site_id: UUID) -> list[UUID]:
    return sorted({draw.pool_id for t in catalog.of_site(site_id) for draw in t.draws})


def _next_moment(
    slots: Collection[SlotState],
    types: Collection[TicketTypeInfo],
    *,
    now: datetime,
    timezone: str,
) -> datetime:
    """When the clock alone changes what is on sale.

    A slot's sale or time is over, a channel's share is released, or it is midnight.
    """
    tomorrow = clock.local(now, timezone).date() + timedelta(days=1)
    before = {timedelta(minutes=t.sale_closes_minutes) for t in types} | {timedelta()}
    moments = [slot.ends_at - early for slot in slots for early in before]
    moments += [s.releases_at for slot in slots for s in slot.shares.values() if s.releases_at]
    moments.append(clock.to_utc(tomorrow, time(), timezone))
    return min(moment for moment in moments if moment > now)
