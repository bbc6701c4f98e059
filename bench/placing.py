"""`hot-slot`, `spread` and `oversell`: placing real-name orders through the API."""

import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from bench import floor
from bench.load import Stream, load
from bench.park import VISITORS, Park, Place, make_park, orders, whole_day, windows
from bench.processes import Processes
from bench.report import Goal, Meter, Report, at_least, at_most
from bench.rig import Rig
from shanmen.kit import clock

CREATED = 201
ENOUGH = 100_000_000
MOST_PER_SECOND = 12_000
"""Requests are made beforehand, for a server as fast as this."""
FLOOR_CLIENTS = 64
WARM_ORDERS = 2_000
NUMBER = re.compile(rb'"number":"([0-9A-Z]+)"')
ZONE = "Asia/Shanghai"

PER_S = at_least(5000)
P99_MS = at_most(120)
TIMES_FLOOR = at_least(3)


class Desk:
    """A server, a park, and orders that were acknowledged.

    Args:
        rig: where it runs.
        report: where its figures go.
        name: of its database.
        park: whose orders.
        web: the web processes.
    """

    def __init__(self, rig: Rig, report: Report, name: str, park: Park, web: Processes) -> None:
        self.rig = rig
        self.report = report
        self.name = name
        self.park = park
        self.web = web
        self.numbers: list[bytes] = []
        self.next_order = 0

    def heard(self, _: object, status: int, body: bytes) -> None:
        """Keep the number of an order that was acknowledged."""
        if status == CREATED:
            found = NUMBER.search(body)
            self.numbers.append(found[1] if found else b"")

    def stream(
        self, targets: Sequence[tuple[Place, UUID]], *, connections: int, count: int
    ) -> Stream:
        """Orders of people who have none yet."""
        begin = self.next_order
        self.next_order += count
        made = [
            (self.park.order(*targets[n % len(targets)], n), n) for n in range(begin, begin + count)
        ]
        return Stream(
            made, connections=connections, port=self.web.port, heard=self.heard, good=CREATED
        )

    def warm(self, targets: Sequence[tuple[Place, UUID]]) -> None:
        """Let every process and connection have done it before."""
        load(self.stream(targets, connections=32, count=WARM_ORDERS), seconds=60)

    def measure(
        self,
        targets: Sequence[tuple[Place, UUID]],
        *,
        connections: int,
        suffix: str = "",
        per_s: Goal | None = None,
        p99_ms: Goal | None = None,
    ) -> Stream:
        """Place orders for as long as was asked for."""
        seconds = self.rig.asked.seconds
        stream = self.stream(
            targets, connections=connections, count=round(seconds * MOST_PER_SECOND) + 256
        )
        self.rig.checkpoint(self.name)
        with Meter(self.rig, self.web) as meter:
            load(stream, seconds=seconds)
        self.report.stream(stream, suffix=suffix, per_s=per_s, p99_ms=p99_ms)
        meter.into(self.report, stream.done, suffix=suffix)
        return stream

    def check(self, visitors: int = VISITORS) -> None:
        """Compare orders, holders, keys and stock with what was acknowledged."""
        with self.rig.connect(self.name) as connection:

            def one(statement: str) -> object:
                row = connection.execute(statement).fetchone()
                return row[0] if row else None

            rows = connection.execute("SELECT number FROM orders").fetchall()
            told = {number.decode() for number in self.numbers}
            self.report.same("orders", len(self.numbers), len(rows))
            self.report.same(
                "numbers of orders that are missing", 0, len(told - {r[0] for r in rows})
            )
            count = len(self.numbers)
            self.report.same("holders", count * visitors, one("SELECT count(*) FROM holder"))
            self.report.same("places", count * visitors, one("SELECT sum(held + sold) FROM stock"))
            self.report.same(
                "remembered requests",
                count,
                one("SELECT count(*) FROM idempotency WHERE status = 201"),
            )
            self.report.same(
                "slots that are oversold",
                0,
                one("SELECT count(*) FROM stock WHERE held + sold > capacity"),
            )
        self.report.settings["checked"] = (
            "orders and their numbers, holders, places, remembered requests"
        )


