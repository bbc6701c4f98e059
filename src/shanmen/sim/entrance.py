"""One simulated entrance: the real agent on a machine whose power and network come and go."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from shanmen.edge import device as devices
from shanmen.edge.agent import Agent
from shanmen.edge.client import Server, Skew
from shanmen.edge.counter import Counter
from shanmen.edge.desk import InlineDesk
from shanmen.edge.gate import Gate
from shanmen.edge.memory import Memory
from shanmen.edge.place import Place
from shanmen.edge.secrets import Secrets
from shanmen.edge.store import FILE
from shanmen.kit import clock
from shanmen.sim import faults
from shanmen.sim.machine import Disk, PowerLost, Skewed
from shanmen.sim.network import Network

R = TypeVar("R")


@dataclass
class Entrance:
    """A gate with its machine. `canary` is the deliberate fault, if any."""

    name: str
    folder: Path
    network: Network
    clock: Skewed
    chance: random.Random
    canary: str = ""
    agent: Agent | None = None
    gate: Gate | None = None
    disk: Disk | None = None
    epoch: int = 0
    """Counts starts of the agent: what was under way in an earlier one is nobody's any more."""
    known_lanes: list[UUID] = field(default_factory=list)
    """Ids of its lanes, also while the machine is off."""
    heard_at: datetime | None = None
    """When it last heard of all changes, by the true clock."""

    @property
    def lanes(self) -> list[UUID]:
        """Ids of its lanes: the first has a sensor, the second has none."""
        return [lane.id for lane in self.agent.lanes()] if self.agent else []

    def start(self) -> None:
        """Switch the machine on."""
        device = devices.load(self.folder)
        self.disk = Disk(
            self._disk_folder() / FILE,
            lies=self.canary == faults.UNSYNCED,
            hurries=self.canary == faults.HURRIED,
        )
        # Memory does not outlive the power.
        secrets = Secrets(None, name=device.device_id.hex)
        place_of = faults.PLACES.get(self.canary, Place)
        memory_of = faults.MEMORIES.get(self.canary, Memory)
        memory = memory_of(self.disk, secrets, place_of=place_of)
        skew = Skew(memory.skew_ms)
        self.gate = Gate(self.disk, memory, skew)
        change = faults.GATES.get(self.canary)
        if change is not None:
            change(self.gate)
        server_of = faults.SERVERS.get(self.canary, Server)
        desk = InlineDesk()
        server = server_of(self.network, device, skew, Counter(self.disk, desk))
        self.agent = Agent(self.gate, server, desk=desk)
        with clock.using(self.clock):
            self.gate.recover()
        self.equip()

    def equip(self) -> None:
        """Tell the agent which lanes have a sensor."""
        if self.agent is not None:
            self.known_lanes = self.lanes or self.known_lanes
            for number, lane_id in enumerate(self.lanes):
                self.agent.equip(lane_id, sensor=number == 0)

    async def do(self, work: Callable[[Agent], Awaitable[R]]) -> R | None:
        """Have the agent do something; None when its machine is off, or goes off over it."""
        if self.agent is None:
            return None
        try:
            with clock.using(self.clock):
                done = await work(self.agent)
        except PowerLost:
            self.lose_power()
            return None
        if self.disk is not None and self.disk.off:
            # The talk in the background takes a broken disk calmly.
            self.lose_power()
            return None
        return done

    def decided_alone(self, scan_id: UUID) -> bool:
        """Whether the gate decided a scan without the server."""
        intent = self.gate.journal.intents.find(scan_id) if self.gate else None
        return intent is not None and intent.scanned.decided_by == "gate"

    def lose_power(self) -> None:
        """The machine goes off; its disk keeps what was synced."""
        if self.disk is None:
            return
        old = self.disk
        self.epoch += 1
        old.pull(self._disk_folder(), self.chance)
        self.agent = self.gate = self.disk = None

    def _disk_folder(self) -> Path:
        return self.folder / f"disk-{self.epoch}"
