"""A simulated day at the gates, from a seed."""

import random
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from shanmen.admission.bound import bounds
from shanmen.admission.protocol import PATH_CHANGES, Changes
from shanmen.edge.agent import Agent
from shanmen.edge.enrol import enrol
from shanmen.edge.wire import Reply
from shanmen.kit.clock import Simulated
from shanmen.sim.audit import GRACE
from shanmen.sim.entrance import Entrance
from shanmen.sim.machine import Skewed
from shanmen.sim.network import Network
from shanmen.sim.park import ENTRANCES, HALL, MAIN, Park, Ticket, Wish
from shanmen.sim.people import Figures, Visitor
from shanmen.sim.server import Backend
from shanmen.sim.visits import Visits
from shanmen.sim.world import World

VISITORS = 500
"""At least so many."""
PARTITIONS = 4
POWER_LOSSES = 3
_SPAN = timedelta(minutes=24)
_SALES = timedelta(minutes=15)
_QUIET = 20, 24
"""Minutes in which hardly anybody comes."""
_SHOW = timedelta(minutes=8), timedelta(minutes=14)
"""The hall is open; outside of these its gates have nothing to do."""
_ROUND = timedelta(seconds=45)
_SHOW_ROUND = timedelta(seconds=13)
"""Sooner than the server takes a gate for cut off."""
_PARTY = 13
"""Tickets that are sold in one transaction."""
_KINDS = ("single", "moving", "family", "season", "child", "late")


