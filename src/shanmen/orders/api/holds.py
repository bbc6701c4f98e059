"""Extending the hold of an unpaid order."""

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.kit.errors import IdempotencyMismatch
from shanmen.orders import errors
from shanmen.orders.api.common import (
    TAGS,
    AnyRequest,
    OptionalKey,
    change_once,
    order_out,
    own_file,
    public_url,
)
from shanmen.orders.schemas import OrderOut
from shanmen.orders.service.extend import extend_for_partner
from shanmen.sites.access import requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import problems


@post(
    "/api/v1/orders/{number:str}/extend",
    guards=[requires("orders.change")],
    tags=TAGS,
    status_code=200,
    summary="Hold the places for longer",
    responses=problems(
        errors.OrderNotFound,
        errors.NotPayable,
        errors.HoldLapsed,
        errors.HoldExtended,
        errors.HoldLongEnough,
        IdempotencyMismatch,
    ),
)
async def extend(
    request: AnyRequest,
    number: FromPath[str],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
    idempotency_key: OptionalKey = None,
) -> OrderOut:
    """Once, when 5 minutes or less are left: by as long as the channel holds places.

    A payment that was started keeps its old end; start it again to get one with the new end.
    """
    url = public_url(request)
    seconds = request.app.state.settings.hold_seconds

    async def work(session: Session) -> OrderOut:
        file = await own_file(session, number=number, caller=caller)
        await extend_for_partner(session, order_id=file.view.id, hold_seconds=seconds)
        return await order_out(session, number=number, caller=caller, public_url=url)

    answer = await unit(
        change_once, scope=f"orders.extend/{number}", caller=caller, key=idempotency_key,
        body=None, change=work,
    )  # fmt: skip
    return msgspec.json.decode(answer, type=OrderOut)


routes = [extend]
