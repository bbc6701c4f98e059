"""Roles: made, given permissions, removed."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import ids
from shanmen.sites import errors, rules
from shanmen.sites.models import Role, Staff, Tenant
from shanmen.sites.queries import RoleView


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
    await one_at_a_time(session)
    view = await _change(
        session, code=code, name=name, permissions=permissions, granted_by=granted_by
    )
    await keep_an_administrator(session)
    return view


async def change_permissions(
    session: Session,
    *,
    permissions: Mapping[str, Iterable[str]],
    granted_by: Collection[str] | None = None,
) -> tuple[RoleView, ...]:
    """Set the permissions of several roles at once, by their codes: all of them or none.

    Raises:
        RoleUnknown, UnknownPermission, MayNotGrant, LastAdministrator.
    """
    await one_at_a_time(session)
    changed = [
        await _change(session, code=code, name=None, permissions=wanted, granted_by=granted_by)
        for code, wanted in sorted(permissions.items())
    ]
    await keep_an_administrator(session)
    return tuple(changed)


async def _change(
    session: Session,
    *,
    code: str,
    name: Mapping[str, str] | None,
    permissions: Iterable[str] | None,
    granted_by: Collection[str] | None,
) -> RoleView:
    row = await role_row(session, code)
    before = {"name": row.name, "permissions": list(row.permissions)}
    if name is not None:
        row.name = rules.clean_name(name)
    if permissions is not None:
        wanted = rules.role_permissions(row.code, permissions)
        changed = set(wanted) ^ set(row.permissions)
        rules.check_grant(granted_by, changed, field="permissions")
        row.permissions = wanted
    await session.flush()
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
    row = await role_row(session, code)
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


async def role_row(session: Session, code: str, *, field: str | None = None) -> Role:
    """The role of that code, locked; raises RoleUnknown."""
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


async def one_at_a_time(session: Session) -> None:
    """Keep two changes that each leave one administrator from leaving none together."""
    await session.execute(
        select(Tenant.id).where(Tenant.id == session.tenant_id).with_for_update(key_share=True)
    )


async def keep_an_administrator(session: Session) -> None:
    """Raise LastAdministrator if nobody active may edit staff after what was just changed."""
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
