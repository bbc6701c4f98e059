"""What a decision must know besides the ticket: who went in just before, and who is blocked.

Few operators have such rules at all, so it is asked first which of them there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from shanmen.admission.records import REMEMBER_INSIDE
from shanmen.admission.rules import COMPANION_SECONDS
from shanmen.db.pipeline import Statement, array

Rows = Iterable[Sequence[Any]]

RULES = """
SELECT EXISTS (SELECT FROM zone_limit WHERE tenant_id = %s) AS zone_limits,
    EXISTS (SELECT FROM gate_policy WHERE tenant_id = %s AND companions <> '[]') AS companions,
    EXISTS (SELECT FROM blocked_document WHERE tenant_id = %s AND lifted_at IS NULL) AS blocked
"""
_KINDS = """
    (SELECT array_agg(c.kind::uuid) AS ids FROM gate_policy p
     CROSS JOIN LATERAL jsonb_array_elements_text(p.companions) AS c(kind)
     WHERE p.tenant_id = %(tenant)s HAVING count(*) > 0) AS kinds
"""
AT_LANES = f"""
SELECT l.id, s.at FROM {_KINDS}
CROSS JOIN unnest(%(lanes)s::uuid[]) AS l(id)
CROSS JOIN LATERAL (
    SELECT at FROM scan
    WHERE tenant_id = %(tenant)s AND lane_id = l.id AND at >= %(since)s AND persons > 0
        AND direction = 'in' AND undone_at IS NULL AND ticket_type_id <> ALL (kinds.ids)
    ORDER BY at DESC LIMIT 1
) AS s
"""  # noqa: S608 - our own text
OF_ORDERS = f"""
SELECT DISTINCT t.id FROM {_KINDS}
JOIN ticket t ON t.tenant_id = %(tenant)s AND t.id = ANY(%(tickets)s::uuid[])
    AND t.ticket_type_id = ANY (kinds.ids)
JOIN ticket o ON o.tenant_id = t.tenant_id AND o.order_id = t.order_id
    AND o.ticket_type_id <> ALL (kinds.ids)
WHERE EXISTS (
    SELECT 1 FROM scan s
    WHERE s.tenant_id = o.tenant_id AND s.ticket_id = o.id AND s.persons > 0
        AND s.direction = 'in' AND s.undone_at IS NULL AND s.at >= %(lately)s
)
"""  # noqa: S608 - our own text
NAMED = f"""
SELECT t.id FROM {_KINDS}
JOIN ticket t ON t.tenant_id = %(tenant)s AND t.id = ANY(%(named)s::uuid[])
    AND t.ticket_type_id <> ALL (kinds.ids) AND t.status <> 'refunded'
"""  # noqa: S608 - our own text
BLOCKED = """
SELECT DISTINCT b.document_index
FROM (
    SELECT unnest(%(indexes)s::bigint[]) AS one
    UNION
    SELECT document_index FROM holder
    WHERE tenant_id = %(tenant)s AND ticket_id = ANY(%(tickets)s::uuid[])
) AS asked
JOIN blocked_document b ON b.tenant_id = %(tenant)s AND b.document_index = asked.one
WHERE b.lifted_at IS NULL AND (b.until IS NULL OR b.until >= %(today)s)
"""


@dataclass(slots=True)
class Around:
    """Company and blocked documents; company grows with what is decided."""

    at_lanes: dict[UUID, datetime] = field(default_factory=dict)
    """When somebody who may enter alone last entered at a lane."""
    of_orders: set[UUID] = field(default_factory=set)
    """Tickets of whose order somebody who may enter alone is inside."""
    named: frozenset[UUID] = frozenset()
    """Of the tickets that gates named as company, those that are."""
    blocked: frozenset[int] = frozenset()
    orders: set[str] = field(default_factory=set)
    """Orders of which somebody entered who may enter alone, in this batch."""

    def meet(self, rows: Sequence[Rows]) -> None:
        """Take what the rows of `companions_statements` say."""
        lanes, orders, named = rows
        self.at_lanes = {row[0]: row[1] for row in lanes}
        self.of_orders = {row[0] for row in orders}
        self.named = frozenset(row[0] for row in named)

    def block(self, rows: Rows) -> None:
        """Take what the rows of `blocked_statement` say."""
        self.blocked = frozenset(row[0] for row in rows)

    def accompanied(
        self, *, lane_id: UUID, ticket_id: UUID, order: str, now: datetime, named: Iterable[UUID]
    ) -> bool:
        """Whether somebody goes in with this ticket's people, or went before."""
        last = self.at_lanes.get(lane_id)
        if last is not None and now - last <= timedelta(seconds=COMPANION_SECONDS):
            return True
        return (
            ticket_id in self.of_orders or order in self.orders or not self.named.isdisjoint(named)
        )

    def entered(self, *, lane_id: UUID, order: str, now: datetime) -> None:
        """Somebody who may enter alone was let in."""
        self.at_lanes[lane_id] = now
        self.orders.add(order)


@dataclass(frozen=True, slots=True)
class RulesThere:
    """Which of the rarer rules an operator has."""

    zone_limits: bool
    companions: bool
    blocked: bool

    @property
    def any(self) -> bool:
        """Whether there is one of them."""
        return self.zone_limits or self.companions or self.blocked


def rules_statement(tenant_id: int) -> Statement:
    """Read which of the rarer rules there are; its row makes `RulesThere`."""
    return Statement(RULES, (tenant_id,) * 3)


def companions_statements(
    tenant_id: int,
    *,
    lanes: Iterable[UUID],
    tickets: Iterable[UUID],
    named: Iterable[UUID],
    now: datetime,
) -> list[Statement]:
    """Read who may take whom along; rows make `Around.meet`."""
    asked = {
        "tenant": tenant_id,
        "lanes": array(lanes),
        "tickets": array(tickets),
        "named": array(named),
        "since": now - timedelta(seconds=COMPANION_SECONDS),
        "lately": now - REMEMBER_INSIDE,
    }
    return [Statement(sql, asked) for sql in (AT_LANES, OF_ORDERS, NAMED)]


def blocked_statement(
    tenant_id: int, *, tickets: Iterable[UUID], indexes: Iterable[int], today: date
) -> Statement:
    """Read which of these documents, and of those of the tickets' holders, are blocked."""
    return Statement(
        BLOCKED,
        {
            "tenant": tenant_id,
            "tickets": array(tickets),
            "indexes": array(indexes),
            "today": today,
        },
    )
