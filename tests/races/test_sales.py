"""Sales that meet: last places, capacity, closing, limits, keys, moves, bundles."""

import asyncio
import itertools
from uuid import UUID

import pytest

from shanmen.catalog import service as catalog
from shanmen.catalog.rules import Draw
from shanmen.catalog.schemas import LocalText, PriceSpec, TicketTypeSpec
from shanmen.db.session import Session
from shanmen.inventory.errors import CapacityBelowSold, SlotClosed, SoldOut
from shanmen.inventory.service.slots import edit_slot
from shanmen.orders.errors import DocumentLimit
from shanmen.orders.schemas import Placed, PlaceOrder, TicketInput
from shanmen.orders.service.place import Outcome, place_orders
from shanmen.orders.service.reschedule import reschedule
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import WRITES, Rewrite
from tests.support.park import fresh_people

pytestmark = pytest.mark.races

SLOT, OTHER = 0, 1


async def buy(world: World, request: PlaceOrder) -> Outcome:
    [outcome] = await world.desk.unit(place_orders, requests=[request], hold_seconds=900)
    return outcome


async def fill(world: World, count: int, *, slot: int = 0) -> None:
    for _ in range(count):
        await world.desk.place(world.park.order(world.park.ticket(slot=slot)))


async def test_the_last_place_is_sold_once(world: MakeWorld):
    w = await world(capacity=1)
    met = await w.collide(
        buy(w, w.park.order(w.park.ticket())), buy(w, w.park.order(w.park.ticket())), at=WRITES
    )
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, SoldOut)
    assert await w.desk.counters() == (1, 0)
    await w.assert_sound()


async def test_without_lock_and_check_the_last_place_is_sold_twice(world: MakeWorld):
    w = await world(capacity=1, off=("stock", "check"))
    met = await w.collide(
        buy(w, w.park.order(w.park.ticket())), buy(w, w.park.order(w.park.ticket())), at=WRITES
    )
    assert not met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, Placed)
    assert await w.desk.counters() == (2, 0)
    assert await w.stock_differences() != []


async def test_without_the_lock_the_check_still_stands(world: MakeWorld):
    w = await world(capacity=1, off=("stock",))
    met = await w.collide(
        buy(w, w.park.order(w.park.ticket())), buy(w, w.park.order(w.park.ticket())), at=WRITES
    )
    assert "no_oversell" in str(met.first)
    assert isinstance(met.second, Placed)
    assert await w.desk.counters() == (1, 0)
    await w.assert_sound()


async def set_capacity(world: World, capacity: int) -> object:
    return await world.desk.unit(edit_slot, slot_id=world.park.slots[0], capacity=capacity)


async def close(world: World) -> object:
    return await world.desk.unit(edit_slot, slot_id=world.park.slots[0], status="closed")


async def test_capacity_falls_while_a_place_is_sold(world: MakeWorld):
    w = await world(capacity=3)
    await fill(w, 2)
    met = await w.collide(buy(w, w.park.order(w.park.ticket())), set_capacity(w, 2), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, CapacityBelowSold)
    await w.assert_sound()


async def test_without_lock_and_check_capacity_falls_below_what_is_sold(world: MakeWorld):
    w = await world(capacity=3, off=("stock", "check"))
    await fill(w, 2)
    met = await w.collide(buy(w, w.park.order(w.park.ticket())), set_capacity(w, 2), at=WRITES)
    assert not met.waited
    assert isinstance(met.first, Placed)
    assert not isinstance(met.second, Exception)
    assert await w.stock_differences() != []


async def test_a_place_is_sold_while_capacity_falls(world: MakeWorld):
    w = await world(capacity=3)
    await fill(w, 2)
    met = await w.collide(
        set_capacity(w, 2), buy(w, w.park.order(w.park.ticket())), at="UPDATE stock SET capacity"
    )
    assert met.waited
    assert not isinstance(met.first, Exception)
    assert isinstance(met.second, SoldOut)
    assert await w.desk.counters() == (2, 0)
    await w.assert_sound()


