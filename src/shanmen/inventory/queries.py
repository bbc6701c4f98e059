"""Reads of slots and their counters. Each is one statement, so the figures fit together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from shanmen.db.session import Session
from shanmen.inventory.rules import SlotState

SLOTS = """
SELECT s.id, s.pool_id, s.day, s.starts, s.ends, s.starts_at, s.ends_at, s.status, s.note,
       s.edited, k.scope, k.ref, k.capacity, k.held, k.sold
FROM slot s JOIN stock k ON k.tenant_id = s.tenant_id AND k.slot_id = s.id
WHERE s.tenant_id = :tenant AND {condition}
ORDER BY s.pool_id, s.starts_at, k.scope
"""
OF_DAYS = text(SLOTS.format(condition="s.pool_id = ANY(:pools) AND s.day BETWEEN :first AND :last"))
BY_ID = text(SLOTS.format(condition="s.id = ANY(:ids)"))


async def slots_between(
    session: Session, *, pool_ids: Iterable[UUID], first: date, last: date
) -> list[SlotState]:
    """All slots of the pools from `first` to `last`, in order of pool and time."""
    result = await session.execute(
        OF_DAYS,
        {"tenant": session.tenant_id, "pools": list(pool_ids), "first": first, "last": last},
    )
    return _states(result.all())


async def slots_by_id(session: Session, *, ids: Iterable[UUID]) -> dict[UUID, SlotState]:
    """The slots with these ids; unknown ones are missing."""
    result = await session.execute(BY_ID, {"tenant": session.tenant_id, "ids": list(ids)})
    return {state.id: state for state in _states(result.all())}


def by_day(states: Iterable[SlotState]) -> dict[date, list[SlotState]]:
    """The same slots, grouped by day."""
    days: dict[date, list[SlotState]] = defaultdict(list)
    for state in states:
        days[state.day].append(state)
    return days


def _states(rows: Sequence[Row[Any]]) -> list[SlotState]:
    caps: dict[UUID, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        if row.scope == "type":
            caps[row.id][row.ref] = (row.capacity, row.capacity - row.held - row.sold)
    return [
        SlotState(
            id=row.id,
            pool_id=row.pool_id,
            day=row.day,
            starts=row.starts,
            ends=row.ends,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            status=row.status,
            note=row.note,
            capacity=row.capacity,
            held=row.held,
            sold=row.sold,
            caps=caps.get(row.id, {}),
            edited=row.edited,
        )
        for row in rows
        if row.scope == "slot"
    ]
