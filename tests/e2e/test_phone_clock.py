"""A phone whose clock is minutes off shows the code that gates expect, with and without network."""

from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Error, Page, expect
from sqlalchemy import update

from shanmen.catalog.models import TicketType
from shanmen.catalog.service import raise_version
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.orders.queries import order_secret
from shanmen.tickets import rotating
from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.support.desk import Desk
from tests.support.park import make_park

pytestmark = pytest.mark.e2e

SHIFT = "{ const real = Date.now.bind(Date); Date.now = () => real() + SECONDS * 1000; }"
KEPT = "async (path) => Boolean(await caches.match(path))"


@pytest.fixture(scope="module")
async def ticket(server_url: str) -> AsyncIterator[str]:
    """The address of a paid ticket of today whose code changes."""
    database = open_database(server_url)
    park = await make_park(database, code=f"k{ids.new_id().hex[-9:]}", open_now=True)
    desk = Desk(database, park)

    async def let_codes_change(session: Session) -> None:
        await session.execute(update(TicketType).values(rotating=True))
        await raise_version(session)

    await desk.unit(let_codes_change)
    placed = await desk.place(park.order(park.ticket()))
    await desk.pay(placed)

    async def secret(session: Session) -> str:
        return order_secret(session.keyring, placed.id)

    yield f"/s/{park.slug}/orders/{placed.number}/{await desk.unit(secret)}"
    await database.close()


async def steps_off(page: Page) -> int:
    """By how many half minutes the code on the screen is not of now; 999: it is nothing known."""
    place = page.locator(".eticket [data-token]")
    token = await place.get_attribute("data-token") or ""
    [entry] = (await place.get_attribute("data-keys") or "").split(",")
    key = bytes.fromhex(entry.split(":")[2])
    try:
        picture = await page.locator(".eticket-code svg[role=img]").screenshot()
    except Error:
        return 999  # It changed while it was photographed.
    [found] = zxingcpp.read_barcodes(Image.open(BytesIO(picture)))
    now = rotating.step_at(clock.now())
    steps = {token + rotating.tail(key, now + off): off for off in range(-20, 21)}
    return steps.get(found.text, 999)


async def is_fresh(page: Page) -> None:
    """The code is, after a moment, one that a gate takes."""
    await expect(page.locator("[data-rotating-note]")).to_contain_text("每 30 秒")
    off = 999
    for _ in range(50):
        if abs(off := await steps_off(page)) <= rotating.TOLERATED_STEPS:
            return
        await page.wait_for_timeout(100)
    pytest.fail(f"the code is {off} half minutes off")


@pytest.mark.parametrize("seconds", [-180, 180])
async def test_the_code_is_of_now_on_a_phone_that_is_minutes_off(
    screens: Screens, ticket: str, seconds: int
) -> None:
    phone = await screens.open(width=360)
    await phone.add_init_script(SHIFT.replace("SECONDS", str(seconds)))
    page = await phone.new_page()
    await page.goto(ticket)
    await is_fresh(page)
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await page.wait_for_function(f"({KEPT})({ticket!r})")
    files = "async () => (await (await caches.open('shanmen-files-1')).keys()).length"
    await page.wait_for_function(f"({files})().then((n) => n >= 4)")
    # What was measured is kept for when there is no network; the kept page does not tell the time.
    await phone.set_offline(True)
    await page.goto(ticket)
    await expect(page.locator("[data-offline-note]")).to_be_visible()
    await is_fresh(page)
    await phone.close()


async def test_a_clock_that_was_set_right_meanwhile_is_measured_again(
    screens: Screens, ticket: str
) -> None:
    phone = await screens.open(width=360)
    page = await phone.new_page()
    await page.goto(ticket)
    await page.evaluate("localStorage.setItem('shanmen-clock-off-ms', '-600000')")
    await page.reload()
    await is_fresh(page)
    await phone.close()
