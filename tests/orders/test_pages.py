"""The visitor's pages over HTTP, without scripts: from the calendar to the e-ticket and back."""

import re
from datetime import timedelta

import pytest

from shanmen.inventory.queries import slots_by_id
from tests.orders.conftest import Shop, left, set_sold
from tests.support.park import id_number

# --- Choosing ------------------------------------------------------------------------------------


async def test_home_shows_what_is_on_sale_and_when(shop: Shop) -> None:
    page = await shop.get(f"{shop.base}?month={shop.park.day:%Y-%m}")
    assert "测试山" in page
    assert f"{shop.base}/visit?day={shop.park.day}" in page
    assert "adult票" in page
    # A free ticket is no price for a calendar.
    assert "¥60" in page
    assert "¥0<" not in page
    assert f"{shop.base}/find" in page


async def test_home_in_english(shop: Shop) -> None:
    page = await shop.get(f"{shop.base}?lang=en")
    assert "Choose a day" in page
    assert "Test hill" in page


async def test_amounts_of_one_page_are_written_alike(shop: Shop) -> None:
    number = await shop.number_of("adult")
    address = f"{shop.base}/visitors?day={shop.park.day}&slot-s0={shop.park.slots[0]}"
    page = await shop.get(f"{address}&qty-n{number}=2&lang=en")
    assert re.findall(r"[A-Z]*¥[\d.]+", page)[:3] == ["CN¥120.00", "CN¥240.00", "CN¥240.00"]


async def test_rules_in_chinese_have_no_gaps(shop: Shop) -> None:
    page = await shop.get(f"{shop.base}/visit?day={shop.park.day}")
    assert "入园时段开始24小时前可免费退票" in page


async def test_an_unknown_site_is_not_found(shop: Shop) -> None:
    await shop.get("/s/nowhere", status=404)
    await shop.get("/s/nowhere/visit", status=404)


@pytest.mark.parametrize("month", ["2020-01", "9999-12", "x", "2026-13"])
async def test_a_month_that_cannot_be_shown_is_the_present_one(shop: Shop, month: str) -> None:
    page = await shop.get(f"{shop.base}?month={month}")
    assert "在售门票" in page


async def test_a_day_tells_open_nearly_full_sold_out_and_closed_slots_apart(shop: Shop) -> None:
    await set_sold(shop, 0, 100)
    await set_sold(shop, 1, 90)
    page = await shop.get(f"{shop.base}/visit?day={shop.park.day}")
    states = re.findall(r'class="slot slot-(\w+)">.*?slot-state">([^<]+)<', page)
    assert states == [("soldout", "已售完"), ("few", "仅余 10"), ("available", "余 100")]
    disabled = re.search(rf'value="{shop.park.slots[0]}"[^>]* disabled', page)
    assert disabled


@pytest.mark.parametrize(("days", "said"), [(-3, "已经过去"), (40, "不开放"), (200, "还没有开售")])
async def test_a_day_without_slots_says_why(shop: Shop, days: int, said: str) -> None:
    day = shop.park.day + timedelta(days=days)
    page = await shop.get(f"{shop.base}/visit?day={day}")
    assert said in page


async def test_all_sold_out_is_said(shop: Shop) -> None:
    for slot in range(3):
        await set_sold(shop, slot, 100)
    page = await shop.get(f"{shop.base}/visit?day={shop.park.day}")
    assert "这一天的门票已售完" in page
    assert "下一步" not in page


async def test_nothing_chosen(shop: Shop) -> None:
    address = f"{shop.base}/visitors?day={shop.park.day}&slot-s0={shop.park.slots[0]}"
    assert "还没有选择门票" in await shop.get(address, status=422)


async def test_no_slot_chosen(shop: Shop) -> None:
    number = await shop.number_of("adult")
    address = f"{shop.base}/visitors?day={shop.park.day}&qty-n{number}=1"
    assert "还没有选择时段" in await shop.get(address, status=422)


async def test_more_than_are_left(shop: Shop) -> None:
    await set_sold(shop, 0, 98)
    address = await shop.query("adult", "adult", "adult")
    page = await shop.get(address, status=409)
    # What was chosen is still chosen.
    assert re.search(r'name="qty-n\d+"[^>]*value="3"', page)


async def test_too_many_of_a_type_and_junk_in_the_address(shop: Shop) -> None:
    number = await shop.number_of("adult")
    base = f"{shop.base}/visitors?day={shop.park.day}&slot-s0={shop.park.slots[0]}"
    await shop.get(f"{base}&qty-n{number}=11", status=422)
    await shop.get(f"{base}&qty-n{number}=99999999999", status=422)
    await shop.get(f"{base}&qty-n999=1", status=409)
    await shop.get(f"{base}&qty-n{number}=-1", status=422)
    await shop.get(f"{base}&qty=1&slot=x&other-n1=5", status=422)
    await shop.get(f"{shop.base}/visitors?day=9999-12-31&qty-n{number}=1", status=422)
    await shop.get(f"{shop.base}/visit?day=0001-01-01")
    await shop.get(f"{shop.base}/visit?day=9999-12-31")


# --- Visitors ------------------------------------------------------------------------------------


async def test_price_and_rules_are_said_before_the_order(shop: Shop) -> None:
    page = await shop.get(await shop.query("adult", "family"))
    assert "¥380.00" in page
    assert "可免费退票" in page or "收取票价 10% 的手续费" in page
    assert page.count('-document_number"') >= 4
    assert "tickets-1-visitors-2-name" in page


