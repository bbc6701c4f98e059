"""A simulated day at the gates, from a seed."""

import hashlib
import heapq
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shanmen.admission.bound import bounds
from shanmen.admission.protocol import Answer
from shanmen.edge.agent import Agent
from shanmen.edge.enrol import enrol
from shanmen.kit import ids
from shanmen.kit.clock import Simulated
from shanmen.sim.audit import Auditor, Passage
from shanmen.sim.entrance import Entrance
from shanmen.sim.machine import Skewed
from shanmen.sim.network import Network
from shanmen.sim.park import ENTRANCES, Park, Ticket
from shanmen.sim.people import Figures, Visitor

VISITORS = 520
PARTITIONS = 4
POWER_LOSSES = 3
_HOURS = 1.0
_ROUND = timedelta(seconds=40)
_PARTY = 13
"""Tickets that are sold in one transaction."""

Work = Callable[[], Awaitable[None]]


class Day:
    """Runs the day; every choice comes from the seed, and one thing happens after another."""

    def __init__(
        self,
        park: Park,
        http: httpx.AsyncClient,
        true: Simulated,
        *,
        seed: int,
        canary: str,
        visitors: int = VISITORS,
    ) -> None:
        self._park, self._http, self._true = park, http, true
        self._canary = canary
        self._visitors = visitors
        self._chance = random.Random(f"day/{seed}")  # noqa: S311 - it must replay
        self._seed = seed
        self._queue: list[tuple[datetime, int, Work]] = []
        self._order = 0
        self._entrances: list[Entrance] = []
        self._auditor = Auditor()
        self._figures = Figures()
        self._trace = hashlib.sha256()
        self._ends = true.now()
        self._forger = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

    def later(self, wait: timedelta, work: Work) -> None:
        """Have something happen after a while."""
        self._order += 1
        heapq.heappush(self._queue, (self._true.now() + wait, self._order, work))

    def tell(self, what: str) -> None:
        """Write something into the trace."""
        line = f"{self._true.now():%H:%M:%S.%f} {what}"
        self._trace.update(line.encode() + b"\n")
        self._figures.lines.append(line)

    async def run(self, folder: Path) -> Figures:
        """The whole day."""
        await self._open(folder)
        self._plan()
        # A fault that was seen need not be seen to the evening.
        while self._queue and not (self._canary and self._auditor.wrong):
            when, _, work = heapq.heappop(self._queue)
            self._true.advance(max(0.0, (when - self._true.now()).total_seconds()))
            await work()
        await self._close()
        return self._figures

    async def _open(self, folder: Path) -> None:
        for number, (name, entrance) in enumerate(
            zip(ENTRANCES, self._park.entrances, strict=True)
        ):
            chance = random.Random(f"{self._seed}/{name}")  # noqa: S311 - it must replay
            network = Network(self._http, self._true, chance, self.later)
            by = timedelta(milliseconds=chance.randrange(-240_000, 240_000))
            code = await self._park.device_code(entrance, name)
            home = folder / name
            await enrol(url="http://server", code=code, folder=home, name=name, transport=network)
            made = Entrance(
                name, home, network, Skewed(self._true, by), chance, canary=self._canary
            )
            made.start()
            await self._sync(made)
            made.equip()
            network.calm = False
            self._entrances.append(made)
            self.later(_ROUND * (number + 1) / 3, partial(self._round, made))

    def _plan(self) -> None:
        chance, start = self._chance, self._true.now()
        self._ends = start + timedelta(hours=_HOURS)
        span = timedelta(hours=_HOURS).total_seconds()
        for _ in range(0, self._visitors, _PARTY):
            self.later(timedelta(seconds=chance.uniform(10, span - 1200)), self._buy)
        for number in range(PARTITIONS):
            entrance = self._entrances[number % len(self._entrances)]
            at = span * (number + chance.uniform(0.1, 0.6)) / (PARTITIONS + 1)
            self.later(timedelta(seconds=at), partial(self._cut, entrance))
        for number in range(POWER_LOSSES):
            entrance = self._entrances[(number + 1) % len(self._entrances)]
            at = span * (number + chance.uniform(0.2, 0.9)) / (POWER_LOSSES + 1)
            self.later(timedelta(seconds=at), partial(self._doom, entrance))

    async def _buy(self) -> None:
        """Some buy at the same time, for a visit that has begun or is about to."""
        now, chance = self._true.now(), self._chance
        wishes = []
        for kind in chance.choices(
            ("single", "moving", "family", "season"), (5, 3, 2, 1), k=_PARTY
        ):
            starts = now - timedelta(minutes=chance.randrange(60))
            wishes.append((kind, starts, starts + timedelta(hours=6)))
        for ticket in await self._park.sell(wishes):
            self._figures.visitors += 1
            self.tell(f"sold {ticket.kind} {ticket.number}")
            self._visit(ticket, chance)

    def _visit(self, ticket: Ticket, chance: random.Random) -> None:
        """What the owner of a ticket does with it, and what others do."""
        at, lane = chance.randrange(3), chance.randrange(2)
        soon = timedelta(seconds=chance.uniform(5, 300))
        fate = chance.random()
        if fate < 0.06:  # noqa: PLR2004 - shares of what people do
            self.later(soon / 2, lambda: self._refund(ticket))
        elif fate < 0.12:  # noqa: PLR2004
            self.later(soon / 2, lambda: self._move(ticket))
            self._come(soon * 1.5, Visitor(ticket, "old", at, lane))
        shows = "document" if chance.random() < 0.15 else "code"  # noqa: PLR2004
        persons = 1 if ticket.kind == "family" and chance.random() < 0.3 else None  # noqa: PLR2004
        self._come(soon, Visitor(ticket, shows, at, lane, persons))
        if persons is not None:
            rest = Visitor(ticket, "code", chance.randrange(3), lane)
            self._come(soon + timedelta(seconds=chance.uniform(60, 600)), rest)
        if ticket.kind == "season":
            self._come(soon + timedelta(minutes=8), Visitor(ticket, "out", at, 1))
            self._come(soon + timedelta(minutes=12), Visitor(ticket, "code", at, lane))
        if chance.random() < 0.12:  # noqa: PLR2004 - a copy goes round
            shown = "picture" if ticket.kind == "moving" else "code"
            text = self._park.moving_code(ticket, self._true.now()) if shown == "picture" else ""
            copy = Visitor(ticket, shown, chance.randrange(3), chance.randrange(2), text=text)
            self._come(soon + timedelta(seconds=chance.uniform(150, 400)), copy)
        if chance.random() < 0.03:  # noqa: PLR2004
            now = self._true.now()
            text = self._park.forged(self._forger, now, now + timedelta(hours=2))
            self._come(soon, Visitor(None, "forged", at, lane, text=text))

    def _come(self, wait: timedelta, visitor: Visitor) -> None:
        self.later(wait, lambda: self._scan(visitor))

    async def _refund(self, ticket: Ticket) -> None:
        self.tell(f"refund {ticket.number} {await self._park.refund(ticket)}")

    async def _move(self, ticket: Ticket) -> None:
        moved = await self._park.move(ticket, by=timedelta(minutes=2))
        self.tell(f"move {ticket.number} {moved}")

    def _text(self, visitor: Visitor) -> str:
        ticket = visitor.ticket
        if ticket is None or visitor.text:
            return visitor.text
        if visitor.shows == "document":
            return ticket.document
        if visitor.shows == "old":
            return ticket.old_code or ticket.code
        if ticket.kind == "moving":
            return self._park.moving_code(ticket, self._true.now())
        return ticket.code

    async def _scan(self, visitor: Visitor) -> None:
        entrance = self._entrances[visitor.at]
        if entrance.agent is None:
            self._come(timedelta(seconds=10), visitor)
            return
        lane = entrance.lanes[visitor.lane]
        direction = "out" if visitor.shows == "out" else "in"
        scan_id = ids.new_id()
        ticket = visitor.ticket
        wanted = visitor.persons or 1
        due = (
            visitor.honest
            and ticket is not None
            and self._auditor.may_enter(ticket, wanted, self._true.now())
        )
        text = self._text(visitor)

        async def scan(agent: Agent) -> Answer:
            return await agent.scan(
                lane,
                text,
                scan_id=scan_id,
                persons=visitor.persons,
                direction="out" if direction == "out" else "in",
            )

        answer = await entrance.do(scan)
        passage = self._auditor.passages[scan_id] = Passage(
            ticket, 0, direction, entrance.name, waiting=False
        )
        name = f"{entrance.name} {visitor.shows} {ticket.number if ticket else '-'}"
        if answer is None:
            self.tell(f"{name}: the lights go out")
            self._come(timedelta(seconds=20), visitor)
            return
        self.tell(f"{name}: {answer.outcome} {answer.persons} {answer.reason}")
        if answer.outcome == "refused":
            self._refused(visitor, answer, name, due=due)
            return
        passage.persons, passage.waiting = answer.persons, True
        self._check_admission(visitor, entrance, name)
        await self._let_through(entrance, visitor, scan_id, passage)

    def _refused(self, visitor: Visitor, answer: Answer, name: str, *, due: bool) -> None:
        if visitor.shows == "document" and due:
            # A gate that was cut off before the sale cannot know whose card it is.
            visitor.shows = "code"
            self._come(timedelta(seconds=5), visitor)
            return
        if due and answer.reason == "too_soon" and visitor.tries == 0:
            visitor.tries = 1
            self._come(timedelta(seconds=20), visitor)
            return
        self._auditor.refused(name, answer.reason, due=due)

    def _check_admission(self, visitor: Visitor, entrance: Entrance, name: str) -> None:
        """Whether this gate could have known better."""
        self._figures.admissions += 1
        ticket = visitor.ticket
        if ticket is None:
            self._auditor.admitted_against(name, "with a ticket that nobody sold")
            return
        if visitor.shows == "picture":
            self._auditor.admitted_against(name, "with a picture of an old code")
        heard = entrance.heard_at
        knew = ticket.changed_at is not None and heard is not None and heard > ticket.changed_at
        if knew and ticket.refunded and visitor.shows != "out":
            self._auditor.admitted_against(name, "after a refund that the gate knew of")
        if knew and visitor.shows == "old" and ticket.old_code:
            self._auditor.admitted_against(name, "with a code that the gate knew to be replaced")

    async def _let_through(
        self, entrance: Entrance, visitor: Visitor, scan_id: UUID, passage: Passage
    ) -> None:
        """The barrier opens: from here on it is people who decide."""
        epoch, sensor = entrance.epoch, visitor.lane == 0
        await entrance.do(lambda agent: agent.opened(scan_id))
        turns_away = sensor and self._chance.random() < 0.06  # noqa: PLR2004

        async def pass_through() -> None:
            passage.through, passage.waiting = passage.persons, False
            passage.crashed = entrance.epoch != epoch
            self.tell(f"{entrance.name}: {passage.persons} go {passage.direction}")
            if sensor and entrance.epoch == epoch:
                await entrance.do(lambda agent: agent.passed(scan_id, passage.persons))
                passage.crashed = entrance.epoch != epoch

        async def turn_away() -> None:
            passage.waiting = False
            self.tell(f"{entrance.name}: nobody goes through")
            if entrance.epoch == epoch:
                await entrance.do(lambda agent: agent.not_passed(scan_id))
            if visitor.honest:
                self._come(timedelta(seconds=25), visitor)

        if turns_away:
            self.later(timedelta(seconds=8), turn_away)
        else:
            self.later(timedelta(seconds=2), pass_through)

    async def _cut(self, entrance: Entrance) -> None:
        if entrance.network.cut:
            return
        self._figures.partitions += 1
        entrance.network.cut = True
        self.tell(f"{entrance.name}: cut off")
        wait = timedelta(minutes=self._chance.uniform(4, 20))

        async def mend() -> None:
            entrance.network.cut = False
            self.tell(f"{entrance.name}: connected")

        self.later(wait, mend)

    async def _doom(self, entrance: Entrance) -> None:
        """Power goes at one of the next writes."""
        if entrance.disk is not None:
            entrance.disk.fuse = self._chance.randrange(40)
            entrance.cuts += 1

    async def _round(self, entrance: Entrance) -> None:
        if entrance.agent is None:
            self._switch_on(entrance)
        else:
            await self._sync(entrance)
        if self._true.now() < self._ends:
            self.later(_ROUND, lambda: self._round(entrance))

    def _switch_on(self, entrance: Entrance) -> None:
        entrance.start()
        self._figures.power_losses += 1
        self.tell(f"{entrance.name}: power is back")
        self.later(timedelta(seconds=3), lambda: self._correct(entrance))

    async def _correct(self, entrance: Entrance) -> None:
        """The guard says what really happened, as far as people remember."""

        async def correct(agent: Agent) -> int:
            found = await agent.unresolved()
            for each in found:
                passage = self._auditor.passages[each.scan_id]
                await agent.correct(each.scan_id, entered=passage.through > 0, staff="guard")
            return len(found)

        self.tell(f"{entrance.name}: {await entrance.do(correct)} corrected")

    async def _sync(self, entrance: Entrance) -> None:
        before, asked_at = entrance.network.forged, self._true.now()
        connected = await entrance.do(self._talk)
        self.tell(f"{entrance.name}: in touch {connected}")
        if connected:
            entrance.heard_at = asked_at
            if entrance.network.forged > before:
                self._auditor.wrong.append(
                    f"{entrance.name} believed an answer to an earlier question"
                )

    @staticmethod
    async def _talk(agent: Agent) -> bool:
        await agent.sync()
        return agent.status().connected

    async def _close(self) -> None:
        """Everything is mended, everybody reports, and the books are compared."""
        for entrance in self._entrances:
            entrance.network.cut, entrance.network.calm = False, True
            if entrance.agent is None:
                self._switch_on(entrance)
            if entrance.disk is not None:
                entrance.disk.fuse = None
            await self._correct(entrance)
            await self._sync(entrance)
            if entrance.agent is None or entrance.agent.status().queue:
                self._auditor.wrong.append(f"{entrance.name} could not report everything")
        setup = next(e.agent.setup for e in self._entrances if e.agent and e.agent.setup)
        self._figures.conflicts = self._auditor.close(
            sold=self._park.sold,
            bounds={each.type_number: each for each in bounds(setup)},
            counted=await self._park.entered(),
            cases=await self._park.cases(),
        )
        for entrance in self._entrances:
            if entrance.agent is not None:
                await entrance.agent.close()
        self._figures.wrong = self._auditor.wrong
        self._figures.trace = self._trace.hexdigest()
