"""Recomputes every counter of stock, independently of how it came to be.

The counters are kept by adding and taking away. Here they are counted anew: places that are held
from the held orders, places that are sold once from the lines of the paid orders and once more from
the tickets that are valid. All three must say the same. It is one statement, so it sees one moment
and disturbs no sale.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from shanmen.db.session import Session

log = logging.getLogger(__name__)

# A late payment that went back leaves an order that was never issued: it has no `paid_at`. A ticket
# counts where its order says that its visit is; one that no order knows counts in its slot. Caps
# and shares are counted by the ticket's type and the order's channel, whenever they began.
DIFFERENCES = text("""
WITH line AS (
    SELECT o.status, o.paid_at IS NOT NULL AS paid, o.channel, l->>'ticket_type_id' AS type,
           (l->>'ticket_id')::uuid AS ticket_id,
           coalesce((l->>'refunded')::boolean, false) AS refunded,
           (l->'draws'->0->>0)::uuid AS slot_id, l->'draws' AS draws
    FROM orders o CROSS JOIN LATERAL jsonb_array_elements(o.lines) AS l
    WHERE o.tenant_id = :tenant
), draw AS (
    SELECT (d->>0)::uuid AS slot_id, line.type, line.channel,
           CASE WHEN line.status = 'held' THEN (d->>1)::int ELSE 0 END AS held,
           CASE WHEN line.paid AND NOT line.refunded
                     AND line.status NOT IN ('held', 'expired', 'cancelled')
                THEN (d->>1)::int ELSE 0 END AS by_orders,
           CASE WHEN t.status <> 'refunded' THEN (d->>1)::int ELSE 0 END AS by_tickets
    FROM line CROSS JOIN LATERAL jsonb_array_elements(line.draws) AS d
    LEFT JOIN ticket t ON t.tenant_id = :tenant AND t.id = line.ticket_id
         AND t.slot_id = line.slot_id
    UNION ALL
    SELECT t.slot_id, t.ticket_type_id::text, '', 0, 0, t.party_size
    FROM ticket t
    WHERE t.tenant_id = :tenant AND t.status <> 'refunded'
      AND NOT EXISTS (SELECT FROM line WHERE line.ticket_id = t.id)
), counted AS (
    SELECT slot_id,
           CASE grouping(type, channel) WHEN 1 THEN 'type' WHEN 2 THEN 'channel' ELSE 'slot' END
               AS scope,
           coalesce(type, channel, '') AS ref,
           sum(held) AS held, sum(by_orders) AS by_orders, sum(by_tickets) AS by_tickets
    FROM draw GROUP BY GROUPING SETS ((slot_id), (slot_id, type), (slot_id, channel))
)
SELECT coalesce(s.id, c.slot_id), s.slot_id, s.scope, s.ref, coalesce(s.held, 0),
       coalesce(s.sold, 0), coalesce(c.held, 0), coalesce(c.by_orders, 0),
       coalesce(c.by_tickets, 0)
FROM (SELECT * FROM stock WHERE tenant_id = :tenant) AS s
FULL JOIN counted c ON c.slot_id = s.slot_id AND c.scope = s.scope AND c.ref = s.ref
WHERE (s.id IS NOT NULL OR c.scope = 'slot')
  AND (coalesce(s.held, 0) <> coalesce(c.held, 0)
       OR coalesce(s.sold, 0) <> coalesce(c.by_orders, 0)
       OR coalesce(s.sold, 0) <> coalesce(c.by_tickets, 0)
       OR s.held + s.sold > s.capacity)
ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class StockDifference:
    """A counter that disagrees with the orders or the tickets, or is above its capacity."""

    stock_id: UUID
    slot_id: UUID | None
    """None where orders draw on a counter that does not exist."""
    scope: str | None
    ref: str | None
    """The ticket type of a cap, the channel of a share."""
    held: int
    sold: int
    held_by_orders: int
    sold_by_orders: int
    sold_by_tickets: int


async def differences(session: Session) -> list[StockDifference]:
    """Count all places of the tenant anew; empty when the counters agree."""
    rows = await session.execute(DIFFERENCES, {"tenant": session.tenant_id})
    return [StockDifference(*row) for row in rows]


async def report(session: Session) -> int:
    """Log each difference as an error; returns how many there are."""
    found = await differences(session)
    for difference in found:
        log.error("stock of tenant %s differs: %s", session.tenant_id, difference)
    return len(found)
