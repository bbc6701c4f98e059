"""`pages`: the visitor's pages, as sixteen people at once load them."""

import re
from datetime import timedelta
from itertools import cycle
from urllib.parse import urlencode, urlsplit

from bench.bulk import PEOPLE, Rows
from bench.load import Stream, http, load
from bench.park import ZONE, keyring_of
from bench.report import Meter, Report, at_most
from bench.rig import Rig
from shanmen.kit import clock
from shanmen.orders.queries import order_secret

ORDERS = 100_000
CONNECTIONS = 16
P99_MS = at_most(60)
HELD = 200
SAMPLE = 5_000
URL = re.compile(rb'"url":"([^"]+)"')
HEADERS = {
    "Accept": "text/html",
    "Accept-Encoding": "gzip, br",
    "Accept-Language": "zh-CN",
    "User-Agent": "Mozilla/5.0 (bench)",
}


def pages(rig: Rig, report: Report) -> None:
    """Home, a day, the visitors' form, an order to pay, an e-ticket."""
    rows = Rows(rig, max(ORDERS, rig.asked.rows))
    park = rows.park
    keyring = rig.inside(rows.name, lambda database: keyring_of(database, park.tenant_id))
    connections = rig.asked.connections or CONNECTIONS
    with rig.connect(rows.name) as connection:
        issued = connection.execute(
            "SELECT number, id FROM orders WHERE tenant_id = %s AND status = 'issued' "
            "AND visit_day > %s ORDER BY phone_index LIMIT %s",
            (park.tenant_id, clock.today(ZONE), SAMPLE),
        ).fetchall()
    base = f"/s/{park.site.slug}"
    days = [clock.today(ZONE) + timedelta(days=n) for n in range(1, 8)]
    slots = [rows.slot_of(n) for n in range(1, 8)]
    with rig.serve(rows.name) as web:
        paths = {
            "home": [base],
            "visit": [f"{base}/visit?day={day}" for day in days],
            "visitors": [
                f"{base}/visitors?"
                + urlencode({"day": day, "slot-s0": slot, f"qty-n{park.site.type_number}": 2})
                for day, slot in zip(days, slots, strict=True)
            ],
            "order": _held_orders(rows, web.port),
            "ticket": [
                f"{base}/orders/{number}/{order_secret(keyring, order_id)}"
                for number, order_id in issued
            ],
        }
        slowest = 0.0
        total = Stream([], connections, web.port)
        with Meter(rig, web) as meter:
            for name, addresses in paths.items():
                requests = [(http("GET", path, headers=HEADERS), None) for path in addresses]
                load(Stream(requests[:40], 8, web.port), seconds=10)
                stream = Stream(cycle(requests), connections, web.port)
                load(stream, seconds=rig.asked.seconds / len(paths))
                report.add(f"{name}_per_s", stream.per_s)
                report.add(f"{name}_p50_ms", stream.percentile_ms(0.5))
                report.add(f"{name}_p99_ms", stream.percentile_ms(0.99), P99_MS)
                slowest = max(slowest, stream.percentile_ms(0.99))
                total.latencies += stream.latencies
                total.statuses += stream.statuses
                total.seconds += stream.seconds
                total.problems += stream.problems[:1]
        report.settings["processes"] = web.settings.processes
    report.stream(total)
    report.add("p99_ms", slowest, P99_MS)
    meter.into(report, total.done)
    report.same("pages that were not shown", 0, total.errors)
    report.settings["orders"] = rows.count
    report.settings["connections"] = connections
    report.settings["p99_ms"] = "of the slowest page"
    report.settings["checked"] = "each page is answered with 200"


def _held_orders(rows: Rows, port: int) -> list[str]:
    """Place orders that wait for their payment; returns the paths of their pages."""
    found: list[str] = []

    def heard(_: object, __: int, body: bytes) -> None:
        if match := URL.search(body):
            found.append(urlsplit(match[1].decode()).path)

    park, slot, first = rows.park, rows.slot_of(1), rows.claim(HELD)
    orders = [(park.order(park.site, slot, PEOPLE + first + n), None) for n in range(HELD)]
    load(Stream(orders, 8, port, heard=heard, good=201), seconds=60)
    if not found:
        raise RuntimeError("no order could be placed")
    return found
