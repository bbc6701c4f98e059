"""Dividing a pool, or single slots of it, among channels. What is sold stays as it is."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update

from shanmen.audit import service as audit
from shanmen.catalog.schemas import checked, refuse_first
from shanmen.catalog.service import raise_version
from shanmen.db.session import Session, Unit
from shanmen.inventory import errors
from shanmen.inventory.allotments import AllotmentRule, SharePlan, overdrawn
from shanmen.inventory.division import (
    AllotmentSpec,
    ShareSpec,
    channel_problems,
    division_problems,
    total_problem,
)
from shanmen.inventory.models import Allotment, Slot
from shanmen.inventory.queries import divisions, pool, schedules, slots_between, slots_by_id
from shanmen.inventory.rules import SlotState
from shanmen.inventory.service.counters import count_beginning, write_shares
from shanmen.inventory.service.follow import bring_in_line
from shanmen.inventory.service.materialize import materialize
from shanmen.inventory.service.planning import SlotChanges
from shanmen.inventory.stock import LockedSlot, lock
from shanmen.kit import clock


async def divide_pool(
    unit: Unit,
    *,
    pool_id: UUID,
    allotments: Sequence[AllotmentSpec],
    seen: str | None = None,
) -> SlotChanges:
    """Divide all slots of a pool anew, those divided by hand excepted.

    The slots follow, each day with sales by itself. Where too much is taken already, a share is as
    large as the slot allows (`short`).

    Raises:
        The same as `set_division`.
    """
    await unit(set_division, pool_id=pool_id, allotments=allotments, seen=seen)
    return await bring_in_line(unit, pool_ids=[pool_id])


async def set_division(
    session: Session,
    *,
    pool_id: UUID,
    allotments: Sequence[AllotmentSpec],
    seen: str | None = None,
) -> list[AllotmentRule]:
    """Replace a pool's shares; the slots follow when they are brought in line.

    The order of the shares is their rank where a slot has too little room for all. `seen` is the
    `fingerprint` of what the caller edited; None overwrites whatever is there.

    Raises:
        PoolNotFound, ChangedMeanwhile, FormInvalid, AllotmentChannel, AllotmentTwice,
        AllotmentAmount, AllotmentsAboveWhole, AllotmentsAboveCapacity: naming the field.
    """
    specs = [checked(spec) for spec in allotments]
    await raise_version(session)
    found = await pool(session, pool_id=pool_id)
    plans = [s for known in await schedules(session, pool_id=pool_id) for s in known.slots]
    refuse_first(division_problems(specs, plans))
    before = (await divisions(session, pool_ids=[pool_id])).get(pool_id, [])
    if seen is not None and seen != fingerprint(before):
        raise errors.ChangedMeanwhile
    rules = [spec.rule for spec in specs]
    tenant = session.tenant_id
    await session.execute(
        delete(Allotment).where(Allotment.tenant_id == tenant, Allotment.pool_id == pool_id)
    )
    if rules:
        rows = [
            {"tenant_id": tenant, "pool_id": pool_id, "position": position, **_rule(rule)}
            for position, rule in enumerate(rules)
        ]
        await session.execute(insert(Allotment), rows)
    if rules != before:
        await audit.record(
            session,
            action="inventory.pool_divided",
            entity="pool",
            entity_id=pool_id,
            before={"pool": found.name, "allotments": [_rule(rule) for rule in before]},
            after={"pool": found.name, "allotments": [_rule(rule) for rule in rules]},
        )
    return rules


def fingerprint(rules: Iterable[AllotmentRule]) -> str:
    """A short text that changes with anything about the shares: what an editor has seen."""
    return hashlib.blake2b(repr(list(rules)).encode(), digest_size=9).hexdigest()


async def divide_slots(
    session: Session,
    *,
    slot_ids: Collection[UUID],
    allotments: Sequence[ShareSpec],
    reason: str = "",
) -> list[SlotState]:
    """Divide single slots by hand; the pool's division leaves them alone from then on.

    Without shares a slot is common stock whole.

    Raises:
        SlotNotFound, SlotIsOver, FormInvalid, AllotmentChannel, AllotmentTwice.
        AllotmentsAboveCapacity: all shares are more than a slot has.
        AllotmentAboveLeft: too much of a slot is taken already; `most` is what a share can be.
    """
    specs = [checked(spec) for spec in allotments]
    refuse_first(channel_problems(specs))
    await raise_version(session)
    locked = await lock(session, slot_ids)
    before = await slots_by_id(session, ids=slot_ids)
    for slot_id in sorted(set(slot_ids)):
        slot = locked.slots.get(slot_id)
        if slot is None:
            raise errors.SlotNotFound
        if slot.ends_at <= clock.now():
            raise errors.SlotIsOver
        await _divide(session, slot, before[slot_id], specs)
    await _own(session, slot_ids, own=True)
    return await _noted(session, before, "inventory.slot_divided", reason)


async def divide_day(
    session: Session,
    *,
    pool_id: UUID,
    day: date,
    allotments: Sequence[ShareSpec],
    reason: str = "",
) -> list[SlotState]:
    """Divide all slots of a day that are not over, by hand and alike.

    Raises:
        PoolNotFound, SlotNotFound, and the same as `divide_slots`.
    """
    chosen = await _of_day(session, pool_id, day)
    return await divide_slots(session, slot_ids=chosen, allotments=allotments, reason=reason)


async def follow_pool(
    session: Session, *, slot_ids: Collection[UUID], reason: str = ""
) -> list[SlotState]:
    """Let slots be divided as their pool again.

    Raises:
        SlotNotFound, SlotIsOver.
    """
    await raise_version(session)
    locked = await lock(session, slot_ids)
    if set(slot_ids) - locked.slots.keys():
        raise errors.SlotNotFound
    if any(slot.ends_at <= clock.now() for slot in locked.slots.values()):
        raise errors.SlotIsOver
    before = await slots_by_id(session, ids=slot_ids)
    await _own(session, slot_ids, own=False)
    for pool_id, day in sorted({(slot.pool_id, slot.day) for slot in locked.slots.values()}):
        await materialize(session, pool_id=pool_id, first=day, last=day)
    return await _noted(session, before, "inventory.slot_follows_division", reason)


async def follow_pool_on(
    session: Session, *, pool_id: UUID, day: date, reason: str = ""
) -> list[SlotState]:
    """Let all slots of a day that are not over be divided as their pool again.

    Raises:
        PoolNotFound, SlotNotFound.
    """
    chosen = await _of_day(session, pool_id, day)
    return await follow_pool(session, slot_ids=chosen, reason=reason)


async def _of_day(session: Session, pool_id: UUID, day: date) -> list[UUID]:
    await pool(session, pool_id=pool_id)
    slots = await slots_between(session, pool_ids=[pool_id], first=day, last=day)
    now = clock.now()
    chosen = [s.id for s in slots if s.ends_at > now and (s.status == "open" or s.edited)]
    if not chosen:
        raise errors.SlotNotFound(field="day")
    return chosen


async def _divide(
    session: Session, slot: LockedSlot, before: SlotState, specs: Sequence[ShareSpec]
) -> None:
    plans: list[SharePlan] = [spec.plan(slot.starts_at) for spec in specs]
    if problem := total_problem([plan.places for plan in plans], before):
        raise problem[1]
    taken, counts = await count_beginning(session, slot, [plan.channel for plan in plans])
    if beyond := overdrawn(plans, left=slot.whole.left, taken=taken, now=clock.now()):
        index, most = beyond
        raise errors.AllotmentAboveLeft(
            field=f"allotments.{index}.places",
            most=most,
            starts=before.starts.isoformat("minutes"),
        )
    await write_shares(session, slot, plans, counts)


async def _own(session: Session, slot_ids: Collection[UUID], *, own: bool) -> None:
    await session.execute(
        update(Slot)
        .where(Slot.tenant_id == session.tenant_id, Slot.id.in_(list(slot_ids)))
        .values(own_allotments=own)
        .execution_options(synchronize_session=False)
    )


async def _noted(
    session: Session, before: dict[UUID, SlotState], action: str, reason: str
) -> list[SlotState]:
    after = await slots_by_id(session, ids=before)
    found = sorted(after.values(), key=lambda slot: slot.starts_at)
    for slot in found:
        if (before[slot.id].shares, before[slot.id].own_allotments) != (
            slot.shares,
            slot.own_allotments,
        ):
            await audit.record(
                session,
                action=action,
                entity="slot",
                entity_id=slot.id,
                before=_audited(before[slot.id]),
                after=_audited(slot),
                reason=reason,
            )
    return found


def _rule(rule: AllotmentRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in AllotmentRule.__slots__}


def _audited(slot: SlotState) -> dict[str, Any]:
    return {
        "day": slot.day,
        "starts": slot.starts,
        "own": slot.own_allotments,
        "allotments": {
            code: {
                "kind": share.kind,
                "places": share.places,
                "releases_at": share.releases_at,
            }
            for code, share in slot.shares.items()
        },
    }
