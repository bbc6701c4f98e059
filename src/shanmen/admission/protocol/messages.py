"""Questions and answers of gates, as they travel."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from shanmen.admission.protocol.place import Instant, Setup, ZoneState

PATH_ENROL = "/gate/v1/enrol"
PATH_CHANGES = "/gate/v1/changes"
PATH_DECIDE = "/gate/v1/decide"
PATH_JOURNAL = "/gate/v1/journal"
PATH_HEALTH = "/gate/v1/health"

MEDIA_TYPE = "application/msgpack"

HEADER_DEVICE = "Shanmen-Device"
"""`device_header` of the gate; empty while it is being enrolled."""
HEADER_TIME = "Shanmen-Time"
HEADER_COUNT = "Shanmen-Count"
"""Which of the gate's requests this is: each has a higher one than those before it, from 1 on.

The server takes none twice. It is 0 while the gate is being enrolled.
"""
HEADER_NONCE = "Shanmen-Nonce"
HEADER_SIGNATURE = "Shanmen-Signature"

CLOCK_TOLERANCE_SECONDS = 600
"""A request's time may differ so much from the server's: gates drift while they are cut off."""

MOST_PATIENCE_MS = 5_000
"""So long may a visitor at most be made to wait for the server's decision."""

CLOCKS_APART_MS = 1_000
"""So far apart may the clocks be of a server and a gate that hears of it."""

COUNTS_APART = 128
"""Requests may overtake each other: one that comes behind so many later ones is refused."""

ROWS_AT_ONCE = 5_000
"""Tickets in one answer, and journal rows in one upload."""


class Refusal(Struct, frozen=True, kw_only=True):
    """The body of every answer that is not 200, signed like the others.

    A gate believes a refusal only when it is signed: nobody in between can make it forget all.
    """

    code: str
    """`admission.device_revoked`, `admission.device_clock`, `admission.request_repeated`…"""
    server_time: Instant = 0
    """So that a gate whose clock is far off can put it right and ask again."""
    detail: str = ""
    """A sentence; or the figure that the gate needs to ask again.

    That is the journal's row that is missing, or the highest count that was taken.
    """


class EnrolRequest(Struct, frozen=True, kw_only=True):
    """What a new gate sends, signed with the key that it has just made."""

    code: Annotated[str, Meta(max_length=40)]
    """The one-time code that the console showed."""
    public_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    name: Annotated[str, Meta(max_length=80)]
    version: Annotated[str, Meta(max_length=40)]


class Enrolled(Struct, frozen=True, kw_only=True):
    """What the server answers; the gate checks `server_key` against the code's fingerprint."""

    device_id: UUID
    server_key: bytes
    """Ed25519, 32 bytes."""
    tenant: str
    """The tenant's number, as `device_header` wants it."""
    site_number: int
    entrance_number: int


class TicketRow(Struct, frozen=True, array_like=True, gc=False):
    """A ticket as a gate keeps it. No name, document or telephone number is readable in it.

    Thousands are made at a time and none is part of a cycle, so the collector need not look.
    """

    id: bytes
    number: str
    """Short number: the order's number, a hyphen, the ticket's number within it."""
    type_number: int
    generation: int
    status: str
    """valid, used, refunded; ``gone`` where the gate may forget it."""
    valid_from: Instant
    valid_until: Instant
    party_size: int
    entries: int
    zones: int
    flags: int
    persons_entered: int
    """Of a ticket for several zones those who entered the zone of this gate."""
    persons_inside: int
    last_entered_at: Instant | None
    last_entrance: int | None
    sealed: bytes
    """`Holders` sealed under the ticket's own code (`seal_key`); empty where nobody is named."""
    documents: list[tuple[bytes, bytes]]
    """For each holder the document's mark, and `Holders` sealed under document and mark key."""
    entered_here: int = 0
    """Of `persons_entered`, how many this very gate has reported or was told when it asked.

    A gate counts its own admissions itself and takes only the others from here, so nothing is
    counted twice or missed whatever is on its way. What the console takes back counts as others'.
    """
    inside_here: int = 0
    """Of `persons_inside`, the same: negative where this gate saw more leave than enter."""
    inside_zone: int = 0
    """Of `persons_inside`, how many are in the zone of this gate; its own are among them."""
    static_code: str = ""
    """As in `TypeInfo`, for the channel that sold it."""
    windows: tuple[tuple[int, Instant, Instant], ...] = ()
    """Zones, by number, that it opens from then until then; the others it opens with the visit."""


class TicketCount(Struct, frozen=True, array_like=True, gc=False):
    """How often a ticket was used that the gate has; the fields are those of `TicketRow`."""

    id: bytes
    status: str
    persons_entered: int
    persons_inside: int
    last_entered_at: Instant | None
    last_entrance: int | None
    entered_here: int
    inside_here: int
    inside_zone: int


class Holders(Struct, frozen=True, array_like=True):
    """What a guard may see of a ticket's people."""

    names: list[str]
    """Masked."""


