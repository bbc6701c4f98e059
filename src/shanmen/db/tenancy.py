"""Which tables have no tenant, and the policy that isolates all others.

Row-level security is forced, so that even the owner of a table is bound by it. The setting
`shanmen.tenant` is local to a transaction; PostgreSQL reads it as an empty string afterwards, which
NULLIF turns into NULL, and `tenant_id = NULL` is never true: without a tenant nothing is visible.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy import MetaData, Table

TENANT_SETTING = "shanmen.tenant"

TABLES_WITHOUT_TENANT = frozenset({"tenant", "site_address"})
"""Read before the tenant is known: who the tenants are, and which address belongs to whom."""

APPEND_ONLY_TABLES = frozenset({"audit_log", "gate_journal", "ledger_transfer", "order_event"})
"""The application may add rows and read them, never change or delete them."""


class Executor(Protocol):
    """What runs a statement: Alembic's `op` or anything alike."""

    def execute(self, statement: str, /) -> object:
        """Run one statement."""


def tenant_tables(metadata: MetaData) -> list[Table]:
    """All tables that belong to tenants, in order of their dependencies."""
    return [t for t in metadata.sorted_tables if t.name not in TABLES_WITHOUT_TENANT]


def protect(op: Executor, table: str, *, app_role: str) -> None:
    """Isolate a tenant's table and grant the application what it may do with it."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant_isolation ON {table} "
        f"USING (tenant_id = NULLIF(current_setting('{TENANT_SETTING}', true), '')::int) "
        f"WITH CHECK (tenant_id = NULLIF(current_setting('{TENANT_SETTING}', true), '')::int)"
    )
    grant(op, table, app_role=app_role)


@contextmanager
def unbound(op: Executor, *tables: str) -> Iterator[None]:
    """Let the owner see all tenants' rows of tables, for a migration that fills a column."""
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def grant(op: Executor, table: str, *, app_role: str) -> None:
    """Grant the application role its rights on one table."""
    rights = "SELECT, INSERT" if table in APPEND_ONLY_TABLES else "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f'GRANT {rights} ON {table} TO "{app_role}"')
