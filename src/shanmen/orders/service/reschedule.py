"""Moving paid tickets to another slot of the same pool: all that were asked for, or none."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from msgspec import structs

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.db.pipeline import run
from shanmen.db.session import Session
from shanmen.inventory import stock
from shanmen.inventory.errors import SlotNotFound, SoldOut
from shanmen.inventory.queries import by_day, slots_between, slots_by_id
from shanmen.inventory.rules import companion_slot
from shanmen.kit import clock
from shanmen.orders.errors import AlreadyUsed, NotReschedulable, PriceHigher
from shanmen.orders.rules import Line, State
from shanmen.orders.service import limits
from shanmen.orders.service.bundles import pool_zones, pool_zones_statement, zone_windows
from shanmen.orders.service.hours import check_hours
from shanmen.orders.service.locked import Changes, LockedOrder, lock_order
from shanmen.orders.service.place import check_sale_window
from shanmen.sites.queries import site_timezone
from shanmen.tickets import feed
from shanmen.tickets import service as tickets
from shanmen.tickets.zones import windows_text


async def reschedule(
    session: Session,
    *,
    order_id: UUID,
    slot_id: UUID,
    ticket_ids: Collection[UUID] | None = None,
    other_slot_ids: Collection[UUID] = (),
    reason: str = "",
) -> None:
    """Move unused tickets of a paid order to `slot_id`; their tokens get a new generation.

    `other_slot_ids` are the slots of a bundle's further pools, the first of each pool counts; where
    a pool has none there it is the first that fits.

    Raises:
        NotReschedulable: the rule does not allow it (any more), or there is nothing to move.
        AlreadyUsed: somebody has entered with one of them.
        PriceHigher: the new day costs more.
        OutsideHours: one of them would open no gate in the new slot.
        SoldOut: the new slot has too few places for all of them.
        SlotNotFound: a slot is not of the right pool, or a further one not of the same day.
    """
    order = await lock_order(session, order_id)
    [rows] = await run(session, [tickets.lock_statement(session.tenant_id, [order_id])])
    uses = {row[0]: tickets.TicketUse(*row) for row in rows}
    catalog = await current_catalog(session)
    chosen = _choose(order, uses, ticket_ids, catalog)
    moved = await _new_lines(session, order, chosen, (slot_id, *other_slot_ids), catalog)
    changes = Changes(session.actor)
    changes.move(
        order, State.RESCHEDULED, reason=reason, tickets=len(moved),
        old_slot=chosen[0].slot_id, new_slot=slot_id,
    )  # fmt: skip
    changes.move(order, State.ISSUED, reason=reason)
    by_ticket = {line.ticket_id: line for line in moved}
    order.lines = [by_ticket.get(line.ticket_id, line) for line in order.lines]
    order.new_lines = order.lines
    order.moved = 1
    order.visit_day = min(line.visit_day for line in order.lines if not line.refunded)
    moves = [
        tickets.Move(
            m.ticket_id, m.slot_id, m.visit_day, m.valid_from, m.valid_until,
            windows_text(m.windows),
        )
        for m in moved
    ]  # fmt: skip
    await run(
        session,
        [
            *changes.statements(session.tenant_id),
            *tickets.move_statements(session.tenant_id, moves),
            feed.add_statement(session.tenant_id, [move.ticket_id for move in moves]),
        ],
    )


def _choose(
    order: LockedOrder,
    uses: dict[UUID, tickets.TicketUse],
    ticket_ids: Collection[UUID] | None,
    catalog: Catalog,
) -> list[Line]:
    wanted = None if ticket_ids is None else set(ticket_ids)
    chosen = [
        line
        for line in order.lines
        if not line.refunded and (wanted is None or line.ticket_id in wanted)
    ]
    if not chosen or any(line.ticket_id not in uses for line in chosen):
        raise NotReschedulable
    if any(uses[line.ticket_id].persons_entered for line in chosen):
        raise AlreadyUsed
    now = clock.now()
    for line in chosen:
        rule = catalog.types[line.ticket_type_id].reschedule
        if not rule.allowed(now=now, visit_starts=line.visit_starts, done=order.generation):
            raise NotReschedulable
    return chosen


async def _new_lines(
    session: Session,
    order: LockedOrder,
    chosen: list[Line],
    slot_ids: tuple[UUID, ...],
    catalog: Catalog,
) -> list[Line]:
    """The moved lines, with their new places taken and the old ones given back."""
    targets = {
        kind_id: await _slots(session, catalog, catalog.types[kind_id], slot_ids, order)
        for kind_id in {line.ticket_type_id for line in chosen}
    }
    kinds = [catalog.types[kind_id] for kind_id in targets]
    zones_of = pool_zones(await run(session, pool_zones_statement(session.tenant_id, kinds)))
    usage, claims = await limits.usage_of_lines(
        session, catalog, [(order.phone_index, line) for line in chosen]
    )
    locked = await stock.lock(
        session,
        {slot for line in chosen for slot in line.slot_ids}
        | {slot for slots in targets.values() for slot in slots},
    )
    usage.add(claims.values(), sign=-1)
    for line in chosen:
        locked.give_back(order.takings_of([line]))
    moved = []
    wishes = []
    wanted: list[limits.Claim] = []
    for line in chosen:
        kind = catalog.types[line.ticket_type_id]
        slots = [locked.slots[s] for s in targets[kind.id]]
        visit = slots[0]
        if (catalog.price(kind, visit.day) or 0) > line.price_fen:
            raise PriceHigher(field="slot_id")
        wanted.append(claims[line.ticket_id]._replace(day=visit.day, slot_id=visit.id))
        wishes += [(s.id, kind.id, d.quantity) for s, d in zip(slots, kind.draws, strict=True)]
        moved.append(
            structs.replace(
                line,
                draws=[(s.id, d.quantity) for s, d in zip(slots, kind.draws, strict=True)],
                visit_day=visit.day,
                valid_from=visit.starts_at,
                valid_until=visit.ends_at + timedelta(days=kind.valid_days - 1),
                windows=zone_windows(slots, zones=line.zones, pool_zones=zones_of),
            )
        )
    usage.check(wanted)
    locked.hold(wishes, channel=order.channel, now=clock.now(), sold=True)
    await stock.apply(session, locked)
    return moved


async def _slots(
    session: Session,
    catalog: Catalog,
    kind: TicketTypeInfo,
    slot_ids: tuple[UUID, ...],
    order: LockedOrder,
) -> list[UUID]:
    found = await slots_by_id(session, ids=slot_ids)
    main = found.get(slot_ids[0])
    if main is None or not kind.draws or main.pool_id != kind.draws[0].pool_id:
        raise SlotNotFound(field="slot_id")
    now = clock.now()
    zone = await site_timezone(session, order.site_id)
    check_sale_window(kind, main.day, main.ends_at, now=now, timezone=zone, path="slot_id")
    check_hours(catalog, kind, main.starts_at, main.ends_at, timezone=zone, path="slot_id")
    chosen = [main.id]
    named = [found[s] for s in slot_ids[1:] if s in found]
    if len(kind.draws) > 1:
        pools = [draw.pool_id for draw in kind.draws[1:]]
        same_day = by_day(
            await slots_between(session, pool_ids=pools, first=main.day, last=main.day)
        )[main.day]
        for draw in kind.draws[1:]:
            other = next((s for s in named if s.pool_id == draw.pool_id), None)
            if other is not None and other.day != main.day:
                raise SlotNotFound(field="other_slot_ids")
            other = other or companion_slot(
                main,
                (c.seen_by(order.channel, now) for c in same_day if c.pool_id == draw.pool_id),
                need=draw.quantity,
                ticket_type_id=kind.id,
                now=now,
            )
            if other is None:
                raise SoldOut(field="slot_id", left=0)
            chosen.append(other.id)
    return chosen
