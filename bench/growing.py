"""`growth` and `find`: the same work among few orders and among very many."""

import re
import statistics
from collections.abc import Callable, Iterator
from itertools import count as counting
from urllib.parse import quote

from bench.admitting import TODAY, scans, sign_tickets
from bench.bulk import PEOPLE, Rows
from bench.load import Request, Stream, http, load
from bench.park import ZONE, id_number, keyring_of, name, phone
from bench.processes import Processes
from bench.report import Report, at_most
from bench.rig import Rig
from shanmen.kit import clock

FEW = 10_000
MANY = 1_000_000
MOST = 10_000_000
ROUNDS = 4
MOST_PER_SECOND = 2_000
RATIO = at_most(1.2)
FIND_MS = at_most(1000)
FIND_CONNECTIONS = 4
CREATED = 201
FOUND = re.compile(rb'"number":"([0-9A-Z]+)"')


class Bench:
    """One data set with its own web process, and requests for it.

    Args:
        rig: where it runs.
        rows: the data set.
        web: the web processes.
        most: requests of each kind at most.
    """

    def __init__(self, rig: Rig, rows: Rows, web: Processes, most: int) -> None:
        self.rig = rig
        self.rows = rows
        self.web = web
        self.placed = 0
        self.admitted = 0
        self.missed = 0
        park = rows.park
        tomorrow = rows.slot_of(1)
        first = rows.claim(most)
        # The known persons stay as they are: new buyers have numbers beyond theirs.
        self.orders: Iterator[Request] = iter(
            [(park.order(park.site, tomorrow, PEOPLE + first + n), None) for n in range(most)]
        )
        rows.sell_for_today(most // 2 + 1)
        keyring = rig.inside(rows.name, lambda database: keyring_of(database, park.tenant_id))
        with rig.connect(rows.name) as connection:
            tickets = connection.execute(
                TODAY, (park.tenant_id, clock.today(ZONE), most)
            ).fetchall()
        self.scans = iter(scans(park, sign_tickets(keyring, park, tickets)))
        self.finds = searches(rows, "phone")

    def stream(self, kind: str) -> Stream:
        """One client that does one thing after the other."""
        if kind == "place":
            return Stream(self.orders, 1, self.web.port, heard=self._placed, good=CREATED)
        if kind == "admit":
            return Stream(self.scans, 1, self.web.port, heard=self._admitted)
        return Stream(self.finds, 1, self.web.port, heard=self._found)

    def _placed(self, _: object, status: int, __: bytes) -> None:
        self.placed += status == CREATED

    def _admitted(self, _: object, status: int, body: bytes) -> None:
        self.admitted += status == 200 and b'"outcome":"admitted"' in body

    def _found(self, _: object, __: int, body: bytes) -> None:
        self.missed += FOUND.search(body) is None


def searches(rows: Rows, by: str) -> Iterator[Request]:
    """Requests that look for known persons' orders, one after the other."""
    if by == "number":
        with rows.rig.connect(rows.name) as connection:
            numbers = [
                str(row[0])
                for row in connection.execute(
                    "SELECT number FROM orders WHERE id IN (SELECT order_id FROM holder "
                    "WHERE document_index IN (SELECT document_index FROM bench_person LIMIT 5000)) "
                    "LIMIT 5000"
                )
            ]
        texts: Callable[[int], str] = lambda n: numbers[n * 7919 % len(numbers)]  # noqa: E731
    else:
        value = {"phone": phone, "document": id_number, "name": name}[by]
        texts = lambda n: value(n * 7919 % PEOPLE)  # noqa: E731
    headers = rows.park.headers()
    for n in counting():
        yield http("GET", f"/api/v1/orders?{by}={quote(texts(n))}", headers=headers), None


def growth(rig: Rig, report: Report) -> None:
    """Placing, finding by telephone and admitting, by one client, among few and among many."""
    most = rig.asked.rows or MOST
    sizes = [FEW, *([MANY] if most > MANY else []), most]
    seconds = rig.asked.seconds / ROUNDS
    requests = round(rig.asked.seconds * MOST_PER_SECOND) + 400
    p50: dict[tuple[str, int], list[float]] = {}
    kinds = ("place", "find", "admit")
    for large in sizes[1:]:
        pair = [(size, Rows(rig, size)) for size in (FEW, large)]
        with rig.serve(pair[0][1].name) as first, rig.serve(pair[1][1].name) as second:
            benches = [
                (size, Bench(rig, rows, web, requests))
                for (size, rows), web in zip(pair, (first, second), strict=True)
            ]
            before = [_counts(rig, bench) for _, bench in benches]
            for _, rows in pair:
                rig.checkpoint(rows.name)
            last = _rounds(benches, kinds, seconds, p50)
            for (size, bench), (orders, scanned) in zip(benches, before, strict=True):
                after = _counts(rig, bench)
                report.same(f"orders among {size}", bench.placed, after[0] - orders)
                report.same(f"scans among {size}", bench.admitted, after[1] - scanned)
                report.same(f"telephones not found among {size}", 0, bench.missed)
        ratios = {
            kind: statistics.median(p50[kind, large]) / statistics.median(p50[kind, FEW])
            for kind in kinds
        }
        # The plain figures are of the smallest and the largest.
        suffix = "" if large == sizes[-1] else f"_{large}"
        if not suffix:
            report.stream(last)
        report.add(f"ratio{suffix}", max(ratios.values()), RATIO)
        for kind in kinds:
            report.add(f"{kind}_ratio{suffix}", ratios[kind])
            report.add(f"{kind}_p50_ms{suffix}", statistics.median(p50[kind, large]))
    for kind in kinds:
        report.add(f"{kind}_p50_ms_{FEW}", statistics.median(p50[kind, FEW]))
    report.settings["orders"] = sizes
    report.settings["checked"] = "orders, scans, and that each telephone finds an order"


def _rounds(
    benches: list[tuple[int, Bench]],
    kinds: tuple[str, ...],
    seconds: float,
    p50: dict[tuple[str, int], list[float]],
) -> Stream:
    """Take turns, so that what else the machine does falls on all alike."""
    last: Stream | None = None
    for _, bench in benches:
        for kind in kinds:
            load(bench.stream(kind), seconds=min(1.0, seconds))
    for _ in range(ROUNDS):
        for kind in kinds:
            for size, bench in benches:
                stream = bench.stream(kind)
                load(stream, seconds=seconds / len(kinds))
                if not stream.done:
                    msg = f"nothing was done: {kind} among {size}, {stream.problems}"
                    raise RuntimeError(msg)
                p50.setdefault((kind, size), []).append(stream.percentile_ms(0.5))
                if kind == "place":
                    last = stream
    if last is None:
        raise RuntimeError("no rounds")
    return last


def _counts(rig: Rig, bench: Bench) -> tuple[int, int]:
    with rig.connect(bench.rows.name) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM scan)"
        ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def find(rig: Rig, report: Report) -> None:
    """An order by its number, a telephone, a name in full, a document."""
    rows = Rows(rig, rig.asked.rows or MANY)
    seconds = rig.asked.seconds
    missed = 0

    def heard(_: object, __: int, body: bytes) -> None:
        nonlocal missed
        missed += FOUND.search(body) is None

    with rig.serve(rows.name) as web:
        kinds = ("number", "phone", "name", "document")
        for by in kinds:
            load(Stream(searches(rows, by), 2, web.port), seconds=0.5)
        for by in kinds:
            stream = Stream(
                searches(rows, by), rig.asked.connections or FIND_CONNECTIONS, web.port, heard=heard
            )
            load(stream, seconds=seconds / len(kinds))
            if by == kinds[0]:
                report.stream(stream, p99_ms=FIND_MS)
            report.add(f"{by}_p50_ms", stream.percentile_ms(0.5))
            report.add(f"{by}_p99_ms", stream.percentile_ms(0.99), FIND_MS)
            report.add(f"{by}_errors", stream.errors, at_most(0))
    report.same("searches that found nothing", 0, missed)
    report.settings["orders"] = rows.count
    report.settings["connections"] = rig.asked.connections or FIND_CONNECTIONS
    report.settings["checked"] = "each search finds an order"
