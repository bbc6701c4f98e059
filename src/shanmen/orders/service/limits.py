"""Limits per document and phone, and documents that may not book: kept under concurrency.

The subjects (documents, phones) are locked by advisory locks before their tickets are counted, so
two transactions that name the same document go one after the other. What this batch has granted
itself is added in memory.

Months and years are read only where a ticket type of the batch limits them: the statements are the
same, and the day from which they count is earlier.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
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
SELECT document_index AS subject, ticket_type_id, visit_day, slot_id, count(*)
FROM holder
WHERE tenant_id = %s AND document_index = ANY(%s) AND visit_day >= %s AND active
GROUP BY 1, 2, 3, 4
"""
# An order is indexed by the day of its first visit, and nothing is sold further ahead than
# SOLD_AHEAD: an order whose first visit is longer ago has none that counts. A late payment on its
# way back has no tickets.
PHONES = """
SELECT phone_index AS subject, (line->>'ticket_type_id')::uuid AS ticket_type_id,
       (line->>'visit_day')::date AS visit_day, (line->'draws'->0->>0)::uuid AS slot_id, count(*)
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
        WHERE site.tenant_id = restriction.tenant_id) AS contacts
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
    by_phone = {number for number, counted in catalog.counted.items() if counted.of_phone}
    for request in requests:
        if by_phone and any(t.kind.id in by_phone for t in request.tickets):
            keys.add(lock_key("phone", tenant_id, request.phone_index))
        for ticket in request.tickets:
            for holder in ticket.holders:
                keys.add(lock_key("document", tenant_id, holder.document_index))
    return keys


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read of the subjects of a batch, after their locks are taken."""

    documents: set[int]
    phones: set[int]
    watched: set[int]
    """Documents whose holders may be kept out because they did not come."""
    kinds: list[TicketTypeInfo]
    since: date
    today: date

    def statements(self, tenant_id: int) -> dict[str, Statement]:
        """Statements by the argument of `Usage` that their rows are; none for what is empty."""
        found: dict[str, Statement] = {}
        if self.documents:
            found["documents"] = Statement(
                DOCUMENTS, (tenant_id, array(self.documents), self.since)
            )
        if self.phones:
            found["phones"] = Statement(
                PHONES, (tenant_id, array(self.phones), self.since - SOLD_AHEAD, self.since)
            )
        if self.watched:
            found["restricted"] = Statement(
                RESTRICTED, (tenant_id, array(self.watched), self.today - ONE_DAY)
            )
        return found


def reading_of(requests: Iterable[Prepared], *, today: date) -> Reading:
    """What the limits of these requests' ticket types ask for."""
    documents: set[int] = set()
    phones: set[int] = set()
    watched: set[int] = set()
    # By identity: equal ids cost a comparison in Python each.
    kinds: dict[int, _Asks] = {}
    for request in requests:
        for ticket in request.tickets:
            asks = kinds.get(id(ticket.kind))
            if asks is None:
                limits = ticket.kind.limits
                asks = kinds[id(ticket.kind)] = _Asks(
                    ticket.kind, bool(limits.of_phone), limits.no_shows.enabled
                )
            named = [holder.document_index for holder in ticket.holders]
            documents.update(named)
            if asks.phone:
                phones.add(request.phone_index)
            if asks.conduct:
                watched.update(named)
    types = [asks.kind for asks in kinds.values()]
    since = counted_since(types, today=today)
    return Reading(documents, phones, watched, types, since, today)


