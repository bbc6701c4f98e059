"""The console's orders over HTTP: find, look, change; what each role may do; what is noted."""

import re

import pytest
from sqlalchemy import text

from shanmen.inventory.queries import slots_by_id
from shanmen.orders.pages.console import _who
from shanmen.payments.service import refunds_of
from shanmen.sites.service import staff as people
from tests.orders.conftest import Shop, set_sold
from tests.support.park import PASSWORD_HASH, id_number


async def add(shop: Shop, login: str, role: str) -> None:
    await shop.unit(
        people.create_staff, login=login, name=login, role_code=role,
        password_hash=PASSWORD_HASH, granted_by=None,
    )  # fmt: skip


async def audit(shop: Shop) -> list[tuple[str, str]]:
    async def read(session):
        rows = await session.execute(
            text("SELECT action, reason FROM audit_log WHERE tenant_id = :t "
                 "AND entity = 'order' ORDER BY at"),
            {"t": session.tenant_id},
        )  # fmt: skip
        return [tuple(row) for row in rows]

    return await shop.unit(read)


async def console_of(shop: Shop, address: str) -> str:
    return f"/console/orders/{(await shop.view(address)).id}"


async def test_nobody_comes_in_without_signing_in(shop: Shop) -> None:
    answer = await shop.http.get("/console/orders")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login")


async def test_one_field_finds_an_order(shop: Shop) -> None:
    await shop.sign_in()
    assert "还没有订单" in await shop.get("/console/orders")
    address = await shop.order("adult")
    other = await shop.order("adult")
    number = address.split("/")[4]
    listed = await shop.get("/console/orders")
    assert number in listed
    assert other.split("/")[4] in listed
    assert "138****8000" in listed
    assert "13800138000" not in listed
    for typed in (number, number.lower()):
        found = await shop.http.get("/console/orders", params={"q": typed})
        assert (found.status_code, found.headers["location"]) == (
            303, await console_of(shop, address),
        )  # fmt: skip
    assert number in await shop.get("/console/orders?q=13800138000")
    assert "没有符合条件的订单" in await shop.get("/console/orders?q=nothing")
    assert number in await shop.get(f"/console/orders?status=held&day={shop.park.day}")
    assert "没有符合条件的订单" in await shop.get("/console/orders?status=used")
    await shop.get("/console/orders?day=x", status=422)


async def test_an_order_with_its_history_and_money(shop: Shop) -> None:
    address = await shop.paid("adult")
    await shop.sign_in()
    page = await shop.get(await console_of(shop, address))
    assert "已出票" in page
    assert "ref-" in page
    assert "已收款" in page
    assert not re.search(r"\d{17}[\dX]", page)
    await shop.get("/console/orders/01a20282-e8d8-7049-8f5c-3b828cf06000", status=404)


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        ("orders.follow_admissions", "System: after an entry"),
        ("orders.some_new_job", "System"),
        ("visitor", "Visitor"),
        ("Zhou (zhou)", "Zhou (zhou)"),
    ],
)
def test_the_history_names_who_did_it_in_words(actor: str, said: str) -> None:
    assert _who("en", actor) == said


async def test_personal_data_is_shown_to_those_who_say_why(shop: Shop) -> None:
    address = await shop.submit(
        "adult", changes={"tickets-0-visitors-0-document_number": id_number(2_700_000)}
    )
    place = await console_of(shop, address.headers["location"])
    await shop.sign_in()
    refused = await shop.post(f"{place}/reveal", {"reason": ""}, on=place)
    assert refused.status_code == 422
    assert id_number(2_700_000) not in refused.text
    shown = await shop.post(f"{place}/reveal", {"reason": "lost child"}, on=place)
    assert shown.status_code == 200
    assert id_number(2_700_000) in shown.text
    assert "13800138000" in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert await audit(shop) == [("orders.revealed", "lost child")]
    assert id_number(2_700_000) not in await shop.get(place)


@pytest.mark.parametrize("action", ["reveal", "link", "cancel", "refund", "reschedule"])
async def test_who_only_reads_changes_and_reveals_nothing(shop: Shop, action: str) -> None:
    address = await shop.order("adult")
    await add(shop, "fin", "finance")
    await shop.sign_in("fin")
    place = await console_of(shop, address)
    page = await shop.get(place)
    assert "/reveal" not in page
    found = re.search(r'csrf_token" value="([^"]+)', page)
    answer = await shop.http.post(f"{place}/{action}", data={"csrf_token": found[1], "reason": "x"})
    assert answer.status_code == 403
    assert await audit(shop) == []
    assert (await shop.view(address)).status == "held"


