"""Brings a database to the current schema, as its owner."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from shanmen.db.session import sqlalchemy_url

PACKAGED = Path(__file__).parent.parent / "migrations"
CHECKOUT = Path(__file__).parents[3] / "migrations"


def config(url: str, *, app_role: str) -> Config:
    """Alembic's configuration, without a file."""
    settings = Config()
    settings.set_main_option(
        "script_location", str(PACKAGED if PACKAGED.is_dir() else CHECKOUT).replace("%", "%%")
    )
    settings.attributes["app_role"] = app_role
    settings.attributes["url"] = sqlalchemy_url(url)
    return settings


def upgrade(url: str, *, app_role: str) -> None:
    """Create the application role if it is missing and run all pending migrations.

    One process at a time: an advisory lock makes others wait and then find nothing to do.
    """
    with psycopg.connect(url, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(hashtextextended('shanmen.migrate', 0))")
        ensure_role(guard, app_role)
        settings = config(url, app_role=app_role)
        engine = create_engine(settings.attributes["url"])
        try:
            with engine.begin() as connection:
                settings.attributes["connection"] = connection
                command.upgrade(settings, "head")
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
