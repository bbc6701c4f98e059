"""What is asked of the order desk and what it answers: shared by the pages and the API."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from shanmen.kit.documents import DocumentKind

# What is made for every order is left out of the search for cycles (`gc=False`): it has none.

MAX_TICKETS = 50
"""In one order, whatever the ticket types allow."""


class VisitorInput(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A person that a ticket is made out to."""

    name: Annotated[str, Meta(max_length=60, description="As in the document", examples=["张三"])]
    document_kind: DocumentKind
    document_number: Annotated[str, Meta(max_length=40, examples=["11010519491231002X"])]


class TicketInput(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
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


class OrderInput(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An order of one or several tickets on one site, paid at once."""

    phone: Annotated[
        str, Meta(max_length=24, description="Mainland or +… number", examples=["13800138000"])
    ]
    tickets: Annotated[list[TicketInput], Meta(min_length=1, max_length=MAX_TICKETS)]
    locale: Annotated[str, Meta(description="zh-CN or en")] = "zh-CN"


class PlaceOrder(Struct, frozen=True, gc=False):
    """A request to the order desk, with what the edge knows about the caller."""

    site_id: UUID
    timezone: str
    channel: str
    order: OrderInput
    key_hash: bytes | None = None
    """Digest of the idempotency key (`db.idempotency.key_digest`)."""
    request_hash: bytes = b""
    placed_by: str = "visitor"


class Placed(Struct, frozen=True, gc=False):
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


class VisitorView(Struct, frozen=True, gc=False):
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
    hold_extended: bool
    """A hold can be extended once."""
    paid_at: datetime | None
    tickets: list[OrderLineView]
    events: list[OrderEventView]
    secret: str
    """Opens the order's page."""


Reason = Annotated[
    str, Meta(max_length=200, description="Kept with the transition.", examples=["游客改变行程"])
]
TicketIds = Annotated[
    list[UUID] | None,
    Meta(description="Which tickets; left out: all that are unused and were not given back."),
]


class OrderOut(OrderView, frozen=True, kw_only=True):
    """An order with the address of its page."""

    url: Annotated[
        str,
        Meta(
            description="The buyer's page of the order: payment, e-ticket, refund, change of time. "
            "Whoever has the address may do all that.",
            examples=["https://example.org/s/yuntai/orders/260501K7M2Q9XW4D/6xk3m0c9ptqz2w8a"],
        ),
    ]


class OrderSummary(Struct, frozen=True, kw_only=True):
    """An order in a list."""

    id: UUID
    number: Annotated[str, Meta(examples=["260501K7M2Q9XW4D"])]
    site: Annotated[str, Meta(description="The site's part of the address", examples=["yuntai"])]
    channel: Annotated[str, Meta(examples=["ota"])]
    status: Annotated[str, Meta(examples=["issued"])]
    visit_day: date
    phone: Annotated[str, Meta(description="Masked", examples=["138****8000"])]
    amount_fen: Annotated[int, Meta(examples=[24000])]
    refunded_fen: int
    persons: int
    created_at: datetime
    hold_expires_at: datetime


class OrderList(Struct, frozen=True, kw_only=True):
    """Orders, the latest first."""

    orders: list[OrderSummary]
    next: Annotated[
        str | None, Meta(description="Send it as `after` to get what follows; null: nothing does")
    ]


class CancelInput(Struct, frozen=True, forbid_unknown_fields=True):
    """Giving up an order that is not paid."""

    reason: Reason = ""


class RefundInput(Struct, frozen=True, forbid_unknown_fields=True):
    """Giving tickets back by their rule."""

    ticket_ids: TicketIds = None
    reason: Reason = ""
    at_least_fen: (
        Annotated[
            int,
            Meta(
                ge=0,
                description="Refuse (`orders.refund_changed`) if less than this would be paid "
                "back, because a deadline passed since the quote",
            ),
        ]
        | None
    ) = None


class RefundQuoteOut(Struct, frozen=True, kw_only=True):
    """What giving tickets back would pay now."""

    ticket_ids: list[UUID]
    price_fen: Annotated[int, Meta(examples=[24000])]
    fee_fen: Annotated[int, Meta(examples=[2400])]
    fee_percent: Annotated[int, Meta(description="The highest of the tickets", examples=[10])]
    amount_fen: Annotated[int, Meta(description="What goes back", examples=[21600])]


class RescheduleInput(Struct, frozen=True, forbid_unknown_fields=True):
    """Moving tickets to another slot: all of them or none."""

    slot_id: UUID
    ticket_ids: TicketIds = None
    reason: Reason = ""
    other_slot_ids: Annotated[
        list[UUID],
        Meta(
            max_length=8,
            description="For a bundle: the slots of its other pools; where a pool has none there "
            "the first that fits is taken",
        ),
    ] = []


class PaymentInput(Struct, frozen=True, forbid_unknown_fields=True):
    """Starting to pay."""

    provider: Annotated[
        str, Meta(max_length=32, description="Left out: the default one", examples=["sandbox"])
    ] = ""
    return_url: Annotated[
        str,
        Meta(
            max_length=500,
            pattern=r"^(https?://\S+)?$",
            description="Where the payer comes back to; left out: the order's page",
        ),
    ] = ""


class PaymentOut(Struct, frozen=True, kw_only=True):
    """A payment that was started; nothing is to be paid where `pay_url` is empty."""

    order: OrderOut
    provider: Annotated[str, Meta(examples=["sandbox"])]
    pay_url: Annotated[str, Meta(description="Send the payer there")]
    expires_at: datetime


class ConfirmInput(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel has been paid by its own customer."""

    reference: Annotated[
        str, Meta(min_length=1, max_length=128, description="Your number for the payment")
    ]
    amount_fen: (
        Annotated[int, Meta(ge=0, description="What you received; if given it must be the order's")]
        | None
    ) = None


class ZoneTime(Struct, frozen=True, kw_only=True):
    """A zone that a ticket opens at a time of its own."""

    zone_number: int
    starts_at: datetime
    ends_at: datetime


class TicketOut(Struct, frozen=True, kw_only=True):
    """A ticket with the code that a gate reads."""

    ticket_id: UUID
    ticket_type_id: UUID
    number: Annotated[
        str, Meta(description="As a guard can type it", examples=["260501K7M2Q9XW4D-0"])
    ]
    name: dict[str, str]
    status: str
    persons: int
    persons_entered: int
    valid_from: datetime
    valid_until: datetime
    windows: Annotated[
        list[ZoneTime],
        Meta(
            description="Zones that it opens at a time of their own, as the cableway of a bundle; "
            "the others open with the visit. On a ticket of several days they are of the first, "
            "and the same on each."
        ),
    ]
    token: Annotated[
        str, Meta(description="What the QR code says (docs/ticket-format.md); empty: void")
    ]
    rotating: Annotated[
        bool,
        Meta(
            description="The gate asks for a code that changes, which only the order's page shows, "
            "or for the document"
        ),
    ]
    second_factor: Annotated[bool, Meta(description="The gate asks for the document as well")]


class TicketList(Struct, frozen=True, kw_only=True):
    """All tickets of an order."""

    tickets: list[TicketOut]


class RestrictionOut(Struct, frozen=True, kw_only=True):
    """A document that may not book for a while."""

    id: UUID
    products: Annotated[
        list[dict[str, str]], Meta(description="The names of the ticket types that it is about")
    ]
    no_shows: Annotated[int, Meta(description="Days on which its holder did not come")]
    last_day: Annotated[date, Meta(description="The day that was one too many")]
    until_day: Annotated[date, Meta(description="The last day on which it may not book")]
    lifted_at: datetime | None
    lifted_by: str
    reason: str
    visitor: Annotated[
        VisitorView | None, Meta(description="Masked; null: the order is not kept any more")
    ]
    order_id: Annotated[UUID | None, Meta(description="The latest order that nobody came with")]


class RestrictionList(Struct, frozen=True, kw_only=True):
    """Restrictions, those that last longest first."""

    restrictions: list[RestrictionOut]
    next: Annotated[
        str | None, Meta(description="Send it as `after` to get what follows; null: nothing does")
    ]


class LiftInput(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a document may book again."""

    reason: Annotated[
        str,
        Meta(min_length=1, max_length=200, description="Kept in the audit log", examples=["住院"]),
    ]


class CallbackOut(Struct, frozen=True, kw_only=True):
    """What was made of a provider's notice."""

    outcome: str
