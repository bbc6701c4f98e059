"""Holds that lapse, and orders that their buyer cancels before paying."""

from uuid import UUID

from shanmen.db.pipeline import Statement, run
from shanmen.db.session import SYSTEM, Session
from shanmen.inventory import stock
from shanmen.kit import clock
from shanmen.orders.rules import State
from shanmen.orders.service.locked import COLUMNS, Changes, LockedOrder, lock_order, locked_orders
from shanmen.tickets import service as tickets

# By the partial index on (tenant, hold_expires_at) of held orders: a sweep that finds nothing reads
# one page. Orders that a payment has locked just now are left to the payment.
LAPSED = f"""
SELECT {COLUMNS} FROM orders
WHERE tenant_id = %s AND status = 'held' AND hold_expires_at <= %s
ORDER BY hold_expires_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - a constant


async def expire_holds(session: Session, *, limit: int = 500) -> int:
    """Give back the places of holds that have lapsed; returns how many orders expired."""
    now = clock.now()
    [rows] = await run(session, [Statement(LAPSED, (session.tenant_id, now, limit))])
    changes = Changes(SYSTEM, at=now)
    orders = list(locked_orders(rows).values())
    for order in orders:
        changes.move(order, State.EXPIRED, reason="hold_lapsed")
    await _release(session, orders, changes)
    return len(orders)


async def cancel_order(session: Session, *, order_id: UUID, reason: str = "") -> None:
    """Cancel an order that is held and not paid; raises TransitionRefused for any other."""
    order = await lock_order(session, order_id)
    changes = Changes(session.actor)
    changes.move(order, State.CANCELLED, reason=reason)
    await _release(session, [order], changes)


async def _release(session: Session, orders: list[LockedOrder], changes: Changes) -> None:
    if not orders:
        return
    takings = [taking for order in orders for taking in order.takings]
    await stock.move(session, stock.summed(takings, held=-1, sold=0))
    await run(
        session,
        [
            *changes.statements(session.tenant_id),
            tickets.set_active_statement(
                session.tenant_id,
                [line.ticket_id for order in orders for line in order.lines],
                active=False,
            ),
        ],
    )