async def test_an_order_is_placed_once_however_often_the_form_is_sent(shop: Shop) -> None:
    address = await shop.query("adult")
    page = await shop.get(address)
    data = {**shop.hidden(page), **shop.people(1), "phone": "13800138000"}
    first = await shop.post(f"{shop.base}/visitors", data, on=address)
    again = await shop.post(f"{shop.base}/visitors", data, on=address)
    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    assert await left(shop) == 99


async def test_the_last_place_ordered_twice_by_one_form_is_one_order(shop: Shop) -> None:
    await set_sold(shop, 0, 99)
    address = await shop.query("adult")
    page = await shop.get(address)
    data = {**shop.hidden(page), **shop.people(1), "phone": "13800138000"}
    first = await shop.post(f"{shop.base}/visitors", data, on=address)
    again = await shop.http.post(
        f"{shop.base}/visitors",
        data={**data, "csrf_token": re.search(r'csrf_token" value="([^"]+)', page)[1]},
    )
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["location"] == again.headers["location"]


async def test_a_changed_form_with_its_old_key_is_asked_about(shop: Shop) -> None:
    address = await shop.query("adult")
    data = {**shop.hidden(await shop.get(address)), **shop.people(1), "phone": "13800138000"}
    await shop.post(f"{shop.base}/visitors", data, on=address)
    changed = await shop.post(f"{shop.base}/visitors", {**data, **shop.people(1)}, on=address)
    assert changed.status_code == 409
    assert "已经提交过一次" in changed.text
    fresh = shop.hidden(changed.text)["idempotency_key"]
    assert fresh != data["idempotency_key"]
    assert await left(shop) == 99


async def test_every_fault_is_named_beside_its_field_and_values_stay(shop: Shop) -> None:
    answer = await shop.submit(
        "adult",
        "adult",
        changes={
            "tickets-0-visitors-0-name": "",
            "tickets-0-visitors-0-document_number": "11010519491231002Y",
            "tickets-1-visitors-0-document_number": "110105194912310021",
            "phone": "123",
        },
    )
    assert answer.status_code == 422
    for field in (
        "tickets-0-visitors-0-name",
        "tickets-0-visitors-0-document_number",
        "tickets-1-visitors-0-document_number",
        "phone",
    ):
        assert f'id="f-{field}-error"' in answer.text, field
    assert "校验位不符" in answer.text
    assert 'value="110105194912310021"' in answer.text
    assert 'value="123"' in answer.text
    assert await left(shop) == 100


@pytest.mark.parametrize(
    ("kind", "number", "good"),
    [
        ("passport", "E12345678", True),
        ("passport", "x", False),
        ("hk_macao_permit", "H12345678", True),
        ("hk_macao_permit", "A12345678", False),
        ("taiwan_permit", "12345678", True),
        ("taiwan_permit", "1234567", False),
        ("foreign_permanent_resident", "USA110080010101", True),
        ("foreign_permanent_resident", "USA11008001010", False),
    ],
)
async def test_every_kind_of_document(shop: Shop, kind: str, number: str, good: bool) -> None:
    answer = await shop.submit(
        "adult",
        changes={
            "tickets-0-visitors-0-document_kind": kind,
            "tickets-0-visitors-0-document_number": number,
        },
    )
    assert answer.status_code == (303 if good else 422), answer.text[:1000]


async def test_a_childs_ticket_asks_for_a_child(shop: Shop) -> None:
    answer = await shop.submit("child")
    assert answer.status_code == 422
    assert "年龄" in answer.text


async def test_one_document_twice_is_refused_at_its_field(shop: Shop) -> None:
    same = id_number(3_000_000)
    answer = await shop.submit(
        "adult",
        "adult",
        changes={
            "tickets-0-visitors-0-document_number": same,
            "tickets-1-visitors-0-document_number": same,
        },
    )
    assert answer.status_code == 409
    assert 'id="f-tickets-1-visitors-0-document_number-error"' in answer.text


async def test_sold_out_meanwhile_offers_the_other_slots_and_keeps_the_names(shop: Shop) -> None:
    address = await shop.query("adult", "adult")
    page = await shop.get(address)
    data = {**shop.hidden(page), **shop.people(1, 1), "phone": "13800138000"}
    await set_sold(shop, 0, 99)
    refused = await shop.post(f"{shop.base}/visitors", data, on=f"{shop.base}/find")
    assert refused.status_code == 409
    assert data["tickets-0-visitors-0-name"] in refused.text
    assert f'value="{shop.park.slots[1]}"' in refused.text
    again = {**data, **shop.hidden(refused.text), "slot-s0": str(shop.park.slots[1])}
    placed = await shop.post(f"{shop.base}/visitors", again, on=f"{shop.base}/find")
    assert placed.status_code == 303
    assert (await left(shop, 0), await left(shop, 1)) == (1, 98)


async def test_a_bundle_takes_the_other_slot_that_was_chosen(shop: Shop) -> None:
    number = await shop.number_of("bundle")
    address = f"{await shop.query('bundle')}&other-n{number}-p0={shop.park.ride_slots[2]}"
    page = await shop.get(address)
    assert "索道 12:00–14:00" in page
    data = {**shop.hidden(page), **shop.people(1), "phone": "13800138000"}
    placed = await shop.post(f"{shop.base}/visitors", data, on=address)
    assert placed.status_code == 303
    rides = await shop.unit(slots_by_id, ids=shop.park.ride_slots)
    assert rides[shop.park.ride_slots[2]].held == 1
    assert "索道 12:00–14:00" in await shop.get(placed.headers["location"])


async def test_the_summary_says_when_a_bundles_other_visit_will_be(shop: Shop) -> None:
    page = await shop.get(await shop.query("bundle", slot=1))
    assert "索道 10:00–12:00" in page
