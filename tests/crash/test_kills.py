"""`kill -9` in the middle of a sale: nothing that was acknowledged is lost, and nothing is double.

Everything is as the operator runs it: `shanmen run`, web processes, worker, PostgreSQL with fsync.
The machine itself brings back what was killed; the buyers only repeat what had no answer.
"""

import asyncio
import random
from collections.abc import Iterator

import pytest

from shanmen.insight.stock_audit import differences as stock_differences
from shanmen.ledger.service import differences as ledger_differences
from tests.crash.sale import Machine, Sale, sale, until
from tests.support.patience import READY_SECONDS

VICTIMS = ("web", "worker", "postgres")
CAPACITY = 150
BUYERS = 160
AT_ONCE = 24
LATE = 20
"""Buyers who come after the blow, so that it falls into the sale on any machine."""
MOMENT_SECONDS = 0.01


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("crash")) as running:
        yield running


def moments(count: int) -> list[tuple[str, int]]:
    return [(VICTIMS[seed % len(VICTIMS)], seed) for seed in range(count)]


@pytest.mark.parametrize(("victim", "seed"), moments(3))
async def test_a_kill_in_the_middle_of_a_sale(machine: Machine, victim: str, seed: int):
    await kill_during_a_sale(machine, victim, seed)


@pytest.mark.soak
@pytest.mark.parametrize(("victim", "seed"), moments(33)[3:])
async def test_a_kill_at_many_moments(machine: Machine, victim: str, seed: int):
    await kill_during_a_sale(machine, victim, seed)


async def kill_during_a_sale(machine: Machine, victim: str, seed: int) -> None:
    dice = random.Random(f"{victim}/{seed}")
    async with sale(machine, seed=seed, capacity=CAPACITY) as shop:
        before = machine.pids(victim)

        async def blow() -> tuple[int, int]:
            moment = dice.randint(BUYERS // 10, BUYERS - LATE - AT_ONCE)

            async def come() -> bool:
                return shop.answered >= moment and shop.paid > 0

            assert await until(come, READY_SECONDS, pause=MOMENT_SECONDS)
            await asyncio.sleep(dice.uniform(0, MOMENT_SECONDS))
            machine.kill(victim, dice)
            shop.struck.set()
            return shop.answered, shop.paid

        killing = asyncio.create_task(blow())
        await shop.run(buyers=BUYERS, at_once=AT_ONCE, every_nth_pays=4, late=LATE)
        answered, paid = await killing
        # In the middle: some know that they have an order, some have paid, others know nothing yet.
        assert 0 < paid < answered < BUYERS
        assert sum(wish.placed for wish in shop.bought) > CAPACITY / 3
        await same_answers_again(shop)
        await paid_orders_are_issued(shop)
        await holds_come_back(shop)
        await books_agree(shop)

        async def all_there() -> bool:
            now = machine.pids(victim)
            return len(now) >= len(before) and now != before

        assert await until(all_there, READY_SECONDS), machine.log.read_text()


async def same_answers_again(shop: Sale) -> None:
    """Whoever repeats a request with its key hears what was said the first time."""
    for wish in shop.bought:
        again = await shop.place(wish)
        assert again.status_code == wish.status, (wish, again.text)
        if wish.placed:
            assert again.json()["number"] == wish.answer["number"]
    numbers = [wish.answer["number"] for wish in shop.bought if wish.placed]
    assert len(set(numbers)) == len(numbers)
    refusals = {wish.answer["code"] for wish in shop.bought if not wish.placed}
    assert refusals <= {"inventory.sold_out"}
    with shop.machine.owner() as owner:
        rows = owner.execute(
            "SELECT number FROM orders WHERE tenant_id = %s", (shop.park.tenant_id,)
        ).fetchall()
    # Each is there, and none but these: a buyer who repeats is one buyer.
    assert sorted(number for (number,) in rows) == sorted(numbers)


async def paid_orders_are_issued(shop: Sale) -> None:
    paid = [wish for wish in shop.bought if wish.paid]
    assert paid

    async def issued() -> bool:
        return all([(await shop.order(wish))["status"] == "issued" for wish in paid])

    assert await until(issued, READY_SECONDS)


async def holds_come_back(shop: Sale) -> None:
    """Time passes: what was not paid lapses, and its places are free again."""
    tenant = shop.park.tenant_id
    with shop.machine.owner() as owner:
        owner.execute(
            "UPDATE orders SET hold_expires_at = now() WHERE tenant_id = %s AND status = 'held'",
            (tenant,),
        )

        async def lapsed() -> bool:
            [(held,)] = owner.execute(
                "SELECT coalesce(sum(held), 0) FROM stock WHERE tenant_id = %s", (tenant,)
            ).fetchall()
            return bool(held == 0)

        assert await until(lapsed, READY_SECONDS), shop.machine.log.read_text()
        [(sold, issued)] = owner.execute(
            "SELECT (SELECT sum(sold) FROM stock WHERE tenant_id = %s), "
            "(SELECT count(*) FROM ticket WHERE tenant_id = %s)",
            (tenant, tenant),
        ).fetchall()
    assert sold == issued == sum(len(w.body["tickets"]) for w in shop.bought if w.paid)


async def books_agree(shop: Sale) -> None:
    with shop.machine.owner() as owner:
        database = shop.machine.database(owner)
        unit = database.unit(shop.park.tenant_id)
        try:
            assert await unit(stock_differences) == []
            assert await unit(ledger_differences) == []
        finally:
            await database.close()
