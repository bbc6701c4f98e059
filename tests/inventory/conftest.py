"""A pool with a schedule of its own, and a ticket type that draws on it."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from uuid import UUID

import pytest

from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import LocalText, PriceSpec, TicketTypeSpec
from shanmen.db.session import Database, Session, Unit
from shanmen.inventory.queries import slots_between
from shanmen.inventory.rules import SlotState
from shanmen.inventory.schemas import DrawSpec, PoolSpec, ScheduleSpec, SlotSpec
from shanmen.inventory.service.pools import create_pool, set_stock
from shanmen.inventory.service.schedules import create_schedule
from shanmen.inventory.stock import apply, lock
from shanmen.kit import clock
from tests.support.desk import Desk
from tests.support.park import ZONE, Park


def slots(*spans: tuple[int, int], capacity: int = 100) -> list[SlotSpec]:
    return [SlotSpec.between(time(a), time(b), capacity) for a, b in spans]


@dataclass(frozen=True)
class Stand:
    """A pool called boats: two slots a day, sold 20 days ahead by one ticket type."""

    unit: Unit
    site_id: UUID
    pool_id: UUID
    schedule_id: UUID
    type_id: UUID
    today: date

    @property
    def tomorrow(self) -> date:
        return self.today + timedelta(days=1)

    async def day(self, day: date | None = None) -> list[SlotState]:
        day = day or self.tomorrow
        return await self.unit(slots_between, pool_ids=[self.pool_id], first=day, last=day)

    async def take(self, slot_id: UUID, places: int, *, channel: str = "web") -> None:
        await self.unit(take, slot_id=slot_id, type_id=self.type_id, places=places, channel=channel)


async def take(
    session: Session, *, slot_id: UUID, type_id: UUID, places: int, channel: str = "web"
) -> None:
    """Sell places as the order desk does."""
    stock = await lock(session, [slot_id])
    stock.hold([(slot_id, type_id, places)], channel=channel, now=clock.now(), sold=True)
    await apply(session, stock)


@pytest.fixture
async def stand(database: Database, park: Park) -> Stand:
    unit = database.unit(park.tenant_id)
    pool = await unit(
        create_pool, site_id=park.site_id, spec=PoolSpec(name=LocalText(zh="游船", en="Boats"))
    )
    kind = await unit(
        catalog.create_ticket_type,
        site_id=park.site_id,
        spec=TicketTypeSpec(name=LocalText(zh="船票"), days_ahead=20),
    )
    await unit(catalog.set_prices, ticket_type_id=kind.id, prices=[PriceSpec(amount_fen=5000)])
    await unit(set_stock, ticket_type_id=kind.id, draws=[DrawSpec(pool_id=pool.id)])
    schedule, _ = await unit(
        create_schedule,
        pool_id=pool.id,
        spec=ScheduleSpec(name="每天", slots=slots((8, 10), (10, 12))),
    )
    return Stand(unit, park.site_id, pool.id, schedule.id, kind.id, clock.today(ZONE))


@pytest.fixture
def desk(database: Database, park: Park) -> Desk:
    """Places and pays orders in the test's park."""
    return Desk(database, park)
