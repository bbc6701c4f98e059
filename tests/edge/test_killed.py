"""A gate that is killed, or loses power, at whatever moment: what it promised stands.

Killed with -9 at seeded moments between decision and outcome, the rule of the journal holds: where
there is no sensor the unresolved admission counts as entered, where a sensor did not fire as not
entered, and either is shown to the guard, who corrects it. Nothing that was answered is ever lost.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from shanmen.edge.agent import Agent
from shanmen.edge.intents import State
from shanmen.edge.store import FILE, Store, StoreBroken
from tests.edge.agent_process import Job
from tests.edge.conftest import Gates
from tests.support.gate_server import LANES, GateServer

ONE = LANES[0]
TICKETS = 12
STAYS_UP_TO, BESIDE = 4, 40
Told = list[list[str]]


class Nursery:
    """Makes gates, each in a process of its own, and kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout

    def killed(self, job: Job, *, strike: Callable[[Told], bool], pause: float) -> Told:
        """What a gate said until it was struck down, a moment after `strike` was True."""
        self._in.write(msgspec.json.encode(job).decode() + "\n")
        self._in.flush()
        pid = int(self._next()[1])
        lines = [self._next()]
        while not strike(lines) and lines[-1] != ["done"]:
            lines.append(self._next())
        time.sleep(pause)
        os.kill(pid, signal.SIGKILL)
        # What it said between the last line read and its end counts as well.
        lines += [line.split() for line in iter(self._out.readline, "over\n")]
        return lines

    def _next(self) -> list[str]:
        words = self._out.readline().split()
        assert words not in ([], ["over"]), "The gate ended by itself."
        return words


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    program = [sys.executable, "-m", "tests.edge.agent_process"]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Nursery(process)


def said(told: Told) -> dict[str, set[int]]:
    """Whom each word was said of, by number."""
    found: dict[str, set[int]] = {}
    for word, *rest in told:
        if rest:
            found.setdefault(word, set()).add(int(rest[0]))
    return found


async def standing(agent: Agent, codes: list[str]) -> set[int]:
    """Who counts as entered: they are refused when they come again."""
    return {
        number
        for number, code in enumerate(codes)
        if (await agent.scan(ONE, code)).outcome == "refused"
    }


def check_numbers(agent: Agent) -> None:
    """The journal has no gaps."""
    rows = agent._gate.journal.unsent(1000)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("seed", range(100))
async def test_killed_between_decision_and_outcome(gates, server, nursery, seed):
    """Each blow falls while somebody at the first lane has been let in and not seen through.

    It falls on the gate's own word that it has decided, or has told the barrier to open, and up to
    eight milliseconds after it, while a second lane is admitting: at whatever step of writing.
    """
    chance = random.Random(seed)
    sensor = seed % 2 == 0
    codes = [server.sell().text for _ in range(STAYS_UP_TO + BESIDE)]
    stays = chance.randrange(STAYS_UP_TO), chance.choice(["admitted", "opened"][: 1 + sensor])
    await gates.stop(await gates.ready())
    told = nursery.killed(
        Job(
            folder=str(gates.folder),
            sensor=sensor,
            codes=codes[:STAYS_UP_TO],
            beside=codes[STAYS_UP_TO:],
            stays=stays,
        ),
        strike=lambda lines: lines[-1][:2] == [stays[1], str(stays[0])],
        pause=chance.uniform(0, 0.008),
    )

    server.down = True
    agent = await gates.restart_after_kill()
    [scan_id] = [UUID(line[2]) for line in told if line[:2] == ["admitted", str(stays[0])]]
    unresolved = {each.scan_id: each for each in await agent.unresolved()}
    assert scan_id in unresolved
    # The second lane may have been between the two as well.
    assert len(unresolved) <= 2
    assert {each.assumed for each in unresolved.values()} == {
        "not_entered" if sensor else "entered"
    }
    entered = not sensor
    if chance.random() < 0.5:
        entered = chance.random() < 0.5
        await agent.correct(scan_id, entered=entered, staff="Gao")
        assert scan_id not in {each.scan_id for each in await agent.unresolved()}
    found, words = await standing(agent, codes), said(told)
    assert (stays[0] in found) is entered
    check_said(words, found - {stays[0]}, besides={stays[0]}, sensor=sensor)
    check_numbers(agent)


