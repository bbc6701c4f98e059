"""Tables of orders and their transitions."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, BlindIndex, Fen, TenantRow, tenant_index


class Order(TenantRow, Base):
    """What one buyer bought at once."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        Index(None, "tenant_id", "phone_index"),
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
    paid_at: Mapped[datetime | None]


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
