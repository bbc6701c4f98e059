"""What people do at the barriers, and what the guard does about it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from shanmen.admission.protocol import Answer
from shanmen.admission.rules import Reason
from shanmen.edge.agent import Agent
from shanmen.edge.states import CannotBeDone, ScanUnknown
from shanmen.kit import ids
from shanmen.sim.audit import PAGE
from shanmen.sim.entrance import Entrance
from shanmen.sim.people import Passage, Visitor, net
from shanmen.sim.world import World

_PATIENCE = 6
"""So often somebody comes back to a hall that was full."""
_OVERRIDDEN, _CALLED_BACK, _TURNS_AWAY, _BY_PAGE = 0.12, 0.05, 0.06, 0.3


class Visits:
    """Brings visitors to the barriers of a day."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._park = world.park
        self._auditor = world.auditor

    def come(self, wait: timedelta, visitor: Visitor) -> None:
        """Have somebody come to a barrier after a while."""
        self._world.later(wait, lambda: self._scan(visitor))

    def _text(self, visitor: Visitor) -> str:
        ticket = visitor.ticket
        if ticket is None or visitor.text:
            return visitor.text
        if visitor.shows == "document":
            return ticket.document
        if visitor.shows == "old":
            return ticket.old_code or ticket.code
        if ticket.kind == "moving":
            return self._park.moving_code(ticket, self._world.true.now())
        return ticket.code

    async def _scan(self, visitor: Visitor) -> None:
        world, entrance = self._world, self._world.entrances[visitor.at]
        if entrance.agent is None:
            await self._without_gate(visitor, entrance)
            return
        if not entrance.lanes:
            self._auditor.wrong.append(f"{entrance.name} has forgotten its lanes")
            return
        now, scan_id = world.true.now(), ids.new_id()
        ticket, lane = visitor.ticket, entrance.lanes[visitor.lane]
        if visitor.shows == "out" and not self._is_inside(visitor):
            return
        direction = "out" if visitor.shows == "out" else "in"
        due = self._auditor.may_enter(
            visitor, visitor.persons or 1, entrance=entrance.name, now=now
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

        passage = self._auditor.passages.add(
            scan_id, Passage(ticket, direction, now, entrance.name, visitor.lane)
        )
        before = entrance.network.decisions
        answer = await entrance.do(scan)
        passage.asked = entrance.network.decisions > before
        name = f"{entrance.name} {visitor.shows} {ticket.number if ticket else '-'}"
        if answer is None:
            passage.crashed = passage.unclear = True
            world.tell(f"{name}: the lights go out")
            self.come(timedelta(seconds=20), visitor)
            return
        world.tell(f"{name}: {answer.outcome} {answer.persons} {answer.reason}")
        passage.alone = entrance.decided_alone(scan_id)
        if answer.outcome == "refused":
            await self._refused(visitor, entrance, answer, passage, name, due=due)
            return
        passage.persons, passage.waiting = answer.persons, True
        self._check_admission(visitor, entrance, passage, name)
        await self._let_through(visitor, entrance, scan_id, passage)

    def _is_inside(self, visitor: Visitor) -> bool:
        """Whether they went in, and all of them: else there is nobody to leave."""
        ticket = visitor.ticket
        own = self._auditor.passages.of(ticket) if ticket is not None else []
        # Whoever stands before an open barrier is not in yet.
        waiting = any(each.waiting for each in own)
        return not waiting and net(own) >= (visitor.persons or 1)

    async def _without_gate(self, visitor: Visitor, entrance: Entrance) -> None:
        """The gate's machine is off: people wait, or the guard takes a telephone."""
        world, ticket = self._world, visitor.ticket
        by_page = visitor.shows == "code" and world.chance.random() < _BY_PAGE
        if not by_page or ticket is None or visitor.persons is not None:
            self.come(timedelta(seconds=10), visitor)
            return
        scan_id = ids.new_id()
        passage = Passage(ticket, "in", world.true.now(), PAGE)
        passage.persons = passage.through = await self._park.look_up(
            scan_id=scan_id, lane_id=entrance.known_lanes[visitor.lane], code=self._text(visitor)
        )
        self._auditor.passages.add(scan_id, passage)
        world.tell(f"{entrance.name} telephone {ticket.number}: {passage.persons}")
        if passage.persons:
            world.figures.admissions += 1
            return
        self.come(timedelta(seconds=10), visitor)

    async def _refused(
        self,
        visitor: Visitor,
        entrance: Entrance,
        answer: Answer,
        passage: Passage,
        name: str,
        *,
        due: bool,
    ) -> None:
        again = self._tries_again(visitor, answer, due=due)
        if answer.reason == Reason.ZONE_FULL:
            persons = visitor.persons or 1
            full = self._auditor.hall.full_for(entrance.name, persons, self._auditor.passages)
            due = due and passage.alone and not full
            again = None if due else again
        if again is not None:
            self.come(again, visitor)
            return
        self._auditor.refused(name, answer.reason, due=due)
        may = answer.override_allowed and visitor.ticket is not None and not due
        if may and self._world.chance.random() < _OVERRIDDEN:
            await self._override(visitor, entrance, answer.scan_id, passage, name)

    @staticmethod
    def _tries_again(visitor: Visitor, answer: Answer, *, due: bool) -> timedelta | None:
        """After how long somebody who was refused comes again, who does."""
        if visitor.shows == "document" and due:
            # A gate that was cut off before the sale cannot know whose card it is.
            visitor.shows = "code"
            return timedelta(seconds=5)
        waits = {Reason.TOO_SOON: (1, 20), Reason.ZONE_FULL: (_PATIENCE, 25)}
        most, seconds = waits.get(Reason(answer.reason), (0, 0))
        if not visitor.honest or visitor.tries >= most:
            return None
        visitor.tries += 1
        return timedelta(seconds=seconds)

    async def _override(
        self, visitor: Visitor, entrance: Entrance, scan_id: UUID, passage: Passage, name: str
    ) -> None:
        """A supervisor lets in somebody all the same, and says why."""

        async def override(agent: Agent) -> Answer:
            return await agent.override(scan_id, persons=1, reason="A guest.", staff="supervisor")

        passage.override = True
        answer = await entrance.do(override)
        if answer is None:
            passage.crashed = passage.unclear = True
            self._world.tell(f"{name}: the lights go out over a guest")
            return
        self._world.figures.overrides += 1
        self._world.tell(f"{name}: a guest")
        passage.persons, passage.waiting = answer.persons, True
        await self._let_through(replace(visitor, shows="guest"), entrance, scan_id, passage)

    def _check_admission(
        self, visitor: Visitor, entrance: Entrance, passage: Passage, name: str
    ) -> None:
        """Whether this gate could have known better."""
        self._world.figures.admissions += 1
        ticket, auditor = visitor.ticket, self._auditor
        if ticket is None:
            auditor.admitted_against(name, "with a ticket that nobody sold")
            return
        if visitor.shows == "picture":
            auditor.admitted_against(name, "with a picture of an old code")
        heard = entrance.heard_at
        knew = ticket.changed_at is not None and heard is not None and heard > ticket.changed_at
        if knew and ticket.refunded and visitor.shows != "out":
            auditor.admitted_against(name, "after a refund that the gate knew of")
        if knew and visitor.shows == "old" and ticket.old_code:
            auditor.admitted_against(name, "with a code that the gate knew to be replaced")
        auditor.admitted(name, passage)
        too_many = auditor.hall.admitted(passage, auditor.passages)
        if too_many:
            auditor.admitted_against(name, too_many)

    async def _let_through(
        self, visitor: Visitor, entrance: Entrance, scan_id: UUID, passage: Passage
    ) -> None:
        """The barrier opens: from here on it is people who decide."""
        world = self._world
        epoch, sensor = entrance.epoch, visitor.lane == 0
        await entrance.do(lambda agent: agent.opened(scan_id))

        async def pass_through() -> None:
            passage.through, passage.waiting = passage.persons, False
            self._crashed(passage, crashed=entrance.epoch != epoch)
            world.tell(f"{entrance.name}: {passage.persons} go {passage.direction}")
            if sensor and entrance.epoch == epoch:
                await entrance.do(lambda agent: agent.passed(scan_id, passage.persons))
                self._crashed(passage, crashed=entrance.epoch != epoch)

        async def turn_away() -> None:
            passage.waiting = False
            world.tell(f"{entrance.name}: nobody goes through")
            if entrance.epoch == epoch:
                await entrance.do(lambda agent: agent.not_passed(scan_id))
            self._crashed(passage, crashed=entrance.epoch != epoch)
            if visitor.honest:
                self.come(timedelta(seconds=25), visitor)

        async def called_back() -> None:
            passage.waiting, passage.unclear = False, True
            world.tell(f"{entrance.name}: {passage.persons} come back")
            world.later(
                timedelta(seconds=4), lambda: self._take_back(visitor, entrance, scan_id, passage)
            )

        roll = world.chance.random()
        if sensor and roll < _TURNS_AWAY:
            world.later(timedelta(seconds=8), turn_away)
        elif not sensor and passage.direction == "in" and roll < _CALLED_BACK:
            world.later(timedelta(seconds=2), called_back)
        else:
            world.later(timedelta(seconds=2), pass_through)

    @staticmethod
    def _crashed(passage: Passage, *, crashed: bool) -> None:
        if crashed and not passage.crashed:
            passage.crashed = passage.unclear = True

    async def _take_back(
        self, visitor: Visitor, entrance: Entrance, scan_id: UUID, passage: Passage
    ) -> None:
        """The guard undoes an admission on a lane that cannot see who passes."""

        async def undo(agent: Agent) -> bool:
            try:
                await agent.undo(scan_id, reason="Came back.", staff="guard")
            except (CannotBeDone, ScanUnknown):
                # Done before the lights went out, or there was nothing on the disk to undo.
                return False
            return True

        done = await entrance.do(undo)
        if done is None:
            # The note on paper is kept until the machine is on again.
            wait = timedelta(seconds=10)
            self._world.later(wait, lambda: self._take_back(visitor, entrance, scan_id, passage))
            return
        passage.unclear = False
        self._world.figures.taken_back += done
        self._world.tell(f"{entrance.name}: taken back {done}")
        if visitor.honest:
            self.come(timedelta(seconds=25), visitor)
