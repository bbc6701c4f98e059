"""What the page shows: the last decisions of each lane, and the state of the gate in words."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from shanmen.admission.protocol import Setup
from shanmen.edge.agent import Agent
from shanmen.edge.page.words import Locale, Words, named, put, say
from shanmen.edge.shown import Shown
from shanmen.edge.states import AgentState, LaneState, Unresolved
from shanmen.kit import clock

LAST = 10
STATE_SECONDS = 2.0
"""The state is looked at so often, and told when it changed."""
GATHER_SECONDS = 0.02
HEARTBEAT_SECONDS = 10.0
_SKEW_WORTH_TELLING_MS = 5_000

Tone = Literal["good", "warn", "bad", "plain"]


class Note(Struct, frozen=True):
    """A line of the gate's state."""

    text: str
    tone: Tone = "plain"


class LaneView(Struct, frozen=True, kw_only=True):
    """A lane on the page."""

    id: UUID
    number: int
    title: str
    name: str
    direction: str
    mode: str
    state: str
    people: int
    by_hand: bool
    fault: str
    message: str
    news: int
    """Grows with everything that this lane has to say."""
    last: list[Words]


class CaseView(Struct, frozen=True, kw_only=True):
    """An admission that a crash has left open."""

    scan_id: UUID
    lane: str
    time: str
    persons: int
    assumed: str
    entered: bool
    ticket: str


class PageState(Struct, frozen=True, kw_only=True):
    """All that the page shows."""

    place: str
    connected: bool
    emergency: bool
    revoked: bool
    notes: list[Note]
    lanes: list[LaneView]
    unresolved: list[CaseView]


class Board:
    """Remembers what lanes said, and tells everybody who watches."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._last: defaultdict[UUID, deque[Shown]] = defaultdict(lambda: deque(maxlen=LAST))
        self._news: defaultdict[UUID, int] = defaultdict(int)
        self._cases: list[Unresolved] = []
        self._watching: set[asyncio.Event] = set()

    def show(self, shown: Shown) -> None:
        """Take what a lane has to say; a later word on a scan stands in place of the earlier."""
        last = self._last[shown.lane_id]
        self._news[shown.lane_id] += 1
        if shown.answer is not None:
            for index, earlier in enumerate(last):
                if earlier.answer and earlier.answer.scan_id == shown.answer.scan_id:
                    if shown.what == "passed":
                        # Who let them in, and which way, was said before.
                        shown = msgspec.structs.replace(
                            earlier, what="passed", persons=shown.persons
                        )
                    del last[index]
                    break
        last.appendleft(shown)
        self.changed()

    def undone(self, scan_id: UUID) -> Shown | None:
        """Show that an admission was taken back; what it said before, None where it is old."""
        for last in self._last.values():
            for shown in last:
                if shown.answer and shown.answer.scan_id == scan_id:
                    now = clock.unix_ns() // 1_000_000
                    self.show(msgspec.structs.replace(shown, what="undone", at=now))
                    return shown
        return None

    def shown(self, scan_id: UUID, locale: Locale) -> Words | None:
        """What the screen says of a scan now."""
        for last in self._last.values():
            for shown in last:
                if shown.answer and shown.answer.scan_id == scan_id:
                    return put(shown, self._agent.setup, locale)
        return None

    def changed(self) -> None:
        """Tell everybody who watches that something is new."""
        for event in self._watching:
            event.set()

    async def watch(self, locale: Locale) -> AsyncIterator[bytes]:
        """The page's state as server-sent events: at once, on every change, and as a heartbeat."""
        event = asyncio.Event()
        self._watching.add(event)
        said, quiet = b"", 0.0
        try:
            while True:
                event.clear()
                now = msgspec.json.encode(await self.state(locale))
                if now != said or quiet >= HEARTBEAT_SECONDS:
                    said, quiet = now, 0.0
                    yield b"data: " + now + b"\n\n"
                try:
                    async with asyncio.timeout(STATE_SECONDS):
                        await event.wait()
                    # What happens at the same moment is told together.
                    await asyncio.sleep(GATHER_SECONDS)
                except TimeoutError:
                    quiet += STATE_SECONDS
        finally:
            self._watching.discard(event)

    async def state(self, locale: Locale) -> PageState:
        """Everything, in words."""
        setup, status = self._agent.setup, self._agent.status()
        cases = await self._agent.unresolved() if status.unresolved else []
        lanes = self._agent.lanes()
        return PageState(
            place=_place(setup, locale),
            connected=status.connected,
            emergency=status.emergency,
            revoked=status.revoked,
            notes=list(_notes(status, setup, locale)),
            lanes=[self._lane(lane, setup, locale) for lane in lanes],
            unresolved=[_case(case, lanes, setup, locale) for case in cases],
        )

    def _lane(self, lane: LaneState, setup: Setup | None, locale: Locale) -> LaneView:
        state = {"closed": "page.lane_closed", "emergency": "page.emergency", "fault": "page.fault"}
        return LaneView(
            id=lane.id,
            number=lane.number,
            title=say(locale, "page.lane", number=lane.number),
            name=named(lane.name, locale),
            direction=lane.direction,
            mode=lane.mode,
            state=say(locale, state.get(lane.mode, "page.lane_open")),
            people=lane.people,
            by_hand=lane.by_hand,
            fault=lane.fault,
            message=lane.message,
            news=self._news[lane.id],
            last=[put(shown, setup, locale) for shown in self._last[lane.id]],
        )


