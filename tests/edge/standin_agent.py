"""An agent in memory for tests of lanes and of the guard's page; it notes what it was told."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import structs

from shanmen.admission.protocol import Answer, Command, Setup
from shanmen.edge.agent import Agent, Direction, Kind, Listener
from shanmen.edge.states import AgentState, CannotBeDone, LaneState, Unresolved
from shanmen.kit import ids
from tests.edge.places import setup_of

LANES = [UUID(int=number) for number in (1, 2, 3)]


def lane_state(number: int, **changes: Any) -> LaneState:
    state = LaneState(
        id=LANES[number - 1],
        number=number,
        name={"zh-CN": f"{number}号通道", "en": f"Lane {number}"},
        direction="in",
        mode="open",
        sensor=False,
        people=0,
    )
    return structs.replace(state, **changes)


class StandInAgent(Agent):
    """Admits `A…` for one, `P3…` for a party, refuses the rest; `D…` needs a document."""

    def __init__(self, lanes: int = 2, *, passage_seconds: float = 8) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[UUID, Answer] = {}
        self.error: Exception | None = None
        self.slow_lane: UUID | None = None
        self.state = AgentState(
            enrolled=True,
            connected=True,
            revoked=False,
            emergency=False,
            queue=0,
            unresolved=0,
            tickets=80_000,
            skew_ms=0,
            synced_at=0,
            documents_readable=True,
        )
        self.open_cases: list[Unresolved] = []
        self.passing: dict[UUID, int] = {}
        self._lanes = {LANES[n]: lane_state(n + 1) for n in range(lanes)}
        self._setup = setup_of(list(self._lanes.values()), passage_seconds=passage_seconds)
        self._listeners: list[Listener] = []

    @property
    def setup(self) -> Setup | None:
        return self._setup

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def equip(self, lane_id: UUID, *, sensor: bool) -> None:
        self.change(lane_id, sensor=sensor)

    def report(self, lane_id: UUID, *, fault: str) -> None:
        self.calls.append(("report", lane_id, fault))
        self.change(lane_id, fault=fault)

    def change(self, lane_id: UUID, **changes: Any) -> None:
        self._lanes[lane_id] = structs.replace(self._lanes[lane_id], **changes)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def _tell(self, command: Command) -> None:
        for listener in self._listeners:
            await listener(command)

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
        self.calls.append(("scan", lane_id, code, kind, document, persons, list(companions)))
        if self.error:
            raise self.error
        scan_id = scan_id or ids.new_id()
        if scan_id in self.answers:
            return self.answers[scan_id]
        answer = self._answer(scan_id, code, document, persons)
        self.answers[scan_id] = answer
        self.passing[scan_id] = answer.persons
        return answer

    def _answer(self, scan_id: UUID, code: str, document: str, persons: int | None) -> Answer:
        size = int(code[1]) if code.startswith("P") else 1
        common: dict[str, Any] = {
            "scan_id": scan_id,
            "party_size": size,
            "ticket_number": "2611220000000001-0",
            "type_number": 1,
            "names": ["张*"] * size,
            "ticket_id": scan_id.bytes,
        }
        if code[0] in "AP" or (code[0] == "D" and document):
            entering = persons or size
            return Answer(
                outcome="admitted", persons=entering, persons_left=size - entering, **common
            )
        reason = "document_required" if code[0] == "D" else "already_used"
        params: dict[str, object] = {
            "at": "2026-11-22T01:12:00+00:00",
            "place": {"zh-CN": "南门", "en": "South"},
        }
        return Answer(
            outcome="refused",
            persons=0,
            persons_left=size,
            reason=reason,
            params=params,
            override_allowed=True,
            **common,
        )

    async def opened(self, scan_id: UUID) -> None:
        self.calls.append(("opened", scan_id))

    async def passed(self, scan_id: UUID, persons: int = 1) -> int:
        self.calls.append(("passed", scan_id, persons))
        self.passing[scan_id] -= persons
        return self.passing[scan_id]

    async def not_passed(self, scan_id: UUID) -> int:
        self.calls.append(("not_passed", scan_id))
        return self.passing[scan_id]

    async def walked(self, lane_id: UUID, persons: int = 1) -> None:
        self.calls.append(("walked", lane_id, persons))

    async def counted_by_hand(self, lane_id: UUID, persons: int, *, staff: str) -> None:
        self.calls.append(("counted_by_hand", lane_id, persons, staff))
        people = self._lanes[lane_id].people
        self.change(lane_id, people=people + persons)

    async def override(self, scan_id: UUID, *, persons: int, reason: str, staff: str) -> Answer:
        self.calls.append(("override", scan_id, persons, reason, staff))
        refused = self.answers[scan_id]
        if not refused.override_allowed:
            raise CannotBeDone(state="unknown")
        answer = structs.replace(refused, outcome="admitted", persons=persons, persons_left=0)
        self.answers[scan_id] = answer
        self.passing[scan_id] = persons
        return answer

    async def undo(self, scan_id: UUID, *, reason: str, staff: str) -> None:
        self.calls.append(("undo", scan_id, reason, staff))

    async def emergency(self, *, on: bool, staff: str) -> None:
        self.calls.append(("emergency", on, staff))
        self.state = structs.replace(self.state, emergency=on)
        for lane in self.lanes():
            self.change(lane.id, by_hand=not lane.sensor)
        await self._tell(Command(id=ids.new_id(), kind="emergency_on" if on else "emergency_off"))

    async def set_open(self, lane_id: UUID, *, is_open: bool, staff: str) -> None:
        self.calls.append(("set_open", lane_id, is_open, staff))
        self.change(lane_id, mode="open" if is_open else "closed")
        await self._tell(
            Command(id=ids.new_id(), kind="open" if is_open else "close", lane_id=lane_id)
        )

    async def unresolved(self) -> list[Unresolved]:
        return self.open_cases

    async def correct(self, scan_id: UUID, *, entered: bool, staff: str) -> None:
        self.calls.append(("correct", scan_id, entered, staff))
        self.open_cases = [case for case in self.open_cases if case.scan_id != scan_id]

    def lanes(self) -> list[LaneState]:
        return list(self._lanes.values())

    def status(self) -> AgentState:
        return structs.replace(self.state, unresolved=len(self.open_cases))

    async def sync(self) -> None:
        self.calls.append(("sync",))
