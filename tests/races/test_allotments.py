"""Channels' shares that are released, begin or change while others buy and give back."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest

from shanmen.inventory.division import ShareSpec
from shanmen.inventory.errors import SoldOut
from shanmen.inventory.queries import slots_by_id
from shanmen.inventory.rules import SlotState
from shanmen.inventory.service.divide import divide_slots
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock
from shanmen.orders.schemas import Placed
from shanmen.orders.service.lapse import cancel_order
from shanmen.orders.service.place import Outcome, place_orders
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import MOVES, WRITES

pytestmark = pytest.mark.races

BEGINS = "INSERT INTO stock"
"""Where dividing has counted what was sold and is about to write its counters."""


async def buy(world: World, channel: str, count: int = 1) -> Outcome:
    request = world.park.order(*(world.park.ticket() for _ in range(count)), channel=channel)
    [outcome] = await world.desk.unit(place_orders, requests=[request], hold_seconds=900)
    return outcome


async def at(instant: datetime, work: Coroutine[Any, Any, Any]) -> Any:
    with clock.at(instant):
        return await work


def divide(world: World, *allotments: ShareSpec) -> Coroutine[Any, Any, Any]:
    return world.desk.unit(
        divide_slots, slot_ids=[world.park.slots[0]], allotments=list(allotments)
    )


def share(channel: str, places: int, **more: Any) -> ShareSpec:
    return ShareSpec(channel=channel, places=places, **more)


async def state(world: World) -> SlotState:
    slot = world.park.slots[0]
    return (await world.desk.unit(slots_by_id, ids=[slot]))[slot]


async def one_place_and_a_promise(world: World) -> datetime:
    """Ten places: four are promised to the window, one of the OTA's is left until its release."""
    starts_at = (await state(world)).starts_at
    minutes = int((starts_at - clock.now()).total_seconds() // 60) - 30
    await divide(world, share("ota", 5, release_minutes=minutes), share("window", 4))
    for channel, count in (("ota", 4), ("web", 1)):
        assert isinstance(await buy(world, channel, count), Placed)
    return starts_at - timedelta(minutes=minutes)


def before(release: datetime) -> datetime:
    return release - timedelta(seconds=1)


def after(release: datetime) -> datetime:
    return release + timedelta(seconds=1)


async def test_a_share_is_sold_by_its_channel_while_it_is_released(world: MakeWorld):
    w = await world(capacity=10)
    release = await one_place_and_a_promise(w)
    met = await w.collide(
        at(before(release), buy(w, "ota")), at(after(release), buy(w, "web")), at=WRITES
    )
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, SoldOut)
    assert isinstance(await at(after(release), buy(w, "window", 4)), Placed)
    assert await w.desk.counters() == (10, 0)
    await w.assert_sound()


async def test_a_released_place_goes_to_another_before_its_channel_knows(world: MakeWorld):
    w = await world(capacity=10)
    release = await one_place_and_a_promise(w)
    met = await w.collide(
        at(after(release), buy(w, "web")), at(before(release), buy(w, "ota")), at=WRITES
    )
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, SoldOut)
    assert isinstance(await at(after(release), buy(w, "window", 4)), Placed)
    await w.assert_sound()


async def test_without_the_lock_a_released_place_is_sold_twice_and_a_promise_breaks(
    world: MakeWorld,
):
    w = await world(capacity=10, off=("stock",))
    release = await one_place_and_a_promise(w)
    met = await w.collide(
        at(before(release), buy(w, "ota")), at(after(release), buy(w, "web")), at=WRITES
    )
    assert not met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, Placed)
    # The CHECK knows nothing of shares: the window, to which four were promised, gets three.
    assert isinstance(await at(after(release), buy(w, "window", 4)), SoldOut)
    assert isinstance(await at(after(release), buy(w, "window", 3)), Placed)


async def test_a_share_counts_the_sale_that_came_first(world: MakeWorld):
    w = await world(capacity=10)
    met = await w.collide(buy(w, "ota", 3), divide(w, share("ota", 3)), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert (await state(w)).shares["ota"].held == 3
    assert isinstance(await buy(w, "ota"), SoldOut)
    await w.assert_sound()


async def test_without_the_lock_a_share_overlooks_a_sale(world: MakeWorld):
    w = await world(capacity=10, off=("stock",))
    met = await w.collide(buy(w, "ota", 3), divide(w, share("ota", 3)), at=WRITES)
    assert not met.waited
    assert isinstance(met.first, Placed)
    assert (await state(w)).shares["ota"].held == 0
    # The auditor finds it, and the channel sells its share twice.
    assert await w.stock_differences() != []
    assert isinstance(await buy(w, "ota", 3), Placed)


async def test_a_sale_waits_for_a_share_that_begins_and_keeps_to_it(world: MakeWorld):
    w = await world(capacity=10)
    met = await w.collide(divide(w, share("window", 10), share("ota", 0)), buy(w, "ota"), at=BEGINS)
    assert met.waited
    assert isinstance(met.second, SoldOut)
    assert await w.desk.counters() == (0, 0)
    await w.assert_sound()


async def test_without_the_lock_a_sale_overlooks_a_share_that_begins(world: MakeWorld):
    w = await world(capacity=10, off=("stock",))
    met = await w.collide(divide(w, share("window", 10), share("ota", 0)), buy(w, "ota"), at=BEGINS)
    # All ten were promised to the window, which now gets nine.
    assert isinstance(met.second, Placed)
    assert isinstance(await buy(w, "window", 10), SoldOut)


async def test_a_sale_waits_for_a_cap_that_begins_and_keeps_to_it(world: MakeWorld):
    w = await world(capacity=10)
    assert isinstance(await buy(w, "web", 2), Placed)
    slot, adult = w.park.slots[0], w.park.types["adult"]
    capping = w.desk.unit(edit_slot, slot_id=slot, caps={adult: 3})
    met = await w.collide(capping, buy(w, "web", 2), at=BEGINS)
    assert met.waited
    assert isinstance(met.second, SoldOut)
    assert isinstance(await buy(w, "web"), Placed)
    assert (await state(w)).caps == {str(adult): (3, 0)}
    await w.assert_sound()


async def test_without_the_lock_a_sale_overlooks_a_cap_that_begins(world: MakeWorld):
    w = await world(capacity=10, off=("stock",))
    assert isinstance(await buy(w, "web", 2), Placed)
    slot, adult = w.park.slots[0], w.park.types["adult"]
    capping = w.desk.unit(edit_slot, slot_id=slot, caps={adult: 3})
    met = await w.collide(capping, buy(w, "web", 2), at=BEGINS)
    # Four of a type of which three may come.
    assert isinstance(met.second, Placed)
    assert await w.stock_differences() != []


async def test_what_is_given_back_while_a_share_begins_is_counted_once(world: MakeWorld):
    w = await world(capacity=10)
    one, two = await buy(w, "ota", 2), await buy(w, "ota", 1)
    assert isinstance(one, Placed)
    assert isinstance(two, Placed)
    # Who gives back has read the order, and not yet touched the counters.
    met = await w.collide(
        w.desk.unit(cancel_order, order_id=one.id), divide(w, share("ota", 5)), at=MOVES
    )
    assert not met.waited
    assert (await state(w)).shares["ota"].held == 1
    await w.assert_sound()
    await divide(w)
    met = await w.collide(
        divide(w, share("ota", 5)), w.desk.unit(cancel_order, order_id=two.id), at=BEGINS
    )
    assert met.waited
    assert met.second is None
    assert (await state(w)).shares["ota"].held == 0
    await w.assert_sound()
