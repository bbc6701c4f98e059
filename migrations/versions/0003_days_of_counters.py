"""Counters know the pool and the day of their slot."""

import sqlalchemy as sa
from alembic import op

from shanmen.db.tenancy import unbound

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Copy them from the slots, which keep theirs for ever."""
    op.add_column("stock", sa.Column("pool_id", sa.Uuid(), nullable=True))
    op.add_column("stock", sa.Column("day", sa.Date(), nullable=True))
    with unbound(op, "slot", "stock"):
        op.execute(
            "UPDATE stock SET pool_id = slot.pool_id, day = slot.day FROM slot "
            "WHERE slot.tenant_id = stock.tenant_id AND slot.id = stock.slot_id"
        )
    op.alter_column("stock", "pool_id", nullable=False)
    op.alter_column("stock", "day", nullable=False)
    op.create_index("ix_stock_tenant_id_pool_id_day", "stock", ["tenant_id", "pool_id", "day"])
