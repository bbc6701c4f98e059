"""Placing orders: many at once, in two round trips, each with its own outcome.

First round trip: take the advisory locks of idempotency keys and limit subjects, read what was
answered before and what the subjects already have, lock the stock, read the slots. Then decide in
memory, in order of arrival. Second: write what was granted. Nothing is written for what was refused
but the memory of its answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.idempotency import Known, lookup_statement, remember_statement
from shanmen.db.locks import LOCK_KEYS, lock_key
from shanmen.db.pipeline import Statement, array, run
from shanmen.db.session import Session
from shanmen.inventory import stock
from shanmen.inventory.errors import SlotNotFound
from shanmen.inventory.stock import LockedSlot
from shanmen.kit import clock
from shanmen.kit.errors import DomainError, IdempotencyMismatch, all_errors
from shanmen.orders.errors import NotOnSale, TooEarly, TooLate
from shanmen.orders.rules import Line
from shanmen.orders.schemas import Placed, PlaceOrder, Refusal
from shanmen.orders.service import limits
from shanmen.orders.service.bundles import choose_companions
from shanmen.orders.service.prepare import Prepared, PreparedTicket, prepare
from shanmen.orders.service.write import Granted, insert_statements

Outcome = Placed | DomainError

CREATED = 201

_encode = msgspec.json.Encoder().encode
_decode_placed = msgspec.json.Decoder(Placed).decode
_decode_refusal = msgspec.json.Decoder(Refusal).decode


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
    granted: list[Granted] = field(default_factory=list)
    answers: list[tuple[bytes, bytes, int, bytes]] = field(default_factory=list)
    """Idempotency rows to write: key, request, status, answer."""

    def decide(self, prepared: Prepared) -> Outcome:
        """The outcome of one request; a repeated key gets its first answer."""
        request = prepared.request
        if request.key_hash is None:
            return self._grant(prepared)
        known = self.known.get(request.key_hash)
        if known is not None:
            return _remembered(known, request)
        outcome = self._grant(prepared)
        status, answer = _answer(outcome)
        self.known[request.key_hash] = Known(request.request_hash, status, answer)
        self.answers.append((request.key_hash, request.request_hash, status, answer))
        return outcome

    def _grant(self, prepared: Prepared) -> Outcome:
        try:
            visits = [
                (ticket, *self._visit(prepared, ticket, index))
                for index, ticket in enumerate(prepared.tickets)
            ]
            claims = [
                limits.claim(prepared, ticket, index, slots[0].day, slots[0].id)
                for index, (ticket, slots, _) in enumerate(visits)
            ]
            self.usage.check_conduct(prepared, claims)
            self.usage.check(claims)
            self.stock.hold(
                (
                    (slot.id, ticket.kind.id, draw.quantity)
                    for ticket, slots, _ in visits
                    for slot, draw in zip(slots, ticket.kind.draws, strict=True)
                ),
                channel=prepared.request.channel,
                now=self.now,
            )
        except DomainError as error:
            return error
        self.usage.add(claims)
        lines = [_line(ticket, slots, price) for ticket, slots, price in visits]
        placed = Placed(
            id=prepared.id,
            number=prepared.number,
            amount_fen=sum(line.price_fen for line in lines),
            persons=sum(line.party_size for line in lines),
            hold_expires_at=self.now + timedelta(seconds=self._hold_seconds(prepared)),
        )
        self.granted.append(
            Granted(prepared, placed, lines, min(x.visit_day for x in lines), self.now)
        )
        return placed

    def _hold_seconds(self, prepared: Prepared) -> int:
        return self.catalog.hold_time(prepared.request.channel, otherwise=self.hold_seconds)

    def _visit(
        self, prepared: Prepared, ticket: PreparedTicket, index: int
    ) -> tuple[list[LockedSlot], int]:
        """The ticket's slots and its price; raises what is wrong with day or slot."""
        kind, wish = ticket.kind, ticket.wish
        path = f"tickets.{index}.slot_id"
        try:
            slots = [
                self.stock.slot(slot_id, pool_id=draw.pool_id)
                for slot_id, draw in zip(
                    (wish.slot_id, *wish.other_slot_ids), kind.draws, strict=True
                )
            ]
        except (DomainError, ValueError):
            raise SlotNotFound(field=path) from None
        visit = slots[0]
        if any(s.day != visit.day or s.ends_at <= visit.starts_at for s in slots[1:]):
            # The further places of a bundle are of the same visit.
            raise SlotNotFound(field=f"tickets.{index}.other_slot_ids")
        check_sale_window(
            kind, visit.day, visit.ends_at, now=self.now, timezone=prepared.request.timezone,
            path=path,
        )  # fmt: skip
        price = self.catalog.price(kind, visit.day)
        if price is None:
            raise NotOnSale(field=path)
        return slots, price


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
    outcomes, _ = await place_and_tell(session, requests=requests, hold_seconds=hold_seconds)
    return outcomes


