"""A site's days as they are sold: kept in memory, and brought up to date at every read.

Reading a month's slots and working out what each ticket type finds in them takes a hundred times as
long as asking which of them were written since the last time. So a process keeps the slots that it
has read and what it has made of them, and each read brings only what has changed. Every answer is
as true as one that was read from the tables: what has changed is asked for after the question came.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from shanmen.catalog.queries import catalog_of, current_catalog
from shanmen.catalog.rules import Catalog
from shanmen.db.pipeline import Statement, array
from shanmen.db.reading import read
from shanmen.db.session import Unit
from shanmen.inventory.queries import SLOTS, states_of
from shanmen.inventory.rules import DayOffer, SlotOffer, SlotState, day_offer, slot_offers
from shanmen.kit import clock
from shanmen.sites.queries import SiteContext

MAX_DAYS = 1000
"""Days that one process keeps; the one that was asked for longest ago goes first."""
MAX_VIEWS = 64
"""Channels and choices of ticket types for which the offers of one day are kept."""

# All transactions before the snapshot's xmin are over: whatever is written later than this
# statement sees has that number or a higher one.
NOW = """
SELECT (SELECT version FROM catalog_version WHERE tenant_id = %s),
  pg_snapshot_xmin(pg_current_snapshot())::text
"""
# Rows that are gone are not among the changed ones, and are missing here.
COUNTS = """
SELECT day, count(*) FROM stock
WHERE tenant_id = %s AND pool_id = ANY(%s::uuid[]) AND day = ANY(%s::date[])
GROUP BY day
"""
# A row's xmin is the transaction that wrote it. Its age is compared rather than itself, since the
# numbers of transactions begin anew after four billions.
CHANGED = SLOTS.format(
    tenant="%(tenant)s",
    condition="""s.id = ANY(ARRAY(
    SELECT slot_id FROM stock
    WHERE tenant_id = %(tenant)s AND pool_id = ANY(%(pools)s::uuid[])
      AND day = ANY(%(days)s::date[])
      AND (day = ANY(%(new)s::date[]) OR age(xmin) <= age(%(seen)s::xid))
    UNION
    SELECT id FROM slot
    WHERE tenant_id = %(tenant)s AND pool_id = ANY(%(pools)s::uuid[])
      AND day = ANY(%(days)s::date[]) AND age(xmin) <= age(%(seen)s::xid)))""",
)
XIDS = 1 << 32


class View:
    """One day as one channel sees it, or some of the ticket types that it sells.

    Args:
        board: the day.
        channel: who sells.
        wanted: the ticket types; None is all that the channel sells.
    """

    def __init__(self, board: "DayBoard", channel: str, wanted: Collection[UUID] | None) -> None:
        sold = board.catalog.of_site(board.site.site_id, channel=channel)
        self._board = board
        self._channel = channel
        self._types = [t for t in sold if wanted is None or t.id in wanted]
        self._further = {draw.pool_id for t in self._types for draw in t.draws[1:]}
        self._offers: dict[UUID, SlotOffer] = {}
        self._order: list[UUID] | None = None
        self._changed: set[UUID] | None = None
        self._slots: dict[UUID, bytes] = {}
        self._day: bytes | None = None

    def changed(self, slots: Collection[SlotState]) -> None:
        """Work these out anew when somebody asks; a bundle's further pools concern every slot."""
        if self._changed is None:
            return
        if any(slot.pool_id in self._further for slot in slots):
            self._changed = None
        else:
            self._changed.update(slot.id for slot in slots)

    def slots(self, write: Callable[[SlotOffer], bytes]) -> list[bytes]:
        """The slots in order of time, as `write` writes them: always the same function."""
        self._bring_up_to_date()
        if self._order is None:
            in_order = sorted(
                self._offers.values(),
                key=lambda o: (o.slot.starts_at, o.slot.ends_at, o.slot.pool_id),
            )
            self._order = [offer.slot.id for offer in in_order]
        for slot in self._order:
            if slot not in self._slots:
                self._slots[slot] = write(self._offers[slot])
        return [self._slots[slot] for slot in self._order]

    def day(self, write: Callable[[DayOffer], bytes]) -> bytes:
        """The day as a whole, as `write` writes it: always the same function."""
        self._bring_up_to_date()
        if self._day is None:
            board = self._board
            self._day = write(
                day_offer(
                    board.day,
                    board.catalog.day_kind(board.site.site_id, board.day),
                    list(self._offers.values()),
                    today=board.today,
                    days_ahead=max((t.days_ahead for t in self._types), default=0),
                )
            )
        return self._day

    def _bring_up_to_date(self) -> None:
        if self._changed is not None and not self._changed:
            return
        board = self._board
        made = slot_offers(
            self._types,
            list(board.slots.values()),
            price=board.catalog.price,
            admits=partial(board.catalog.admits, timezone=board.site.timezone),
            today=board.today,
            now=board.now,
            channel=self._channel,
            only=self._changed,
        )
        for slot in self._offers.keys() if self._changed is None else self._changed:
            self._slots.pop(slot, None)
        before = set(self._offers)
        if self._changed is None:
            self._offers.clear()
        else:
            for slot in self._changed:
                self._offers.pop(slot, None)
        self._offers.update({offer.slot.id: offer for offer in made})
        if before != set(self._offers):
            self._order = None
        self._day = None
        self._changed = set()