class Day:
    """Runs the day; every choice comes from the seed, and one thing happens after another."""

    def __init__(
        self,
        park: Park,
        server: Backend,
        true: Simulated,
        *,
        seed: int,
        canary: str,
        visitors: int = VISITORS,
        to_the_end: bool = True,
    ) -> None:
        chance = random.Random(f"day/{seed}")  # noqa: S311 - it must replay
        self._world = World(park, true, chance)
        self._world.auditor.late_from = park.late_from - GRACE
        self._visits = Visits(self._world)
        self._server, self._seed = server, seed
        self._canary, self._visitors, self._to_the_end = canary, visitors, to_the_end
        self._starts = self._ends = true.now()
        self._forger = SigningKey(bytes(range(32)))

    async def run(self, folder: Path) -> Figures:
        """The whole day."""
        world = self._world
        await self._open(folder)
        self._plan()
        while (self._to_the_end or not world.auditor.wrong) and await world.step():
            pass
        await self._close()
        return world.figures

    async def _open(self, folder: Path) -> None:
        world = self._world
        self._ends = self._starts + _SPAN
        for number, (name, place) in enumerate(zip(ENTRANCES, world.park.entrances, strict=True)):
            chance = random.Random(f"{self._seed}/{name}")  # noqa: S311 - it must replay
            network = Network(self._server, world.true, chance, world.later)
            by = timedelta(milliseconds=chance.randrange(-240_000, 240_000))
            code = await world.park.device_code(place, name)
            home = folder / name
            await enrol(url="http://server", code=code, folder=home, name=name, transport=network)
            made = Entrance(
                name, home, network, Skewed(world.true, by), chance, canary=self._canary
            )
            if ENTRANCES[name] == HALL:
                network.arrives = partial(self._hear_share, name)
            made.start()
            await self._sync(made)
            made.equip()
            network.calm = False
            world.entrances.append(made)
            world.later(_ROUND * (number + 1) / len(ENTRANCES), partial(self._round, made))

    def _hear_share(self, name: str, kind: str, reply: Reply) -> None:
        """What a gate of the hall is told that it may let in alone."""
        if kind != PATH_CHANGES or reply.status != 200:  # noqa: PLR2004 - as HTTP has it
            return
        changes = msgspec.msgpack.decode(reply.body, type=Changes)
        auditor = self._world.auditor
        for state in changes.zone_states:
            if state.number == HALL and state.share is not None:
                now = self._world.true.now()
                auditor.hall.hear(name, state.share, at=now, passages=auditor.passages)

    def _plan(self) -> None:
        world, chance, span = self._world, self._world.chance, _SPAN.total_seconds()
        for _ in range(0, self._visitors, _PARTY):
            world.later(_seconds(chance.uniform(10, _SALES.total_seconds())), self._buy)
        outside = [each for each in world.entrances if ENTRANCES[each.name] == MAIN]
        for number in range(PARTITIONS):
            at = span * (number + chance.uniform(0.1, 0.6)) / PARTITIONS
            self._plan_cut(outside[number % len(outside)], at, minutes=(1.5, 7))
        for number in range(POWER_LOSSES):
            at = span * (number + chance.uniform(0.2, 0.9)) / (POWER_LOSSES + 1)
            doom = partial(self._doom, outside[(number + 1) % len(outside)])
            world.later(_seconds(at), doom)
        halls = [each for each in world.entrances if ENTRANCES[each.name] == HALL]
        opens, closes = (each.total_seconds() for each in _SHOW)
        for entrance in halls:
            at = chance.uniform(opens, (opens + closes) / 2)
            self._plan_cut(entrance, at, minutes=(1, 3))
        if chance.random() < 0.5:  # noqa: PLR2004 - every second day
            dark = partial(self._doom, chance.choice(halls))
            world.later(_seconds(chance.uniform(opens, closes)), dark)

    def _plan_cut(self, entrance: Entrance, at: float, *, minutes: tuple[float, float]) -> None:
        wait = timedelta(minutes=self._world.chance.uniform(*minutes))
        self._world.later(_seconds(at), partial(self._cut, entrance, wait))

    def _wishes(self) -> list[Wish]:
        """What some buy at the same time, for a visit that has begun or is about to."""
        now, chance = self._world.true.now(), self._world.chance
        wishes: list[Wish] = []
        opens, closes = (self._starts + each for each in _SHOW)
        if opens - timedelta(minutes=4) <= now < closes - timedelta(minutes=2):
            wishes += [Wish("hall", now - timedelta(minutes=30), now + timedelta(hours=3))] * 3
        while len(wishes) < _PARTY:
            [kind] = chance.choices(_KINDS, (5, 3, 2, 1, 2, 1))
            starts = now - timedelta(minutes=chance.randrange(60))
            ends = starts + timedelta(hours=6)
            if kind == "child":
                wishes.append(Wish("single", starts, ends))
            together = kind == "child" and chance.random() < 0.65  # noqa: PLR2004
            wishes.append(Wish(kind, starts, ends, together))
        return wishes

    async def _buy(self) -> None:
        parent: Visitor | None = None
        for ticket in await self._world.park.sell(self._wishes()):
            self._world.figures.visitors += 1
            self._world.tell(f"sold {ticket.kind} {ticket.number}")
            if ticket.kind == "hall":
                self._see_show(ticket)
                continue
            parent = self._visit(ticket, parent)

    def _see_show(self, ticket: Ticket) -> None:
        """Two go into the hall, watch for a while, and leave by whichever door."""
        chance, come = self._world.chance, self._visits.come
        opens = max(timedelta(0), self._starts + _SHOW[0] - self._world.true.now())
        soon = opens + _seconds(chance.uniform(5, 120))
        halls = [n for n, zone in enumerate(ENTRANCES.values()) if zone == HALL]
        come(soon, Visitor(ticket, "code", chance.choice(halls), chance.randrange(2), persons=2))
        stays = _seconds(chance.uniform(40, 200))
        come(soon + stays, Visitor(ticket, "out", chance.choice(halls), 1, persons=2))

    def _visit(self, ticket: Ticket, parent: Visitor | None) -> Visitor | None:
        """What the owner of a ticket does with it, and what others do."""
        world, chance, come = self._world, self._world.chance, self._visits.come
        at, lane = chance.randrange(3), chance.randrange(2)
        soon = _seconds(chance.uniform(5, 150))
        fate = chance.random()
        if ticket.kind == "child":
            self._bring(ticket, parent)
            return parent
        if fate < 0.06:  # noqa: PLR2004 - shares of what people do
            world.later(soon / 2, lambda: self._refund(ticket))
        elif fate < 0.12:  # noqa: PLR2004
            world.later(soon / 2, lambda: self._move(ticket))
            # The old code comes round, when the gate may have heard of it, before the owner does.
            come(soon + _seconds(chance.uniform(20, 120)), Visitor(ticket, "old", at, lane))
            soon += timedelta(seconds=150)
        if ticket.kind == "moving" and chance.random() < 0.3:  # noqa: PLR2004
            # Somebody took a picture of the code, and is there first, at whichever gate.
            text = world.park.moving_code(ticket, world.true.now())
            come(
                _seconds(chance.uniform(110, 145)),
                Visitor(ticket, "picture", chance.randrange(3), lane, text=text),
            )
            soon += timedelta(seconds=150)
        shows = "document" if chance.random() < 0.15 else "code"  # noqa: PLR2004
        persons = 1 if ticket.kind == "family" and chance.random() < 0.3 else None  # noqa: PLR2004
        owner = Visitor(ticket, shows, at, lane, persons)
        owner.comes = world.true.now() + soon
        come(soon, owner)
        if persons is not None:
            rest = Visitor(ticket, "code", chance.randrange(3), lane)
            come(soon + _seconds(chance.uniform(40, 300)), rest)
        if ticket.kind == "season":
            if chance.random() < 0.4:  # noqa: PLR2004 - hands it back over the fence
                friend = Visitor(ticket, "lent", at, lane)
                come(soon + _seconds(chance.uniform(30, 90)), friend)
            come(soon + timedelta(minutes=3), Visitor(ticket, "out", at, 1))
            come(soon + timedelta(minutes=5), Visitor(ticket, "code", at, lane))
        if chance.random() < 0.12:  # noqa: PLR2004 - a copy goes round
            shown = "picture" if ticket.kind == "moving" else "code"
            text = world.park.moving_code(ticket, world.true.now()) if shown == "picture" else ""
            copy = Visitor(ticket, shown, chance.randrange(3), chance.randrange(2), text=text)
            come(soon + _seconds(chance.uniform(150, 300)), copy)
        if chance.random() < 0.03:  # noqa: PLR2004
            now = world.true.now()
            text = world.park.forged(self._forger, now, now + timedelta(hours=2))
            come(soon, Visitor(None, "forged", at, lane, text=text))
        return owner

    def _bring(self, child: Ticket, parent: Visitor | None) -> None:
        """A child comes with whoever it belongs to, runs ahead before, or strays in alone."""
        chance, come, now = self._world.chance, self._visits.come, self._world.true.now()
        if parent is None or parent.comes is None or child.order == child.number:
            quiet = self._starts + timedelta(minutes=chance.uniform(*_QUIET))
            come(quiet - now, Visitor(child, "ahead", chance.randrange(3), chance.randrange(2)))
            return
        wait = parent.comes - now
        if chance.random() < 0.4:  # noqa: PLR2004
            ahead = Visitor(child, "ahead", chance.randrange(3), chance.randrange(2))
            come(wait * chance.uniform(0.1, 0.9), ahead)
        come(wait + timedelta(seconds=6), Visitor(child, "code", parent.at, parent.lane))

    async def _refund(self, ticket: Ticket) -> None:
        done = await self._world.park.refund(ticket)
        self._world.tell(f"refund {ticket.number} {done}")

    async def _move(self, ticket: Ticket) -> None:
        moved = await self._world.park.move(ticket, by=timedelta(minutes=2))
        self._world.tell(f"move {ticket.number} {moved}")

    async def _cut(self, entrance: Entrance, wait: timedelta) -> None:
        if entrance.network.cut:
            return
        self._world.figures.partitions += 1
        entrance.network.cut = True
        self._world.tell(f"{entrance.name}: cut off")

        async def mend() -> None:
            entrance.network.cut = False
            self._world.tell(f"{entrance.name}: connected")

        self._world.later(wait, mend)

    async def _doom(self, entrance: Entrance) -> None:
        """Power goes at one of the next writes."""
        if entrance.disk is not None:
            entrance.disk.fuse = self._world.chance.randrange(40)

    async def _round(self, entrance: Entrance) -> None:
        if entrance.agent is None:
            self._switch_on(entrance)
        else:
            await self._sync(entrance)
        now, (opens, closes) = self._world.true.now(), _SHOW
        if now < self._ends:
            show = self._starts + opens <= now < self._starts + closes + timedelta(minutes=3)
            often = show and ENTRANCES[entrance.name] == HALL
            wait = _SHOW_ROUND if often else _ROUND
            self._world.later(wait, lambda: self._round(entrance))

    def _switch_on(self, entrance: Entrance) -> None:
        entrance.start()
        self._world.figures.power_losses += 1
        self._world.tell(f"{entrance.name}: power is back")
        self._world.later(timedelta(seconds=3), lambda: self._correct(entrance))

    async def _correct(self, entrance: Entrance) -> None:
        """The guard says what really happened, as far as people remember."""
        own = self._world.auditor.passages

        async def correct(agent: Agent) -> int:
            found = await agent.unresolved()
            for each in found:
                entered = own.by_scan[each.scan_id].through > 0
                await agent.correct(each.scan_id, entered=entered, staff="guard")
            return len(found)

        done = await entrance.do(correct)
        if done is not None:
            for passage in own.at(entrance.name):
                passage.unclear = passage.unclear and not passage.crashed
        self._world.tell(f"{entrance.name}: {done} corrected")

    async def _sync(self, entrance: Entrance) -> None:
        world = self._world
        before, asked_at = entrance.network.forged, world.true.now()
        connected = await entrance.do(self._talk)
        world.tell(f"{entrance.name}: in touch {connected}")
        if connected is None:
            world.auditor.hall.doubt(entrance.name)
        if connected:
            entrance.heard_at = asked_at
            if entrance.network.forged > before:
                world.auditor.wrong.append(
                    f"{entrance.name} believed an answer to an earlier question"
                )

    @staticmethod
    async def _talk(agent: Agent) -> bool:
        await agent.sync()
        return agent.status().connected

    async def _close(self) -> None:
        """Everything is mended, everybody reports, and the books are compared."""
        world, auditor = self._world, self._world.auditor
        for entrance in world.entrances:
            entrance.network.cut, entrance.network.calm = False, True
            if entrance.agent is None:
                self._switch_on(entrance)
            if entrance.disk is not None:
                entrance.disk.fuse = None
            await self._correct(entrance)
            await self._sync(entrance)
            if entrance.agent is None or entrance.agent.status().queue:
                auditor.wrong.append(f"{entrance.name} could not report everything")
            if entrance.network.taken_twice:
                auditor.wrong.append(f"the server took a question of {entrance.name} twice")
        setup = next(e.agent.setup for e in world.entrances if e.agent and e.agent.setup)
        world.figures.conflicts = auditor.close(
            sold=world.park.sold,
            bounds={each.type_number: each for each in bounds(setup)},
            counted=await world.park.entered(),
            cases=await world.park.cases(),
        )
        inside, truth = await world.park.inside_hall(), auditor.hall.inside(auditor.passages)
        if inside != truth:
            auditor.wrong.append(f"the server counts {inside} in the hall, and {truth} are there")
        for entrance in world.entrances:
            if entrance.agent is not None:
                await entrance.agent.close()
        world.figures.wrong = auditor.wrong
        world.figures.trace = world.trace


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
