"""Sites, their texts, zones and entrances."""

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.kit.errors import DomainError
from shanmen.sites import queries
from shanmen.sites.access import requires
from shanmen.sites.pages.common import AnyRequest, Bilingual, Page, typed, with_error
from shanmen.sites.queries import EntranceView, SiteView, ZoneView
from shanmen.sites.service import places, tenants
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect

EDIT = [requires("sites.edit")]


class SiteForm(msgspec.Struct, kw_only=True):
    """The texts of a site."""

    name: Bilingual = msgspec.field(default_factory=Bilingual)
    intro: Bilingual = msgspec.field(default_factory=Bilingual)
    notice: Bilingual = msgspec.field(default_factory=Bilingual)
    address: Bilingual = msgspec.field(default_factory=Bilingual)
    opening_hours: Bilingual = msgspec.field(default_factory=Bilingual)
    timezone: str = queries.DEFAULT_TIMEZONE
    phone: str = ""
    records: dict[str, str] = {}


class NewSiteForm(msgspec.Struct, kw_only=True):
    """What a site begins with."""

    slug: str
    name: Bilingual = msgspec.field(default_factory=Bilingual)
    timezone: str = queries.DEFAULT_TIMEZONE


class ZoneForm(msgspec.Struct, kw_only=True):
    """A zone's name."""

    name: Bilingual = msgspec.field(default_factory=Bilingual)


class EntranceForm(msgspec.Struct, kw_only=True):
    """An entrance with the zone it leads into."""

    zone_id: UUID
    name: Bilingual = msgspec.field(default_factory=Bilingual)
    active: bool = True


class Whole(msgspec.Struct, frozen=True):
    """A site with everything in it."""

    site: SiteView
    zones: tuple[ZoneView, ...]
    entrances: tuple[EntranceView, ...]


async def whole_site(session: Session, *, slug: str) -> Whole:
    """A site with its zones and entrances; raises SiteUnknown."""
    site = await queries.site(session, slug=slug)
    return Whole(
        site,
        await queries.zones(session, site_id=site.id),
        await queries.entrances(session, site_id=site.id),
    )


@get("/console/sites", guards=EDIT, include_in_schema=False)
async def site_list(request: AnyRequest, unit: NamedDependency[Unit]) -> Page:
    """The tenant's sites."""
    return page(request, "sites/places.html", sites=await unit(queries.sites))


@get("/console/sites/new", guards=EDIT, include_in_schema=False)
async def new_site(request: AnyRequest) -> Page:
    """Ask for what a new site begins with."""
    form = Form.blank({"timezone": queries.DEFAULT_TIMEZONE})
    return page(request, "sites/place_new.html", form=form)


@post("/console/sites/new", guards=EDIT, include_in_schema=False, status_code=200)
async def create_site(request: AnyRequest, unit: NamedDependency[Unit]) -> Page:
    """Make a site and go on to its texts."""
    form = await Form.read(request)
    try:
        wish = form.into(NewSiteForm)
        made = await unit(
            tenants.create_site, slug=wish.slug, name=wish.name.names(), timezone=wish.timezone
        )
    except DomainError as error:
        return page(
            request, "sites/place_new.html", status=error.status, form=with_error(form, error)
        )
    return redirect(request, f"/console/sites/{made.slug}", flash="sites.place.created")


def _filled(site: SiteView) -> Form:
    return Form.blank(
        {
            "name": typed(site.name),
            "intro": typed(site.intro),
            "notice": typed(site.notice),
            "address": typed(site.address),
            "opening_hours": typed(site.opening_hours),
            "timezone": site.timezone,
            "phone": site.phone,
            "records": site.records,
        }
    )


async def _show(
    request: AnyRequest,
    unit: Unit,
    slug: str,
    *,
    status: int = 200,
    texts: Form | None = None,
    part: str = "",
    form: Form | None = None,
) -> Page:
    """Show a site; `part` says which of the small forms `form` belongs to."""
    found = await unit(whole_site, slug=slug)
    return page(
        request,
        "sites/place.html",
        status=status,
        place=found.site,
        zones=found.zones,
        entrances=found.entrances,
        form=texts or _filled(found.site),
        part=part,
        part_form=form,
    )


