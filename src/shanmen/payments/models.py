"""Tables of payments, refunds and the provider's notices."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, Fen, TenantRow, tenant_index


class Payment(TenantRow, Base):
    """One attempt to be paid for an order; `id` (hex) is the provider's out_trade_no."""

    __tablename__ = "payment"
    __table_args__ = (
        tenant_index("order_id"),
        Index(
            "ix_payment_open",
            "tenant_id",
            "created_at",
            postgresql_where=text("status IN ('created', 'started')"),
        ),
        CheckConstraint("status IN ('created', 'started', 'paid', 'closed')", name="status"),
    )

    order_id: Mapped[uuid.UUID]
    order_number: Mapped[str]
    provider: Mapped[str]
    amount_fen: Mapped[Fen]
    status: Mapped[str]
    provider_ref: Mapped[str] = mapped_column(server_default="")
    pay_url: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class Refund(TenantRow, Base):
    """Money that goes back; `id` (hex) is the provider's out_refund_no."""

    __tablename__ = "refund"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "payment_id"], ["payment.tenant_id", "payment.id"]),
        tenant_index("payment_id"),
        tenant_index("order_id"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("status IN ('requested', 'succeeded', 'failed')", name="status"),
    )

    payment_id: Mapped[uuid.UUID]
    order_id: Mapped[uuid.UUID]
    amount_fen: Mapped[Fen]
    status: Mapped[str]
    reason: Mapped[str]
    provider_ref: Mapped[str] = mapped_column(server_default="")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PaymentNotice(TenantRow, Base):
    """A provider's callback that was verified; a repetition is recognised by its event id."""

    __tablename__ = "payment_notice"
    __table_args__ = (UniqueConstraint("tenant_id", "provider", "event_id"),)

    provider: Mapped[str]
    event_id: Mapped[str]
    kind: Mapped[str]
    payment_id: Mapped[uuid.UUID]
    amount_fen: Mapped[Fen]
    received_at: Mapped[datetime]
    outcome: Mapped[str]
