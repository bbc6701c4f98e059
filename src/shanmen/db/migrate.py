"""Brings a database to the current schema, as its owner."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from alembic.config import Config

PACKAGED = Path(__file__).parent.parent / "migrations"
CHECKOUT = Path(__file__).parents[3] / "migrations"


def scripts() -> Path:
    """The folder of the migrations: in the package, or in a checkout."""
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


def newest() -> str:
    """The revision that the newest migration leads to; files are named ``<revision>_<what>.py``."""
    return max(path.name.partition("_")[0] for path in (scripts() / "versions").glob("[0-9]*.py"))


def is_current(url: str) -> bool:
    """True when there is nothing to migrate. It costs no import of the migration tool."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if not found or not found[0]:
            return False
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row is not None and row[0] == newest()


def config(*, app_role: str) -> "Config":
    """Alembic's configuration, without a file."""
    from alembic.config import Config  # noqa: PLC0415 - slow to load, and seldom needed

    settings = Config()
    settings.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    settings.attributes["app_role"] = app_role
    return settings


def upgrade(url: str, *, app_role: str, revision: str = "head") -> None:
    """Create the application role if it is missing and run all pending migrations.

    With `revision`, only those that lead to it. One process at a time: an advisory lock makes
    others wait and then find nothing to do.
    """
    if is_current(url):
        return
    from alembic import command  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415

    from shanmen.db.session import sqlalchemy_url  # noqa: PLC0415

    with psycopg.connect(url, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(hashtextextended('shanmen.migrate', 0))")
        ensure_role(guard, app_role)
        settings = config(app_role=app_role)
        engine = create_engine(sqlalchemy_url(url))
        try:
            with engine.begin() as connection:
                settings.attributes["connection"] = connection
                command.upgrade(settings, revision)
        finally:
            engine.dispose()


def ensure_role(connection: psycopg.Connection[tuple[object, ...]], app_role: str) -> None:
    """Create the role that runs the application: it may log in, and bypass nothing."""
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (app_role,)).fetchone()
    if not found:
        try:
            connection.execute(
                f'CREATE ROLE "{app_role}" LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE'
            )
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            return  # Another process made it for another database of the same cluster.
    connection.execute(f'GRANT "{app_role}" TO CURRENT_USER')
