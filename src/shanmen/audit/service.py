"""Writing the audit log, in the same transaction as the change it tells of."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert, null

from shanmen.audit.models import AuditEntry
from shanmen.audit.rules import changes
from shanmen.db.session import Session
from shanmen.kit import clock, ids

__all__ = ["changes", "record"]


async def record(
    session: Session,
    *,
    action: str,
    entity: str,
    entity_id: str | int | UUID,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> UUID | None:
    """Note that the session's actor changed something; returns the entry's id.

    `action` is the event in the past tense (``orders.refunded``), whose text is
    ``orders.action.refunded`` where a module has one. `before` and `after` are reduced to what
    differs and masked (see :mod:`shanmen.audit.rules`); None stands for "did not exist".
    A change that changed nothing is not noted, and None is returned; an action that has no fields
    to compare passes neither and is always noted.
    """
    old, new = changes(before, after)
    if before is not None and after is not None and not old and not new:
        return None
    entry_id = ids.new_id()
    actor = session.actor
    await session.execute(
        insert(AuditEntry).values(
            tenant_id=session.tenant_id,
            id=entry_id,
            at=clock.now(),
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_label=actor.label,
            ip=actor.ip,
            action=action,
            entity=entity,
            entity_id=str(entity_id),
            before=null() if old is None else old,
            after=null() if new is None else new,
            reason=reason,
        )
    )
    return entry_id
