"""Choosing the slots of a bundle's other pools when the buyer named only the visit's."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from msgspec import structs

from shanmen.db.session import Session
from shanmen.inventory.errors import SlotNotFound, SoldOut
from shanmen.inventory.queries import by_day, slots_between, slots_by_id
from shanmen.inventory.rules import SlotState, companion_slot
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.service.prepare import Prepared, PreparedTicket


def incomplete(ticket: PreparedTicket) -> bool:
    """True when the buyer left the slots of the other pools to us."""
    return len(ticket.kind.draws) > 1 and not ticket.wish.other_slot_ids


async def choose_companions(
    session: Session, ready: Sequence[tuple[int, Prepared]]
) -> list[tuple[int, Prepared | DomainError]]:
    """The same requests with every slot named, or the error of those where none has room.

    The choice is made before the stock is locked; should the places go meanwhile, the order is
    refused as sold out, never given another time behind the buyer's back.
    """
    open_tickets = [t for _, p in ready for t in p.tickets if incomplete(t)]
    if not open_tickets:
        return list(ready)
    mains = await slots_by_id(session, ids={t.wish.slot_id for t in open_tickets})
    days = [slot.day for slot in mains.values()]
    candidates: dict[date, list[SlotState]] = {}
    if days:
        pools = {draw.pool_id for t in open_tickets for draw in t.kind.draws[1:]}
        candidates = by_day(
            await slots_between(session, pool_ids=pools, first=min(days), last=max(days))
        )
    chosen: list[tuple[int, Prepared | DomainError]] = []
    for index, prepared in ready:
        try:
            chosen.append((index, _complete(prepared, mains, candidates)))
        except DomainError as error:
            chosen.append((index, error))
    return chosen


def _complete(
    prepared: Prepared, mains: dict[UUID, SlotState], candidates: dict[date, list[SlotState]]
) -> Prepared:
    tickets = []
    channel, now = prepared.request.channel, clock.now()
    for index, ticket in enumerate(prepared.tickets):
        if not incomplete(ticket):
            tickets.append(ticket)
            continue
        main = mains.get(ticket.wish.slot_id)
        if main is None:
            raise SlotNotFound(field=f"tickets.{index}.slot_id")
        others = []
        for draw in ticket.kind.draws[1:]:
            found = companion_slot(
                main,
                (
                    c.seen_by(channel, now)
                    for c in candidates.get(main.day, ())
                    if c.pool_id == draw.pool_id
                ),
                need=draw.quantity,
                ticket_type_id=ticket.kind.id,
                now=now,
            )
            if found is None:
                raise SoldOut(field=f"tickets.{index}.slot_id", left=0)
            others.append(found.id)
        wish = structs.replace(ticket.wish, other_slot_ids=others)
        tickets.append(PreparedTicket(ticket.id, ticket.kind, wish, ticket.holders))
    return prepared.with_tickets(tickets)
