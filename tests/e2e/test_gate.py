"""Corrections at the gate: a guard needs a supervisor, who lets in or takes back."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.support.desk import Desk
from tests.support.park import PASSWORD, Park

pytestmark = pytest.mark.e2e

WIDTHS = [360, 1280]


async def a_ticket(server_url: str, park: Park) -> str:
    """The number of a paid ticket."""
    database = open_database(server_url)
    try:
        desk = Desk(database, park)
        placed = await desk.place(park.order(park.ticket()))
        await desk.pay(placed)
        return f"{placed.number}-0"
    finally:
        await database.close()


async def enter_number(page: Page, number: str) -> None:
    """By the keypad, as when a phone is dead."""
    await page.click("#keypad-button")
    await page.fill("#keypad-input", number)
    await page.locator("#keypad button[type=submit]").click()


async def correct(page: Page, action: str, *, password: str) -> Locator:
    """Open the correction, fill it with a supervisor's log-in, and send it."""
    await page.click(f"[data-action={action}]")
    dialog = page.locator("dialog#correct")
    await expect(dialog).to_be_visible()
    offered = dialog.locator("[data-reason]:visible")
    assert {await each.get_attribute("data-reason") for each in await offered.all()} == {action}
    await offered.first.click()
    await dialog.locator("#correct-login").fill("admin")
    await dialog.locator("#correct-password").fill(password)
    await dialog.locator("[data-part=send]").click()
    return dialog


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_supervisor_overrides_and_takes_back(
    screens: Screens, open_park: Park, server_url: str, guard: str, width: int
) -> None:
    number = await a_ticket(server_url, open_park)
    context = await screens.open(width=width)
    page = await context.new_page()
    await screens.sign_in(page, guard)
    await page.goto(f"/gate/{open_park.lane_id}")
    verdict = page.locator("#verdict")
    entered = page.locator("[data-count=entered]")
    before = int(await entered.inner_text())
    await enter_number(page, number)
    await expect(verdict).to_have_class("verdict verdict-admit")
    await expect(entered).to_have_text(str(before + 1))
    await enter_number(page, number)
    await expect(verdict).to_have_class("verdict verdict-refuse")

    dialog = await correct(page, "override", password="not the password")
    await expect(dialog.locator("[data-part=error]")).to_be_visible()
    await expect(verdict).to_have_class("verdict verdict-refuse")
    await expect(dialog.locator("#correct-password")).to_have_value("")
    await dialog.locator("#correct-password").fill(PASSWORD)
    await dialog.locator("[data-part=send]").click()
    await expect(dialog).to_be_hidden()
    await expect(verdict).to_have_class("verdict verdict-admit")
    await expect(verdict).to_contain_text("Admin")
    await expect(entered).to_have_text(str(before + 2))

    dialog = await correct(page, "undo", password=PASSWORD)
    await expect(dialog).to_be_hidden()
    await expect(verdict).to_have_class("verdict verdict-undone")
    await expect(entered).to_have_text(str(before + 1))
    overflow = "document.scrollingElement.scrollWidth - window.innerWidth"
    assert await page.evaluate(overflow) <= 0
    await context.close()
