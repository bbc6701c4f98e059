"""Limits per document and phone, and documents that may not book: kept under concurrency.

The subjects (documents, phones) are locked by advisory locks before their tickets are counted, so
two transactions that name the same document go one after the other. What this batch has granted
itself is added in memory.

Months and years are read only where a ticket type of the batch limits them: the statements are the
same, and the day from which they count is earlier.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shanmen.catalog.rules import (
    PERIODS,
    Catalog,
    TicketTypeInfo,
    period_begins,
    period_ends,
)
from shanmen.db.locks import LOCK_KEYS, lock_key
from shanmen.db.pipeline import Statement, array, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.orders.errors import DocumentLimit, DuplicateDocument, PhoneLimit, Restricted
from shanmen.orders.rules import Line
from shanmen.orders.service.prepare import Prepared, PreparedTicket

DOCUMENTS = """
SELECT document_index, ticket_type_id, visit_day, slot_id, count(*)
FROM holder
WHERE tenant_id = %s AND document_index = ANY(%s) AND visit_day >= %s AND active
GROUP BY 1, 2, 3, 4
"""
# An order is indexed by the day of its first visit, and nothing is sold further ahead than
# SOLD_AHEAD: an order whose first visit is longer ago has none that counts. A late payment on its
# way back has no tickets.
PHONES = """
SELECT phone_index, (line->>'ticket_type_id')::uuid, (line->>'visit_day')::date,
       (line->'slot_ids'->>0)::uuid, count(*)
FROM orders CROSS JOIN LATERAL jsonb_array_elements(lines) AS line
WHERE tenant_id = %s AND phone_index = ANY(%s) AND visit_day >= %s
  AND status NOT IN ('expired', 'cancelled', 'refunded')
  AND NOT (status = 'refunding' AND paid_at IS NULL)
  AND (line->>'visit_day')::date >= %s
  AND NOT coalesce((line->>'refunded')::boolean, false)
GROUP BY 1, 2, 3, 4
"""
RESTRICTED = """
SELECT document_index, scope, until_day,
       (SELECT jsonb_object_agg(id, coalesce(nullif(phone, ''), name->>'zh-CN', slug)) FROM site
        WHERE site.tenant_id = restriction.tenant_id)
