"""The gate's requests are counted, and no count is used twice."""

import asyncio
from pathlib import Path

from shanmen.edge.counter import Counter
from shanmen.edge.desk import ThreadDesk
from shanmen.edge.store import FILE, Store
from tests.support.gate_server import LANES

ONE = LANES[0]


async def test_counts_go_on_after_a_start(tmp_path: Path):
    store, desk = Store(tmp_path / FILE), ThreadDesk()
    first = Counter(store, desk)
    counts = [await first.next() for _ in range(2_500)]
    assert counts == list(range(1, 2_501))
    # The lights go out: which of those that were set aside had been used nobody knows.
    second = Counter(store, desk)
    assert await second.next() == 3_001
    await second.pass_by(70_000)
    await second.pass_by(5)
    assert await second.next() == 70_001
    assert await Counter(store, desk).next() == 71_001
    desk.close()
    store.close()


async def test_none_is_given_twice_to_those_who_ask_at_once(tmp_path: Path):
    store, desk = Store(tmp_path / FILE), ThreadDesk()
    counter = Counter(store, desk)
    for _ in range(3):
        found = await asyncio.gather(*(counter.next() for _ in range(700)))
        assert len(set(found)) == 700
    desk.close()
    store.close()


async def test_a_gate_put_back_from_a_copy_of_its_disk_goes_on(agent, server):
    server.highest += 1_000_000
    await agent.sync()
    assert agent.status().connected
    answer = await agent.scan(ONE, server.sell().text)
    assert answer.scan_id in server.asked


async def test_a_question_that_something_in_between_asked_twice(agent, server):
    """A proxy that lost the answer asks again by itself; the gate is refused, and asks anew."""
    server.asks_twice = True
    await agent.sync()
    assert agent.status().connected
    ticket = server.sell()
    server.asks_twice = True
    answer = await agent.scan(ONE, ticket.text)
    assert list(server.asked) == [answer.scan_id]
    assert server.entered(ticket.id) == 1
