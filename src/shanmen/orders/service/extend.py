"""Extending a hold: once, and shortly before it ends.

The order's row is locked, as the sweep and every payment lock it: a hold either lapses or is
extended. What a payment provider was told of the old end stays true for the attempt that it was
told about; paying after the extension opens a new one (see `start`).
"""

from datetime import datetime, timedelta
from uuid import UUID

from shanmen.audit import service as audit
from shanmen.catalog.queries import current_catalog
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.orders.errors import HoldExtended, HoldLapsed, HoldLongEnough, NotPayable
from shanmen.orders.rules import EXTENDABLE_MINUTES, State
from shanmen.orders.service.locked import Changes, lock_order

EXTEND = """
UPDATE orders SET hold_expires_at = %s, hold_extended = true
WHERE tenant_id = %s AND id = %s AND NOT hold_extended
RETURNING id
"""


async def extend_hold(session: Session, *, order_id: UUID, hold_seconds: int) -> datetime:
    """Hold an unpaid order's places for as long again as its channel holds them; the new end.

    Args:
        hold_seconds: for channels of which the operator says nothing.

    Raises:
        NotPayable: the order is paid, or was cancelled.
        HoldLapsed: its places were held until a moment that has passed.
        HoldExtended: it was extended before.
        HoldLongEnough: there is more than enough time left.
    """
    order = await lock_order(session, order_id)
    now = clock.now()
    if order.status == State.EXPIRED or (
        order.status == State.HELD and now >= order.hold_expires_at
    ):
        raise HoldLapsed
    if order.status != State.HELD:
        raise NotPayable(state=order.status)
    catalog = await current_catalog(session)
    until = order.hold_expires_at + timedelta(
        seconds=catalog.hold_time(order.channel, otherwise=hold_seconds)
    )
    [extended] = await run(session, [Statement(EXTEND, (until, session.tenant_id, order_id))])
    if not extended:
        raise HoldExtended
    if order.hold_expires_at - now > timedelta(minutes=EXTENDABLE_MINUTES):
        raise HoldLongEnough(minutes=EXTENDABLE_MINUTES)
    changes = Changes(session.actor, at=now)
    changes.move(order, State.HELD, reason="hold_extended", until=until)
    await run(session, changes.statements(session.tenant_id))
    return until


async def extend_for_partner(session: Session, *, order_id: UUID, hold_seconds: int) -> datetime:
    """As `extend_hold`, noted in the audit log."""
    until = await extend_hold(session, order_id=order_id, hold_seconds=hold_seconds)
    await audit.record(
        session,
        action="orders.hold_extended",
        entity="order",
        entity_id=order_id,
        after={"hold_expires_at": until},
    )
    return until
