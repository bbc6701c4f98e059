"""What the agent tells about itself: to the guard's page, to lanes, to the command line."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from shanmen.admission.protocol import Instant, Names
from shanmen.kit.errors import DomainError

Assumed = Literal["entered", "not_entered"]
LaneMode = Literal["open", "closed", "emergency", "fault"]


class NotEnrolled(DomainError):
    """The folder holds no gate, or one that has not heard from its server yet."""

    code = "edge.not_enrolled"
    status = 409


class Revoked(DomainError):
    """The server has taken this gate's rights away: it admits nobody any more."""

    code = "edge.revoked"
    status = 403


class LaneUnknown(DomainError):
    """The entrance has no such lane."""

    code = "edge.lane_unknown"
    status = 404


class ScanUnknown(DomainError):
    """The gate remembers no such scan."""

    code = "edge.scan_unknown"
    status = 404


class NotByHand(DomainError):
    """Nobody is counted by hand: there is no emergency, or a sensor counts at this lane."""

    code = "edge.not_by_hand"
    status = 409


class CannotBeDone(DomainError):
    """What was asked does not fit what became of the scan; ``params``: ``state``."""

    code = "edge.cannot_be_done"
    status = 409


class LaneState(Struct, frozen=True, kw_only=True):
    """A lane as it is now."""

    id: UUID
    number: int
    name: Names
    direction: Literal["in", "out", "both"]
    mode: LaneMode
    sensor: bool
    """Whether a passage sensor says that somebody went through."""
    people: int
    """Passages counted today."""
    by_hand: bool = False
    """Whether a guard may say how many passed: in an emergency, where no sensor counts them."""
    fault: str = ""
    message: str = ""
    """What the console wants on this lane's screen."""


class Unresolved(Struct, frozen=True, kw_only=True):
    """An admission whose end was lost in a crash, with what is assumed of it."""

    scan_id: UUID
    lane_id: UUID
    at: Instant
    persons: int
    """Of whom it is not known whether they went through."""
    assumed: Assumed
    ticket_number: str


class AgentState(Struct, frozen=True, kw_only=True):
    """The gate as it is now."""

    enrolled: bool
    connected: bool
    """The server answered in time when it was asked last, by a lane or in the background."""
    revoked: bool
    emergency: bool
    queue: int
    """Journal rows that are not on the server yet."""
    unresolved: int
    tickets: int
    skew_ms: int
    synced_at: Instant | None
    """When changes last came."""
    documents_readable: bool
    """Whether documents can be matched: not after a power cut, until the server was reached."""
    battery_percent: int | None = None
    on_mains: bool | None = None
    fault: str = ""
