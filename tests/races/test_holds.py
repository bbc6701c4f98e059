"""Extending a hold that meets its end, a payment, and itself."""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from shanmen.kit import clock
from shanmen.orders.errors import HoldExtended, HoldLapsed, NotPayable
from shanmen.orders.schemas import Placed
from shanmen.orders.service.extend import extend_hold
from shanmen.orders.service.lapse import expire_holds
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import MOVES

pytestmark = pytest.mark.races

EXTENDS = "UPDATE orders SET hold_expires_at"
"""Where extending has decided and is about to write."""
SECOND = timedelta(seconds=1)


async def held(world: World) -> Placed:
    return await world.desk.place(world.park.order(world.park.ticket()))


async def extend(world: World, placed: Placed) -> Any:
    with clock.at(placed.hold_expires_at - SECOND):
        return await world.desk.unit(extend_hold, order_id=placed.id, hold_seconds=900)


def expire(world: World, placed: Placed) -> Coroutine[Any, Any, int]:
    async def sweep() -> int:
        with clock.at(placed.hold_expires_at + SECOND):
            return await world.desk.unit(expire_holds)

    return sweep()


async def test_the_sweep_passes_by_a_hold_that_is_being_extended(world: MakeWorld):
    w = await world()
    placed = await held(w)
    met = await w.collide(extend(w, placed), expire(w, placed), at=EXTENDS)
    assert (met.second, met.waited) == (0, False)
    assert met.first == placed.hold_expires_at + timedelta(minutes=15)
    assert await expire(w, placed) == 0
    assert (await w.desk.view(placed)).status == "held"
    assert await w.desk.counters() == (1, 0)
    await w.assert_sound()


async def test_what_is_just_lapsing_cannot_be_extended(world: MakeWorld):
    w = await world()
    placed = await held(w)
    met = await w.collide(expire(w, placed), extend(w, placed), at=MOVES)
    assert met.waited
    assert met.first == 1
    assert isinstance(met.second, HoldLapsed)
    assert await w.desk.counters() == (0, 0)
    await w.assert_sound()


async def test_without_the_lock_places_go_that_were_just_extended(world: MakeWorld):
    w = await world(off=("orders",))
    placed = await held(w)
    met = await w.collide(expire(w, placed), extend(w, placed), at=MOVES)
    # The buyer was told of a new end, and the order is gone.
    assert not met.waited
    assert met.second == placed.hold_expires_at + timedelta(minutes=15)
    assert met.first == 1
    assert (await w.desk.view(placed)).status == "expired"


async def test_without_the_lock_a_lapsed_order_is_held_without_places(world: MakeWorld):
    w = await world(off=("orders",))
    placed = await held(w)
    met = await w.collide(extend(w, placed), expire(w, placed), at=EXTENDS)
    assert met.second == 1
    assert (await w.desk.view(placed)).status == "held"
    assert await w.desk.counters() == (0, 0)
    assert await w.stock_differences() != []


async def test_a_hold_that_is_extended_twice_at_once_is_extended_once(world: MakeWorld):
    w = await world()
    placed = await held(w)
    met = await w.collide(extend(w, placed), extend(w, placed), at=EXTENDS)
    assert met.waited
    assert isinstance(met.second, HoldExtended)
    view = await w.desk.view(placed)
    assert view.hold_expires_at == met.first
    assert len(view.events) == 2


async def test_a_payment_and_an_extension_that_meet_issue_the_order(world: MakeWorld):
    w = await world()
    placed = await held(w)
    attempt = await w.desk.attempt(placed)
    met = await w.collide(w.desk.pay(placed, attempt=attempt), extend(w, placed), at=MOVES)
    assert met.waited
    assert met.first == "issued"
    assert isinstance(met.second, NotPayable)
    assert await w.desk.counters() == (0, 1)
    await w.assert_sound()