FROM restriction
WHERE tenant_id = %s AND document_index = ANY(%s) AND until_day >= %s AND lifted_at IS NULL
"""
SOLD_AHEAD = timedelta(days=730)
ONE_DAY = timedelta(days=1)
"""Somewhere it is still yesterday: days are those of the sites, instants those of UTC."""
BY_SLOT_AND_DAY = 2
"""How many of `PERIODS` are counted where nothing is limited by month or year."""


class Claim(NamedTuple):
    """A ticket that is wanted: for whom and when. `path` names it in the request."""

    kind: TicketTypeInfo
    documents: Sequence[int]
    phone: int
    day: date
    slot_id: UUID
    path: str = ""


def subjects(tenant_id: int, requests: Iterable[Prepared], catalog: Catalog) -> set[int]:
    """Advisory lock keys of everybody that a limit speaks of.

    A phone is locked wherever a type of the same group limits it, not only where this type does:
    what is bought here counts there.
    """
    keys: set[int] = set()
    limited = catalog.phone_scopes
    for request in requests:
        if limited and any(t.kind.scope in limited for t in request.tickets):
            keys.add(lock_key("phone", tenant_id, request.phone_index))
        for ticket in request.tickets:
            keys.update(lock_key("document", tenant_id, h.document_index) for h in ticket.holders)
    return keys


def usage_statements(
    tenant_id: int, requests: list[Prepared], *, today: date
) -> tuple[Statement, Statement, Statement]:
    """Count what the subjects have, and read who may not book; run after their locks are taken."""
    since = counted_since((t.kind for r in requests for t in r.tickets), today=today)
    documents = {h.document_index for r in requests for t in r.tickets for h in t.holders}
    phones = {r.phone_index for r in requests if any(t.kind.limits.of_phone for t in r.tickets)}
    watched = {
        h.document_index
        for r in requests
        for t in r.tickets
        if t.kind.limits.no_shows.enabled
        for h in t.holders
    }
    return (
        Statement(DOCUMENTS, (tenant_id, array(documents), since)),
        Statement(PHONES, (tenant_id, array(phones), since - SOLD_AHEAD, since)),
        Statement(RESTRICTED, (tenant_id, array(watched), today - ONE_DAY)),
    )


def counted_since(kinds: Iterable[TicketTypeInfo], *, today: date) -> date:
    """The first day of visits that some limit of these types can count."""
    periods = {
        per
        for kind in {kind.id: kind for kind in kinds}.values()
        for per, _ in (*kind.limits.of_document, *kind.limits.of_phone)
    }
    yesterday = today - ONE_DAY
    widest = next((per for per in ("year", "month") if per in periods), "day")
    return period_begins(widest, yesterday)


OF_TICKETS = """
SELECT ticket_id, document_index FROM holder WHERE tenant_id = %s AND ticket_id = ANY(%s)
"""


async def usage_of_lines(
    session: Session, catalog: Catalog, lines: Sequence[tuple[int, Line]]
) -> tuple["Usage", dict[UUID, Claim]]:
    """What the holders and phones of tickets have, and each ticket's claim; they are locked.

    Args:
        lines: tickets of orders, each with the blind index of its order's phone.
    """
    tenant = session.tenant_id
    kinds = {line.ticket_id: catalog.types[line.ticket_type_id] for _, line in lines}
    [rows] = await run(session, [Statement(OF_TICKETS, (tenant, array(kinds)))])
    by_ticket: dict[UUID, list[int]] = defaultdict(list)
    for ticket_id, document in rows:
        by_ticket[ticket_id].append(document)
    documents = {document for _, document in rows}
    phones = {phone for phone, line in lines if kinds[line.ticket_id].scope in catalog.phone_scopes}
    locks = {lock_key("document", tenant, document) for document in documents}
    locks |= {lock_key("phone", tenant, phone) for phone in phones}
    since = counted_since(kinds.values(), today=clock.now().date())
    _, used, called = await run(
        session,
        [
            Statement(LOCK_KEYS, (array(sorted(locks)),)),
            Statement(DOCUMENTS, (tenant, array(documents), since)),
            Statement(PHONES, (tenant, array(phones), since - SOLD_AHEAD, since)),
        ],
    )
    claims = {
        line.ticket_id: Claim(
            kinds[line.ticket_id], by_ticket[line.ticket_id], phone, line.visit_day,
            line.slot_ids[0],
        )
        for phone, line in lines
    }  # fmt: skip
    return Usage(catalog, used, called), claims


def claim(request: Prepared, ticket: PreparedTicket, index: int, day: date, slot_id: UUID) -> Claim:
    """What a ticket of a request claims."""
    documents = [holder.document_index for holder in ticket.holders]
    return Claim(ticket.kind, documents, request.phone_index, day, slot_id, f"tickets.{index}")


class Usage:
    """How many tickets documents and phones have; grows as orders are granted.

    Args:
        documents: rows of `DOCUMENTS`, `phones` of `PHONES`, `restricted` of `RESTRICTED`.
        kinds: the types that will be asked about; None: any.
    """

    def __init__(
        self,
        catalog: Catalog,
        documents: Iterable[tuple[Any, ...]],
        phones: Iterable[tuple[Any, ...]],
        restricted: Iterable[tuple[Any, ...]] = (),
        *,
        kinds: Iterable[TicketTypeInfo] | None = None,
    ) -> None:
        self._phone_scopes = catalog.phone_scopes
        self._periods = len(PERIODS) if kinds is None else _periods(kinds)
        self._bounds: dict[UUID, tuple[list[_Bound], list[_Bound]]] = {}
        self.documents: Counter[_Key] = Counter()
        self.phones: Counter[_Key] = Counter()
        for counter, rows in ((self.documents, documents), (self.phones, phones)):
            for subject, type_id, day, slot_id, count in rows:
                kind = catalog.types.get(type_id)
                scope = kind.scope if kind else str(type_id)
                for window in self._windows(day, slot_id):
                    counter[subject, scope, window] += int(count)
        self._restricted = {(row[0], row[1]): (row[2], row[3] or {}) for row in restricted}

    def check(self, claims: Sequence[Claim]) -> None:
        """Raise the limit that these tickets would break together; counts nothing.

        Raises:
            DocumentLimit, PhoneLimit: with what there is already, and when the period ends.
            DuplicateDocument: it is these tickets that name a document more than once.
        """
        documents: Counter[_Key] = Counter()
        phones: Counter[_Key] = Counter()
        for wanted in claims:
            scope = wanted.kind.scope
            windows = self._windows(wanted.day, wanted.slot_id)
            of_document, of_phone = self._bounds_of(wanted.kind)
            for seq, document in enumerate(wanted.documents):
                for window in windows:
                    documents[document, scope, window] += 1
                for bound in of_document:
                    key = document, scope, windows[bound.place]
                    has = self.documents.get(key, 0)
                    if has + documents[key] > bound.limit:
                        raise _document_error(wanted, seq, bound, has)
            if scope not in self._phone_scopes:
                continue
            for window in windows:
                phones[wanted.phone, scope, window] += 1
            for bound in of_phone:
                key = wanted.phone, scope, windows[bound.place]
                has = self.phones.get(key, 0)
                if has + phones[key] > bound.limit:
                    field = "phone" if wanted.path else "slot_id"
                    raise PhoneLimit(field=field, **bound.facts(wanted.day, has))

    def check_conduct(self, request: Prepared, claims: Sequence[Claim]) -> None:
        """Raise Restricted for a document whose holder did not come too often."""
        if not self._restricted:
            return
        site_id, timezone = request.request.site_id, request.request.timezone
        for wanted in claims:
            if not wanted.kind.limits.no_shows.enabled:
                continue
            for seq, document in enumerate(wanted.documents):
                until, phones = self._restricted.get((document, wanted.kind.scope), (None, {}))
                if until is not None and clock.today(timezone) <= until:
                    raise Restricted(
                        field=f"{wanted.path}.visitors.{seq}.document_number",
                        until=until.isoformat(),
                        contact=phones.get(str(site_id), ""),
                    )

    def add(self, claims: Iterable[Claim], *, sign: int = 1) -> None:
        """Count tickets that were granted; with `sign` -1, no longer."""
        for wanted in claims:
            scope = wanted.kind.scope
            windows = self._windows(wanted.day, wanted.slot_id)
            for document in wanted.documents:
                for window in windows:
                    self.documents[document, scope, window] += sign
            if scope in self._phone_scopes:
                for window in windows:
                    self.phones[wanted.phone, scope, window] += sign

    def _windows(self, day: date, slot_id: UUID) -> tuple[Hashable, ...]:
        """What a visit is counted in, in the order of `PERIODS`; none is like another."""
        if self._periods == BY_SLOT_AND_DAY:
            return slot_id, day
        return slot_id, day, (day.year, day.month), day.year

    def _bounds_of(self, kind: TicketTypeInfo) -> tuple[list["_Bound"], list["_Bound"]]:
        known = self._bounds.get(kind.id)
        if known is None:
            known = self._bounds[kind.id] = (
                [_Bound(PERIODS.index(per), limit) for per, limit in kind.limits.of_document],
                [_Bound(PERIODS.index(per), limit) for per, limit in kind.limits.of_phone],
            )
        return known


_Key = tuple[int, str, Hashable]


class _Bound(NamedTuple):
    place: int
    """Where in `PERIODS`."""
    limit: int

    def facts(self, day: date, has: int) -> dict[str, object]:
        per = PERIODS[self.place]
        return {
            "limit": self.limit,
            "per": per,
            "has": has,
            "begins": period_begins(per, day).isoformat(),
            "ends": period_ends(per, day).isoformat(),
        }


def _document_error(
    wanted: Claim, seq: int, bound: _Bound, has: int
) -> DocumentLimit | DuplicateDocument:
    field = f"{wanted.path}.visitors.{seq}.document_number" if wanted.path else "slot_id"
    facts = bound.facts(wanted.day, has)
    if has < bound.limit:
        return DuplicateDocument(field=field, **facts)
    return DocumentLimit(field=field, **facts)


def _periods(kinds: Iterable[TicketTypeInfo]) -> int:
    for kind in {kind.id: kind for kind in kinds}.values():
        for per, _ in (*kind.limits.of_document, *kind.limits.of_phone):
            if per in ("month", "year"):
                return len(PERIODS)
    return BY_SLOT_AND_DAY
