"""What gates must hear of: which tickets were issued, changed or counted since a mark.

Each transaction that touches tickets adds one row to the feed, with its own transaction id. A mark
is the oldest transaction that a snapshot could not see yet: whatever has that id or a later one may
not have been given, and is given (again) the next time. Nothing is missed, however transactions
overlap; what is given twice does no harm. ``docs/adr/0013-the-gates-feed.md`` says why.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from shanmen.db.pipeline import Statement, array
from shanmen.kit import clock, ids

Rows = Iterable[Sequence[Any]]

AHEAD = timedelta(days=3)
"""Gates hold the tickets of so many days; later ones come as their day comes nearer."""
BEHIND = timedelta(days=1)
"""A ticket that ended is kept for so long, so that a gate can say that it did."""
AHEAD_STEP = timedelta(minutes=30)
"""The horizon moves on in steps of at least this."""
KEEP = timedelta(days=3)
"""Rows of the feed are forgotten after so long."""
OLDEST_MARK = timedelta(days=2)
"""A mark that is older gets everything anew; the day between is for transactions that last."""

ADD = """
INSERT INTO gate_feed (tenant_id, id, at, ticket_ids, counted) VALUES (%s, %s, %s, %s::uuid[], %s)
"""
FORGET = "DELETE FROM gate_feed WHERE tenant_id = %s AND at < %s"

SNAPSHOT = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    (SELECT timeline_id FROM pg_control_checkpoint())
"""

COLUMNS = (
    "id, order_number, seq, ticket_type_id, valid_from, valid_until, party_size, entries, zones, "
    "flags, generation, status, persons_entered, channel, windows::text"
)
_T_COLUMNS = ", ".join(f"t.{name}" for name in COLUMNS.split(", "))

ALL = f"""
SELECT {COLUMNS}, false FROM ticket
WHERE tenant_id = %(tenant)s AND site_id = %(site)s
    AND (valid_until, id) > (%(after_until)s, %(after)s) AND valid_from <= %(ahead)s
ORDER BY valid_until, id LIMIT %(limit)s
"""  # noqa: S608 - our own column names

SINCE = f"""
WITH named AS MATERIALIZED (
    SELECT id, bool_and(counted) AS counted FROM (
        SELECT unnest(ticket_ids) AS id, counted FROM gate_feed
        WHERE tenant_id = %(tenant)s AND xid >= %(xid)s
        UNION ALL
        SELECT id, false FROM ticket
        WHERE tenant_id = %(tenant)s AND site_id = %(site)s
            AND visit_day BETWEEN (%(from_ahead)s::timestamptz)::date - 1
                AND (%(ahead)s::timestamptz)::date + 1
            AND valid_from > %(from_ahead)s AND valid_from <= %(ahead)s
    ) AS every
    WHERE id > %(after)s GROUP BY id ORDER BY id LIMIT %(limit)s
)
SELECT named.id, {_T_COLUMNS}, named.counted AND t.valid_from <= %(from_ahead)s
FROM named LEFT JOIN ticket t ON t.tenant_id = %(tenant)s AND t.id = named.id
    AND t.site_id = %(site)s AND t.valid_until > %(behind)s
    AND (t.valid_from <= %(ahead)s OR t.generation > 0)
ORDER BY named.id
"""  # noqa: S608 - our own column names

HOLDERS = """
SELECT ticket_id, name, document FROM holder
WHERE tenant_id = %s AND ticket_id = ANY(%s::uuid[]) ORDER BY ticket_id, seq
"""

