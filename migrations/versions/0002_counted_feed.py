"""The feed says where tickets were only counted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Rows from before may stand for any change."""
    op.add_column(
        "gate_feed",
        sa.Column("counted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
