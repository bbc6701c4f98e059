"""Two hundred buyers in four processes: for fifty places, and for the last one."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.conftest import APP_ROLE, MASTERS
from tests.races.buyer import Errand
from tests.races.conftest import MakeWorld, World
from tests.support.park import ZONE, fresh_people, person

pytestmark = pytest.mark.races

ROOT = Path(__file__).parents[2]
PLACES = 50
PROCESSES = 4
BUYERS = 50
"""Of each process, over 16 connections."""


@pytest.fixture(scope="module")
async def crowd() -> AsyncIterator[list[Process]]:
    """Processes of buyers, started once: loading the product takes longer than buying."""
    command = (sys.executable, "-m", "tests.races.buyer")
    started = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
        for _ in range(PROCESSES)
    ]
    yield started
    for process in started:
        process.stdin.close()
        await process.wait()


async def rush(crowd: list[Process], world: World, *off: str) -> Counter[str]:
    """All processes get ready, then all buy at once; returns how often each outcome came."""
    for process in crowd:
        errand = Errand(
            url=world.url,
            masters=MASTERS.current.line(),
            app_role=APP_ROLE,
            off=list(off),
            tenant_id=world.park.tenant_id,
            site_id=world.park.site_id,
            ticket_type_id=world.park.types["adult"],
            slot_id=world.park.slots[0],
            timezone=ZONE,
            visitors=[person(number) for number in fresh_people(BUYERS)],
        )
        process.stdin.write(msgspec.json.encode(errand) + b"\n")
    for process in crowd:
        assert await process.stdout.readline() == b"ready\n"
    for process in crowd:
        process.stdin.write(b"go\n")
    total: Counter[str] = Counter()
    for process in crowd:
        total.update(json.loads(await process.stdout.readline()))
    return total


async def keep_auditing(world: World, over: asyncio.Event) -> int:
    """Recompute the stock again and again while others sell; returns how often."""
    times = 0
    while not over.is_set():
        assert await world.stock_differences() == []
        times += 1
    return times


@pytest.mark.parametrize("places", [PLACES, 1])
async def test_two_hundred_buyers_get_the_places_there_are(
    world: MakeWorld, crowd: list[Process], places: int
):
    w = await world(capacity=places)
    over = asyncio.Event()
    auditor = asyncio.create_task(keep_auditing(w, over))
    met = await rush(crowd, w)
    over.set()
    assert await auditor > 1
    assert met == {"Placed": places, "SoldOut": PROCESSES * BUYERS - places}
    assert await w.desk.counters() == (places, 0)
    assert await w.desk.count("orders") == places
    await w.assert_sound()


@pytest.mark.parametrize("places", [PLACES, 1])
async def test_without_lock_and_check_they_get_more_than_there_are(
    world: MakeWorld, crowd: list[Process], places: int
):
    w = await world(capacity=places, off=("stock", "check"))
    met = await rush(crowd, w, "stock", "check")
    held, _ = await w.desk.counters()
    assert met["Placed"] == held
    assert held > places
