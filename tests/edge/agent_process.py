"""Gates in processes of their own, to be killed: they admit ticket after ticket and say so.

    python -m tests.edge.agent_process

Each line on standard input is a `Job`. A process is forked for it, as Python and its modules take
longer to load than a gate takes to start; its first word is its number. Before each step and after
it a line goes to standard output, so that whoever kills it knows what was promised: ``admitted`` is
printed only after `scan` has returned, as a lane opens its barrier only then. ``over`` says that
the process has ended.
"""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from shanmen.edge.agent import Agent
from shanmen.edge.wire import Reply, Unreachable
from shanmen.kit import clock
from tests.support.gate_server import LANES, START


class Job(Struct, frozen=True, kw_only=True):
    """What a gate has to do."""

    folder: str
    sensor: bool
    codes: list[str]
    """Whom the first lane admits, one after the other."""
    beside: list[str] = []
    """Whom the second lane admits meanwhile; their numbers follow on those of `codes`."""
    stays: tuple[int, str] | None = None
    """At the first lane: whose admission goes no further than this word, however long it takes."""


class NoNetwork:
    """There is no server."""

    async def request(self, *_: object, **__: object) -> Reply:
        raise Unreachable("There is no network.")

    async def close(self) -> None:
        """Nothing is open."""


def say(*words: object) -> None:
    # One write for each line: a process that is killed leaves no half of one.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def admit(agent: Agent, lane_id: UUID, first: int, codes: list[str], job: Job) -> None:
    async def step(word: str, number: int, *more: object) -> None:
        say(word, number, *more)
        if (number, word) == job.stays:
            await asyncio.Event().wait()

    for number, code in enumerate(codes, first):
        say("scanning", number)
        answer = await agent.scan(lane_id, code)
        await step(
            "admitted" if answer.outcome == "admitted" else "refused", number, answer.scan_id
        )
        await agent.opened(answer.scan_id)
        await step("opened", number)
        if job.sensor:
            await agent.passed(answer.scan_id)
            say("passed", number)


async def work(job: Job) -> None:
    folder = Path(job.folder)
    agent = Agent.open(folder, transport=NoNetwork(), secrets=folder.parent / "memory")
    for lane_id in LANES:
        agent.equip(lane_id, sensor=job.sensor)
    await asyncio.gather(
        admit(agent, LANES[0], 0, job.codes, job),
        admit(agent, LANES[1], len(job.codes), job.beside, job),
    )
    say("done")
    await asyncio.Event().wait()


def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        job = msgspec.json.decode(line, type=Job)
        pid = os.fork()
        if pid == 0:
            say("pid", os.getpid())
            with clock.at(START):
                # Whatever ends it but a blow is a mistake, and its traceback is the last it says.
                asyncio.run(work(job))
            return
        os.waitpid(pid, 0)
        say("over")


if __name__ == "__main__":
    main()
