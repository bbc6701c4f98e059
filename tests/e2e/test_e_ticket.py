"""The e-ticket at the gate: there on a weak network, large, code after code, the screen awake."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import BrowserContext, Error, Page, expect

from shanmen.db.session import Session
from shanmen.kit import ids
from shanmen.orders.queries import order_secret
from shanmen.orders.schemas import Placed
from shanmen.orders.service.refund import refund_tickets
from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.support.browser import axe_findings
from tests.support.desk import Desk
from tests.support.park import make_park
from tests.support.server import Server
from tests.support.weak_network import WeakNetwork

pytestmark = pytest.mark.e2e

KEPT = """async (path) => {
    const whole = async () => {
        const files = performance.getEntriesByType("resource").map((entry) => entry.name)
            .filter((name) => name.includes("/static/"));
        const kept = await Promise.all([path, ...files].map((each) => caches.match(each)));
        return files.length > 6 && kept.every(Boolean);
    };
    await navigator.serviceWorker.ready;
    while (!navigator.serviceWorker.controller || !(await whole())) {
        await new Promise((done) => setTimeout(done, 50));
    }
}"""
"""Ends once the ticket is kept with all that its page has loaded."""
SLEEPLESS = """{
    window.asked = [];
    const request = () => new Promise((resolve) => window.asked.push({ released: 0, grant() {
        const lock = new EventTarget();
        lock.release = async () => {
            this.released += 1;
            lock.dispatchEvent(new Event("release"));
        };
        this.lock = lock;
        resolve(lock);
    } }));
    Object.defineProperty(navigator, "wakeLock", { value: { request } });
    window.front = (visible) => {
        Object.defineProperty(document, "visibilityState",
            { value: visible ? "visible" : "hidden", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    };
}"""
"""A phone's wake lock that grants when the test says so, and an app that goes to the back."""


@dataclass(frozen=True)
class Counter:
    """A park's desk and what it has sold."""

    desk: Desk

    async def sell(self, *kinds: str) -> tuple[Placed, str]:
        """A paid order and the address of its page."""
        park = self.desk.park
        placed = await self.desk.place(park.order(*(park.ticket(kind) for kind in kinds)))
        await self.desk.pay(placed)

        async def secret(session: Session) -> str:
            return order_secret(session.keyring, placed.id)

        return placed, f"/s/{park.slug}/orders/{placed.number}/{await self.desk.unit(secret)}"

    async def take_back(self, placed: Placed) -> None:
        """Give all of an order's money back."""
        await self.desk.unit(refund_tickets, order_id=placed.id, fee_percent=0, reason="closed")


@pytest.fixture(scope="module")
async def counter(server_url: str) -> AsyncIterator[Counter]:
    database = open_database(server_url)
    park = await make_park(database, code=f"e{ids.new_id().hex[-9:]}")
    yield Counter(Desk(database, park))
    await database.close()


@pytest.fixture
async def network(server: Server) -> AsyncIterator[WeakNetwork]:
    async with WeakNetwork(server.url).listening() as network:
        yield network


@pytest.fixture
async def phone(screens: Screens) -> AsyncIterator[BrowserContext]:
    context = await screens.open(width=360, has_touch=True)
    yield context
    await context.close()


async def kept(page: Page, address: str, path: str) -> None:
    """Open a ticket and wait until the phone has kept it."""
    await page.goto(address)
    await page.evaluate(KEPT, path)


async def opens_as_kept(page: Page, address: str) -> None:
    """The ticket shows on a network that does not bring it, and says that it was kept."""
    await page.goto(address)
    await expect(page.locator(".eticket-code svg[role=img]")).to_be_visible()
    await expect(page.locator("[data-offline-note]")).to_be_visible()


@pytest.mark.parametrize("passes", [0, 3000], ids=["silent", "stops on its way"])
async def test_a_network_that_never_answers_does_not_hold_the_ticket_back(
    phone: BrowserContext, network: WeakNetwork, counter: Counter, passes: int
) -> None:
    _, path = await counter.sell("adult")
    page = await phone.new_page()
    await kept(page, network.url + path, path)
    network.weaken(passes=passes)
    await opens_as_kept(page, network.url + path)
    await page.goto("about:blank")
    await page.goto(network.url + path)
    await expect(page.locator("[data-offline-note]")).to_be_visible()
    # What the network said in the end is what was kept, and the page says so.
    network.recover()
    await expect(page.locator("[data-offline-note]")).to_be_hidden()
    await expect(page.locator("[data-changed-note]")).to_be_hidden()


async def test_an_open_ticket_says_that_its_order_has_changed(
    phone: BrowserContext, network: WeakNetwork, counter: Counter
) -> None:
    placed, path = await counter.sell("adult")
    page = await phone.new_page()
    await kept(page, network.url + path, path)
    await counter.take_back(placed)
    network.weaken()
    await page.goto(network.url + path)
    await expect(page.locator(".eticket-code")).to_be_visible()
    await expect(page.locator("[data-changed-note]")).to_be_hidden()
    network.recover()
    await expect(page.locator("[data-changed-note]")).to_be_visible()
    await page.locator("[data-changed-note] a").click()
    await expect(page.locator(".status-refunding, .status-refunded")).to_be_visible()
    await expect(page.locator(".eticket-code")).to_have_count(0)


async def test_a_server_that_is_gone_does_not_take_the_ticket_along(
    phone: BrowserContext, network: WeakNetwork, counter: Counter
) -> None:
    _, path = await counter.sell("adult")
    page = await phone.new_page()
    await kept(page, network.url + path, path)
    network.lose_the_server()
    await opens_as_kept(page, network.url + path)


async def test_the_installed_app_leads_to_the_tickets_with_and_without_network(
    phone: BrowserContext, network: WeakNetwork, counter: Counter, axe: str
) -> None:
    _, first = await counter.sell("adult")
    _, second = await counter.sell("adult")
    page = await phone.new_page()
    for path in (first, second, first):
        await kept(page, network.url + path, path)
    href = await page.locator("link[rel=manifest]").get_attribute("href")
    app = await (await phone.request.get(f"{network.url}{href}")).json()
    await page.goto(network.url + app["start_url"])
    await expect(page.get_by_role("heading", level=1)).to_have_text("测试山")
    saved = page.get_by_role("region", name="手机里保存的门票").get_by_role("link", name="adult票")
    await expect(saved).to_have_count(2)
    assert await axe_findings(page, axe) == []
    await saved.first.click()
    await page.wait_for_url(network.url + first)
    # In a browser, which others may use as well, nobody's ticket shows by itself.
    await page.goto(network.url + app["scope"])
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator("[data-saved]")).to_be_hidden()
    await phone.set_offline(True)
    await page.goto(network.url + app["start_url"])
    await page.wait_for_url(network.url + first)
    await expect(page.locator(".eticket-code svg[role=img]")).to_be_visible()
    await expect(page.locator("[data-offline-note]")).to_be_visible()
    with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
        await page.goto(network.url + app["scope"])
    await phone.set_offline(False)


async def test_chromium_finds_nothing_that_keeps_the_pages_from_being_installed(
    phone: BrowserContext, screens: Screens, counter: Counter
) -> None:
    _, path = await counter.sell("adult")
    page = await phone.new_page()
    await page.goto(screens.url + path)
    devtools = await phone.new_cdp_session(page)
    manifest = await devtools.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].startswith(f"{screens.url}/s/{counter.desk.park.slug}/app.webmanifest")
    found = await devtools.send("Page.getInstallabilityErrors")
    # The tests' profiles are private ones, in which nothing can be installed.
    assert {each["errorId"] for each in found["installabilityErrors"]} <= {"in-incognito"}


