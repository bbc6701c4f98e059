"""The gates of past days: every scan goes through `admission.service.admit`, at its time."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.admission.service import admit, override
from shanmen.catalog.queries import current_catalog
from shanmen.db.pipeline import run
from shanmen.db.session import Actor, Session
from shanmen.demo.people import id_number
from shanmen.demo.plan import PlannedOrder
from shanmen.demo.visits import Lanes, Show, Stand, Visitor, arrival
from shanmen.kit import clock, ids
from shanmen.kit.errors import DomainError
from shanmen.orders.service.use import follow_use
from shanmen.tickets import gate, rotating, token
from shanmen.tickets.gate import GateTicket
from shanmen.tickets.keys import signing_key
from shanmen.tickets.token import TicketBody

GUARD = Actor("staff", label="高山")
CHIEF = Actor("staff", label="周正岭")
MOST_AT_ONCE = 192
STRANGERS = 0.004
"""Scans of documents without a ticket, for each scan of a ticket."""


@dataclass(frozen=True, slots=True)
class GateSide:
    """What the gates of one park need to know.

    `site_number` and `type_numbers` stand in the codes that visitors show.
    """

    seed: int
    site_number: int
    timezone: str
    type_numbers: Mapping[UUID, int]
    lanes: Lanes
    exits_since: date


async def tickets_of(
    session: Session, *, orders: Mapping[str, PlannedOrder]
) -> dict[UUID, GateTicket]:
    """The tickets of orders, by number, as they stand now: moved ones with their new time."""
    numbers = {
        (number, seq) for number, order in orders.items() for seq in range(len(order.tickets))
    }
    tenant = session.tenant_id
    [found] = await run(session, [gate.numbers_statement(tenant, numbers)])
    wanted = gate.numbered(found).values()
    [rows] = await run(session, [gate.read_statement(tenant, wanted)])
    return gate.tickets(rows)


def stands_of(
    side: GateSide,
    tickets: Mapping[UUID, GateTicket],
    orders: Mapping[str, PlannedOrder],
    day: date,
) -> list[Stand]:
    """Everybody who stands at a gate on a day, in no order."""
    stands: list[Stand] = []
    for ticket in tickets.values():
        if clock.local(ticket.valid_from, side.timezone).date() != day:
            continue
        order = orders[ticket.order_number]
        if ticket.status == "refunded" or order.no_show:
            continue
        name = f"visit {side.seed} {order.key}"
        party = random.Random(name)  # noqa: S311 - a replay
        own = random.Random(f"{name} {ticket.seq}")  # noqa: S311 - a replay
        visitor = Visitor(
            own,
            ticket,
            order.tickets[ticket.seq],
            side.lanes,
            side.timezone,
            day >= side.exits_since,
        )
        stands += visitor.walk(arrival(party), order.created)
    return stands + _strangers(side, stands, day)


def _strangers(side: GateSide, stands: Sequence[Stand], day: date) -> list[Stand]:
    """People whose ticket is for another place, or who never bought one."""
    dice = random.Random(f"strangers {side.seed} {day}")  # noqa: S311 - a replay
    some = [s for s in sorted(stands, key=lambda s: (s.at, s.nth)) if not s.out]
    return [
        Stand(
            at=dice.choice(some).at,
            lane=dice.choice(some).lane,
            show=Show.STRANGER,
            nth=number,
            document=id_number(dice, date(1985, 1, 1) + timedelta(days=dice.randrange(7000))),
        )
        for number in range(int(len(some) * STRANGERS + dice.random()))
    ]


async def pass_gates(
    session: Session, *, side: GateSide, batches: Sequence[Sequence[Stand]]
) -> int:
    """Decide some batches of scans, and let the orders follow; returns how many were decided."""
    used: set[UUID] = set()
    count = 0
    at = batches[-1][0].at
    for batch in batches:
        with clock.at(batch[0].at), ids.seeded(f"scan {side.seed} {batch[0].at}"):
            session.actor = GUARD
            scans = [_scan(session, side, stand, batch[0].at) for stand in batch]
            outcomes = await admit(session, scans=scans)
            used |= {o.ticket_id for o in outcomes if isinstance(o, DecisionView) and o.ticket_id}
            await _let_in(session, batch, outcomes)
        count += len(batch)
    with clock.at(at), ids.seeded(f"use {side.seed} {at}"):
        await follow_use(session, ticket_ids=used)
    return count


async def _let_in(
    session: Session, batch: Sequence[Stand], outcomes: Sequence[DecisionView | DomainError]
) -> None:
    for stand, outcome in zip(batch, outcomes, strict=True):
        if not stand.let_in or not isinstance(outcome, DecisionView) or outcome.admitted:
            continue
        if outcome.override_allowed and outcome.override_by is None:
            session.actor = CHIEF
            await override(
                session, scan_id=outcome.scan_id, persons=outcome.party_size, reason="路上堵车"
            )


def _scan(session: Session, side: GateSide, stand: Stand, now: datetime) -> ScanRequest:
    subject = stand.ticket.id.hex if stand.ticket else stand.document
    digest = hashlib.blake2b(f"{subject}/{stand.nth}".encode(), digest_size=16).digest()
    return ScanRequest(
        # The same person at the same gate is the same scan, so a run that is repeated decides
        # nothing twice.
        scan_id=UUID(bytes=digest, version=5),
        lane_id=stand.lane,
        code=_code(session, side, stand, now),
        persons=stand.persons,
        direction="out" if stand.out else "in",
        staff=GUARD.label,
    )


def _code(session: Session, side: GateSide, stand: Stand, now: datetime) -> str:
    ticket = stand.ticket
    if ticket is None or stand.show in (Show.DOCUMENT, Show.STRANGER):
        return stand.document
    if stand.show is Show.NUMBER:
        return ticket.short_number
    key_id, key = signing_key(session.keyring)
    body = TicketBody.of_ticket(
        key_id=key_id,
        site_number=side.site_number,
        ticket_id=ticket.id,
        generation=ticket.generation,
        ticket_type_number=side.type_numbers[ticket.ticket_type_id],
        party_size=ticket.party_size,
        entries=ticket.entries,
        valid_from=ticket.valid_from,
        valid_until=ticket.valid_until,
        zones=ticket.zones,
        flags=ticket.flags,
    )
    code = token.issue(body, key)
    if not body.rotating:
        return code
    shown = now - timedelta(minutes=7) if stand.show is Show.OLD_PICTURE else now
    step = rotating.step_at(shown)
    day = rotating.day_of(step, side.timezone)
    of_day = rotating.day_key(session.keyring, site_number=side.site_number, day=day)
    own = rotating.ticket_key(of_day, ticket_id=ticket.id, generation=ticket.generation)
    return code + rotating.tail(own, step)


async def type_numbers(session: Session) -> dict[UUID, int]:
    """The short number of every ticket type."""
    catalog = await current_catalog(session)
    return {kind.id: kind.number for kind in catalog.types.values()}
