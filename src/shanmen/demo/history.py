"""A year of orders and admissions, filled in behind the running server.

It goes week by week, by the day of the visit: first the present week and the days ahead, so that
today's pages live within seconds; then backwards, so that charts are useful from the first minute
and grow into the past. A week holds all that belongs to its visits (orders placed weeks before,
refunds, the gates), so nothing of it has to be remembered afterwards.

Each transaction notes in the week's journal what it did; a run that was stopped goes on where it
was, and a later start adds the days that have passed since.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import text

from shanmen.admission.queries import lanes as read_lanes
from shanmen.catalog.queries import current_catalog
from shanmen.db.outbox import quiet
from shanmen.db.session import Actor, Database, Session, Unit
from shanmen.demo import crowds, demand, gates, journal, sales, stage
from shanmen.demo.build import ParkSpec
from shanmen.demo.gates import GateSide
from shanmen.demo.journal import Beginning, Chapter
from shanmen.demo.parks import PARKS
from shanmen.demo.plan import Fate, Model, Places, PlannedOrder, Planner
from shanmen.demo.progress import Progress
from shanmen.demo.sales import Shop
from shanmen.demo.visits import EXITS_FOR, Lanes, together
from shanmen.inventory.queries import pools, slots_between
from shanmen.inventory.rules import SlotState
from shanmen.inventory.service.materialize import materialize_pools
from shanmen.kit import clock
from shanmen.sites import queries as sites

T = TypeVar("T")

DEMO = Actor("system", label="demo")
WEEK = timedelta(days=7)
DAYS = 365
SETTLED = timedelta(minutes=25)
"""Orders this young are left out: whether they lapse is not known yet."""
CHANGES_AT_ONCE = 12
GATE_BATCHES = 6
PLAN_AGAIN = 4
"""After so many transactions of a connection, and each time they have doubled, statements are
planned anew."""
BREATH = 0.004
"""Seconds after each transaction in which the server has the machine to itself."""
WEEKS_AT_ONCE = 3
"""While the database works on one week's scans, another week's orders are made ready."""


async def fill(
    database: Database,
    *,
    orders: int = 100_000,
    seed: int = 1,
    days: int = DAYS,
    progress: Progress | None = None,
) -> Progress:
    """Fill the past `days` of the demo's parks; goes on where it was interrupted.

    Args:
        orders: of the first park, over all past days; a smaller share comes to the others. A
            history that was begun with another number goes on with that.
        seed: another seed is another history, on top of what is there.
        progress: counts and tells; a silent one otherwise.
    """
    progress = progress or Progress()
    now = clock.now()
    parks = [
        park
        for spec in PARKS
        if (park := await open_park(database, spec, seed=seed, orders=orders, days=days, now=now))
    ]
    progress.total = sum(park.expected() for park in parks)
    with quiet():
        for park in parks:
            await park.dress_up()
        present, *others = dict.fromkeys(week for park in parks for week in park.weeks())
        await _fill_weeks(parks, [present], progress)
        await _fill_weeks(parks, others, progress)
    progress.finish()
    return progress


async def _fill_weeks(
    parks: Sequence["ParkHistory"], weeks: Sequence[date], progress: Progress
) -> None:
    """Fill some weeks of all parks, a few at the same time, the first first."""
    waiting = iter([(park, week) for week in weeks for park in parks])

    async def fill_next() -> None:
        for park, week in waiting:
            await park.fill_week(week, progress)

    tasks = [asyncio.create_task(fill_next()) for _ in range(WEEKS_AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def open_park(
    database: Database, spec: ParkSpec, *, seed: int, orders: int, days: int, now: datetime
) -> "ParkHistory | None":
    """One park's history, opened for going on; None where the park is not there."""
    address = await database.unit(None)(sites.address_of, slug=spec.slug)
    if address is None:
        return None
    unit = database.unit(address[0], actor=DEMO)
    share = max(1, round(orders * crowds.SHARES[spec.code]))
    return await unit(_open, unit=unit, spec=spec, seed=seed, orders=share, days=days, now=now)


