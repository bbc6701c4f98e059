"""Lanes of an entrance.

A lane is never removed, because scans name it; one that is not used any more is closed.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from shanmen.admission.errors import (
    BadDirection,
    EntranceUnknown,
    LaneUnknown,
    NoLaneNumberLeft,
)
from shanmen.admission.models import Lane
from shanmen.admission.queries import LaneView, lane_view
from shanmen.audit import service as audit
from shanmen.db.pipeline import run
from shanmen.db.session import Session
from shanmen.kit import ids
from shanmen.sites.places import Place, places, places_statement
from shanmen.sites.rules import clean_name

DIRECTIONS = ("in", "out", "both")
LANES_MAX = 99


async def create_lane(
    session: Session, *, entrance_id: UUID, name: Mapping[str, str], direction: str = "in"
) -> LaneView:
    """Add a lane to an entrance under the lowest free number.

    Raises:
        EntranceUnknown, BadDirection, NoLaneNumberLeft, sites' NameMissing: naming the field.
    """
    place = (await _places(session)).get(entrance_id)
    if place is None:
        raise EntranceUnknown(field="entrance_id")
    if direction not in DIRECTIONS:
        raise BadDirection(field="direction")
    names = clean_name(name)
    taken = set(
        (
            await session.scalars(
                select(Lane.number).where(
                    Lane.tenant_id == session.tenant_id, Lane.entrance_id == entrance_id
                )
            )
        ).all()
    )
    number = next((n for n in range(1, LANES_MAX + 1) if n not in taken), None)
    if number is None:
        raise NoLaneNumberLeft(field="entrance_id", limit=LANES_MAX)
    row = Lane(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        entrance_id=entrance_id,
        number=number,
        name=names,
        direction=direction,
        active=True,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        action="admission.lane_created",
        entity="lane",
        entity_id=row.id,
        after={"entrance_id": entrance_id, "number": number, **_facts(row)},
    )
    return lane_view(row, place)


async def change_lane(
    session: Session,
    *,
    lane_id: UUID,
    name: Mapping[str, str] | None = None,
    direction: str | None = None,
    active: bool | None = None,
) -> LaneView:
    """Rename, turn, close or open a lane; None leaves a field as it is.

    Raises:
        LaneUnknown, BadDirection, sites' NameMissing: naming the field.
    """
    row = await session.get(Lane, (session.tenant_id, lane_id), with_for_update=True)
    if row is None:
        raise LaneUnknown
    if direction is not None and direction not in DIRECTIONS:
        raise BadDirection(field="direction")
    before = _facts(row)
    if name is not None:
        row.name = clean_name(name)
    if direction is not None:
        row.direction = direction
    if active is not None:
        row.active = active
    await session.flush()
    await audit.record(
        session,
        action="admission.lane_changed",
        entity="lane",
        entity_id=lane_id,
        before=before,
        after=_facts(row),
    )
    return lane_view(row, (await _places(session))[row.entrance_id])


async def _places(session: Session) -> dict[UUID, Place]:
    return places((await run(session, [places_statement(session.tenant_id)]))[0])


def _facts(row: Lane) -> dict[str, object]:
    return {"name": row.name, "direction": row.direction, "active": row.active}
