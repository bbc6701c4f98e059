"""Slots that somebody changes by hand: capacity, closing and opening, caps, whole days."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import update

from shanmen.audit import service as audit
from shanmen.catalog.queries import current_catalog
from shanmen.catalog.schemas import LocalText, checked
from shanmen.catalog.service import raise_version
from shanmen.db.session import Session
from shanmen.inventory import errors
from shanmen.inventory.allotments import SharePlan, claims, fitted
from shanmen.inventory.models import Slot
from shanmen.inventory.queries import divisions, pool, slots_between, slots_by_id
from shanmen.inventory.rules import NO_CAP, SlotState
from shanmen.inventory.service.counters import (
    TYPE,
    Counts,
    NewCounter,
    add_counters,
    count_beginning,
    counted,
    end_counters,
    write_shares,
)
from shanmen.inventory.service.materialize import materialize, set_capacities
from shanmen.inventory.service.reconcile import CounterPlan
from shanmen.inventory.stock import LockedSlot, lock
from shanmen.kit import clock

Status = Literal["open", "closed"]


async def edit_slot(
    session: Session,
    *,
    slot_id: UUID,
    capacity: int | None = None,
    status: Status | None = None,
    note: LocalText | None = None,
    caps: Mapping[UUID, int | None] | None = None,
    reason: str = "",
) -> SlotState:
    """Change one slot by hand; a schedule leaves it alone from then on.

    What is None stays as it is. `caps` maps ticket types to their most places in this slot, None to
    take a cap away. Closing stops sales alone: tickets that were sold stay valid.

    Raises:
        SlotNotFound, NothingToChange.
        SlotIsOver: it lies in the past.
        CapacityBelowSold: with `taken`, what is held and sold.
        CapacityBelowReserved: channels were promised more.
        CapWithoutDraw: see there.
    """
    if capacity is None and status is None and note is None and not caps:
        raise errors.NothingToChange
    if capacity is not None and not 0 <= capacity < NO_CAP:
        raise errors.CapacityOutOfRange(field="capacity", most=NO_CAP - 1)
    note = None if note is None else checked(note)
    await raise_version(session)
    slot = (await lock(session, [slot_id])).slots.get(slot_id)
    if slot is None:
        raise errors.SlotNotFound
    if slot.ends_at <= clock.now():
        raise errors.SlotIsOver
    before = (await slots_by_id(session, ids=[slot_id]))[slot_id]
    if capacity is not None:
        await _edit_capacity(session, slot, before, capacity)
    await _edit_caps(session, slot, caps or {})
    values: dict[str, Any] = {"edited": True}
    if status is not None:
        values["status"] = status
    if note is not None:
        values["note"] = note.names()
    await _set(session, [slot_id], values)
    after = (await slots_by_id(session, ids=[slot_id]))[slot_id]
    await audit.record(
        session,
        action="inventory.slot_changed",
        entity="slot",
        entity_id=slot_id,
        before=_audited(before),
        after=_audited(after),
        reason=reason,
    )
    return after


async def edit_day(
    session: Session,
    *,
    pool_id: UUID,
    day: date,
    status: Status,
    note: LocalText | None = None,
    reason: str = "",
) -> list[SlotState]:
    """Close or open all of a day's slots that are not over yet; returns the day's slots.

    Raises:
        PoolNotFound.
        SlotNotFound: the day has no slot that could be changed.
    """
    note = None if note is None else checked(note)
    await raise_version(session)
    found = await pool(session, pool_id=pool_id)
    await materialize(session, pool_id=pool_id, first=day, last=day)
    slots = await slots_between(session, pool_ids=[pool_id], first=day, last=day)
    now = clock.now()
    open_to_change = [slot.id for slot in slots if slot.ends_at > now]
    if not open_to_change:
        raise errors.SlotNotFound(field="day")
    await lock(session, open_to_change)
    before = await slots_between(session, pool_ids=[pool_id], first=day, last=day)
    # Opening a day again does not bring back slots that a schedule has dropped.
    chosen = [s.id for s in before if s.id in open_to_change and (s.edited or s.status == "open")]
    values: dict[str, Any] = {"status": status, "edited": True}
    if note is not None or status == "open":
        values["note"] = note.names() if note else {}
    await _set(session, chosen, values)
    after = await slots_between(session, pool_ids=[pool_id], first=day, last=day)
    await audit.record(
        session,
        action="inventory.day_closed" if status == "closed" else "inventory.day_opened",
        entity="pool",
        entity_id=pool_id,
        before={"day": day, "pool": found.name, "slots": _statuses(before)},
        after={"day": day, "pool": found.name, "slots": _statuses(after)},
        reason=reason,
    )
    return after


async def follow_schedule(session: Session, *, slot_id: UUID, reason: str = "") -> SlotState:
    """Forget what was set by hand and bring a slot in line with its schedule again.

    Raises:
        SlotNotFound, SlotIsOver.
    """
    await raise_version(session)
    slot = (await lock(session, [slot_id])).slots.get(slot_id)
    if slot is None:
        raise errors.SlotNotFound
    if slot.ends_at <= clock.now():
        raise errors.SlotIsOver
    before = (await slots_by_id(session, ids=[slot_id]))[slot_id]
    await _set(session, [slot_id], {"edited": False, "note": {}})
    await materialize(session, pool_id=slot.pool_id, first=slot.day, last=slot.day)
    after = (await slots_by_id(session, ids=[slot_id]))[slot_id]
    await audit.record(
        session,
        action="inventory.slot_follows_schedule",
        entity="slot",
        entity_id=slot_id,
        before=_audited(before),
        after=_audited(after),
        reason=reason,
    )
    return after


async def _edit_capacity(
    session: Session, slot: LockedSlot, before: SlotState, capacity: int
) -> None:
    """Change the capacity; shares in percent follow it, and what is promised is kept."""
    now = clock.now()
    kept = [SharePlan(code, s.kind, s.places, s.releases_at) for code, s in slot.shares.items()]
    plans = kept
    if not before.own_allotments:
        found = await divisions(session, pool_ids=[slot.pool_id])
        plans = [
            rule.plan(capacity=capacity, starts_at=slot.starts_at)
            for rule in found.get(slot.pool_id, [])
        ]
    if capacity < before.taken:
        raise errors.CapacityBelowSold(field="capacity", taken=before.taken, capacity=capacity)
    taken, counts = await count_beginning(session, slot, [plan.channel for plan in plans])
    # Where a slot has less room than its pool's shares ask for, no more than it gives is promised.
    promised = min(claims(plans, taken=taken, now=now), claims(kept, taken=taken, now=now))
    if capacity < before.taken + promised:
        raise errors.CapacityBelowReserved(
            field="capacity", taken=before.taken, reserved=promised, capacity=capacity
        )
    await set_capacities(session, {slot.whole.id: capacity})
    slot.whole.capacity = capacity
    fitting = fitted(plans, left=slot.whole.left, taken=taken, now=now)
    await write_shares(session, slot, fitting, counts)


async def _edit_caps(session: Session, slot: LockedSlot, caps: Mapping[UUID, int | None]) -> None:
    catalog = await current_catalog(session) if caps else None
    counts: Counts | None = None
    wanted: dict[UUID, int] = {}
    begin: list[NewCounter] = []
    for ticket_type_id, cap in caps.items():
        field, ref = f"caps.{ticket_type_id}", str(ticket_type_id)
        known = catalog.types.get(ticket_type_id) if catalog else None
        if known is None or all(draw.pool_id != slot.pool_id for draw in known.draws):
            raise errors.CapWithoutDraw(field=field)
        counter = slot.by_type.get(ref)
        if counter is None and counts is None and slot.whole.taken:
            counts = (await counted(session, {slot.id: slot.day})).get(slot.id, {})
        held, sold = (counts or {}).get((TYPE, ref), (0, 0))
        taken = held + sold if counter is None else counter.taken
        if cap is not None and cap < taken:
            raise errors.CapacityBelowSold(field=field, taken=taken, capacity=cap)
        if counter is None and cap is not None:
            begin.append(NewCounter(slot.id, (TYPE, ref), CounterPlan(cap), held, sold))
        elif counter is not None and cap is not None:
            wanted[counter.id] = cap
        elif counter is not None:
            await end_counters(session, [counter.id])
    await set_capacities(session, wanted)
    await add_counters(session, begin)


async def _set(session: Session, slot_ids: Iterable[UUID], values: dict[str, Any]) -> None:
    await session.execute(
        update(Slot)
        .where(Slot.tenant_id == session.tenant_id, Slot.id.in_(list(slot_ids)))
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _audited(slot: SlotState) -> dict[str, Any]:
    return {
        "day": slot.day,
        "starts": slot.starts,
        "ends": slot.ends,
        "status": slot.status,
        "capacity": slot.capacity,
        "note": slot.note,
        "edited": slot.edited,
        "caps": {key: cap for key, (cap, _) in slot.caps.items()},
    }


def _statuses(slots: Iterable[SlotState]) -> dict[str, str]:
    return {slot.starts.isoformat("minutes"): slot.status for slot in slots}
