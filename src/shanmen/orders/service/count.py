"""Counting what orders have taken of slots, independently of the counters."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from shanmen.db.pipeline import Statement, array, run
from shanmen.db.session import Session
from shanmen.inventory.sales import Sold

# Issued orders are found by their tickets' day, held ones by their hold: both by an index. All
# slots of a ticket are on the day of its visit.
SOLD = """
WITH sale AS (
    SELECT order_id AS id FROM ticket
    WHERE tenant_id = %(tenant)s AND visit_day = ANY(%(days)s::date[]) AND status <> 'refunded'
      AND site_id IN (SELECT id FROM site WHERE tenant_id = %(tenant)s)
    UNION
    SELECT id FROM orders WHERE tenant_id = %(tenant)s AND status = 'held'
)
SELECT (d->>0)::uuid, (l->>'ticket_type_id')::uuid, o.channel,
       sum(CASE WHEN o.status = 'held' THEN (d->>1)::int ELSE 0 END),
       sum(CASE WHEN o.status = 'held' THEN 0 ELSE (d->>1)::int END)
FROM sale JOIN orders o ON o.tenant_id = %(tenant)s AND o.id = sale.id
CROSS JOIN LATERAL jsonb_array_elements(o.lines) AS l
CROSS JOIN LATERAL jsonb_array_elements(l->'draws') AS d
WHERE (d->>0)::uuid = ANY(%(slots)s::uuid[])
  AND NOT coalesce((l->>'refunded')::boolean, false)
  AND (o.status = 'held'
       OR o.paid_at IS NOT NULL AND o.status NOT IN ('expired', 'cancelled'))
GROUP BY 1, 2, 3
"""


async def sold_in(session: Session, slots: Mapping[UUID, date]) -> list[Sold]:
    """Places held and sold in these slots, by ticket type and channel.

    Whoever has locked the slots gets what their counters say: an order changes its state and the
    counters in one transaction, under that lock.
    """
    params = {
        "tenant": session.tenant_id,
        "days": array(sorted(set(slots.values()))),
        "slots": array(slots),
    }
    [rows] = await run(session, [Statement(SOLD, params)])
    return [Sold(*row) for row in rows]
