"""What of the history is done, kept in the same transaction as what was done.

Pages of a journal are idempotency keys: a page exists exactly when its transaction was committed.
They are dated far in the future, because keys are forgotten after some weeks and the history is not
to be made twice then either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from shanmen.db.idempotency import key_digest, lookup_statement, remember_statement
from shanmen.db.pipeline import run
from shanmen.db.session import Session
from shanmen.demo.plan import Key

NEVER_FORGOTTEN = datetime(9999, 1, 1, tzinfo=UTC)
SCOPE = "demo.history"
PAGES = 200
"""Read at once; a chapter is a week, which takes about a hundred."""
DONE = -1
OK = 200


class Page(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one transaction did."""

    orders: list[tuple[date, int, str, str]] = []
    """Visit's day, number, and the order's own number and id; empty for one that was refused."""
    changed: list[tuple[date, int]] = []
    """Orders whose refund or move was tried."""
    gates: list[date] = []
    """Days whose scans are complete."""


class Beginning(msgspec.Struct, frozen=True):
    """What was asked for at the first start; later ones go on with it."""

    today: date
    orders: int
    days: int


@dataclass(slots=True)
class Chapter:
    """One week of one history, as far as it is written.

    Args:
        seed: of the history.
        week: the Monday.
    """

    seed: int
    week: date
    orders: dict[Key, tuple[str, str]] = field(default_factory=dict)
    """Number and id of the orders that were tried, both empty where they were refused."""
    changed: set[Key] = field(default_factory=set)
    gates: set[date] = field(default_factory=set)
    written: int = 0

    def key(self, page: int) -> bytes:
        """The key of a page."""
        return key_digest(SCOPE, f"{self.seed}/{self.week}", str(page))

    async def read(self, session: Session) -> None:
        """Read all pages that are there."""
        first = 0
        while True:
            keys = {self.key(page): page for page in range(first, first + PAGES)}
            rows = await _lookup(session, keys)
            for _, _, _, answer in rows:
                self.take(_decode_page(answer))
            self.written = first + len(rows)
            if len(rows) < PAGES:
                return
            first += PAGES

    def take(self, page: Page) -> None:
        """Count a page as written."""
        self.orders.update({(day, n): (number, key) for day, n, number, key in page.orders})
        self.changed.update((day, n) for day, n in page.changed)
        self.gates.update(page.gates)

    async def write(self, session: Session, page: Page) -> None:
        """Write the next page, in the transaction of what it tells."""
        await _remember(session, self.key(self.written), _encode(page))

    def turn(self, page: Page) -> None:
        """Go on to the next page: the transaction is committed."""
        self.written += 1
        self.take(page)

    async def close(self, session: Session) -> None:
        """Note that nothing of this week is missing."""
        await _remember(session, self.key(DONE), b"")


async def closed(session: Session, chapters: Sequence[Chapter]) -> set[date]:
    """The weeks of these chapters that are complete."""
    keys = {chapter.key(DONE): chapter.week for chapter in chapters}
    return {keys[key] for key, *_ in await _lookup(session, keys)}


async def begin(session: Session, *, seed: int, wanted: Beginning) -> Beginning:
    """What this history was begun with; from now on that is `wanted` if it is the first start."""
    key = key_digest(SCOPE, str(seed), "beginning")
    found = await _lookup(session, [key])
    if found:
        return _decode_beginning(found[0][3])
    await _remember(session, key, _encode(wanted))
    return wanted


async def staged(session: Session, *, seed: int, day: date) -> bool:
    """Whether the days after this one have been dressed up for visitors; notes that they are."""
    key = key_digest(SCOPE, f"{seed}/stage", day.isoformat())
    if await _lookup(session, [key]):
        return True
    await _remember(session, key, b"")
    return False


_encode = msgspec.json.Encoder().encode
_decode_page = msgspec.json.Decoder(Page).decode
_decode_beginning = msgspec.json.Decoder(Beginning).decode


async def _lookup(session: Session, keys: Iterable[bytes]) -> list[tuple[Any, ...]]:
    [rows] = await run(session, [lookup_statement(session.tenant_id, keys)])
    return rows


async def _remember(session: Session, key: bytes, answer: bytes) -> None:
    row = (key, key, OK, answer)
    await run(session, [remember_statement(session.tenant_id, [row], now=NEVER_FORGOTTEN)])
