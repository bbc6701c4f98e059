"""All lanes of the entrance: they begin when the server has named them, and open together."""

import asyncio
import logging
from uuid import UUID

from shanmen.admission.protocol import Command
from shanmen.edge.agent import Agent
from shanmen.edge.drivers.build import Devices, LaneDevices
from shanmen.edge.lane import Lane
from shanmen.edge.shown import Show
from shanmen.edge.states import LaneUnknown

LOOK_SECONDS = 2.0
"""So often it is looked whether the console has added a lane."""
HOLD_SECONDS = 3.0

log = logging.getLogger(__name__)


class Entrance:
    """The lanes of one agent, with their devices."""

    def __init__(self, agent: Agent, devices: Devices, *, show: Show) -> None:
        self._agent, self._devices, self._show = agent, devices, show
        self._lanes: dict[UUID, Lane] = {}
        self._without: set[int] = set()
        self._held = False
        self._holding: set[asyncio.Task[None]] = set()

    def lane(self, lane_id: UUID) -> Lane:
        """The lane; raises LaneUnknown."""
        try:
            return self._lanes[lane_id]
        except KeyError:
            raise LaneUnknown(field="lane") from None

    async def run(self) -> None:
        """Work until cancelled, then let go of the devices."""
        self._agent.listen(self._hear)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for lane in self._new_lanes():
                        group.create_task(lane.run())
                        if self._agent.status().emergency:
                            self._held = True
                            self._hold(lane)
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._holding:
                task.cancel()
            await asyncio.shield(self._devices.close())

    def _new_lanes(self) -> list[Lane]:
        by_number = {devices.number: devices for devices in self._devices.lanes}
        known = self._agent.lanes()
        made = []
        for state in known:
            if state.id not in self._lanes:
                devices = by_number.get(state.number) or LaneDevices(state.number)
                lane = Lane(self._agent, state.id, devices, show=self._show)
                self._lanes[state.id] = lane
                made.append(lane)
        for number in by_number.keys() - {state.number for state in known} - self._without:
            if known:
                self._without.add(number)
                log.warning("lanes.toml has a lane %s; this entrance has none.", number)
        return made

    async def emergency(self, *, on: bool, staff: str) -> None:
        """Open everything, or end that. Barriers come first: people do not wait for a disk."""
        await self._hold_all(on=on)
        await self._agent.emergency(on=on, staff=staff)

    async def _hear(self, command: Command) -> None:
        if command.kind in {"emergency_on", "emergency_off"}:
            await self._hold_all(on=command.kind == "emergency_on")

    async def _hold_all(self, *, on: bool) -> None:
        """Tell all barriers at once; one that does not obey is told again in the background."""
        if on is self._held:
            return
        self._held = on
        told = [self._hold(lane) for lane in self._lanes.values()]
        if told:
            await asyncio.wait(told, timeout=HOLD_SECONDS)

    def _hold(self, lane: Lane) -> "asyncio.Task[None]":
        wish = self._held

        async def hold() -> None:
            while not await lane.hold(on=wish):
                await asyncio.sleep(1)
                if self._held is not wish:
                    return

        task = asyncio.create_task(hold())
        self._holding.add(task)
        task.add_done_callback(self._holding.discard)
        return task
