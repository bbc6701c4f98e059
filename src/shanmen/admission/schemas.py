"""What a scan asks for and what a gate is told, as they travel between device and server."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

Direction = Literal["in", "out"]
Kind = Literal["auto", "code", "document", "number"]

CodeText = Annotated[str, Meta(max_length=600)]
DocumentText = Annotated[str, Meta(max_length=40)]
Persons = Annotated[int, Meta(ge=1, le=99)]
ReasonText = Annotated[str, Meta(max_length=200)]


class ScanRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scan. `scan_id` is chosen by the device and makes a repetition harmless."""

    scan_id: UUID
    lane_id: UUID
    code: CodeText
    """What the scanner read or the guard typed: a code, a document number, a short number."""
    kind: Kind = "auto"
    """What `code` is, where the device knows; otherwise it is recognised."""
    document: DocumentText = ""
    """A document that was shown beside the code."""
    persons: Persons | None = None
    """How many enter; all that are left when it is not given."""
    direction: Direction | None = None
    """For lanes that are passed both ways."""
    staff: Annotated[str, Meta(max_length=120)] = ""
    """Who stands at the gate."""


class GateScan(ScanRequest, frozen=True, kw_only=True):
    """A scan that an enrolled gate asks about."""

    device_id: UUID
    companions: tuple[UUID, ...] = ()
    """Tickets that this lane admitted just before: who a child goes in with."""


class DecisionView(Struct, frozen=True, kw_only=True):
    """A scan with its decision. The texts are made of `reason` and `params` at the edge."""

    scan_id: UUID
    at: datetime
    lane_id: UUID
    entrance_id: UUID
    entrance_name: dict[str, str]
    timezone: str
    direction: str
    method: str
    outcome: Literal["admitted", "refused"]
    persons: int
    """Persons admitted by this scan; 0 for a refusal."""
    persons_left: int
    """How many of the party may still enter."""
    party_size: int = 0
    reason: str = ""
    """Code of the refusal, also after an override."""
    params: dict[str, Any] = {}
    """What fills the texts of `reason`."""
    override_allowed: bool = False
    ticket_id: UUID | None = None
    ticket_number: str = ""
    """The short number that stands on the ticket."""
    ticket_type_id: UUID | None = None
    ticket_type: dict[str, str] = {}
    ticket_type_number: int | None = None
    audience: str = ""
    names: list[str] = []
    """The holders' names, masked."""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    staff: str = ""
    override_by: str | None = None
    override_reason: str | None = None
    undone_at: datetime | None = None
    undone_by: str | None = None
    undo_reason: str | None = None

    @property
    def admitted(self) -> bool:
        """Whether somebody was let in, and it still stands."""
        return self.outcome == "admitted" and self.undone_at is None


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """Many scans at once, decided in their order."""

    scans: Annotated[list[ScanRequest], Meta(min_length=1, max_length=500)]


class OverrideRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Let somebody in who was refused."""

    persons: Persons
    reason: ReasonText


class UndoRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Take an admission back."""

    reason: ReasonText


def param_values(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a reason with their instants and dates, as they were before JSON."""
    kinds: dict[str, type] = {
        "at": datetime,
        "starts": datetime,
        "ends": datetime,
        "day": date,
        "last": date,
    }
    return {
        key: msgspec.convert(value, kinds[key]) if key in kinds and value else value
        for key, value in params.items()
    }
