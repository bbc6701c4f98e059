"""What is asked of the order desk and what it answers: shared by the pages and the API."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from shanmen.kit.documents import DocumentKind

MAX_TICKETS = 50
"""In one order, whatever the ticket types allow."""


class VisitorInput(Struct, frozen=True, forbid_unknown_fields=True):
    """A person that a ticket is made out to."""

    name: Annotated[str, Meta(max_length=60, description="As in the document", examples=["张三"])]
    document_kind: DocumentKind
    document_number: Annotated[str, Meta(max_length=40, examples=["11010519491231002X"])]


class TicketInput(Struct, frozen=True, forbid_unknown_fields=True):
    """One ticket: its type, its slot, and the persons it is made out to."""

    ticket_type_id: UUID
    slot_id: Annotated[UUID, Meta(description="The slot of the visit, from the slots list")]
    visitors: Annotated[
        list[VisitorInput],
        Meta(max_length=99, description="As many as the type names: each person, one, or none"),
    ] = []
    other_slot_ids: Annotated[
        list[UUID],
        Meta(
            max_length=8,
            description="For a bundle: the slots of its other pools, in their order; when empty "
            "the first that ends after the visit starts is taken",
        ),
    ] = []


class OrderInput(Struct, frozen=True, forbid_unknown_fields=True):
    """An order of one or several tickets on one site, paid at once."""

    phone: Annotated[str, Meta(max_length=24, description="Mainland or +… number")]
    tickets: Annotated[list[TicketInput], Meta(min_length=1, max_length=MAX_TICKETS)]
    locale: Annotated[str, Meta(description="zh-CN or en")] = "zh-CN"


class PlaceOrder(Struct, frozen=True):
    """A request to the order desk, with what the edge knows about the caller."""

    site_id: UUID
    timezone: str
    channel: str
    order: OrderInput
    key_hash: bytes | None = None
    """Digest of the idempotency key (`db.idempotency.key_digest`)."""
    request_hash: bytes = b""
    placed_by: str = "visitor"


class Placed(Struct, frozen=True):
    """Places are held until `hold_expires_at`."""

    id: UUID
    number: str
    amount_fen: int
    persons: int
    hold_expires_at: datetime


class Refusal(Struct, frozen=True):
    """A refused request as it is remembered under its idempotency key."""

    code: str
    field: str | None
    params: dict[str, Any]


class OrderLineView(Struct, frozen=True):
    """A ticket of an order as it is shown."""

    ticket_id: UUID
    ticket_type_id: UUID
    name: dict[str, str]
    price_fen: int
    persons: int
    visit_day: date
    valid_from: datetime
    valid_until: datetime
    status: Annotated[str, Meta(description="held, valid, used, refunded or lapsed")]
    persons_entered: int
    generation: int
    visitors: list["VisitorView"]


class VisitorView(Struct, frozen=True):
    """A named person, masked."""

    name: str
    document_kind: str
    document_number: str


class OrderEventView(Struct, frozen=True):
    """One transition."""

    at: datetime
    from_status: str
    to_status: str
    actor: str
    reason: str


class OrderView(Struct, frozen=True):
    """An order as its buyer, staff and integrators see it; personal data masked."""

    id: UUID
    number: str
    site_id: UUID
    channel: str
    status: str
    phone: str
    locale: str
    visit_day: date
    amount_fen: int
    refunded_fen: int
    persons: int
    created_at: datetime
    hold_expires_at: datetime
    paid_at: datetime | None
    tickets: list[OrderLineView]
    events: list[OrderEventView]
    secret: str
    """Opens the order's page."""