async def test_tickets_are_given_back_by_the_rule_or_in_goodwill(shop: Shop) -> None:
    address = await shop.paid("adult", "adult")
    place = await console_of(shop, address)
    one, other = (str(t.ticket_id) for t in (await shop.view(address)).tickets)
    await add(shop, "sell", "seller")
    await shop.sign_in("sell")
    assert "另定手续费" not in await shop.get(place)
    goodwill = {"tickets[]": one, "reason": "storm", "fee": "other", "fee_percent": "0"}
    refused = await shop.post(f"{place}/refund", goodwill, on=place)
    assert refused.status_code == 403
    nothing = await shop.post(f"{place}/refund", {"reason": "x"}, on=place)
    assert nothing.status_code == 409
    by_rule = await shop.post(f"{place}/refund", {"tickets[]": one, "reason": "ill"}, on=place)
    assert by_rule.status_code == 303
    assert (await audit(shop)) == [("orders.refunded", "ill")]
    # The first refund is on its way until the till confirms; staff see why a second must wait.
    async with shop.database.transaction(shop.park.tenant_id) as session:
        [refund] = await refunds_of(session, order_id=(await shop.view(address)).id)
    await shop.notify("refund_succeeded", shop.till.last(), refund.amount_fen, refund.id.hex)
    await shop.sign_in()
    done = await shop.post(f"{place}/refund", {**goodwill, "tickets[]": other}, on=place)
    assert done.status_code == 303
    assert (await audit(shop))[-1] == ("orders.refunded_in_goodwill", "storm")
    assert (await shop.view(address)).refunded_fen == refund.amount_fen + 12000


async def test_staff_move_a_visit(shop: Shop) -> None:
    address = await shop.paid("adult")
    place = await console_of(shop, address)
    await shop.sign_in()
    page = await shop.get(f"{place}/reschedule")
    assert "现在的时段" in page
    wrong = await shop.post(f"{place}/reschedule", {"reason": "x"}, on=f"{place}/reschedule")
    assert wrong.status_code == 422
    moved = await shop.post(
        f"{place}/reschedule",
        {"slot": str(shop.park.slots[1]), "reason": "late train"},
        on=f"{place}/reschedule",
    )
    assert moved.status_code == 303
    assert (await audit(shop)) == [("orders.rescheduled", "late train")]
    await shop.get(f"{place}/reschedule", status=409)


async def test_staff_choose_the_second_time_of_a_bundle(shop: Shop) -> None:
    address = await shop.paid("bundle")
    here = f"{await console_of(shop, address)}/reschedule"
    await shop.sign_in()
    page = await shop.get(here)
    # As on the visitor's own page: what would go along, and what else there is.
    assert "另含 索道 10:00–12:00" in page
    options = re.search(r'<select id="other-p0" name="other-p0">(.*?)</select>', page, re.DOTALL)
    assert options
    assert re.findall(r'value="([^"]+)"', options[1]) == [str(s) for s in shop.park.ride_slots]
    chosen = {
        **shop.hidden(page), "slot": str(shop.park.slots[1]), "reason": "asked",
        "other-p0": str(shop.park.ride_slots[2]),
    }  # fmt: skip
    # What was chosen is still chosen when the form comes back.
    again = await shop.post(here, {**chosen, "reason": ""}, on=here)
    assert again.status_code == 422
    assert f'value="{shop.park.ride_slots[2]}" selected' in again.text
    assert (await shop.post(here, chosen, on=here)).status_code == 303
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert [rides[slot].sold for slot in shop.park.ride_slots] == [0, 0, 1]
    assert "另含 索道 12:00–14:00" in await shop.get(here.removesuffix("/reschedule"))


async def test_staff_give_a_bundle_no_other_time_than_was_shown(shop: Shop) -> None:
    address = await shop.paid("bundle")
    here = f"{await console_of(shop, address)}/reschedule"
    await shop.sign_in()
    page = await shop.get(here)
    await set_sold(shop, 1, 20, ride=True)
    chosen = {**shop.hidden(page), "slot": str(shop.park.slots[1]), "reason": "asked"}
    assert (await shop.post(here, chosen, on=here)).status_code == 409
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert [rides[slot].sold for slot in shop.park.ride_slots] == [1, 20, 0]


async def test_staff_cancel_and_show_the_link(shop: Shop) -> None:
    address = await shop.order("adult")
    place = await console_of(shop, address)
    await shop.sign_in()
    shown = await shop.post(f"{place}/link", {}, on=place)
    assert f"http://park.example{address}" in shown.text
    assert 'class="qr"' in shown.text
    done = await shop.post(f"{place}/cancel", {"reason": "asked to"}, on=place)
    assert done.status_code == 303
    again = await shop.post(f"{place}/cancel", {"reason": "asked to"}, on=place)
    assert again.status_code == 409
    assert [action for action, _ in await audit(shop)] == [
        "orders.link_shown", "orders.cancelled",
    ]  # fmt: skip
