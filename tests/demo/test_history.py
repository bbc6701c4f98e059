"""The history: made by the services, so their own books must agree with it, also after a stop."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shanmen.db.session import Database
from shanmen.demo import sales
from shanmen.demo.history import fill, monday
from shanmen.demo.progress import Progress, read
from shanmen.kit import clock
from shanmen.ledger.service import differences
from tests.conftest import Cluster, open_database
from tests.demo.conftest import NOW

ORDERS, DAYS = 120, 3
LONGER = 18
"""Days that reach back into three weeks before this one."""

TAKEN = """
SELECT k.id, k.held, k.sold,
  coalesce(sum((d.value->>1)::int) FILTER (WHERE o.status = 'held'), 0),
  coalesce(sum((d.value->>1)::int) FILTER (
    WHERE o.status NOT IN ('held', 'expired', 'cancelled')), 0)
FROM stock k
LEFT JOIN (orders o CROSS JOIN LATERAL jsonb_array_elements(o.lines) line
           CROSS JOIN LATERAL jsonb_array_elements(line.value->'draws') d)
  ON o.tenant_id = k.tenant_id AND (d.value->>0)::uuid = k.id
     AND NOT coalesce((line.value->>'refunded')::boolean, false)
WHERE k.scope = 'slot'
GROUP BY k.tenant_id, k.id, k.held, k.sold
"""


class Owner:
    """Looks at all tenants at once."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def count(self, sql: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {sql}")[0][0])


async def audit(database: Database, owner: Owner) -> None:
    """Recompute counters, tickets and money from the orders."""
    for _, held, sold, held_of_orders, sold_of_orders in owner.rows(TAKEN):
        assert (held, sold) == (held_of_orders, sold_of_orders)
    for (tenant_id,) in owner.rows("SELECT id FROM tenant"):
        assert await database.unit(tenant_id)(differences) == []
    assert (
        owner.count(
            "orders o JOIN LATERAL (SELECT count(*) AS n FROM ticket t WHERE t.order_id = o.id "
            "AND t.tenant_id = o.tenant_id) t ON true "
            "WHERE t.n <> CASE WHEN o.paid_at IS NULL THEN 0 ELSE jsonb_array_length(o.lines) END"
        )
        == 0
    )
    assert owner.count("payment WHERE status <> 'paid'") == 0
    assert owner.count("refund WHERE status <> 'succeeded'") == 0
    paid = owner.rows("SELECT sum(amount_fen) FROM payment")[0][0]
    back = owner.rows("SELECT coalesce(sum(amount_fen), 0) FROM refund")[0][0]
    [figures] = owner.rows(
        "SELECT sum(debits_fen), sum(credits_fen) FROM ledger_account WHERE code LIKE 'assets:%'"
    )
    assert figures == (paid, back)
    entered = (
        "SELECT t.id FROM ticket t LEFT JOIN scan s ON s.tenant_id = t.tenant_id "
        "AND s.ticket_id = t.id AND s.direction = 'in' AND s.persons > 0 "
        "GROUP BY t.tenant_id, t.id, t.persons_entered "
        "HAVING t.persons_entered <> coalesce(sum(s.persons), 0)"
    )
    assert owner.rows(entered) == []


@dataclass(frozen=True)
class Filled:
    """A history that is done: the name of its database, to be copied, and how it was told of."""

    name: str
    folder: Path
    orders: int


