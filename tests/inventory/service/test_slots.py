"""Slots changed by hand, also while tickets are being sold."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shanmen.catalog.schemas import LocalText
from shanmen.db.session import Database, Session
from shanmen.insight.stock_audit import differences
from shanmen.inventory import errors
from shanmen.inventory.schemas import DrawSpec, PoolSpec
from shanmen.inventory.service.pools import create_pool, delete_pool, edit_pool, set_stock
from shanmen.inventory.service.slots import edit_day, edit_slot, follow_schedule
from shanmen.kit import clock
from shanmen.sites.errors import ZoneUnknown
from shanmen.sites.service import places, tenants
from tests.inventory.conftest import Stand, take
from tests.support.desk import Desk
from tests.support.park import Park, make_park


async def entries(session: Session, action: str) -> list[tuple[dict, dict, str]]:
    rows = await session.execute(
        text("SELECT before, after, reason FROM audit_log WHERE action = :action ORDER BY id"),
        {"action": action},
    )
    return [tuple(row) for row in rows]


async def test_capacity_is_changed_and_audited(stand: Stand):
    first, _ = await stand.day()
    changed = await stand.unit(
        edit_slot,
        slot_id=first.id,
        capacity=30,
        note=LocalText(zh="大风", en="Wind"),
        reason="weather",
    )
    assert (changed.capacity, changed.left, changed.note) == (
        30,
        30,
        {"zh-CN": "大风", "en": "Wind"},
    )
    assert changed.edited
    [(before, after, reason)] = await stand.unit(entries, "inventory.slot_changed")
    assert (before["capacity"], after["capacity"], reason) == (100, 30, "weather")


async def test_capacity_never_falls_below_what_is_taken(stand: Stand):
    first, _ = await stand.day()
    await stand.take(first.id, 40)
    with pytest.raises(errors.CapacityBelowSold) as refused:
        await stand.unit(edit_slot, slot_id=first.id, capacity=39, status="closed")
    assert (refused.value.field, refused.value.params) == (
        "capacity",
        {"taken": 40, "capacity": 39},
    )
    again, _ = await stand.day()
    assert (again.capacity, again.status, again.edited) == (100, "open", False)
    changed = await stand.unit(edit_slot, slot_id=first.id, capacity=40)
    assert changed.left == 0


@pytest.mark.races
async def test_a_sale_that_commits_first_is_seen_by_the_change(database: Database, stand: Stand):
    first, _ = await stand.day()
    async with database.transaction(stand.unit.tenant_id) as sale:
        await take(sale, slot_id=first.id, type_id=stand.type_id, places=50)
        change = asyncio.create_task(stand.unit(edit_slot, slot_id=first.id, capacity=10))
        await asyncio.sleep(0.2)
        assert not change.done()  # It waits for the counter that the sale has locked.
    with pytest.raises(errors.CapacityBelowSold) as refused:
        await change
    assert refused.value.params["taken"] == 50


@pytest.mark.races
async def test_a_change_that_commits_first_is_seen_by_the_sale(database: Database, stand: Stand):
    first, _ = await stand.day()
    async with database.transaction(stand.unit.tenant_id) as session:
        await edit_slot(session, slot_id=first.id, capacity=10)
        sale = asyncio.create_task(stand.take(first.id, 50))
        await asyncio.sleep(0.2)
        assert not sale.done()
    with pytest.raises(errors.SoldOut) as refused:
        await sale
    assert refused.value.params["left"] == 10


@pytest.mark.races
async def test_sales_and_changes_side_by_side_never_oversell(stand: Stand):
    first, _ = await stand.day()
    work: list[Coroutine[Any, Any, object]] = [stand.take(first.id, 7) for _ in range(20)]
    work += [stand.unit(edit_slot, slot_id=first.id, capacity=n) for n in (90, 30, 70, 20, 60)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    refused = [o for o in outcomes if isinstance(o, BaseException)]
    assert all(isinstance(o, errors.SoldOut | errors.CapacityBelowSold) for o in refused)
    [state, _] = await stand.day()
    assert state.taken == 7 * sum(o is None for o in outcomes[:20])
    assert state.taken <= state.capacity


async def test_a_closed_slot_sells_nothing_and_opens_again(stand: Stand):
    first, _ = await stand.day()
    await stand.unit(edit_slot, slot_id=first.id, status="closed")
    with pytest.raises(errors.SlotClosed):
        await stand.take(first.id, 1)
    await stand.unit(edit_slot, slot_id=first.id, status="open")
    await stand.take(first.id, 1)


async def test_a_whole_day_closes_and_opens(stand: Stand):
    first, _ = await stand.day()
    await stand.take(first.id, 5)
    closed = await stand.unit(
        edit_day,
        pool_id=stand.pool_id,
        day=stand.tomorrow,
        status="closed",
        note=LocalText(zh="暴雨", en="Rain"),
    )
    assert [(s.status, s.note["en"], s.sold) for s in closed] == [
        ("closed", "Rain", 5),
        ("closed", "Rain", 0),
    ]
    opened = await stand.unit(edit_day, pool_id=stand.pool_id, day=stand.tomorrow, status="open")
    assert [(s.status, s.note) for s in opened] == [("open", {}), ("open", {})]
    assert len(await stand.unit(entries, "inventory.day_closed")) == 1


async def test_a_day_far_ahead_is_made_and_closed(stand: Stand):
    day = stand.today + timedelta(days=200)
    closed = await stand.unit(edit_day, pool_id=stand.pool_id, day=day, status="closed")
    assert [s.status for s in closed] == ["closed", "closed"]


async def test_a_slot_follows_its_schedule_again(stand: Stand):
    first, _ = await stand.day()
    await stand.unit(edit_slot, slot_id=first.id, capacity=3, status="closed")
    back = await stand.unit(follow_schedule, slot_id=first.id)
    assert (back.capacity, back.status, back.edited) == (100, "open", False)


async def test_the_past_is_not_changed(stand: Stand):
    first, _ = await stand.day()
    with clock.at(clock.now() + timedelta(days=3)):
        with pytest.raises(errors.SlotIsOver):
            await stand.unit(edit_slot, slot_id=first.id, capacity=3)
        with pytest.raises(errors.SlotNotFound):
            await stand.unit(edit_day, pool_id=stand.pool_id, day=stand.tomorrow, status="closed")


async def test_what_cannot_be_changed_is_said(stand: Stand, database: Database, park: Park):
    first, _ = await stand.day()
    with pytest.raises(errors.NothingToChange):
        await stand.unit(edit_slot, slot_id=first.id)
    with pytest.raises(errors.SlotNotFound):
        await stand.unit(edit_slot, slot_id=uuid4(), capacity=1)
    with pytest.raises(errors.CapWithoutDraw):
        await stand.unit(edit_slot, slot_id=first.id, caps={park.types["adult"]: 3})
    other = await make_park(database, code=f"{park.code}y"[-12:])
    with pytest.raises(errors.SlotNotFound):
        await database.unit(other.tenant_id)(edit_slot, slot_id=first.id, capacity=1)


async def test_a_cap_in_one_slot(stand: Stand):
    first, _ = await stand.day()
    capped = await stand.unit(edit_slot, slot_id=first.id, caps={stand.type_id: 20})
    assert capped.left_for(stand.type_id) == 20
    await stand.take(first.id, 15)
    with pytest.raises(errors.CapacityBelowSold) as refused:
        await stand.unit(edit_slot, slot_id=first.id, caps={stand.type_id: 14})
    assert refused.value.field == f"caps.{stand.type_id}"
    free = await stand.unit(edit_slot, slot_id=first.id, caps={stand.type_id: None})
    assert free.left_for(stand.type_id) == 85
    assert free.caps == {}


async def test_a_cap_in_a_slot_that_was_sold(desk: Desk):
    park = desk.park
    family = park.types["family"]
    await desk.place(park.order(park.ticket("family"), park.ticket()))
    with pytest.raises(errors.CapacityBelowSold) as refused:
        await desk.unit(edit_slot, slot_id=park.slots[0], caps={family: 2})
    assert (refused.value.field, refused.value.params["taken"]) == (f"caps.{family}", 3)
    capped = await desk.unit(edit_slot, slot_id=park.slots[0], caps={family: 5})
    assert capped.caps == {str(family): (5, 2)}
    assert await desk.unit(differences) == []


async def test_pools_are_made_renamed_and_removed_while_unused(stand: Stand, park: Park):
    spec = PoolSpec(name=LocalText(zh="剧场"))
    pool = await stand.unit(create_pool, site_id=stand.site_id, spec=spec)
    renamed = await stand.unit(
        edit_pool, pool_id=pool.id, spec=PoolSpec(name=LocalText(zh="大剧场"), position=2)
    )
    assert (renamed.name, renamed.position) == ({"zh-CN": "大剧场"}, 2)
    await stand.unit(delete_pool, pool_id=pool.id)
    with pytest.raises(errors.PoolNotFound):
        await stand.unit(delete_pool, pool_id=pool.id)
    with pytest.raises(errors.PoolInUse):
        await stand.unit(delete_pool, pool_id=stand.pool_id)
    with pytest.raises(errors.PoolNameMissing) as refused:
        await stand.unit(
            create_pool, site_id=stand.site_id, spec=PoolSpec(name=LocalText(en="Theatre"))
        )
    assert refused.value.field == "name.zh-CN"


async def test_a_pools_places_are_in_a_zone_of_its_site(stand: Stand, park: Park):
    name = LocalText(zh="剧场")
    spec = PoolSpec(name=name, zone_id=park.zone_id)
    pool = await stand.unit(create_pool, site_id=stand.site_id, spec=spec)
    assert pool.zone_id == park.zone_id
    await stand.unit(tenants.create_site, slug=f"{park.slug}-2", name={"zh-CN": "二号"})
    other = await stand.unit(
        places.create_zone, site_slug=f"{park.slug}-2", name={"zh-CN": "二号主景区"}
    )
    for zone_id in (other.id, uuid4()):
        with pytest.raises(ZoneUnknown) as refused:
            await stand.unit(edit_pool, pool_id=pool.id, spec=PoolSpec(name=name, zone_id=zone_id))
        assert refused.value.field == "zone_id"
    again = await stand.unit(edit_pool, pool_id=pool.id, spec=PoolSpec(name=name))
    assert again.zone_id is None


async def test_a_type_draws_only_on_pools_of_its_site(stand: Stand):
    with pytest.raises(errors.PoolNotFound) as refused:
        await stand.unit(
            set_stock,
            ticket_type_id=stand.type_id,
            draws=[DrawSpec(pool_id=stand.pool_id), DrawSpec(pool_id=uuid4())],
        )
    assert refused.value.field == "draws.1.pool_id"
    with pytest.raises(errors.CapTooSmall) as too_small:
        await stand.unit(
            set_stock,
            ticket_type_id=stand.type_id,
            draws=[DrawSpec(pool_id=stand.pool_id, quantity=3, cap=2)],
        )
    assert too_small.value.field == "draws.0.cap"
