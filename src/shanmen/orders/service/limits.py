"""Limits per document and phone, kept under concurrency.

The subjects (documents, phones) are locked by advisory locks before their places are counted, so
two transactions that name the same document go one after the other. What this batch has granted
itself is added in memory.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.locks import LOCK_KEYS, lock_key, lock_keys
from shanmen.db.pipeline import Statement, array, run
from shanmen.db.session import Session
from shanmen.orders.errors import DocumentLimit, PhoneLimit
from shanmen.orders.service.prepare import Prepared, PreparedTicket

DOCUMENTS = """
SELECT document_index, ticket_type_id, visit_day, slot_id, count(*)
FROM holder
WHERE tenant_id = %s AND document_index = ANY(%s) AND visit_day >= %s AND active
GROUP BY 1, 2, 3, 4
"""
PHONES = """
SELECT phone_index, visit_day, sum(jsonb_array_length(lines))
FROM orders
WHERE tenant_id = %s AND phone_index = ANY(%s) AND visit_day >= %s
  AND status NOT IN ('expired', 'cancelled', 'refunded')
GROUP BY 1, 2
"""


def subjects(tenant_id: int, requests: Iterable[Prepared]) -> set[int]:
    """Advisory lock keys of everybody that a limit speaks of."""
    keys: set[int] = set()
    for request in requests:
        if any(t.kind.limits.per_phone_day for t in request.tickets):
            keys.add(lock_key("phone", tenant_id, request.phone_index))
        for ticket in request.tickets:
            keys.update(lock_key("document", tenant_id, h.document_index) for h in ticket.holders)
    return keys


def usage_statements(
    tenant_id: int, requests: list[Prepared], *, since: date
) -> tuple[Statement, Statement]:
    """Counts what the subjects have for visits from `since` on; run after their locks are taken."""
    documents = {h.document_index for r in requests for t in r.tickets for h in t.holders}
    phones = {
        r.phone_index for r in requests if any(t.kind.limits.per_phone_day for t in r.tickets)
    }
    return (
        Statement(DOCUMENTS, (tenant_id, array(documents), since)),
        Statement(PHONES, (tenant_id, array(phones), since)),
    )


OF_TICKETS = """
SELECT ticket_id, document_index FROM holder WHERE tenant_id = %s AND ticket_id = ANY(%s)
"""


async def usage_of_tickets(
    session: Session, catalog: Catalog, ticket_ids: list[UUID], *, since: date
) -> tuple["Usage", dict[UUID, list[int]]]:
    """What the holders of these tickets have, and the documents of each ticket; they are locked."""
    tenant = session.tenant_id
    [rows] = await run(session, [Statement(OF_TICKETS, (tenant, ticket_ids))])
    by_ticket: dict[UUID, list[int]] = defaultdict(list)
    for ticket_id, document in rows:
        by_ticket[ticket_id].append(document)
    documents = sorted({document for _, document in rows})
    _, used = await run(
        session,
        [
            Statement(LOCK_KEYS, (lock_keys("document", tenant, documents),)),
            Statement(DOCUMENTS, (tenant, documents, since)),
        ],
    )
    return Usage(catalog, used, ()), by_ticket


class Usage:
    """How many places documents and phones have, by day and slot; grows as orders are granted."""

    def __init__(
        self,
        catalog: Catalog,
        documents: Iterable[tuple[Any, ...]],
        phones: Iterable[tuple[Any, ...]],
    ) -> None:
        self.by_day: Counter[tuple[int, str, date]] = Counter()
        self.by_slot: Counter[tuple[int, str, UUID]] = Counter()
        self.by_phone: Counter[tuple[int, date]] = Counter()
        for document, type_id, day, slot_id, count in documents:
            kind = catalog.types.get(type_id)
            group = (kind.limits.group if kind else "") or str(type_id)
            self.by_day[document, group, day] += count
            self.by_slot[document, group, slot_id] += count
        for phone, day, count in phones:
            self.by_phone[phone, day] += int(count)

    def check(self, request: Prepared, tickets: list[tuple[PreparedTicket, date, UUID]]) -> None:
        """Raise the limit that this order would break; counts nothing."""
        day_counts: Counter[tuple[int, str, date]] = Counter()
        slot_counts: Counter[tuple[int, str, UUID]] = Counter()
        phone_counts: Counter[date] = Counter()
        for index, (ticket, day, slot_id) in enumerate(tickets):
            limits = ticket.kind.limits
            group = limits.group or str(ticket.kind.id)
            for seq, holder in enumerate(ticket.holders):
                document = holder.document_index
                day_counts[document, group, day] += 1
                slot_counts[document, group, slot_id] += 1
                path = f"tickets.{index}.visitors.{seq}.document_number"
                has = self.by_slot[document, group, slot_id] + slot_counts[document, group, slot_id]
                if limits.per_document_slot and has > limits.per_document_slot:
                    raise DocumentLimit(field=path, limit=limits.per_document_slot, per="slot")
                has = self.by_day[document, group, day] + day_counts[document, group, day]
                if limits.per_document_day and has > limits.per_document_day:
                    raise DocumentLimit(field=path, limit=limits.per_document_day, per="day")
            phone_counts[day] += 1
            has = self.by_phone[request.phone_index, day] + phone_counts[day]
            if limits.per_phone_day and has > limits.per_phone_day:
                raise PhoneLimit(field="phone", limit=limits.per_phone_day)

    def check_again(
        self, kind: TicketTypeInfo, documents: Iterable[int], *, day: date, slot_id: UUID
    ) -> None:
        """Raise the limit that documents would break with another place; counts it when not."""
        limits = kind.limits
        group = limits.group or str(kind.id)
        documents = list(documents)
        for document in documents:
            if 0 < limits.per_document_slot <= self.by_slot[document, group, slot_id]:
                raise DocumentLimit(limit=limits.per_document_slot, per="slot")
            if 0 < limits.per_document_day <= self.by_day[document, group, day]:
                raise DocumentLimit(limit=limits.per_document_day, per="day")
        for document in documents:
            self.by_day[document, group, day] += 1
            self.by_slot[document, group, slot_id] += 1

    def give_back(
        self, kind: TicketTypeInfo, documents: Iterable[int], *, day: date, slot_id: UUID
    ) -> None:
        """Count a place of these documents no longer."""
        group = kind.limits.group or str(kind.id)
        for document in documents:
            self.by_day[document, group, day] -= 1
            self.by_slot[document, group, slot_id] -= 1

    def add(self, request: Prepared, tickets: list[tuple[PreparedTicket, date, UUID]]) -> None:
        """Count a granted order."""
        for ticket, day, slot_id in tickets:
            group = ticket.kind.limits.group or str(ticket.kind.id)
            for holder in ticket.holders:
                self.by_day[holder.document_index, group, day] += 1
                self.by_slot[holder.document_index, group, slot_id] += 1
            self.by_phone[request.phone_index, day] += 1
