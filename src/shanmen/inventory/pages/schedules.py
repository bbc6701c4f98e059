"""The page of a schedule, which makes the slots of a pool."""

from dataclasses import dataclass
from datetime import date, time
from typing import Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.inventory import queries
from shanmen.inventory.errors import PoolNotFound
from shanmen.inventory.pages.common import EDIT, READ, AnyRequest, Page
from shanmen.inventory.queries import PoolView, ScheduleView
from shanmen.inventory.schemas import ScheduleSpec, SlotSpec, schedule_problems
from shanmen.inventory.service.planning import SlotChanges
from shanmen.inventory.service.schedules import (
    create_schedule,
    delete_schedule,
    edit_schedule,
    preview_schedule,
)
from shanmen.kit.errors import DomainError
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect
from shanmen.web.rows import with_blank_rows, with_errors, without_blank_rows

LIST = "/console/schedules"
MOST_FILLED = 96


class SlotRow(msgspec.Struct, kw_only=True):
    """A slot of the schedule."""

    starts: str
    ends: str
    capacity: int


class FillForm(msgspec.Struct, kw_only=True):
    """Slots of the same length one after the other."""

    starts: str = ""
    ends: str = ""
    minutes: int = 0
    capacity: int = 0


class ScheduleForm(msgspec.Struct, kw_only=True):
    """The page of a schedule."""

    name: str
    date_from: date | None = None
    date_until: date | None = None
    weekdays: list[int] = msgspec.field(default_factory=list)
    day_kind: Literal["", "workday", "weekend", "holiday"] = ""
    priority: int = 0
    slots: list[SlotRow] = msgspec.field(default_factory=list)
    seen: str = ""

    def spec(self) -> ScheduleSpec:
        """As the services take it."""
        return ScheduleSpec(
            name=self.name,
            date_from=self.date_from,
            date_until=self.date_until,
            weekdays=sum(1 << day for day in set(self.weekdays)),
            day_kind=self.day_kind,
            priority=self.priority,
            slots=[
                SlotSpec(starts=row.starts[:5], ends=row.ends[:5], capacity=row.capacity)
                for row in self.slots
            ],
        )


@dataclass(frozen=True, slots=True)
class Scheduling:
    """A schedule, or none yet, with its pool."""

    pool: PoolView
    schedule: ScheduleView | None


async def scheduling(
    session: Session, *, pool_id: UUID | None = None, schedule_id: UUID | None = None
) -> Scheduling:
    """A schedule's pool, and the schedule if it exists."""
    found = None
    if schedule_id is not None:
        found = await queries.schedule(session, schedule_id=schedule_id)
        pool_id = found.pool_id
    if pool_id is None:
        raise PoolNotFound
    return Scheduling(await queries.pool(session, pool_id=pool_id), found)


def _blank() -> Form:
    form = Form.blank({"weekdays": list(range(7)), "slots": [], "priority": 0})
    return with_blank_rows(form, "slots", more=3)


def _filled(found: ScheduleView) -> Form:
    form = Form.blank(
        {
            "name": found.name,
            "date_from": found.date_from,
            "date_until": found.date_until,
            "weekdays": [day for day in range(7) if found.weekdays >> day & 1],
            "day_kind": found.day_kind,
            "priority": found.priority,
            "slots": [
                {"starts": slot.starts, "ends": slot.ends, "capacity": slot.capacity}
                for slot in found.slots
            ],
            "seen": found.fingerprint,
        }
    )
    return with_blank_rows(form, "slots")


def _show(
    request: AnyRequest,
    staff: SignedIn,
    found: Scheduling,
    form: Form,
    *,
    changes: SlotChanges | None = None,
    removal: bool = False,
    status: int = 200,
) -> Page:
    return page(
        request,
        "inventory/schedule.html",
        status=status,
        pool=found.pool,
        schedule=found.schedule,
        form=form,
        changes=changes,
        removal=removal,
        may_edit="inventory.edit" in staff.permissions,
    )


def _id_asked(request: AnyRequest) -> UUID | None:
    try:
        return UUID(request.query_params.get("pool", ""))
    except ValueError:
        return None


