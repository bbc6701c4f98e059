"""Tables of accounts and transfers."""

import uuid
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, Fen, TenantMixin, TenantRow, tenant_index


class Account(TenantMixin, Base):
    """An account of the tenant, by code; sums are of all its transfers."""

    __tablename__ = "ledger_account"
    __table_args__ = ({"postgresql_with": {"fillfactor": "40"}},)

    code: Mapped[str] = mapped_column(primary_key=True)
    debits_fen: Mapped[Fen] = mapped_column(server_default=text("0"))
    credits_fen: Mapped[Fen] = mapped_column(server_default=text("0"))


class Transfer(TenantRow, Base):
    """An amount from the credited account to the debited one."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "debit"], ["ledger_account.tenant_id", "ledger_account.code"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "credit"], ["ledger_account.tenant_id", "ledger_account.code"]
        ),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("debit <> credit", name="two_accounts"),
        tenant_index("site_id", "business_day"),
        tenant_index("order_id"),
    )

    site_id: Mapped[uuid.UUID]
    at: Mapped[datetime]
    business_day: Mapped[date]
    kind: Mapped[str]
    """payment, refund, cancellation_fee …"""
    debit: Mapped[str]
    credit: Mapped[str]
    amount_fen: Mapped[Fen]
    order_id: Mapped[uuid.UUID]
    reference: Mapped[uuid.UUID]
    """The payment or refund that caused it."""