_FIRST_ID = UUID(int=0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Mark(Struct, frozen=True, array_like=True):
    """How far a gate has come. Opaque to gates."""

    timeline: int
    """Of the database: after a restore or a change of server, transaction ids begin anew."""
    at: float
    """When the snapshot was taken, seconds since 1970."""
    xid: int
    """Whatever has this transaction id or a later one may be new."""
    ahead: float
    """Tickets that begin until then are known."""
    all: bool = False
    """In the middle of giving everything."""
    from_xid: int = 0
    """In the middle of giving changes: those since this id."""
    from_ahead: float = 0
    after_until: int = 0
    """Microseconds since 1970: exact, or a page would begin beside its place."""
    after: UUID | None = None
    """The last ticket that was given; None where all are."""

    @property
    def text(self) -> str:
        """As a gate keeps it."""
        return base64.urlsafe_b64encode(_encode(self)).decode()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database says of its transactions."""

    xid: int
    timeline: int


class FeedTicket(NamedTuple):
    """A ticket as the feed gives it. A tuple, because a new gate is given a whole day of them."""

    id: UUID
    order_number: str
    seq: int
    ticket_type_id: UUID
    valid_from: datetime
    valid_until: datetime
    party_size: int
    entries: int
    zones: int
    flags: int
    generation: int
    status: str
    persons_entered: int
    channel: str
    windows: str | None
    """As `zones.windows_from` reads it."""
    counted: bool
    """The gate has it, and nothing changed since but how often it was used."""


@dataclass(frozen=True, slots=True)
class Page:
    """What to read for one answer, and the mark while it is not finished."""

    statement: Statement
    mark: Mark
    first: bool
    """Nothing of it was given before."""
    limit: int


def add_statement(
    tenant_id: int, ticket_ids: Iterable[UUID], *, counted: bool = False
) -> Statement:
    """Tell gates of these tickets: one row for all that a transaction touches.

    `counted` says that nothing of them changed but how often they were used.
    """
    named = array(set(ticket_ids))
    return Statement(ADD, (tenant_id, ids.new_id(), clock.now(), named, counted))


def forget_statement(tenant_id: int) -> Statement:
    """Drop rows that no mark asks for any more."""
    return Statement(FORGET, (tenant_id, clock.now() - KEEP))


def read_mark(text: str) -> Mark | None:
    """The mark that a gate kept; None where it is none of ours."""
    try:
        return _decode(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        return None


def snapshot(rows: Sequence[Sequence[Any]]) -> Snapshot:
    """What `SNAPSHOT` returned."""
    return Snapshot(*rows[0])


def page(tenant_id: int, site_id: UUID, *, mark: Mark | None, seen: Snapshot, limit: int) -> Page:
    """What to read next for a gate that came as far as `mark`.

    `seen` must have been read earlier in the same transaction: what it could not see yet is given
    the next time.
    """
    now = clock.now()
    mark = _usable(mark, seen, now)
    if mark is None:
        ahead = (now + AHEAD).timestamp()
        fresh = Mark(seen.timeline, now.timestamp(), seen.xid, ahead, all=True)
        start = msgspec.structs.replace(fresh, after_until=_micros(now - BEHIND), after=_FIRST_ID)
        return Page(_all(tenant_id, site_id, start, limit), start, first=True, limit=limit)
    if mark.all:
        return Page(_all(tenant_id, site_id, mark, limit), mark, first=False, limit=limit)
    first = mark.after is None
    if first:
        ahead = (now + AHEAD).timestamp()
        ahead = ahead if ahead - mark.ahead >= AHEAD_STEP.total_seconds() else mark.ahead
        mark = Mark(
            seen.timeline, now.timestamp(), seen.xid, ahead,
            from_xid=mark.xid, from_ahead=mark.ahead, after=_FIRST_ID,
        )  # fmt: skip
    return Page(_since(tenant_id, site_id, mark, limit, now), mark, first=first, limit=limit)


def read_page(asked: Page, rows: Sequence[Sequence[Any]]) -> tuple[list[FeedTicket], Mark, bool]:
    """The tickets of a page, the mark after it, and whether more follow."""
    mark, more = asked.mark, len(rows) == asked.limit
    if mark.all:
        tickets = [FeedTicket._make(row) for row in rows]
        if more:
            last = tickets[-1]
            mark = msgspec.structs.replace(
                mark, after_until=_micros(last.valid_until), after=last.id
            )
    else:
        tickets = [FeedTicket._make(row[1:]) for row in rows if row[1] is not None]
        if more:
            mark = msgspec.structs.replace(mark, after=rows[-1][0])
    if not more:
        mark = Mark(mark.timeline, mark.at, mark.xid, mark.ahead)
    return tickets, mark, more


def holders_statement(tenant_id: int, ticket_ids: Iterable[UUID]) -> Statement:
    """Who the tickets are made out to; rows: ticket, name and document, both encrypted."""
    return Statement(HOLDERS, (tenant_id, array(ticket_ids)))


def _usable(mark: Mark | None, seen: Snapshot, now: datetime) -> Mark | None:
    """The mark, unless changes since then may be forgotten, or were made in another history."""
    if mark is None or mark.timeline != seen.timeline or mark.xid > seen.xid:
        return None
    age = now.timestamp() - mark.at
    return mark if age <= OLDEST_MARK.total_seconds() else None


def _all(tenant_id: int, site_id: UUID, mark: Mark, limit: int) -> Statement:
    return Statement(
        ALL,
        {
            "tenant": tenant_id,
            "site": site_id,
            "after_until": _EPOCH + mark.after_until * _MICROSECOND,
            "after": mark.after,
            "ahead": _instant(mark.ahead),
            "limit": limit,
        },
    )


def _since(tenant_id: int, site_id: UUID, mark: Mark, limit: int, now: datetime) -> Statement:
    return Statement(
        SINCE,
        {
            "tenant": tenant_id,
            "site": site_id,
            "xid": mark.from_xid,
            "from_ahead": _instant(mark.from_ahead),
            "ahead": _instant(mark.ahead),
            "behind": now - BEHIND,
            "after": mark.after,
            "limit": limit,
        },
    )


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Mark).decode