async def test_a_slot_closes_after_the_sale_that_came_first(world: MakeWorld):
    w = await world()
    met = await w.collide(buy(w, w.park.order(w.park.ticket())), close(w), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert not isinstance(met.second, Exception)


async def test_nothing_is_sold_once_closing_has_begun(world: MakeWorld):
    w = await world()
    met = await w.collide(close(w), buy(w, w.park.order(w.park.ticket())), at="UPDATE slot SET")
    assert met.waited
    assert isinstance(met.second, SlotClosed)
    assert await w.desk.counters() == (0, 0)


async def test_without_the_lock_a_closed_slot_is_sold(world: MakeWorld):
    w = await world(off=("stock",))
    met = await w.collide(buy(w, w.park.order(w.park.ticket())), close(w), at=WRITES)
    # Closing was confirmed first, and the order was accepted after it.
    assert not met.waited
    assert not isinstance(met.second, Exception)
    assert isinstance(met.first, Placed)


def same_person_twice(world: World) -> tuple[PlaceOrder, PlaceOrder]:
    """One person, two slots of one day: only the limit is in the way."""
    [who] = fresh_people(1)
    return (
        world.park.order(world.park.ticket(people=[who], slot=SLOT)),
        world.park.order(world.park.ticket(people=[who], slot=OTHER)),
    )


async def test_a_document_that_buys_twice_at_once_gets_one_place(world: MakeWorld):
    w = await world()
    one, two = same_person_twice(w)
    met = await w.collide(buy(w, one), buy(w, two), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, DocumentLimit)
    assert (await w.desk.counters(SLOT), await w.desk.counters(OTHER)) == ((1, 0), (0, 0))


async def test_without_the_advisory_lock_a_document_gets_two_places(world: MakeWorld):
    w = await world(off=("advisory",))
    one, two = same_person_twice(w)
    met = await w.collide(buy(w, one), buy(w, two), at=WRITES)
    assert not met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, Placed)


async def test_one_key_sent_twice_at_once_makes_one_order(world: MakeWorld):
    w = await world()
    request = w.park.order(await unnamed(w), key=b"k" * 16)
    met = await w.collide(buy(w, request), buy(w, request), at=WRITES)
    assert met.waited
    assert isinstance(met.first, Placed)
    assert met.first == met.second
    assert await w.desk.count("orders") == 1
    await w.assert_sound()


async def test_without_the_advisory_lock_one_key_makes_two_orders(world: MakeWorld):
    w = await world(off=("advisory", "key"))
    request = w.park.order(await unnamed(w), key=b"k" * 16)
    met = await w.collide(buy(w, request), buy(w, request), at=WRITES)
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, Placed)
    assert met.first.number != met.second.number
    assert await w.desk.count("orders") == 2


async def unnamed(world: World) -> TicketInput:
    """A ticket without names: no limit on documents stands in for the key."""
    kind = await world.desk.unit(new_type, world=world, draws=[Draw(world.park.gate_pool, 1)])
    return TicketInput(ticket_type_id=kind, slot_id=world.park.slots[0])


async def new_type(session: Session, *, world: World, draws: list[Draw]) -> UUID:
    info = await catalog.create_ticket_type(
        session,
        site_id=world.park.site_id,
        spec=TicketTypeSpec(name=LocalText(zh="票"), documents="none", days_ahead=60),
    )
    await catalog.set_prices(session, ticket_type_id=info.id, prices=[PriceSpec(amount_fen=100)])
    await catalog.set_draws(session, ticket_type_id=info.id, draws=draws)
    return info.id


async def move(world: World, placed: Placed) -> object:
    return await world.desk.unit(reschedule, order_id=placed.id, slot_id=world.park.slots[OTHER])


async def family_with_room_elsewhere(world: World) -> Placed:
    """A paid family of three; the other slot has exactly three places left."""
    placed = await world.desk.place(world.park.order(world.park.ticket("family")))
    await world.desk.pay(placed)
    return placed


