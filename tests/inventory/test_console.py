"""The console's pages of products, stock, slots, schedules and the calendar, without scripts."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from shanmen.catalog.queries import current_catalog, ticket_type
from shanmen.db.session import Database
from shanmen.inventory.queries import pools, schedules
from tests.inventory.conftest import Stand
from tests.support.console import Console, make_app
from tests.support.park import Park

PRODUCT = {
    "name-zh": "老人票",
    "name-en": "Senior",
    "audience": "senior",
    "party_size": "1",
    "documents": "each",
    "min_age": "60",
    "entries": "1",
    "valid_days": "1",
    "zones[]": "0",
    "rotating": "true",
    "second_factor": "false",
    "on_sale": "true",
    "days_ahead": "20",
    "sale_closes_minutes": "30",
    "min_per_order": "1",
    "max_per_order": "5",
    "channels": "web, window",
    "position": "3",
    "refund-0-hours_before": "24",
    "refund-0-fee_percent": "0",
    "refund-1-hours_before": "",
    "refund-1-fee_percent": "",
    "reschedule-times": "1",
    "reschedule-hours_before": "2",
    "limits-per_document_day": "1",
    "limits-per_document_slot": "1",
    "limits-per_phone_day": "0",
    "limits-per_order": "0",
    "do": "save",
}


@pytest.fixture
async def console(database: Database, park: Park) -> AsyncIterator[Console]:
    opened = Console(make_app(database))
    await opened.sign_in(park)
    yield opened
    await opened.http.aclose()


async def test_a_product_is_made_step_by_step(console: Console, stand: Stand):
    new = "/console/products/new"
    made = await console.post(new, PRODUCT)
    assert made.status_code == 303, made.text
    stock = made.headers["location"]
    product = re.fullmatch(r"/console/products/([0-9a-f-]+)/stock", stock)
    assert product
    saved = await console.post(
        stock, {"draws-0-pool_id": str(stand.pool_id), "draws-0-quantity": "1", "draws-0-cap": "9"}
    )
    prices = saved.headers["location"]
    assert prices.endswith("/prices")
    days = {"prices-0-weekdays[]": [str(n) for n in range(7)]}
    saved = await console.post(prices, {"prices-0-amount": "60.50", "do": "save", **days})
    assert saved.status_code == 303, saved.text
    [info] = [
        t for t in (await stand.unit(current_catalog)).types.values() if t.name["zh-CN"] == "老人票"
    ]
    assert (info.min_age, info.rotating, info.second_factor) == (60, True, False)
    assert info.channels == {"web", "window"}
    assert [s.hours_before for s in info.refund.steps] == [24]
    assert [p.amount_fen for p in info.prices] == [6050]
    first, _ = await stand.day()
    assert first.left_for(info.id) == 9
    listed = await console.get("/console/products")
    assert "Senior" in listed
    assert "¥60.50" in listed


async def test_wrong_input_is_kept_and_named_beside_its_field(console: Console, park: Park):
    wrong = PRODUCT | {"name-zh": "", "min_age": "70", "max_age": "60", "party_size": "many"}
    answer = await console.post("/console/products/new", wrong)
    assert answer.status_code == 422
    assert 'id="f-party_size-error"' in answer.text
    wrong["party_size"] = "2"
    answer = await console.post("/console/products/new", wrong)
    assert answer.status_code == 422
    assert 'id="f-max_age-error"' in answer.text
    assert 'id="f-name-zh-error"' in answer.text
    assert 'value="web, window"' in answer.text


async def test_an_edit_that_came_too_late_says_so(console: Console, park: Park):
    page = f"/console/products/{park.types['adult']}"
    answer = await console.post(page, PRODUCT | {"seen": "something older"})
    assert answer.status_code == 409
    assert "Somebody else has saved this" in answer.text


async def test_prices_are_previewed_and_saved(console: Console, stand: Stand):
    page = f"/console/products/{stand.type_id}/prices"
    week = [str(n) for n in range(7)]
    table = {
        "prices-0-amount": "88",
        "prices-0-weekdays[]": week,
        "prices-1-amount": "128",
        "prices-1-day_kind": "holiday",
        "prices-1-priority": "5",
        "prices-1-weekdays[]": week,
        "prices-2-amount": "",
        "prices-2-weekdays[]": week,
    }
    shown = await console.post(page, table | {"do": "preview"})
    assert shown.status_code == 200
    assert "nothing is saved yet" in shown.text
    assert "¥88" in shown.text
    info = await stand.unit(ticket_type, ticket_type_id=stand.type_id)
    assert [p.amount_fen for p in info.prices] == [5000]
    wrong = await console.post(page, table | {"prices-1-amount": "much", "do": "save"})
    assert wrong.status_code == 422
    assert 'id="f-prices-1-amount-error"' in wrong.text
    saved = await console.post(page, table | {"do": "save"})
    assert saved.status_code == 303
    # The second line is removed by its checkbox.
    saved = await console.post(page, table | {"prices-1-remove": "true", "do": "save"})
    info = await stand.unit(ticket_type, ticket_type_id=stand.type_id)
    assert [p.amount_fen for p in info.prices] == [8800]


async def test_a_pool_and_its_schedule(console: Console, stand: Stand):
    made = await console.post(
        "/console/pools", {"name-zh": "剧场", "position": "1"}, on="/console/schedules"
    )
    page = made.headers["location"]
    assert page.startswith("/console/schedules/new?pool=")
    filled = await console.post(
        page,
        {
            "name": "Daily",
            "do": "fill",
            "fill-starts": "09:00",
            "fill-ends": "12:00",
            "fill-minutes": "90",
            "fill-capacity": "40",
        },
    )
    assert 'value="10:30"' in filled.text
    slots = {
        "name": "Daily",
        "priority": "0",
        "weekdays[]": [str(n) for n in range(7)],
        "slots-0-starts": "10:30",
        "slots-0-ends": "12:00",
        "slots-0-capacity": "40",
        "slots-1-starts": "09:00",
        "slots-1-ends": "10:30",
        "slots-1-capacity": "30",
        "slots-2-starts": "",
        "slots-2-capacity": "",
    }
    shown = await console.post(page, slots | {"do": "preview"})
    assert "slots are made" in shown.text
    overlap = await console.post(page, slots | {"slots-1-ends": "11:00", "do": "save"})
    assert overlap.status_code == 422
    assert 'id="f-slots-1-starts-error"' in overlap.text
    saved = await console.post(page, slots | {"do": "save"})
    assert saved.status_code == 303, saved.text
    [theatre] = [
        p for p in await stand.unit(pools, site_id=stand.site_id) if p.name["zh-CN"] == "剧场"
    ]
    [schedule] = await stand.unit(schedules, pool_id=theatre.id)
    assert [s.capacity for s in schedule.slots] == [30, 40]
    page = f"/console/schedules/{schedule.id}"
    sure = await console.post(page, {"do": "removal"})
    assert "unsold slots close" in sure.text
    gone = await console.post(page, {"do": "delete"})
    assert gone.status_code == 303
    assert await stand.unit(schedules, pool_id=theatre.id) == []


async def test_a_pool_says_whose_zone_its_places_are_of(console: Console, stand: Stand, park: Park):
    here = "/console/schedules"
    page = await console.get(here)
    assert f'<option value="{park.zone_id}">Main</option>' in page
    assert "opens Main" not in page
    change = {"name-zh": "游船", "position": "0", "do": "save"}
    path = f"/console/pools/{stand.pool_id}"
    saved = await console.post(path, change | {"zone_id": str(park.zone_id)}, on=here)
    assert saved.status_code == 303, saved.text
    page = await console.get(here)
    assert f'<option value="{park.zone_id}" selected>Main</option>' in page
    assert "opens Main" in page
    wrong = await console.post(path, change | {"zone_id": str(uuid4())}, on=here)
    assert wrong.status_code == 404
    assert "We could not find this zone" in wrong.text
    await console.post(path, change | {"zone_id": ""}, on=here)
    assert "opens Main" not in await console.get(here)


async def test_a_slot_and_a_day(console: Console, stand: Stand):
    first, second = await stand.day()
    await stand.take(first.id, 60)
    page = f"/console/slots/{stand.pool_id}/{stand.tomorrow}"
    assert "08:00–10:00" in await console.get(page)
    assert "/console/slots/" in await console.get("/console/slots")
    low = await console.post(f"{page}/{first.id}", {"capacity": "59", "do": "save"}, on=page)
    assert low.status_code == 409
    assert "60 places are taken already" in low.text
    cap = {f"caps-{stand.type_id.hex}": "20"}
    saved = await console.post(
        f"{page}/{second.id}", {"capacity": "50", "note-zh": "大风", "do": "save", **cap}, on=page
    )
    assert saved.status_code == 303, saved.text
    _, second = await stand.day()
    assert (second.capacity, second.note, second.edited) == (50, {"zh-CN": "大风"}, True)
    assert second.left_for(stand.type_id) == 20
    closed = await console.post(f"{page}/{second.id}", {"capacity": "50", "do": "close"}, on=page)
    assert closed.status_code == 303
    assert [s.status for s in await stand.day()] == ["open", "closed"]
    await console.post(f"{page}/{second.id}", {"capacity": "50", "do": "follow"}, on=page)
    _, second = await stand.day()
    assert (second.capacity, second.edited, second.status) == (100, False, "open")
    await console.post(page, {"do": "close", "note-zh": "检修"})
    assert [s.status for s in await stand.day()] == ["closed", "closed"]
    await console.post(page, {"do": "open"})
    assert [s.status for s in await stand.day()] == ["open", "open"]


async def test_special_days(console: Console, stand: Stand):
    day = stand.today + timedelta(days=3)
    wish = {"first": str(day), "day_kind": "holiday", "name-zh": "庙会", "name-en": "Fair"}
    page = "/console/calendar"
    wrong = await console.post(page, wish | {"last": str(stand.today)})
    assert wrong.status_code == 422
    assert 'id="f-last-error"' in wrong.text
    saved = await console.post(page, wish | {"last": str(day + timedelta(days=1))})
    assert saved.status_code == 303
    assert "Fair" in await console.get(saved.headers["location"])
    removed = await console.post(f"{page}/remove", {"day": str(day)}, on=page)
    assert removed.status_code == 303
    catalog = await stand.unit(current_catalog)
    assert list(catalog.special_days[stand.site_id]) == [day + timedelta(days=1)]


async def test_all_pages_in_both_languages(console: Console, stand: Stand):
    for lang in ("en", "zh-CN"):
        for page in (
            "/console/products",
            "/console/products/new",
            f"/console/products/{stand.type_id}",
            f"/console/products/{stand.type_id}/stock",
            f"/console/products/{stand.type_id}/prices",
            "/console/slots",
            "/console/slots?month=2030-01",
            f"/console/slots/{stand.pool_id}/{stand.tomorrow}",
            f"/console/slots/{stand.pool_id}/2030-01-01",
            "/console/schedules",
            f"/console/schedules/new?pool={stand.pool_id}",
            f"/console/schedules/{stand.schedule_id}",
            "/console/calendar",
        ):
            joint = "&" if "?" in page else "?"
            assert "console-main" in await console.get(f"{page}{joint}lang={lang}")
