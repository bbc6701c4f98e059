"""The gate's agent: what lanes, the guard's page and the command line call.

All of it runs in one event loop; the store has a thread of its own (`edge.desk`). The order of one
admission is the promise of this class: `scan` returns when the admission is on the disk, then the
lane opens its barrier and says so (`opened`), then the sensor counts (`passed`) or time runs out
(`not_passed`). Each step is durable before the call returns.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal
from uuid import UUID

from shanmen.admission.protocol import Answer, Command, Setup
from shanmen.edge.states import AgentState, LaneState, Unresolved

Kind = Literal["auto", "code", "document", "number"]
Direction = Literal["in", "out"]
Listener = Callable[[Command], Awaitable[None]]


class Agent:
    """A gate. Make one with `Agent.open(folder)`, then `start`; `close` at the end."""

    @property
    def setup(self) -> Setup | None:
        """What the server told of the place: names, types, rules; None before the first time."""
        raise NotImplementedError

    async def start(self) -> None:
        """Settle what a crash left open, then keep in touch with the server."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop talking to the server and close the store."""
        raise NotImplementedError

    def equip(self, lane_id: UUID, *, sensor: bool) -> None:
        """Say what a lane has; before its first scan. A lane without word has no sensor."""
        raise NotImplementedError

    def report(self, lane_id: UUID, *, fault: str) -> None:
        """Say what is wrong with a lane's devices; empty when all is well again."""
        raise NotImplementedError

    def listen(self, listener: Listener) -> None:
        """Have every command of the console told, after the agent has carried it out.

        Also a change made here (`set_open`, `emergency`) is told, as the command it amounts to.
        """
        raise NotImplementedError

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

        Raises LaneUnknown, NotEnrolled or StoreBroken: then nobody may be let in.
        """
        raise NotImplementedError

    async def opened(self, scan_id: UUID) -> None:
        """The barrier was told to open. On a lane without sensor this is the end: entered."""
        raise NotImplementedError

    async def passed(self, scan_id: UUID, persons: int = 1) -> int:
        """So many more went through; returns how many of this scan may still pass."""
        raise NotImplementedError

    async def not_passed(self, scan_id: UUID) -> int:
        """Time is over: whoever did not pass is given back. Returns how many that were."""
        raise NotImplementedError

    async def walked(self, lane_id: UUID, persons: int = 1) -> None:
        """Somebody went through a lane without a scan: counted, in an emergency or otherwise."""
        raise NotImplementedError

    async def override(self, scan_id: UUID, *, persons: int, reason: str, staff: str) -> Answer:
        """Let in somebody who was refused; the answer is an admission with the same scan id.

        The lane then goes on as after `scan`. Raises CannotBeDone where no ticket stands behind it.
        """
        raise NotImplementedError

    async def undo(self, scan_id: UUID, *, reason: str, staff: str) -> None:
        """Take an admission back: its persons may enter again."""
        raise NotImplementedError

    async def emergency(self, *, on: bool, staff: str) -> None:
        """Open all lanes, or end that. It works without server, and when this gate is revoked."""
        raise NotImplementedError

    async def set_open(self, lane_id: UUID, *, is_open: bool, staff: str) -> None:
        """Open or close a lane for admissions."""
        raise NotImplementedError

    async def unresolved(self) -> list[Unresolved]:
        """Admissions whose end a crash has swallowed, the latest first."""
        raise NotImplementedError

    async def correct(self, scan_id: UUID, *, entered: bool, staff: str) -> None:
        """Say what really happened to an unresolved admission; it leaves the list."""
        raise NotImplementedError

    def lanes(self) -> list[LaneState]:
        """All lanes of the entrance, by number."""
        raise NotImplementedError

    def status(self) -> AgentState:
        """The gate as it is now."""
        raise NotImplementedError

    async def sync(self) -> None:
        """Talk to the server now, instead of in a few seconds."""
        raise NotImplementedError
