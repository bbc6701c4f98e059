"""Tables of orders, their transitions, and of people who did not come."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, BlindIndex, Fen, TenantMixin, TenantRow, tenant_index


class Order(TenantRow, Base):
    """What one buyer bought at once."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        # By day as well: what limits count of a phone is of some days alone.
        Index(None, "tenant_id", "phone_index", "visit_day"),
        Index(
            "ix_orders_hold_expires",
            "tenant_id",
            "hold_expires_at",
            postgresql_where=text("status = 'held'"),
        ),
        tenant_index("site_id", "visit_day"),
        Index(None, "tenant_id", "created_at"),
        # A day's sales are asked for every second and must not read the orders of other days.
        Index(
            "ix_orders_paid",
            "tenant_id",
            "site_id",
            "paid_at",
            postgresql_where=text("paid_at IS NOT NULL"),
        ),
        CheckConstraint("amount_fen >= 0", name="amount"),
        CheckConstraint("refunded_fen BETWEEN 0 AND amount_fen", name="refunded"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    number: Mapped[str]
    site_id: Mapped[uuid.UUID]
    channel: Mapped[str]
    status: Mapped[str]
    """See `orders.rules.State`."""
    visit_day: Mapped[date]
    phone: Mapped[bytes]
    phone_index: Mapped[BlindIndex]
    locale: Mapped[str]
    amount_fen: Mapped[Fen]
    refunded_fen: Mapped[Fen] = mapped_column(server_default=text("0"))
    persons: Mapped[int]
    lines: Mapped[list[dict[str, Any]]]
    """See `orders.rules.Line`: ticket id, type, slots, draws, price, one entry a ticket."""
    generation: Mapped[int] = mapped_column(server_default=text("0"))
    placed_by: Mapped[str] = mapped_column(server_default="")
    """Who placed it: ``visitor``, or staff or API key by name."""
    created_at: Mapped[datetime]
    hold_expires_at: Mapped[datetime]
    hold_extended: Mapped[bool] = mapped_column(server_default=text("false"))
    """A hold can be extended once."""
    paid_at: Mapped[datetime | None]


class NoShow(TenantMixin, Base):
    """A person named on a ticket that nobody entered with. No name, no document: an index alone."""

    __tablename__ = "no_show"
    __table_args__ = (
        Index(None, "tenant_id", "document_index", "visit_day"),
        tenant_index("visit_day"),
    )

    ticket_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    ticket_type_id: Mapped[uuid.UUID]
    document_index: Mapped[BlindIndex]
    visit_day: Mapped[date]
    recorded_at: Mapped[datetime]
    forgiven_at: Mapped[datetime | None]
    """Set when staff lifted a restriction: it counts for none any more."""


class NoShowProgress(TenantMixin, Base):
    """From which visit on a ticket type's no-shows count, and how far they were recorded."""

    __tablename__ = "no_show_progress"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"], ["ticket_type.tenant_id", "ticket_type.id"]
        ),
    )

    ticket_type_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    since_day: Mapped[date]
    until_day: Mapped[date]


class Restriction(TenantRow, Base):
    """A document that may not book for a while, because its holder did not come too often."""

    __tablename__ = "restriction"
    __table_args__ = (
        UniqueConstraint("tenant_id", "document_index", "scope"),
        tenant_index("until_day"),
    )

    document_index: Mapped[BlindIndex]
    scope: Mapped[str]
    """A group of ticket types that count together, or the id of one that counts alone."""
    no_shows: Mapped[int]
    last_day: Mapped[date]
    """The day of the no-show that was one too many."""
    until_day: Mapped[date]
    """The last day on which it may not book."""
    ticket_id: Mapped[uuid.UUID]
    seq: Mapped[int] = mapped_column(SmallInteger)
    """The latest ticket that was not used: its holder is who is shown."""
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str] = mapped_column(server_default="")
    reason: Mapped[str] = mapped_column(server_default="")


class OrderEvent(TenantRow, Base):
    """One transition of an order: from where to where, when, by whom, why."""

    __tablename__ = "order_event"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        tenant_index("order_id"),
    )

    order_id: Mapped[uuid.UUID]
    at: Mapped[datetime]
    from_status: Mapped[str]
    to_status: Mapped[str]
    actor_kind: Mapped[str]
    actor_label: Mapped[str]
    reason: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
