"""Today's figures against a day made by hand."""

from datetime import timedelta
from uuid import UUID

import pytest

from shanmen.admission import service as admission
from shanmen.db.session import Database
from shanmen.insight.queries.today import entries_of_day, today_figures
from shanmen.kit import clock, ids
from shanmen.orders.service.refund import refund_tickets
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.service import places, tenants
from tests.insight.conftest import CHIEF, Day, make_day
from tests.support.park import make_park


async def sold_day(visit: Day) -> tuple[str, str, str]:
    """Two adults and a family are sold, another adult goes back, one more is only held."""
    _, [adult, other] = await visit.sell(("adult", 0), ("adult", 0))
    _, [family] = await visit.sell(("family", 1))
    given_back, _ = await visit.sell(("adult", 1))
    with clock.at(visit.at(12, 30, days=-1)):
        # Less than a day before the visit: a tenth is kept.
        await visit.desk.unit(refund_tickets, order_id=given_back.id)
        await visit.desk.confirm_refunds(given_back)
    await visit.sell(("adult", 2), pay=False)
    return adult, other, family


async def test_a_day_made_by_hand(visit: Day) -> None:
    adult, other, family = await sold_day(visit)
    assert (await visit.scan(adult, visit.at(8, 30))).outcome == "admitted"
    entered = await visit.scan(other, visit.at(8, 40))
    assert (await visit.scan(family, visit.at(10, 5), lane=visit.west)).persons == 3
    assert (await visit.scan(adult, visit.at(10, 10))).reason == "already_used"
    assert (await visit.scan(adult, visit.at(10, 12), lane=visit.out)).outcome == "admitted"
    with clock.at(visit.at(10, 13)):
        unit = visit.database.unit(visit.park.tenant_id, actor=CHIEF)
        await unit(admission.undo, scan_id=entered.scan_id, reason="turned back")
    await visit.old_scan(visit.at(9, 20, days=-7), persons=5)

    found = await visit.figures(visit.at(10, 15))

    assert found.day == visit.day
    assert (found.entered, found.left, found.inside, found.refused) == (4, 1, 3, 1)
    assert found.last_15_minutes == 3
    assert (found.visit_sold, found.visit_tickets) == (5, 3)
    assert (found.sold_orders, found.taken_fen, found.refunded_fen) == (0, 0, 0)
    assert [(one.reason, one.scans) for one in found.refusals] == [("already_used", 1)]
    assert [(one.name["en"], one.entered, one.left) for one in found.entrances] == [
        ("East gate", 1, 0),
        ("West gate", 3, 1),
    ]
    assert [(one.entered, one.left, one.inside) for one in found.zones] == [(4, 1, 3)]
    sold = {one.name["en"]: (one.tickets, one.sold, one.entered) for one in found.ticket_types}
    assert sold == {
        "Adult": (2, 2, 1), "Child": (0, 0, 0), "Family": (1, 3, 3), "Bundle": (0, 0, 0),
        "Free": (0, 0, 0),
    }  # fmt: skip
    gate = [one for one in found.slots if one.pool_id == str(visit.park.gate_pool)]
    assert [(one.held, one.sold, one.entered, one.capacity) for one in gate] == [
        (0, 2, 1, 100),
        (0, 3, 3, 100),
        (1, 0, 0, 100),
    ]
    assert [(one.phase, one.state) for one in gate] == [
        ("past", "open"), ("now", "open"), ("later", "open"),
    ]  # fmt: skip
    ride = [one for one in found.slots if one.pool_id == str(visit.park.ride_pool)]
    assert {one.entered for one in ride} == {None}
    series = {
        f"{clock.local(one.starts_at, found.timezone):%H:%M}": (one.entered, one.last_week)
        for one in found.quarters
    }
    assert series["08:30"] == (1, 0)
    assert series["09:15"] == (0, 5)
    assert series["10:00"] == (3, 0)
    assert list(series) == sorted(series)
    assert len(series) == 8, "from half past eight to a quarter past ten"


async def test_the_day_of_the_sale_has_the_money(visit: Day) -> None:
    await sold_day(visit)
    found = await visit.figures(visit.at(13, days=-1))
    assert (found.sold_orders, found.sold_persons) == (3, 6)
    assert (found.taken_fen, found.refunded_fen) == (24000 + 26000 + 12000, 10800)
    assert (found.visit_sold, found.entered, found.slots) == (0, 0, [])
    [gate, ride] = found.ahead
    [tomorrow] = gate.days
    assert (tomorrow.day, tomorrow.capacity) == (visit.day, 300)
    assert (tomorrow.held, tomorrow.sold) == (1, 5)
    assert (ride.days[0].held, ride.days[0].sold) == (0, 0)


async def test_a_slot_is_called_by_what_is_left(database: Database) -> None:
    park = await make_park(database, code=f"f{ids.new_id().hex[-8:]}", capacity=4)
    visit = await make_day(database, park)
    await visit.sell(("family", 0), ("adult", 0))
    await visit.sell(("family", 1))
    found = await visit.figures(visit.at(7))
    gate = [one for one in found.slots if one.pool_id == str(park.gate_pool)]
    assert [one.state for one in gate] == ["sold_out", "open", "open"]
    assert {one.phase for one in gate} == {"later"}


