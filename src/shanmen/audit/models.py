"""The audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shanmen.db.base import Base, TenantRow, tenant_index


class AuditEntry(TenantRow, Base):
    """One change."""

    __tablename__ = "audit_log"
    __table_args__ = (tenant_index("at"), tenant_index("entity", "entity_id"))

    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    actor_label: Mapped[str]
    ip: Mapped[str]
    action: Mapped[str]
    entity: Mapped[str]
    entity_id: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    reason: Mapped[str]
