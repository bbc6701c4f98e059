"""Documents that may not book for a while, over the API."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from shanmen.db.session import Unit
from shanmen.orders import errors
from shanmen.orders.api.common import TAGS
from shanmen.orders.queries import restrictions
from shanmen.orders.schemas import LiftInput, RestrictionList, RestrictionOut
from shanmen.orders.service.lift import lift_restriction
from shanmen.sites.access import requires
from shanmen.sites.schemas import problems


@get(
    "/api/v1/restrictions",
    guards=[requires("orders.read")],
    tags=TAGS,
    summary="Who may not book now",
    responses=problems(),
)
async def list_restrictions(
    unit: NamedDependency[Unit],
    document: Annotated[
        str, QueryParameter(max_length=40, description="The number of one document, of any kind")
    ] = "",
    after: Annotated[
        str, QueryParameter(max_length=100, description="`next` of the answer before")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Of an answer")] = 50,
) -> RestrictionList:
    """Documents whose holders did not come too often, those restricted longest first.

    Names and numbers are masked. Asked for one document, it also tells what was lifted.
    """
    found = await unit(restrictions, document=document, after=after or None, limit=limit)
    return RestrictionList(
        restrictions=[
            RestrictionOut(
                id=row.id, products=list(row.products), no_shows=row.no_shows,
                last_day=row.last_day, until_day=row.until_day, lifted_at=row.lifted_at,
                lifted_by=row.lifted_by, reason=row.reason, visitor=row.visitor,
                order_id=row.order_id,
            )
            for row in found.rows
        ],
        next=found.following,
    )  # fmt: skip


@post(
    "/api/v1/restrictions/{restriction_id:uuid}/lift",
    guards=[requires("orders.change")],
    tags=TAGS,
    status_code=204,
    summary="Let a document book again",
    responses=problems(errors.RestrictionNotFound),
)
async def lift(
    restriction_id: FromPath[UUID], data: JSONBody[LiftInput], unit: NamedDependency[Unit]
) -> None:
    """What led to the restriction is forgiven: only later no-shows can restrict it again.

    Lifting it again changes nothing.
    """
    await unit(lift_restriction, restriction_id=restriction_id, reason=data.reason)


routes = [list_restrictions, lift]
