"""The main job, as people do it: buy on a phone, walk through the gate, see it in the console."""

from io import BytesIO

import httpx
import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e.conftest import Screens
from tests.support.park import Park, fresh_people, person

pytestmark = pytest.mark.e2e

FAMILY = "qty-n3"


async def buy_family_ticket(page: Page, park: Park) -> None:
    """From the site's page to the e-ticket."""
    await page.goto(f"/s/{park.slug}")
    await page.click(f"a[href*='day={park.day}']")
    await page.locator("input[name=slot-0], input[name=slot]").first.check(force=True)
    await page.fill(f"input[name={FAMILY}]", "1")
    await page.click("button[form=visit]")
    for number, who in enumerate(fresh_people(3)):
        visitor = person(who)
        await page.locator("input[name$='-name']").nth(number).fill(visitor.name)
        numbers = page.locator("input[name$='-document_number']")
        await numbers.nth(number).fill(visitor.document_number)
    await page.fill("input[name=phone]", "13800138000")
    await page.click("button[form=visitors]")
    await page.wait_for_url("**/orders/**")


async def pay(page: Page) -> None:
    """Pay at the sandbox, and come back to the ticket."""
    order = page.url
    await page.get_by_role("button", name="支付").or_(
        page.get_by_role("link", name="支付")
    ).first.click()
    await page.wait_for_url(lambda url: "/orders/" not in url or "/pay" in url)
    button = page.locator("button.main")
    await expect(button).to_be_visible()
    await button.click()
    await page.wait_for_url(f"{order}*")


async def test_a_family_buys_enters_once_and_is_counted(
    screens: Screens, open_park: Park
) -> None:
    phone = await screens.open(width=360)
    page = await phone.new_page()
    await buy_family_ticket(page, open_park)
    await pay(page)
    picture = page.locator("svg[role=img]").first
    await expect(picture).to_be_visible()
    code = zxingcpp.read_barcodes(Image.open(BytesIO(await picture.screenshot())))[0].text
    await phone.close()

    desk = await screens.open(width=1280)
    guard = await desk.new_page()
    await screens.sign_in(guard)
    await guard.goto(f"/gate/{open_park.lane_id}")
    await scan(guard, code)
    verdict = guard.locator("#verdict")
    await expect(verdict).to_have_class("verdict verdict-admit")
    await expect(verdict.locator("[data-part=number]")).to_have_text("3")
    await expect(verdict).to_contain_text("测*")
    await scan(guard, code)
    await expect(verdict).to_have_class("verdict verdict-refuse")
    sentence = await verdict.locator("[data-part=sentence]").inner_text()
    assert "东门" in sentence
    assert ":" in sentence

    await guard.goto("/console/today")
    await expect(guard.locator("main")).to_contain_text("260.00")
    await desk.close()


async def scan(page: Page, code: str) -> None:
    """What a keyboard-wedge scanner does."""
    await page.locator("body").click(position={"x": 5, "y": 5})
    await page.keyboard.type(code, delay=1)
    await page.keyboard.press("Enter")


async def test_the_reference_of_the_api_is_there(server_url: str, screens: Screens) -> None:
    description = httpx.get(f"{screens.url}/api/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    page = await (await screens.open(width=1280)).new_page()
    await page.goto("/api/docs")
    await expect(page.locator(".swagger-ui .info .title")).to_contain_text("Shanmen API")
