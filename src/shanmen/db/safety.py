"""What must be true of a database before anything is sold over it."""

import logging

from sqlalchemy import text

from shanmen.db.session import Database

log = logging.getLogger(__name__)

ABOUT = text("""
SELECT rolname, rolsuper OR rolbypassrls, current_setting('synchronous_commit'),
    current_setting('fsync')
FROM pg_roles WHERE rolname = current_user
""")


class UnsafeRole(RuntimeError):
    """The server was about to run as a role that could see all tenants."""


class NotDurable(RuntimeError):
    """The server was about to acknowledge orders that a power cut would take back."""


async def check_safe(database: Database) -> None:
    """Refuse to run where tenants are not kept apart, or a commit is answered too early.

    With `fsync` off, which is of the whole database server and never its default, a power cut may
    destroy everything: the log says so, for somebody may have meant it.

    Raises:
        UnsafeRole: row-level security does not bind the role.
        NotDurable: `synchronous_commit` is off.
    """
    async with database.engine.connect() as connection:
        role, bypasses, synchronous, fsync = (await connection.execute(ABOUT)).one()
    if bypasses:
        msg = (
            f"The database role {role!r} can bypass row-level security; "
            f"run as {database.app_role!r}."
        )
        raise UnsafeRole(msg)
    if synchronous == "off":
        msg = (
            "The database answers a commit before it is on the disk (synchronous_commit is off), "
            "so that orders could be lost that buyers were told of: switch it on for this "
            "database and its roles."
        )
        raise NotDurable(msg)
    if fsync == "off":
        log.warning("fsync is off: a power cut may destroy this database")
