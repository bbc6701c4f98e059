"""Pools say whose zone their places are of, and tickets when they open such a zone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """No pool names a zone yet; tickets that were sold open their zones with the visit, as ever."""
    op.add_column("pool", sa.Column("zone_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_pool_tenant_id_zone_id"),
        "pool",
        "zone",
        ["tenant_id", "zone_id"],
        ["tenant_id", "id"],
    )
    op.add_column("ticket", sa.Column("windows", postgresql.JSONB(), nullable=True))
