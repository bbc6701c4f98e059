"""An order follows its tickets: issued → partly used → used, and back when an entry is undone."""

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.orders.rules import State, used_state
from shanmen.orders.service.locked import COLUMNS, Changes, locked_orders
from shanmen.tickets import service as tickets

LOCK_BY_TICKET = f"""
SELECT {COLUMNS} FROM orders
WHERE tenant_id = %s AND id IN (SELECT order_id FROM ticket WHERE tenant_id = %s AND id = ANY(%s))
ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - a constant

FOLLOWS_USE = frozenset({State.ISSUED, State.PARTLY_USED, State.USED})


async def follow_use(session: Session, *, ticket_ids: Collection[UUID]) -> int:
    """Bring the orders of these tickets to the state that their use implies.

    It reads the present state and is the same however often it runs, so a repeated or late job does
    no harm. Returns how many orders changed.
    """
    tenant = session.tenant_id
    [order_rows] = await run(
        session, [Statement(LOCK_BY_TICKET, (tenant, tenant, list(ticket_ids)))]
    )
    orders = locked_orders(order_rows)
    [rows] = await run(session, [tickets.lock_statement(tenant, orders)])
    entered: dict[UUID, int] = defaultdict(int)
    total: dict[UUID, int] = defaultdict(int)
    for row in rows:
        use = tickets.TicketUse(*row)
        if use.status != "refunded":
            entered[use.order_id] += use.persons_entered
            total[use.order_id] += use.uses
    changes = Changes(session.actor)
    moved = 0
    for order in orders.values():
        state = used_state(entered=entered[order.id], total=total[order.id])
        if order.status in FOLLOWS_USE and order.status != state:
            changes.move(order, state, reason="admission")
            moved += 1
    if moved:
        await run(session, changes.statements(tenant))
    return moved