async def _open(
    session: Session,
    *,
    unit: Unit,
    spec: ParkSpec,
    seed: int,
    orders: int,
    days: int,
    now: datetime,
) -> "ParkHistory":
    site = await sites.site(session, slug=spec.slug)
    today = clock.local(now, site.timezone).date()
    begun = await journal.begin(
        session, seed=seed, wanted=Beginning(today=today, orders=orders, days=days)
    )
    catalog = await current_catalog(session)
    by_number = {kind.number: kind.id for kind in catalog.of_site(site.id)}
    inward: dict[int, list[UUID]] = {}
    outward: dict[int, list[UUID]] = {}
    for lane in await read_lanes(session, site_id=site.id):
        (outward if lane.direction == "out" else inward).setdefault(lane.zone_number, []).append(
            lane.id
        )
    found = await pools(session, site_id=site.id)
    past = [begun.today - timedelta(days=n) for n in range(1, begun.days + 1)]
    return ParkHistory(
        unit=unit,
        seed=seed,
        begun=begun,
        now=now,
        today=today,
        each=demand.scale(past, begun.orders, seed),
        model=crowds.MODELS[spec.code],
        shop=Shop(
            site.id,
            site.timezone,
            {kind.key: by_number[n] for n, kind in enumerate(spec.kinds, start=1)},
        ),
        side=GateSide(
            seed,
            site.number,
            site.timezone,
            {kind.id: kind.number for kind in catalog.types.values()},
            Lanes(inward, outward),
            today - EXITS_FOR,
        ),
        pool_keys={pool.id: key for pool, key in zip(found, spec.pools, strict=False)},
    )


@dataclass(slots=True)
class Plans:
    """Has each connection plan its statements anew when the tables have grown much.

    PostgreSQL keeps a plan that it made while a table was small, which reads all of the table,
    until statistics are gathered: a minute in which a table grows from nothing to thousands.
    """

    transactions: WeakKeyDictionary[object, int] = field(default_factory=WeakKeyDictionary)

    async def count(self, session: Session) -> None:
        """Count a transaction of the session's connection."""
        count = self.transactions[session.raw_driver] = (
            self.transactions.get(session.raw_driver, 0) + 1
        )
        if count >= PLAN_AGAIN and count.bit_count() == 1:
            await session.execute(text("DISCARD PLANS"))


