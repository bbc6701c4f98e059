"""Roles: which permissions each has, on one page."""

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Unit
from shanmen.kit.errors import DomainError
from shanmen.sites import queries, rules
from shanmen.sites.access import requires
from shanmen.sites.pages.common import AnyRequest, Bilingual, Page, with_error
from shanmen.sites.queries import SignedIn
from shanmen.sites.service import roles as service
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect

EDIT = [requires("staff.edit")]


class RoleRow(msgspec.Struct, kw_only=True):
    """One role's permissions, as they were ticked."""

    code: str
    permissions: list[str] = []


class MatrixForm(msgspec.Struct, kw_only=True):
    """All roles."""

    roles: list[RoleRow] = []


class NewRoleForm(msgspec.Struct, kw_only=True):
    """A role to make."""

    code: str
    name: Bilingual = msgspec.field(default_factory=Bilingual)


async def _show(
    request: AnyRequest,
    unit: Unit,
    who: SignedIn,
    *,
    status: int = 200,
    form: Form | None = None,
    role_form: Form | None = None,
) -> Page:
    found = await unit(queries.roles)
    ticked = {role.code: set(role.permissions) for role in found}
    for row in form.get("roles", []) if form else ():
        if isinstance(row, dict) and isinstance(row.get("permissions"), list):
            ticked[str(row.get("code"))] = set(row["permissions"])
    return page(
        request,
        "sites/roles.html",
        status=status,
        roles=found,
        ticked=ticked,
        permissions=rules.PERMISSIONS,
        kept=rules.ALWAYS_KEPT,
        own=who.permissions,
        built_in={default.code for default in rules.DEFAULT_ROLES},
        form=form,
        role_form=role_form or Form.blank(),
    )


@get("/console/roles", guards=EDIT, include_in_schema=False)
async def roles_page(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Who may do what."""
    return await _show(request, unit, staff)


@post("/console/roles", guards=EDIT, include_in_schema=False, status_code=200)
async def save_roles(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Save all roles at once."""
    form = await Form.read(request)
    try:
        wish = form.into(MatrixForm)
        await unit(
            service.change_permissions,
            permissions={row.code: row.permissions for row in wish.roles},
            granted_by=staff.permissions,
        )
    except DomainError as error:
        return await _show(request, unit, staff, status=error.status, form=form.with_error(error))
    return redirect(request, "/console/roles", flash="web.saved")


@post("/console/roles/new", guards=EDIT, include_in_schema=False, status_code=200)
async def add_role(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Make a role without permissions; they are ticked in the matrix."""
    form = await Form.read(request)
    try:
        wish = form.into(NewRoleForm)
        await unit(
            service.create_role,
            code=wish.code,
            name=wish.name.names(),
            permissions=(),
            granted_by=staff.permissions,
        )
    except DomainError as error:
        refused = with_error(form, error)
        return await _show(request, unit, staff, status=error.status, role_form=refused)
    return redirect(request, "/console/roles", flash="sites.roles.added")


@post("/console/roles/{code:str}/remove", guards=EDIT, include_in_schema=False, status_code=200)
async def remove_role(
    request: AnyRequest,
    code: FromPath[str],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Remove a role that nobody has."""
    try:
        await unit(service.remove_role, code=code)
    except DomainError as error:
        refused = Form.blank().with_error(error)
        return await _show(request, unit, staff, status=error.status, role_form=refused)
    return redirect(request, "/console/roles", flash="sites.roles.removed")


routes = [roles_page, save_roles, add_role, remove_role]
