"""The journal's marks of documents are forgotten: they were under a key that gates have."""

from alembic import op

from shanmen.db.tenancy import unbound

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nothing reads them; those to come are marked once more."""
    with unbound(op, "gate_journal"):
        op.execute("UPDATE gate_journal SET document_mark = NULL WHERE document_mark IS NOT NULL")
