"""The main job, as people do it: buy on a phone, walk through the gate, see it in the console."""

from io import BytesIO

import httpx
import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Locator, Page, expect

from shanmen.kit import ids
from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.e2e.shopping import buy
from tests.support.park import Park, make_park
from tests.support.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
async def own_park(server_url: str) -> Park:
    """A park that sells to this family alone, so that the console's figures are theirs."""
    database = open_database(server_url)
    try:
        return await make_park(database, code=f"f{ids.new_id().hex[-9:]}", open_now=True)
    finally:
        await database.close()


async def read_code(page: Page) -> str:
    """What a scanner reads from the picture on the phone's screen."""
    picture = page.locator(".eticket-code svg[role=img]").first
    await expect(picture).to_be_visible()
    [found] = zxingcpp.read_barcodes(Image.open(BytesIO(await picture.screenshot())))
    return found.text


async def test_a_family_buys_enters_once_and_is_counted(
    screens: Screens, server: Server, own_park: Park
) -> None:
    phone = await screens.open(width=360)
    page = await phone.new_page()
    await buy(page, own_park, family=1)
    code = await read_code(page)
    await phone.close()

    desk = await screens.open(width=1280)
    guard = await desk.new_page()
    await Screens(screens.browser, server.url, own_park.code).sign_in(guard)
    await guard.goto(f"/gate/{own_park.lane_id}")
    await scan(guard, code)
    verdict = guard.locator("#verdict")
    await expect(verdict).to_have_class("verdict verdict-admit")
    await expect(verdict.locator("[data-part=number]")).to_have_text("3")
    await expect(verdict).to_contain_text("测*")
    first_time = await guard.locator("#last li time").first.inner_text()
    await scan(guard, code)
    await expect(verdict).to_have_class("verdict verdict-refuse")
    sentence = await verdict.locator("[data-part=sentence]").inner_text()
    assert first_time[:5] in sentence, f"{sentence!r} does not say {first_time}"
    assert "东门" in sentence

    await guard.goto("/console/today")
    await expect(tile(guard, "今日入园")).to_contain_text("3")
    await expect(tile(guard, "今日游览已售")).to_contain_text("3")
    await expect(tile(guard, "今日收款")).to_contain_text("¥260")
    await desk.close()


def tile(page: Page, label: str) -> Locator:
    """A figure of the console's first page."""
    return page.locator(".tile", has_text=label).first


async def scan(page: Page, code: str) -> None:
    """What a keyboard-wedge scanner does."""
    await page.locator("body").click(position={"x": 5, "y": 5})
    await page.keyboard.type(code, delay=1)
    await page.keyboard.press("Enter")


async def test_the_reference_of_the_api_is_there(screens: Screens) -> None:
    async with httpx.AsyncClient() as http:
        description = (await http.get(f"{screens.url}/api/openapi.json")).json()
    assert description["openapi"].startswith("3.1")
    context = await screens.open(width=1280)
    page = await context.new_page()
    await page.goto("/api/docs")
    await expect(page.locator(".swagger-ui .info .title")).to_contain_text("Shanmen API")
    await context.close()
