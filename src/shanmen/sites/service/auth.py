"""Signing in and out, and what a session cookie stands for.

Nothing is hashed inside a transaction: one reads the stored hash, a thread verifies, another
transaction records the outcome. Failures are counted by ``failed_attempts + 1`` in the database,
so that none is lost among many at once, and a right password counts only while the account is
open: guesses that were under way when it closed win nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, or_, select, update

from shanmen.audit import service as audit
from shanmen.db.session import Actor, Database, Session
from shanmen.kit import clock, ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import Role, Staff, StaffSession
from shanmen.sites.passwords import Passwords
from shanmen.sites.queries import SignedIn

USER_AGENT_LENGTH = 300
IP_LENGTH = 64


@dataclass(frozen=True, slots=True)
class NewSession:
    """A browser that has just signed in; `token` is the cookie's value and is not kept."""

    token: str
    tenant_id: int
    staff_id: UUID
    role_code: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """What signing in needs to know of somebody."""

    staff_id: UUID
    label: str
    password_hash: str
    locked_until: datetime | None
    timezone: str


def digest(secret: str) -> bytes:
    """What is stored of a secret: it has 256 bits of its own, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def parse_token(cookie: str) -> tuple[int, str] | None:
    """Tenant and secret of a session cookie, or None when it cannot be one."""
    tenant, dot, secret = cookie.partition(".")
    if not dot or not secret or not tenant.isascii() or not tenant.isdigit() or len(tenant) > 9:  # noqa: PLR2004 - digits of an int4
        return None
    return int(tenant), secret


def locked_error(locked_until: datetime, timezone: str) -> errors.LockedOut:
    """Say until when an account is closed, on the wall clock of the tenant's first site."""
    wait = (locked_until - clock.now()).total_seconds()
    until = clock.local(locked_until, timezone)
    return errors.LockedOut(
        field="password",
        until=until.strftime("%H:%M:%S"),
        minutes=max(1, -(-int(wait) // 60)),
        retry_after=max(1, int(wait) + 1),
    )


async def sign_in(
    database: Database,
    passwords: Passwords,
    *,
    login: str,
    password: str,
    minutes: int,
    ip: str = "",
    user_agent: str = "",
) -> NewSession:
    """Sign somebody in by ``name@tenant``; `minutes` is how long a session lives unused.

    Raises:
        WrongLogin: there is nobody of that name, or the password is another; the same work is
            done in both cases.
        LockedOut: five wrong passwords in a row close the account for 15 minutes.
        Overloaded: too many are signing in at this moment.
    """
    name, code = rules.split_login(login)
    tenant = await database.unit(None)(queries.tenant_by_code, code=code)
    found = None
    if tenant is not None:
        found = await database.unit(tenant.id)(account, login=name)
    if tenant is None or found is None:
        await passwords.verify(None, password)
        raise errors.WrongLogin(field="password")
    if found.locked_until is not None and rules.is_locked(found.locked_until, now=clock.now()):
        raise locked_error(found.locked_until, found.timezone)
    unit = database.unit(tenant.id, actor=Actor("staff", str(found.staff_id), found.label, ip))
    if await passwords.verify(found.password_hash, password):
        renewed = None
        if passwords.outdated(found.password_hash):
            renewed = await passwords.hash(password)
        opened = await unit(
            open_session,
            staff_id=found.staff_id,
            verified_hash=found.password_hash,
            renewed_hash=renewed,
            minutes=minutes,
            ip=ip,
            user_agent=user_agent,
        )
        if opened is not None:
            return opened
        # The account was closed, or its password changed, while this one was being verified.
        now_closed = await unit(lock_of, staff_id=found.staff_id)
    else:
        now_closed = await unit(count_failure, staff_id=found.staff_id)
    if now_closed is not None:
        raise locked_error(now_closed, found.timezone)
    raise errors.WrongLogin(field="password")


async def account(
    session: Session, *, login: str | None = None, staff_id: UUID | None = None
) -> Account | None:
    """Somebody who may sign in, by login or id."""
    who = Staff.login == login if staff_id is None else Staff.id == staff_id
    row = (
        await session.execute(
            select(Staff).where(Staff.tenant_id == session.tenant_id, who, Staff.active)
        )
    ).scalar_one_or_none()
    if row is None:
        return None
    places = await queries.site_contexts(session)
    return Account(
        staff_id=row.id,
        label=f"{row.name} ({row.login})",
        password_hash=row.password_hash,
        locked_until=row.locked_until,
        timezone=places[0].timezone if places else queries.DEFAULT_TIMEZONE,
    )


async def lock_of(session: Session, *, staff_id: UUID) -> datetime | None:
    """Until when the account is closed, if it is."""
    found = await account(session, staff_id=staff_id)
    if found is None or not rules.is_locked(found.locked_until, now=clock.now()):
        return None
    return found.locked_until


async def count_failure(session: Session, *, staff_id: UUID) -> datetime | None:
    """Count a wrong password; returns until when the account is closed, if it is now."""
    now = clock.now()
    until = now + rules.LOCKED_FOR
    expired = Staff.locked_until.is_not(None) & (Staff.locked_until <= now)
    locked = Staff.locked_until.is_not(None) & (Staff.locked_until > now)
    failures = case((expired, 1), else_=Staff.failed_attempts + 1)
    row = (
        await session.execute(
            update(Staff)
            .where(Staff.tenant_id == session.tenant_id, Staff.id == staff_id)
            .values(
                failed_attempts=failures,
                locked_until=case(
                    (locked, Staff.locked_until),
                    (failures >= rules.MAX_FAILURES, until),
                    else_=None,
                ),
            )
            .returning(Staff.locked_until, Staff.failed_attempts)
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if row is None or row.locked_until is None:
        return None
    if row.failed_attempts == rules.MAX_FAILURES:
        await audit.record(session, action="sites.locked_out", entity="staff", entity_id=staff_id)
    return row.locked_until  # type: ignore[no-any-return]


async def open_session(
    session: Session,
    *,
    staff_id: UUID,
    verified_hash: str,
    renewed_hash: str | None,
    minutes: int,
    ip: str,
    user_agent: str,
) -> NewSession | None:
    """Begin a session after the password was verified; None if the account closed meanwhile."""
    now = clock.now()
    changed = await session.execute(
        update(Staff)
        .where(
            Staff.tenant_id == session.tenant_id,
            Staff.id == staff_id,
            Staff.active,
            Staff.password_hash == verified_hash,
            or_(Staff.locked_until.is_(None), Staff.locked_until <= now),
        )
        .values(
            failed_attempts=0,
            locked_until=None,
            last_login_at=now,
            password_hash=renewed_hash or verified_hash,
        )
        .returning(Staff.role_id)
        .execution_options(synchronize_session=False)
    )
    role_id = changed.scalar_one_or_none()
    if role_id is None:
        return None
    role = await session.get_one(Role, (session.tenant_id, role_id))
    secret = ids.token(32)
    session.add(
        StaffSession(
            tenant_id=session.tenant_id,
            id=ids.new_id(),
            staff_id=staff_id,
            token_hash=digest(secret),
            ip=ip[:IP_LENGTH],
            user_agent=user_agent[:USER_AGENT_LENGTH],
            created_at=now,
            last_seen_at=now,
            expires_at=rules.session_expiry(created_at=now, now=now, minutes=minutes),
        )
    )
    await session.flush()
    await audit.record(session, action="sites.signed_in", entity="staff", entity_id=staff_id)
    return NewSession(
        token=f"{session.tenant_id}.{secret}",
        tenant_id=session.tenant_id,
        staff_id=staff_id,
        role_code=role.code,
        permissions=frozenset(role.permissions),
    )


async def resume(session: Session, *, secret: str, minutes: int) -> SignedIn | None:
    """Who a session cookie's secret belongs to; None when the session has ended.

    Use prolongs the session; that is written down at most once a minute.
    """
    now = clock.now()
    row = (
        await session.execute(
            select(StaffSession, Staff, Role)
            .join(
                Staff,
                (Staff.tenant_id == StaffSession.tenant_id) & (Staff.id == StaffSession.staff_id),
            )
            .join(Role, (Role.tenant_id == Staff.tenant_id) & (Role.id == Staff.role_id))
            .where(
                StaffSession.tenant_id == session.tenant_id,
                StaffSession.token_hash == digest(secret),
                StaffSession.ended_at.is_(None),
                StaffSession.expires_at > now,
                Staff.active,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    browser, person, role = row
    if now - browser.last_seen_at >= rules.TOUCH_EVERY:
        expiry = rules.session_expiry(created_at=browser.created_at, now=now, minutes=minutes)
        await session.execute(
            update(StaffSession)
            .where(
                StaffSession.tenant_id == session.tenant_id,
                StaffSession.id == browser.id,
                StaffSession.last_seen_at <= now - rules.TOUCH_EVERY,
            )
            .values(last_seen_at=now, expires_at=expiry)
            .execution_options(synchronize_session=False)
        )
    return SignedIn(
        tenant_id=session.tenant_id,
        staff_id=person.id,
        session_id=browser.id,
        login=person.login,
        name=person.name,
        role_code=role.code,
        permissions=frozenset(role.permissions),
        sites=await queries.site_contexts(session),
    )


async def sign_out(session: Session, *, secret: str) -> None:
    """End the session of a cookie; a second time changes nothing."""
    ended = await session.execute(
        update(StaffSession)
        .where(
            StaffSession.tenant_id == session.tenant_id,
            StaffSession.token_hash == digest(secret),
            StaffSession.ended_at.is_(None),
        )
        .values(ended_at=clock.now())
        .returning(StaffSession.staff_id)
        .execution_options(synchronize_session=False)
    )
    staff_id = ended.scalar_one_or_none()
    if staff_id is not None:
        await audit.record(session, action="sites.signed_out", entity="staff", entity_id=staff_id)


async def end_sessions(
    session: Session,
    *,
    staff_id: UUID,
    session_id: UUID | None = None,
    keep: UUID | None = None,
) -> int:
    """End one session of somebody, or all but the one to `keep`; returns how many ended."""
    query = update(StaffSession).where(
        StaffSession.tenant_id == session.tenant_id,
        StaffSession.staff_id == staff_id,
        StaffSession.ended_at.is_(None),
        StaffSession.expires_at > clock.now(),
    )
    if session_id is not None:
        query = query.where(StaffSession.id == session_id)
    if keep is not None:
        query = query.where(StaffSession.id != keep)
    ended = await session.execute(
        query.values(ended_at=clock.now())
        .returning(StaffSession.id)
        .execution_options(synchronize_session=False)
    )
    count = len(ended.all())
    if count:
        await audit.record(
            session,
            action="sites.sessions_ended",
            entity="staff",
            entity_id=staff_id,
            after={"count": count},
        )
    return count


async def change_own_password(
    database: Database,
    passwords: Passwords,
    *,
    who: SignedIn,
    present: str,
    new: str,
    ip: str = "",
) -> int:
    """Set one's own password and end one's other sessions; returns how many ended.

    Raises:
        WrongPassword: the present one is wrong; it counts like a wrong password at sign-in.
        LockedOut: it was wrong too often.
        PasswordTooShort, PasswordTooLong, PasswordTooCommon: the new one will not do.
    """
    rules.check_password(new, login=who.login, field="new")
    unit = database.unit(who.tenant_id, actor=Actor("staff", str(who.staff_id), who.label, ip))
    found = await unit(account, staff_id=who.staff_id)
    if found is None:
        raise errors.SignInFirst
    if found.locked_until is not None and rules.is_locked(found.locked_until, now=clock.now()):
        raise _at(locked_error(found.locked_until, found.timezone), "present")
    if not await passwords.verify(found.password_hash, present):
        until = await unit(count_failure, staff_id=who.staff_id)
        if until is not None:
            raise _at(locked_error(until, found.timezone), "present")
        raise errors.WrongPassword(field="present")
    hashed = await passwords.hash(new)
    return await unit(
        store_password, staff_id=who.staff_id, password_hash=hashed, keep=who.session_id
    )


async def store_password(
    session: Session, *, staff_id: UUID, password_hash: str, keep: UUID | None = None
) -> int:
    """Replace somebody's password, open the account, end the sessions; returns how many ended."""
    await session.execute(
        update(Staff)
        .where(Staff.tenant_id == session.tenant_id, Staff.id == staff_id)
        .values(password_hash=password_hash, failed_attempts=0, locked_until=None)
        .execution_options(synchronize_session=False)
    )
    await audit.record(session, action="sites.password_set", entity="staff", entity_id=staff_id)
    return await end_sessions(session, staff_id=staff_id, keep=keep)


def _at(error: errors.LockedOut, field: str) -> errors.LockedOut:
    error.field = field
    return error
