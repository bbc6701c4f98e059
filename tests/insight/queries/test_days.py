"""Past days against days made by hand."""

from datetime import timedelta

import pytest

from shanmen.db.session import Database
from shanmen.insight.errors import DaysBackwards, TooManyDays
from shanmen.insight.queries.days import MOST_DAYS
from shanmen.kit import clock, ids
from shanmen.orders.service.refund import refund_tickets
from shanmen.sites.service import tenants
from tests.insight.conftest import CHIEF, Day, make_day
from tests.support.park import make_park


async def test_visits_count_on_their_day_and_money_on_its_own(visit: Day) -> None:
    _, [adult] = await visit.sell(("adult", 0))
    given_back, _ = await visit.sell(("family", 1))
    with clock.at(visit.at(13, days=-1)):
        await visit.desk.unit(refund_tickets, order_id=given_back.id)
        await visit.desk.confirm_refunds(given_back)
    await visit.scan(adult, visit.at(8, 30))
    found = await visit.past(visit.day - timedelta(days=2), visit.day)
    nothing, sale, day = found.days
    assert [one.day for one in found.days] == [visit.day - timedelta(days=n) for n in (2, 1, 0)]
    assert (nothing.entered, nothing.taken_fen, nothing.capacity, nothing.occupancy) == (0, 0, 0, 0)
    assert (sale.taken_fen, sale.refunded_fen) == (12000 + 26000, 23400)
    assert (sale.entered, sale.visit_sold) == (0, 0)
    assert (day.entered, day.visit_sold, day.visit_refunded) == (1, 1, 3)
    # The cableway's places are no visits: only the gate's count.
    assert (day.capacity, day.places_sold) == (300, 1)
    assert day.occupancy == pytest.approx(1 / 300)
    assert (found.entered, found.visit_sold, found.visit_refunded) == (1, 1, 3)
    assert (found.taken_fen, found.refunded_fen) == (38000, 23400)


async def test_sites_and_tenants_are_kept_apart(visit: Day, database: Database) -> None:
    await visit.sell(("adult", 0))
    days = visit.day - timedelta(days=1), visit.day
    alone = await visit.past(*days)
    unit = visit.database.unit(visit.park.tenant_id, actor=CHIEF)
    await unit(
        tenants.create_site, slug=f"{visit.park.slug}-b", name={"zh-CN": "另一座山"},
        timezone="Asia/Shanghai",
    )  # fmt: skip
    assert await visit.past(*days) == alone
    stranger = await make_day(database, await make_park(database, code=f"y{ids.new_id().hex[-8:]}"))
    theirs = await stranger.past(*days)
    assert (theirs.visit_sold, theirs.taken_fen, theirs.places_sold) == (0, 0, 0)


async def test_a_range_is_in_order_and_bounded(visit: Day) -> None:
    with pytest.raises(DaysBackwards):
        await visit.past(visit.day, visit.day - timedelta(days=1))
    with pytest.raises(TooManyDays):
        await visit.past(visit.day, visit.day + timedelta(days=MOST_DAYS))
    longest = await visit.past(visit.day, visit.day + timedelta(days=MOST_DAYS - 1))
    assert len(longest.days) == MOST_DAYS
