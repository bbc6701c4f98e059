"""Documents that were shown at a gate which may not have known whom the ticket names.

A gate that was cut off before a sale has the ticket's code and nothing else: it asks for a document
and lets in whoever shows one. Its journal keeps the document's mark, and only here can somebody
tell whether that was one of the ticket's holders.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from shanmen.admission.protocol import DocumentKey, JournalRow
from shanmen.admission.service.changes import DOCUMENT_FIELD
from shanmen.admission.service.devices import document_keys
from shanmen.db.pipeline import Statement, array
from shanmen.kit import documents
from shanmen.kit.crypto import Keyring

Marks = Mapping[UUID, Mapping[bytes, int]]
"""By ticket, the marks that its holders' documents may have in a journal, with their indexes."""

HOLDERS = """
SELECT ticket_id, document, document_index FROM holder
WHERE tenant_id = %s AND ticket_id = ANY(%s::uuid[])
"""


def shown_beside_a_code(row: JournalRow) -> bool:
    """Whether a gate that decided alone let somebody in with a document beside the code.

    A document alone is left out: it was the mark itself that led the gate to its ticket.
    """
    return (
        row.document_mark is not None
        and row.step in {"admitted", "corrected"}
        and row.direction == "in"
        and row.decided_by == "gate"
        and row.method != "document"
    )


def holders_statement(tenant_id: int, ticket_ids: Iterable[UUID]) -> Statement:
    """Read the documents of the tickets' holders; rows make `marks`."""
    return Statement(HOLDERS, (tenant_id, array(ticket_ids)))


def marks(keyring: Keyring, rows: Sequence[Sequence[Any]], *, site_id: UUID, turn: int) -> Marks:
    """What a gate's journal may call the holders' documents.

    Under each key that the site's gates had: this one may have been cut off since before another
    was revoked. And by each number that the document's text may stand for.
    """
    if not rows:
        return {}
    keys = [DocumentKey(key) for key in document_keys(keyring, site_id, turn=turn)]
    found: dict[UUID, dict[bytes, int]] = defaultdict(dict)
    for ticket_id, document, index in rows:
        number = keyring.decrypt(document, field=DOCUMENT_FIELD)
        for text in {number, *documents.readings(number)}:
            found[ticket_id] |= {key.mark(text): index for key in keys}
    return found
