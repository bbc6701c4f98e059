"""One order with its tickets, visitors and transitions."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from shanmen.catalog.queries import catalog_at
from shanmen.catalog.rules import Catalog
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import documents, ids, phones
from shanmen.kit.crypto import Keyring
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.rules import Line, State, lines_from
from shanmen.orders.schemas import OrderEventView, OrderLineView, OrderView, VisitorView

BY_NUMBER = "number = %(wanted)s"
BY_ID = "id = %(wanted)s"
ORDER = """
SELECT id, number, site_id, channel, status, phone, locale, visit_day, amount_fen, refunded_fen,
       persons, lines, placed_by, generation, created_at, hold_expires_at,
       hold_extended, paid_at
FROM orders WHERE tenant_id = %(tenant)s AND {condition}
"""
# Holders exist before their tickets, and are found by the ids that the order's lines name. They are
# made an array first: a join would be planned for a hundred lines, and read all holders.
HOLDERS = """
SELECT ticket_id, name, document_kind, document FROM holder
WHERE tenant_id = %(tenant)s AND ticket_id = ANY (ARRAY(
    SELECT (line->>'ticket_id')::uuid FROM orders, jsonb_array_elements(lines) AS line
    WHERE tenant_id = %(tenant)s AND {condition}))
ORDER BY ticket_id, seq
"""
TICKETS = """
SELECT id, status, persons_entered, generation FROM ticket
WHERE tenant_id = %(tenant)s
  AND order_id = (SELECT id FROM orders WHERE tenant_id = %(tenant)s AND {condition})
"""
EVENTS = """
SELECT at, from_status, to_status, actor_label, actor_kind, reason FROM order_event
WHERE tenant_id = %(tenant)s
  AND order_id = (SELECT id FROM orders WHERE tenant_id = %(tenant)s AND {condition})
ORDER BY at, id
"""
VERSION = "SELECT version FROM catalog_version WHERE tenant_id = %(tenant)s"


class OrderRow(NamedTuple):
    """An order's row as it is stored."""

    id: UUID
    number: str
    site_id: UUID
    channel: str
    status: str
    phone: bytes
    locale: str
    visit_day: date
    amount_fen: int
    refunded_fen: int
    persons: int
    lines: list[dict[str, Any]]
    placed_by: str
    generation: int
    created_at: datetime
    hold_expires_at: datetime
    hold_extended: bool
    paid_at: datetime | None


class TicketRow(NamedTuple):
    """What became of a ticket."""

    id: UUID
    status: str
    persons_entered: int
    generation: int


ORDER_SECRET = "order-page"  # noqa: S105 - a label


def order_secret(keyring: Keyring, order_id: UUID) -> str:
    """What opens an order's page without an account: derived, so it is stored nowhere."""
    return keyring.secret(ORDER_SECRET, order_id.bytes)


def check_order_secret(keyring: Keyring, order_id: UUID, secret: str) -> bool:
    """True when `secret` is this order's."""
    return keyring.check(secret, ORDER_SECRET, order_id.bytes)


@dataclass(frozen=True, slots=True)
class OrderFile:
    """An order with what its page decides by, and not only what it shows."""

    view: OrderView
    lines: list[Line]
    generation: int
    """How often it was moved."""
    catalog: Catalog


async def order_by_number(session: Session, *, number: str) -> OrderView:
    """An order by its number, as printed or as typed; raises OrderNotFound."""
    return (await file_by_number(session, number=number)).view


async def order_by_id(session: Session, *, order_id: UUID) -> OrderView:
    """An order by its id; raises OrderNotFound."""
    return (await file_by_id(session, order_id=order_id)).view


async def file_by_number(session: Session, *, number: str) -> OrderFile:
    """As `order_by_number`, with the lines."""
    return await _file(session, BY_NUMBER, ids.normalise(number))


async def file_by_id(session: Session, *, order_id: UUID) -> OrderFile:
    """As `order_by_id`, with the lines."""
    return await _file(session, BY_ID, order_id)


async def file_for_page(session: Session, *, number: str, secret: str) -> OrderFile:
    """As `order_for_page`, with the lines."""
    found = await file_by_number(session, number=number)
    if not check_order_secret(session.keyring, found.view.id, secret):
        raise OrderNotFound
    return found


