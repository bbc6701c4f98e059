"""Finding an order again by its number and telephone number."""

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from shanmen.db.session import Session, Unit
from shanmen.kit.errors import DomainError
from shanmen.kit.phones import PhoneInvalid
from shanmen.orders.pages.common import AnyRequest, Page, frame_of, order_path
from shanmen.orders.queries import find_own
from shanmen.sites import queries as sites
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect


class FindForm(msgspec.Struct, kw_only=True):
    """What the buyer remembers."""

    number: str
    phone: str


async def own_address(session: Session, *, number: str, phone: str) -> str:
    """Where the buyer's order is shown, also when it is of another site; raises OrderNotFound."""
    view = await find_own(session, number=number, phone=phone)
    slugs = {site.site_id: site.slug for site in await sites.site_contexts(session)}
    return order_path(slugs[view.site_id], view.number, view.secret)


@get("/s/{slug:str}/find", opt=dict(PUBLIC), include_in_schema=False)
async def find_form(
    request: AnyRequest, site: NamedDependency[SiteContext], unit: NamedDependency[Unit]
) -> Page:
    """Ask for number and telephone number."""
    frame = await frame_of(request, site, unit)
    number = request.query_params.get("number", "")
    return page(request, "orders/find.html", site=frame.site, form=Form.blank({"number": number}))


@post("/s/{slug:str}/find", opt=dict(PUBLIC), include_in_schema=False, status_code=200)
async def find(
    request: AnyRequest, site: NamedDependency[SiteContext], unit: NamedDependency[Unit]
) -> Page:
    """Lead to the order, or say that there is none; which of the two was wrong is not told."""
    form = await Form.read(request)
    try:
        wish = form.into(FindForm)
        address = await unit(own_address, number=wish.number, phone=wish.phone)
    except DomainError as error:
        if isinstance(error, PhoneInvalid):
            error.field = "phone"
        frame = await frame_of(request, site, unit)
        return page(
            request,
            "orders/find.html",
            status=error.status,
            site=frame.site,
            form=form.with_error(error),
            cache="no-store",
        )
    return redirect(request, address)


routes = [find_form, find]
