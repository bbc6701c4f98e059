"""Gates in the console: as they are now, enrolled, revoked, and told what to do."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct

from shanmen.admission.pages import tabs
from shanmen.admission.rules import Reason
from shanmen.admission.service import commands, devices, zones
from shanmen.admission.service.devices import NewCode
from shanmen.admission.service.overview import Overview, overview
from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.access import NavEntry, current_site, requires
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web.forms import Form
from shanmen.web.i18n import Locale, localized
from shanmen.web.render import NavItem, Web, locale_of, page, redirect, web_of
from shanmen.web.stopping import at_stop, not_at_stop

AnyRequest = Request[Any, Any, Any]
PATH: Final = "/console/gates"
SEE = [requires("sites.edit", "admission.override")]
COMMAND = [requires("admission.override")]
EDIT = [requires("sites.edit")]
STREAM_SECONDS: Final = 300.0
"""Then the browser connects anew, and whoever may not look any more finds out."""
EVERY_SECONDS: Final = 2.0
TEMPLATE: Final = "admission/_gates.html"
RECENT: Final = timedelta(seconds=10)

NAV = [NavEntry(NavItem("gates", "admission.gates.nav", PATH, "device"), tabs.SEEN_BY, 81)]


class NewDevice(Struct, kw_only=True):
    """The form for a new gate."""

    entrance_id: UUID
    name: str = ""


class CommandForm(Struct, kw_only=True):
    """The form for a command."""

    kind: str
    lane_id: UUID | None = None
    text: str = ""


class EmergencyForm(Struct, kw_only=True):
    """The buttons that open everything, and end that."""

    on: bool


class LimitForm(Struct, kw_only=True):
    """The form for how many may be inside a zone."""

    max_inside: int | None = None


def drawing(web: Web, locale: Locale) -> Any:  # noqa: ANN401 - a template's macros
    """What draws the parts that change."""
    return web.environments[locale].get_template(TEMPLATE).module


def fragments(web: Web, locale: Locale, seen: Overview, *, timezone: str) -> dict[str, str]:
    """Everything on the page that can change, by the name that it has there."""
    draw = drawing(web, locale)
    reasons = set(Reason)
    return {
        "entrances": str(draw.entrances(seen, timezone, reasons)),
        "zones": str(draw.zones(seen)),
        "bounds": str(draw.bounds(seen)),
    }


@get(PATH, guards=SEE, include_in_schema=False)
async def show(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """All gates of the site, live."""
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
    seen = None
    limits: list[tuple[sites.ZoneView, int | None]] = []
    if site is not None:
        seen = await unit(overview, site_id=site.site_id, timezone=site.timezone)
        maximum = {zone.zone_id: zone.max_inside for zone in seen.zones}
        own = await unit(sites.zones, site_id=site.site_id)
        limits = [(zone, maximum.get(zone.id)) for zone in own]
    locale = locale_of(request)
    return page(
        request,
        "admission/gates.html",
        status=status,
        seen=seen,
        place=site,
        reasons=set(Reason),
        limits=limits,
        tabs=tabs.of(staff, PATH, locale, cases=seen.open_cases if seen else 0),
        entrance_options=[
            (one.place.entrance_id, localized(one.place.entrance_name, locale))
            for one in (seen.entrances if seen else ())
        ],
        form=form or Form.blank({}),
        cache="no-store",
    )


@get(PATH + "/stream", guards=SEE, include_in_schema=False)
async def stream(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Stream:
    """What has changed, as server-sent events named ``figures``."""
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    return Stream(
        events(unit, site, web_of(request), locale_of(request)),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def events(
    unit: Unit,
    site: SiteContext,
    web: Web,
    locale: Locale,
    *,
    seconds: float = STREAM_SECONDS,
    every: float = EVERY_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Everything once, then what changes; a comment when nothing does."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    at_stop(stopped.set)
    ends = loop.time() + seconds
    sent: dict[str, str] = {}
    try:
        yield b"retry: 2000\n\n"
        while loop.time() < ends and not stopped.is_set():
            seen = await unit(overview, site_id=site.site_id, timezone=site.timezone)
            now = fragments(web, locale, seen, timezone=site.timezone)
            changed = {name: text for name, text in now.items() if sent.get(name) != text}
            sent = now
            if changed:
                yield b"event: figures\ndata: " + msgspec.json.encode(changed) + b"\n\n"
            else:
                yield b": still here\n\n"
            try:
                await asyncio.wait_for(stopped.wait(), every)
            except TimeoutError:
                continue
    finally:
        not_at_stop(stopped.set)


@post(PATH, guards=EDIT, include_in_schema=False)
async def add(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Prepare a gate and show its one-time code."""
    form = await Form.read(request)
    try:
        wish = form.into(NewDevice)
        made = await unit(devices.add_device, entrance_id=wish.entrance_id, name=wish.name)
    except DomainError as error:
        site = current_site(request, staff)
        form = form.with_error(error)
        return await _show(request, unit, site, staff, form=form, status=error.status)
    return _code(request, made)


@post(PATH + "/{device_id:uuid}/code", guards=EDIT, include_in_schema=False)
async def new_code(
    device_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Show another one-time code for a gate that was not enrolled in time."""
    return _code(request, await unit(devices.renew_code, device_id=device_id))


def _code(request: AnyRequest, made: NewCode) -> Response[bytes]:
    command = made.command(str(request.app.state.settings.base_url))
    hours = round((made.expires_at - clock.now()) / timedelta(hours=1))
    return page(request, "admission/code.html", command=command, hours=hours, cache="no-store")


@post(PATH + "/{device_id:uuid}/revoke", guards=EDIT, include_in_schema=False)
async def revoke(
    device_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Take a gate's rights away."""
    await unit(devices.revoke_device, device_id=device_id)
    return redirect(request, PATH, flash="admission.gates.revoked")


@post(PATH + "/{device_id:uuid}/command", guards=COMMAND, include_in_schema=False)
async def command(
    device_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Ask something of a gate."""
    form = await Form.read(request)
    try:
        wish = form.into(CommandForm)
        await unit(
            commands.send_command,
            device_id=device_id,
            kind=wish.kind,
            lane_id=wish.lane_id,
            text=wish.text,
        )
    except DomainError as error:
        site = current_site(request, staff)
        form = form.with_error(error)
        return await _show(request, unit, site, staff, form=form, status=error.status)
    return redirect(request, PATH, flash="admission.gates.sent")


@post(PATH + "/emergency", guards=COMMAND, include_in_schema=False)
async def emergency(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Open all lanes of the site, or end that."""
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    form = await Form.read(request)
    try:
        wish = form.into(EmergencyForm)
    except DomainError as error:
        form = form.with_error(error)
        return await _show(request, unit, site, staff, form=form, status=error.status)
    count = await unit(commands.emergency, site_id=site.site_id, on=wish.on)
    return redirect(request, PATH, flash="admission.gates.asked", params={"n": count})


@post("/console/zones/{zone_id:uuid}/limit", guards=EDIT, include_in_schema=False)
async def limit(
    zone_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Set how many may be inside a zone at once; empty is without limit."""
    form = await Form.read(request)
    try:
        wish = form.into(LimitForm)
        await unit(zones.set_limit, zone_id=zone_id, max_inside=wish.max_inside)
    except DomainError as error:
        site = current_site(request, staff)
        form = form.with_error(error)
        return await _show(request, unit, site, staff, form=form, status=error.status)
    return redirect(request, PATH, flash="admission.lanes.saved")


routes: list[Any] = [show, stream, add, new_code, revoke, command, emergency, limit]
