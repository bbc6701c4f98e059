"""Scans keep a mark of what was asked, so that an id that is used for something else is told."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """What was decided before has no mark, and is answered to whoever names it, as it was."""
    op.add_column("scan", sa.Column("asked", sa.BigInteger(), nullable=True))
