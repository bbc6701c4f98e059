"""Reads of tenants, sites, places, staff, roles, sessions and keys."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select

from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.sites import errors
from shanmen.sites.models import (
    ApiKey,
    Entrance,
    Role,
    Site,
    SiteAddress,
    Staff,
    StaffSession,
    Tenant,
    Zone,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

V = TypeVar("V", bound="DataclassInstance")

DEFAULT_TIMEZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class TenantView:
    """An operator."""

    id: int
    code: str
    name: dict[str, str]


@dataclass(frozen=True, slots=True)
class PublicSite:
    """A site as anybody may find it."""

    slug: str
    name: dict[str, str]


@dataclass(frozen=True, slots=True)
class SiteContext:
    """The site a request is about."""

    tenant_id: int
    site_id: UUID
    number: int
    slug: str
    name: dict[str, str]
    timezone: str


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site with all its texts."""

    id: UUID
    number: int
    slug: str
    name: dict[str, str]
    intro: dict[str, str]
    notice: dict[str, str]
    timezone: str
    phone: str
    address: dict[str, str]
    opening_hours: dict[str, str]
    records: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ZoneView:
    """A part of a site."""

    id: UUID
    site_id: UUID
    number: int
    name: dict[str, str]


@dataclass(frozen=True, slots=True)
class EntranceView:
    """A way into a zone."""

    id: UUID
    site_id: UUID
    zone_id: UUID
    number: int
    name: dict[str, str]
    active: bool


@dataclass(frozen=True, slots=True)
class RoleView:
    """A named set of permissions, and how many staff have it."""

    id: UUID
    code: str
    name: dict[str, str]
    permissions: tuple[str, ...]
    staff: int


@dataclass(frozen=True, slots=True)
class StaffView:
    """Somebody who signs in."""

    id: UUID
    login: str
    name: str
    role_id: UUID
    role_code: str
    role_name: dict[str, str]
    permissions: frozenset[str]
    active: bool
    locked_until: datetime | None
    last_login_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionView:
    """A signed-in browser."""

    id: UUID
    staff_id: UUID
    ip: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """An integrator's key, without its secret."""

    id: UUID
    name: str
    hint: str
    channel: str
    permissions: tuple[str, ...]
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None


async def tenant_by_code(session: Session, *, code: str) -> TenantView | None:
    """The tenant of that code; works without a tenant."""
    row = (await session.execute(select(Tenant).where(Tenant.code == code))).scalar_one_or_none()
    return TenantView(row.id, row.code, row.name) if row else None


async def tenant_exists(session: Session, *, tenant_id: int) -> bool | None:
    """True for a tenant there is, None for any other number; works without a tenant."""
    query = select(Tenant.id).where(Tenant.id == tenant_id)
    return True if (await session.execute(query)).scalar_one_or_none() is not None else None


async def current_tenant(session: Session) -> TenantView:
    """The session's tenant."""
    row = (await session.execute(select(Tenant).where(Tenant.id == session.tenant_id))).scalar_one()
    return TenantView(row.id, row.code, row.name)


async def public_sites(session: Session) -> tuple[PublicSite, ...]:
    """All sites of all tenants by their address; works without a tenant."""
    rows = await session.execute(select(SiteAddress).order_by(SiteAddress.slug))
    return tuple(PublicSite(row.slug, row.name) for row in rows.scalars())


async def address_of(session: Session, *, slug: str) -> tuple[int, UUID] | None:
    """Tenant and site of an address; works without a tenant."""
    row = (
        await session.execute(
            select(SiteAddress.tenant_id, SiteAddress.site_id).where(SiteAddress.slug == slug)
        )
    ).one_or_none()
    return (row.tenant_id, row.site_id) if row else None


def _sites(session: Session) -> Select[Site]:
    return select(Site).where(Site.tenant_id == session.tenant_id).order_by(Site.number)


async def site_contexts(session: Session) -> tuple[SiteContext, ...]:
    """The tenant's sites in order of their number."""
    rows = await session.execute(_sites(session))
    return tuple(
        SiteContext(row.tenant_id, row.id, row.number, row.slug, row.name, row.timezone)
        for row in rows.scalars()
    )


async def sites(session: Session) -> tuple[SiteView, ...]:
    """The tenant's sites with all their texts, in order of their number."""
    rows = await session.execute(_sites(session))
    return tuple(site_view(row) for row in rows.scalars())


async def site(session: Session, *, slug: str) -> SiteView:
    """One of the tenant's sites; raises SiteUnknown."""
    row = (await session.execute(_sites(session).where(Site.slug == slug))).scalar_one_or_none()
    if row is None:
        raise errors.SiteUnknown(field="slug")
    return site_view(row)


def site_view(row: Site) -> SiteView:
    """A row as its reader gets it."""
    return _view(SiteView, row)


def _view(kind: type[V], row: object) -> V:
    """A dataclass of the row's columns of the same names."""
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})


async def zones(session: Session, *, site_id: UUID) -> tuple[ZoneView, ...]:
    """A site's zones in order of their number."""
    rows = await session.execute(
        select(Zone)
        .where(Zone.tenant_id == session.tenant_id, Zone.site_id == site_id)
        .order_by(Zone.number)
    )
    return tuple(_view(ZoneView, row) for row in rows.scalars())


