"""Placing orders: many at once, in two round trips, each with its own outcome.

First round trip: take the advisory locks of idempotency keys and limit subjects, read in one
statement what was answered before and what the subjects already have (`reading`), lock the stock,
read the slots. Then decide in memory, in order of arrival. Second: write what was granted, and
commit. Nothing is written for what was refused but the memory of its answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from shanmen.catalog.queries import catalog_at, current_catalog, known_catalog
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.idempotency import Known, remember_statement
from shanmen.db.locks import LOCK_KEYS, lock_key
from shanmen.db.pipeline import Statement, array, run, run_at_commit, together
from shanmen.db.session import Outdated, Session
from shanmen.inventory import stock
from shanmen.inventory.errors import SlotNotFound
from shanmen.inventory.stock import LockedSlot
from shanmen.kit import clock
from shanmen.kit.errors import DomainError, IdempotencyMismatch, all_errors
from shanmen.orders.errors import NotOnSale, TooEarly, TooLate
from shanmen.orders.rules import Line
from shanmen.orders.schemas import Placed, PlaceOrder, Refusal
from shanmen.orders.service import limits, reading
from shanmen.orders.service.bundles import (
    choose_companions,
    pool_zones,
    pool_zones_statement,
    zone_windows,
)
from shanmen.orders.service.hours import check_hours
from shanmen.orders.service.prepare import Prepared, PreparedTicket, prepare
from shanmen.orders.service.write import Granted, insert_statements
from shanmen.tickets.zones import ZoneWindow

Outcome = Placed | DomainError

CREATED = 201

_encode = msgspec.json.Encoder().encode
_decode_placed = msgspec.json.Decoder(Placed).decode
_decode_refusal = msgspec.json.Decoder(Refusal).decode


class Visit(NamedTuple):
    """A ticket type in its slots: what it costs and takes there. The same for all who want it."""

    slots: list[LockedSlot]
    price_fen: int
    draws: list[tuple[UUID, int]]
    takes: list[tuple[LockedSlot, UUID, int]]
    """As `stock.take` wants it."""
    valid_until: datetime
    windows: list[ZoneWindow]


@dataclass(slots=True)
class Batch:
    """What one transaction decides, in order of the requests."""

    tenant_id: int
    catalog: Catalog
    now: datetime
    hold_seconds: int
    stock: stock.LockedStock
    usage: limits.Usage
    known: dict[bytes, Known]
    pool_zones: Mapping[UUID, int] = field(default_factory=dict)
    """Of the pools of bundles."""
    granted: list[Granted] = field(default_factory=list)
    answers: list[tuple[bytes, bytes, int, bytes]] = field(default_factory=list)
    """Idempotency rows to write: key, request, status, answer."""
    _visits: dict[tuple[int, ...], Visit] = field(default_factory=dict)

    def decide(self, request: PlaceOrder, prepared: Prepared | DomainError) -> Outcome:
        """The outcome of one request, or of what is wrong in itself.

        A repeated key gets its first answer, whatever has become of the catalog since.
        """
        if request.key_hash is None:
            return self._outcome(prepared)
        known = self.known.get(request.key_hash)
        if known is not None:
            return _remembered(known, request)
        outcome = self._outcome(prepared)
        status, answer = _answer(outcome)
        self.known[request.key_hash] = Known(request.request_hash, status, answer)
        self.answers.append((request.key_hash, request.request_hash, status, answer))
        return outcome

    def _outcome(self, prepared: Prepared | DomainError) -> Outcome:
        return prepared if isinstance(prepared, DomainError) else self._grant(prepared)

    def _grant(self, prepared: Prepared) -> Outcome:
        channel = prepared.request.channel
        try:
            visits = [
                self._visit(prepared, ticket, index)
                for index, ticket in enumerate(prepared.tickets)
            ]
            claims = [
                limits.claim(prepared, ticket, index, visit.slots[0].day, visit.slots[0].id)
                for index, (ticket, visit) in enumerate(zip(prepared.tickets, visits, strict=True))
            ]
            self.usage.check_conduct(prepared, claims)
            self.usage.take(claims)
        except DomainError as error:
            return error
        try:
            takes = [taken for visit in visits for taken in visit.takes]
            stock.take(takes, channel=channel, now=self.now)
        except DomainError as error:
            self.usage.add(claims, sign=-1)
            return error
        lines = [_line(t, visit) for t, visit in zip(prepared.tickets, visits, strict=True)]
        seconds = self.catalog.hold_time(channel, otherwise=self.hold_seconds)
        placed = Placed(
            id=prepared.id,
            number=prepared.number,
            amount_fen=sum([visit.price_fen for visit in visits]),
            persons=sum([ticket.kind.party_size for ticket in prepared.tickets]),
            hold_expires_at=self.now + timedelta(seconds=seconds),
        )
        first_day = min([line.visit_day for line in lines])
        self.granted.append(Granted(prepared, placed, lines, first_day, self.now))
        return placed

    def _visit(self, prepared: Prepared, ticket: PreparedTicket, index: int) -> Visit:
        """The ticket's slots and price; raises what is wrong with day or slot."""
        wish = ticket.wish
        # Numbers, because a UUID is hashed and compared in Python; most of a batch want the same.
        key: tuple[int, ...] = id(ticket.kind), wish.slot_id.int
        if wish.other_slot_ids:
            key = (*key, *[slot_id.int for slot_id in wish.other_slot_ids])
        known = self._visits.get(key)
        if known is None:
            slots = self._slots(ticket, index)
            known = self._visits[key] = self._look_at(prepared, ticket.kind, slots, index)
        return known

    def _slots(self, ticket: PreparedTicket, index: int) -> list[LockedSlot]:
        wish = ticket.wish
        try:
            slots = [
                self.stock.slot(slot_id, pool_id=draw.pool_id)
                for slot_id, draw in zip(
                    (wish.slot_id, *wish.other_slot_ids), ticket.kind.draws, strict=True
                )
            ]
        except (DomainError, ValueError):
            raise SlotNotFound(field=f"tickets.{index}.slot_id") from None
        visit = slots[0]
        if any(s.day != visit.day or s.ends_at <= visit.starts_at for s in slots[1:]):
            # The further places of a bundle are of the same visit.
            raise SlotNotFound(field=f"tickets.{index}.other_slot_ids")
        return slots

    def _look_at(
        self, prepared: Prepared, kind: TicketTypeInfo, slots: list[LockedSlot], index: int
    ) -> Visit:
        path = f"tickets.{index}.slot_id"
        visit = slots[0]
        check_sale_window(
            kind, visit.day, visit.ends_at, now=self.now, timezone=prepared.request.timezone,
            path=path,
        )  # fmt: skip
        price = self.catalog.price(kind, visit.day)
        if price is None:
            raise NotOnSale(field=path)
        check_hours(
            self.catalog, kind, visit.starts_at, visit.ends_at,
            timezone=prepared.request.timezone, path=path,
        )  # fmt: skip
        takes = [
            (slot, kind.id, draw.quantity) for slot, draw in zip(slots, kind.draws, strict=True)
        ]
        return Visit(
            slots=slots,
            price_fen=price,
            draws=[(slot.id, places) for slot, _, places in takes],
            takes=takes,
            valid_until=visit.ends_at + timedelta(days=kind.valid_days - 1),
            windows=zone_windows(slots, zones=kind.zones, pool_zones=self.pool_zones),
        )


