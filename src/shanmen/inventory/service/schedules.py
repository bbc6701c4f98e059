"""Schedules of a pool: which slots its days have. Saving one brings the slots in line at once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete

from shanmen.audit import service as audit
from shanmen.catalog.schemas import checked, refuse_first
from shanmen.catalog.service import raise_version
from shanmen.db.session import Session
from shanmen.inventory import errors
from shanmen.inventory.models import Schedule
from shanmen.inventory.queries import (
    ScheduleView,
    pool,
    schedule,
    schedule_view,
    schedules,
)
from shanmen.inventory.rules import SchedulePlan
from shanmen.inventory.schemas import ScheduleSpec, schedule_problems
from shanmen.inventory.service.materialize import preview, refresh
from shanmen.inventory.service.planning import SlotChanges
from shanmen.kit import ids


async def create_schedule(
    session: Session, *, pool_id: UUID, spec: ScheduleSpec
) -> tuple[ScheduleView, SlotChanges]:
    """Add a schedule and make its slots as far ahead as tickets are sold.

    Raises:
        PoolNotFound, FormInvalid, SlotTimesReversed, SlotsOverlap, SeasonReversed, WeekdayMissing.
    """
    views, changes = await create_schedules(session, pool_id=pool_id, specs=[spec])
    return views[0], changes


async def create_schedules(
    session: Session, *, pool_id: UUID, specs: Sequence[ScheduleSpec]
) -> tuple[list[ScheduleView], SlotChanges]:
    """Add a pool's whole timetable; the slots are brought in line once, after the last of them.

    Raises:
        The same as `create_schedule`.
    """
    specs = [_checked(spec) for spec in specs]
    await raise_version(session)
    await pool(session, pool_id=pool_id)
    rows = [
        Schedule(tenant_id=session.tenant_id, id=ids.new_id(), pool_id=pool_id, **_columns(spec))
        for spec in specs
    ]
    session.add_all(rows)
    await session.flush()
    changes = await refresh(session, pool_ids=[pool_id])
    for row in rows:
        await _note(
            session,
            action="inventory.schedule_created",
            schedule_id=row.id,
            before=None,
            after=_audited(row),
            changes=changes,
        )
    return [schedule_view(row) for row in rows], changes


async def edit_schedule(
    session: Session, *, schedule_id: UUID, spec: ScheduleSpec, seen: str | None = None
) -> tuple[ScheduleView, SlotChanges]:
    """Replace a schedule and bring the slots in line; what was sold or edited by hand stays.

    `seen` is the `fingerprint` of what the caller edited; None overwrites whatever is there.

    Raises:
        ScheduleNotFound, ChangedMeanwhile, and the same as `create_schedule`.
    """
    spec = _checked(spec)
    await raise_version(session)
    row = await _row(session, schedule_id)
    if seen is not None and seen != schedule_view(row).fingerprint:
        raise errors.ChangedMeanwhile
    before = _audited(row)
    for name, value in _columns(spec).items():
        setattr(row, name, value)
    await session.flush()
    changes = await refresh(session, pool_ids=[row.pool_id])
    await _note(
        session,
        action="inventory.schedule_changed",
        schedule_id=row.id,
        before=before,
        after=_audited(row),
        changes=changes,
    )
    return schedule_view(row), changes


async def delete_schedule(session: Session, *, schedule_id: UUID) -> SlotChanges:
    """Remove a schedule; its unsold slots close where no other schedule has them."""
    await raise_version(session)
    row = await _row(session, schedule_id)
    before, pool_id = _audited(row), row.pool_id
    await session.execute(
        delete(Schedule).where(Schedule.tenant_id == session.tenant_id, Schedule.id == schedule_id)
    )
    session.expunge(row)
    changes = await refresh(session, pool_ids=[pool_id])
    await _note(
        session,
        action="inventory.schedule_deleted",
        schedule_id=schedule_id,
        before=before,
        after=None,
        changes=changes,
    )
    return changes


async def preview_schedule(
    session: Session,
    *,
    pool_id: UUID,
    schedule_id: UUID | None = None,
    spec: ScheduleSpec | None = None,
) -> SlotChanges:
    """What saving a schedule would change from today on; nothing is saved.

    Without `schedule_id` it is a new one; without `spec` it is the removal of that one.

    Raises:
        The same as saving it.
    """
    spec = None if spec is None else _checked(spec)
    if schedule_id is not None:
        await schedule(session, schedule_id=schedule_id)
    plans: list[SchedulePlan] = []
    for known in sorted(await schedules(session, pool_id=pool_id), key=lambda s: s.id):
        if known.id != schedule_id:
            plans.append(known.plan)
        elif spec is not None:
            plans.append(spec.schedule_plan())
    if schedule_id is None and spec is not None:
        plans.append(spec.schedule_plan())
    return await preview(session, pool_id=pool_id, schedules=plans)


async def _row(session: Session, schedule_id: UUID) -> Schedule:
    row = await session.get(Schedule, (session.tenant_id, schedule_id), populate_existing=True)
    if row is None:
        raise errors.ScheduleNotFound
    return row


async def _note(
    session: Session,
    *,
    action: str,
    schedule_id: UUID,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    changes: SlotChanges,
) -> None:
    if before is not None and after is not None and before == after:
        return
    await audit.record(
        session,
        action=action,
        entity="schedule",
        entity_id=schedule_id,
        before=before,
        after={**(after or {}), "slot_changes": changes.counts()},
    )


def _checked(spec: ScheduleSpec) -> ScheduleSpec:
    spec = checked(spec).ordered()
    refuse_first(schedule_problems(spec))
    return spec


def _columns(spec: ScheduleSpec) -> dict[str, Any]:
    return {
        "name": spec.name.strip(),
        "date_from": spec.date_from,
        "date_until": spec.date_until,
        "weekdays": spec.weekdays,
        "day_kind": spec.day_kind,
        "priority": spec.priority,
        "slots": [
            {
                "starts": slot.starts,
                "ends": slot.ends,
                "capacity": slot.capacity,
            }
            for slot in spec.slots
        ],
    }


def _audited(row: Schedule) -> dict[str, Any]:
    return {
        "pool_id": row.pool_id,
        "name": row.name,
        "date_from": row.date_from,
        "date_until": row.date_until,
        "weekdays": row.weekdays,
        "day_kind": row.day_kind,
        "priority": row.priority,
        "slots": row.slots,
    }
