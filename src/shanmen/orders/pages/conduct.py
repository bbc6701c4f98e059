"""The console's list of documents that may not book for a while, and lifting it."""

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Unit
from shanmen.kit.errors import DomainError
from shanmen.orders.pages.common import AnyRequest, Page
from shanmen.orders.queries import RestrictionPage, restrictions
from shanmen.orders.service.lift import lift_restriction
from shanmen.sites.access import requires
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect

PATH: Final = "/console/restrictions"
READ: Final = [requires("orders.read")]
CHANGE: Final = [requires("orders.change")]
REASON_CHARS: Final = 200


class LiftForm(msgspec.Struct, kw_only=True):
    """Why, and the document that the list was searched for."""

    reason: str
    document: str = ""


async def _show(
    request: AnyRequest,
    unit: Unit,
    staff: SignedIn,
    form: Form,
    *,
    status: int = 200,
) -> Page:
    document, after = form.value("document"), form.value("after")
    found: RestrictionPage = await unit(restrictions, document=document, after=after or None)
    older = None
    if found.following:
        older = f"{PATH}?{urlencode({'document': document, 'after': found.following})}"
    return page(
        request,
        "orders/restrictions.html",
        status=status,
        form=form,
        rows=found.rows,
        searched=bool(document),
        older=older,
        newest=PATH if after else None,
        may_change=staff.may("orders.change"),
        timezone=staff.timezone,
        cache="no-store",
    )


@get(PATH, guards=READ, include_in_schema=False)
async def restriction_list(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Who may not book now; one field finds a document."""
    return await _show(request, unit, staff, Form.blank(dict(request.query_params.items())))


@post(
    f"{PATH}/{{restriction_id:uuid}}/lift", guards=CHANGE, include_in_schema=False, status_code=200
)
async def lift(
    request: AnyRequest,
    restriction_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Let a document book again, for a reason."""
    form = await Form.read(request)
    try:
        wish = form.into(LiftForm)
        await unit(
            lift_restriction, restriction_id=restriction_id, reason=wish.reason[:REASON_CHARS]
        )
    except DomainError as error:
        form = form.with_error(error)
        return await _show(request, unit, staff, form, status=error.status)
    return redirect(request, PATH, flash="orders.restriction.lifted_now", level="good")


routes = [restriction_list, lift]
