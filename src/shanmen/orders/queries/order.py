"""One order with its tickets, visitors and transitions."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from shanmen.catalog.queries import catalog_at, catalog_of
from shanmen.catalog.rules import Catalog
from shanmen.db.pipeline import Statement, run
from shanmen.db.reading import Rows, keyring_of, read
from shanmen.db.session import Session, Unit
from shanmen.kit import documents, ids, phones
from shanmen.kit.crypto import Keyring
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.rules import Line, State, lines_from
from shanmen.orders.schemas import OrderEventView, OrderLineView, OrderView, VisitorView

BY_NUMBER = "o.number = %(wanted)s"
BY_ID = "o.id = %(wanted)s"
# One statement, because each costs as much again as its rows. Holders exist before their tickets,
# and are found by the ids that the order's lines name. They are made an array first: a join would
# be planned for a hundred lines, and read all holders.
FILE = """
SELECT o.id, o.number, o.site_id, o.channel, o.status, o.phone, o.locale, o.visit_day,
    o.amount_fen, o.refunded_fen, o.persons, o.placed_by, o.generation, o.created_at,
    o.hold_expires_at, o.hold_extended, o.paid_at, o.lines::text,
    (SELECT json_agg(json_build_array(
            h.ticket_id, encode(h.name, 'hex'), h.document_kind, encode(h.document, 'hex')
        ) ORDER BY h.ticket_id, h.seq)::text
     FROM holder AS h
     WHERE h.tenant_id = %(tenant)s AND h.ticket_id = ANY (ARRAY(
        SELECT (line->>'ticket_id')::uuid FROM jsonb_array_elements(o.lines) AS line))),
    (SELECT json_agg(json_build_array(t.id, t.status, t.persons_entered, t.generation))::text
     FROM ticket AS t WHERE t.tenant_id = %(tenant)s AND t.order_id = o.id),
    (SELECT json_agg(json_build_array(
            e.at, e.from_status, e.to_status, e.actor_label, e.actor_kind, e.reason
        ) ORDER BY e.at, e.id)::text
     FROM order_event AS e WHERE e.tenant_id = %(tenant)s AND e.order_id = o.id),
    (SELECT v.version FROM catalog_version AS v WHERE v.tenant_id = %(tenant)s)
FROM orders AS o WHERE o.tenant_id = %(tenant)s AND {condition}
"""


class OrderRow(NamedTuple):
    """An order's row as it is stored, with the rows that belong to it in JSON."""

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
    placed_by: str
    generation: int
    created_at: datetime
    hold_expires_at: datetime
    hold_extended: bool
    paid_at: datetime | None
    lines: str
    holders: str | None
    tickets: str | None
    events: str | None
    catalog_version: int | None


class HolderRow(NamedTuple):
    """Who is named on a ticket, encrypted and in hexadecimal."""

    ticket_id: UUID
    name: str
    document_kind: str
    document: str


class TicketRow(NamedTuple):
    """What became of a ticket."""

    id: UUID
    status: str
    persons_entered: int
    generation: int


class EventRow(NamedTuple):
    """A transition, and by whom."""

    at: datetime
    from_status: str
    to_status: str
    actor_label: str
    actor_kind: str
    reason: str


NOTHING: Final = "[]"
_HOLDERS: Final = msgspec.json.Decoder(list[HolderRow])
_TICKETS: Final = msgspec.json.Decoder(list[TicketRow])
_EVENTS: Final = msgspec.json.Decoder(list[EventRow])


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
    return await _read(session, BY_NUMBER, ids.normalise(number))


async def file_by_id(session: Session, *, order_id: UUID) -> OrderFile:
    """As `order_by_id`, with the lines."""
    return await _read(session, BY_ID, order_id)


async def file_for_page(
    unit: Unit, *, number: str, secret: str, more: Iterable[Statement] = ()
) -> tuple[OrderFile, list[Rows]]:
    """An order for whoever has its page's address, and what `more` queries find, in one round trip.

    Raises:
        OrderNotFound: no such order, or another secret.
    """
    statement = _statement(unit.tenant_id or 0, BY_NUMBER, ids.normalise(number))
    rows, *found = await read(unit, [statement, *more])
    order = _order(rows)
    keyring = await keyring_of(unit)
    if not check_order_secret(keyring, order.id, secret):
        raise OrderNotFound
    catalog = await catalog_of(unit, order.catalog_version or 0)
    return _file(order, keyring, catalog), found


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


async def _read(session: Session, condition: str, wanted: str | UUID) -> OrderFile:
    [rows] = await run(session, [_statement(session.tenant_id, condition, wanted)])
    order = _order(rows)
    catalog = await catalog_at(session, order.catalog_version or 0)
    return _file(order, session.keyring, catalog)


def _statement(tenant_id: int, condition: str, wanted: str | UUID) -> Statement:
    params = {"tenant": tenant_id, "wanted": wanted}
    return Statement(FILE.format(condition=condition), params)


def _order(rows: Rows) -> OrderRow:
    if not rows:
        raise OrderNotFound
    return OrderRow(*rows[0])


def _file(row: OrderRow, keyring: Keyring, catalog: Catalog) -> OrderFile:
    lines = lines_from(row.lines)
    visitors: dict[UUID, list[VisitorView]] = defaultdict(list)
    for holder in _HOLDERS.decode(row.holders or NOTHING):
        name, document = bytes.fromhex(holder.name), bytes.fromhex(holder.document)
        visitors[holder.ticket_id].append(
            masked_visitor(keyring, name, holder.document_kind, document)
        )
    issued = {ticket.id: ticket for ticket in _TICKETS.decode(row.tickets or NOTHING)}
    events = _EVENTS.decode(row.events or NOTHING)
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