class _Asks(NamedTuple):
    """What a ticket type's limits ask for besides documents."""

    kind: TicketTypeInfo
    phone: bool
    conduct: bool


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
            line.slot_id,
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
        self._tallies: dict[tuple[int, date, int], _Tallies] = {}
        self._documents: _Counts = defaultdict(dict)
        self._phones: _Counts = defaultdict(dict)
        for counts, rows in ((self._documents, documents), (self._phones, phones)):
            for subject, type_id, day, slot_id, count in rows:
                kind = catalog.types.get(type_id)
                scope = kind.scope if kind else str(type_id)
                for window in self._windows(day, slot_id):
                    has = counts[scope, window]
                    has[subject] = has.get(subject, 0) + int(count)
        self._restricted = {(row[0], row[1]): (row[2], row[3] or {}) for row in restricted}

    def check(self, claims: Sequence[Claim]) -> None:
        """Raise the limit that these tickets would break together; counts nothing.

        Raises:
            DocumentLimit, PhoneLimit: with what there is already, and when the period ends.
            DuplicateDocument: it is these tickets that name a document more than once.
        """
        wanted_so_far: dict[tuple[int, int], int] = {}
        for wanted in claims:
            of_document, of_phone = self._tallies_of(wanted)
            for seq, document in enumerate(wanted.documents):
                for tally in of_document:
                    here, has = tally.one_more(document, wanted_so_far)
                    if tally.limit and has + here > tally.limit:
                        kind = DuplicateDocument if here > tally.limit else DocumentLimit
                        raise kind(field=_field(wanted, seq), **tally.facts(wanted.day, has))
            for tally in of_phone:
                here, has = tally.one_more(wanted.phone, wanted_so_far)
                if tally.limit and has + here > tally.limit:
                    field = "slot_id" if wanted.ticket < 0 else "phone"
                    raise PhoneLimit(field=field, **tally.facts(wanted.day, has))

    def take(self, claims: Sequence[Claim]) -> None:
        """Count these tickets, unless they would break a limit together; raises as `check`."""
        within = True
        for wanted in claims:
            of_document, of_phone = self._tallies_of(wanted)
            for counts, limit, _ in of_document:
                for document in wanted.documents:
                    has = counts[document] = counts.get(document, 0) + 1
                    within = within and (has <= limit or not limit)
            phone = wanted.phone
            for counts, limit, _ in of_phone:
                has = counts[phone] = counts.get(phone, 0) + 1
                within = within and (has <= limit or not limit)
        if not within:
            self.add(claims, sign=-1)
            self.check(claims)

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
            of_document, of_phone = self._tallies_of(wanted)
            for tally in of_document:
                for document in wanted.documents:
                    tally.counts[document] = tally.counts.get(document, 0) + sign
            for tally in of_phone:
                tally.counts[wanted.phone] = tally.counts.get(wanted.phone, 0) + sign

    def _windows(self, day: date, slot_id: UUID) -> tuple[Hashable, ...]:
        """What a visit is counted in, in the order of `PERIODS`; none is like another."""
        if self._periods == BY_SLOT_AND_DAY:
            return slot_id, day
        return slot_id, day, (day.year, day.month), day.year

    def _tallies_of(self, wanted: Claim) -> "_Tallies":
        """What a claim is counted in. Found once for all that want the same type in one slot."""
        kind = wanted.kind
        key = id(kind), wanted.day, wanted.slot_id.int
        known = self._tallies.get(key)
        if known is None:
            counted, scope = self._counted[kind.id], kind.scope
            windows = self._windows(wanted.day, wanted.slot_id)

            def tallies(
                counts: _Counts, places: Iterable[int], bounds: Iterable[tuple[str, int]]
            ) -> list[_Tally]:
                limits = dict(bounds)
                # Periods that nobody of the batch asks for were not read.
                return [
                    _Tally(counts[scope, windows[n]], limits.get(PERIODS[n], 0), n)
                    for n in places
                    if n < self._periods
                ]

            known = self._tallies[key] = _Tallies(
                tallies(self._documents, counted.of_document, kind.limits.of_document),
                tallies(self._phones, counted.of_phone, kind.limits.of_phone),
            )
        return known


_Counts = defaultdict[tuple[str, Hashable], dict[int, int]]
"""By scope and window: how many tickets each subject has."""


class _Tally(NamedTuple):
    """How many tickets subjects have in one window, and how many a ticket type allows."""

    counts: dict[int, int]
    limit: int
    """0 is without: it is counted for another type of the group."""
    place: int
    """Where in `PERIODS`."""

    def one_more(self, subject: int, wanted: dict[tuple[int, int], int]) -> tuple[int, int]:
        """Count one ticket more among those `wanted`; returns how many, and what there was."""
        key = id(self.counts), subject
        here = wanted[key] = wanted.get(key, 0) + 1
        return here, self.counts.get(subject, 0)

    def facts(self, day: date, has: int) -> dict[str, object]:
        per = PERIODS[self.place]
        return {
            "limit": self.limit,
            "per": per,
            "has": has,
            "begins": period_begins(per, day).isoformat(),
            "ends": period_ends(per, day).isoformat(),
        }


class _Tallies(NamedTuple):
    """What a ticket type is counted in for one slot."""

    of_document: list[_Tally]
    of_phone: list[_Tally]


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
