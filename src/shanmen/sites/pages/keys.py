"""API keys: made, shown once, revoked."""

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Unit
from shanmen.kit.errors import DomainError
from shanmen.sites import queries, rules
from shanmen.sites.access import access_of, requires
from shanmen.sites.pages.common import AnyRequest, Page
from shanmen.sites.queries import SignedIn
from shanmen.sites.service import apikeys
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect

EDIT = [requires("apikeys.edit")]


class KeyForm(msgspec.Struct, kw_only=True):
    """A key to make."""

    name: str
    channel: str
    permissions: list[str] = []


async def _show(
    request: AnyRequest,
    unit: Unit,
    who: SignedIn,
    *,
    status: int = 200,
    form: Form | None = None,
    made: apikeys.NewKey | None = None,
) -> Page:
    return page(
        request,
        "sites/keys.html",
        status=status,
        keys=await unit(queries.api_keys),
        permissions=[one for one in rules.PERMISSIONS if one in who.permissions],
        form=form or Form.blank(),
        made=made,
        timezone=who.timezone,
        cache="no-store",
    )


@get("/console/api-keys", guards=EDIT, include_in_schema=False)
async def keys_page(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """The keys that integrators use."""
    return await _show(request, unit, staff)


@post("/console/api-keys", guards=EDIT, include_in_schema=False, status_code=200)
async def create_key(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Make a key and show it: this page is the only place where it ever stands."""
    form = await Form.read(request)
    try:
        wish = form.into(KeyForm)
        made = await unit(
            apikeys.create_key,
            name=wish.name,
            channel=wish.channel,
            permissions=wish.permissions,
            granted_by=staff.permissions,
        )
    except DomainError as error:
        return await _show(request, unit, staff, status=error.status, form=form.with_error(error))
    return await _show(request, unit, staff, made=made)


@post("/console/api-keys/{key_id:uuid}/revoke", guards=EDIT, include_in_schema=False)
async def revoke_key(
    request: AnyRequest, key_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> Page:
    """End a key."""
    await unit(apikeys.revoke_key, key_id=key_id)
    # Other processes notice within seconds; this one need not wait.
    access_of(request).keys.clear()
    return redirect(request, "/console/api-keys", flash="sites.keys.revoked_now")


routes = [keys_page, create_key, revoke_key]
