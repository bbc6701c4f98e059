"""Requests of gates are counted."""

import sqlalchemy as sa
from alembic import context, op

from shanmen.db.tenancy import protect

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """No request was counted before."""
    op.create_table(
        "gate_counter",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("highest", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen", sa.LargeBinary(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "device_id"],
            ["gate_device.tenant_id", "gate_device.id"],
            name=op.f("fk_gate_counter_tenant_id_device_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "device_id", name=op.f("pk_gate_counter")),
    )
    protect(op, "gate_counter", app_role=context.config.attributes["app_role"])
