"""Migrations lead to exactly the tables that the models describe."""

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, make_url

from shanmen.db import migrate
from shanmen.db.session import sqlalchemy_url
from shanmen.kit import ids
from shanmen.wiring import metadata
from tests.conftest import APP_ROLE, Cluster


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


def test_tickets_from_before_open_their_zones_with_the_visit(cluster: Cluster):
    name = f"earlier_{ids.new_id().hex[-8:]}"
    execute(cluster.admin_url, f"CREATE DATABASE {name}")
    url = cluster.url(name)
    try:
        migrate.upgrade(url, app_role=APP_ROLE, revision="0008")
        execute(
            url,
            """
            SET session_replication_role = replica;
            INSERT INTO pool (tenant_id, id, site_id, name)
            SELECT n, md5('pool' || n)::uuid, md5('site' || n)::uuid, '{}'
            FROM generate_series(1, 3) n;
            INSERT INTO ticket (tenant_id, id, order_id, order_number, seq, site_id, ticket_type_id,
              slot_id, visit_day, valid_from, valid_until, party_size, entries, zones, issued_at)
            SELECT n, md5('ticket' || n)::uuid, md5('order' || n)::uuid, 'x', 0,
              md5('site' || n)::uuid, md5('type')::uuid, md5('slot')::uuid, '2026-05-01',
              '2026-05-01 08:00Z', '2026-05-01 10:00Z', 1, 1, 3, now()
            FROM generate_series(1, 3) n
            """,
        )
        migrate.upgrade(url, app_role=APP_ROLE)
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT (SELECT count(*) FROM ticket WHERE windows IS NULL),"
                " (SELECT count(*) FROM pool WHERE zone_id IS NULL)"
            ).fetchone()
        assert rows == (3, 3)
    finally:
        cluster.drop(name)


def test_counters_from_before_learn_the_day_of_their_slot(cluster: Cluster):
    """Also for an owner who is bound by row-level security, as most are."""
    name = f"earlier_{ids.new_id().hex[-8:]}"
    owner = f"{name}_owner"
    execute(cluster.admin_url, f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'earlier'")
    execute(cluster.admin_url, f'GRANT "{APP_ROLE}" TO {owner} WITH ADMIN OPTION')
    execute(cluster.admin_url, f"CREATE DATABASE {name} OWNER {owner}")
    url = make_url(cluster.url(name)).set(username=owner, password="earlier")
    theirs = url.render_as_string(hide_password=False)
    try:
        migrate.upgrade(theirs, app_role=APP_ROLE, revision="0002")
        execute(
            cluster.url(name),
            """
            SET session_replication_role = replica;
            INSERT INTO slot (tenant_id, id, pool_id, day, starts, ends, starts_at, ends_at)
            SELECT n, md5('slot' || n)::uuid, md5('pool' || n)::uuid, '2026-05-01'::date + n,
              '08:00', '10:00', '2026-05-01 08:00Z', '2026-05-01 10:00Z'
            FROM generate_series(1, 3) n;
            INSERT INTO stock (tenant_id, id, slot_id, scope, ref, capacity)
            SELECT n, md5(scope || n)::uuid, md5('slot' || n)::uuid, scope, scope, 10
            FROM generate_series(1, 3) n, unnest(ARRAY['slot', 'type']) scope
            """,
        )
        migrate.upgrade(theirs, app_role=APP_ROLE)
        with psycopg.connect(cluster.url(name)) as connection:
            rows = connection.execute(
                "SELECT count(*), bool_and(k.day = s.day AND k.pool_id = s.pool_id) "
                "FROM stock k JOIN slot s ON s.tenant_id = k.tenant_id AND s.id = k.slot_id"
            ).fetchall()
            forced = connection.execute(
                "SELECT bool_and(relforcerowsecurity) FROM pg_class "
                "WHERE relname IN ('slot', 'stock')"
            ).fetchone()
        assert rows == [(6, True)]
        assert forced == (True,)
    finally:
        cluster.drop(name)
        execute(cluster.admin_url, f"DROP OWNED BY {owner}; DROP ROLE {owner}")
