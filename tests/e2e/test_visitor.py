"""What visitors do with their orders on a phone of 360 px: find, read offline, move, give back."""

import re
from collections.abc import AsyncIterator
from datetime import time, timedelta

import pytest
from playwright.async_api import BrowserContext, Page, expect

from shanmen.db.session import Database
from shanmen.kit import ids
from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.e2e.everything import slots_ahead
from tests.e2e.shopping import buy
from tests.support.desk import Desk
from tests.support.park import Park, add_slot, make_park

pytestmark = pytest.mark.e2e

ONE_LINE_PX = 36


@pytest.fixture(scope="module")
async def park(server_url: str) -> Park:
    """A park with visits tomorrow and the day after, which can be moved and given back."""
    database: Database = open_database(server_url)
    try:
        made = await make_park(database, code=f"v{ids.new_id().hex[-9:]}", slots=1)
        desk = Desk(database, made)
        await desk.unit(slots_ahead, park=made)
        for days in (1, 2):
            await desk.unit(
                add_slot, pool_id=made.ride_pool, day=made.day + timedelta(days=days),
                starts=time(13), ends=time(15), capacity=40,
            )  # fmt: skip
        return made
    finally:
        await database.close()


@pytest.fixture
async def phone(screens: Screens) -> AsyncIterator[BrowserContext]:
    context = await screens.open(width=360)
    yield context
    await context.close()


@pytest.fixture
async def page(phone: BrowserContext) -> Page:
    return await phone.new_page()


async def sticks_out(page: Page) -> int:
    # Before its styles are there, a page has the margins that browsers give it.
    await page.wait_for_load_state("load")
    return int(
        await page.evaluate("document.scrollingElement.scrollWidth - document.body.clientWidth")
    )


async def test_the_language_changes_where_one_is_and_stays(page: Page, park: Park) -> None:
    await page.goto(f"/s/{park.slug}/visit?day={park.day}")
    await page.locator(".languages a[hreflang=en]").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    assert f"day={park.day}" in page.url
    await expect(page.locator("legend", has_text="Tickets")).to_be_visible()
    await page.goto(f"/s/{park.slug}")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Test hill")
    await page.locator(".languages a[hreflang=zh-CN]").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("测试山")


async def test_an_order_is_found_by_its_number_and_phone_alone(page: Page, park: Park) -> None:
    order = await buy(page, park, adult=1)
    number = order.split("/")[-2]
    await page.context.clear_cookies()
    await page.goto(f"/s/{park.slug}")
    await page.locator("a[href$='/find']").click()
    await page.fill("input[name=number]", number)
    await page.fill("input[name=phone]", "13800138001")
    await page.click("main button[type=submit]")
    await expect(page.locator(".notice-bad")).to_be_visible()
    await expect(page.locator("input[name=number]")).to_have_value(number)
    assert await sticks_out(page) <= 0
    await page.fill("input[name=phone]", "138 0013 8000")
    await page.click("main button[type=submit]")
    await page.wait_for_url(f"{order}*")
    await expect(page.locator(".eticket-code")).to_be_visible()


async def test_the_e_ticket_opens_without_network(page: Page, park: Park) -> None:
    order = await buy(page, park, adult=1)
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    kept = "async (path) => Boolean(await caches.match(path))"
    path = order[order.index("/s/") :]
    for _ in range(100):
        if await page.evaluate(kept, path):
            break
        await page.wait_for_timeout(100)
    files = "async () => (await (await caches.open('shanmen-files-1')).keys()).length"
    await page.wait_for_function(f"({files})().then((n) => n >= 4)")
    await page.context.set_offline(True)
    await page.goto(order)
    await expect(page.locator(".eticket-code svg[role=img]")).to_be_visible()
    await expect(page.locator("[data-offline-note]")).to_be_visible()
    # With its styles: without them a code is as wide as the page lets it be.
    assert (
        await page.locator(".eticket").evaluate("(e) => getComputedStyle(e).borderRadius") != "0px"
    )
    await page.locator(".qr-open").click()
    await expect(page.locator("dialog#qr-large")).to_be_visible()
    await page.context.set_offline(False)


async def test_a_visit_is_moved_to_another_day(page: Page, park: Park) -> None:
    order = await buy(page, park, bundle=1)
    before = await page.locator(".eticket-when").inner_text()
    await page.locator("a[href$='/reschedule']").click()
    await page.locator("a.day:not([aria-current])").first.click()
    # Times stay in one line, what else the ticket holds stands below.
    await expect(page.locator(".slot-also").first).to_contain_text("13:00–15:00")
    heights = "(all) => all.map((one) => one.offsetHeight)"
    for height in await page.locator(".slot-time, .slot-also").evaluate_all(heights):
        assert 0 < height < ONE_LINE_PX
    await page.locator("label.slot", has=page.locator("input:enabled")).last.click()
    assert await sticks_out(page) <= 0
    await page.click("button[form=move]")
    await page.wait_for_url(f"{order}*")
    await expect(page.locator(".notice-good")).to_be_visible()
    await expect(page.locator(".eticket-when")).not_to_have_text(before)
    await expect(page.locator(".eticket-code")).to_be_visible()
    # It may be moved once.
    await expect(page.locator("a[href$='/reschedule']")).to_have_count(0)


async def test_a_ticket_is_given_back_for_what_was_shown(page: Page, park: Park) -> None:
    order = await buy(page, park, adult=1)
    await page.locator("a[href$='/refund']").click()
    shown = await page.locator(".sum-total td").inner_text()
    assert re.search(r"¥1\d\d\.00", shown)
    assert await sticks_out(page) <= 0
    await page.click("button[form=refund]")
    await page.wait_for_url(f"{order}*")
    await expect(page.locator(".notice-good")).to_contain_text(shown)
    await expect(page.locator(".eticket-code")).to_have_count(0)
    await expect(page.locator(".order-facts")).to_contain_text(shown)
