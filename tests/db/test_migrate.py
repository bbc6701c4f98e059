"""Migrations lead to exactly the tables that the models describe."""

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine

from shanmen.db import migrate
from shanmen.db.session import sqlalchemy_url
from shanmen.wiring import metadata
from tests.conftest import APP_ROLE


def differences(url: str) -> list:
    def ours(name: str | None, kind: str, _: object) -> bool:
        return not (kind == "table" and str(name).startswith(("procrastinate", "alembic")))

    engine = create_engine(sqlalchemy_url(url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_name": ours,
                    "compare_type": True,
                    "compare_server_default": True,
                },
            )
            return list(compare_metadata(context, metadata()))
    finally:
        engine.dispose()


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)


def test_the_migrated_tables_are_those_of_the_models(db_url: str):
    assert differences(db_url) == []


def test_a_table_that_differs_is_noticed(own_url: str):
    execute(own_url, "ALTER TABLE pool DROP COLUMN position")
    execute(own_url, "ALTER TABLE slot ALTER COLUMN status DROP DEFAULT")
    assert len(differences(own_url)) == 2


def checks(url: str) -> dict[str, set[str]]:
    """The names of the CHECK constraints by table."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint "
            "WHERE contype = 'c' AND connamespace = 'public'::regnamespace "
            "AND conrelid::regclass::text NOT LIKE 'procrastinate%'"
        ).fetchall()
    found: dict[str, set[str]] = {}
    for table, name in rows:
        found.setdefault(table, set()).add(name)
    return found


def test_all_checks_are_there(db_url: str):
    """Alembic does not compare CHECK constraints; the last guard against overselling is one."""
    wanted: dict[str, set[str]] = {}
    for table in metadata().sorted_tables:
        names = {
            str(constraint.name)
            for constraint in table.constraints
            if isinstance(constraint, CheckConstraint)
        }
        if names:
            wanted[table.name] = names
    found = {table: names for table, names in checks(db_url).items() if table in wanted}
    assert found == wanted
    assert "ck_stock_no_oversell" in found["stock"]


def test_a_migrated_database_has_nothing_to_migrate(own_url: str):
    assert migrate.is_current(own_url)
    migrate.upgrade(own_url, app_role=APP_ROLE)
    assert migrate.is_current(own_url)


def test_the_newest_migration_is_the_only_end():
    names = [path.name for path in (migrate.scripts() / "versions").glob("[0-9]*.py")]
    assert len({name.partition("_")[0] for name in names}) == len(names)
    assert migrate.newest() == max(names).partition("_")[0]
