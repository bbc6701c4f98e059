"""Other rules for a park's ticket types, and other days to visit it."""

from datetime import date, time, timedelta
from uuid import UUID

from msgspec import structs

from shanmen.catalog import service as catalog
from shanmen.catalog.queries import ticket_type
from shanmen.catalog.schemas import LimitsSpec, Product
from shanmen.db.pipeline import Statement, columns, run
from shanmen.db.session import Session, Unit
from shanmen.kit import clock, ids
from shanmen.orders.service.conduct import RESTRICT
from shanmen.tickets.gate import document_index
from tests.support.park import Park, add_slot, id_number


async def set_limits(unit: Unit, type_id: UUID, limits: LimitsSpec) -> None:
    """Give a ticket type other limits."""
    info = await unit(ticket_type, ticket_type_id=type_id)
    spec = structs.replace(Product.of(info).spec(), limits=limits)
    await unit(catalog.edit_ticket_type, ticket_type_id=type_id, spec=spec)


async def slot_on(unit: Unit, park: Park, day: date, *, hour: int = 14) -> UUID:
    """A slot of the gate on another day."""
    return await unit(
        add_slot, pool_id=park.gate_pool, day=day, starts=time(hour), ends=time(hour + 2),
        capacity=100,
    )  # fmt: skip


async def slots_from(unit: Unit, park: Park, first: date, days: int) -> list[UUID]:
    """A slot of the gate on each of some days."""
    return [await slot_on(unit, park, first + timedelta(days=n)) for n in range(days)]


async def restrict(session: Session, *, who: int, ticket_id: UUID | None = None) -> UUID:
    """Somebody may not book for nine days, as after three no-shows."""
    index = document_index(session.keyring, "id_card", id_number(who))
    today, made = clock.now().date(), ids.new_id()
    until = today + timedelta(days=9)
    row = (made, index, "entry", 3, today, until, ticket_id or ids.new_id(), 0)
    await run(session, [Statement(RESTRICT, (session.tenant_id, *columns([row], 8)))])
    return made
