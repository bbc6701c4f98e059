"""Limits of phones and months under real concurrency, and a repeated key with another body."""

from datetime import timedelta

import pytest
from msgspec import structs

from shanmen.catalog.schemas import LimitsSpec
from shanmen.kit.errors import IdempotencyMismatch
from shanmen.orders.errors import DocumentLimit, PhoneLimit
from shanmen.orders.schemas import Placed, PlaceOrder
from shanmen.orders.service.place import Outcome, place_orders
from shanmen.orders.service.reschedule import reschedule
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import WRITES
from tests.support.park import fresh_people
from tests.support.rules import set_limits, slot_on

pytestmark = pytest.mark.races


async def buy(world: World, request: PlaceOrder) -> Outcome:
    [outcome] = await world.desk.unit(place_orders, requests=[request], hold_seconds=900)
    return outcome


async def limited(world: World, **bounds: int) -> None:
    """A phone limit on one type alone; the other type of its group has none."""
    none = {"per_document_day": 0, "per_document_slot": 0}
    spec = LimitsSpec(group="entry", **(none | bounds))  # type: ignore[arg-type]
    await set_limits(world.desk.unit, world.park.types["adult"], spec)


def one_phone(world: World) -> tuple[PlaceOrder, PlaceOrder]:
    """Two orders of one phone for different people: a type without the limit, and one with it."""
    return world.park.order(world.park.ticket("free")), world.park.order(world.park.ticket())


async def test_a_phone_that_buys_twice_at_once_stays_within_its_limit(world: MakeWorld):
    w = await world()
    await limited(w, per_phone_month=1)
    one, two = one_phone(w)
    met = await w.collide(buy(w, one), buy(w, two), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, PhoneLimit)


async def test_without_the_advisory_lock_a_phone_gets_more(world: MakeWorld):
    w = await world(off=("advisory",))
    await limited(w, per_phone_month=1)
    one, two = one_phone(w)
    # In different slots, so that no lock of stock keeps them apart.
    two = structs.replace(two, order=w.park.order(w.park.ticket(slot=1)).order)
    met = await w.collide(buy(w, one), buy(w, two), at=WRITES)
    assert not met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, Placed)


async def moved_and_bought(w: World) -> tuple[Placed, PlaceOrder]:
    """Somebody's visit of next month, to be moved into a month for which they buy meanwhile."""
    await limited(w, per_document_month=1)
    [who] = fresh_people(1)
    next_month = (w.park.day.replace(day=1) + timedelta(days=32)).replace(day=1)
    away = await slot_on(w.desk.unit, w.park, next_month)
    wish = structs.replace(w.park.ticket(people=[who]), slot_id=away)
    placed = await w.desk.place(w.park.order(wish))
    await w.desk.pay(placed)
    return placed, w.park.order(w.park.ticket(people=[who], slot=1))


async def test_a_document_that_moves_and_buys_at_once_stays_within_its_month(world: MakeWorld):
    w = await world()
    placed, order = await moved_and_bought(w)
    move = w.desk.unit(reschedule, order_id=placed.id, slot_id=w.park.slots[0])
    met = await w.collide(buy(w, order), move, at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, DocumentLimit)
    await w.assert_sound()


async def test_without_the_advisory_lock_it_gets_two_visits_in_a_month(world: MakeWorld):
    w = await world(off=("advisory",))
    placed, order = await moved_and_bought(w)
    move = w.desk.unit(reschedule, order_id=placed.id, slot_id=w.park.slots[0])
    met = await w.collide(move, buy(w, order), at=WRITES)
    assert not met.waited
    assert met.first is None
    assert isinstance(met.second, Placed)


async def test_a_key_with_another_body_waits_for_the_first_and_is_refused(world: MakeWorld):
    w = await world()
    one = w.park.order(w.park.ticket(), key=b"k" * 16)
    two = structs.replace(w.park.order(w.park.ticket(slot=1), key=b"k" * 16), request_hash=b"other")
    met = await w.collide(buy(w, one), buy(w, two), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, IdempotencyMismatch)
    assert await w.desk.count("orders") == 1


async def test_without_the_advisory_lock_both_bodies_are_placed(world: MakeWorld):
    w = await world(off=("advisory", "key"))
    one = w.park.order(w.park.ticket(), key=b"k" * 16)
    two = structs.replace(w.park.order(w.park.ticket(slot=1), key=b"k" * 16), request_hash=b"other")
    met = await w.collide(buy(w, one), buy(w, two), at=WRITES)
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, Placed)
    assert await w.desk.count("orders") == 2