class Changes(Struct, frozen=True, kw_only=True):
    """What changed since a mark."""

    mark: str
    """To be given as ``since`` the next time. Opaque."""
    more: bool
    """There is more; ask again at once."""
    fresh: bool
    """Drop the tickets that were known before: all of them follow, in this answer and those after.

    It stands on the first of these answers alone.
    """
    server_time: Instant
    setup: Setup | None
    """None where it is as it was (the request named its digest)."""
    setup_digest: str
    tickets: list[TicketRow]
    counts: list[TicketCount] = []
    """Of tickets that the gate was told of before; only where the question has ``counts=1``."""
    zone_states: list[ZoneState] = []
    """As in `Setup`, of this moment: they change with every admission, the rest does not."""


class AskRequest(Struct, frozen=True, kw_only=True):
    """One scan, for the server to decide. The same id again gets the same answer."""

    scan_id: UUID
    lane_id: UUID
    code: Annotated[str, Meta(max_length=600)]
    kind: Literal["auto", "code", "document", "number"] = "auto"
    document: Annotated[str, Meta(max_length=40)] = ""
    persons: Annotated[int, Meta(ge=1, le=99)] | None = None
    direction: Literal["in", "out"] | None = None
    companions: list[UUID] = []
    """Tickets admitted at this lane just before: who a child goes in with."""
    patience_ms: Annotated[int, Meta(ge=0, le=MOST_PATIENCE_MS)] = MOST_PATIENCE_MS
    """How long the gate waits before it decides alone; later the question is not decided at all."""
    staff: Annotated[str, Meta(max_length=120)] = ""


class Answer(Struct, frozen=True, kw_only=True):
    """A decision, by whoever took it."""

    scan_id: UUID
    outcome: Literal["admitted", "refused"]
    persons: int
    persons_left: int
    party_size: int
    reason: str = ""
    """Code of `admission.rules.Reason`; the gate has the texts."""
    params: dict[str, object] = {}
    override_allowed: bool = False
    ticket_id: bytes | None = None
    ticket_number: str = ""
    type_number: int | None = None
    names: list[str] = []
    """Masked."""


Step = Literal[
    "admitted", "refused", "passed", "given_back", "override", "undone", "emergency", "corrected"
]


class JournalRow(Struct, frozen=True, kw_only=True):
    """One thing that happened at a gate. Rows of a gate are numbered without gaps."""

    seq: int
    scan_id: UUID
    step: Step
    at: Instant
    """The gate's clock."""
    skew_ms: int
    """How far the gate thought its clock was ahead of the server's; 0 where it did not know."""
    lane_id: UUID
    direction: Literal["in", "out"] = "in"
    decided_by: Literal["server", "gate"] = "gate"
    method: Literal["qr", "document", "manual"] = "qr"
    ticket_id: bytes | None = None
    generation: int | None = None
    type_number: int | None = None
    persons: int = 0
    """Persons let in, out, counted, or given back."""
    persons_left: int = 0
    reason: str = ""
    """Code of the refusal; for an override or an undoing what staff wrote."""
    document_mark: bytes | None = None
    staff: str = ""


class JournalUpload(Struct, frozen=True):
    """Rows in the order of their numbers."""

    rows: Annotated[list[JournalRow], Meta(max_length=ROWS_AT_ONCE)]


class JournalReceipt(Struct, frozen=True, kw_only=True):
    """All rows up to and with this number are safe on the server."""

    through: int
    conflicts: int = 0
    """Cases that these rows opened."""


class LaneHealth(Struct, frozen=True, kw_only=True):
    """How a lane is."""

    lane_id: UUID
    state: Literal["open", "closed", "emergency", "fault"]
    people: int = 0
    """Passages that the counter has counted today."""
    fault: str = ""


class Health(Struct, frozen=True, kw_only=True):
    """How a gate is, told every few seconds."""

    at: Instant
    version: str
    queue: int
    """Journal rows that are not on the server yet."""
    skew_ms: int
    tickets: int
    mark: str
    battery_percent: int | None = None
    on_mains: bool | None = None
    started_at: Instant
    unresolved: int = 0
    lanes: list[LaneHealth] = []
    done: list[UUID] = []
    """Commands that were carried out."""
    room: int = 0
    """How many it may let into its zone alone: its share, less who came in since it got that.

    It is as of before the journal went up that this follows on. Questions for changes say it too
    (``room=…``): if their answer is lost, the gate goes on with what it has.
    """
    heard_at: Instant = 0
    """`Changes.server_time` of the last answer that it has; 0 for none."""


class Command(Struct, frozen=True, kw_only=True):
    """What the console wants of a gate."""

    id: UUID
    kind: Literal["open", "close", "message", "emergency_on", "emergency_off", "sync"]
    lane_id: UUID | None = None
    """None is all lanes."""
    text: str = ""


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """What the server has to say back."""

    server_time: Instant
    commands: list[Command] = []
