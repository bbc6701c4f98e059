"""Documents that nobody may enter with: put on the list, and taken off it."""

from datetime import date
from uuid import UUID

from shanmen.admission.errors import BlockUnknown, ReasonMissing
from shanmen.admission.models import BlockedDocument
from shanmen.admission.service.setup import BLOCKED_FIELD
from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import clock, documents, ids
from shanmen.tickets.gate import DOCUMENT_PURPOSE

REASON_LENGTH = 200


async def block_document(
    session: Session, *, kind: str, number: str, reason: str, until: date | None = None
) -> UUID:
    """Let nobody enter with a document, until a day or until it is lifted.

    Raises:
        kit's DocumentInvalid, ReasonMissing: naming the field.
    """
    document = documents.check(kind, number, field="number")
    reason = reason.strip()[:REASON_LENGTH]
    if not reason:
        raise ReasonMissing(field="reason")
    row = BlockedDocument(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        kind=document.kind.value,
        document=session.keyring.encrypt(document.number, field=BLOCKED_FIELD),
        document_index=session.keyring.blind_index(
            f"{document.kind.value}:{document.number}", purpose=DOCUMENT_PURPOSE
        ),
        reason=reason,
        until=until,
        created_at=clock.now(),
        created_by=session.actor.label,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        action="admission.document_blocked",
        entity="blocked_document",
        entity_id=row.id,
        after={"kind": row.kind, "until": until},
        reason=reason,
    )
    return row.id


async def lift_block(session: Session, *, block_id: UUID) -> None:
    """Take a document off the list; once more changes nothing. Raises BlockUnknown."""
    row = await session.get(BlockedDocument, (session.tenant_id, block_id), with_for_update=True)
    if row is None:
        raise BlockUnknown
    if row.lifted_at is not None:
        return
    row.lifted_at = clock.now()
    row.lifted_by = session.actor.label
    await session.flush()
    await audit.record(
        session,
        action="admission.document_unblocked",
        entity="blocked_document",
        entity_id=row.id,
        before={"lifted_at": None},
        after={"lifted_at": row.lifted_at},
    )
