"""Bringing all slots of pools in line without making a sale wait for a whole season.

A cap or a share that begins counts what was sold before, with the slot locked: about a second for
fifty thousand places. So each day with sales is a transaction of its own. Should the process end
between two of them, the nightly job does the rest.
"""

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.session import Session, Unit
from shanmen.inventory.schemas import DrawSpec
from shanmen.inventory.service.materialize import materialize_pools
from shanmen.inventory.service.planning import (
    SlotChanges,
    added,
    horizon,
    pool_plans,
    span,
)
from shanmen.inventory.service.pools import set_draws
from shanmen.kit import clock

SOLD_DAYS = text("""
SELECT DISTINCT s.day FROM slot s
JOIN stock k ON k.tenant_id = s.tenant_id AND k.id = s.id
WHERE s.tenant_id = :tenant AND s.pool_id = :pool AND s.day BETWEEN :first AND :last
  AND k.held + k.sold > 0
""")


async def days_of(session: Session, *, pool_id: UUID) -> tuple[list[date], list[date]]:
    """The days from now on for which a pool has slots: those without sales, and the others.

    Raises:
        PoolNotFound.
    """
    plans = await pool_plans(session, pool_ids=[pool_id])
    first = clock.today(plans[pool_id].timezone)
    last = horizon(await current_catalog(session), pool_id, first)
    params = {"tenant": session.tenant_id, "pool": pool_id, "first": first, "last": last}
    sold = set(await session.scalars(SOLD_DAYS, params))
    days = span(first, last)
    return [day for day in days if day not in sold], sorted(sold)


async def bring_in_line(unit: Unit, *, pool_ids: Collection[UUID]) -> SlotChanges:
    """Bring the slots of pools in line with their schedules, caps and shares."""
    changes = SlotChanges()
    for pool_id in sorted(pool_ids):
        free, sold = await unit(days_of, pool_id=pool_id)
        for days in (free, *([day] for day in sold)):
            if days:
                made = await unit(
                    materialize_pools,
                    pool_ids=[pool_id], first=days[0], last=days[-1], days=days,
                )  # fmt: skip
                changes = added(changes, made)
    return changes


async def change_stock(
    unit: Unit, *, ticket_type_id: UUID, draws: Sequence[DrawSpec], seen: str | None = None
) -> tuple[TicketTypeInfo, SlotChanges]:
    """As `pools.set_stock`, for a pool that is being sold from.

    Raises:
        The same.
    """
    info, pool_ids = await unit(set_draws, ticket_type_id=ticket_type_id, draws=draws, seen=seen)
    return info, await bring_in_line(unit, pool_ids=pool_ids)
