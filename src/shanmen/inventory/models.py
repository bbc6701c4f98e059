"""Tables of pools, schedules, slots and stock counters."""

import uuid
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, Names, TenantMixin, TenantRow, tenant_index


class Pool(TenantRow, Base):
    """Something scarce that tickets draw on."""

    __tablename__ = "pool"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "site_id"], ["site.tenant_id", "site.id"]),
        ForeignKeyConstraint(["tenant_id", "zone_id"], ["zone.tenant_id", "zone.id"]),
        tenant_index("site_id"),
    )

    site_id: Mapped[uuid.UUID]
    name: Mapped[Names]
    position: Mapped[int] = mapped_column(server_default=text("0"))
    zone_id: Mapped[uuid.UUID | None]
    """The zone that its places are in: its slots are the times at which tickets open that zone."""


class Schedule(TenantRow, Base):
    """The slots of the days that match; the highest priority wins."""

    __tablename__ = "schedule"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "pool_id"], ["pool.tenant_id", "pool.id"]),
        CheckConstraint("date_from <= date_until", name="season"),
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
        tenant_index("pool_id"),
    )

    pool_id: Mapped[uuid.UUID]
    name: Mapped[str]
    date_from: Mapped[date | None]
    date_until: Mapped[date | None]
    weekdays: Mapped[int] = mapped_column(SmallInteger, server_default=text("127"))
    day_kind: Mapped[str] = mapped_column(server_default="")
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    slots: Mapped[list[dict[str, Any]]]
    """``[{"starts": "08:00", "ends": "10:00", "capacity": 800}, …]``, local times."""


class TypeCap(TenantMixin, Base):
    """At most so many tickets' places of one type in each slot of a pool."""

    __tablename__ = "type_cap"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "pool_id"], ["pool.tenant_id", "pool.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "ticket_type_id"], ["ticket_type.tenant_id", "ticket_type.id"]
        ),
        CheckConstraint("capacity >= 0", name="capacity"),
        tenant_index("ticket_type_id"),
    )

    pool_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    ticket_type_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    capacity: Mapped[int]


class Allotment(TenantMixin, Base):
    """A channel's share of every slot of a pool."""

    __tablename__ = "allotment"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "pool_id"], ["pool.tenant_id", "pool.id"]),
        CheckConstraint("kind IN ('fixed', 'minimum')", name="kind"),
        CheckConstraint("(places IS NULL) <> (percent IS NULL)", name="amount"),
        CheckConstraint("places >= 0 AND percent BETWEEN 0 AND 100", name="bounds"),
        CheckConstraint("release_minutes >= 0", name="release_minutes"),
    )

    pool_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    """Where a slot has too little room for all shares, those that come first are kept first."""
    kind: Mapped[str]
    """See `inventory.allotments.ShareKind`."""
    places: Mapped[int | None]
    percent: Mapped[int | None] = mapped_column(SmallInteger)
    """Of each slot's capacity, rounded down."""
    release_minutes: Mapped[int | None]
    """So long before a slot starts the share is common stock; None is never."""


class Slot(TenantRow, Base):
    """A pool's time window on one day."""

    __tablename__ = "slot"
    __table_args__ = (
        UniqueConstraint("tenant_id", "pool_id", "day", "starts"),
        ForeignKeyConstraint(["tenant_id", "pool_id"], ["pool.tenant_id", "pool.id"]),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint("ends_at > starts_at", name="times"),
    )

    pool_id: Mapped[uuid.UUID]
    day: Mapped[date]
    starts: Mapped[time]
    ends: Mapped[time]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="open")
    note: Mapped[Names] = mapped_column(server_default=text("'{}'"))
    edited: Mapped[bool] = mapped_column(server_default=text("false"))
    """Changed by hand: a new schedule leaves it alone."""
    own_allotments: Mapped[bool] = mapped_column(server_default=text("false"))
    """Divided among channels by hand: the pool's division leaves it alone."""


class Stock(TenantRow, Base):
    """A counter of places. The row of a whole slot has the slot's id."""

    __tablename__ = "stock"
    __table_args__ = (
        UniqueConstraint("tenant_id", "slot_id", "scope", "ref"),
        tenant_index("pool_id", "day"),
        ForeignKeyConstraint(["tenant_id", "slot_id"], ["slot.tenant_id", "slot.id"]),
        CheckConstraint("held >= 0 AND sold >= 0 AND held + sold <= capacity", name="no_oversell"),
        CheckConstraint(
            "(scope = 'channel') = (share IN ('fixed', 'minimum')) AND places >= 0", name="share"
        ),
        # Counters change all the time and are not indexed: free space in the page keeps the new
        # version beside the old one (a heap-only tuple).
        {"postgresql_with": {"fillfactor": "40"}},
    )

    slot_id: Mapped[uuid.UUID]
    pool_id: Mapped[uuid.UUID]
    """The slot's, as `day`: so that a month's counters lie side by side in one index."""
    day: Mapped[date]
    scope: Mapped[str]
    """slot (all of it), type (one ticket type's cap, `ref` is the type's id) or channel (the share
    of one channel, `ref` is its code)."""
    ref: Mapped[str] = mapped_column(server_default="")
    capacity: Mapped[int]
    held: Mapped[int] = mapped_column(server_default=text("0"))
    sold: Mapped[int] = mapped_column(server_default=text("0"))
    share: Mapped[str] = mapped_column(server_default="")
    """How a channel's share is meant: fixed or minimum; empty for other scopes."""
    places: Mapped[int] = mapped_column(server_default=text("0"))
    """How many places the share has."""
    releases_at: Mapped[datetime | None]
    """From then on the share is common stock."""
