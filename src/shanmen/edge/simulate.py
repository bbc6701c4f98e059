"""``shanmen gate simulate``: a whole entrance without hardware.

The agent, the lanes and the drivers are the real ones. Behind their serial ports and sockets are
stand-ins (`drivers.standins`), and behind those are visitors who show tickets, lay down cards,
walk through or turn away. Each visitor knows what should happen; whatever else does is a failure.
"""

import asyncio
import contextlib
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from shanmen.edge.agent import Agent
from shanmen.edge.operate import LANES_FILE, operate
from shanmen.edge.page.words import put
from shanmen.edge.rig import Rig, VirtualLane, rigged
from shanmen.edge.shown import Shown
from shanmen.edge.simulated import DemoServer, Nobody, Visitor, crowd
from shanmen.edge.store import FILE
from shanmen.kit import clock

ANSWER_SECONDS = 8.0
START_SECONDS = 10.0


@dataclass
class Outcome:
    """What became of all visitors."""

    visitors: int = 0
    admitted: int = 0
    passed: int = 0
    given_back: int = 0
    refused: Counter[str] | None = None
    surprises: int = 0
    """Visitors to whom something else happened than should."""

    def count(self, shown: Shown, passed: int) -> None:
        """Take one answer into account."""
        answer = shown.answer
        if answer is None:
            return
        if answer.outcome == "refused":
            self.refused = self.refused or Counter()
            self.refused[answer.reason] += 1
        else:
            self.admitted += answer.persons
            self.passed += passed


class Simulation:
    """Visitors at the lanes of one agent."""

    def __init__(self, agent: Agent, rig: Rig, rng: random.Random) -> None:
        self._agent, self._rig, self._rng = agent, rig, rng
        self._heard: dict[object, asyncio.Queue[Shown]] = {}
        self.outcome = Outcome()

    def show(self, shown: Shown) -> None:
        """Hand what a lane says to the visitor who stands there."""
        if shown.lane_id in self._heard:
            self._heard[shown.lane_id].put_nowait(shown)

    async def run(self, visitors: list[Visitor]) -> Outcome:
        """Send the visitors through the lanes; each lane has a queue of its own."""
        lanes = self._agent.lanes()
        self._heard = {lane.id: asyncio.Queue() for lane in lanes}
        queue = iter(visitors)
        await asyncio.gather(
            *(
                self._lane(virtual, self._heard[lane.id], queue)
                for virtual, lane in zip(self._rig.lanes, lanes, strict=False)
            )
        )
        return self.outcome

    async def _lane(
        self, lane: VirtualLane, heard: "asyncio.Queue[Shown]", queue: Iterator[Visitor]
    ) -> None:
        for visitor in queue:
            self.outcome.visitors += 1
            while not heard.empty():
                heard.get_nowait()
            for attempt in visitor.attempts:
                lane.walkers = attempt.walks
                if attempt.text:
                    lane.scan(attempt.text())
                if attempt.card:
                    lane.lay(attempt.card)
                said = await self._judge(lane, heard, visitor, attempt.expect)
                if said == "unseen" and attempt.expect == "given_back":
                    # Who turned away was counted, and would be refused now, as is right.
                    break
            lane.lift()
            await asyncio.sleep(self._rng.uniform(0.02, 0.1))

    async def _judge(
        self, lane: VirtualLane, heard: "asyncio.Queue[Shown]", visitor: Visitor, expect: str
    ) -> str:
        said, shown = await self._answer(heard)
        passed = 0
        if said == "admitted" and shown is not None and shown.answer is not None:
            said, passed = await self._through(heard, shown.answer.persons)
        if shown is not None:
            self.outcome.count(shown, passed)
            words = put(shown, self._agent.setup, "zh-CN")
            text = f"{words.word} {words.sentence}".strip()
        else:
            text = ""
        # On a bad line a sensor may be blind: then the gate says so, and counts as without one.
        right = said in {expect, "unseen"}
        self.outcome.surprises += not right
        self.outcome.given_back += said == "given_back"
        click.echo(
            f"{clock.now():%H:%M:%S}  lane {lane.number}  {visitor.what:<34} {said:<20} {text}"
            + ("" if right else f"   EXPECTED {expect}")
        )
        return said

    async def _answer(self, heard: "asyncio.Queue[Shown]") -> tuple[str, Shown | None]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    shown = await heard.get()
                    if shown.what == "fault":
                        return shown.error, shown
                    if shown.what == "answer" and shown.answer is not None:
                        answer = shown.answer
                        return answer.reason or answer.outcome, shown
        except TimeoutError:
            return "no answer", None

    async def _through(self, heard: "asyncio.Queue[Shown]", persons: int) -> tuple[str, int]:
        """Wait until all have passed, or the lane gives the rest back."""
        passed = 0
        setup = self._agent.setup
        patience = ANSWER_SECONDS + (setup.rules.passage_seconds if setup else 0)
        try:
            async with asyncio.timeout(patience + persons):
                while passed < persons:
                    shown = await heard.get()
                    if shown.what == "passed":
                        passed = persons - shown.persons
                    elif shown.what == "given_back":
                        return "given_back", passed
                    elif shown.what == "unseen":
                        return "unseen", persons
        except TimeoutError:
            return "lost at the barrier", passed
        return "passed", passed


