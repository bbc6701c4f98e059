"""Tables of lanes, of each site's rules at the gate, and of all scans with their decisions."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, BlindIndex, Names, TenantMixin, TenantRow, tenant_index


class Lane(TenantRow, Base):
    """One passage of an entrance."""

    __tablename__ = "lane"
    __table_args__ = (
        UniqueConstraint("tenant_id", "entrance_id", "number"),
        ForeignKeyConstraint(["tenant_id", "entrance_id"], ["entrance.tenant_id", "entrance.id"]),
    )

    entrance_id: Mapped[uuid.UUID]
    number: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[Names]
    direction: Mapped[str] = mapped_column(server_default="in")
    """in, out or both."""
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class GatePolicy(TenantMixin, Base):
    """What a site asks of its gates; a site without a row has the defaults."""

    __tablename__ = "gate_policy"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "site_id"], ["site.tenant_id", "site.id"]),
        CheckConstraint(
            "grace_before_minutes BETWEEN 0 AND 1440 AND grace_after_minutes BETWEEN 0 AND 1440",
            name="grace",
        ),
        CheckConstraint("repeat_seconds BETWEEN 0 AND 3600", name="repeat"),
    )

    site_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    grace_before_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    grace_after_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    repeat_seconds: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    """The same document is not admitted again sooner."""
    entrances: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """``{ticket type id: [entrance id, …]}``: the only entrances for tickets of that type."""


class Scan(TenantRow, Base):
    """A scan and its decision. `id` is the scan's own id, chosen by the device."""

    __tablename__ = "scan"
    __table_args__ = (
        tenant_index("site_id", "day", "outcome"),
        tenant_index("lane_id", "at"),
        Index(
            "ix_scan_ticket", "tenant_id", "ticket_id", "at", postgresql_where=text("persons > 0")
        ),
        CheckConstraint("outcome IN ('admitted', 'refused')", name="outcome"),
        CheckConstraint("(outcome = 'admitted') = (persons > 0)", name="persons"),
    )

    at: Mapped[datetime]
    day: Mapped[date]
    site_id: Mapped[uuid.UUID]
    entrance_id: Mapped[uuid.UUID]
    lane_id: Mapped[uuid.UUID]
    direction: Mapped[str] = mapped_column(server_default="in")
    method: Mapped[str]
    """qr, document, manual."""
    ticket_id: Mapped[uuid.UUID | None]
    ticket_type_id: Mapped[uuid.UUID | None]
    slot_id: Mapped[uuid.UUID | None]
    outcome: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    """Code of the refusal, or of the rule that was overridden."""
    persons: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    persons_left: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """How many of the party could still enter after it."""
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What fills the texts of `reason`: times, places, dates; nothing personal."""
    document_index: Mapped[BlindIndex | None]
    """Blind index of the document that was shown, if any."""
    staff_label: Mapped[str] = mapped_column(server_default="")
    override_by: Mapped[str | None]
    override_reason: Mapped[str | None]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undo_reason: Mapped[str | None]
