"""Of each gate it is known which share of a zone it may have, and what it has heard."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """No gate has said yet what it has heard; until then it goes by when it was heard itself."""
    op.add_column(
        "gate_device",
        sa.Column("told_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("gate_device", sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True))
