"""Channels' shares of pools and slots."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from shanmen.db.session import Session, Unit
from shanmen.inventory import errors, queries
from shanmen.inventory.allotments import AllotmentRule
from shanmen.inventory.division import (
    MOST_SHARES,
    AllotmentSpec,
    AllotmentsSaved,
    DivisionPut,
    SlotDivision,
)
from shanmen.inventory.rules import SlotState
from shanmen.inventory.schemas import SlotChangesOut
from shanmen.inventory.service import divide
from shanmen.kit import clock
from shanmen.sites.access import requires
from shanmen.sites.schemas import problems
from shanmen.web.forms import FormInvalid

TAGS = ["inventory"]
EDIT = [requires("inventory.edit")]
READ = [requires("inventory.edit", "insight.read")]
Allotments = Annotated[list[AllotmentSpec], Meta(max_length=MOST_SHARES)]
SHARE_ERRORS = (
    FormInvalid,
    errors.AllotmentChannel,
    errors.AllotmentTwice,
    errors.AllotmentsAboveCapacity,
)


async def pool_division(session: Session, *, pool_id: UUID) -> list[AllotmentRule]:
    """A pool's shares; raises PoolNotFound."""
    await queries.pool(session, pool_id=pool_id)
    return (await queries.divisions(session, pool_ids=[pool_id])).get(pool_id, [])


async def pool_day(session: Session, *, pool_id: UUID, day: date) -> list[SlotState]:
    """The slots of a pool's day; raises PoolNotFound."""
    await queries.pool(session, pool_id=pool_id)
    return await queries.slots_between(session, pool_ids=[pool_id], first=day, last=day)


def _shown(slots: list[SlotState]) -> list[SlotDivision]:
    now = clock.now()
    return [SlotDivision.of(slot, now) for slot in slots]


@get(
    "/api/v1/pools/{pool_id:uuid}/allotments",
    guards=READ,
    tags=TAGS,
    responses=problems(errors.PoolNotFound),
)
async def list_allotments(
    pool_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> list[AllotmentSpec]:
    """List the shares that channels have of a pool, in the order in which they are kept."""
    return [AllotmentSpec.of(rule) for rule in await unit(pool_division, pool_id=pool_id)]


@put(
    "/api/v1/pools/{pool_id:uuid}/allotments",
    guards=EDIT,
    tags=TAGS,
    responses=problems(
        errors.PoolNotFound, errors.AllotmentAmount, errors.AllotmentsAboveWhole, *SHARE_ERRORS
    ),
)
async def replace_allotments(
    pool_id: FromPath[UUID], data: JSONBody[Allotments], unit: NamedDependency[Unit]
) -> AllotmentsSaved:
    """Divide a pool among channels anew; its slots follow, what is sold stays."""
    changes = await divide.divide_pool(unit, pool_id=pool_id, allotments=data)
    rules = await unit(pool_division, pool_id=pool_id)
    return AllotmentsSaved(
        allotments=[AllotmentSpec.of(rule) for rule in rules],
        changes=SlotChangesOut(**changes.counts()),
    )


@get(
    "/api/v1/pools/{pool_id:uuid}/divisions",
    guards=READ,
    tags=TAGS,
    responses=problems(errors.PoolNotFound),
)
async def list_divisions(
    pool_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    day: Annotated[date, QueryParameter(name="date", description="The day.")],
) -> list[SlotDivision]:
    """Say of each slot of a day how it is divided, and what each channel has taken and left."""
    return _shown(await unit(pool_day, pool_id=pool_id, day=day))


@put(
    "/api/v1/slots/{slot_id:uuid}/allotments",
    guards=EDIT,
    tags=TAGS,
    responses=problems(
        errors.SlotNotFound, errors.SlotIsOver, errors.AllotmentAboveLeft, *SHARE_ERRORS
    ),
)
async def divide_slot(
    slot_id: FromPath[UUID], data: JSONBody[DivisionPut], unit: NamedDependency[Unit]
) -> SlotDivision:
    """Divide one slot by hand; the pool's shares leave it alone from then on."""
    [slot] = await unit(
        divide.divide_slots, slot_ids=[slot_id], allotments=data.allotments, reason=data.reason
    )
    return SlotDivision.of(slot, clock.now())


@delete(
    "/api/v1/slots/{slot_id:uuid}/allotments",
    guards=EDIT,
    tags=TAGS,
    status_code=200,
    responses=problems(errors.SlotNotFound, errors.SlotIsOver),
)
async def let_slot_follow(slot_id: FromPath[UUID], unit: NamedDependency[Unit]) -> SlotDivision:
    """Let a slot be divided as its pool again."""
    [slot] = await unit(divide.follow_pool, slot_ids=[slot_id])
    return SlotDivision.of(slot, clock.now())


@put(
    "/api/v1/pools/{pool_id:uuid}/days/{day:date}/allotments",
    guards=EDIT,
    tags=TAGS,
    responses=problems(
        errors.PoolNotFound, errors.SlotNotFound, errors.AllotmentAboveLeft, *SHARE_ERRORS
    ),
)
async def divide_day(
    pool_id: FromPath[UUID],
    day: FromPath[date],
    data: JSONBody[DivisionPut],
    unit: NamedDependency[Unit],
) -> list[SlotDivision]:
    """Divide all slots of a day that are not over, by hand and alike."""
    return _shown(
        await unit(
            divide.divide_day,
            pool_id=pool_id,
            day=day,
            allotments=data.allotments,
            reason=data.reason,
        )
    )


@delete(
    "/api/v1/pools/{pool_id:uuid}/days/{day:date}/allotments",
    guards=EDIT,
    tags=TAGS,
    status_code=200,
    responses=problems(errors.PoolNotFound, errors.SlotNotFound),
)
async def let_day_follow(
    pool_id: FromPath[UUID], day: FromPath[date], unit: NamedDependency[Unit]
) -> list[SlotDivision]:
    """Let all slots of a day be divided as their pool again."""
    return _shown(await unit(divide.follow_pool_on, pool_id=pool_id, day=day))


routes = [
    list_allotments,
    replace_allotments,
    list_divisions,
    divide_slot,
    let_slot_follow,
    divide_day,
    let_day_follow,
]
