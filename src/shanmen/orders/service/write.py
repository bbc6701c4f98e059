"""The rows that placing orders writes, for all orders of a batch together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from shanmen.db.pipeline import Statement, columns
from shanmen.orders.rules import Line, State
from shanmen.orders.schemas import Placed
from shanmen.orders.service.prepare import Prepared
from shanmen.tickets.service import NewHolder, holders_statement

ORDERS = """
INSERT INTO orders (tenant_id, id, number, site_id, channel, status, visit_day, phone, phone_index,
    locale, amount_fen, persons, lines, placed_by, created_at, hold_expires_at)
SELECT %s, t.id, t.number, t.site_id, t.channel, %s, t.visit_day, t.phone, t.phone_index, t.locale,
    t.amount_fen, t.persons, t.lines::jsonb, t.placed_by, %s, t.hold_expires_at
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::date[], %s::bytea[], %s::bigint[],
    %s::text[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::timestamptz[])
    AS t(id, number, site_id, channel, visit_day, phone, phone_index, locale, amount_fen, persons,
         lines, placed_by, hold_expires_at)
"""

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Granted:
    """An order that got its places."""

    prepared: Prepared
    placed: Placed
    lines: list[Line]
    visit_day: date
    at: datetime
    """When it was placed."""


def insert_statements(
    tenant_id: int, granted: Sequence[Granted], *, now: datetime
) -> list[Statement]:
    """Insert the orders and their holders."""
    orders = [
        (
            g.prepared.id,
            g.prepared.number,
            g.prepared.request.site_id,
            g.prepared.request.channel,
            g.visit_day,
            g.prepared.phone,
            g.prepared.phone_index,
            g.prepared.request.order.locale,
            g.placed.amount_fen,
            g.placed.persons,
            _encode(g.lines).decode(),
            g.prepared.request.placed_by,
            g.placed.hold_expires_at,
        )
        for g in granted
    ]
    holders = [
        NewHolder(
            line.ticket_id, seq, g.prepared.id, line.ticket_type_id, line.slot_id,
            line.visit_day, holder.name, holder.name_index, holder.document_kind, holder.document,
            holder.document_index,
        )
        for g in granted
        for line, ticket in zip(g.lines, g.prepared.tickets, strict=True)
        for seq, holder in enumerate(ticket.holders)
    ]  # fmt: skip
    return [
        Statement(ORDERS, (tenant_id, State.HELD.value, now, *columns(orders, 13))),
        holders_statement(tenant_id, holders),
    ]
