"""What every benchmark stands on: a durable PostgreSQL, a migrated database, web processes.

The PostgreSQL is the embedded one with the product's own configuration. Its folder is kept between
runs, so that large data sets are built once; all other databases are dropped at the end.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench.processes import Processes, free_port, tree_cpu_seconds
from shanmen.app import open_database
from shanmen.db import migrate
from shanmen.db.embedded import EmbeddedDatabase
from shanmen.db.outbox import install_subscribers
from shanmen.db.session import Database
from shanmen.kit import ids
from shanmen.kit.crypto import MasterKeys
from shanmen.kit.settings import Settings
from shanmen.wiring import SUBSCRIBERS

R = TypeVar("R")
Connection = psycopg.Connection[tuple[Any, ...]]

DURABLE = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
TUNED = ("shared_buffers", "max_wal_size", "checkpoint_timeout", "jit", "data_checksums")
MAX_CONNECTIONS = 300
PROCESSES = Settings().processes
"""Web processes, as the product itself starts them."""
SCHEMA = """
SELECT format('%s.%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    a.attnotnull)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
ORDER BY 1
"""


class NotDurable(RuntimeError):
    """The server would lose acknowledged orders in a power cut: its figures mean nothing."""


@dataclass(slots=True)
class Asked:
    """What the command line asked for."""

    seconds: float = 10.0
    rows: int = 0
    """Most orders of the large data sets; 0 is what each benchmark takes by itself."""
    processes: int = 0
    """Web processes; 0 is what each benchmark takes by itself."""
    connections: int = 0
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "shanmen-bench")


class Rig:
    """A running PostgreSQL and the settings to serve over it.

    Args:
        asked: what the command line said.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.folder = asked.folder
        self.data_dir = self.folder / "data"
        self.postgres = EmbeddedDatabase(
            self.folder / "postgres", conf=f"max_connections = {MAX_CONNECTIONS}\n"
        )
        self._made: list[str] = []
        self._schema: str | None = None

    def __enter__(self) -> Self:
        """Start PostgreSQL."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data_dir.mkdir(exist_ok=True)
        self.postgres.start()
        install_subscribers(SUBSCRIBERS)
        self.masters = MasterKeys.load(self.data_dir / "master.key", create=True)
        self.check_durable()
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what is not kept, and stop PostgreSQL."""
        for name in self._made:
            self.drop(name)
        self.postgres.stop()

    def connect(self, name: str = "postgres") -> Connection:
        """A connection as the owner, who is bound by no row-level security."""
        return psycopg.connect(self.url(name), autocommit=True)

    def url(self, name: str) -> str:
        """The owner's address of a database of this server."""
        parts = urlsplit(self.postgres.uri)
        return urlunsplit(parts._replace(path=f"/{name}"))

    def settings_of_server(self) -> dict[str, str]:
        """What the server says of itself."""
        with self.connect() as connection:
            return {
                name: str(connection.execute(f"SHOW {name}").fetchone()[0])  # type: ignore[index] # A setting always has a value.
                for name in (*DURABLE, *TUNED, "server_version")
            }

    def check_durable(self) -> None:
        """Raise NotDurable unless a commit is on the disk before it is answered."""
        found = self.settings_of_server()
        off = [name for name in DURABLE[:3] if found[name] != "on"]
        if off:
            raise NotDurable(", ".join(off))
        kind = filesystem(self.folder)
        if kind in {"tmpfs", "ramfs"}:
            msg = f"{self.folder} is in memory ({kind}); name another with --folder"
            raise NotDurable(msg)

    def exists(self, name: str) -> bool:
        """Whether there is such a database."""
        with self.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return found.fetchone() is not None

    def create(self, name: str) -> None:
        """Make a migrated database."""
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate.upgrade(self.url(name), app_role="shanmen_app")

    def rename(self, name: str, to: str) -> None:
        """Give a database its final name: it is complete."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(name), sql.Identifier(to)
                )
            )

    def schema(self) -> str:
        """Every column, index and constraint of a migrated database, as a text."""
        if self._schema is None:
            name = self.fresh("schema")
            with self.connect(name) as connection:
                self._schema = "\n".join(row[0] for row in connection.execute(SCHEMA))
            self.drop(name)
        return self._schema

    def drop(self, name: str) -> None:
        """Remove a database."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def drop_kept(self) -> None:
        """Remove the data sets that were kept."""
        with self.connect() as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'bench\\_%'"
            ).fetchall()
        for (name,) in names:
            self.drop(name)

    def fresh(self, what: str) -> str:
        """Make a database for this run; returns its name."""
        name = f"bench_{what.replace('-', '_')}_{ids.new_id().hex[-8:]}"
        self.create(name)
        self._made.append(name)
        return name

    def settings(self, name: str, *, processes: int = PROCESSES) -> Settings:
        """The product's settings over a database; everything else is its default."""
        return Settings(
            data_dir=self.data_dir,
            database_url=self.url(name),
            port=free_port(),
            sandbox_pay_port=free_port(),
            processes=processes,
            log_level="warning",
            hold_seconds=86_400,
        )

    def processes(self, default: int) -> int:
        """How many web processes: as asked for, else as the benchmark takes."""
        return self.asked.processes or default

    def serve(self, name: str, *, processes: int = PROCESSES) -> Processes:
        """Web processes over a database, to be entered."""
        return Processes(self.settings(name, processes=self.processes(processes)))

    def inside(self, name: str, work: Callable[[Database], Awaitable[R]]) -> R:
        """Run something in the product's own services, as its application role."""

        async def run() -> R:
            database = open_database(self.settings(name), self.masters)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())

    def checkpoint(self, name: str) -> None:
        """Bring statistics and visibility up to date, and the disk to rest, before a run."""
        with self.connect(name) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def postgres_cpu_seconds(self) -> float:
        """Processor time of PostgreSQL so far."""
        return tree_cpu_seconds(self.postgres.pid or 0)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for files of one run."""
        made = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def filesystem(folder: Path) -> str:
    """The kind of file system that a folder is on, where Linux tells; else empty."""
    try:
        lines = Path("/proc/mounts").read_text("utf-8").splitlines()
    except OSError:
        return ""
    mounts = [line.split()[1:3] for line in lines]
    path = str(folder.resolve())
    fitting = [
        (point, kind)
        for point, kind in mounts
        if path == point or path.startswith(point.rstrip("/") + "/")
    ]
    return max(fitting, default=("", ""), key=lambda found: len(found[0]))[1]
