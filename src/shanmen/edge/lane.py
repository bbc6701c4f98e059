"""One lane: what is read is decided, the barrier opens, and who did not pass is given back.

A lane has two tasks. One takes what readers and the guard's page present and has it decided, in
order; the other lets those through who were admitted, one after the other. Devices run beside them,
so a lane waits for nobody but its own visitors, and no lane for another.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

from shanmen.admission.protocol import Answer
from shanmen.admission.rules import COMPANION_SECONDS, Reason
from shanmen.edge.agent import Agent, Kind
from shanmen.edge.drivers.base import Event, Fault, Passed, Read, Works
from shanmen.edge.drivers.build import LaneDevices
from shanmen.edge.shown import Show, Shown, What
from shanmen.edge.store import StoreBroken
from shanmen.edge.waiting import Admitted, Presented, code_of, fail, may_be_document
from shanmen.kit import clock, ids
from shanmen.kit.errors import DomainError

SAME_TEXT_SECONDS = 2.0
"""A scanner that sees a code for long sends it again and again: that is one scan."""
DOCUMENT_SECONDS = 30.0
"""So long a code that also needs a document waits for it."""
PASSAGE_SECONDS = 8.0
_MOST_WAITING = 8

log = logging.getLogger(__name__)


class Lane:
    """One lane with its devices."""

    def __init__(self, agent: Agent, lane_id: UUID, devices: LaneDevices, *, show: Show) -> None:
        self.id = lane_id
        self._agent, self._devices, self._show = agent, devices, show
        self._presented: asyncio.Queue[Presented] = asyncio.Queue(_MOST_WAITING)
        self._admitted: asyncio.Queue[Admitted] = asyncio.Queue()
        self._passing: asyncio.Queue[int] = asyncio.Queue()
        self._under_way: dict[UUID, Admitted] = {}
        self._waits: tuple[Presented, float] | None = None
        self._last_text = ("", 0.0)
        self._entered: deque[tuple[UUID, float]] = deque(maxlen=20)
        self._let_in: deque[UUID] = deque(maxlen=200)
        self._faults: dict[str, str] = {}
        self._blind = False
        self._counting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        self._agent.equip(self.id, sensor=self._devices.sensor is not None)
        async with asyncio.TaskGroup() as group:
            for device in (*self._devices.readers, self._devices.sensor):
                if device is not None:
                    work = partial(device.run, self._heard)
                    group.create_task(self._kept(work, device.name))
            group.create_task(self._kept(self._decide, "decisions"))
            group.create_task(self._kept(self._let_through, "passages"))

    async def _kept(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Keep a task going: a mistake in one driver must not end the lane."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("Lane %s: %s stopped and is started again.", self.id, name)
                self._fault(name, "stopped by a mistake in the program; see the log")
            await asyncio.sleep(1)
            self._fault(name, "")

    # ---- what comes in

    def _heard(self, event: Event) -> None:
        match event:
            case Read():
                if not self._seen_before(event.text):
                    kind: Kind = "document" if event.kind == "document" else "auto"
                    with suppress(asyncio.QueueFull):
                        self._presented.put_nowait(Presented(event.text, kind))
            case Passed():
                self._passed(event.persons)
            case Fault():
                self._fault(event.device, event.what)
            case Works():
                self._fault(event.device, "")

    def _seen_before(self, text: str) -> bool:
        last, at = self._last_text
        now = clock.monotonic()
        self._last_text = (text, now)
        return text == last and now - at < SAME_TEXT_SECONDS

    async def present(self, presented: Presented) -> Answer:
        """Have something decided that a guard scanned or typed; raises what the agent raises."""
        await self._presented.put(presented)
        return await presented.done

    def _passed(self, persons: int) -> None:
        if self._under_way:
            self._passing.put_nowait(persons)
            return
        self._walked(persons)

    def _walked(self, persons: int) -> None:
        """Somebody passed whom nobody admitted: in an emergency, or behind somebody else."""
        if not self._agent.status().emergency:
            self._tell("walked", persons=persons)

        async def count() -> None:
            try:
                await self._agent.walked(self.id, persons)
            except (DomainError, StoreBroken) as error:
                self._tell("fault", error=code_of(error))

        task = asyncio.create_task(count())
        self._counting.add(task)
        task.add_done_callback(self._counting.discard)

    # ---- deciding

    async def _decide(self) -> None:
        while True:
            presented = await self._presented.get()
            presented = self._joined(presented)
            try:
                answer = await self._agent.scan(
                    self.id,
                    presented.text,
                    kind=presented.kind,
                    document=presented.document,
                    persons=presented.persons,
                    direction=presented.direction,
                    staff=presented.staff,
                    companions=self._companions(),
                    scan_id=presented.scan_id or ids.new_id(),
                )
            except (DomainError, StoreBroken) as error:
                self._tell("fault", error=code_of(error))
                fail(presented, error)
            except BaseException as error:
                fail(presented, error)
                raise
            else:
                self._answered(presented, answer)

    def _joined(self, presented: Presented) -> Presented:
        """A document that follows a code which needs one belongs to that code."""
        waits, self._waits = self._waits, None
        if waits is None or clock.monotonic() - waits[1] > DOCUMENT_SECONDS:
            return presented
        code = waits[0]
        if presented.document or not may_be_document(presented):
            return presented
        return Presented(
            code.text,
            code.kind,
            document=presented.text,
            persons=presented.persons or code.persons,
            direction=presented.direction or code.direction,
            staff=presented.staff or code.staff,
            scan_id=presented.scan_id,
            done=presented.done,
        )

    def _answered(self, presented: Presented, answer: Answer) -> None:
        if answer.reason in {Reason.DOCUMENT_REQUIRED, Reason.DOCUMENT_MISMATCH}:
            self._waits = (presented, clock.monotonic())
        direction = self._direction(presented)
        self._tell("answer", answer=answer, kind=presented.kind, direction=direction)
        # Before whoever asked is told: an undoing that follows at once finds the admission here.
        self._admit(answer)
        if not presented.done.done():
            presented.done.set_result(answer)

    def _direction(self, presented: Presented) -> str:
        own = next((lane.direction for lane in self._agent.lanes() if lane.id == self.id), "in")
        return (presented.direction or "in") if own == "both" else own

    def _companions(self) -> list[UUID]:
        since = clock.monotonic() - COMPANION_SECONDS
        return [ticket_id for ticket_id, at in self._entered if at >= since]

    def _admit(self, answer: Answer) -> None:
        # The page may ask for the same scan twice; its barrier opens once.
        if answer.outcome != "admitted" or answer.scan_id in self._let_in:
            return
        self._let_in.append(answer.scan_id)
        if answer.ticket_id is not None:
            self._entered.append((UUID(bytes=answer.ticket_id), clock.monotonic()))
        admitted = Admitted(answer, left=max(1, answer.persons))
        self._under_way[answer.scan_id] = admitted
        self._admitted.put_nowait(admitted)

    # ---- corrections

    async def override(self, scan_id: UUID, *, persons: int, reason: str, staff: str) -> Answer:
        """Let somebody in who was refused, and open the barrier."""
        answer = await self._agent.override(scan_id, persons=persons, reason=reason, staff=staff)
        self._waits = None
        self._tell("answer", answer=answer, kind="auto", override_by=staff)
        self._admit(answer)
        return answer

    async def undo(self, scan_id: UUID, *, reason: str, staff: str) -> None:
        """Take an admission back; nobody is waited for any more."""
        await self._agent.undo(scan_id, reason=reason, staff=staff)
        if admitted := self._under_way.get(scan_id):
            admitted.undone = True
            self._passing.put_nowait(0)

    # ---- letting through

    async def _let_through(self) -> None:
        while True:
            admitted = await self._admitted.get()
            try:
                await self._one(admitted)
            except (DomainError, StoreBroken) as error:
                self._tell("fault", error=code_of(error))
            finally:
                self._under_way.pop(admitted.answer.scan_id, None)
                if not self._under_way:
                    self._spare()

    def _spare(self) -> None:
        """Passages that nobody was waiting for."""
        spare = 0
        while not self._passing.empty():
            spare += self._passing.get_nowait()
        if spare:
            self._walked(spare)

    async def _one(self, admitted: Admitted) -> None:
        """Open the barrier for each of an admission, and wait until they passed."""
        scan_id = admitted.answer.scan_id
        if admitted.over():
            return
        sensor = self._devices.sensor
        self._blind = sensor is not None and bool(self._faults.get(sensor.name))
        works = await self._open()
        if sensor is None:
            if works:
                await self._agent.opened(scan_id)
                await self._open_for_the_rest(admitted)
            else:
                await self._give_back(admitted)
            return
        await self._agent.opened(scan_id)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._passage_seconds
        while admitted.left > 0:
            try:
                async with asyncio.timeout_at(until):
                    persons = await self._passing.get()
            except TimeoutError:
                await self._time_is_over(admitted)
                return
            if admitted.over():
                return
            if persons:
                await self._through(admitted, persons)
                until = loop.time() + self._passage_seconds

    async def _time_is_over(self, admitted: Admitted) -> None:
        """Nobody was seen to pass; where the sensor was blind meanwhile, that says nothing."""
        if self._blind:
            # As on a lane without sensor: who was let in entered, or a ticket would be good twice.
            await self._agent.passed(admitted.answer.scan_id, admitted.left)
            self._tell("unseen", answer=admitted.answer, persons=admitted.left)
            return
        await self._give_back(admitted)

    async def _through(self, admitted: Admitted, persons: int) -> None:
        own = min(persons, admitted.left)
        if persons > own:
            # The next in line went through with them.
            self._passing.put_nowait(persons - own)
        admitted.left = min(
            await self._agent.passed(admitted.answer.scan_id, own), admitted.left - own
        )
        self._tell("passed", answer=admitted.answer, persons=admitted.left)
        if admitted.left:
            await self._open()

    async def _open_for_the_rest(self, admitted: Admitted) -> None:
        for _ in range(admitted.left - 1):
            await asyncio.sleep(self._devices.person_seconds)
            if admitted.over():
                return
            await self._open()

    async def _give_back(self, admitted: Admitted) -> None:
        given = await self._agent.not_passed(admitted.answer.scan_id)
        if given:
            self._tell("given_back", answer=admitted.answer, persons=given)

    @property
    def _passage_seconds(self) -> float:
        setup = self._agent.setup
        return setup.rules.passage_seconds if setup else PASSAGE_SECONDS

    # ---- the barrier

    async def _open(self) -> bool:
        return self._works(await self._devices.barrier.open())

    async def hold(self, *, on: bool) -> bool:
        """Keep the barrier open for everybody, or end that; whether it did."""
        return self._works(await self._devices.barrier.hold(on=on))

    def _works(self, fault: Fault | None) -> bool:
        self._fault(self._devices.barrier.name, fault.what if fault else "")
        return fault is None

    def _fault(self, device: str, what: str) -> None:
        """Remember what is wrong with a device, and tell the agent of all that is."""
        if self._faults.get(device, "") == what:
            return
        self._faults[device] = what
        if what and self._devices.sensor is not None and device == self._devices.sensor.name:
            self._blind = True
        bad = [f"{name}: {fault}" for name, fault in self._faults.items() if fault]
        self._agent.report(self.id, fault=" ".join(bad))

    def _tell(
        self,
        what: What,
        *,
        answer: Answer | None = None,
        kind: Kind = "auto",
        direction: str = "in",
        persons: int = 0,
        error: str = "",
        override_by: str = "",
    ) -> None:
        self._show(
            Shown(
                lane_id=self.id,
                at=clock.unix_ns() // 1_000_000,
                what=what,
                answer=answer,
                kind=kind,
                direction=direction,
                persons=persons,
                error=error,
                override_by=override_by,
            )
        )
