"""The API of sites, entrances, roles and staff."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.kit.errors import Overloaded
from shanmen.sites import errors, queries, rules
from shanmen.sites.access import access_of, requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import (
    EntranceChange,
    EntranceOut,
    NewEntrance,
    NewPassword,
    NewRole,
    NewStaff,
    NewZone,
    RoleChange,
    RoleOut,
    SiteChange,
    SiteOut,
    StaffChange,
    StaffOut,
    ZoneOut,
    problems,
)
from shanmen.sites.service import places, roles, staff, tenants

AnyRequest = Request[Any, Any, Any]
SITES = ["sites"]
STAFF = ["sites"]
PASSWORD_ERRORS = (
    errors.PasswordTooShort,
    errors.PasswordTooLong,
    errors.PasswordTooCommon,
    Overloaded,
)


@get("/api/v1/sites", guards=[requires()], tags=SITES, responses=problems())
async def list_sites(unit: NamedDependency[Unit]) -> list[SiteOut]:
    """List the tenant's sites."""
    return [SiteOut.of(site) for site in await unit(queries.sites)]


@get(
    "/api/v1/sites/{slug:str}",
    guards=[requires()],
    tags=SITES,
    responses=problems(errors.SiteUnknown),
)
async def read_site(slug: FromPath[str], unit: NamedDependency[Unit]) -> SiteOut:
    """Read one site."""
    return SiteOut.of(await unit(queries.site, slug=slug))


@patch(
    "/api/v1/sites/{slug:str}",
    guards=[requires("sites.edit")],
    tags=SITES,
    responses=problems(
        errors.SiteUnknown, errors.NameMissing, errors.TextTooLong, clock.UnknownTimeZone
    ),
)
async def change_site(
    slug: FromPath[str], data: JSONBody[SiteChange], unit: NamedDependency[Unit]
) -> SiteOut:
    """Change a site's texts."""
    return SiteOut.of(
        await unit(
            tenants.change_site,
            slug=slug,
            name=data.name,
            intro=data.intro,
            notice=data.notice,
            address=data.address,
            opening_hours=data.opening_hours,
            timezone=data.timezone,
            phone=data.phone,
        )
    )


@get(
    "/api/v1/sites/{slug:str}/zones",
    guards=[requires()],
    tags=SITES,
    responses=problems(errors.SiteUnknown),
)
async def list_zones(slug: FromPath[str], unit: NamedDependency[Unit]) -> list[ZoneOut]:
    """List a site's zones."""
    site = await unit(queries.site, slug=slug)
    return [ZoneOut.of(zone) for zone in await unit(queries.zones, site_id=site.id)]


@post(
    "/api/v1/sites/{slug:str}/zones",
    guards=[requires("sites.edit")],
    tags=SITES,
    responses=problems(errors.SiteUnknown, errors.NameMissing, errors.NoNumberLeft),
)
async def create_zone(
    slug: FromPath[str], data: JSONBody[NewZone], unit: NamedDependency[Unit]
) -> ZoneOut:
    """Add a zone. A zone is never removed: its number stands in tickets that were sold."""
    return ZoneOut.of(await unit(places.create_zone, site_slug=slug, name=data.name))


@get(
    "/api/v1/sites/{slug:str}/entrances",
    guards=[requires()],
    tags=SITES,
    responses=problems(errors.SiteUnknown),
)
async def list_entrances(slug: FromPath[str], unit: NamedDependency[Unit]) -> list[EntranceOut]:
    """List a site's entrances, those not used any more too."""
    site = await unit(queries.site, slug=slug)
    return [EntranceOut.of(one) for one in await unit(queries.entrances, site_id=site.id)]


@post(
    "/api/v1/sites/{slug:str}/entrances",
    guards=[requires("sites.edit")],
    tags=SITES,
    responses=problems(
        errors.SiteUnknown, errors.ZoneUnknown, errors.NameMissing, errors.NoNumberLeft
    ),
)
async def create_entrance(
    slug: FromPath[str], data: JSONBody[NewEntrance], unit: NamedDependency[Unit]
) -> EntranceOut:
    """Add an entrance."""
    return EntranceOut.of(
        await unit(places.create_entrance, site_slug=slug, zone_id=data.zone_id, name=data.name)
    )


@patch(
    "/api/v1/sites/{slug:str}/entrances/{entrance_id:uuid}",
    guards=[requires("sites.edit")],
    tags=SITES,
    responses=problems(errors.EntranceUnknown, errors.ZoneUnknown, errors.NameMissing),
)
async def change_entrance(
    slug: FromPath[str],
    entrance_id: FromPath[UUID],
    data: JSONBody[EntranceChange],
    unit: NamedDependency[Unit],
) -> EntranceOut:
    """Rename, move, close or open an entrance."""
    return EntranceOut.of(
        await unit(
            places.change_entrance,
            entrance_id=entrance_id,
            site_slug=slug,
            zone_id=data.zone_id,
            name=data.name,
            active=data.active,
        )
    )


@delete(
    "/api/v1/sites/{slug:str}/entrances/{entrance_id:uuid}",
    guards=[requires("sites.edit")],
    tags=SITES,
    responses=problems(errors.EntranceUnknown),
)
async def close_entrance(
    slug: FromPath[str], entrance_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> None:
    """Close an entrance. It stays in the list, because admissions name it."""
    await unit(places.change_entrance, entrance_id=entrance_id, site_slug=slug, active=False)


@get("/api/v1/roles", guards=[requires("staff.edit")], tags=STAFF, responses=problems())
async def list_roles(unit: NamedDependency[Unit]) -> list[RoleOut]:
    """List the roles."""
    return [RoleOut.of(role) for role in await unit(queries.roles)]


@post(
    "/api/v1/roles",
    guards=[requires("staff.edit")],
    tags=STAFF,
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
    tags=STAFF,
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
    tags=STAFF,
    responses=problems(errors.RoleUnknown, errors.BuiltInRole, errors.RoleInUse),
)
async def remove_role(code: FromPath[str], unit: NamedDependency[Unit]) -> None:
    """Remove a role that nobody has and that did not come with the product."""
    await unit(roles.remove_role, code=code)


@get("/api/v1/staff", guards=[requires("staff.edit")], tags=STAFF, responses=problems())
async def list_staff(unit: NamedDependency[Unit]) -> list[StaffOut]:
    """List the staff, those who may not sign in any more too."""
    return [StaffOut.of(person) for person in await unit(queries.staff_list)]


@get(
    "/api/v1/staff/{staff_id:uuid}",
    guards=[requires("staff.edit")],
    tags=STAFF,
    responses=problems(errors.StaffUnknown),
)
async def read_staff(staff_id: FromPath[UUID], unit: NamedDependency[Unit]) -> StaffOut:
    """Read one member of staff."""
    return StaffOut.of(await unit(queries.staff_member, staff_id=staff_id))


@post(
    "/api/v1/staff",
    guards=[requires("staff.edit")],
    tags=STAFF,
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
    tags=STAFF,
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
    tags=STAFF,
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


routes = [
    list_sites,
    read_site,
    change_site,
    list_zones,
    create_zone,
    list_entrances,
    create_entrance,
    change_entrance,
    close_entrance,
    list_roles,
    create_role,
    change_role,
    remove_role,
    list_staff,
    read_staff,
    create_staff,
    change_staff,
    reset_password,
]
