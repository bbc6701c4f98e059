"""A gate that is killed, or loses power, at whatever moment: what it promised stands.

Killed with -9 at seeded moments between decision and outcome, the rule of the journal holds: where
there is no sensor the unresolved admission counts as entered, where a sensor did not fire as not
entered, and either is shown to the guard. Nothing that was answered is ever lost.
"""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from shanmen.edge.intents import State
from shanmen.edge.store import FILE, Store, StoreBroken
from tests.edge.conftest import Gates
from tests.support.gate_server import LANES, GateServer

ONE = LANES[0]
TICKETS = 12


def steps_told(process: subprocess.Popen[str], stop_after: int, pause: float) -> list[list[str]]:
    """Lines until so many have come; then the process is killed after a moment."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.split())
        if len(lines) >= stop_after or lines[-1] == ["done"]:
            break
    time.sleep(pause)
    process.kill()
    # What it said between the last line read and its end counts as well.
    lines += [line.split() for line in process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()
    return lines


def start(folder: Path, codes: Path, *, sensor: bool) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "tests.edge.agent_process"]
    return subprocess.Popen(
        [*program, folder, str(int(sensor)), codes], stdout=subprocess.PIPE, text=True
    )


async def kill_and_look(gates: Gates, server: GateServer, seed: int) -> None:
    chance = random.Random(seed)
    sensor = seed % 2 == 0
    tickets = [server.sell() for _ in range(TICKETS)]
    agent = await gates.ready()
    await gates.stop(agent)
    codes = gates.folder.parent / "codes.txt"
    codes.write_text("\n".join(ticket.text for ticket in tickets))
    process = start(gates.folder, codes, sensor=sensor)
    told = steps_told(process, chance.randrange(2, 4 * TICKETS), chance.uniform(0, 0.004))

    server.down = True
    agent = await gates.restart_after_kill()
    said: dict[str, set[int]] = {}
    for word, *rest in told:
        if rest:
            said.setdefault(word, set()).add(int(rest[0]))
    unresolved = {each.scan_id: each for each in await agent.unresolved()}
    assert len(unresolved) <= 1
    assert {each.assumed for each in unresolved.values()} <= {
        "not_entered" if sensor else "entered"
    }
    again = {
        number: (await agent.scan(ONE, ticket.text)).outcome
        for number, ticket in enumerate(tickets)
    }
    entered = {number for number, outcome in again.items() if outcome == "refused"}
    finished = said.get("passed" if sensor else "opened", set())
    begun = said.get("scanning", set())
    # Who is known to have gone through is in, and nobody is who was never scanned.
    assert finished <= entered <= begun
    if not sensor:
        # As soon as the answer was given, the barrier may have opened.
        assert said.get("admitted", set()) <= entered
    assert len(entered - finished) <= 1
    rows = agent._gate.journal.unsent(1000)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("seed", range(10))
async def test_killed_between_decision_and_outcome(gates, server, seed):
    await kill_and_look(gates, server, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 110))
async def test_killed_at_a_hundred_moments(gates, server, seed):
    await kill_and_look(gates, server, seed)


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
