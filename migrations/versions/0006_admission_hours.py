"""Ticket types have hours of admission."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """None is at any time, as it was."""
    op.add_column(
        "ticket_type",
        sa.Column(
            "admission_hours",
            postgresql.JSONB(),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
    )
