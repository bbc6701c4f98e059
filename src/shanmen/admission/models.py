"""Tables of lanes, each site's rules at the gate, all scans with their decisions, and gates."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
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
        CheckConstraint("passage_seconds BETWEEN 1 AND 120", name="passage"),
        CheckConstraint("ask_budget_ms BETWEEN 0 AND 5000", name="ask_budget"),
        CheckConstraint("day_key_days BETWEEN 0 AND 31", name="day_keys"),
    )

    site_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    grace_before_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    grace_after_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    repeat_seconds: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    """The same document is not admitted again sooner."""
    entrances: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """``{ticket type id: [entrance id, …]}``: the only entrances for tickets of that type."""
    anti_passback: Mapped[bool] = mapped_column(server_default=text("false"))
    """Nobody enters a zone again before leaving it."""
    companions: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    """Ids of ticket types that enter only together with somebody of another type."""
    static_codes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """``{ticket type id: {channel, or empty for all others: "free" or "document"}}``."""
    passage_seconds: Mapped[int] = mapped_column(SmallInteger, server_default=text("8"))
    """So long somebody has to pass before the admission is given back."""
    ask_budget_ms: Mapped[int] = mapped_column(SmallInteger, server_default=text("150"))
    """So long a gate waits for the server before it decides alone."""
    day_key_days: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))
    """For so many days ahead gates hold the keys of changing codes."""


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
    gate_at: Mapped[datetime | None]
    """The gate's own clock; None where the server decided and no gate has told of it."""
    device_id: Mapped[uuid.UUID | None]
    """The gate that decided it or asked for it."""
    gate_persons: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """Of `persons`, how many that gate knows of: what it was answered or has told itself."""
    asked: Mapped[BlindIndex | None]
    """Mark of what was asked under this id (`presented.mark_of`); None for what gates ask."""


class GateDevice(TenantRow, Base):
    """A gate's computer: enrolled once with a code, known by its key from then on."""

    __tablename__ = "gate_device"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "entrance_id"], ["entrance.tenant_id", "entrance.id"]),
        UniqueConstraint("tenant_id", "code_hash"),
        tenant_index("entrance_id"),
    )

    site_id: Mapped[uuid.UUID]
    entrance_id: Mapped[uuid.UUID]
    name: Mapped[str]
    code_hash: Mapped[bytes | None]
    """Of the one-time code, until it is used."""
    code_expires_at: Mapped[datetime | None]
    public_key: Mapped[bytes | None]
    """Ed25519; None until it is enrolled."""
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    enrolled_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str] = mapped_column(server_default="")
    last_seen_at: Mapped[datetime | None]
    version: Mapped[str] = mapped_column(server_default="")
    health: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What it said of itself last (`protocol.Health`)."""
    journal_through: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """All rows of its journal up to and with this number are here."""
    share: Mapped[int] = mapped_column(server_default=text("0"))
    """At most so many it may let into its zone while it is cut off.

    What it said itself, or what it was told in answer, if that is more: the answer may be lost.
    """
    told_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """The latest of its requests that told of itself; what it asked before is overtaken."""
    heard_at: Mapped[datetime | None]
    """When we wrote the last answer that it says it has."""


class GateCounter(TenantMixin, Base):
    """Which of a gate's requests were taken, by their counts.

    A row apart from the gate's own, which a long upload keeps locked: nobody waits for that.
    """

    __tablename__ = "gate_counter"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "device_id"], ["gate_device.tenant_id", "gate_device.id"]
        ),
    )

    device_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    highest: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    seen: Mapped[bytes] = mapped_column(server_default=text("''"))
    """See `service.counts.Taken`."""


class GateJournal(TenantMixin, Base):
    """What gates told of what happened, row by row, as they told it."""

    __tablename__ = "gate_journal"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "device_id"], ["gate_device.tenant_id", "gate_device.id"]
        ),
        tenant_index("scan_id"),
    )

    device_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    scan_id: Mapped[uuid.UUID]
    step: Mapped[str]
    gate_at: Mapped[datetime]
    at: Mapped[datetime]
    """The server's time of it: the gate's, put right by how far its clock was off."""
    received_at: Mapped[datetime]
    lane_id: Mapped[uuid.UUID]
    direction: Mapped[str]
    decided_by: Mapped[str]
    method: Mapped[str]
    ticket_id: Mapped[uuid.UUID | None]
    generation: Mapped[int | None]
    persons: Mapped[int]
    persons_left: Mapped[int]
    reason: Mapped[str]
    document_mark: Mapped[bytes | None]
    """Of the document that was shown, marked once more under a key that no gate has ever had."""
    staff: Mapped[str]


class GateCase(TenantRow, Base):
    """Something between gates and server that a person has to look at."""

    __tablename__ = "gate_case"
    __table_args__ = (
        UniqueConstraint("tenant_id", "scan_id", "kind"),
        tenant_index("site_id", "opened_at"),
    )

    site_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    """See `rules.CaseKind`."""
    opened_at: Mapped[datetime]
    at: Mapped[datetime]
    """When it happened at the gate, by the server's time."""
    device_id: Mapped[uuid.UUID]
    scan_id: Mapped[uuid.UUID]
    ticket_id: Mapped[uuid.UUID | None]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """Figures and ids that fill its text; nothing personal."""
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")


class GateCommand(TenantRow, Base):
    """What the console wants of a gate, until the gate says that it is done."""

    __tablename__ = "gate_command"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "device_id"], ["gate_device.tenant_id", "gate_device.id"]
        ),
        tenant_index("device_id", "created_at"),
    )

    device_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    lane_id: Mapped[uuid.UUID | None]
    text: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    done_at: Mapped[datetime | None]


class ZoneLimit(TenantMixin, Base):
    """How many may be inside a zone at once, and how many are; without a row there is no limit."""

    __tablename__ = "zone_limit"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "zone_id"], ["zone.tenant_id", "zone.id"]),
        CheckConstraint("max_inside > 0", name="max_inside"),
    )

    zone_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    max_inside: Mapped[int]
    day: Mapped[date]
    """The local day that `inside` counts; on another day nobody is inside yet."""
    inside: Mapped[int] = mapped_column(server_default=text("0"))


class BlockedDocument(TenantRow, Base):
    """A document that nobody may enter with."""

    __tablename__ = "blocked_document"
    __table_args__ = (tenant_index("document_index"),)

    kind: Mapped[str]
    document: Mapped[bytes]
    """The number, encrypted."""
    document_index: Mapped[BlindIndex]
    reason: Mapped[str]
    until: Mapped[date | None]
    """The last day; None is until it is lifted."""
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str] = mapped_column(server_default="")
