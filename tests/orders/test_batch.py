"""Every way to be refused, in one batch: each request has an outcome of its own."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import LimitsSpec, NoShowSpec, PriceSpec
from shanmen.db.session import Database
from shanmen.inventory.errors import SlotClosed, SlotNotFound, SoldOut
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import ids
from shanmen.kit.coalesce import Figures
from shanmen.kit.documents import DocumentInvalid
from shanmen.kit.errors import BadInput, DomainError, IdempotencyMismatch
from shanmen.kit.phones import PhoneInvalid
from shanmen.orders import errors
from shanmen.orders.desk import OrderDesk
from shanmen.orders.schemas import Placed, PlaceOrder
from shanmen.orders.service.place import place_orders
from tests.support.desk import Desk
from tests.support.park import Park, fresh_people, make_park
from tests.support.rules import restrict, set_limits, slot_on

CLOSED, SMALL = 1, 2
MISSED: int = fresh_people(1)[0]


@pytest.fixture
async def desk(database: Database) -> Desk:
    """Closed is the second slot, and the third has two places left for a family of three."""
    park = await make_park(database, code=f"b{ids.new_id().hex[-10:]}", capacity=20)
    made = Desk(database, park)
    rule = LimitsSpec(per_phone_day=2, group="entry", no_shows=NoShowSpec(enabled=True))
    await set_limits(made.unit, park.types["adult"], rule)
    await made.unit(edit_slot, slot_id=park.slots[CLOSED], status="closed")
    await made.unit(edit_slot, slot_id=park.slots[SMALL], capacity=2)
    await made.unit(restrict, who=MISSED)
    return made


async def all_kinds(desk: Desk) -> list[tuple[PlaceOrder, type, str | None]]:
    """Requests with the outcomes and the fields that they must name, good ones in between."""
    park = desk.park
    [who, caller] = fresh_people(2)
    far = await slot_on(desk.unit, park, park.day + timedelta(days=90))
    good = park.ticket(people=[who])
    bad_document = structs.replace(
        park.ticket(),
        visitors=[structs.replace(park.ticket().visitors[0], document_number="11010519491231002Y")],
    )
    bad_name = structs.replace(
        park.ticket(), visitors=[structs.replace(park.ticket().visitors[0], name="\u200b")]
    )
    keyed = park.order(park.ticket(), phone="13800000001", key=b"b" * 16)
    document = "tickets.0.visitors.0.document_number"

    def order(*tickets: Any, phone: int = 0) -> PlaceOrder:
        return park.order(*tickets, phone=f"138{phone or next(phones):08}")

    phones = iter(range(10_000, 20_000))
    calls = 13_579
    return [
        (order(good), Placed, None),
        (order(park.ticket("family", slot=SMALL)), SoldOut, None),
        (order(park.ticket("adult", slot=SMALL)), Placed, None),
        (order(park.ticket(people=[who])), errors.DocumentLimit, document),
        (order(park.ticket(people=[caller]), park.ticket(people=[caller])),
         errors.DuplicateDocument, "tickets.1.visitors.0.document_number"),
        (order(park.ticket(slot=CLOSED)), SlotClosed, None),
        (order(park.ticket(), park.ticket(), phone=calls), Placed, None),
        (order(park.ticket(), phone=calls), errors.PhoneLimit, "phone"),
        (order(park.ticket(people=[MISSED])), errors.Restricted, document),
        (order(bad_document), DocumentInvalid, document),
        (order(bad_name), errors.NameInvalid, "tickets.0.visitors.0.name"),
        (park.order(park.ticket(), phone="1"), PhoneInvalid, "phone"),
        (order(park.ticket("child")), errors.WrongAge, document),
        (order(park.ticket("family", people=[caller])), errors.WrongNumberOfVisitors,
         "tickets.0.visitors"),
        (order(*(park.ticket("free") for _ in range(11))), errors.WrongNumberOfTickets,
         "tickets.0.ticket_type_id"),
        (order(structs.replace(park.ticket(), ticket_type_id=ids.new_id())), errors.NotOnSale,
         "tickets.0.ticket_type_id"),
        (order(structs.replace(park.ticket(), slot_id=ids.new_id())), SlotNotFound,
         "tickets.0.slot_id"),
        (order(structs.replace(park.ticket(), slot_id=far)), errors.TooEarly,
         "tickets.0.slot_id"),
        (keyed, Placed, None),
        (structs.replace(keyed, request_hash=b"other"), IdempotencyMismatch, "Idempotency-Key"),
        (order(park.ticket()), Placed, None),
    ]  # fmt: skip


async def test_each_request_of_a_batch_has_its_own_outcome(desk: Desk):
    cases = await all_kinds(desk)
    outcomes = await desk.unit(place_orders, requests=[case[0] for case in cases], hold_seconds=900)
    for (_, wanted, field), outcome in zip(cases, outcomes, strict=True):
        assert isinstance(outcome, wanted), outcome
        if field is not None:
            assert isinstance(outcome, DomainError)
            assert outcome.field == field
    sold_out = outcomes[1]
    assert isinstance(sold_out, SoldOut)
    assert sold_out.params["left"] == 2
    placed = [outcome for outcome in outcomes if isinstance(outcome, Placed)]
    assert await desk.count("orders") == len(placed) == 5
    assert await desk.count("holder") == sum(order.persons for order in placed) == 6
    assert await desk.counters() == (5, 0)
    assert await desk.counters(SMALL) == (1, 0)


async def test_what_is_refused_counts_for_nobody_behind_it(desk: Desk):
    park = desk.park
    [who, other] = fresh_people(2)
    full = park.ticket(slot=CLOSED, people=[who])
    twice = [park.ticket(people=[other]), park.ticket(people=[other])]
    requests = [
        park.order(full, phone="13800000002"),
        park.order(*twice, phone="13800000002"),
        park.order(park.ticket(people=[who]), phone="13800000002"),
        park.order(park.ticket(people=[other]), phone="13800000002"),
    ]
    outcomes = await desk.unit(place_orders, requests=requests, hold_seconds=900)
    assert [type(outcome) for outcome in outcomes] == [
        SlotClosed,
        errors.DuplicateDocument,
        Placed,
        Placed,
    ]


@pytest.mark.parametrize("unstorable", ["zh\x00", "\ud800"])
async def test_what_the_database_refuses_is_found_by_halving(
    database: Database, park: Park, unstorable: str
):
    desk = OrderDesk(database, hold=timedelta(minutes=15), max_batch=64, max_queue=64)
    orders = [park.order(park.ticket(slot=n % 3), phone=f"138{n:08}") for n in range(12)]
    bad = structs.replace(orders[7].order, locale=unstorable)
    orders[7] = structs.replace(orders[7], order=bad)
    try:
        made = await _all_at_once(desk, park, orders)
        figures: Figures = desk.placing.figures()
    finally:
        await desk.close()
    assert [type(outcome) for outcome in made if isinstance(outcome, Exception)] == [type(made[7])]
    assert isinstance(made[7], (BadInput, UnicodeEncodeError))
    assert figures.bisections >= 1
    assert await Desk(database, park).count("orders") == 11


async def _all_at_once(desk: OrderDesk, park: Park, orders: list[PlaceOrder]) -> list[Any]:
    return await asyncio.gather(
        *(desk.place(park.tenant_id, order) for order in orders), return_exceptions=True
    )


async def test_a_catalog_that_changed_meanwhile_counts(database: Database, park: Park):
    """A process prepares with the catalog that it read last; what is sold is sold by the latest."""
    desk = OrderDesk(database, hold=timedelta(minutes=15), max_batch=64, max_queue=64)
    unit = database.unit(park.tenant_id)
    adult = park.types["adult"]
    try:
        first = await desk.place(park.tenant_id, park.order(park.ticket()))
        await unit(catalog.set_prices, ticket_type_id=adult, prices=[PriceSpec(amount_fen=12_300)])
        dearer = await desk.place(park.tenant_id, park.order(park.ticket()))
        assert (first.amount_fen != dearer.amount_fen, dearer.amount_fen) == (True, 12_300)

        await unit(catalog.set_on_sale, ticket_type_id=adult, on_sale=False)
        with pytest.raises(errors.NotOnSale):
            await desk.place(park.tenant_id, park.order(park.ticket()))
        # The refusal as well is one of the latest catalog, though nothing of the order is locked.
        await unit(catalog.set_on_sale, ticket_type_id=adult, on_sale=True)
        await desk.place(park.tenant_id, park.order(park.ticket()))
    finally:
        await desk.close()
    assert await Desk(database, park).count("orders") == 3
