"""Staff: the list, one of them, their password and their sessions."""

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites import queries, rules
from shanmen.sites.access import access_of, requires
from shanmen.sites.pages.common import AnyRequest, Page, browsers
from shanmen.sites.queries import RoleView, SessionView, SignedIn, StaffView, TenantView
from shanmen.sites.service import staff as service
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect

EDIT = [requires("staff.edit")]


class NewStaffForm(msgspec.Struct, kw_only=True):
    """Somebody to add."""

    name: str
    login: str
    role_code: str
    password: str


class StaffForm(msgspec.Struct, kw_only=True):
    """What may change of somebody."""

    name: str
    role_code: str
    active: bool = False


class PasswordForm(msgspec.Struct, kw_only=True):
    """A new password."""

    password: str


class Everybody(msgspec.Struct, frozen=True):
    """The list of staff with what it shows beside them."""

    tenant: TenantView
    staff: tuple[StaffView, ...]
    roles: tuple[RoleView, ...]
    signed_in: frozenset[UUID]


class Somebody(msgspec.Struct, frozen=True):
    """One of the staff with roles to choose from and browsers to sign out."""

    tenant: TenantView
    person: StaffView
    roles: tuple[RoleView, ...]
    sessions: tuple[SessionView, ...]


async def everybody(session: Session) -> Everybody:
    """All staff, all roles, and who is signed in now."""
    living = await queries.living_sessions(session)
    return Everybody(
        await queries.current_tenant(session),
        await queries.staff_list(session),
        await queries.roles(session),
        frozenset(browser.staff_id for browser in living),
    )


async def somebody(session: Session, *, staff_id: UUID) -> Somebody:
    """One of the staff; raises StaffUnknown."""
    return Somebody(
        await queries.current_tenant(session),
        await queries.staff_member(session, staff_id=staff_id),
        await queries.roles(session),
        await queries.living_sessions(session, staff_ids=[staff_id]),
    )


@get("/console/staff", guards=EDIT, include_in_schema=False)
async def staff_page(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Everybody who works here."""
    found = await unit(everybody)
    return page(request, "sites/people.html", found=found, now=clock.now(), timezone=staff.timezone)


async def _ask(request: AnyRequest, unit: Unit, form: Form, status: int = 200) -> Page:
    found = await unit(everybody)
    return page(
        request,
        "sites/person_new.html",
        status=status,
        form=form,
        roles=found.roles,
        tenant=found.tenant,
        password_min=rules.PASSWORD_MIN,
        cache="no-store",
    )


@get("/console/staff/new", guards=EDIT, include_in_schema=False)
async def new_staff(request: AnyRequest, unit: NamedDependency[Unit]) -> Page:
    """Ask for somebody new."""
    return await _ask(request, unit, Form.blank())


@post("/console/staff/new", guards=EDIT, include_in_schema=False, status_code=200)
async def add_staff(
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Add somebody."""
    form = await Form.read(request)
    try:
        wish = form.into(NewStaffForm)
        login = rules.clean_login(wish.login)
        rules.check_password(wish.password, login=login)
        hashed = await access_of(request).passwords.hash(wish.password)
        await unit(
            service.create_staff,
            login=login,
            name=wish.name,
            role_code=wish.role_code,
            password_hash=hashed,
            granted_by=staff.permissions,
        )
    except DomainError as error:
        return await _ask(request, unit, form.with_error(error), error.status)
    return redirect(request, "/console/staff", flash="sites.people.added")


async def _show(
    request: AnyRequest,
    unit: Unit,
    who: SignedIn,
    staff_id: UUID,
    *,
    status: int = 200,
    form: Form | None = None,
    password_form: Form | None = None,
) -> Page:
    found = await unit(somebody, staff_id=staff_id)
    person = found.person
    blank = Form.blank(
        {"name": person.name, "role_code": person.role_code, "active": person.active}
    )
    return page(
        request,
        "sites/person.html",
        status=status,
        found=found,
        person=person,
        sessions=browsers(found.sessions),
        form=form or blank,
        password_form=password_form or Form.blank(),
        password_min=rules.PASSWORD_MIN,
        own_session=who.session_id,
        is_self=person.id == who.staff_id,
        now=clock.now(),
        timezone=who.timezone,
        cache="no-store",
    )


@get("/console/staff/{staff_id:uuid}", guards=EDIT, include_in_schema=False)
async def person_page(
    request: AnyRequest,
    staff_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """One of the staff."""
    return await _show(request, unit, staff, staff_id)


@post("/console/staff/{staff_id:uuid}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_person(
    request: AnyRequest,
    staff_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Save name, role, and whether somebody may sign in."""
    form = await Form.read(request)
    try:
        wish = form.into(StaffForm)
        await unit(
            service.change_staff,
            staff_id=staff_id,
            name=wish.name,
            role_code=wish.role_code,
            active=wish.active,
            granted_by=staff.permissions,
        )
    except DomainError as error:
        return await _show(
            request, unit, staff, staff_id, status=error.status, form=form.with_error(error)
        )
    return redirect(request, f"/console/staff/{staff_id}", flash="web.saved")


@post(
    "/console/staff/{staff_id:uuid}/password",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def set_password(
    request: AnyRequest,
    staff_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Give somebody a new password."""
    form = await Form.read(request)
    person = await unit(queries.staff_member, staff_id=staff_id)
    try:
        wish = form.into(PasswordForm)
        rules.check_grant(staff.permissions, person.permissions)
        rules.check_password(wish.password, login=person.login)
        hashed = await access_of(request).passwords.hash(wish.password)
        await unit(
            service.reset_password,
            staff_id=staff_id,
            password_hash=hashed,
            granted_by=staff.permissions,
        )
    except DomainError as error:
        refused = form.with_error(error)
        return await _show(
            request, unit, staff, staff_id, status=error.status, password_form=refused
        )
    return redirect(request, f"/console/staff/{staff_id}", flash="sites.people.password_set")


@post(
    "/console/staff/{staff_id:uuid}/sessions/end",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def end_all(
    request: AnyRequest,
    staff_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Sign somebody out of all browsers; oneself of all others."""
    await unit(service.end_all_sessions, staff_id=staff_id, keep=staff.session_id)
    return redirect(request, f"/console/staff/{staff_id}#sessions", flash="sites.session.ended")


@post(
    "/console/staff/{staff_id:uuid}/sessions/{session_id:uuid}/end",
    guards=EDIT,
    include_in_schema=False,
    status_code=200,
)
async def end_one(
    request: AnyRequest,
    staff_id: FromPath[UUID],
    session_id: FromPath[UUID],
    unit: NamedDependency[Unit],
) -> Page:
    """Sign somebody out of one browser."""
    await unit(service.end_session, staff_id=staff_id, session_id=session_id)
    return redirect(request, f"/console/staff/{staff_id}#sessions", flash="sites.session.ended")


routes = [
    staff_page,
    new_staff,
    add_staff,
    person_page,
    save_person,
    set_password,
    end_all,
    end_one,
]
