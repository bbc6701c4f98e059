"""The gate's agent: what lanes, the guard's page and the command line call.

All of it runs in one event loop; the store has a thread of its own (`edge.desk`). The order of one
admission is the promise of this class: `scan` returns when the admission is on the disk, then the
lane opens its barrier and says so (`opened`), then the sensor counts (`passed`) or time runs out
(`not_passed`). Each step is durable before the call returns.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar
from uuid import UUID

from shanmen.admission.protocol import Answer, AskRequest, Command, LaneHealth, LaneInfo, Setup
from shanmen.edge import device as devices
from shanmen.edge.asking import ask
from shanmen.edge.checked import MOST_BY_HAND, check_persons, check_words
from shanmen.edge.client import Breaker, Refused, Server, Skew
from shanmen.edge.counter import Counter
from shanmen.edge.desk import Desk, InlineDesk, ThreadDesk
from shanmen.edge.gate import Gate, Scan
from shanmen.edge.memory import Memory
from shanmen.edge.secrets import Secrets, memory_folder
from shanmen.edge.states import AgentState, LaneMode, LaneState, LaneUnknown, Revoked, Unresolved
from shanmen.edge.store import FILE, Store, StoreBroken
from shanmen.edge.sync import Sync
from shanmen.edge.wire import HttpTransport, Transport
from shanmen.kit import ids
from shanmen.kit.coalesce import Coalescer

Kind = Literal["auto", "code", "document", "number"]
Direction = Literal["in", "out"]
Listener = Callable[[Command], Awaitable[None]]
R = TypeVar("R")

_BATCH = 32
_WAITING = 256


class Agent:
    """A gate. Make one with `Agent.open(folder)`, then `start`; `close` at the end."""

    def __init__(self, gate: Gate, server: Server | None, *, desk: Desk) -> None:
        self._gate = gate
        self._desk = desk
        self._server = server
        self._breaker = Breaker()
        self._sync = self._new_sync(server) if server is not None else None
        self._talk: asyncio.Task[None] | None = None
        self._sensors: set[UUID] = set()
        self._faults: dict[UUID, str] = {}
        self._messages: dict[UUID, str] = defaultdict(str)
        self._listeners: list[Listener] = []
        self._emergency = gate.memory.emergency
        self._fault = ""
        self._decisions: Coalescer[None, Scan, Answer] = Coalescer(
            self._decide, max_batch=_BATCH, max_queue=_WAITING, shared=(StoreBroken, Revoked)
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        transport: Transport | None = None,
        desk: Desk | None = None,
        secrets: Path | None = None,
    ) -> "Agent":
        """Open an enrolled gate; raises DeviceMissing or StoreBroken.

        `secrets` is where the documents' key may be kept, in memory; found out when not given.
        """
        device = devices.load(folder)
        keys = Secrets(secrets or memory_folder(), name=device.device_id.hex)
        store = Store(folder / FILE)
        memory = Memory(store, keys)
        skew = Skew(memory.skew_ms)
        if transport is None:
            transport = HttpTransport(device.url, ca=Path(device.ca) if device.ca else None)
        desk = desk or ThreadDesk()
        server = Server(transport, device, skew, Counter(store, desk))
        gate = Gate(store, memory, skew)
        return cls(gate, None if memory.revoked else server, desk=desk)

    @classmethod
    def look(cls, folder: Path) -> "Agent":
        """Look at a gate's file, which another process may be using; nothing can be done with it.

        Raises DeviceMissing or StoreBroken.
        """
        device = devices.load(folder)
        store = Store(folder / FILE, look_only=True)
        memory = Memory(store, Secrets(memory_folder(), name=device.device_id.hex))
        return cls(Gate(store, memory, Skew(memory.skew_ms)), None, desk=InlineDesk())

    def _new_sync(self, server: Server) -> Sync:
        return Sync(
            server=server,
            gate=self._gate,
            desk=self._desk,
            breaker=self._breaker,
            execute=self._execute,
            lanes=self._health,
            revoked=self._revoke,
        )

    @property
    def setup(self) -> Setup | None:
        """What the server told of the place: names, types, rules; None before the first time."""
        place = self._gate.memory.place
        return place.setup if place else None

    async def start(self) -> None:
        """Settle what a crash left open, then keep in touch with the server."""
        await self._run(self._gate.recover)
        if self._sync is not None:
            self._talk = asyncio.create_task(self._sync.run())

    async def close(self) -> None:
        """Stop talking to the server and close the store."""
        if self._talk is not None:
            self._talk.cancel()
            with suppress(asyncio.CancelledError):
                await self._talk
        await self._decisions.close()
        if self._server is not None:
            await self._server.transport.close()
        await self._desk.run(self._gate.store.close)
        self._desk.close()

    def equip(self, lane_id: UUID, *, sensor: bool) -> None:
        """Say what a lane has; before its first scan. A lane without word has no sensor."""
        (self._sensors.add if sensor else self._sensors.discard)(lane_id)

    def report(self, lane_id: UUID, *, fault: str) -> None:
        """Say what is wrong with a lane's devices; empty when all is well again."""
        self._faults[lane_id] = fault

    def listen(self, listener: Listener) -> None:
        """Have every command of the console told, after the agent has carried it out.

        Also a change made here (`set_open`, `emergency`) is told, as the command it amounts to.
        """
        self._listeners.append(listener)

    async def scan(
        self,
        lane_id: UUID,
        code: str,
        *,
        kind: Kind = "auto",
        document: str = "",
        persons: int | None = None,
        direction: Direction | None = None,
        staff: str = "",
        companions: Sequence[UUID] = (),
        scan_id: UUID | None = None,
    ) -> Answer:
        """Decide; an admission is durable when this returns. The same `scan_id` decides once.

        Raises LaneUnknown, NotEnrolled, Revoked or StoreBroken: then nobody may be let in.
        """
        if persons is not None:
            check_persons(persons)
        lane = self._lane(lane_id)
        asked = AskRequest(
            scan_id=scan_id or ids.new_id(),
            lane_id=lane_id,
            code=code,
            kind=kind,
            document=document,
            persons=persons,
            direction=(direction or "in") if lane.direction == "both" else lane.direction,
            companions=list(companions),
            staff=staff,
        )
        answer = await self._ask(asked)
        scan = Scan(
            asked=asked,
            direction=asked.direction or "in",
            sensor=lane_id in self._sensors,
            answer=answer,
        )
        decided = await self._decisions.submit(None, scan)
        self._kick()
        return decided

    async def _ask(self, asked: AskRequest) -> Answer | None:
        setup, server = self.setup, self._server
        may = self._breaker.closed and self._gate.may_ask
        if not may or server is None or setup is None:
            return None
        if not self._gate.memory.lane_open(asked.lane_id):
            return None
        # On the disk first: were this gate to die now, the server's admission would be nobody's.
        if not await self._run(lambda: self._gate.asking(asked, asked.direction or "in")):
            return None
        try:
            return await ask(server, self._breaker, asked, budget_ms=setup.rules.ask_budget_ms)
        except Refused:
            await self._revoke()
            raise Revoked from None

    async def _decide(self, _: None, scans: list[Scan]) -> list[Answer]:
        return await self._run(partial(self._gate.decide, scans))

    async def opened(self, scan_id: UUID) -> None:
        """The barrier was told to open. On a lane without sensor this is the end: entered."""
        await self._step(lambda _: self._gate.journal.opened(scan_id), blocks=False)

    async def passed(self, scan_id: UUID, persons: int = 1) -> int:
        """So many more went through; returns how many of this scan may still pass."""
        check_persons(persons)
        return await self._step(
            lambda at: self._gate.journal.passed(scan_id, persons, at=at), blocks=False
        )

    async def not_passed(self, scan_id: UUID) -> int:
        """Time is over: whoever did not pass is given back. Returns how many that were."""
        return await self._step(lambda at: self._gate.journal.not_passed(scan_id, at=at))

    async def walked(self, lane_id: UUID, persons: int = 1) -> None:
        """Somebody went through a lane without a scan: counted, in an emergency or otherwise."""
        check_persons(persons)
        await self._run(lambda: self._gate.walked(lane_id, persons))
        self._kick()

    async def counted_by_hand(self, lane_id: UUID, persons: int, *, staff: str) -> None:
        """A guard says how many went through a lane in an emergency; raises NotByHand."""
        check_persons(persons, most=MOST_BY_HAND)
        check_words(staff=staff)
        sensor = self._lane(lane_id).id in self._sensors
        count = partial(self._gate.counted_by_hand, lane_id, persons, staff=staff, sensor=sensor)
        await self._run(count)
        self._kick()

    async def override(self, scan_id: UUID, *, persons: int, reason: str, staff: str) -> Answer:
        """Let in somebody who was refused; the answer is an admission with the same scan id.

        The lane then goes on as after `scan`. Raises CannotBeDone where no ticket stands behind it.
        """
        check_persons(persons)
        check_words(reason=reason, staff=staff)
        lane_id = await self._run(lambda: self._gate.lane_of(scan_id))
        sensor = lane_id in self._sensors
        answer = await self._run(
            lambda: self._gate.override(
                scan_id, persons=persons, reason=reason, staff=staff, sensor=sensor
            )
        )
        self._kick()
        return answer

    async def undo(self, scan_id: UUID, *, reason: str, staff: str) -> None:
        """Take an admission back: its persons may enter again."""
        check_words(reason=reason, staff=staff)
        journal = self._gate.journal
        await self._step(lambda at: journal.undone(scan_id, reason=reason, staff=staff, at=at))

    async def emergency(self, *, on: bool, staff: str) -> None:
        """Open all lanes, or end that. It works without server, and when this gate is revoked.

        The lanes are told first: no broken disk keeps a barrier shut.
        """
        self._emergency = on
        await self._tell(Command(id=ids.new_id(), kind="emergency_on" if on else "emergency_off"))
        await self._run(lambda: self._gate.emergency(on=on, staff=staff))
        self._kick()

    async def set_open(self, lane_id: UUID, *, is_open: bool, staff: str) -> None:
        """Open or close a lane for admissions."""
        check_words(staff=staff)
        self._lane(lane_id)
        await self._run(lambda: self._gate.set_lane(lane_id, is_open=is_open))
        kind: Literal["open", "close"] = "open" if is_open else "close"
        await self._tell(Command(id=ids.new_id(), kind=kind, lane_id=lane_id))

    async def unresolved(self) -> list[Unresolved]:
        """Admissions whose end a crash has swallowed, the latest first."""
        return await self._run(self._gate.unresolved)

    async def correct(self, scan_id: UUID, *, entered: bool, staff: str) -> None:
        """Say what really happened to an unresolved admission; it leaves the list."""
        check_words(staff=staff)
        journal = self._gate.journal
        await self._step(lambda at: journal.corrected(scan_id, entered=entered, staff=staff, at=at))

    def lanes(self) -> list[LaneState]:
        """All lanes of the entrance, by number."""
        setup, people = self.setup, self._gate.figures.people
        by_hand = self._gate.by_hand
        return [
            LaneState(
                id=lane.id,
                number=lane.number,
                name=lane.name,
                direction=lane.direction,
                mode=self._mode(lane.id),
                sensor=lane.id in self._sensors,
                people=people.get(lane.id, 0),
                by_hand=by_hand and lane.id not in self._sensors,
                fault=self._faults.get(lane.id, ""),
                message=self._messages[lane.id],
            )
            for lane in sorted(setup.lanes if setup else [], key=lambda lane: lane.number)
        ]

    def status(self) -> AgentState:
        """The gate as it is now."""
        memory, figures, sync = self._gate.memory, self._gate.figures, self._sync
        return AgentState(
            enrolled=memory.place is not None,
            connected=sync is not None and sync.connected and self._breaker.answered,
            revoked=memory.revoked,
            emergency=self._emergency,
            queue=figures.last - figures.through,
            unresolved=figures.unresolved,
            tickets=figures.tickets,
            skew_ms=self._gate.skew.ms,
            synced_at=memory.synced_at,
            documents_readable=memory.secrets.document_key is not None,
            battery_percent=sync.power.battery_percent if sync else None,
            on_mains=sync.power.on_mains if sync else None,
            fault=self._fault or (sync.trouble if sync else ""),
        )

    async def sync(self) -> None:
        """Talk to the server now, instead of in a few seconds."""
        if self._sync is not None:
            await self._sync.round()

    async def _execute(self, command: Command) -> None:
        """Carry out what the console wants, once."""
        lanes = [command.lane_id] if command.lane_id else [lane.id for lane in self.lanes()]
        if command.kind in {"open", "close"}:
            is_open = command.kind == "open"
            for lane_id in lanes:
                await self._run(partial(self._gate.set_lane, lane_id, is_open=is_open))
        elif command.kind == "message":
            self._messages.update(dict.fromkeys(lanes, command.text))
        elif command.kind in {"emergency_on", "emergency_off"}:
            on = self._emergency = command.kind == "emergency_on"
            await self._run(lambda: self._gate.emergency(on=on, staff="console"))
        elif command.kind == "sync":
            self._kick()
        await self._tell(command)

    async def _tell(self, command: Command) -> None:
        for listener in self._listeners:
            await listener(command)

    async def _revoke(self) -> None:
        """The server has taken this gate's rights away, and has signed that it did."""
        await self._run(self._gate.revoke)
        await self._tell(Command(id=ids.new_id(), kind="close"))

    async def _run(self, work: Callable[[], R]) -> R:
        try:
            result = await self._desk.run(work)
        except StoreBroken as error:
            self._fault = str(error)
            raise
        self._fault = ""
        return result

    async def _step(self, work: Callable[[int], R], *, blocks: bool = True) -> R:
        result = await self._run(partial(self._gate.step, work, blocks=blocks))
        self._kick()
        return result

    def _kick(self) -> None:
        if self._sync is not None:
            self._sync.kick()

    def _lane(self, lane_id: UUID) -> LaneInfo:
        place = self._gate.memory.place
        lane = place.lanes.get(lane_id) if place else None
        if lane is None:
            raise LaneUnknown(field="lane_id")
        return lane

    def _mode(self, lane_id: UUID) -> LaneMode:
        if self._emergency:
            return "emergency"
        if self._faults.get(lane_id):
            return "fault"
        memory = self._gate.memory
        return "open" if memory.lane_open(lane_id) and not memory.revoked else "closed"

    def _health(self) -> list[LaneHealth]:
        return [
            LaneHealth(lane_id=lane.id, state=lane.mode, people=lane.people, fault=lane.fault)
            for lane in self.lanes()
        ]
