"""What admission tells the rest: past-tense facts that carry ids alone."""

from collections.abc import Iterable
from uuid import UUID

from shanmen.db.outbox import publish_statements
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session

TICKETS_USED = "admission.tickets_used"
"""Persons entered with these tickets, or were taken back: ``{"ticket_ids": [...]}``."""


def tickets_used_statements(tenant_id: int, *, ticket_ids: Iterable[UUID]) -> list[Statement]:
    """Tell that these tickets' use changed, among other statements: one event for a whole batch."""
    ids = sorted({str(ticket_id) for ticket_id in ticket_ids})
    return publish_statements(tenant_id, TICKETS_USED, {"ticket_ids": ids}) if ids else []


async def tickets_used(session: Session, *, ticket_ids: Iterable[UUID]) -> None:
    """Tell that these tickets' use changed."""
    await run(session, tickets_used_statements(session.tenant_id, ticket_ids=ticket_ids))