async def place_and_tell(
    session: Session, *, requests: Sequence[PlaceOrder], hold_seconds: int
) -> tuple[list[Outcome], dict[UUID, Granted]]:
    """As `place_orders`; and everything about the orders that are new, by their ids.

    An order that is known from an earlier transaction by its key is not among them.
    """
    catalog = await current_catalog(session)
    granted: list[Granted] = []
    outcomes: dict[int, Outcome] = {}
    prepared: list[tuple[int, Prepared]] = []
    for index, request in enumerate(requests):
        try:
            prepared.append((index, prepare(request, catalog=catalog, keyring=session.keyring)))
        except DomainError as error:
            outcomes[index] = error
    ready: list[tuple[int, Prepared]] = []
    for index, chosen in await choose_companions(session, prepared):
        if isinstance(chosen, DomainError):
            outcomes[index] = chosen
        else:
            ready.append((index, chosen))
    if ready:
        batch = await _open(session, [p for _, p in ready], catalog, hold_seconds)
        for index, request_ready in ready:
            outcomes[index] = batch.decide(request_ready)
        await _write(session, batch)
        granted = batch.granted
    return [outcomes[index] for index in range(len(requests))], {g.placed.id: g for g in granted}


async def _open(
    session: Session, requests: list[Prepared], catalog: Catalog, hold_seconds: int
) -> Batch:
    tenant = session.tenant_id
    keys = {r.request.key_hash for r in requests if r.request.key_hash is not None}
    locks = limits.subjects(tenant, requests, catalog)
    locks.update(lock_key("idempotency", tenant, key) for key in keys)
    now = clock.now()
    slot_ids = {slot for request in requests for slot in request.slot_ids}
    _, known, documents, phones, restricted, _, slots = await run(
        session,
        [
            Statement(LOCK_KEYS, (array(sorted(locks)),)),
            lookup_statement(tenant, keys),
            *limits.usage_statements(tenant, requests, today=now.date()),
            *stock.lock_statements(tenant, slot_ids),
        ],
    )
    return Batch(
        tenant_id=tenant,
        catalog=catalog,
        now=now,
        hold_seconds=hold_seconds,
        stock=stock.locked(slots),
        usage=limits.Usage(
            catalog,
            documents,
            phones,
            restricted,
            kinds=(ticket.kind for request in requests for ticket in request.tickets),
        ),
        known={row[0]: Known(*row[1:]) for row in known},
    )


async def _write(session: Session, batch: Batch) -> None:
    tenant = batch.tenant_id
    statements = []
    if batch.granted:
        statements.append(stock.apply_statement(tenant, batch.stock.changes()))
        statements.extend(insert_statements(tenant, batch.granted, now=batch.now))
    if batch.answers:
        statements.append(remember_statement(tenant, batch.answers, now=batch.now))
    if statements:
        await run(session, statements)


def _line(ticket: PreparedTicket, slots: list[LockedSlot], price_fen: int) -> Line:
    kind, visit = ticket.kind, slots[0]
    return Line(
        ticket_id=ticket.id,
        ticket_type_id=kind.id,
        slot_ids=[slot.id for slot in slots],
        draws=[(slot.id, draw.quantity) for slot, draw in zip(slots, kind.draws, strict=True)],
        price_fen=price_fen,
        party_size=kind.party_size,
        entries=kind.entries,
        zones=kind.zones,
        flags=kind.flags,
        visit_day=visit.day,
        valid_from=visit.starts_at,
        valid_until=visit.ends_at + timedelta(days=kind.valid_days - 1),
        refund=kind.refund,
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