async def test_the_screen_stays_on_while_a_code_is_large_and_no_longer(
    phone: BrowserContext, screens: Screens, counter: Counter
) -> None:
    _, path = await counter.sell("adult")
    await phone.add_init_script(SLEEPLESS)
    page = await phone.new_page()
    await page.goto(screens.url + path)
    large = page.locator("dialog#qr-large")

    async def locks() -> list[int]:
        """How often each lock that was asked for has been given back."""
        return list(await page.evaluate("asked.map((each) => each.released)"))

    assert await locks() == []
    await page.locator(".qr-open").click()
    await page.evaluate("asked[0].grant()")
    assert await locks() == [0]
    # Another app comes to the front: the phone takes the lock back, and is asked again after it.
    await page.evaluate("front(false), asked[0].lock.release()")
    assert await locks() == [1]
    await page.evaluate("front(true)")
    assert await locks() == [1, 0]
    await page.evaluate("asked[1].grant()")
    await large.get_by_role("button", name="关闭").click()
    await expect(large).to_be_hidden()
    assert await locks() == [1, 1]
    await page.evaluate("front(true)")
    assert await locks() == [1, 1]
    # The phone grants only when the code has been closed again.
    await page.locator(".qr-open").click()
    await page.keyboard.press("Escape")
    await expect(large).to_be_hidden()
    await page.evaluate("asked[2].grant()")
    await page.wait_for_function("asked[2].released === 1")