@get("/console/sites/{slug:str}", guards=EDIT, include_in_schema=False)
async def site_page(request: AnyRequest, slug: FromPath[str], unit: NamedDependency[Unit]) -> Page:
    """A site's texts, zones and entrances."""
    return await _show(request, unit, slug)


@post("/console/sites/{slug:str}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_site(request: AnyRequest, slug: FromPath[str], unit: NamedDependency[Unit]) -> Page:
    """Save a site's texts."""
    form = await Form.read(request)
    try:
        wish = form.into(SiteForm)
        await unit(
            tenants.change_site,
            slug=slug,
            name=wish.name.names(),
            intro=wish.intro.names(),
            notice=wish.notice.names(),
            address=wish.address.names(),
            opening_hours=wish.opening_hours.names(),
            timezone=wish.timezone,
            phone=wish.phone,
            records=wish.records,
        )
    except DomainError as error:
        return await _show(request, unit, slug, status=error.status, texts=with_error(form, error))
    return redirect(request, f"/console/sites/{slug}", flash="web.saved")


@post("/console/sites/{slug:str}/zones", guards=EDIT, include_in_schema=False, status_code=200)
async def add_zone(request: AnyRequest, slug: FromPath[str], unit: NamedDependency[Unit]) -> Page:
    """Add a zone."""
    form = await Form.read(request)
    try:
        wish = form.into(ZoneForm)
        await unit(places.create_zone, site_slug=slug, name=wish.name.names())
    except DomainError as error:
        return await _refused(request, unit, slug, "zone-new", form, error=error)
    return redirect(request, f"/console/sites/{slug}#zones", flash="web.saved")


@post(
    "/console/sites/{slug:str}/zones/{zone_id:uuid}",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def save_zone(
    request: AnyRequest, slug: FromPath[str], zone_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> Page:
    """Rename a zone."""
    form = await Form.read(request)
    try:
        wish = form.into(ZoneForm)
        await unit(places.change_zone, zone_id=zone_id, name=wish.name.names(), site_slug=slug)
    except DomainError as error:
        return await _refused(request, unit, slug, f"zone-{zone_id}", form, error=error)
    return redirect(request, f"/console/sites/{slug}#zones", flash="web.saved")


@post("/console/sites/{slug:str}/entrances", guards=EDIT, include_in_schema=False, status_code=200)
async def add_entrance(
    request: AnyRequest, slug: FromPath[str], unit: NamedDependency[Unit]
) -> Page:
    """Add an entrance."""
    form = await Form.read(request)
    try:
        wish = form.into(EntranceForm)
        await unit(
            places.create_entrance,
            site_slug=slug,
            zone_id=wish.zone_id,
            name=wish.name.names(),
        )
    except DomainError as error:
        return await _refused(request, unit, slug, "entrance-new", form, error=error)
    return redirect(request, f"/console/sites/{slug}#entrances", flash="web.saved")


@post(
    "/console/sites/{slug:str}/entrances/{entrance_id:uuid}",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def save_entrance(
    request: AnyRequest,
    slug: FromPath[str],
    entrance_id: FromPath[UUID],
    unit: NamedDependency[Unit],
) -> Page:
    """Rename an entrance, move it to another zone, close or open it."""
    form = await Form.read(request)
    try:
        wish = form.into(EntranceForm)
        await unit(
            places.change_entrance,
            entrance_id=entrance_id,
            site_slug=slug,
            zone_id=wish.zone_id,
            name=wish.name.names(),
            active=wish.active,
        )
    except DomainError as error:
        return await _refused(request, unit, slug, f"entrance-{entrance_id}", form, error=error)
    return redirect(request, f"/console/sites/{slug}#entrances", flash="web.saved")


async def _refused(
    request: AnyRequest, unit: Unit, slug: str, part: str, form: Form, *, error: DomainError
) -> Page:
    return await _show(
        request, unit, slug, status=error.status, part=part, form=with_error(form, error)
    )


routes = [
    site_list,
    new_site,
    create_site,
    site_page,
    save_site,
    add_zone,
    save_zone,
    add_entrance,
    save_entrance,
]
