"""Staff: added, changed, deactivated, given a new password."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import Role, Staff, StaffSession
from shanmen.sites.queries import StaffView
from shanmen.sites.service import auth, roles

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
    role = await roles.role_row(session, role_code, field="role_code")
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
    await roles.one_at_a_time(session)
    row = await _staff(session, staff_id)
    old_role = await session.get_one(Role, (session.tenant_id, row.role_id))
    before = {"staff_name": row.name, "role": old_role.code, "active": row.active}
    new_role = old_role
    if role_code is not None and role_code != old_role.code:
        new_role = await roles.role_row(session, role_code, field="role_code")
    rules.check_grant(granted_by, [*old_role.permissions, *new_role.permissions], field="role_code")
    if name is not None:
        row.name = _clean_name(name)
    row.role_id = new_role.id
    if active is not None:
        row.active = active
    await session.flush()
    await roles.keep_an_administrator(session)
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


async def end_session(session: Session, *, staff_id: UUID, session_id: UUID) -> None:
    """Sign somebody out of one browser; one that is signed out already stays so.

    Raises:
        SessionUnknown: nobody of this tenant with this id ever had that session.
    """
    found = await session.get(StaffSession, (session.tenant_id, session_id))
    if found is None or found.staff_id != staff_id:
        raise errors.SessionUnknown
    await auth.end_sessions(session, staff_id=staff_id, session_id=session_id)


async def end_all_sessions(session: Session, *, staff_id: UUID, keep: UUID | None = None) -> None:
    """Sign somebody out of all browsers but the one to `keep`; raises StaffUnknown."""
    await queries.staff_member(session, staff_id=staff_id)
    await auth.end_sessions(session, staff_id=staff_id, keep=keep)