async def swipe(page: Page, by: int) -> None:
    """What a finger does across the middle of the screen."""
    devtools = await page.context.new_cdp_session(page)
    for kind, x in (("touchStart", 180), ("touchMove", 180 + by // 2), ("touchMove", 180 + by)):
        await devtools.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": 300}]}
        )
    await devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


async def shown_large(page: Page) -> str:
    """The name of the code that is large, as a screen reader has it."""
    picture = page.locator("[data-qr-large] svg[role=img]")
    await expect(picture).to_have_count(1)
    return await picture.get_attribute("aria-label") or ""


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_family_shows_its_codes_one_after_another(
    screens: Screens, counter: Counter, axe: str, width: int
) -> None:
    placed, path = await counter.sell("adult", "adult", "adult")
    context = await screens.open(width=width, has_touch=True, color_scheme="dark")
    page = await context.new_page()
    await page.goto(path)
    await page.locator(".qr-open").nth(1).click()
    said = page.locator("[data-qr-name]")
    before = page.get_by_role("button", name="上一个码")
    after = page.get_by_role("button", name="下一个码")
    await expect(said).to_contain_text("第 2 个码，共 3 个")
    assert f"{placed.number}-1" in await shown_large(page)
    assert await axe_findings(page, axe) == []
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    for button in (before, after, page.get_by_role("button", name="关闭")):
        await expect(button).to_be_in_viewport(ratio=1)
    await after.click()
    await expect(said).to_contain_text("第 3 个码，共 3 个")
    assert f"{placed.number}-2" in await shown_large(page)
    # After the last comes nothing, and the button that was used keeps the focus.
    await expect(after).to_be_disabled()
    await page.keyboard.press("ArrowRight")
    await expect(said).to_contain_text("第 3 个码，共 3 个")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(said).to_contain_text("第 1 个码，共 3 个")
    await expect(before).to_be_disabled()
    await swipe(page, -120)
    await expect(said).to_contain_text("第 2 个码，共 3 个")
    await swipe(page, 120)
    await expect(said).to_contain_text("第 1 个码，共 3 个")
    assert f"{placed.number}-0" in await shown_large(page)
    await page.get_by_role("button", name="关闭").click()
    await expect(page.locator("dialog#qr-large")).to_be_hidden()
    await context.close()


async def test_a_party_with_one_code_has_nothing_to_step_through(
    phone: BrowserContext, screens: Screens, counter: Counter
) -> None:
    _, path = await counter.sell("family")
    page = await phone.new_page()
    await page.goto(screens.url + path)
    await expect(page.locator(".qr-open")).to_have_count(1)
    await page.locator(".qr-open").click()
    await expect(page.locator("dialog#qr-large button")).to_have_count(1)
    await expect(page.locator("[data-qr-name]")).not_to_contain_text("共")
