"""What admission tells the rest: past-tense facts that carry ids alone."""

from collections.abc import Iterable
from uuid import UUID

from shanmen.db.outbox import publish
from shanmen.db.session import Session

TICKETS_USED = "admission.tickets_used"
"""Persons entered with these tickets, or were taken back: ``{"ticket_ids": [...]}``."""


async def tickets_used(session: Session, *, ticket_ids: Iterable[UUID]) -> None:
    """Tell that these tickets' use changed: one event for a whole batch."""
    ids = sorted({str(ticket_id) for ticket_id in ticket_ids})
    if ids:
        await publish(session, TICKETS_USED, {"ticket_ids": ids})
