"""How the slots of one day are divided among channels, and one slot of them."""

from datetime import date, timedelta
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.inventory import errors, queries
from shanmen.inventory.division import slot_parts
from shanmen.inventory.pages.allotments import (
    LIST,
    DividedPool,
    SharesForm,
    divided_pool,
    form_of,
    read_shares,
    refused,
    slot_rows,
)
from shanmen.inventory.pages.common import EDIT, READ, AnyRequest, Page
from shanmen.inventory.rules import SlotState
from shanmen.inventory.service.divide import (
    divide_day,
    divide_slots,
    follow_pool,
    follow_pool_on,
)
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect
from shanmen.web.rows import with_blank_rows


async def divided_slot(session: Session, *, slot_id: UUID) -> tuple[DividedPool, SlotState]:
    """A slot with its pool and day; raises SlotNotFound."""
    slot = (await queries.slots_by_id(session, ids=[slot_id])).get(slot_id)
    if slot is None:
        raise errors.SlotNotFound
    return await divided_pool(session, pool_id=slot.pool_id, day=slot.day), slot


def _show(
    request: AnyRequest,
    staff: SignedIn,
    found: DividedPool,
    form: Form,
    *,
    slot: SlotState | None = None,
    status: int = 200,
) -> Page:
    """A day, or one slot of it."""
    return page(
        request,
        "inventory/division.html",
        status=status,
        found=found,
        slot=slot,
        slots=found.slots if slot is None else [slot],
        form=form,
        opened=bool(form.errors) or slot is not None,
        parts_of=slot_parts,
        now=clock.now(),
        previous=found.day - timedelta(days=1),
        following=found.day + timedelta(days=1),
        may_edit="inventory.edit" in staff.permissions,
    )


@get(f"{LIST}/{{pool_id:uuid}}/{{day:date}}", guards=READ, include_in_schema=False)
async def division_page(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    day: FromPath[date],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show how the slots of a day are divided."""
    found = await unit(divided_pool, pool_id=pool_id, day=day)
    return _show(request, staff, found, form_of([]))


@post(
    f"{LIST}/{{pool_id:uuid}}/{{day:date}}", guards=EDIT, include_in_schema=False, status_code=200
)
async def save_division(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    day: FromPath[date],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Divide all slots of a day alike, or let them follow their pool again."""
    form = await read_shares(request)
    try:
        wish = form.into(SharesForm)
        if wish.do == "follow":
            await unit(follow_pool_on, pool_id=pool_id, day=day, reason=wish.reason)
        else:
            await unit(
                divide_day,
                pool_id=pool_id,
                day=day,
                allotments=[row.share() for row in wish.allotments],
                reason=wish.reason,
            )
    except DomainError as error:
        found = await unit(divided_pool, pool_id=pool_id, day=day)
        return _show(request, staff, found, refused(form, error), status=error.status)
    return redirect(request, f"{LIST}/{pool_id}/{day}", flash="web.saved")


@get(f"{LIST}/slots/{{slot_id:uuid}}", guards=READ, include_in_schema=False)
async def slot_division(
    request: AnyRequest,
    slot_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show how a slot is divided, to change it."""
    found, slot = await unit(divided_slot, slot_id=slot_id)
    return _show(request, staff, found, form_of(slot_rows(slot)), slot=slot)


@post(f"{LIST}/slots/{{slot_id:uuid}}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_slot_division(
    request: AnyRequest,
    slot_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Divide a slot by hand, or let it follow its pool again."""
    form = await read_shares(request)
    found, slot = await unit(divided_slot, slot_id=slot_id)
    try:
        wish = form.into(SharesForm)
        if wish.do == "rows":
            form = with_blank_rows(form, "allotments", more=3)
            return _show(request, staff, found, form, slot=slot)
        if wish.do == "follow":
            await unit(follow_pool, slot_ids=[slot_id], reason=wish.reason)
        else:
            await unit(
                divide_slots,
                slot_ids=[slot_id],
                allotments=[row.share() for row in wish.allotments],
                reason=wish.reason,
            )
    except DomainError as error:
        return _show(request, staff, found, refused(form, error), slot=slot, status=error.status)
    return redirect(request, f"{LIST}/{slot.pool_id}/{slot.day}", flash="web.saved")


routes = [division_page, save_division, slot_division, save_slot_division]
