"""Placing orders: outcomes, stock, limits, idempotency."""

from msgspec import structs

from shanmen.db.session import Database
from shanmen.inventory.errors import SlotNotFound, SoldOut
from shanmen.inventory.queries import slots_by_id
from shanmen.kit.errors import DomainError, IdempotencyMismatch
from shanmen.orders.errors import DocumentLimit, WrongNumberOfVisitors
from shanmen.orders.queries import order_by_id
from shanmen.orders.schemas import Placed, PlaceOrder
from shanmen.orders.service.place import Outcome, place_orders
from tests.support.park import Park, fresh_people, make_park


async def place(database: Database, park: Park, *requests: PlaceOrder) -> list[Outcome]:
    return await database.unit(park.tenant_id)(place_orders, requests=requests, hold_seconds=900)


async def left(database: Database, park: Park, slot: int = 0) -> int:
    states = await database.unit(park.tenant_id)(slots_by_id, ids=park.slots)
    return states[park.slots[slot]].left


async def test_an_order_holds_its_places(database: Database, park: Park) -> None:
    [placed] = await place(database, park, park.order(park.ticket("adult"), park.ticket("family")))
    assert isinstance(placed, Placed)
    assert placed.amount_fen == 12000 + 26000
    assert placed.persons == 4
    assert await left(database, park) == 96
    view = await database.unit(park.tenant_id)(order_by_id, order_id=placed.id)
    assert view.status == "held"
    assert [len(t.visitors) for t in view.tickets] == [1, 3]
    assert "测试" not in str(view)


async def test_one_bad_request_leaves_its_neighbours_alone(database: Database, park: Park) -> None:
    bad = park.ticket("family", people=fresh_people(2))
    outcomes = await place(
        database, park, park.order(park.ticket()), park.order(bad), park.order(park.ticket())
    )
    assert isinstance(outcomes[0], Placed)
    assert isinstance(outcomes[1], WrongNumberOfVisitors)
    assert outcomes[1].field == "tickets.0.visitors"
    assert isinstance(outcomes[2], Placed)
    assert await left(database, park) == 98


async def test_the_last_places_go_to_the_first(database: Database) -> None:
    park = await make_park(database, code="last-places", capacity=4)
    outcomes = await place(
        database,
        park,
        park.order(park.ticket("family")),
        park.order(park.ticket("family")),
        park.order(park.ticket("adult")),
        park.order(park.ticket("adult")),
    )
    assert [type(o) for o in outcomes] == [Placed, SoldOut, Placed, SoldOut]
    assert isinstance(outcomes[1], DomainError)
    assert outcomes[1].params["left"] == 1
    assert await left(database, park) == 0


async def test_a_document_has_one_place_a_day(database: Database, park: Park) -> None:
    [who] = fresh_people(1)
    first, again, twice = (
        park.order(park.ticket(people=[who])),
        park.order(park.ticket(people=[who], slot=1)),
        park.order(park.ticket(people=[who])),
    )
    outcomes = await place(database, park, first, again)
    assert isinstance(outcomes[0], Placed)
    assert isinstance(outcomes[1], DocumentLimit)
    [later] = await place(database, park, twice)
    assert isinstance(later, DocumentLimit)
    assert later.field == "tickets.0.visitors.0.document_number"


async def test_the_same_key_gets_the_same_answer(database: Database, park: Park) -> None:
    request = park.order(park.ticket(), key=b"k" * 16)
    other = park.order(park.ticket("family"), key=b"k" * 16)
    other = PlaceOrder(
        other.site_id, other.timezone, other.channel, other.order, other.key_hash, b"another body"
    )
    first, repeated, changed = await place(database, park, request, request, other)
    [later] = await place(database, park, request)
    assert isinstance(first, Placed)
    assert first == repeated == later
    assert isinstance(changed, IdempotencyMismatch)
    assert await left(database, park) == 99


async def test_a_bundle_takes_all_pools_or_none(database: Database) -> None:
    park = await make_park(database, code="bundles", capacity=10, ride_capacity=1)
    first, second = await place(
        database, park, park.order(park.ticket("bundle")), park.order(park.ticket("bundle"))
    )
    assert isinstance(first, Placed)
    assert isinstance(second, SoldOut)
    assert await left(database, park) == 9


async def test_a_bundles_other_slot_is_of_the_same_visit(database: Database, park: Park) -> None:
    wish = structs.replace(park.ticket("bundle", slot=2), other_slot_ids=[park.ride_slots[0]])
    [refused] = await place(database, park, park.order(wish))
    assert isinstance(refused, SlotNotFound)
    assert refused.field == "tickets.0.other_slot_ids"
    wish = structs.replace(park.ticket("bundle"), other_slot_ids=[park.ride_slots[2]])
    [placed] = await place(database, park, park.order(wish))
    assert isinstance(placed, Placed)