async def entrances(session: Session, *, site_id: UUID) -> tuple[EntranceView, ...]:
    """A site's entrances in order of their number, closed ones too."""
    rows = await session.execute(
        select(Entrance)
        .where(Entrance.tenant_id == session.tenant_id, Entrance.site_id == site_id)
        .order_by(Entrance.number)
    )
    return tuple(entrance_view(row) for row in rows.scalars())


def entrance_view(row: Entrance) -> EntranceView:
    """A row as its reader gets it."""
    return _view(EntranceView, row)


async def roles(session: Session) -> tuple[RoleView, ...]:
    """The tenant's roles in the order in which they were made."""
    counted = (
        select(func.count())
        .select_from(Staff)
        .where(Staff.tenant_id == Role.tenant_id, Staff.role_id == Role.id)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Role, counted).where(Role.tenant_id == session.tenant_id).order_by(Role.id)
    )
    return tuple(
        RoleView(role.id, role.code, role.name, tuple(role.permissions), count)
        for role, count in rows
    )


def _staff(session: Session) -> Select[Staff, Role]:
    return (
        select(Staff, Role)
        .join(Role, (Role.tenant_id == Staff.tenant_id) & (Role.id == Staff.role_id))
        .where(Staff.tenant_id == session.tenant_id)
        # A statement may have changed a row that this session has read before.
        .execution_options(populate_existing=True)
    )


def staff_view(person: Staff, role: Role) -> StaffView:
    """A row as its reader gets it."""
    return StaffView(
        id=person.id,
        login=person.login,
        name=person.name,
        role_id=role.id,
        role_code=role.code,
        role_name=role.name,
        permissions=frozenset(role.permissions),
        active=person.active,
        locked_until=person.locked_until,
        last_login_at=person.last_login_at,
        created_at=person.created_at,
    )


async def staff_list(session: Session) -> tuple[StaffView, ...]:
    """Everybody who works for the tenant: those who may sign in first, then by login."""
    rows = await session.execute(_staff(session).order_by(Staff.active.desc(), Staff.login))
    return tuple(staff_view(person, role) for person, role in rows)


async def staff_member(session: Session, *, staff_id: UUID) -> StaffView:
    """One of them; raises StaffUnknown."""
    row = (await session.execute(_staff(session).where(Staff.id == staff_id))).one_or_none()
    if row is None:
        raise errors.StaffUnknown
    return staff_view(row[0], row[1])


async def living_sessions(
    session: Session, *, staff_ids: Collection[UUID] | None = None
) -> tuple[SessionView, ...]:
    """Browsers that are signed in now, the last used first; of everybody or of some."""
    query = select(StaffSession).where(
        StaffSession.tenant_id == session.tenant_id,
        StaffSession.ended_at.is_(None),
        StaffSession.expires_at > clock.now(),
    )
    if staff_ids is not None:
        query = query.where(StaffSession.staff_id.in_(staff_ids))
    rows = await session.execute(query.order_by(StaffSession.last_seen_at.desc()))
    return tuple(_view(SessionView, row) for row in rows.scalars())


async def api_keys(session: Session) -> tuple[ApiKeyView, ...]:
    """The tenant's keys: those in use first, the newest on top."""
    rows = await session.execute(
        select(ApiKey)
        .where(ApiKey.tenant_id == session.tenant_id)
        .order_by(ApiKey.revoked_at.is_not(None), ApiKey.created_at.desc())
    )
    return tuple(api_key_view(row) for row in rows.scalars())


def api_key_view(row: ApiKey) -> ApiKeyView:
    """A row as its reader gets it."""
    return replace(_view(ApiKeyView, row), permissions=tuple(row.permissions))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The member of staff whose browser sent the request."""

    tenant_id: int
    staff_id: UUID
    session_id: UUID
    login: str
    name: str
    role_code: str
    permissions: frozenset[str]
    sites: tuple[SiteContext, ...]

    @property
    def label(self) -> str:
        """How changes name this person."""
        return f"{self.name} ({self.login})"

    @property
    def timezone(self) -> str:
        """The time zone to show instants in that belong to no site."""
        return self.sites[0].timezone if self.sites else DEFAULT_TIMEZONE

    def may(self, permission: str) -> bool:
        """Whether this person's role has the permission."""
        return permission in self.permissions


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """The integrator whose key came with the request."""

    tenant_id: int
    key_id: UUID
    name: str
    channel: str
    permissions: frozenset[str]

    @property
    def label(self) -> str:
        """How changes name this key."""
        return self.name

    def may(self, permission: str) -> bool:
        """Whether the key has the permission."""
        return permission in self.permissions


async def site_timezone(session: Session, site_id: UUID) -> str:
    """The IANA name of a site's time zone; raises SiteUnknown."""
    zone = await session.scalar(
        select(Site.timezone).where(Site.tenant_id == session.tenant_id, Site.id == site_id)
    )
    if zone is None:
        raise errors.SiteUnknown
    return zone
