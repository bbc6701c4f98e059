"""The visitor moves tickets to another slot."""

import re

from shanmen.inventory.queries import slots_by_id
from tests.orders.conftest import Shop, set_sold


async def test_tickets_are_moved_to_a_slot_with_room(shop: Shop) -> None:
    address = await shop.paid("adult", "family", sizes=(1, 3))
    await set_sold(shop, 1, 98)
    page = await shop.get(f"{address}/reschedule")
    assert "现在的时段" in page
    assert "名额不够" in page
    data = {**shop.hidden(page), "slot": str(shop.park.slots[1])}
    tickets = re.findall(r'type="hidden" name="tickets\[\]" value="([^"]+)"', page)
    full = await shop.post(
        f"{address}/reschedule", {**data, "tickets[]": tickets}, on=f"{address}/reschedule"
    )
    assert full.status_code == 409
    moved = await shop.post(
        f"{address}/reschedule",
        {**data, "tickets[]": tickets, "slot": str(shop.park.slots[2])},
        on=f"{address}/reschedule",
    )
    assert moved.status_code == 303
    view = await shop.view(address)
    assert {t.generation for t in view.tickets} == {1}
    # The rule allows one move.
    assert "已改签，不能再改" in await shop.get(address)
    await shop.get(f"{address}/reschedule", status=409)


async def test_moving_a_bundle_says_when_its_other_visit_will_be(shop: Shop) -> None:
    address = await shop.paid("bundle")
    here = f"{address}/reschedule"
    page = await shop.get(here)
    # What is booked now, and what would go with each slot; the cableway has fewer places.
    assert "另含 索道 08:00–10:00" in page
    assert "另含 索道 10:00–12:00" in page
    assert "余 20" in page
    assert "余 100" not in page
    moved = await shop.post(here, {**shop.hidden(page), "slot": str(shop.park.slots[1])}, on=here)
    assert moved.status_code == 303
    assert "索道 10:00–12:00" in await shop.get(address)
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert [rides[slot].sold for slot in shop.park.ride_slots] == [0, 1, 0]


async def test_a_bundles_other_visit_is_chosen_when_it_is_moved(shop: Shop) -> None:
    address = await shop.paid("bundle")
    here = f"{address}/reschedule"
    page = await shop.get(here)
    chosen = {"slot": str(shop.park.slots[1]), "other-p0": str(shop.park.ride_slots[2])}
    moved = await shop.post(here, {**shop.hidden(page), **chosen}, on=here)
    assert moved.status_code == 303
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert [rides[slot].sold for slot in shop.park.ride_slots] == [0, 0, 1]


async def test_a_bundle_gets_no_other_time_than_was_shown_when_it_is_moved(shop: Shop) -> None:
    address = await shop.paid("bundle")
    here = f"{address}/reschedule"
    page = await shop.get(here)
    await set_sold(shop, 1, 20, ride=True)
    full = await shop.post(here, {**shop.hidden(page), "slot": str(shop.park.slots[1])}, on=here)
    assert full.status_code == 409
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert [rides[slot].sold for slot in shop.park.ride_slots] == [1, 20, 0]


async def test_one_of_several_tickets_is_moved(shop: Shop) -> None:
    address = await shop.paid("adult", "adult")
    view = await shop.view(address)
    one = view.tickets[1].ticket_id
    on = f"{address}/reschedule?tickets[]={one}"
    await shop.get(on)
    answer = await shop.post(
        f"{address}/reschedule",
        {"tickets[]": str(one), "slot": str(shop.park.slots[1])},
        on=on,
    )
    assert answer.status_code == 303
    assert [t.generation for t in (await shop.view(address)).tickets] == [0, 1]


async def test_no_slot_to_move_to_was_chosen(shop: Shop) -> None:
    address = await shop.paid("adult")
    answer = await shop.post(f"{address}/reschedule", {}, on=f"{address}/reschedule")
    assert answer.status_code in (200, 422)
    assert "请选择一个时段" in answer.text
