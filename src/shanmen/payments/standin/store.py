"""The stand-in's memory: one SQLite file, held by one process.

Every method is one short transaction on the event loop's own thread: a statement takes
microseconds, less than a hop to another thread would. What is committed survives a killed process.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from shanmen.payments.providers.sandbox_wire import RefundStatus, TradeState


class AlreadyRunning(RuntimeError):
    """Another process has this folder's state open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTransaction:
    """A row of ``transactions``."""

    out_trade_no: str
    transaction_id: str
    request: bytes
    amount_fen: int
    state: str
    expire_at: float
    created_at: float
    paid_at: float | None = None
    paid_fen: int = 0
    refunded_fen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefund:
    """A row of ``refunds``."""

    out_refund_no: str
    refund_id: str
    out_trade_no: str
    request: bytes
    amount_fen: int
    status: str
    outcome: str
    created_at: float
    due_at: float | None = None
    finished_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A row of ``events``."""

    id: str
    event_type: str
    out_trade_no: str
    out_refund_no: str | None
    notify_url: str
    body: bytes
    manner: str
    created_at: float
    attempts: int = 0
    next_at: float | None = None
    taken_at: float | None = None
    last_answer: str = ""


class Store:
    """Reads and writes; ``with store.writing():`` makes several writes one."""

    def __init__(self, path: Path) -> None:
        """Open the file; raises AlreadyRunning where another process has it."""
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=1)
        self._connection.row_factory = sqlite3.Row
        try:
            # Exclusive: two stand-ins on one file would each repeat the other's callbacks.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
            self._connection.executescript(schema)
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise AlreadyRunning(f"Another stand-in is using {path}.") from error
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the writes inside the block one transaction; nothing in it may await."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # --- transactions ---

    def transaction(self, out_trade_no: str) -> StoredTransaction | None:
        """Find a transaction by the merchant's number."""
        return self._one_transaction("out_trade_no = ?", out_trade_no)

    def transaction_by_id(self, transaction_id: str) -> StoredTransaction | None:
        """Find a transaction by the provider's number."""
        return self._one_transaction("transaction_id = ?", transaction_id)

    def add_transaction(self, row: StoredTransaction) -> None:
        """Keep a new transaction."""
        self._connection.execute(
            "INSERT INTO transactions (out_trade_no, transaction_id, request, amount_fen, state,"
            " expire_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                row.out_trade_no,
                row.transaction_id,
                row.request,
                row.amount_fen,
                row.state,
                row.expire_at,
                row.created_at,
            ),
        )

    def set_paid(self, out_trade_no: str, *, paid_fen: int, at: float) -> None:
        """Mark a transaction as paid."""
        self._connection.execute(
            "UPDATE transactions SET state = 'SUCCESS', paid_at = ?, paid_fen = ?"
            " WHERE out_trade_no = ?",
            (at, paid_fen, out_trade_no),
        )

    def set_state(self, out_trade_no: str, state: TradeState) -> None:
        """Close a transaction, or mark it as failed."""
        self._connection.execute(
            "UPDATE transactions SET state = ? WHERE out_trade_no = ?", (state, out_trade_no)
        )

    def expired(self, now: float, limit: int) -> list[StoredTransaction]:
        """List open transactions whose time is over."""
        rows = self._connection.execute(
            "SELECT * FROM transactions WHERE state = 'NOTPAY' AND expire_at <= ?"
            " ORDER BY expire_at LIMIT ?",
            (now, limit),
        )
        return [StoredTransaction(**row) for row in rows]

    def paid_between(self, start: float, end: float) -> list[StoredTransaction]:
        """List transactions paid from ``start`` until before ``end``."""
        rows = self._connection.execute(
            "SELECT * FROM transactions WHERE paid_at >= ? AND paid_at < ?"
            " ORDER BY paid_at, out_trade_no",
            (start, end),
        )
        return [StoredTransaction(**row) for row in rows]

    # --- refunds ---

    def refund(self, out_refund_no: str) -> StoredRefund | None:
        """Find a refund by the merchant's number."""
        row = self._connection.execute(
            "SELECT * FROM refunds WHERE out_refund_no = ?", (out_refund_no,)
        ).fetchone()
        return StoredRefund(**row) if row else None

    def add_refund(self, row: StoredRefund) -> None:
        """Keep a new refund and count it against its transaction."""
        self._connection.execute(
            "INSERT INTO refunds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.out_refund_no,
                row.refund_id,
                row.out_trade_no,
                row.request,
                row.amount_fen,
                row.status,
                row.outcome,
                row.created_at,
                row.due_at,
                row.finished_at,
            ),
        )
        if row.status != RefundStatus.ABNORMAL:
            self._count_refund(row.out_trade_no, row.amount_fen)

    def finish_refund(self, row: StoredRefund, status: RefundStatus, *, at: float) -> None:
        """End a refund in process; one that failed no longer counts against its transaction."""
        self._connection.execute(
            "UPDATE refunds SET status = ?, finished_at = ?, due_at = NULL WHERE out_refund_no = ?",
            (status, at, row.out_refund_no),
        )
        if status is RefundStatus.ABNORMAL:
            self._count_refund(row.out_trade_no, -row.amount_fen)

    def due_refunds(self, now: float, limit: int) -> list[StoredRefund]:
        """List refunds in process whose time has come."""
        rows = self._connection.execute(
            "SELECT * FROM refunds WHERE due_at <= ? ORDER BY due_at LIMIT ?", (now, limit)
        )
        return [StoredRefund(**row) for row in rows]

    def refunded_between(self, start: float, end: float) -> list[StoredRefund]:
        """List refunds that succeeded from ``start`` until before ``end``."""
        rows = self._connection.execute(
            "SELECT * FROM refunds WHERE status = 'SUCCESS' AND finished_at >= ?"
            " AND finished_at < ? ORDER BY finished_at, out_refund_no",
            (start, end),
        )
        return [StoredRefund(**row) for row in rows]

    # --- events ---

    def add_event(self, row: StoredEvent) -> None:
        """Keep an event; it is sent when ``next_at`` has come."""
        self._connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.id,
                row.event_type,
                row.out_trade_no,
                row.out_refund_no,
                row.notify_url,
                row.body,
                row.manner,
                row.created_at,
                row.attempts,
                row.next_at,
                row.taken_at,
                row.last_answer,
            ),
        )

    def event(self, event_id: str) -> StoredEvent | None:
        """Find an event."""
        row = self._connection.execute("SELECT * FROM events WHERE id = ?", (event_id,)).fetchone()
        return StoredEvent(**row) if row else None

    def events_of(self, out_trade_no: str) -> list[StoredEvent]:
        """List a transaction's events, oldest first."""
        rows = self._connection.execute(
            "SELECT * FROM events WHERE out_trade_no = ? ORDER BY created_at, rowid",
            (out_trade_no,),
        )
        return [StoredEvent(**row) for row in rows]

    def due_events(self, now: float, limit: int, *, leave_out: Sequence[str]) -> list[StoredEvent]:
        """List events to send now, but for those under way."""
        rows = self._connection.execute(
            "SELECT * FROM events WHERE next_at <= ? ORDER BY next_at LIMIT ?",
            (now, limit + len(leave_out)),
        )
        busy = set(leave_out)
        return [event for row in rows if (event := StoredEvent(**row)).id not in busy][:limit]

    def note_attempt(
        self, event_id: str, *, answer: str, next_at: float | None, taken_at: float | None
    ) -> None:
        """Keep how an attempt to send an event went."""
        self._connection.execute(
            "UPDATE events SET attempts = attempts + 1, last_answer = ?, next_at = ?,"
            " taken_at = coalesce(taken_at, ?) WHERE id = ?",
            (answer, next_at, taken_at, event_id),
        )

    def reset_event(self, row: StoredEvent) -> None:
        """Have an event sent anew, in a manner that may be another."""
        self._connection.execute(
            "UPDATE events SET manner = ?, attempts = 0, next_at = ?, taken_at = NULL,"
            " last_answer = '' WHERE id = ?",
            (row.manner, row.next_at, row.id),
        )

    def next_due(self, now: float) -> float | None:
        """Tell when, after now, something is next to be done by itself."""
        row = self._connection.execute(
            "SELECT min(at) AS at FROM ("
            "SELECT min(next_at) AS at FROM events WHERE next_at > :now"
            " UNION ALL SELECT min(due_at) FROM refunds WHERE due_at > :now"
            " UNION ALL SELECT min(expire_at) FROM transactions"
            " WHERE state = 'NOTPAY' AND expire_at > :now)",
            {"now": now},
        ).fetchone()
        at: float | None = row["at"]
        return at

    # --- settings ---

    def setting(self, name: str) -> bytes | None:
        """Read a setting."""
        row = self._connection.execute(
            "SELECT value FROM settings WHERE name = ?", (name,)
        ).fetchone()
        return bytes(row["value"]) if row else None

    def set_setting(self, name: str, value: bytes) -> None:
        """Write a setting."""
        self._connection.execute(
            "INSERT INTO settings VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def _one_transaction(self, condition: str, value: str) -> StoredTransaction | None:
        row = self._connection.execute(
            f"SELECT * FROM transactions WHERE {condition}",  # noqa: S608 - ours, from above.
            (value,),
        ).fetchone()
        return StoredTransaction(**row) if row else None

    def _count_refund(self, out_trade_no: str, amount_fen: int) -> None:
        self._connection.execute(
            "UPDATE transactions SET refunded_fen = refunded_fen + ? WHERE out_trade_no = ?",
            (amount_fen, out_trade_no),
        )
