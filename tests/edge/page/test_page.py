"""The guard's page in a browser, with no server anywhere."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, expect

from shanmen.admission.protocol import Instant
from shanmen.edge.states import Unresolved
from shanmen.kit import ids
from tests.edge.drivers.conftest import eventually
from tests.edge.page.conftest import Guard
from tests.edge.standin_agent import LANES
from tests.support.browser import axe_findings, chromium
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {360: 740, 1280: 900}
MORNING: Instant = 1_795_312_800_000


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


async def opened(guard: Guard, browser: Browser, *, width: int, locale: str = "zh-CN") -> Page:
    """The page of a guard who has signed in."""
    context = await browser.new_context(
        viewport={"width": width, "height": SIZES[width]}, base_url=guard.url, locale=locale
    )
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.problems = problems  # type: ignore[attr-defined]
    await page.goto("/")
    await page.fill("#name", "Li")
    await page.fill("#pin", guard.pin)
    await page.click("button[type=submit]")
    await expect(page.locator(".guard-lane")).to_have_count(len(guard.agent.lanes()))
    return page


async def no_wider_than(page: Page, width: int) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", SIZES)
async def test_scans_fill_the_screen(guard: Guard, browser: Browser, width: int):
    page = await opened(guard, browser, width=width)
    verdict = page.locator("#verdict")
    guard.scanners[0].scan("P3")
    await expect(verdict).to_have_class("verdict verdict-admit")
    await expect(page.locator("[data-part=number]")).to_have_text("3")
    await expect(page.locator("[data-part=type]")).to_contain_text("成人票")
    await no_wider_than(page, width)
    assert await axe_findings(page, AXE.read_text()) == []
    guard.scanners[0].scan("X")
    await expect(verdict).to_have_class("verdict verdict-refuse")
    await expect(page.locator("[data-part=tell]")).to_be_visible()
    assert (
        await axe_findings(page, "", rules=["color-contrast", "scrollable-region-focusable"]) == []
    )
    guard.scanners[1].scan("A1")
    await expect(page.locator(".guard-lane").nth(1)).to_have_attribute("data-light", "admit")
    await expect(verdict).to_have_class("verdict verdict-refuse")
    await page.locator(".guard-lane").nth(1).click()
    await expect(page.locator("#last li")).to_have_count(1)
    await no_wider_than(page, width)
    assert page.problems == []  # type: ignore[attr-defined]
    await page.context.close()


async def test_by_hand_by_keyboard_and_part_by_part(guard: Guard, browser: Browser):
    page = await opened(guard, browser, width=1280)
    await page.keyboard.type("A-TYPED-BY-A-SCANNER", delay=1)
    await page.keyboard.press("Enter")
    await expect(page.locator("#verdict")).to_have_class("verdict verdict-admit")
    await page.click("#keypad-button")
    await page.fill("#keypad-input", "P3")
    await page.locator("#keypad button[type=submit]").click()
    await expect(page.locator("[data-part=number]")).to_have_text("3")
    await page.click("#part-button")
    await page.keyboard.type("P4-FAMILY", delay=1)
    await page.keyboard.press("Enter")
    await page.click("#party [data-persons='2']")
    await expect(page.locator("[data-part=number]")).to_have_text("2")
    await page.click("#lane-toggle")
    await eventually(lambda: guard.agent.lanes()[0].mode == "closed")
    await expect(page.locator("#lane-toggle")).to_have_text("开放通道")
    assert [call[1:5] for call in guard.agent.named("scan")] == [
        ("A-TYPED-BY-A-SCANNER", "auto", "", None),
        ("P3", "auto", "", None),
        ("P4-FAMILY", "auto", "", 2),
    ]
    await page.context.close()


async def test_let_in_all_the_same_and_take_back(guard: Guard, browser: Browser):
    page = await opened(guard, browser, width=360, locale="en")
    guard.scanners[0].scan("X")
    await page.click("[data-action=override]")
    await page.locator("#correct [data-reason]").nth(2).click()
    await page.locator("#correct [data-part=send]").click()
    await expect(page.locator("#verdict")).to_have_class("verdict verdict-admit")
    await expect(page.locator("[data-part=sentence]")).to_have_text("Let in by Li")
    await page.click("[data-action=undo]")
    await page.fill("#correct-reason", "The wrong person")
    await page.locator("#correct [data-part=send]").click()
    await expect(page.locator("#verdict")).to_have_class("verdict verdict-undone")
    assert guard.agent.named("override")[0][2:] == ("The coach was late", "Li")
    assert guard.agent.named("undo")[0][1:] == ("The wrong person", "Li")
    assert page.problems == []  # type: ignore[attr-defined]
    await page.context.close()


async def test_the_emergency_button_asks_first(guard: Guard, browser: Browser):
    page = await opened(guard, browser, width=360)
    await page.click("#emergency-button")
    await page.click("#confirm [data-close]")
    assert guard.agent.named("emergency") == []
    await page.click("#emergency-button")
    await page.click("#confirm [data-part=yes]")
    await expect(page.locator("#alarm")).to_be_visible()
    await no_wider_than(page, 360)
    await page.click("#emergency-end")
    await page.click("#confirm [data-part=yes]")
    await expect(page.locator("#alarm")).to_be_hidden()
    assert guard.agent.named("emergency") == [(True, "Li"), (False, "Li")]
    await page.context.close()


async def test_a_lane_without_sensor_is_counted_by_hand_in_an_emergency(
    guard: Guard, browser: Browser
):
    guard.agent.change(LANES[0], sensor=True)
    page = await opened(guard, browser, width=360)
    form, people = page.locator("#by-hand"), page.locator("[data-count=people]")
    await expect(form).to_be_hidden()
    await guard.agent.emergency(on=True, staff="console")
    await expect(page.locator("#alarm")).to_be_visible()
    await expect(form).to_be_hidden()
    await page.locator(".guard-lane").nth(1).click()
    await expect(form).to_be_visible()
    await no_wider_than(page, 360)
    assert await axe_findings(page, AXE.read_text()) == []
    await page.fill("#by-hand-persons", "40")
    await form.get_by_role("button").click()
    await expect(page.locator("#confirm-title")).to_contain_text("40 人")
    await page.click("#confirm [data-close]")
    assert guard.agent.named("counted_by_hand") == []
    await form.get_by_role("button").click()
    await page.click("#confirm [data-part=yes]")
    await expect(people).to_have_text("40")
    await expect(page.locator("#by-hand-persons")).to_have_value("")
    assert guard.agent.named("counted_by_hand") == [(LANES[1], 40, "Li")]
    assert page.problems == []  # type: ignore[attr-defined]
    await page.context.close()


def a_case(scan_id: UUID, assumed: str) -> Unresolved:
    return Unresolved(
        scan_id=scan_id,
        lane_id=LANES[0],
        at=MORNING,
        persons=2,
        assumed="entered" if assumed == "entered" else "not_entered",
        ticket_number="2611220000000001-0",
    )


async def test_one_tap_corrects_what_a_crash_left_open(guard: Guard, browser: Browser):
    first, second = ids.new_id(), ids.new_id()
    guard.agent.open_cases = [a_case(first, "entered"), a_case(second, "not_entered")]
    page = await opened(guard, browser, width=360)
    items = page.locator("#case-list li")
    await expect(items).to_have_count(2)
    await items.nth(0).get_by_role("button", name="未入园").click()
    await expect(items).to_have_count(1)
    await items.nth(0).get_by_role("button", name="已入园", exact=True).click()
    await expect(page.locator("#cases")).to_be_hidden()
    assert guard.agent.named("correct") == [(first, False, "Li"), (second, True, "Li")]
    await page.context.close()


async def test_a_program_that_is_gone_is_told(guard: Guard, browser: Browser):
    page = await opened(guard, browser, width=1280)
    await page.clock.install()
    assert guard.page
    await guard.page.close()
    await page.clock.fast_forward(20_000)
    await page.clock.run_for(2000)
    await expect(page.locator("#verdict")).to_have_class("verdict verdict-warn")
    await expect(page.locator("#lamp")).to_have_class("lamp gate-js lamp-bad")
    await page.context.close()
