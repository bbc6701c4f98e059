"""Lanes in the console."""

from typing import Any, Literal
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct

from shanmen.admission import queries, service
from shanmen.admission.pages import tabs
from shanmen.admission.queries import Counts
from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites.access import current_site, requires
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web.forms import Form
from shanmen.web.i18n import localized
from shanmen.web.render import locale_of, page, redirect

AnyRequest = Request[Any, Any, Any]
PATH = "/console/lanes"


class Bilingual(Struct, kw_only=True):
    """A name typed in both languages."""

    zh: str = ""
    en: str = ""

    def names(self) -> dict[str, str]:
        """The name as it is stored."""
        return {"zh-CN": self.zh, "en": self.en}


class NewLane(Struct, kw_only=True):
    """The form for a new lane."""

    entrance_id: UUID
    name: Bilingual
    direction: Literal["in", "out", "both"] = "in"


class LaneForm(Struct, kw_only=True):
    """The form for an existing lane."""

    name: Bilingual
    direction: Literal["in", "out", "both"]


@get(PATH, guards=[requires("sites.edit")], include_in_schema=False)
async def show(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Lanes, and who is inside."""
    return await _show(request, unit, current_site(request, staff), staff)


async def _show(
    request: AnyRequest,
    unit: Unit,
    site: SiteContext | None,
    staff: SignedIn,
    *,
    form: Form | None = None,
    status: int = 200,
) -> Response[bytes]:
    if site is None:
        return page(request, "admission/lanes.html", site=None, lanes=(), entrances=[], tabs=[])
    day = clock.today(site.timezone)
    entrances = [
        place
        for place in (await unit(queries.all_places)).values()
        if place.site_id == site.site_id
    ]
    locale = locale_of(request)
    counts = await unit(queries.counts_by_lane, site_id=site.site_id, day=day)
    return page(
        request,
        "admission/lanes.html",
        status=status,
        site=site,
        lanes=await unit(queries.lanes, site_id=site.site_id),
        counts=counts,
        nothing=Counts(),
        inside=await unit(queries.inside, site_id=site.site_id, day=day),
        entrances=entrances,
        entrance_options=[
            (place.entrance_id, localized(place.entrance_name, locale)) for place in entrances
        ],
        form=form or Form.blank({"direction": "in"}),
        tabs=tabs.of(staff, PATH, locale),
    )


@post(PATH, guards=[requires("sites.edit")], include_in_schema=False)
async def create(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Add a lane."""
    form = await Form.read(request)
    try:
        wish = form.into(NewLane)
        await unit(
            service.create_lane,
            entrance_id=wish.entrance_id,
            name=wish.name.names(),
            direction=wish.direction,
        )
    except DomainError as error:
        site = current_site(request, staff)
        return await _show(request, unit, site, staff, form=_with(form, error), status=error.status)
    return redirect(request, PATH, flash="admission.lanes.added")


@get(PATH + "/{lane_id:uuid}", guards=[requires("sites.edit")], include_in_schema=False)
async def edit(
    lane_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """One lane's form."""
    lane = await unit(queries.lane, lane_id=lane_id)
    name = {"zh": lane.name.get("zh-CN", ""), "en": lane.name.get("en", "")}
    form = Form.blank({"name": name, "direction": lane.direction})
    return page(request, "admission/lane.html", lane=lane, form=form)


@post(PATH + "/{lane_id:uuid}", guards=[requires("sites.edit")], include_in_schema=False)
async def change(
    lane_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Rename or turn a lane."""
    form = await Form.read(request)
    try:
        wish = form.into(LaneForm)
        await unit(
            service.change_lane,
            lane_id=lane_id,
            name=wish.name.names(),
            direction=wish.direction,
        )
    except DomainError as error:
        lane = await unit(queries.lane, lane_id=lane_id)
        return page(
            request,
            "admission/lane.html",
            status=error.status,
            lane=lane,
            form=_with(form, error),
        )
    return redirect(request, PATH, flash="admission.lanes.saved")


@post(PATH + "/{lane_id:uuid}/open", guards=[requires("sites.edit")], include_in_schema=False)
async def open_lane(
    lane_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Open a lane again."""
    await unit(service.change_lane, lane_id=lane_id, active=True)
    return redirect(request, PATH, flash="admission.lanes.lane_opened")


@post(PATH + "/{lane_id:uuid}/close", guards=[requires("sites.edit")], include_in_schema=False)
async def close_lane(
    lane_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Close a lane; every scan there is refused until it is opened again."""
    await unit(service.change_lane, lane_id=lane_id, active=False)
    return redirect(request, PATH, flash="admission.lanes.lane_closed")


def _with(form: Form, error: DomainError) -> Form:
    if error.field:
        error.field = error.field.replace("zh-CN", "zh")
    return form.with_error(error)


routes: list[Any] = [show, create, edit, change, open_lane, close_lane]
