"""Documents that may not book for a while, as staff see them: masked."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.orders.queries.order import masked_visitor
from shanmen.orders.schemas import VisitorView
from shanmen.tickets.gate import document_indexes

MOST: Final = 100
LIST: Final = """
SELECT r.id, r.scope, r.no_shows, r.last_day, r.until_day, r.lifted_at, r.lifted_by, r.reason,
       h.name, h.document_kind, h.document, h.order_id
FROM restriction r
LEFT JOIN holder h ON h.tenant_id = r.tenant_id AND h.ticket_id = r.ticket_id AND h.seq = r.seq
WHERE r.tenant_id = :tenant AND r.until_day >= :today
"""


@dataclass(frozen=True, slots=True)
class RestrictionRow:
    """A document that may not book, with the latest person who had it, masked."""

    id: UUID
    products: tuple[dict[str, str], ...]
    """The names of what it may not book."""
    no_shows: int
    last_day: date
    until_day: date
    lifted_at: datetime | None
    lifted_by: str
    reason: str
    visitor: VisitorView | None
    """None: the order is not kept any more."""
    order_id: UUID | None
    """The order that nobody came with."""


@dataclass(frozen=True, slots=True)
class RestrictionPage:
    """Restrictions, those that last longest first, and where the next page begins."""

    rows: tuple[RestrictionRow, ...]
    following: str | None


async def restrictions(
    session: Session, *, document: str = "", after: str | None = None, limit: int = 50
) -> RestrictionPage:
    """Who may not book now; of one document also what was lifted.

    Args:
        document: the number of a document, of any kind; empty is all.
        after: `following` of the page before.
    """
    limit = min(max(limit, 1), MOST)
    params: dict[str, Any] = {
        "tenant": session.tenant_id,
        "today": clock.now().date(),
        "limit": limit + 1,
    }
    sql = LIST
    if document.strip():
        params["documents"] = list(document_indexes(document.strip(), keyring=session.keyring))
        sql += " AND r.document_index = ANY(:documents)"
    else:
        sql += " AND r.lifted_at IS NULL"
    if (begin := _read_cursor(after)) is not None:
        params["until"], params["after"] = begin
        sql += " AND (r.until_day, r.id) < (:until, :after)"
    sql += " ORDER BY r.until_day DESC, r.id DESC LIMIT :limit"
    rows = (await session.execute(text(sql), params)).all()
    catalog = await current_catalog(session)
    names: dict[str, list[dict[str, str]]] = {}
    for kind in sorted(catalog.types.values(), key=lambda k: (k.position, k.number)):
        if kind.limits.no_shows.enabled:
            names.setdefault(kind.scope, []).append(kind.name)
    shown = tuple(
        RestrictionRow(
            row.id,
            tuple(names.get(row.scope, ())),
            row.no_shows,
            row.last_day,
            row.until_day,
            row.lifted_at,
            row.lifted_by,
            row.reason,
            masked_visitor(session.keyring, row.name, row.document_kind, row.document)
            if row.name is not None
            else None,
            row.order_id,
        )
        for row in rows[:limit]
    )
    following = None
    if len(rows) > limit:
        following = f"{shown[-1].until_day.isoformat()}_{shown[-1].id.hex}"
    return RestrictionPage(shown, following)


def _read_cursor(value: str | None) -> tuple[date, UUID] | None:
    if not value:
        return None
    until, _, key = value.partition("_")
    try:
        return date.fromisoformat(until), UUID(hex=key)
    except ValueError:
        return None
