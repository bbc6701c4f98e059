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
    Counted,
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
    """A ticket that is wanted: for whom and when."""

    kind: TicketTypeInfo
    documents: Sequence[int]
    phone: int
    day: date
    slot_id: UUID
    ticket: int = -1
    """Which ticket of the request it is; -1: it was sold before."""


def subjects(tenant_id: int, requests: Iterable[Prepared], catalog: Catalog) -> set[int]:
    """Advisory lock keys of everybody that a limit speaks of.

    A phone is locked wherever a type of the same group limits it, not only where this type does:
    what is bought here counts there.
    """
    keys: set[int] = set()
    counted = catalog.counted
    for request in requests:
        if any(counted[t.kind.id].of_phone for t in request.tickets):
            keys.add(lock_key("phone", tenant_id, request.phone_index))
        for ticket in request.tickets:
            keys.update(lock_key("document", tenant_id, h.document_index) for h in ticket.holders)
    return keys


def usage_statements(
    tenant_id: int, requests: list[Prepared], *, today: date
) -> tuple[Statement, Statement, Statement]:
    """Count what the subjects have, and read who may not book; run after their locks are taken."""
    kinds = {t.kind.id: t.kind for r in requests for t in r.tickets}
    since = counted_since(kinds.values(), today=today)
    by_phone = {kind.id for kind in kinds.values() if kind.limits.of_phone}
    conduct = {kind.id for kind in kinds.values() if kind.limits.no_shows.enabled}
    documents = {h.document_index for r in requests for t in r.tickets for h in t.holders}
    phones = {
        r.phone_index
        for r in (requests if by_phone else ())
        if any(t.kind.id in by_phone for t in r.tickets)
    }
    watched = {
        h.document_index
        for r in (requests if conduct else ())
        for t in r.tickets
        if t.kind.id in conduct
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
    phones = {phone for phone, line in lines if catalog.counted[line.ticket_type_id].of_phone}
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
    return Claim(ticket.kind, documents, request.phone_index, day, slot_id, index)


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
        self._counted = catalog.counted
        self._periods = len(PERIODS) if kinds is None else _periods(kinds)
        self._rules: dict[UUID, _Rules] = {}
        self.documents: Counter[_Key] = Counter()
        self.phones: Counter[_Key] = Counter()
        for counter, rows in ((self.documents, documents), (self.phones, phones)):
            for subject, type_id, day, slot_id, count in rows:
                kind = catalog.types.get(type_id)
                scope = self._rules_of(kind).scope if kind else str(type_id)
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
            scope, of_document, of_phone, counted = self._rules_of(wanted.kind)
            windows = self._windows(wanted.day, wanted.slot_id)
            for seq, document in enumerate(wanted.documents):
                for place in counted.of_document:
                    documents[document, scope, windows[place]] += 1
                for bound in of_document:
                    key = document, scope, windows[bound.place]
                    has = self.documents.get(key, 0)
                    if has + documents[key] > bound.limit:
                        kind = DuplicateDocument if documents[key] > bound.limit else DocumentLimit
                        raise kind(field=_field(wanted, seq), **bound.facts(wanted.day, has))
            for place in counted.of_phone:
                phones[wanted.phone, scope, windows[place]] += 1
            for bound in of_phone:
                key = wanted.phone, scope, windows[bound.place]
                has = self.phones.get(key, 0)
                if has + phones[key] > bound.limit:
                    field = "slot_id" if wanted.ticket < 0 else "phone"
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
                        field=_field(wanted, seq),
                        until=until.isoformat(),
                        contact=phones.get(str(site_id), ""),
                    )

    def add(self, claims: Iterable[Claim], *, sign: int = 1) -> None:
        """Count tickets that were granted; with `sign` -1, no longer."""
        for wanted in claims:
            scope, _, _, counted = self._rules_of(wanted.kind)
            windows = self._windows(wanted.day, wanted.slot_id)
            for document in wanted.documents:
                for place in counted.of_document:
                    self.documents[document, scope, windows[place]] += sign
            for place in counted.of_phone:
                self.phones[wanted.phone, scope, windows[place]] += sign

    def _windows(self, day: date, slot_id: UUID) -> tuple[Hashable, ...]:
        """What a visit is counted in, in the order of `PERIODS`; none is like another."""
        if self._periods == BY_SLOT_AND_DAY:
            return slot_id, day
        return slot_id, day, (day.year, day.month), day.year

    def _rules_of(self, kind: TicketTypeInfo) -> "_Rules":
        known = self._rules.get(kind.id)
        if known is None:
            known = self._rules[kind.id] = _Rules(
                kind.scope,
                [_Bound(PERIODS.index(per), limit) for per, limit in kind.limits.of_document],
                [_Bound(PERIODS.index(per), limit) for per, limit in kind.limits.of_phone],
                self._counted_here(kind),
            )
        return known

    def _counted_here(self, kind: TicketTypeInfo) -> Counted:
        """Without the periods that nobody of the batch asks for: those were not read."""
        counted = self._counted[kind.id]
        return Counted(
            tuple(n for n in counted.of_document if n < self._periods),
            tuple(n for n in counted.of_phone if n < self._periods),
        )


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


class _Rules(NamedTuple):
    """What a ticket type is counted with, its bounds, and the periods that it counts in."""

    scope: str
    of_document: list[_Bound]
    of_phone: list[_Bound]
    counted: Counted


def _field(wanted: Claim, seq: int) -> str:
    """The input that a refusal is about: a visitor's document, or the slot to move to."""
    if wanted.ticket < 0:
        return "slot_id"
    return f"tickets.{wanted.ticket}.visitors.{seq}.document_number"


def _periods(kinds: Iterable[TicketTypeInfo]) -> int:
    for kind in {kind.id: kind for kind in kinds}.values():
        for per, _ in (*kind.limits.of_document, *kind.limits.of_phone):
            if per in ("month", "year"):
                return len(PERIODS)
    return BY_SLOT_AND_DAY