def run_floor(rig: Rig, report: Report, *, slots: int) -> float:
    """The floor in the same run."""
    rate, _ = floor.orders_per_s(rig, slots=slots, clients=FLOOR_CLIENTS, seconds=rig.asked.seconds)
    report.add("floor_per_s", rate)
    return rate


def hot_slot(rig: Rig, report: Report) -> None:
    """Real-name orders of two visitors on one slot."""
    name = rig.fresh("hot-slot")
    tomorrow = clock.today(ZONE) + timedelta(days=1)
    park = rig.inside(
        name, lambda database: make_park(database, slots=[whole_day(tomorrow)], capacity=ENOUGH)
    )
    targets = [(park.site, park.site.slots[0])]
    slowest = _both_sizes(rig, report, name, park, targets)
    rate = run_floor(rig, report, slots=1)
    report.add("times_floor", slowest / rate, TIMES_FLOOR)


def spread(rig: Rig, report: Report) -> None:
    """The same over a thousand slots."""
    name = rig.fresh("spread")
    tomorrow = clock.today(ZONE) + timedelta(days=1)
    slots = windows(tomorrow, days=20, each=50, minutes=20)
    park = rig.inside(name, lambda database: make_park(database, slots=slots, capacity=ENOUGH))
    targets = [(park.site, slot) for slot in park.site.slots]
    _both_sizes(rig, report, name, park, targets)
    run_floor(rig, report, slots=len(targets))


def _both_sizes(
    rig: Rig,
    report: Report,
    name: str,
    park: Park,
    targets: Sequence[tuple[Place, UUID]],
) -> float:
    """Measure at 64 and 256 connections; returns the lower of the two rates."""
    sizes = [rig.asked.connections] if rig.asked.connections else [64, 256]
    rates = []
    with rig.serve(name) as web:
        desk = Desk(rig, report, name, park, web)
        desk.warm(targets)
        for index, size in enumerate(sizes):
            suffix = "" if index == 0 else f"_{size}"
            stream = desk.measure(
                targets, connections=size, suffix=suffix, per_s=PER_S, p99_ms=P99_MS
            )
            rates.append(stream.per_s)
        report.settings["connections"] = sizes
        report.settings["processes"] = web.settings.processes
    desk.check()
    return min(rates)


def oversell(rig: Rig, report: Report) -> None:
    """Five thousand buyers want five hundred places, through four processes at once."""
    places, buyers, processes = 500, 5_000, 4
    name = rig.fresh("oversell")
    tomorrow = clock.today(ZONE) + timedelta(days=1)
    park = rig.inside(
        name, lambda database: make_park(database, slots=[whole_day(tomorrow)], capacity=places)
    )
    with rig.serve(name, processes=processes) as web:
        stream = Stream(
            orders(park, [(park.site, park.site.slots[0])], buyers, visitors=1),
            connections=rig.asked.connections or 256,
            port=web.port,
            good=CREATED,
        )
        with Meter(rig, web) as meter:
            load(stream, seconds=120)
        report.settings["processes"] = web.settings.processes
    refused = stream.statuses[409]
    report.add("sold", stream.done, Goal(places, at_least=True))
    report.add("refused", refused)
    report.add("seconds", stream.seconds)
    report.add("per_s", buyers / stream.seconds)
    report.add("p50_ms", stream.percentile_ms(0.5))
    report.add("p99_ms", stream.percentile_ms(0.99))
    report.add("errors", stream.errors - refused, at_most(0))
    meter.into(report, buyers)
    with rig.connect(name) as connection:
        row = connection.execute(
            "SELECT (SELECT sum(held + sold) FROM stock), (SELECT count(*) FROM orders), "
            "(SELECT count(*) FROM holder)"
        ).fetchone()
    report.same("places, orders, holders", (stream.done,) * 3, row)
    report.same("sold", places, stream.done)
    report.settings["checked"] = "places, orders, holders"
