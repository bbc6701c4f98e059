"""A bundle's further places are sold for a time: where it is kept, and what becomes of it."""

from datetime import datetime, time
from uuid import UUID

from msgspec import structs

from shanmen.catalog.queries import ticket_type
from shanmen.catalog.schemas import LocalText, Product
from shanmen.catalog.service import edit_ticket_type
from shanmen.db.session import Database, Session
from shanmen.inventory.schemas import PoolSpec
from shanmen.inventory.service.pools import edit_pool
from shanmen.kit import clock
from shanmen.orders.schemas import Placed, TicketInput
from shanmen.orders.service.refund import refund_tickets
from shanmen.orders.service.reschedule import reschedule
from shanmen.sites.service import places
from shanmen.tickets.models import Ticket
from tests.orders.conftest import Shop
from tests.support.desk import Desk
from tests.support.park import ZONE, Park

CABLEWAY = 1


async def name_zones(database: Database, park: Park, *, gate: bool = False) -> UUID:
    """Say that the ride's places are in the cableway's zone, and let the bundle open it.

    With `gate` the main pool's places are in that zone too.
    """
    unit = database.unit(park.tenant_id)
    zone = await unit(places.create_zone, site_slug=park.slug, name={"zh-CN": "索道"})
    pools = {park.ride_pool: "索道"} | ({park.gate_pool: "大门"} if gate else {})
    for pool_id, name in pools.items():
        spec = PoolSpec(name=LocalText(zh=name), zone_id=zone.id)
        await unit(edit_pool, pool_id=pool_id, spec=spec)

    async def open_both(session: Session) -> None:
        info = await ticket_type(session, ticket_type_id=park.types["bundle"])
        spec = structs.replace(Product.of(info).spec(), zones=[0, CABLEWAY])
        await edit_ticket_type(session, ticket_type_id=info.id, spec=spec)

    await unit(open_both)
    return zone.id


def at(park: Park, hour: int) -> datetime:
    return clock.to_utc(park.day, time(hour), ZONE)


async def windows(desk: Desk, placed: Placed) -> list[list[tuple[int, datetime, datetime]]]:
    """Of each ticket of the order, as its row keeps them."""
    found = []
    for line in (await desk.view(placed)).tickets:

        async def read(session: Session, *, ticket_id: UUID) -> Ticket:
            return await session.get_one(Ticket, (session.tenant_id, ticket_id))

        row = await desk.unit(read, ticket_id=line.ticket_id)
        found.append(
            [
                (zone, datetime.fromisoformat(starts), datetime.fromisoformat(ends))
                for zone, starts, ends in row.windows or []
            ]
        )
    return found


def bundle(park: Park, *, ride: int) -> TicketInput:
    return structs.replace(park.ticket("bundle"), other_slot_ids=[park.ride_slots[ride]])


async def test_the_ticket_opens_the_cableway_in_its_slot(database: Database, park: Park):
    await name_zones(database, park)
    desk = Desk(database, park)
    placed = await desk.place(
        park.order(park.ticket(), bundle(park, ride=2), park.ticket("bundle"))
    )
    assert await desk.pay(placed) == "issued"
    assert await windows(desk, placed) == [
        [],
        [(CABLEWAY, at(park, 12), at(park, 14))],
        [(CABLEWAY, at(park, 8), at(park, 10))],
    ]


async def test_a_pool_of_no_zone_opens_it_with_the_visit(database: Database, park: Park):
    desk = Desk(database, park)
    placed = await desk.place(park.order(bundle(park, ride=2)))
    assert await desk.pay(placed) == "issued"
    assert await windows(desk, placed) == [[]]
    # What was sold keeps what its buyer was told; it gets the new rule when it is moved.
    await name_zones(database, park)
    assert await windows(desk, placed) == [[]]
    await desk.unit(reschedule, order_id=placed.id, slot_id=park.slots[1])
    # It opens the zones that it was sold for, and the cableway was none of them.
    assert await windows(desk, placed) == [[]]


async def test_the_visits_own_zone_has_one_time(database: Database, park: Park):
    await name_zones(database, park, gate=True)
    desk = Desk(database, park)
    placed = await desk.place(park.order(bundle(park, ride=2)))
    assert await desk.pay(placed) == "issued"
    assert await windows(desk, placed) == [[]]


async def test_moving_moves_the_ride(database: Database, park: Park):
    await name_zones(database, park)
    desk = Desk(database, park)
    placed = await desk.place(park.order(bundle(park, ride=0)))
    await desk.pay(placed)
    # The second time alone, then both.
    await desk.unit(
        reschedule, order_id=placed.id, slot_id=park.slots[0], other_slot_ids=[park.ride_slots[2]]
    )
    assert await windows(desk, placed) == [[(CABLEWAY, at(park, 12), at(park, 14))]]
    [line] = (await desk.view(placed)).tickets
    assert (line.valid_from, line.generation) == (at(park, 8), 1)
    other = await desk.place(park.order(bundle(park, ride=0)))
    await desk.pay(other)
    await desk.unit(reschedule, order_id=other.id, slot_id=park.slots[1])
    assert await windows(desk, other) == [[(CABLEWAY, at(park, 10), at(park, 12))]]


async def test_giving_one_back_leaves_the_other_as_it_was(database: Database, park: Park):
    await name_zones(database, park)
    desk = Desk(database, park)
    placed = await desk.place(park.order(bundle(park, ride=1), bundle(park, ride=2)))
    await desk.pay(placed)
    first, second = (await desk.view(placed)).tickets
    await desk.unit(refund_tickets, order_id=placed.id, ticket_ids=[first.ticket_id])
    assert (await windows(desk, placed))[1] == [(CABLEWAY, at(park, 12), at(park, 14))]
    assert [t.status for t in (await desk.view(placed)).tickets] == ["refunded", "valid"]
    assert second.status == "valid"


async def test_the_page_keeps_the_code_until_the_ride(shop: Shop):
    await name_zones(shop.database, shop.park)
    address = await shop.paid("bundle")
    on = f"{address}/reschedule"
    page = await shop.get(on)
    chosen = {"slot": str(shop.park.slots[1]), "other-p0": str(shop.park.ride_slots[2])}
    assert (await shop.post(on, {**shop.hidden(page), **chosen}, on=on)).status_code == 303
    with clock.at(at(shop.park, 13)):
        page = await shop.get(address)
        assert "索道 12:00–14:00" in page
        assert "eticket-code" in page
    with clock.at(at(shop.park, 14)):
        assert "eticket-code" not in await shop.get(address)


async def test_the_api_says_when_the_cableway_opens(shop: Shop):
    await name_zones(shop.database, shop.park)
    wish = {**shop.ticket("bundle"), "other_slot_ids": [str(shop.park.ride_slots[1])]}
    body = {"phone": "13800138000", "tickets": [wish, shop.ticket("adult")]}
    order = await shop.api("POST", f"/sites/{shop.park.slug}/orders", body, key="k", status=201)
    path = f"/orders/{order['number']}"
    await shop.api("POST", f"{path}/confirm", {"reference": "r"})
    ride, plain = (await shop.api("GET", f"{path}/tickets"))["tickets"]
    [window] = ride["windows"]
    assert window["zone_number"] == CABLEWAY
    assert datetime.fromisoformat(window["starts_at"]) == at(shop.park, 10)
    assert datetime.fromisoformat(window["ends_at"]) == at(shop.park, 12)
    assert plain["windows"] == []