def check_sale_window(
    kind: TicketTypeInfo, day: date, ends_at: datetime, *, now: datetime, timezone: str, path: str
) -> None:
    """Raise TooEarly before the day goes on sale, TooLate once the slot's sale has closed."""
    if day > clock.local(now, timezone).date() + timedelta(days=kind.days_ahead):
        raise TooEarly(field=path, days_ahead=kind.days_ahead)
    if now >= ends_at - timedelta(minutes=kind.sale_closes_minutes):
        raise TooLate(field=path)


async def place_orders(
    session: Session, *, requests: Sequence[PlaceOrder], hold_seconds: int
) -> list[Outcome]:
    """Place many orders in this transaction; one outcome for each, in the same order.

    A refused request leaves its neighbours alone. The caller commits before it answers anybody.
    Prices are those at the start of the transaction. Places are held for as long as the catalog
    says for the channel, else for `hold_seconds`.
    """
    catalog = await current_catalog(session)
    batch, outcomes = await _decide(session, requests, catalog, hold_seconds)
    if (statement := _writing(batch)) is not None:
        await run(session, [statement])
    return outcomes


async def place_and_tell(
    session: Session, *, requests: Sequence[PlaceOrder], hold_seconds: int
) -> tuple[list[Outcome], dict[UUID, Granted]]:
    """As `place_orders`; and everything about the orders that are new, by their ids.

    An order that is known from an earlier transaction by its key is not among them. The transaction
    has no other work: the orders are written when it commits.

    Raises:
        Outdated: the catalog has changed since this process read it.
    """
    catalog = known_catalog(session)
    if catalog is None:
        catalog = await current_catalog(session)
    batch, outcomes = await _decide(session, requests, catalog, hold_seconds)
    if (statement := _writing(batch)) is not None:
        run_at_commit(session, [statement])
    return outcomes, {g.placed.id: g for g in batch.granted}


