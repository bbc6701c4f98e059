"""The scanner page in a browser, with a scanner that types."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from shanmen.kit import clock
from shanmen.sites.service import staff
from tests.admission.conftest import CHIEF, Gates
from tests.conftest import MASTERS
from tests.support.browser import axe_findings, chromium
from tests.support.park import PASSWORD, PASSWORD_HASH, ZONE
from tests.support.patience import PATIENCE_SECONDS
from tests.support.server import Server

pytestmark = pytest.mark.e2e
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def server(db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The web process alone."""
    running = Server(db_url, tmp_path_factory.mktemp("server"), MASTERS)
    try:
        running.start("web", "serve")
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture
async def scanner(
    gates: Gates, server: Server, browser: Browser
) -> AsyncIterator[tuple[Gates, Page]]:
    """A guard at the east gate with a phone; tickets of `gates` are for today."""
    await gates.unit(CHIEF)(
        staff.create_staff,
        login="gao",
        name="Gao",
        role_code="gate",
        password_hash=PASSWORD_HASH,
    )
    page = await browser.new_page(
        viewport={"width": 360, "height": 740}, locale="en-GB", base_url=server.url
    )
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await page.goto("/console/login?next=/gate")
    await page.fill("input[name=login]", f"gao@{gates.park.code}")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.goto(f"/gate/{gates.east}")
    await page.wait_for_selector(".gate-live")
    yield replace(gates, day=clock.today(ZONE)), page
    await page.close()


async def wedge(page: Page, text: str) -> None:
    """Type as a scanner does: fast, into whatever has the focus, with Enter at the end."""
    await page.keyboard.type(text, delay=1)
    await page.keyboard.press("Enter")


async def test_what_a_scanner_types_is_decided_whatever_has_the_focus(
    scanner: tuple[Gates, Page],
) -> None:
    gates, page = scanner
    family = await gates.ticket("family", starts=0, ends=24)
    # Caps lock is on, and the last button pressed still has the focus.
    await page.focus("#keypad-button")
    await wedge(page, family.code.lower())
    await expect(page.locator(".verdict-admit [data-part=number]")).to_have_text("3")
    await expect(page.locator("#keypad")).to_be_hidden()
    await wedge(page, family.code)
    refused = page.locator(".verdict-refuse [data-part=sentence]")
    await expect(refused).to_contain_text("All 3 persons are in")
    await expect(page.locator("#announce")).to_contain_text("All 3 persons are in")


async def test_part_of_a_party_enters_and_one_more_by_the_number_pad(
    scanner: tuple[Gates, Page],
) -> None:
    gates, page = scanner
    part = await gates.ticket("family", starts=0, ends=24)
    await page.click("#part-button")
    await wedge(page, part.code)
    await page.click("[data-persons='2']")
    sentence = page.locator(".verdict-admit [data-part=sentence]")
    await expect(sentence).to_have_text("1 may still enter")
    await page.click("#part-button")

    # A ticket's number has letters: the phone's own keyboard comes for them, and goes.
    await page.click("#keypad-button")
    field = page.locator("#keypad-input")
    for mode in ("none", "text", "none", "text"):
        await expect(field).to_have_attribute("inputmode", mode)
        await page.click("[data-letters]")
        await expect(field).to_be_focused()
    await page.click("[data-letters]")
    await page.click("#keypad [data-close]")
    await page.click("#keypad-button")
    await expect(field).to_have_attribute("inputmode", "none")
    for key in part.documents[0]:
        await page.click(f"[data-key='{key}']")
    await page.click("#keypad button[type=submit]")
    await expect(page.locator(".verdict-admit [data-part=number]")).to_have_text("1")
    await expect(page.locator("[data-count=entered]")).to_have_text("3")


async def test_figures_from_before_a_scan_that_come_after_it_are_not_shown(
    scanner: tuple[Gates, Page],
) -> None:
    gates, page = scanner
    made = await gates.ticket("family", starts=0, ends=24)
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await may_answer.wait()
        await route.fulfill(response=answer)

    await page.route("**/state", late, times=1)
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await asked.wait()
    await wedge(page, made.code)
    entered = page.locator("[data-count=entered]")
    await expect(entered).to_have_text("3")
    async with page.expect_response("**/state") as answered:
        may_answer.set()
    await (await answered.value).finished()
    await page.evaluate("new Promise((done) => setTimeout(done, 200))")
    # Read at once: some seconds later the page would have asked again.
    assert await entered.inner_text() == "3"


async def test_the_page_fits_a_phone_and_everybody(scanner: tuple[Gates, Page]) -> None:
    _, page = scanner
    wide = "(one) => one.scrollWidth - one.clientWidth"
    assert await page.evaluate(f"({wide})(document.documentElement)") <= 0
    # Which lane it is, in the longer of the languages.
    place = page.locator(".site-name > span")
    await expect(place).to_contain_text("Lane")
    assert await place.evaluate(wide) <= 0
    await page.click("#keypad-button")
    await expect(page.locator("label[for=keypad-input]")).to_be_visible()
    if AXE.exists():
        assert await axe_findings(page, AXE.read_text()) == []


async def test_without_a_network_a_scan_is_kept(scanner: tuple[Gates, Page]) -> None:
    gates, page = scanner
    made = await gates.ticket(starts=0, ends=24)
    await page.context.set_offline(True)
    await wedge(page, made.code)
    await page.wait_for_selector(".verdict-warn")
    assert await page.inner_text("[data-part=word]") == "No connection"
    assert (await gates.row(made.id)).persons_entered == 0
    await page.context.set_offline(False)
    await page.wait_for_selector(".verdict-admit")
    assert (await gates.row(made.id)).persons_entered == 1
