"""A bundle's other pools: their slots where the buyer left them to us, and what they open."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from msgspec import structs

from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.pipeline import Statement
from shanmen.db.session import Session
from shanmen.inventory.errors import SlotNotFound, SoldOut
from shanmen.inventory.queries import by_day, slots_between, slots_by_id
from shanmen.inventory.rules import SlotState, companion_slot
from shanmen.inventory.stock import LockedSlot, zones_statement
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.service.prepare import Prepared, PreparedTicket
from shanmen.tickets.zones import ZoneWindow


def pool_zones_statement(tenant_id: int, kinds: Iterable[TicketTypeInfo]) -> list[Statement]:
    """Reads what `zone_windows` must know of pools; nothing is asked where none is a bundle."""
    pools = {draw.pool_id for kind in kinds if len(kind.draws) > 1 for draw in kind.draws}
    return [zones_statement(tenant_id, pools)] if pools else []


def pool_zones(found: Sequence[Sequence[tuple[UUID, int]]]) -> dict[UUID, int]:
    """What came of `pool_zones_statement`: the number of each pool's zone."""
    return {pool_id: number for rows in found for pool_id, number in rows}


def zone_windows(
    slots: Sequence[LockedSlot], *, zones: int, pool_zones: Mapping[UUID, int]
) -> list[ZoneWindow]:
    """The zones that a ticket opens in its further slots alone.

    They are those of the further pools, as far as the ticket opens them, and but for the visit's
    own. A pool that names no zone leaves it at that: its zone opens with the visit.

    Args:
        slots: one for each pool, the visit's first.
        zones: that the ticket opens.
        pool_zones: the number of each pool's zone, as far as it names one.
    """
    visits = pool_zones.get(slots[0].pool_id)
    return [
        ZoneWindow(zone, slot.starts_at, slot.ends_at)
        for slot in slots[1:]
        if (zone := pool_zones.get(slot.pool_id)) is not None
        and zone != visits
        and zones >> zone & 1
    ]


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