@asynccontextmanager
async def virtual_entrance(
    agent: Agent,
    folder: Path,
    rng: random.Random,
    *,
    lanes: int,
    page_port: int | None,
    noise: bool = False,
) -> AsyncIterator[Simulation]:
    """Stand-in devices, the lanes that use them, and the guard's page if a port is given."""
    async with rigged(folder, rng, lanes=lanes, noise=noise) as rig:
        path = folder / LANES_FILE
        path.write_text(rig.lanes_toml(), encoding="utf-8")
        simulation = Simulation(agent, rig, rng)
        async with operate(
            agent, folder, lanes=path, port=page_port or 0, also_show=simulation.show
        ) as operating:
            if page_port is not None:
                click.echo(f"Guard's page: {operating.url}  PIN {operating.pin}")
            await _until_ready(agent, rig)
            yield simulation


async def _until_ready(agent: Agent, rig: Rig) -> None:
    """Wait until every driver has opened its device."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while not rig.connected():  # noqa: ASYNC110 - the stand-ins have no event of it
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        faults = " ".join(lane.fault for lane in agent.lanes())
        raise click.ClickException(f"The devices did not come up: {faults or '?'}") from error


async def simulate_demo(
    *,
    lanes: int,
    visitors: int,
    seed: int,
    offline: bool,
    page_port: int | None = None,
    noise: bool = False,
) -> tuple[Outcome, DemoServer]:
    """A gate of a demo server in a folder that is thrown away afterwards."""
    rng = random.Random(seed)  # noqa: S311 - a replay; its keys are worth nothing
    with tempfile.TemporaryDirectory(prefix="shanmen-gate-") as name:
        folder = Path(name)
        server = DemoServer(rng, lanes=lanes)
        people = crowd(server, rng, visitors)
        server.enrol(folder)
        agent = Agent.open(folder, transport=server, secrets=folder / "memory")
        try:
            await agent.sync()
            server.down = offline
            await agent.start()
            async with virtual_entrance(
                agent, folder, rng, lanes=lanes, page_port=page_port, noise=noise
            ) as simulation:
                outcome = await simulation.run(people)
            await agent.sync()
            left = agent.status().queue
        finally:
            await agent.close()
    where = "kept at the gate, unsent" if offline else "still to be sent"
    click.echo(f"Journal: {server.journal_rows} rows on the demo server, {left} {where}.")
    return outcome, server


async def simulate_folder(
    folder: Path, *, lanes: int, visitors: int, seed: int, offline: bool, page_port: int | None
) -> Outcome:
    """Visitors with tickets of an enrolled gate's own server, by their short numbers."""
    rng = random.Random(seed)  # noqa: S311 - a replay
    numbers = _numbers(folder)
    rng.shuffle(numbers)
    people = [Visitor.by_number(number) for number in numbers[:visitors]]
    agent = Agent.open(folder, transport=Nobody() if offline else None)
    try:
        await agent.sync()
        await agent.start()
        lanes = min(lanes, len(agent.lanes()))
        with tempfile.TemporaryDirectory(prefix="shanmen-gate-") as name:
            async with virtual_entrance(
                agent, Path(name), rng, lanes=lanes, page_port=page_port
            ) as simulation:
                outcome = await simulation.run(people)
        await agent.sync()
    finally:
        await agent.close()
    return outcome


def _numbers(folder: Path) -> list[str]:
    path = folder / FILE
    if not path.exists():
        raise click.ClickException("This gate has no tickets yet: shanmen gate run")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT number FROM ticket ORDER BY number")]


def report(outcome: Outcome) -> None:
    """Say in two lines what happened."""
    refused = outcome.refused or Counter()
    said = ", ".join(f"{reason} {count}" for reason, count in sorted(refused.items())) or "none"
    click.echo(
        f"{outcome.visitors} visitors: {outcome.admitted} persons admitted, {outcome.passed} "
        f"passed, {outcome.given_back} admissions given back. Refused: {said}."
    )


@click.command()
@click.option("--lanes", type=click.IntRange(1, 9), default=3, show_default=True)
@click.option("--visitors", type=click.IntRange(1, 10_000), default=30, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same day.")
@click.option("--offline", is_flag=True, help="The server cannot be reached after the start.")
@click.option("--noise", is_flag=True, help="The lines to the devices are bad.")
@click.option("--page", "page_port", type=click.IntRange(0, 65535), help="Also the guard's page.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="An enrolled gate. Its server counts these visitors as real ones.",
)
def simulate(
    lanes: int,
    visitors: int,
    seed: int,
    page_port: int | None,
    folder: Path | None,
    *,
    offline: bool,
    noise: bool,
) -> None:
    """Run an entrance of stand-in devices and virtual visitors, and say what happened.

    Ends with status 1 when something else happened to a visitor than should.
    """
    if folder is None:
        outcome, _ = asyncio.run(
            simulate_demo(
                lanes=lanes,
                visitors=visitors,
                seed=seed,
                offline=offline,
                page_port=page_port,
                noise=noise,
            )
        )
    else:
        outcome = asyncio.run(
            simulate_folder(
                folder,
                lanes=lanes,
                visitors=visitors,
                seed=seed,
                offline=offline,
                page_port=page_port,
            )
        )
    report(outcome)
    if outcome.surprises:
        raise click.ClickException(f"{outcome.surprises} times something else happened.")