@dataclass(slots=True)
class DayBoard:
    """One day of a site as it is sold, with the offers that were asked for."""

    day: date
    site: SiteContext
    catalog: Catalog
    now: datetime
    until: datetime
    """From then on something is over or on sale although no row has changed."""
    seen: int = 0
    """All that transactions before this one wrote is known."""
    slots: dict[UUID, SlotState] = field(default_factory=dict)
    counters: int = 0
    """Rows of stock that its slots have."""
    _views: dict[tuple[object, ...], View] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The site's local date."""
        return clock.local(self.now, self.site.timezone).date()

    def take_in(self, slots: Iterable[SlotState]) -> None:
        """Know these slots as they are now; one that was only read again changes nothing."""
        new = [slot for slot in slots if self.slots.get(slot.id) != slot]
        if not new:
            return
        for slot in new:
            before = self.slots.get(slot.id)
            self.counters += _counters(slot) - (0 if before is None else _counters(before))
            self.slots[slot.id] = slot
        self.until = min(self.until, self._next_moment(new))
        for view in self._views.values():
            view.changed(new)

    def view(self, channel: str, wanted: Sequence[UUID] | None) -> View:
        """The offers to a channel, of all ticket types that it sells or of those wanted."""
        key = (channel, wanted)
        view = self._views.get(key)
        if view is None:
            if len(self._views) >= MAX_VIEWS:
                self._views.clear()
            view = self._views[key] = View(self, channel, wanted)
        return view

    def _next_moment(self, slots: Collection[SlotState]) -> datetime:
        """When the clock alone changes what is on sale: a sale is over, or a share released."""
        types = self.catalog.of_site(self.site.site_id)
        before = {timedelta(minutes=t.sale_closes_minutes) for t in types} | {timedelta()}
        moments = [slot.ends_at - early for slot in slots for early in before]
        moments += [s.releases_at for slot in slots for s in slot.shares.values() if s.releases_at]
        return min((moment for moment in moments if moment > self.now), default=self.until)


def _counters(slot: SlotState) -> int:
    return 1 + len(slot.caps) + len(slot.shares)


class _Now(NamedTuple):
    """What a reading found: where the tables stood, and all that has changed in them."""

    seen: int
    counts: Mapping[date, int]
    slots: Mapping[date, Sequence[SlotState]]


class Boards:
    """The days that one process keeps, of all tenants. One reading of a tenant at a time."""

    def __init__(self) -> None:
        self._days: OrderedDict[tuple[int, UUID, date], DayBoard] = OrderedDict()
        self._catalogs: dict[int, Catalog] = {}

    async def read(
        self, unit: Unit, *, site: SiteContext, days: Collection[date]
    ) -> dict[date, DayBoard]:
        """The days as they are now."""
        catalog = self._catalogs.get(site.tenant_id)
        if catalog is None:
            catalog = await unit(current_catalog)
        while True:
            known = self._known(site, days, catalog, clock.now())
            version, found = await _changes(unit, site, catalog, days, known)
            if version == catalog.version:
                break
            catalog = await catalog_of(unit, version)
        self._catalogs[site.tenant_id] = catalog
        boards = _brought_up_to_date(site, catalog, days, known, found)
        if odd := [d for d, b in boards.items() if b.counters != found.counts.get(d, 0)]:
            # Something was removed: these days are read as a whole.
            _, found = await _changes(unit, site, catalog, odd, {})
            boards |= _brought_up_to_date(site, catalog, odd, {}, found)
        for day, board in boards.items():
            self._keep((site.tenant_id, site.site_id, day), board)
        return boards

    def _known(
        self, site: SiteContext, days: Collection[date], catalog: Catalog, now: datetime
    ) -> dict[date, DayBoard]:
        known = {}
        for day in days:
            board = self._days.get((site.tenant_id, site.site_id, day))
            if board is not None and board.catalog is catalog and board.now <= now < board.until:
                known[day] = board
        return known

    def _keep(self, key: tuple[int, UUID, date], board: DayBoard) -> None:
        self._days[key] = board
        self._days.move_to_end(key)
        while len(self._days) > MAX_DAYS:
            self._days.popitem(last=False)


async def _changes(
    unit: Unit,
    site: SiteContext,
    catalog: Catalog,
    days: Collection[date],
    known: Mapping[date, DayBoard],
) -> tuple[int, _Now]:
    """The catalog's version, and what has changed since the days were known; all of the others."""
    pools = {draw.pool_id for t in catalog.of_site(site.site_id) for draw in t.draws}
    seen = min((board.seen for board in known.values()), default=0)
    params: dict[str, Any] = {
        "tenant": site.tenant_id,
        "pools": array(pools),
        "days": array(days),
        "new": array(day for day in days if day not in known),
        "seen": str(seen % XIDS),
    }
    # One after the other, so the slots are never older than what is said to be seen of them.
    [[(version, snapshot)], counts, rows] = await read(
        unit,
        [
            Statement(NOW, (site.tenant_id,)),
            Statement(COUNTS, (site.tenant_id, params["pools"], params["days"])),
            Statement(CHANGED, params),
        ],
    )
    slots: dict[date, list[SlotState]] = defaultdict(list)
    for state in states_of(rows):
        slots[state.day].append(state)
    return version or 0, _Now(int(snapshot), dict(counts), slots)


def _brought_up_to_date(
    site: SiteContext,
    catalog: Catalog,
    days: Collection[date],
    known: Mapping[date, DayBoard],
    found: _Now,
) -> dict[date, DayBoard]:
    now = clock.now()
    tomorrow = clock.local(now, site.timezone).date() + timedelta(days=1)
    midnight = clock.to_utc(tomorrow, time(), site.timezone)
    boards = {}
    for day in days:
        board = known.get(day) or DayBoard(day, site, catalog, now, midnight)
        board.take_in(found.slots.get(day, ()))
        board.seen = found.seen
        boards[day] = board
    return boards
