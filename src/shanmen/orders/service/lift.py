"""Lifting a restriction: the document may book again, and what led to it counts no more."""

from uuid import UUID

from shanmen.audit import service as audit
from shanmen.catalog.queries import current_catalog
from shanmen.db.locks import LOCK_KEYS, lock_keys
from shanmen.db.pipeline import Statement, array, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.orders.errors import RestrictionNotFound
from shanmen.orders.service.conduct import types_of

READ = """
SELECT document_index, scope, no_shows, until_day, lifted_at FROM restriction
WHERE tenant_id = %s AND id = %s
"""
FORGIVE = """
UPDATE no_show SET forgiven_at = %s
WHERE tenant_id = %s AND document_index = %s AND ticket_type_id = ANY(%s::uuid[])
  AND forgiven_at IS NULL
"""
LIFT = """
UPDATE restriction SET lifted_at = %s, lifted_by = %s, reason = %s WHERE tenant_id = %s AND id = %s
"""


async def lift_restriction(session: Session, *, restriction_id: UUID, reason: str) -> None:
    """Let a document book again; noted in the audit log with the reason.

    Its no-shows until now are remembered as forgiven: only new ones can restrict it again. Lifting
    what is lifted changes nothing.

    Raises:
        RestrictionNotFound: there is none with this id (any more).
    """
    tenant, now = session.tenant_id, clock.now()
    [rows] = await run(session, [Statement(READ, (tenant, restriction_id))])
    if not rows:
        raise RestrictionNotFound
    document, scope, no_shows, until, _ = rows[0]
    # As placing does: an order of this document is decided before or after, not in between.
    locks = array(lock_keys("document", tenant, [document]))
    _, [row] = await run(
        session, [Statement(LOCK_KEYS, (locks,)), Statement(READ, (tenant, restriction_id))]
    )
    if row[4] is not None:
        return
    types = types_of(await current_catalog(session), scope)
    await run(
        session,
        [
            Statement(FORGIVE, (now, tenant, document, array(types))),
            Statement(LIFT, (now, session.actor.label, reason, tenant, restriction_id)),
        ],
    )
    await audit.record(
        session,
        action="orders.restriction_lifted",
        entity="restriction",
        entity_id=restriction_id,
        before={"until_day": until, "no_shows": no_shows},
        after={"until_day": None, "no_shows": 0},
        reason=reason,
    )
