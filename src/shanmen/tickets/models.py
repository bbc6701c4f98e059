"""Tables of tickets and of the people they are made out to."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, BlindIndex, TenantMixin, TenantRow, tenant_index


class Ticket(TenantRow, Base):
    """A right to enter. Rows exist from payment on; their ids are chosen when places are held."""

    __tablename__ = "ticket"
    __table_args__ = (
        tenant_index("order_id"),
        # A guard may type the ticket's short number, which is the order's number and the ticket's.
        tenant_index("order_number"),
        tenant_index("site_id", "visit_day", "ticket_type_id"),
        # A new gate reads all that can still be used, page by page.
        tenant_index("site_id", "valid_until", "id"),
        CheckConstraint("status IN ('valid', 'used', 'refunded')", name="status"),
        CheckConstraint("persons_entered >= 0", name="persons_entered"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    order_id: Mapped[uuid.UUID]
    order_number: Mapped[str]
    seq: Mapped[int] = mapped_column(SmallInteger)
    site_id: Mapped[uuid.UUID]
    ticket_type_id: Mapped[uuid.UUID]
    slot_id: Mapped[uuid.UUID]
    """The slot of the first pool: the visit."""
    visit_day: Mapped[date]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    party_size: Mapped[int] = mapped_column(SmallInteger)
    entries: Mapped[int] = mapped_column(SmallInteger)
    zones: Mapped[int] = mapped_column(BigInteger)
    flags: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """Bit 0 rotating code, bit 1 document as second factor."""
    generation: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    status: Mapped[str] = mapped_column(server_default="valid")
    persons_entered: Mapped[int] = mapped_column(server_default=text("0"))
    """Persons admitted in all; the ticket's total is party_size × entries × the number of zones."""
    issued_at: Mapped[datetime]
    first_entered_at: Mapped[datetime | None]
    channel: Mapped[str] = mapped_column(server_default="")
    """Who sold it: what a code must prove at the gate may depend on it."""
    windows: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The zones that it opens at a time of their own (`tickets.zones.ZoneWindow`); else null."""


class Holder(TenantMixin, Base):
    """A person that a ticket is made out to; written with the hold, before the ticket itself."""

    __tablename__ = "holder"
    __table_args__ = (
        Index(None, "tenant_id", "document_index", "visit_day"),
        Index(None, "tenant_id", "name_index"),
    )

    ticket_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    order_id: Mapped[uuid.UUID]
    ticket_type_id: Mapped[uuid.UUID]
    slot_id: Mapped[uuid.UUID]
    visit_day: Mapped[date]
    name: Mapped[bytes]
    name_index: Mapped[BlindIndex]
    document_kind: Mapped[str]
    document: Mapped[bytes]
    document_index: Mapped[BlindIndex]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    """False once the place is given back (lapsed, cancelled, refunded): it counts for no limit."""


class GateFeed(TenantRow, Base):
    """Tickets that one transaction issued, changed or counted: what gates must hear of.

    Rows are only added, and forgotten after some days. `xid` orders them by transaction, so that a
    gate's mark can be compared with what a snapshot saw (`tickets.feed`).
    """

    __tablename__ = "gate_feed"
    __table_args__ = (tenant_index("xid"), tenant_index("at"))

    xid: Mapped[int] = mapped_column(
        BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint")
    )
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    ticket_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID))
    counted: Mapped[bool] = mapped_column(server_default=text("false"))
    """Nothing of these tickets changed but how often they were used."""
