"""Finding orders by whatever somebody has of them, and listing the latest.

Everything is found by an index, so that it takes as long among a million orders as among ten.
Names, documents and telephone numbers are stored encrypted and found by their blind indexes.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from shanmen.db.session import Session
from shanmen.kit import ids, phones
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import DomainError
from shanmen.orders.rules import clean_name
from shanmen.tickets import token
from shanmen.tickets.gate import document_indexes
from shanmen.tickets.keys import public_keys

MOST: Final = 100
"""Orders of one answer."""
_NUMBER_CHARS: Final = 16

COLUMNS: Final = """
SELECT o.id, o.number, o.site_id, o.channel, o.status, o.visit_day, o.phone, o.amount_fen,
       o.refunded_fen, o.persons, o.created_at, o.hold_expires_at
FROM orders o
WHERE o.tenant_id = :tenant
"""
# Each way of finding is a branch of its own with its own index. Ids are in order of time, so the
# largest are the latest.
FOUND: Final = {
    "number": "SELECT id FROM orders WHERE tenant_id = :tenant AND number = :number",
    "id": "SELECT id FROM orders WHERE tenant_id = :tenant AND id = :id",
    "ticket": "SELECT order_id FROM holder WHERE tenant_id = :tenant AND ticket_id = :id "
    "UNION SELECT order_id FROM ticket WHERE tenant_id = :tenant AND id = :id",
    "phone": "(SELECT id FROM orders WHERE tenant_id = :tenant AND phone_index = :phone "
    "ORDER BY id DESC LIMIT :most)",
    "document": "(SELECT order_id FROM holder WHERE tenant_id = :tenant "
    "AND document_index = ANY(:documents) ORDER BY order_id DESC LIMIT :most)",
    "name": "(SELECT order_id FROM holder WHERE tenant_id = :tenant AND name_index = :name "
    "ORDER BY order_id DESC LIMIT :most)",
}


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a list."""

    id: UUID
    number: str
    site_id: UUID
    channel: str
    status: str
    visit_day: date
    phone: str
    """Masked."""
    amount_fen: int
    refunded_fen: int
    persons: int
    created_at: datetime
    hold_expires_at: datetime


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; what is left out does not restrict.

    `text` is a number, a telephone number, a name in full, the number of a document, an id of an
    order or ticket, or what a ticket's QR code says.
    """

    text: str = ""
    status: str = ""
    visit_day: date | None = None
    site_id: UUID | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders, the latest first, and where the next page begins; None: there is none."""

    rows: tuple[OrderRow, ...]
    following: str | None


def wanted(keyring: Keyring, text_: str) -> dict[str, object]:
    """What a text may stand for, as the parameters of the branches that look for it."""
    typed = text_.strip()
    found: dict[str, object] = {}
    if not typed:
        return found
    if (ticket_id := _ticket_of(keyring, typed)) is not None:
        return {"ticket": ticket_id}
    try:
        found["id"] = found["ticket"] = UUID(typed)
    except ValueError:
        number = ids.normalise(typed)
        # A ticket's short number is the order's with the ticket's behind it.
        if len(number) >= _NUMBER_CHARS and number.isascii() and number.isalnum():
            found["number"] = number[:_NUMBER_CHARS]
        with suppress(DomainError):
            found["phone"] = keyring.blind_index(phones.normalise(typed), purpose="phone")
        if documents := document_indexes(typed, keyring=keyring):
            found["document"] = list(documents)
        with suppress(DomainError):
            found["name"] = keyring.blind_index(clean_name(typed, path="text"), purpose="name")
    return found


def _ticket_of(keyring: Keyring, typed: str) -> UUID | None:
    if not token.looks_like_token(typed):
        return None
    try:
        return token.verify(typed, public_keys(keyring)).ticket_id
    except DomainError:
        return None


async def search_orders(
    session: Session, *, where: OrderFilter, after: str | None = None, limit: int = 50
) -> OrderPage:
    """The orders that match, the latest first.

    Args:
        where: what to look for; a text that can be nothing finds nothing.
        after: `following` of the page before.
        limit: orders of a page, at most 100.
    """
    limit = min(max(limit, 1), MOST)
    params: dict[str, Any] = {"tenant": session.tenant_id, "most": MOST, "limit": limit + 1}
    conditions = []
    if where.text.strip():
        branches = wanted(session.keyring, where.text)
        if not branches:
            return OrderPage((), None)
        conditions.append(f"o.id IN ({' UNION '.join(FOUND[name] for name in branches)})")
        names = {"ticket": "id", "document": "documents"}
        params |= {names.get(name, name): value for name, value in branches.items()}
    for name, value in (
        ("status", where.status),
        ("visit_day", where.visit_day),
        ("site_id", where.site_id),
        ("channel", where.channel),
    ):
        if value:
            conditions.append(f"o.{name} = :{name}")
            params[name] = value
    if (begin := _read_cursor(after)) is not None:
        conditions.append("(o.created_at, o.id) < (:at, :after)")
        params |= {"at": begin[0], "after": begin[1]}
    sql = COLUMNS + "".join(f" AND {condition}" for condition in conditions)
    sql += " ORDER BY o.created_at DESC, o.id DESC LIMIT :limit"
    rows = (await session.execute(text(sql), params)).all()
    keyring = session.keyring
    shown = tuple(
        OrderRow(
            row.id, row.number, row.site_id, row.channel, row.status, row.visit_day,
            phones.mask(keyring.decrypt(row.phone, field="orders.phone")), row.amount_fen,
            row.refunded_fen, row.persons, row.created_at, row.hold_expires_at,
        )
        for row in rows[:limit]
    )  # fmt: skip
    return OrderPage(shown, _cursor(shown[-1]) if len(rows) > limit else None)


def _cursor(row: OrderRow) -> str:
    """Where the page after this row begins."""
    return f"{row.created_at.timestamp():.6f}_{row.id.hex}"


def _read_cursor(value: str | None) -> tuple[datetime, UUID] | None:
    if not value:
        return None
    at, _, key = value.partition("_")
    try:
        return datetime.fromtimestamp(float(at), UTC), UUID(hex=key)
    except (ValueError, OverflowError, OSError):
        return None
