"""A gate in a process of its own, to be killed: it admits ticket after ticket and says so.

    python -m tests.edge.agent_process FOLDER SENSOR TICKETS

Reads codes from the file TICKETS. Before each step and after it a line goes to standard output,
so that whoever kills it knows what was promised: ``admitted`` is printed only after `scan` has
returned, as a lane opens its barrier only then.
"""

import asyncio
import sys
from pathlib import Path

from shanmen.edge.agent import Agent
from shanmen.edge.wire import Reply, Unreachable
from shanmen.kit import clock
from tests.support.gate_server import LANES, START


class NoNetwork:
    """There is no server."""

    async def request(self, *_: object, **__: object) -> Reply:
        raise Unreachable("There is no network.")

    async def close(self) -> None:
        """Nothing is open."""


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def admit(folder: Path, codes: list[str], *, sensor: bool) -> None:
    agent = Agent.open(folder, transport=NoNetwork(), secrets=folder.parent / "memory")
    agent.equip(LANES[0], sensor=sensor)
    say("ready")
    for number, code in enumerate(codes):
        say("scanning", number)
        answer = await agent.scan(LANES[0], code)
        say("admitted" if answer.outcome == "admitted" else "refused", number, answer.scan_id)
        await agent.opened(answer.scan_id)
        say("opened", number)
        if sensor:
            await agent.passed(answer.scan_id)
            say("passed", number)
    say("done")
    await asyncio.sleep(60)


if __name__ == "__main__":
    with clock.at(START):
        asyncio.run(
            admit(
                Path(sys.argv[1]),
                Path(sys.argv[3]).read_text().split("\n"),
                sensor=sys.argv[2] == "1",
            )
        )
