"""The gate's one file: SQLite with a write-ahead log, every commit on the disk before it returns.

Nothing here knows of tickets or admissions; it opens, brings to this version's tables, and turns
what can go wrong with a disk into one sentence. No name, document or telephone number is in the
file in the clear: bodies are sealed under the ticket's own code, documents are marks under a key
that is kept elsewhere (`edge.secrets`).
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE = "gate.sqlite3"

Row = Sequence[Any]

TABLES = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE ticket (
        id BLOB PRIMARY KEY,
        number TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        valid_until INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX ticket_number ON ticket (number);
    CREATE TABLE mark (
        mark BLOB NOT NULL, ticket BLOB NOT NULL, PRIMARY KEY (mark, ticket)
    ) WITHOUT ROWID;
    CREATE TABLE use (
        ticket BLOB PRIMARY KEY,
        generation INTEGER NOT NULL,
        persons INTEGER NOT NULL,
        inside INTEGER NOT NULL,
        day TEXT NOT NULL,
        entered_at INTEGER,
        keep_until INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE intent (
        scan BLOB PRIMARY KEY,
        lane BLOB NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        sensor INTEGER NOT NULL,
        persons INTEGER NOT NULL,
        passed INTEGER NOT NULL,
        body BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX intent_lane ON intent (lane, at);
    CREATE INDEX intent_state ON intent (state);
    CREATE TABLE journal (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE seen (mark BLOB PRIMARY KEY, scan BLOB NOT NULL, at INTEGER NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX seen_scan ON seen (scan);
    CREATE TABLE people (
        lane BLOB NOT NULL, day TEXT NOT NULL, persons INTEGER NOT NULL, PRIMARY KEY (lane, day)
    ) WITHOUT ROWID;
    CREATE TABLE command (
        id BLOB PRIMARY KEY, at INTEGER NOT NULL, told INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
)
"""What each version adds to the one before it; a gate that was off for a year goes through all."""


class StoreBroken(Exception):
    """The store cannot be used; the message is one sentence for whoever stands at the gate."""


def _only_one(path: Path) -> int:
    """Keep a second agent away from the file; the system lets go when this process ends."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreBroken(f"A gate is running in {path.parent} already.") from error
    return lock


def _complete(statements: str) -> Iterator[str]:
    """Single statements: `executescript` would commit what is open."""
    pending = ""
    for line in statements.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


class Store:
    """An open file. One caller at a time, from whichever thread."""

    def __init__(
        self, path: Path, *, look_only: bool = False, tables: Sequence[str] = TABLES
    ) -> None:
        self.path = path
        self._tables = tables
        self._lock = -1
        with self._explained():
            if look_only:
                self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _only_one(path)
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            path.chmod(0o600)
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def _prepare(self) -> None:
        # FULL: a commit returns when the log is on the disk, also where power fails right after.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("PRAGMA cache_size = -16000")
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(str(found))
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(self._tables):
            raise StoreBroken(
                f"{self.path} was written by a later version of Shanmen: install that one again."
            )
        for number, statements in enumerate(self._tables[version:], start=version + 1):
            with self.transaction():
                for statement in _complete(statements):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; what is inside is on the disk when the block is left."""
        with self._explained():
            if self._db.in_transaction:
                # An earlier one could not even be rolled back: nothing of it may be kept.
                self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def all(self, statement: str, values: Row = ()) -> list[tuple[Any, ...]]:
        """Every row."""
        with self._explained():
            return self._db.execute(statement, values).fetchall()

    def one(self, statement: str, values: Row = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        with self._explained():
            row: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
            return row

    def do(self, statement: str, values: Row = ()) -> int:
        """Carry out one statement; returns how many rows it changed."""
        with self._explained():
            return self._db.execute(statement, values).rowcount

    def do_many(self, statement: str, values: Iterable[Row]) -> None:
        """Carry out one statement for each row of values."""
        with self._explained():
            self._db.executemany(statement, values)

    def meta(self, key: str) -> bytes | None:
        """A value that is kept by its name."""
        row = self.one("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else bytes(row[0])

    def set_meta(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it where it is None."""
        if value is None:
            self.do("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self.do("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def shred(self) -> None:
        """After deletions: leave none of the old pages in the file or its log."""
        with self._explained():
            self._db.execute("VACUUM")
        self.tidy_log()

    def tidy_log(self) -> None:
        """Fold the log into the file and empty it: what was overwritten is in neither then."""
        with self._explained():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def progress(self, handler: Callable[[], int] | None, instructions: int) -> None:
        """Have `handler` called every so many steps of SQLite; for tests that pull the plug."""
        self._db.set_progress_handler(handler, instructions)

    def close(self) -> None:
        """Close the file; its log is folded into it."""
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise StoreBroken(explain(error, self.path)) from error


def explain(error: sqlite3.DatabaseError | OSError, path: Path) -> str:
    """One sentence about what is wrong with the file, and what to do."""
    text = str(error).lower()
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or "full" in text or "no space" in text:
        return f"The disk with {path.parent} is full: make room, then start the gate again."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"Another program is using {path}: a gate runs only once."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) or isinstance(error, OSError):
        return f"{path} cannot be written: check who owns the folder, and that its disk is healthy."
    if name.startswith("SQLITE_IOERR"):
        return f"The disk with {path} does not answer as it should: replace it ({error})."
    return (
        f"{path} is damaged: move it aside, keep it for its unsent journal, and enrol the gate"
        f" anew ({error})."
    )