async def order_for_page(session: Session, *, number: str, secret: str) -> OrderView:
    """An order for whoever has its page's address; raises OrderNotFound for a wrong secret."""
    return (await file_for_page(session, number=number, secret=secret)).view


async def find_own(session: Session, *, number: str, phone: str) -> OrderView:
    """An order by number and phone, for a buyer who lost its address; raises OrderNotFound.

    Which of the two was wrong is not told.
    """
    wanted = session.keyring.blind_index(phones.normalise(phone), purpose="phone")
    row = (
        await session.execute(
            text(
                "SELECT id, phone_index FROM orders WHERE tenant_id = :tenant AND number = :number"
            ),
            {"tenant": session.tenant_id, "number": ids.normalise(number)},
        )
    ).one_or_none()
    if row is None or row.phone_index != wanted:
        raise OrderNotFound
    return await order_by_id(session, order_id=row.id)


async def _file(session: Session, condition: str, wanted: str | UUID) -> OrderFile:
    """All of an order in one round trip."""
    params = {"tenant": session.tenant_id, "wanted": wanted}
    orders, holders, tickets, events, versions = await run(
        session,
        [
            Statement(sql.format(condition=condition), params)
            for sql in (ORDER, HOLDERS, TICKETS, EVENTS, VERSION)
        ],
    )
    if not orders:
        raise OrderNotFound
    row = OrderRow(*orders[0])
    lines = lines_from(row.lines)
    catalog = await catalog_at(session, versions[0][0] if versions else 0)
    visitors: dict[UUID, list[VisitorView]] = defaultdict(list)
    for ticket_id, name, kind, document in holders:
        visitors[ticket_id].append(masked_visitor(session.keyring, name, kind, document))
    issued = {ticket.id: ticket for ticket in (TicketRow(*t) for t in tickets)}
    keyring = session.keyring
    view = OrderView(
        id=row.id,
        number=row.number,
        site_id=row.site_id,
        channel=row.channel,
        status=row.status,
        phone=phones.mask(keyring.decrypt(row.phone, field="orders.phone")),
        locale=row.locale,
        visit_day=row.visit_day,
        amount_fen=row.amount_fen,
        refunded_fen=row.refunded_fen,
        persons=row.persons,
        created_at=row.created_at,
        hold_expires_at=row.hold_expires_at,
        hold_extended=row.hold_extended,
        paid_at=row.paid_at,
        tickets=[
            _line_view(line, catalog, row.status, issued.get(line.ticket_id), visitors)
            for line in lines
        ],
        events=[_placed(row.created_at, row.placed_by)]
        + [
            OrderEventView(at, before, after, label or kind, reason)
            for at, before, after, label, kind, reason in events
        ],
        secret=order_secret(keyring, row.id),
    )
    return OrderFile(view, lines, row.generation, catalog)


def masked_visitor(keyring: Keyring, name: bytes, kind: str, document: bytes) -> VisitorView:
    """A holder's row as it may be shown."""
    return VisitorView(
        name=documents.mask_name(keyring.decrypt(name, field="holder.name")),
        document_kind=kind,
        document_number=documents.mask(keyring.decrypt(document, field="holder.document")),
    )


def _placed(at: datetime, by: str) -> OrderEventView:
    return OrderEventView(at, "", State.HELD.value, by, "")


def _line_view(
    line: Line,
    catalog: Catalog,
    order_status: str,
    ticket: TicketRow | None,
    visitors: dict[UUID, list[VisitorView]],
) -> OrderLineView:
    kind = catalog.types.get(line.ticket_type_id)
    if ticket is not None:
        status = ticket.status
    else:
        status = "held" if order_status == State.HELD else "lapsed"
    return OrderLineView(
        ticket_id=line.ticket_id,
        ticket_type_id=line.ticket_type_id,
        name=kind.name if kind else {},
        price_fen=line.price_fen,
        persons=line.party_size,
        visit_day=line.visit_day,
        valid_from=line.valid_from,
        valid_until=line.valid_until,
        status=status,
        persons_entered=ticket.persons_entered if ticket else 0,
        generation=ticket.generation if ticket else 0,
        visitors=visitors.get(line.ticket_id, []),
    )
