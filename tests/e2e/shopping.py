"""What a visitor does on a phone, step by step, with or without scripts."""

from playwright.async_api import Page, expect

from tests.support.park import Park, fresh_people, person

NUMBERS = {"adult": 1, "child": 2, "family": 3, "bundle": 4, "free": 5}
"""The numbers that the park's ticket types have within the site."""


async def choose(page: Page, park: Park, **counts: int) -> None:
    """From the site's page to the page that names the visitors."""
    await page.goto(f"/s/{park.slug}")
    await page.click(f"a.day[href*='day={park.day}']")
    # A slot is a label around its radio button, and all of it can be touched.
    await page.locator("label.slot", has=page.locator("input:enabled")).first.click()
    for kind, count in counts.items():
        await page.fill(f"input[name=qty-n{NUMBERS[kind]}]", str(count))
    await page.click("button[form=visit]")


async def name_visitors(page: Page, count: int, *, phone: str = "13800138000") -> None:
    """Fill the form that names the visitors."""
    for number, who in enumerate(fresh_people(count)):
        visitor = person(who)
        await page.locator("input[name$='-name']").nth(number).fill(visitor.name)
        await (
            page.locator("input[name$='-document_number']")
            .nth(number)
            .fill(visitor.document_number)
        )
    await page.fill("input[name=phone]", phone)


async def place(page: Page) -> str:
    """Send the order; returns the address of its page."""
    await page.click("button[form=visitors]")
    await page.wait_for_url("**/orders/**")
    return page.url.partition("?")[0]


async def pay(page: Page) -> None:
    """From the page of a held order over the sandbox's to the e-ticket."""
    order = page.url.partition("?")[0]
    await page.locator("form[action$='/pay'] button").click()
    button = page.locator("button.main")
    await expect(button).to_be_visible()
    await button.click()
    # Where the sandbox's own page stays after paying, its link leads back.
    await page.wait_for_url(f"{order}*")
    await expect(page.locator(".eticket-code").first).to_be_visible()


async def buy(page: Page, park: Park, **counts: int) -> str:
    """Buy tickets; returns the address of the e-ticket."""
    await choose(page, park, **counts)
    await name_visitors(page, sum(3 if kind == "family" else n for kind, n in counts.items()))
    order = await place(page)
    await pay(page)
    return order