@dataclass(slots=True)
class ParkHistory:
    """One park's history.

    `each` is the number of orders for a day of weight 1, see `demand.scale`.
    """

    unit: Unit
    seed: int
    begun: Beginning
    now: datetime
    today: date
    each: float
    model: Model
    shop: Shop
    side: GateSide
    pool_keys: dict[UUID, str]
    till: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One transaction at a time sells or gives back: all of them lock the same accounts."""
    plans: Plans = field(default_factory=Plans)

    @property
    def first(self) -> date:
        """The first day that has visitors."""
        return self.begun.today - timedelta(days=self.begun.days)

    @property
    def last(self) -> date:
        """The last day for which anybody has bought yet."""
        return self.today + timedelta(days=demand.LONGEST_LEAD)

    def expected(self) -> int:
        """About how many orders there will be, those of the days ahead in part."""
        span = (self.today - self.first).days
        past = (self.first + timedelta(days=n) for n in range(span + 2))
        return sum(demand.orders_on(day, self.each, self.seed) for day in past)

    def weeks(self) -> list[date]:
        """Mondays: this week, those ahead, then backwards to the first."""
        present = monday(self.today)
        ahead = range(1, (monday(self.last) - present).days // 7 + 1)
        back = range(1, (present - monday(self.first)).days // 7 + 1)
        return [
            present,
            *(present + n * WEEK for n in ahead),
            *(present - n * WEEK for n in back),
        ]

    async def dress_up(self) -> None:
        """Let the next days look as they do in a busy park: a show that is full, one nearly so."""
        if self.model.show:
            await self.unit(
                stage.dress_up, shop=self.shop, seed=self.seed, today=self.today, now=self.now
            )

    async def fill_week(self, week: date, progress: Progress) -> None:
        """Everything of a week's visits that is past and not there yet."""
        if not self._days(week):
            return
        chapter = Chapter(self.seed, week)
        if await self.unit(journal.closed, chapters=[chapter]):
            progress.found(self._planned_orders(week))
            return
        slots = await self.unit(self._prepare, chapter=chapter, days=self._days(week))
        progress.found(len(chapter.orders))
        plan = self._plan(week, slots)
        await self._sell(chapter, plan, progress)
        await self._change(chapter, plan)
        for day in self._days(week):
            await self._gates(chapter, plan, day, progress)
        if week + WEEK <= self.today - timedelta(days=1):
            await self.unit(chapter.close)

    def _days(self, week: date) -> list[date]:
        days = [week + timedelta(days=n) for n in range(7)]
        return [day for day in days if self.first <= day <= self.last]

    def _planned_orders(self, week: date) -> int:
        return sum(demand.orders_on(day, self.each, self.seed) for day in self._days(week))

    async def _prepare(
        self, session: Session, *, chapter: Chapter, days: Sequence[date]
    ) -> list[SlotState]:
        """Read the journal, make the slots of days that never had any, and read them."""
        await chapter.read(session)
        first, last = days[0], days[-1]
        await materialize_pools(session, pool_ids=list(self.pool_keys), first=first, last=last)
        return await slots_between(session, pool_ids=self.pool_keys, first=first, last=last)

    def _plan(self, week: date, slots: Sequence[SlotState]) -> list[PlannedOrder]:
        planner = Planner(self.seed, self.model, Places(slots, self.pool_keys), self.shop.timezone)
        return [
            order
            for day in self._days(week)
            for order in planner.day(day, demand.orders_on(day, self.each, self.seed))
        ]

    async def _sell(
        self, chapter: Chapter, plan: Sequence[PlannedOrder], progress: Progress
    ) -> None:
        missing = [
            order
            for order in plan
            if order.key not in chapter.orders and order.created <= self.now - SETTLED
        ]
        for several in sales.transactions(missing, self.now):
            async with self.till:
                page = await self._run(
                    partial(sales.sell, shop=self.shop, chapter=chapter, several=several)
                )
            chapter.turn(page)
            progress.count(orders=len(page.orders), day=several[0][0].day)

    async def _change(self, chapter: Chapter, plan: Sequence[PlannedOrder]) -> None:
        changing = [
            (at, order)
            for order in plan
            if order.key not in chapter.changed
            and chapter.orders.get(order.key, ("", ""))[1]
            and (at := order.refund_at or (order.move[0] if order.move else None))
            and at <= self.now - SETTLED
        ]
        changing.sort(key=lambda pair: (pair[0], pair[1].key))
        for several in chunks((order for _, order in changing), CHANGES_AT_ONCE):
            async with self.till:
                page = await self._run(partial(sales.change, chapter=chapter, orders=several))
            chapter.turn(page)

    async def _gates(
        self, chapter: Chapter, plan: Sequence[PlannedOrder], day: date, progress: Progress
    ) -> None:
        if day > self.today or day in chapter.gates:
            return
        orders = {
            number: order
            for order in plan
            if order.fate is Fate.PAID
            and (number := chapter.orders.get(order.key, ("", ""))[0])
            and (order.day == day or order.move)
        }
        tickets = await self.unit(gates.tickets_of, orders=orders)
        stands = [
            stand
            for stand in gates.stands_of(self.side, tickets, orders, day)
            if stand.at <= self.now
        ]
        span = self._gate_span(day)
        batches = together(stands, span, gates.MOST_AT_ONCE)
        for several in chunks(batches, GATE_BATCHES):
            count = await self._run(partial(gates.pass_gates, side=self.side, batches=several))
            progress.count(scans=count, day=day)
        if day < self.today:
            page = journal.Page(gates=[day])
            await self.unit(chapter.write, page=page)
            chapter.turn(page)

    def _gate_span(self, day: date) -> timedelta:
        """How closely the time of a scan is kept.

        Today's console shows each, last week's curve has quarters of an hour, and older days are
        shown by the hour.
        """
        if day >= self.today - timedelta(days=1):
            return timedelta(minutes=3)
        return timedelta(minutes=15 if day >= self.side.exits_since else 30)

    async def _run(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run a transaction, then let others go first."""

        async def with_good_plans(session: Session) -> T:
            await self.plans.count(session)
            return await work(session)

        done = await self.unit(with_good_plans)
        await asyncio.sleep(BREATH)
        return done


def monday(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most so many."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
