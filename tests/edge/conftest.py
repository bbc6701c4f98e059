"""A gate in a folder of its own, on a day in May, against a server that does as it is told."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shanmen.edge.agent import Agent
from shanmen.edge.desk import InlineDesk
from shanmen.kit import clock
from shanmen.kit.clock import Simulated
from tests.support.gate_server import START, GateServer


@pytest.fixture
def now() -> Iterator[Simulated]:
    with clock.at(START) as frozen:
        frozen.advance(60)
        yield frozen


@pytest.fixture
def server() -> GateServer:
    return GateServer()


@pytest.fixture
def folder(tmp_path: Path, server: GateServer) -> Path:
    server.enrol(tmp_path / "gate")
    return tmp_path / "gate"


class Gates:
    """Agents over one folder, one after the other: a gate and its restarts."""

    def __init__(self, folder: Path, server: GateServer) -> None:
        self.folder = folder
        self.server = server
        self.secrets = folder.parent / "memory"
        self.running: list[Agent] = []

    def open(self, *, keep_memory: bool = True) -> Agent:
        """Open the gate; without `keep_memory` as after a power cut."""
        if not keep_memory:
            for path in self.secrets.glob("*"):
                path.unlink()
        agent = Agent.open(
            self.folder, transport=self.server, desk=InlineDesk(), secrets=self.secrets
        )
        self.running.append(agent)
        return agent

    async def ready(self) -> Agent:
        """A gate that has heard from its server once."""
        agent = self.open()
        await agent.sync()
        return agent

    async def restart(self, agent: Agent, *, keep_memory: bool = True) -> Agent:
        """Stop the gate at whatever point it is, and start it again."""
        await self.stop(agent)
        again = self.open(keep_memory=keep_memory)
        again._gate.recover()
        return again

    async def restart_after_kill(self) -> Agent:
        """Start the gate that another process has left as it was."""
        agent = self.open()
        agent._gate.recover()
        return agent

    async def stop(self, agent: Agent) -> None:
        self.running.remove(agent)
        await agent.close()


@pytest.fixture
async def gates(now: Simulated, folder: Path, server: GateServer) -> AsyncIterator[Gates]:
    made = Gates(folder, server)
    yield made
    for agent in list(made.running):
        await made.stop(agent)


@pytest.fixture
async def agent(gates: Gates) -> Agent:
    return await gates.ready()