async def _decide(
    session: Session, requests: Sequence[PlaceOrder], catalog: Catalog, hold_seconds: int
) -> tuple[Batch, list[Outcome]]:
    """Decide all. What is wrong in itself needs no place, but may be known by its key."""
    decided: dict[int, Prepared | DomainError] = {}
    prepared: list[tuple[int, Prepared]] = []
    for index, request in enumerate(requests):
        try:
            prepared.append((index, prepare(request, catalog=catalog, keyring=session.keyring)))
        except DomainError as error:
            decided[index] = error
    decided.update(await choose_companions(session, prepared))
    ready = [one for one in decided.values() if not isinstance(one, DomainError)]
    keys = {request.key_hash for request in requests if request.key_hash is not None}
    batch = await _open(session, ready, keys, catalog, hold_seconds)
    return batch, [batch.decide(request, decided[n]) for n, request in enumerate(requests)]


async def _open(
    session: Session,
    requests: list[Prepared],
    keys: set[bytes],
    catalog: Catalog,
    hold_seconds: int,
) -> Batch:
    tenant = session.tenant_id
    locks = limits.subjects(tenant, requests, catalog)
    locks.update([lock_key("idempotency", tenant, key) for key in keys])
    now = clock.now()
    wanted = limits.reading_of(requests, today=now.date())
    read, asked = reading.statement(tenant, keys=keys, reading=wanted)
    # The slots last: a hot one is what others wait for.
    slots = stock.lock_statements(tenant, _slot_ids(requests))
    zones = pool_zones_statement(tenant, (t.kind for r in requests for t in r.tickets))
    _, [row], *zone_rows, _, slot_rows = await run(
        session, [Statement(LOCK_KEYS, (array(sorted(locks)),)), read, *zones, *slots]
    )
    found = reading.found(row, asked)
    await _require(session, catalog, found.version)
    return Batch(
        tenant_id=tenant,
        catalog=catalog,
        now=now,
        hold_seconds=hold_seconds,
        stock=stock.locked(slot_rows),
        usage=limits.Usage(
            catalog,
            found.limits.get("documents", ()),
            found.limits.get("phones", ()),
            found.limits.get("restricted", ()),
            kinds=wanted.kinds,
        ),
        known=found.known,
        pool_zones=pool_zones(zone_rows),
    )


def _slot_ids(requests: Sequence[Prepared]) -> list[UUID]:
    """All slots that these need places in, each once."""
    slots: dict[int, UUID] = {}
    for request in requests:
        for ticket in request.tickets:
            for slot_id in (ticket.wish.slot_id, *ticket.wish.other_slot_ids):
                slots[slot_id.int] = slot_id
    return list(slots.values())


async def _require(session: Session, catalog: Catalog, version: int) -> None:
    """Raise Outdated unless the catalog is the one of this version."""
    if version != catalog.version:
        await catalog_at(session, version)
        raise Outdated


def _writing(batch: Batch) -> Statement | None:
    """What to write, as one statement; None where there is nothing."""
    tenant = batch.tenant_id
    statements = []
    if batch.granted:
        statements.append(stock.apply_statement(tenant, batch.stock.changes()))
        statements.extend(insert_statements(tenant, batch.granted, now=batch.now))
    if batch.answers:
        statements.append(remember_statement(tenant, batch.answers, now=batch.now))
    return together(statements) if statements else None


def _line(ticket: PreparedTicket, visit: Visit) -> Line:
    kind, slot = ticket.kind, visit.slots[0]
    return Line(
        ticket_id=ticket.id,
        ticket_type_id=kind.id,
        draws=visit.draws,
        price_fen=visit.price_fen,
        party_size=kind.party_size,
        entries=kind.entries,
        zones=kind.zones,
        flags=kind.flags,
        visit_day=slot.day,
        valid_from=slot.starts_at,
        valid_until=visit.valid_until,
        refund=kind.refund,
        windows=visit.windows,
    )


def _answer(outcome: Outcome) -> tuple[int, bytes]:
    if isinstance(outcome, Placed):
        return CREATED, _encode(outcome)
    params = {key: value for key, value in outcome.params.items() if value is not None}
    return outcome.status, _encode(Refusal(outcome.code, outcome.field, params))


def _remembered(known: Known, request: PlaceOrder) -> Outcome:
    if known.request_hash != request.request_hash:
        return IdempotencyMismatch(field="Idempotency-Key")
    if known.status == CREATED:
        return _decode_placed(known.answer)
    refusal = _decode_refusal(known.answer)
    return all_errors()[refusal.code](field=refusal.field, **refusal.params)