def check_said(
    words: dict[str, set[int]], entered: set[int], *, besides: set[int], sensor: bool
) -> None:
    """Who is known to have gone through is in, and nobody is who was never scanned."""
    finished = words.get("passed" if sensor else "opened", set())
    assert finished <= entered <= words.get("scanning", set())
    if not sensor:
        # As soon as the answer was given, the barrier may have opened.
        assert words.get("admitted", set()) - besides <= entered
    assert len(entered - finished) <= 1


async def kill_and_look(gates: Gates, server: GateServer, nursery: Nursery, seed: int) -> None:
    chance = random.Random(seed)
    sensor = seed % 2 == 0
    codes = [server.sell().text for _ in range(TICKETS)]
    await gates.stop(await gates.ready())
    stop_after = chance.randrange(2, 4 * TICKETS)
    told = nursery.killed(
        Job(folder=str(gates.folder), sensor=sensor, codes=codes),
        strike=lambda lines: len(lines) >= stop_after,
        pause=chance.uniform(0, 0.004),
    )

    server.down = True
    agent = await gates.restart_after_kill()
    unresolved = await agent.unresolved()
    assert len(unresolved) <= 1
    assert {each.assumed for each in unresolved} <= {"not_entered" if sensor else "entered"}
    check_said(said(told), await standing(agent, codes), besides=set(), sensor=sensor)
    check_numbers(agent)


@pytest.mark.parametrize("seed", range(10))
async def test_killed_at_whatever_moment(gates, server, nursery, seed):
    """Also in the middle of a decision, or of writing what came of it."""
    await kill_and_look(gates, server, nursery, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 110))
async def test_killed_at_a_hundred_more_moments(gates, server, nursery, seed):
    await kill_and_look(gates, server, nursery, seed)


def disks_after_power_loss(folder: Path, synced: int, target: Path) -> Iterator[Path]:
    """What may be on the disk when power fails: the log as far as it was synced, then anything."""
    wal = (folder / f"{FILE}-wal").read_bytes()
    chance = random.Random(len(wal))
    for number, length in enumerate(
        [synced, len(wal), *(chance.randrange(synced, len(wal) + 1) for _ in range(6))]
    ):
        made = target / str(number)
        made.mkdir()
        shutil.copy(folder / FILE, made / FILE)
        tail = bytearray(wal[:length])
        if number % 2 and length > synced:
            # Blocks that were never written in order: the last ones hold anything.
            place = chance.randrange(synced, length)
            tail[place:] = chance.randbytes(length - place)
        (made / f"{FILE}-wal").write_bytes(tail)
        yield made / FILE


async def test_power_fails_while_the_log_is_dirty(gates, server, tmp_path):
    """A commit that was answered survives; one that was under way is there whole or not at all."""
    tickets = [server.sell(party=2) for _ in range(5)]
    agent = await gates.ready()
    server.down = True
    for ticket in tickets[:4]:
        await agent.scan(ONE, ticket.text)
    synced = (gates.folder / f"{FILE}-wal").stat().st_size
    await agent.scan(ONE, tickets[4].text)
    looked = 0
    for path in disks_after_power_loss(gates.folder, synced, tmp_path):
        store = Store(path)
        try:
            rows = store.one("SELECT count(*), max(seq) FROM journal")
            intents = store.one("SELECT count(*) FROM intent WHERE state = ?", (State.DECIDED,))
            uses = store.one("SELECT count(*) FROM use WHERE persons = 2")
            assert rows is not None
            assert rows[0] == rows[1] == intents[0] == uses[0]
            assert rows[0] in {4, 5}
            looked += 1
        finally:
            store.close()
    assert looked == 8


async def test_a_process_that_dies_inside_a_transaction_leaves_nothing(gates, server):
    """SQLite is stopped between any two of its own steps; afterwards it is all or nothing."""
    ticket = server.sell(party=3)
    agent = await gates.ready()
    server.down = True
    store = agent._gate.store

    cut_at, kept = 0, 0
    while not kept:
        cut_at += 1
        assert cut_at < 500
        admitted = False
        with power_until(store, cut_at), suppress(StoreBroken):
            admitted = (await agent.scan(ONE, ticket.text)).outcome == "admitted"
        kept = agent._gate.journal.tickets.use(ticket.id).persons
        # Stopped just behind its commit, all of it is there, and nobody was told.
        assert (kept, agent._gate.journal.last()) in {(0, 0), (3, 1)}
        assert kept or not admitted
    assert cut_at > 10


@contextmanager
def power_until(store: Store, step: int) -> Iterator[None]:
    """Let SQLite take so many steps and no more."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return int(steps == step)

    store.progress(count, 10)
    try:
        yield
    finally:
        store.progress(None, 0)