@pytest.fixture(scope="module")
async def filled(cluster: Cluster, parks: str, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The history as it is at `NOW`."""
    name, folder = f"{parks}_filled", tmp_path_factory.mktemp("progress")
    database = open_database(cluster.clone(name, parks))
    with clock.at(NOW):
        done = await fill(database, orders=ORDERS, days=DAYS, progress=Progress(folder=folder))
    await database.close()
    return Filled(name, folder, done.orders)


@pytest.fixture
async def history(cluster: Cluster, filled: Filled) -> AsyncIterator[Database]:
    """The finished history, in a database that this test has to itself."""
    with cluster.copy(filled.name) as url:
        database = open_database(url)
        yield database
        await database.close()


async def test_the_books_agree_and_a_second_run_adds_nothing(filled: Filled, history: Database):
    owner = Owner(history.url)
    await audit(history, owner)
    the_past_is_in_the_past(owner)
    tomorrows_show_is_sold_out_and_the_next_nearly(owner)
    assert filled.orders > ORDERS
    assert read(filled.folder).done
    states = Counter(dict(owner.rows("SELECT status, count(*) FROM orders GROUP BY 1")))
    assert states["used"] > 0.6 * ORDERS
    assert min(states[state] for state in ("expired", "refunded", "issued", "cancelled")) > 0
    assert owner.count("orders WHERE status = 'held'") == 0
    assert owner.count("procrastinate_jobs") == 0
    reasons = {reason for (reason,) in owner.rows("SELECT DISTINCT reason FROM scan")}
    assert {"", "not_open_yet", "already_used"} <= reasons
    before = owner.rows(
        "SELECT count(*), sum(sold), (SELECT count(*) FROM scan) FROM stock, orders"
    )
    with clock.at(NOW):
        second = await fill(history, orders=ORDERS, days=DAYS)
    assert (second.orders, second.scans) == (0, first_unfinished_day_scans(owner))
    assert (
        owner.rows("SELECT count(*), sum(sold), (SELECT count(*) FROM scan) FROM stock, orders")
        == before
    )


def first_unfinished_day_scans(owner: Owner) -> int:
    """Today's scans are asked for again, since today is not over; they are known by their ids."""
    return owner.count(f"scan WHERE day = '{NOW.date()}'")


def the_past_is_in_the_past(owner: Owner) -> None:
    for table, column in (("orders", "created_at"), ("orders", "paid_at"), ("scan", "at"),
                          ("order_event", "at"), ("ledger_transfer", "at")):  # fmt: skip
        [(latest,)] = owner.rows(f"SELECT max({column}) FROM {table}")
        assert latest <= NOW
    assert owner.count("orders WHERE paid_at < created_at") == 0
    assert owner.count("scan s JOIN ticket t ON t.id = s.ticket_id AND s.at < t.issued_at") == 0
    [(first, last)] = owner.rows("SELECT min(day), max(day) FROM scan")
    assert (first, last) == (NOW.date() - timedelta(days=DAYS), NOW.date())


def tomorrows_show_is_sold_out_and_the_next_nearly(owner: Owner) -> None:
    left = dict(
        owner.rows(
            "SELECT s.day, k.capacity - k.sold FROM slot s "
            "JOIN stock k ON k.tenant_id = s.tenant_id AND k.id = s.id "
            "JOIN pool p ON p.tenant_id = s.tenant_id AND p.id = s.pool_id "
            "WHERE p.name->>'en' = 'Cloud theatre' AND s.starts = '19:30'"
        )
    )
    tomorrow = NOW.date() + timedelta(days=1)
    assert left[tomorrow] == 0
    assert 0 < left[tomorrow + timedelta(days=1)] < 30


class Stop(Exception):
    """The power goes."""


async def test_a_run_that_was_stopped_goes_on_without_duplicates(
    demo: Database, monkeypatch: pytest.MonkeyPatch
):
    owner = Owner(demo.url)
    real = sales.sell
    calls = 0

    async def sell(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        # In an earlier week, at which others are worked at the same time.
        calls += kwargs["chapter"].week < monday(NOW.date())
        own = calls
        page = await real(*args, **kwargs)
        # Others may have counted on meanwhile.
        if own == 2:
            raise Stop
        return page

    monkeypatch.setattr(sales, "sell", sell)
    with clock.at(NOW), pytest.raises(Stop):
        await fill(demo, orders=ORDERS, days=LONGER)
    monkeypatch.undo()
    half = owner.count("orders")
    assert half > 0
    with clock.at(NOW + timedelta(hours=1)):
        await fill(demo, orders=ORDERS, days=LONGER)
    await audit(demo, owner)
    assert owner.count("orders") > half
    twice = (
        "SELECT phone_index, created_at FROM orders GROUP BY 1, 2, tenant_id HAVING count(*) > 1"
    )
    assert owner.rows(twice) == []


async def test_days_that_passed_since_are_added(history: Database):
    owner = Owner(history.url)
    with clock.at(NOW + timedelta(days=2)):
        await fill(history, orders=ORDERS, days=DAYS)
    await audit(history, owner)
    busy = dict(owner.rows("SELECT visit_day, count(*) FROM orders WHERE tenant_id = 1 GROUP BY 1"))
    today = NOW.date()
    assert min(busy) == today - timedelta(days=DAYS)
    # The first of October and those after it are holidays, the days before it are not.
    assert busy[today + timedelta(days=1)] > 1.5 * busy[today - timedelta(days=3)]
