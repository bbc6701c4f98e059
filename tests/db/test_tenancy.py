"""Every tenant's rows are its own: by the shape of the tables and by PostgreSQL itself."""

import psycopg
import pytest
from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint, text
from sqlalchemy.exc import ProgrammingError

from shanmen.db.safety import NotDurable, UnsafeRole, check_safe
from shanmen.db.session import Database, Session
from shanmen.db.tenancy import APPEND_ONLY_TABLES, TABLES_WITHOUT_TENANT, tenant_tables
from shanmen.wiring import metadata
from tests.conftest import APP_ROLE, open_database
from tests.support.park import Park

TABLES = {table.name: table for table in metadata().sorted_tables}
OWNED = [table.name for table in tenant_tables(metadata())]
QUEUE = "procrastinate%"
OF_TOOLS = {"alembic_version"}


def columns_of(table: Table) -> list[list[str]]:
    """The columns of the primary key and of each unique constraint and unique index."""
    return [
        [column.name for column in table.primary_key.columns],
        *(
            [column.name for column in constraint.columns]
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
        ),
        *([column.name for column in index.columns] for index in table.indexes if index.unique),
    ]


@pytest.mark.parametrize("name", OWNED)
def test_keys_begin_with_the_tenant(name: str):
    for key in columns_of(TABLES[name]):
        assert key[0] == "tenant_id", key


@pytest.mark.parametrize("name", OWNED)
def test_references_stay_within_the_tenant(name: str):
    for key in TABLES[name].constraints:
        if not isinstance(key, ForeignKeyConstraint):
            continue
        if key.referred_table.name in TABLES_WITHOUT_TENANT:
            continue
        pairs = {(e.parent.name, e.column.name) for e in key.elements}
        assert ("tenant_id", "tenant_id") in pairs, key


@pytest.mark.parametrize("name", OWNED)
def test_every_index_begins_with_the_tenant(name: str):
    for index in TABLES[name].indexes:
        # A BRIN index of a time serves the nightly clean-up, which goes by ranges of pages.
        if index.dialect_options["postgresql"]["using"] != "brin":
            assert next(iter(index.columns)).name == "tenant_id", index.name


def owner(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql).fetchall()


def test_postgresql_isolates_every_table_that_is_there(db_url: str):
    """Asked of the catalog, so that a table of a later migration is not forgotten."""
    rows = owner(
        db_url,
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE '{QUEUE}'",
    )
    without = {name for name, enabled, forced in rows if not (enabled and forced)}
    assert without - OF_TOOLS == set(TABLES_WITHOUT_TENANT)
    assert {name for name, *_ in rows} - OF_TOOLS == set(TABLES)


def test_one_policy_reads_and_writes_by_the_tenant(db_url: str):
    rows = owner(
        db_url,
        "SELECT tablename, permissive, roles::text[], cmd, qual, with_check FROM pg_policies",
    )
    assert sorted(row[0] for row in rows) == sorted(OWNED)
    for name, permissive, roles, command, reads, writes in rows:
        assert (permissive, roles, command) == ("PERMISSIVE", ["public"], "ALL"), name
        assert reads == writes, name
        assert "tenant_id = (NULLIF(current_setting('shanmen.tenant'" in reads, name


def test_the_application_role_can_bypass_nothing(db_url: str):
    [row] = owner(
        db_url,
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication "
        f"FROM pg_roles WHERE rolname = '{APP_ROLE}'",
    )
    assert row == (False,) * 5
    owned = owner(
        db_url,
        "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
        f"WHERE r.rolname = '{APP_ROLE}'",
    )
    # An owner could switch row-level security off.
    assert owned == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_application_has_no_more_rights_than_it_needs(db_url: str, name: str):
    rows = owner(
        db_url,
        "SELECT privilege_type FROM information_schema.role_table_grants "
        f"WHERE grantee = '{APP_ROLE}' AND table_name = '{name}'",
    )
    wanted = {"SELECT", "INSERT"}
    if name not in APPEND_ONLY_TABLES:
        wanted |= {"UPDATE", "DELETE"}
    assert {row[0] for row in rows} == wanted


def test_what_must_not_change_is_append_only():
    assert {"audit_log", "ledger_transfer", "order_event"} <= APPEND_ONLY_TABLES
    assert set(TABLES) >= APPEND_ONLY_TABLES


@pytest.mark.parametrize("name", sorted(APPEND_ONLY_TABLES))
@pytest.mark.parametrize("change", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}"])
async def test_append_only_tables_refuse_changes(
    database: Database, park: Park, name: str, change: str
):
    async def tamper(session: Session) -> None:
        await session.execute(text(change.format(name)))

    with pytest.raises(ProgrammingError, match="permission denied"):
        await database.unit(park.tenant_id)(tamper)


async def count_all(session: Session) -> dict[str, int]:
    return {name: await session.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in OWNED}


async def test_without_a_tenant_nothing_is_visible(database: Database, park: Park):
    seen = await database.unit(park.tenant_id)(count_all)
    assert seen["site"] == 1
    assert seen["ticket_type"] == 5
    assert set((await database.unit(None)(count_all)).values()) == {0}


async def test_the_tenant_does_not_outlive_its_transaction(own_url: str):
    # One connection, so that the next transaction gets the one that had a tenant.
    database = open_database(own_url, pool_size=1)
    unit = database.unit(None)

    async def settings(session: Session) -> tuple[int, str | None]:
        return (
            await session.scalar(text("SELECT pg_backend_pid()")) or 0,
            await session.scalar(text("SELECT current_setting('shanmen.tenant', true)")),
        )

    async def become(session: Session) -> None:
        await session.execute(text("SELECT set_config('shanmen.tenant', '1', true)"))

    await unit(become)
    assert (await unit(settings))[1] == ""
    await database.close()


async def test_a_row_cannot_be_given_to_another_tenant(database: Database, park: Park):
    async def give_away(session: Session) -> None:
        await session.execute(text("UPDATE pool SET tenant_id = tenant_id + 1"))

    with pytest.raises(ProgrammingError, match="row-level security"):
        await database.unit(park.tenant_id)(give_away)


async def test_a_role_that_sees_everything_is_refused(own_url: str):
    database = open_database(own_url)
    await check_safe(database)
    await database.close()
    [(login,)] = owner(own_url, "SELECT current_user")
    unsafe = Database(own_url, keyrings=database.keyrings, app_role=login, pool_size=1)
    with pytest.raises(UnsafeRole, match="bypass row-level security"):
        await check_safe(unsafe)
    await unsafe.close()


async def test_a_database_that_answers_commits_too_early_is_refused(own_url: str):
    [(name,)] = owner(own_url, "SELECT current_database()")
    with psycopg.connect(own_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    database = open_database(own_url)
    with pytest.raises(NotDurable, match="synchronous_commit is off"):
        await check_safe(database)
    await database.close()
