"""Orders locked for a change, and the rows that every change writes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Actor, Session
from shanmen.inventory.stock import Taking
from shanmen.kit import clock, ids
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.rules import Line, State, check, lines_from

COLUMNS = (
    "id, number, site_id, channel, status, visit_day, phone_index, amount_fen, refunded_fen, "
    "lines::text, generation, hold_expires_at"
)
LINES = 9
LOCK = f"SELECT {COLUMNS} FROM orders WHERE tenant_id = %s AND id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608, E501
EVENTS = """
INSERT INTO order_event (tenant_id, id, order_id, at, from_status, to_status, actor_kind,
    actor_label, reason, data)
SELECT %s, t.id, t.order_id, %s, t.from_status, t.to_status, t.actor_kind, t.actor_label, t.reason,
    t.data::jsonb
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[]) AS t(id, order_id, from_status, to_status, actor_kind, actor_label, reason, data)
"""
UPDATE = """
UPDATE orders SET status = d.status, lines = coalesce(d.lines::jsonb, orders.lines),
    refunded_fen = orders.refunded_fen + d.refunded, generation = orders.generation + d.moved,
    visit_day = d.visit_day, paid_at = coalesce(orders.paid_at, d.paid_at)
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::int[], %s::date[],
    %s::timestamptz[]) AS d(id, status, lines, refunded, moved, visit_day, paid_at)
WHERE orders.tenant_id = %s AND orders.id = d.id
"""

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class LockedOrder:
    """An order whose row is locked, and what this transaction does to it."""

    id: UUID
    number: str
    site_id: UUID
    channel: str
    status: str
    visit_day: date
    phone_index: int
    amount_fen: int
    refunded_fen: int
    lines: list[Line]
    generation: int
    hold_expires_at: datetime
    new_lines: list[Line] | None = None
    refunded_delta: int = 0
    moved: int = 0
    paid_at: datetime | None = None

    @property
    def takings(self) -> list[Taking]:
        """The places of all tickets that were not given back."""
        return self.takings_of(line for line in self.lines if not line.refunded)

    def takings_of(self, lines: Iterable[Line]) -> list[Taking]:
        """The places of some of its tickets."""
        return [
            (slot_id, line.ticket_type_id, self.channel, places)
            for line in lines
            for slot_id, places in line.draws
        ]


class Changes:
    """What a transaction does to locked orders: transitions are checked and each is kept.

    Args:
        actor: who does it.
        at: when.
    """

    def __init__(self, actor: Actor, *, at: datetime | None = None) -> None:
        self.actor = actor
        self.at = at or clock.now()
        self._orders: dict[UUID, LockedOrder] = {}
        self._events: list[tuple[Any, ...]] = []

    def move(
        self,
        order: LockedOrder,
        to: State,
        *,
        reason: str = "",
        actor: Actor | None = None,
        **data: object,
    ) -> None:
        """Take the order to another state and keep the transition; raises TransitionRefused."""
        check(order.status, to)
        who = actor or self.actor
        self._events.append(
            (ids.new_id(), order.id, order.status, to.value, who.kind, who.label, reason,
             _encode(data).decode())
        )  # fmt: skip
        order.status = to.value
        self._orders[order.id] = order

    def statements(self, tenant_id: int) -> list[Statement]:
        """Writes all changed orders and their transitions."""
        if not self._orders:
            return []
        rows = [
            (
                o.id,
                o.status,
                None if o.new_lines is None else _encode(o.new_lines).decode(),
                o.refunded_delta,
                o.moved,
                o.visit_day,
                o.paid_at,
            )
            for o in self._orders.values()
        ]
        return [
            Statement(UPDATE, (*columns(rows, 7), tenant_id)),
            Statement(EVENTS, (tenant_id, self.at, *columns(self._events, 8))),
        ]


def lock_statement(tenant_id: int, order_ids: Iterable[UUID]) -> Statement:
    """Locks orders by id; the rows make `LockedOrder`."""
    return Statement(LOCK, (tenant_id, array(order_ids)))


def locked_orders(rows: Sequence[tuple[Any, ...]]) -> dict[UUID, LockedOrder]:
    """The rows that `lock_statement` returned."""
    found: dict[UUID, LockedOrder] = {}
    for row in rows:
        facts = list(row)
        facts[LINES] = lines_from(row[LINES])
        found[row[0]] = LockedOrder(*facts)
    return found


async def lock_order(session: Session, order_id: UUID) -> LockedOrder:
    """Lock one order; raises OrderNotFound."""
    [rows] = await run(session, [lock_statement(session.tenant_id, [order_id])])
    if not rows:
        raise OrderNotFound
    return locked_orders(rows)[order_id]
