"""`availability`: calendars and slot lists while orders come in, and whether they are true."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import msgspec

from bench.bulk import insert_slots
from bench.load import Request, Stream, http, load
from bench.park import VISITORS, ZONE, Park, make_park, windows
from bench.report import Meter, Report, at_least, at_most
from bench.rig import Rig
from shanmen.kit import clock

SLOTS = 100_000
EACH_DAY = 40
SLOT_MINUTES = 20
DAYS = 250
SITES = SLOTS // (DAYS * EACH_DAY)
CAPACITY = 100_000
SHOWN_DAYS = 30
CONNECTIONS = 64
BACKGROUND = 520
BACKGROUND_CONNECTIONS = 32
CREATED = 201
CALENDAR_SHARE = 0.5


class DayLeft(msgspec.Struct):
    """What a calendar says of a day."""

    day: date
    left: int


class ProductLeft(msgspec.Struct):
    """What a slot says of a ticket type."""

    left: int


class SlotLeft(msgspec.Struct):
    """What a list says of a slot."""

    products: list[ProductLeft]


class Checker:
    """Knows which orders were acknowledged when a question was sent, and reads the answers.

    An answer that shows more places than there were left at that moment is stale; one that shows
    fewer than orders have been sent for is wrong.
    """

    def __init__(self, days: list[date]) -> None:
        self.days = days
        self.acknowledged: Counter[date] = Counter()
        self.sent: Counter[date] = Counter()
        self.stale = 0
        self.wrong = 0
        self.checked = 0
        self._calendar = msgspec.json.Decoder(list[DayLeft])
        self._slots = msgspec.json.Decoder(list[SlotLeft])
        self._last: dict[date | None, tuple[bytes, dict[date, int]]] = {}

    def known(self, day: date | None) -> dict[date, int]:
        """What is acknowledged now, of a day or of all."""
        if day is not None:
            return {day: self.acknowledged[day]}
        return dict(self.acknowledged)

    def heard(self, tag: tuple[date | None, dict[date, int]], status: int, body: bytes) -> None:
        """Compare an answer with what was known when its question was sent."""
        if status != 200:
            return
        day, known = tag
        shown = self._read(day, body)
        self.checked += 1
        whole = EACH_DAY * CAPACITY
        if any(shown.get(d, whole) > whole - taken for d, taken in known.items()):
            self.stale += 1
        if any(left < whole - self.sent[d] for d, left in shown.items() if d in self.days):
            self.wrong += 1

    def _read(self, day: date | None, body: bytes) -> dict[date, int]:
        before = self._last.get(day)
        if before is not None and before[0] == body:
            return before[1]
        if day is None:
            shown = {found.day: found.left for found in self._calendar.decode(body)}
        else:
            slots = self._slots.decode(body)
            shown = {day: sum(product.left for slot in slots for product in slot.products)}
        self._last[day] = (body, shown)
        return shown


def availability(rig: Rig, report: Report) -> None:
    """One site's month and days are asked for, among ten sites' slots."""
    name = rig.fresh("availability")
    tomorrow = clock.today(ZONE) + timedelta(days=1)
    days = [tomorrow + timedelta(days=n) for n in range(SHOWN_DAYS)]
    park = rig.inside(name, lambda database: make_park(database, slots=[], capacity=0, sites=SITES))
    by_day: dict[date, list[UUID]] = {day: [] for day in days}
    with rig.connect(name) as connection:
        made = windows(tomorrow, days=DAYS, each=EACH_DAY, minutes=SLOT_MINUTES)
        for place in park.sites:
            insert_slots(connection, place, made, capacity=CAPACITY)
        rows = connection.execute(
            "SELECT day, id FROM slot WHERE tenant_id = %s AND pool_id = %s AND day <= %s",
            (park.tenant_id, park.site.pool_id, days[-1]),
        )
        for day, slot in rows:
            by_day[day].append(slot)
        count = connection.execute("SELECT count(*) FROM slot").fetchone()
    checker = Checker(days)
    seconds = rig.asked.seconds
    with rig.serve(name) as web:
        orders = Stream(
            _orders(park, by_day, checker, round(BACKGROUND * (seconds + 4)) + 200),
            BACKGROUND_CONNECTIONS, web.port, per_second=BACKGROUND,
            heard=lambda tag, status, _: _acknowledge(checker, tag, status), good=CREATED,
        )  # fmt: skip
        load(
            Stream(_questions(park, checker), 16, web.port, heard=checker.heard),
            orders,
            seconds=2,
        )
        rig.checkpoint(name)
        background = Stream(
            orders.requests, BACKGROUND_CONNECTIONS, web.port, per_second=BACKGROUND,
            heard=orders.heard, good=CREATED,
        )  # fmt: skip
        reads = Stream(
            _questions(park, checker), rig.asked.connections or CONNECTIONS, web.port,
            heard=checker.heard,
        )  # fmt: skip
        with Meter(rig, web) as meter:
            load(reads, background, seconds=seconds)
        report.settings["processes"] = web.settings.processes
    report.stream(reads, per_s=at_least(5000), p99_ms=at_most(20))
    report.add("background_per_s", background.per_s, at_least(500))
    report.add("background_p99_ms", background.percentile_ms(0.99))
    report.add("background_errors", background.errors, at_most(0))
    report.add("stale", checker.stale, at_most(0))
    report.add("wrong", checker.wrong, at_most(0))
    report.add("checked", checker.checked)
    meter.into(report, reads.done)
    report.settings["slots"] = count[0] if count else 0
    report.settings["connections"] = reads.connections
    report.settings["checked"] = "every answer against the orders acknowledged before its question"
    with rig.connect(name) as connection:
        row = connection.execute("SELECT count(*) FROM orders").fetchone()
    report.same("orders", sum(checker.acknowledged.values()) // VISITORS, row[0] if row else 0)
    report.same("stale or wrong answers", 0, checker.stale + checker.wrong)


def _orders(
    park: Park, by_day: dict[date, list[UUID]], checker: Checker, count: int
) -> Iterator[Request]:
    """Orders for random slots of the days that are asked about; each is counted as it is sent."""
    choose = random.Random(1)
    days = list(by_day)
    made = []
    for number in range(count):
        day = choose.choice(days)
        made.append((park.order(park.site, choose.choice(by_day[day]), number), day))
    for request, day in made:
        checker.sent[day] += VISITORS
        yield request, day


def _acknowledge(checker: Checker, day: date, status: int) -> None:
    if status == CREATED:
        checker.acknowledged[day] += VISITORS


def _questions(park: Park, checker: Checker) -> Iterator[Request]:
    """Half calendars of the month ahead, half slot lists of its days."""
    choose = random.Random(2)
    headers = park.headers()
    base = f"/api/v1/sites/{park.site.slug}"
    first, last = checker.days[0], checker.days[-1]
    calendar = http("GET", f"{base}/availability?from={first}&to={last}", headers=headers)
    lists = {day: http("GET", f"{base}/slots?date={day}", headers=headers) for day in checker.days}
    while True:
        if choose.random() < CALENDAR_SHARE:
            yield calendar, (None, checker.known(None))
        else:
            day = choose.choice(checker.days)
            yield lists[day], (day, checker.known(day))
