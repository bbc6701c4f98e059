"""Tables of tenants, sites, places and people who work there."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, Names, TenantRow, tenant_index


class Tenant(Base):
    """An operator of scenic areas. `wrapped_key` is its data key under the master key."""

    __tablename__ = "tenant"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[Names]
    wrapped_key: Mapped[bytes]
    created_at: Mapped[datetime]


class SiteAddress(Base):
    """Which tenant and site a public slug belongs to."""

    __tablename__ = "site_address"

    slug: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    site_id: Mapped[uuid.UUID]
    name: Mapped[Names]


class Site(TenantRow, Base):
    """One scenic area. `number` identifies it within the tenant's ticket tokens."""

    __tablename__ = "site"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        UniqueConstraint("tenant_id", "slug"),
    )

    number: Mapped[int] = mapped_column(SmallInteger)
    slug: Mapped[str]
    name: Mapped[Names]
    intro: Mapped[Names]
    notice: Mapped[Names] = mapped_column(server_default=text("'{}'"))
    timezone: Mapped[str]
    phone: Mapped[str] = mapped_column(server_default="")
    address: Mapped[Names] = mapped_column(server_default=text("'{}'"))
    opening_hours: Mapped[Names] = mapped_column(server_default=text("'{}'"))
    records: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """Statutory footers: ``{"icp": "…", "police": "…"}``."""
    created_at: Mapped[datetime]


class Zone(TenantRow, Base):
    """A part of a site; `number` (0 to 31) is its bit in a ticket's rights."""

    __tablename__ = "zone"
    __table_args__ = (
        UniqueConstraint("tenant_id", "site_id", "number"),
        ForeignKeyConstraint(["tenant_id", "site_id"], ["site.tenant_id", "site.id"]),
    )

    site_id: Mapped[uuid.UUID]
    number: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[Names]


class Entrance(TenantRow, Base):
    """A way into a zone, with its lanes side by side."""

    __tablename__ = "entrance"
    __table_args__ = (
        UniqueConstraint("tenant_id", "site_id", "number"),
        ForeignKeyConstraint(["tenant_id", "site_id"], ["site.tenant_id", "site.id"]),
        ForeignKeyConstraint(["tenant_id", "zone_id"], ["zone.tenant_id", "zone.id"]),
    )

    site_id: Mapped[uuid.UUID]
    zone_id: Mapped[uuid.UUID]
    number: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[Names]
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class Role(TenantRow, Base):
    """A named set of permissions."""

    __tablename__ = "role"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str]
    name: Mapped[Names]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(TEXT))


class Staff(TenantRow, Base):
    """Somebody who works for the tenant and signs in."""

    __tablename__ = "staff"
    __table_args__ = (
        UniqueConstraint("tenant_id", "login"),
        ForeignKeyConstraint(["tenant_id", "role_id"], ["role.tenant_id", "role.id"]),
    )

    login: Mapped[str]
    name: Mapped[str]
    role_id: Mapped[uuid.UUID]
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    failed_attempts: Mapped[int] = mapped_column(server_default=text("0"))
    locked_until: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class StaffSession(TenantRow, Base):
    """A signed-in browser; ended by signing out, by an administrator, or by time."""

    __tablename__ = "staff_session"
    __table_args__ = (
        UniqueConstraint("tenant_id", "token_hash"),
        ForeignKeyConstraint(["tenant_id", "staff_id"], ["staff.tenant_id", "staff.id"]),
        tenant_index("staff_id"),
    )

    staff_id: Mapped[uuid.UUID]
    token_hash: Mapped[bytes]
    ip: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ApiKey(TenantRow, Base):
    """An integrator's key; only a digest of its secret is kept."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("tenant_id", "secret_hash"),)

    name: Mapped[str]
    hint: Mapped[str]
    secret_hash: Mapped[bytes]
    channel: Mapped[str]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


Index(None, Staff.tenant_id, Staff.role_id)
