"""A visitor whose browser runs no scripts buys a ticket all the same."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Screens
from tests.e2e.shopping import choose, name_visitors, pay, place
from tests.support.park import Park, fresh_people, person

pytestmark = pytest.mark.e2e


@pytest.fixture
async def page(screens: Screens) -> AsyncIterator[Page]:
    context = await screens.open(width=360, java_script_enabled=False)
    page = await context.new_page()
    yield page
    await context.close()


async def test_from_the_sites_page_over_payment_to_the_e_ticket(
    page: Page, open_park: Park
) -> None:
    await choose(page, open_park, adult=1)
    await name_visitors(page, 1)
    await place(page)
    await expect(page.locator(".status-held")).to_be_visible()
    await pay(page)
    picture = page.locator(".eticket-code svg[role=img]")
    await expect(picture).to_be_visible()
    assert await picture.count() == 1


async def test_errors_stand_beside_their_fields_and_keep_what_was_typed(
    page: Page, open_park: Park
) -> None:
    good = person(*fresh_people(1))
    await choose(page, open_park, adult=2)
    typed = {
        "tickets-0-visitors-0-name": good.name,
        "tickets-0-visitors-0-document_number": good.document_number,
        "tickets-1-visitors-0-name": "王小明",
        "tickets-1-visitors-0-document_number": "330106199001011235",
        "phone": "12345",
    }
    for name, value in typed.items():
        await page.fill(f"input[name={name}]", value)
    await page.click("button[form=visitors]")
    for name, value in typed.items():
        await expect(page.locator(f"input[name={name}]")).to_have_value(value)
    wrong = page.locator(".field-bad input")
    assert {await field.get_attribute("name") for field in await wrong.all()} == {
        "tickets-1-visitors-0-document_number",
        "phone",
    }
    for field in await wrong.all():
        said = await field.get_attribute("aria-describedby") or ""
        told = page.locator(", ".join(f"#{name}" for name in said.split()))
        assert "".join(await told.all_inner_texts()).strip()
    # The summary leads to the fields.
    await expect(page.locator(".notice-bad a[href^='#f-']")).to_have_count(2)

    right = person(*fresh_people(1))
    await page.fill("input[name=tickets-1-visitors-0-document_number]", right.document_number)
    await page.fill("input[name=phone]", "13800138000")
    await place(page)
    await expect(page.locator(".status-held")).to_be_visible()


async def test_nothing_chosen_is_said_on_the_same_page(page: Page, open_park: Park) -> None:
    await page.goto(f"/s/{open_park.slug}/visit?day={open_park.day}")
    await page.click("button[form=visit]")
    await expect(page.locator(".notice-bad")).to_be_visible()
    await expect(page.locator("input[name^=qty]").first).to_be_visible()
