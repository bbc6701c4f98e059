"""What a gate is told of the place where it stands."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from shanmen.kit.days import DayKind
from shanmen.kit.hours import Window

Instant = int
"""Milliseconds since 1970, UTC."""

Names = dict[str, str]


class LaneInfo(Struct, frozen=True, kw_only=True):
    """A lane of the gate's entrance."""

    id: UUID
    number: int
    name: Names
    direction: Literal["in", "out", "both"]
    open: bool


class PlaceInfo(Struct, frozen=True, kw_only=True):
    """A numbered site, zone or entrance with its names."""

    number: int
    name: Names


class EntranceInfo(Struct, frozen=True, kw_only=True):
    """An entrance of the site."""

    number: int
    name: Names
    zone: int
    asks: bool = False
    """Somebody can be let in there by asking the server: without a gate, or beside it."""


class GateInfo(Struct, frozen=True, kw_only=True):
    """A gate of the site that decides alone when it is cut off."""

    entrance: int
    online: bool
    """The server hears from it."""


class TypeInfo(Struct, frozen=True, kw_only=True):
    """What a gate must know of a ticket type beyond what is in the token."""

    number: int
    name: Names
    audience: str
    entrances: list[int] | None = None
    """Numbers of the only entrances that admit it; None is any."""
    companion: bool = False
    """Admitted only together with somebody who is not of a type like this: a child."""
    static_code: str = ""
    """What a code must prove that does not change: free, document, or as the ticket itself says."""
    party_size: int = 1
    entries: int = 1
    zones: int = 0
    hours: tuple[Window, ...] = ()
    """When it opens a gate, by the site's clock; none is at any time."""


class ZoneState(Struct, frozen=True, kw_only=True):
    """How full a zone is."""

    number: int
    inside: int
    max_inside: int | None = None
    share: int | None = None
    """How many this entrance may still let in while it is cut off; None is without limit."""


class Rules(Struct, frozen=True, kw_only=True):
    """What the site asks of its gates."""

    grace_before_minutes: int = 15
    grace_after_minutes: int = 15
    repeat_seconds: int = 15
    anti_passback: bool = False
    passage_seconds: int = 8
    """So long somebody has to pass after a barrier opened; then the admission is given back."""
    ask_budget_ms: int = 150
    """So long the gate waits for the server before it decides alone."""
    day_key_days: int = 3
    """For so many days ahead a gate holds the keys of changing codes."""


class Setup(Struct, frozen=True, kw_only=True):
    """Everything about the place that is not a ticket; sent whole whenever it changed."""

    timezone: str
    site: PlaceInfo
    entrance: int
    zone: int
    lanes: list[LaneInfo]
    sites: list[PlaceInfo]
    zones: list[PlaceInfo]
    entrances: list[EntranceInfo]
    types: list[TypeInfo]
    zone_states: list[ZoneState]
    rules: Rules
    signing_keys: dict[int, bytes]
    """Public keys that tickets are signed with, by number."""
    day_keys: dict[str, bytes]
    """Keys of changing codes, by local date (ISO)."""
    document_key: bytes
    """Key of the documents' marks (`document_mark`); the gate keeps it in memory alone."""
    blocked: list[bytes]
    """Marks of documents that nobody may enter with."""
    gates: list[GateInfo] = []
    """All gates of the site, for the bound on double entry (`admission.bound`)."""
    day_kinds: dict[str, DayKind] = {}
    """Kinds of day by local date (ISO), where it is not what the weekday says: holidays, workdays
    that were moved, and the operator's own. For `hours.LOOK_AHEAD_DAYS`, and only where a ticket
    type asks for kinds."""