async def test_another_site_of_the_tenant_has_figures_of_its_own(visit: Day) -> None:
    adult, _, _ = await sold_day(visit)
    await visit.scan(adult, visit.at(8, 30))
    alone = await visit.figures(visit.at(13, days=-1))
    unit = visit.database.unit(visit.park.tenant_id, actor=CHIEF)
    other = await unit(
        tenants.create_site, slug=f"{visit.park.slug}-b", name={"zh-CN": "另一座山"},
        timezone="Asia/Urumqi",
    )  # fmt: skip
    assert await visit.figures(visit.at(13, days=-1)) == alone
    for now in (visit.at(13, days=-1), visit.at(9)):
        empty = await unit(
            today_figures, site_id=other.id, day=clock.local(now, "Asia/Urumqi").date(), now=now
        )
        assert (empty.entered, empty.visit_sold, empty.taken_fen, empty.refunded_fen) == (
            0,
            0,
            0,
            0,
        )
        assert (empty.entrances, empty.slots, empty.quarters, empty.ticket_types) == (
            [],
            [],
            [],
            [],
        )


async def test_a_tenant_sees_nothing_of_another(visit: Day, database: Database) -> None:
    adult, _, _ = await sold_day(visit)
    await visit.scan(adult, visit.at(8, 30))
    stranger = await make_day(database, await make_park(database, code=f"z{ids.new_id().hex[-8:]}"))
    for now in (visit.at(13, days=-1), visit.at(9)):
        empty = await stranger.figures(now)
        assert (empty.entered, empty.visit_sold, empty.sold_orders, empty.taken_fen) == (0, 0, 0, 0)
        with pytest.raises(SiteUnknown):
            await stranger.desk.unit(
                today_figures, site_id=visit.park.site_id, day=visit.day, now=now
            )
    with pytest.raises(SiteUnknown):
        await stranger.desk.unit(entries_of_day, site_id=visit.park.site_id, day=visit.day)


async def test_last_week_that_was_kept_reads_the_same(visit: Day) -> None:
    await visit.old_scan(visit.at(9, 20, days=-7), persons=5)
    await visit.old_scan(visit.at(0, 5, days=-7), persons=2)
    kept = await visit.desk.unit(
        entries_of_day, site_id=visit.park.site_id, day=visit.day - timedelta(days=7)
    )
    assert kept == {0: 2, 37: 5}
    read = await visit.figures(visit.at(10))
    again = await visit.desk.unit(
        today_figures, site_id=visit.park.site_id, day=visit.day, now=visit.at(10), last_week=kept
    )
    assert read == again
    assert sum(one.last_week for one in read.quarters) == 7


async def test_a_closed_entrance_stays_while_it_has_figures(visit: Day) -> None:
    _, [adult] = await visit.sell(("adult", 0))
    await visit.scan(adult, visit.at(8, 30))
    unit = visit.database.unit(visit.park.tenant_id, actor=CHIEF)
    found = await visit.figures(visit.at(9))
    for one in found.entrances:
        await unit(
            places.change_entrance,
            entrance_id=UUID(one.id),
            site_slug=visit.park.slug,
            active=False,
        )
    found = await visit.figures(visit.at(9))
    assert [(one.name["en"], one.active) for one in found.entrances] == [("East gate", False)]
    assert (await visit.figures(visit.at(9, days=1))).entrances == []


async def test_who_rides_the_cableway_is_not_counted_as_another_visitor(visit: Day) -> None:
    unit = visit.database.unit(visit.park.tenant_id, actor=CHIEF)
    slug = visit.park.slug
    zone = await unit(
        places.create_zone, site_slug=slug, name={"zh-CN": "索道", "en": "Cableway"}
    )  # fmt: skip
    valley = await unit(
        places.create_entrance, site_slug=slug, zone_id=zone.id,
        name={"zh-CN": "下站", "en": "Valley"},
    )  # fmt: skip
    await visit.old_scan(visit.at(9, 5), persons=5)
    await visit.old_scan(visit.at(9, 20), persons=4, entrance=valley.id)
    await visit.old_scan(visit.at(9, 25), persons=3, entrance=valley.id, direction="out")
    await visit.old_scan(visit.at(9, 28), persons=1, direction="out")

    found = await visit.figures(visit.at(9, 30))

    assert (found.entered, found.left, found.inside, found.last_15_minutes) == (5, 1, 4, 0)
    assert [(one.name["en"], one.entered, one.left, one.inside) for one in found.zones] == [
        ("Main", 5, 1, 4),
        ("Cableway", 4, 3, 1),
    ]
    assert {one.name["en"]: one.entered for one in found.entrances}["Valley"] == 4
    assert {one.entered for one in found.quarters} == {5, 0}
    assert await unit(entries_of_day, site_id=visit.park.site_id, day=visit.day) == {36: 5}
    [day] = (await visit.past(visit.day, visit.day)).days
    assert day.entered == 5