@get(f"{LIST}/new", guards=EDIT, include_in_schema=False)
async def new_schedule(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Ask for a new schedule of the pool in ``?pool=``."""
    found = await unit(scheduling, pool_id=_id_asked(request))
    return _show(request, staff, found, _blank())


@post(f"{LIST}/new", guards=EDIT, include_in_schema=False, status_code=200)
async def add_schedule(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Preview or add a schedule."""
    found = await unit(scheduling, pool_id=_id_asked(request))
    return await _submitted(request, staff, unit, found)


@get(f"{LIST}/{{schedule_id:uuid}}", guards=READ, include_in_schema=False)
async def schedule_page(
    request: AnyRequest,
    schedule_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show a schedule to change it."""
    found = await unit(scheduling, schedule_id=schedule_id)
    form = _filled(found.schedule) if found.schedule else _blank()
    return _show(request, staff, found, form)


@post(f"{LIST}/{{schedule_id:uuid}}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_schedule(
    request: AnyRequest,
    schedule_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Preview or save a schedule, or its removal."""
    found = await unit(scheduling, schedule_id=schedule_id)
    return await _submitted(request, staff, unit, found)


async def _submitted(request: AnyRequest, staff: SignedIn, unit: Unit, found: Scheduling) -> Page:
    """Do what the button says: more lines, fill, preview, save, or removal in two steps."""
    form = without_blank_rows(await Form.read(request), "slots", "starts", "ends", "capacity")
    do = form.get("do", "save")
    changes = None
    try:
        if found.schedule is not None and do in ("removal", "delete"):
            return await _remove(request, staff, unit, found, found.schedule, sure=do == "delete")
        if do in ("rows", "fill"):
            form = _fill(form) if do == "fill" else form
            return _show(request, staff, found, with_blank_rows(form, "slots", more=4))
        form = _sorted(form)
        wish = form.into(ScheduleForm)
        spec = wish.spec()
        problems = schedule_problems(spec)
        form, status = with_errors(form, *problems), 422 if problems else 200
        if not problems and do == "preview":
            known = found.schedule.id if found.schedule else None
            changes = await unit(
                preview_schedule, pool_id=found.pool.id, schedule_id=known, spec=spec
            )
        elif not problems:
            await _save(unit, found, spec, wish.seen)
            return redirect(request, LIST, flash="inventory.schedule.saved")
    except DomainError as error:
        form, status = with_errors(form, error), error.status
    form = with_blank_rows(form, "slots")
    return _show(request, staff, found, form, changes=changes, status=status)


async def _remove(
    request: AnyRequest,
    staff: SignedIn,
    unit: Unit,
    found: Scheduling,
    known: ScheduleView,
    *,
    sure: bool,
) -> Page:
    """Say what a removal would do, and remove when that was seen."""
    if sure:
        await unit(delete_schedule, schedule_id=known.id)
        return redirect(request, LIST, flash="inventory.schedule.deleted")
    changes = await unit(preview_schedule, pool_id=found.pool.id, schedule_id=known.id)
    return _show(request, staff, found, _filled(known), changes=changes, removal=True)


async def _save(unit: Unit, found: Scheduling, spec: ScheduleSpec, seen: str) -> None:
    if found.schedule is None:
        await unit(create_schedule, pool_id=found.pool.id, spec=spec)
    else:
        await unit(edit_schedule, schedule_id=found.schedule.id, spec=spec, seen=seen or None)


def _sorted(form: Form) -> Form:
    """The rows in order of time, as the services take them, so that errors name the right ones."""
    rows = sorted(
        form.get("slots", []), key=lambda row: (row.get("starts", ""), row.get("ends", ""))
    )
    return Form({**form.data, "slots": rows}, form.files)


def _fill(form: Form) -> Form:
    """The form with slots of the same length from the one time to the other."""
    wish = Form.blank(form.get("fill", {})).into(FillForm)
    try:
        starts, ends = time.fromisoformat(wish.starts), time.fromisoformat(wish.ends)
    except ValueError:
        return form
    if wish.minutes <= 0:
        return form
    first, last = _minutes(starts), _minutes(ends)
    begins = range(first, last - wish.minutes + 1, wish.minutes)
    rows = [
        {
            "starts": _time(begin),
            "ends": _time(begin + wish.minutes),
            "capacity": wish.capacity,
        }
        for begin in list(begins)[:MOST_FILLED]
    ]
    return Form({**form.data, "slots": rows}, form.files)


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


routes = [
    new_schedule,
    add_schedule,
    schedule_page,
    save_schedule,
]
