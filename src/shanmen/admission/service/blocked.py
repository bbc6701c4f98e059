"""Documents that nobody may enter with: put on the list, and taken off it."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shanmen.admission.errors import BlockUnknown, ReasonMissing
from shanmen.admission.models import BlockedDocument
from shanmen.admission.service.setup import BLOCKED_FIELD
from shanmen.audit import service as audit
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock, documents, ids
from shanmen.tickets.gate import document_index

REASON_LENGTH = 200


LIST = """
SELECT id, kind, document, reason, until, created_at, created_by FROM blocked_document
WHERE tenant_id = %s AND lifted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT %s
"""
LISTED = 500


@dataclass(frozen=True, slots=True)
class BlockedView:
    """A blocked document."""

    id: UUID
    kind: str
    number: str
    """Masked."""
    reason: str
    until: date | None
    created_at: datetime
    created_by: str


async def blocked_documents(session: Session) -> list[BlockedView]:
    """The list, the latest first."""
    [rows] = await run(session, [Statement(LIST, (session.tenant_id, LISTED))])
    return [
        BlockedView(
            key, kind, documents.mask(session.keyring.decrypt(number, field=BLOCKED_FIELD)), *rest
        )
        for key, kind, number, *rest in rows
    ]


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
        document_index=document_index(session.keyring, document.kind, document.number),
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