def _place(setup: Setup | None, locale: Locale) -> str:
    if setup is None:
        return say(locale, "page.here")
    names = [e.name for e in setup.entrances if e.number == setup.entrance]
    return " · ".join(named(name, locale) for name in (setup.site.name, *names))


def _notes(status: AgentState, setup: Setup | None, locale: Locale) -> Sequence[Note]:
    """The gate's state line by line, the worst first."""
    notes: list[Note] = []
    if status.fault:
        notes.append(Note(status.fault, "bad"))
    if not status.documents_readable:
        notes.append(Note(say(locale, "page.documents_wait"), "warn"))
    if status.connected:
        notes.append(Note(say(locale, "page.online"), "good"))
    else:
        notes.append(Note(say(locale, "page.offline"), "warn"))
    if status.queue:
        notes.append(Note(f"{say(locale, 'page.queue')}: {status.queue}", "plain"))
    else:
        notes.append(Note(say(locale, "page.queue_none"), "good"))
    if status.synced_at:
        at = datetime.fromtimestamp(status.synced_at / 1000, UTC)
        local = clock.local(at, setup.timezone if setup else "UTC")
        count = say(locale, "page.tickets", count=f"{status.tickets:,}")
        notes.append(Note(f"{say(locale, 'page.synced', time=f'{local:%H:%M}')} · {count}"))
    else:
        notes.append(Note(say(locale, "page.synced_never"), "bad"))
    if abs(status.skew_ms) >= _SKEW_WORTH_TELLING_MS:
        notes.append(Note(say(locale, "page.skew", seconds=round(status.skew_ms / 1000)), "warn"))
    if power := _power(status, locale):
        notes.append(power)
    return notes


_LOW_PERCENT = 20


def _power(status: AgentState, locale: Locale) -> Note | None:
    percent, mains = status.battery_percent, status.on_mains
    said = [] if percent is None else [say(locale, "page.battery", percent=percent)]
    if mains is not None:
        said.append(say(locale, "page.mains" if mains else "page.no_mains"))
    if not said:
        return None
    low = percent is not None and percent < _LOW_PERCENT and not mains
    return Note(" · ".join(said), "bad" if low else "plain" if mains else "warn")


def _case(
    case: Unresolved, lanes: Sequence[LaneState], setup: Setup | None, locale: Locale
) -> CaseView:
    number = next((lane.number for lane in lanes if lane.id == case.lane_id), 0)
    local = clock.local(
        datetime.fromtimestamp(case.at / 1000, UTC), setup.timezone if setup else "UTC"
    )
    return CaseView(
        scan_id=case.scan_id,
        lane=say(locale, "page.lane", number=number),
        time=f"{local:%H:%M:%S}",
        persons=case.persons,
        assumed=say(locale, f"page.unresolved_{case.assumed}"),
        entered=case.assumed == "entered",
        ticket=case.ticket_number,
    )
