"""The API of staff, their roles and the browsers that they are signed in with."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from shanmen.db.session import Session, Unit
from shanmen.kit.errors import Overloaded
from shanmen.sites import errors, queries, rules
from shanmen.sites.access import access_of, requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import (
    NewPassword,
    NewRole,
    NewStaff,
    RoleChange,
    RoleOut,
    SessionOut,
    StaffChange,
    StaffOut,
    problems,
)
from shanmen.sites.service import roles, staff

AnyRequest = Request[Any, Any, Any]
TAGS = ["staff"]
PASSWORD_ERRORS = (
    errors.PasswordTooShort,
    errors.PasswordTooLong,
    errors.PasswordTooCommon,
    Overloaded,
)


@get("/api/v1/roles", guards=[requires("staff.edit")], tags=TAGS, responses=problems())
async def list_roles(unit: NamedDependency[Unit]) -> list[RoleOut]:
    """List the roles."""
    return [RoleOut.of(role) for role in await unit(queries.roles)]


@post(
    "/api/v1/roles",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(
        errors.BadCode,
        errors.CodeTaken,
        errors.NameMissing,
        errors.UnknownPermission,
        errors.MayNotGrant,
    ),
)
async def create_role(
    data: JSONBody[NewRole], unit: NamedDependency[Unit], caller: NamedDependency[ApiCaller]
) -> RoleOut:
    """Make a role, out of permissions that the key has itself."""
    return RoleOut.of(
        await unit(
            roles.create_role,
            code=data.code,
            name=data.name,
            permissions=data.permissions,
            granted_by=caller.permissions,
        )
    )


@patch(
    "/api/v1/roles/{code:str}",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(
        errors.RoleUnknown,
        errors.NameMissing,
        errors.UnknownPermission,
        errors.MayNotGrant,
        errors.LastAdministrator,
    ),
)
async def change_role(
    code: FromPath[str],
    data: JSONBody[RoleChange],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> RoleOut:
    """Rename a role or set its permissions."""
    return RoleOut.of(
        await unit(
            roles.change_role,
            code=code,
            name=data.name,
            permissions=data.permissions,
            granted_by=caller.permissions,
        )
    )


@delete(
    "/api/v1/roles/{code:str}",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(errors.RoleUnknown, errors.BuiltInRole, errors.RoleInUse),
)
async def remove_role(code: FromPath[str], unit: NamedDependency[Unit]) -> None:
    """Remove a role that nobody has and that did not come with the product."""
    await unit(roles.remove_role, code=code)


@get("/api/v1/staff", guards=[requires("staff.edit")], tags=TAGS, responses=problems())
async def list_staff(unit: NamedDependency[Unit]) -> list[StaffOut]:
    """List the staff, those who may not sign in any more too."""
    return [StaffOut.of(person) for person in await unit(queries.staff_list)]


@get(
    "/api/v1/staff/{staff_id:uuid}",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(errors.StaffUnknown),
)
async def read_staff(staff_id: FromPath[UUID], unit: NamedDependency[Unit]) -> StaffOut:
    """Read one member of staff."""
    return StaffOut.of(await unit(queries.staff_member, staff_id=staff_id))


@post(
    "/api/v1/staff",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(
        errors.BadLogin,
        errors.LoginTaken,
        errors.NameMissing,
        errors.RoleUnknown,
        errors.MayNotGrant,
        *PASSWORD_ERRORS,
    ),
)
async def create_staff(
    request: AnyRequest,
    data: JSONBody[NewStaff],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> StaffOut:
    """Add somebody, in a role that has no more permissions than the key."""
    login = rules.clean_login(data.login)
    rules.check_password(data.password, login=login)
    hashed = await access_of(request).passwords.hash(data.password)
    return StaffOut.of(
        await unit(
            staff.create_staff,
            login=login,
            name=data.name,
            role_code=data.role_code,
            password_hash=hashed,
            granted_by=caller.permissions,
        )
    )


@patch(
    "/api/v1/staff/{staff_id:uuid}",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(
        errors.StaffUnknown,
        errors.NameMissing,
        errors.RoleUnknown,
        errors.MayNotGrant,
        errors.LastAdministrator,
    ),
)
async def change_staff(
    staff_id: FromPath[UUID],
    data: JSONBody[StaffChange],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> StaffOut:
    """Change somebody; `active: false` also signs them out everywhere."""
    return StaffOut.of(
        await unit(
            staff.change_staff,
            staff_id=staff_id,
            name=data.name,
            role_code=data.role_code,
            active=data.active,
            granted_by=caller.permissions,
        )
    )


@post(
    "/api/v1/staff/{staff_id:uuid}/password",
    guards=[requires("staff.edit")],
    tags=TAGS,
    status_code=200,
    responses=problems(errors.StaffUnknown, errors.MayNotGrant, *PASSWORD_ERRORS),
)
async def reset_password(
    request: AnyRequest,
    staff_id: FromPath[UUID],
    data: JSONBody[NewPassword],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> StaffOut:
    """Give somebody a new password and sign them out everywhere."""
    person = await unit(queries.staff_member, staff_id=staff_id)
    rules.check_password(data.password, login=person.login)
    hashed = await access_of(request).passwords.hash(data.password)
    return StaffOut.of(
        await unit(
            staff.reset_password,
            staff_id=staff_id,
            password_hash=hashed,
            granted_by=caller.permissions,
        )
    )


@get(
    "/api/v1/staff/{staff_id:uuid}/sessions",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(errors.StaffUnknown),
)
async def list_sessions(staff_id: FromPath[UUID], unit: NamedDependency[Unit]) -> list[SessionOut]:
    """List the browsers that somebody is signed in with, the last used first."""
    return [SessionOut.of(one) for one in await unit(sessions_of, staff_id=staff_id)]


async def sessions_of(session: Session, *, staff_id: UUID) -> tuple[queries.SessionView, ...]:
    """Somebody's browsers; raises StaffUnknown."""
    await queries.staff_member(session, staff_id=staff_id)
    return await queries.living_sessions(session, staff_ids=[staff_id])


@delete(
    "/api/v1/staff/{staff_id:uuid}/sessions",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(errors.StaffUnknown),
)
async def end_sessions(staff_id: FromPath[UUID], unit: NamedDependency[Unit]) -> None:
    """Sign somebody out of all browsers. They may sign in again."""
    await unit(staff.end_all_sessions, staff_id=staff_id)


@delete(
    "/api/v1/staff/{staff_id:uuid}/sessions/{session_id:uuid}",
    guards=[requires("staff.edit")],
    tags=TAGS,
    responses=problems(errors.SessionUnknown),
)
async def end_session(
    staff_id: FromPath[UUID], session_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> None:
    """Sign somebody out of one browser. Once more changes nothing."""
    await unit(staff.end_session, staff_id=staff_id, session_id=session_id)


routes = [
    list_roles,
    create_role,
    change_role,
    remove_role,
    list_staff,
    read_staff,
    create_staff,
    change_staff,
    reset_password,
    list_sessions,
    end_sessions,
    end_session,
]
