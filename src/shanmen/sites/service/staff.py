"""Staff: added, changed, deactivated, given a new password; and the roles they have."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import Role, Staff, Tenant
from shanmen.sites.queries import RoleView, StaffView
from shanmen.sites.service import auth

NAME_LENGTH = 60


async def create_staff(
    session: Session,
    *,
    login: str,
    name: str,
    role_code: str,
    password_hash: str,
    granted_by: Collection[str] | None = None,
) -> StaffView:
    """Add somebody who signs in as ``login@tenant``.

    The password is checked by `rules.check_password` and hashed before the transaction.
    `granted_by` are the permissions of whoever adds; None is the system.

    Raises:
        BadLogin, LoginTaken, NameMissing, RoleUnknown, MayNotGrant: naming the field.
    """
    cleaned = rules.clean_login(login)
    person = _clean_name(name)
    role = await _role(session, role_code, field="role_code")
    rules.check_grant(granted_by, role.permissions, field="role_code")
    staff_id = ids.new_id()
    made = await session.execute(
        insert(Staff)
        .values(
            tenant_id=session.tenant_id,
            id=staff_id,
            login=cleaned,
            name=person,
            role_id=role.id,
            password_hash=password_hash,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=[Staff.tenant_id, Staff.login])
        .returning(Staff.id)
    )
    if made.scalar_one_or_none() is None:
        raise errors.LoginTaken(field="login")
    await audit.record(
        session,
        action="sites.staff_created",
        entity="staff",
        entity_id=staff_id,
        after={"login": cleaned, "staff_name": person, "role": role.code, "active": True},
    )
    return await queries.staff_member(session, staff_id=staff_id)


async def change_staff(
    session: Session,
    *,
    staff_id: UUID,
    name: str | None = None,
    role_code: str | None = None,
    active: bool | None = None,
    granted_by: Collection[str] | None = None,
) -> StaffView:
    """Change what is given of somebody; None leaves a field as it is.

    Whoever is deactivated is signed out everywhere at once.

    Raises:
        StaffUnknown, NameMissing, RoleUnknown: naming the field.
        MayNotGrant: the person has, or would get, more than the one who changes it.
        LastAdministrator: nobody would be left who may edit staff.
    """
    await _one_at_a_time(session)
    row = await _staff(session, staff_id)
    old_role = await session.get_one(Role, (session.tenant_id, row.role_id))
    before = {"staff_name": row.name, "role": old_role.code, "active": row.active}
    new_role = old_role
    if role_code is not None and role_code != old_role.code:
        new_role = await _role(session, role_code, field="role_code")
    rules.check_grant(granted_by, [*old_role.permissions, *new_role.permissions], field="role_code")
    if name is not None:
        row.name = _clean_name(name)
    row.role_id = new_role.id
    if active is not None:
        row.active = active
    await session.flush()
    await _keep_an_administrator(session)
    await audit.record(
        session,
        action="sites.staff_changed",
        entity="staff",
        entity_id=staff_id,
        before=before,
        after={"staff_name": row.name, "role": new_role.code, "active": row.active},
    )
    if not row.active:
        await auth.end_sessions(session, staff_id=staff_id)
    return queries.staff_view(row, new_role)


async def reset_password(
    session: Session,
    *,
    staff_id: UUID,
    password_hash: str,
    granted_by: Collection[str] | None = None,
) -> StaffView:
    """Give somebody a new password, open a closed account, and sign them out everywhere.

    Raises:
        StaffUnknown, MayNotGrant: they may do more than the one who resets it.
    """
    row = await _staff(session, staff_id)
    role = await session.get_one(Role, (session.tenant_id, row.role_id))
    rules.check_grant(granted_by, role.permissions)
    await auth.store_password(session, staff_id=staff_id, password_hash=password_hash)
    return await queries.staff_member(session, staff_id=staff_id)


async def create_role(
    session: Session,
    *,
    code: str,
    name: Mapping[str, str],
    permissions: Iterable[str],
    granted_by: Collection[str] | None = None,
) -> RoleView:
    """Make a role.

    Raises:
        BadCode, CodeTaken, NameMissing, UnknownPermission, MayNotGrant: naming the field.
    """
    cleaned = rules.clean_code(code)
    names = rules.clean_name(name)
    wanted = rules.role_permissions(cleaned, permissions)
    rules.check_grant(granted_by, wanted, field="permissions")
    role_id = ids.new_id()
    made = await session.execute(
        insert(Role)
        .values(
            tenant_id=session.tenant_id,
            id=role_id,
            code=cleaned,
            name=names,
            permissions=wanted,
        )
        .on_conflict_do_nothing(index_elements=[Role.tenant_id, Role.code])
        .returning(Role.id)
    )
    if made.scalar_one_or_none() is None:
        raise errors.CodeTaken(field="code")
    await audit.record(
        session,
        action="sites.role_created",
        entity="role",
        entity_id=role_id,
        after={"code": cleaned, "name": names, "permissions": wanted},
    )
    return RoleView(role_id, cleaned, names, tuple(wanted), 0)


async def change_role(
    session: Session,
    *,
    code: str,
    name: Mapping[str, str] | None = None,
    permissions: Iterable[str] | None = None,
    granted_by: Collection[str] | None = None,
) -> RoleView:
    """Rename a role or set its permissions; None leaves a field as it is.

    The administrators' role keeps the right to edit staff. Only what changes has to be among
    `granted_by`.

    Raises:
        RoleUnknown, NameMissing, UnknownPermission, MayNotGrant, LastAdministrator.
    """
    await _one_at_a_time(session)
    row = await _role(session, code)
    before = {"name": row.name, "permissions": list(row.permissions)}
    if name is not None:
        row.name = rules.clean_name(name)
    if permissions is not None:
        wanted = rules.role_permissions(row.code, permissions)
        changed = set(wanted) ^ set(row.permissions)
        rules.check_grant(granted_by, changed, field="permissions")
        row.permissions = wanted
    await session.flush()
    await _keep_an_administrator(session)
    await audit.record(
        session,
        action="sites.role_changed",
        entity="role",
        entity_id=row.id,
        before=before,
        after={"name": row.name, "permissions": list(row.permissions)},
    )
    count = await _count_staff(session, row.id)
    return RoleView(row.id, row.code, row.name, tuple(row.permissions), count)


async def remove_role(session: Session, *, code: str) -> None:
    """Remove a role that nobody has; raises RoleUnknown, BuiltInRole, RoleInUse."""
    row = await _role(session, code)
    if any(default.code == row.code for default in rules.DEFAULT_ROLES):
        raise errors.BuiltInRole
    count = await _count_staff(session, row.id)
    if count:
        raise errors.RoleInUse(count=count)
    await audit.record(
        session,
        action="sites.role_removed",
        entity="role",
        entity_id=row.id,
        before={"code": row.code, "name": row.name, "permissions": list(row.permissions)},
    )
    await session.delete(row)
    await session.flush()


def _clean_name(name: str) -> str:
    cleaned = name.strip()
    if not cleaned or len(cleaned) > NAME_LENGTH:
        raise errors.NameMissing(field="name", limit=NAME_LENGTH)
    return cleaned


async def _staff(session: Session, staff_id: UUID) -> Staff:
    row = await session.get(Staff, (session.tenant_id, staff_id), with_for_update=True)
    if row is None:
        raise errors.StaffUnknown
    return row


async def _role(session: Session, code: str, *, field: str | None = None) -> Role:
    row = (
        await session.execute(
            select(Role)
            .where(Role.tenant_id == session.tenant_id, Role.code == code)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None:
        raise errors.RoleUnknown(field=field)
    return row


async def _count_staff(session: Session, role_id: UUID) -> int:
    found = await session.execute(
        select(func.count()).where(Staff.tenant_id == session.tenant_id, Staff.role_id == role_id)
    )
    return found.scalar_one()


async def _one_at_a_time(session: Session) -> None:
    """Keep two changes that each leave one administrator from leaving none together."""
    await session.execute(
        select(Tenant.id).where(Tenant.id == session.tenant_id).with_for_update(key_share=True)
    )


async def _keep_an_administrator(session: Session) -> None:
    found = await session.execute(
        select(func.count())
        .select_from(Staff)
        .join(Role, (Role.tenant_id == Staff.tenant_id) & (Role.id == Staff.role_id))
        .where(
            Staff.tenant_id == session.tenant_id,
            Staff.active,
            Role.permissions.contains(["staff.edit"]),
        )
    )
    if not found.scalar_one():
        raise errors.LastAdministrator
