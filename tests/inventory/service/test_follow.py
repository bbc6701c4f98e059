"""All slots of a pool follow a change, those with sales day by day."""

from datetime import time, timedelta

from shanmen.insight.stock_audit import differences
from shanmen.inventory.queries import slots_between
from shanmen.inventory.schemas import DrawSpec, ScheduleSpec
from shanmen.inventory.service.follow import change_stock, days_of
from shanmen.inventory.service.schedules import create_schedule
from tests.inventory.conftest import slots
from tests.support.desk import Desk


async def test_a_cap_reaches_days_with_sales_and_days_without(desk: Desk):
    park = desk.park
    await desk.pay(await desk.place(park.order(park.ticket("family"))))
    spec = ScheduleSpec(name="每天", slots=slots((8, 10)))
    await desk.unit(create_schedule, pool_id=park.gate_pool, spec=spec)
    free, sold = await desk.unit(days_of, pool_id=park.gate_pool)
    assert sold == [park.day]
    assert len(free) == 67
    draws = [DrawSpec(pool_id=park.gate_pool, quantity=3, cap=9)]
    _, changes = await change_stock(desk.unit, ticket_type_id=park.types["family"], draws=draws)
    assert changes.divided >= 67
    found = await desk.unit(
        slots_between,
        pool_ids=[park.gate_pool],
        first=park.day,
        last=park.day + timedelta(days=1),
    )
    left = {
        (s.day, s.starts): s.left_for(park.types["family"]) for s in found if s.status == "open"
    }
    tomorrow = park.day + timedelta(days=1)
    assert left == {(park.day, time(8)): 6, (tomorrow, time(8)): 9}
    assert await desk.unit(differences) == []