async def test_a_family_moves_whole_before_another_buys(world: MakeWorld):
    w = await world(capacity=3)
    family = await family_with_room_elsewhere(w)
    met = await w.collide(
        move(w, family), buy(w, w.park.order(w.park.ticket(slot=OTHER))), at=WRITES
    )
    assert met.waited
    assert met.first is None
    assert isinstance(met.second, SoldOut)
    assert (await w.desk.counters(SLOT), await w.desk.counters(OTHER)) == ((0, 0), (0, 3))
    await w.assert_sound()


async def test_a_family_stays_whole_when_one_place_is_gone(world: MakeWorld):
    w = await world(capacity=3)
    family = await family_with_room_elsewhere(w)
    met = await w.collide(
        buy(w, w.park.order(w.park.ticket(slot=OTHER))), move(w, family), at=WRITES
    )
    assert met.waited
    assert isinstance(met.first, Placed)
    assert isinstance(met.second, SoldOut)
    assert (await w.desk.counters(SLOT), await w.desk.counters(OTHER)) == ((0, 3), (1, 0))
    [ticket] = (await w.desk.view(family)).tickets
    assert (ticket.status, ticket.generation) == ("valid", 0)
    await w.assert_sound()


async def test_without_lock_and_check_a_family_moves_into_places_that_are_gone(world: MakeWorld):
    w = await world(capacity=3, off=("stock", "check"))
    family = await family_with_room_elsewhere(w)
    met = await w.collide(
        buy(w, w.park.order(w.park.ticket(slot=OTHER))), move(w, family), at=WRITES
    )
    assert isinstance(met.first, Placed)
    assert met.second is None
    assert await w.desk.counters(OTHER) == (1, 3)


async def bundle(world: World, *, gate_first: bool) -> PlaceOrder:
    """A bundle that names the pools in this order or the other."""
    park = world.park
    draws = [Draw(park.gate_pool, 1), Draw(park.ride_pool, 1)]
    slots = [park.slots[0], park.ride_slots[0]]
    if not gate_first:
        draws.reverse()
        slots.reverse()
    kind = await world.desk.unit(new_type, world=world, draws=draws)
    return park.order(TicketInput(ticket_type_id=kind, slot_id=slots[0], other_slot_ids=[slots[1]]))


def slow(*orders: str) -> Rewrite:
    """Locks slots one by one with a pause before each; their orders take turns."""
    turn = itertools.cycle(orders)

    def rewrite(sql: str) -> str:
        if not sql.lstrip().startswith("SELECT s.id FROM stock s"):
            return sql
        # The pause depends on the row, so that PostgreSQL makes it for each row it locks.
        pause = "s.id, (SELECT 0 FROM pg_sleep(0.05 + s.held * 0))"
        sql = sql.replace("SELECT s.id", f"SELECT {pause}", 1)
        return sql.replace("ORDER BY s.id", f"ORDER BY {next(turn)}")

    return rewrite


async def buy_once(world: World, request: PlaceOrder) -> Outcome:
    """As `buy`, without the second attempt that a broken deadlock is given."""
    async with world.database.transaction(world.park.tenant_id) as session:
        [outcome] = await place_orders(session, requests=[request], hold_seconds=900)
    return outcome


async def test_bundles_that_name_their_pools_in_opposite_order_never_block_each_other(
    world: MakeWorld,
):
    w = await world(rewrite=slow("s.id"))
    one, two = await bundle(w, gate_first=True), await bundle(w, gate_first=False)
    met = await asyncio.gather(*(buy_once(w, request) for request in (one, two) * 4))
    assert [type(outcome) for outcome in met] == [Placed] * 8
    await w.assert_sound()


async def test_without_one_order_of_locks_bundles_block_each_other(world: MakeWorld):
    w = await world(rewrite=slow("s.id", "s.id DESC"))
    one, two = await bundle(w, gate_first=True), await bundle(w, gate_first=False)
    met = await asyncio.gather(buy_once(w, one), buy_once(w, two), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in met) == ["DeadlockDetected", "Placed"]
