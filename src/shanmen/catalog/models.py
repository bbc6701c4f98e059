"""Tables of ticket types, their prices and draws, and special days."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, Fen, Names, TenantMixin, TenantRow, tenant_index


class CatalogVersion(TenantMixin, Base):
    """Counts the changes of a tenant's catalog, so that caches know when to reload."""

    __tablename__ = "catalog_version"

    version: Mapped[int] = mapped_column(server_default=text("1"))


class TicketType(TenantRow, Base):
    """Something that a visitor can buy."""

    __tablename__ = "ticket_type"
    __table_args__ = (
        UniqueConstraint("tenant_id", "site_id", "number"),
        ForeignKeyConstraint(["tenant_id", "site_id"], ["site.tenant_id", "site.id"]),
        CheckConstraint("party_size BETWEEN 1 AND 99", name="party_size"),
        CheckConstraint("documents IN ('each', 'one', 'none')", name="documents"),
        CheckConstraint("min_age <= max_age", name="ages"),
        CheckConstraint("min_per_order BETWEEN 1 AND max_per_order", name="per_order"),
    )

    site_id: Mapped[uuid.UUID]
    number: Mapped[int] = mapped_column(SmallInteger)
    """Short number within the site, carried by the ticket token."""
    name: Mapped[Names]
    description: Mapped[Names] = mapped_column(server_default=text("'{}'"))
    audience: Mapped[str] = mapped_column(server_default="adult")
    """adult, child, senior, student, family or any: shown, and counted by."""
    party_size: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    documents: Mapped[str] = mapped_column(server_default="each")
    """Who is named: each person of the party, one for all, or none."""
    min_age: Mapped[int | None] = mapped_column(SmallInteger)
    max_age: Mapped[int | None] = mapped_column(SmallInteger)
    entries: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    """How many times each person may enter; 0 is without limit."""
    valid_days: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    zones: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    """Bit mask of the numbers of the zones it opens; number 31 does not fit 32 bits with a sign."""
    rotating: Mapped[bool] = mapped_column(server_default=text("false"))
    second_factor: Mapped[bool] = mapped_column(server_default=text("false"))
    min_per_order: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    max_per_order: Mapped[int] = mapped_column(SmallInteger, server_default=text("10"))
    days_ahead: Mapped[int] = mapped_column(SmallInteger, server_default=text("30"))
    """How many days ahead of the visit it goes on sale."""
    sale_closes_minutes: Mapped[int] = mapped_column(server_default=text("0"))
    """Sold until so many minutes before the end of the slot."""
    refund: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """See `catalog.rules.RefundRule`."""
    reschedule: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """See `catalog.rules.RescheduleRule`."""
    limits: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """See `catalog.rules.Limits`."""
    admission_hours: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    """When it opens a gate, see `kit.hours.Window`; none is at any time."""
    channels: Mapped[list[str]] = mapped_column(ARRAY(TEXT), server_default=text("'{}'"))
    """Channels that sell it; empty is all."""
    on_sale: Mapped[bool] = mapped_column(server_default=text("true"))
    position: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]


class TicketTypeDraw(TenantMixin, Base):
    """A pool that each ticket of a type takes places from. Position 0 sets the visit's slot."""

    __tablename__ = "ticket_type_draw"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"], ["ticket_type.tenant_id", "ticket_type.id"]
        ),
        ForeignKeyConstraint(["tenant_id", "pool_id"], ["pool.tenant_id", "pool.id"]),
        UniqueConstraint("tenant_id", "ticket_type_id", "pool_id"),
        CheckConstraint("quantity > 0", name="quantity"),
        tenant_index("pool_id"),
    )

    ticket_type_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    pool_id: Mapped[uuid.UUID]
    quantity: Mapped[int] = mapped_column(SmallInteger)


class PriceRule(TenantRow, Base):
    """A price for the days that match; the highest priority wins."""

    __tablename__ = "price_rule"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"], ["ticket_type.tenant_id", "ticket_type.id"]
        ),
        CheckConstraint("amount_fen >= 0", name="amount"),
        CheckConstraint("date_from <= date_until", name="season"),
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
        tenant_index("ticket_type_id"),
    )

    ticket_type_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(server_default="")
    amount_fen: Mapped[Fen]
    date_from: Mapped[date | None]
    date_until: Mapped[date | None]
    weekdays: Mapped[int] = mapped_column(SmallInteger, server_default=text("127"))
    """Bit mask, Monday is bit 0."""
    day_kind: Mapped[str] = mapped_column(server_default="")
    """workday, weekend or holiday; empty is any."""
    priority: Mapped[int] = mapped_column(server_default=text("0"))


class SpecialDay(TenantMixin, Base):
    """A day whose kind the operator sets by hand, against the public calendar."""

    __tablename__ = "special_day"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "site_id"], ["site.tenant_id", "site.id"]),
    )

    site_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    day_kind: Mapped[str]
    name: Mapped[Names] = mapped_column(server_default=text("'{}'"))


class ChannelHold(TenantMixin, Base):
    """How long an unpaid order of a channel keeps its places; no channel is all others."""

    __tablename__ = "channel_hold"
    __table_args__ = (CheckConstraint("seconds BETWEEN 60 AND 86400", name="seconds"),)

    channel: Mapped[str] = mapped_column(primary_key=True)
    seconds: Mapped[int]
