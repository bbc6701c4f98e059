"""Today's page in a browser: it follows the gates without being loaded again."""

import pytest
from playwright.async_api import Browser, ConsoleMessage, expect

from shanmen.admission.models import Scan
from shanmen.kit import clock, ids
from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.support.park import ZONE, Park, make_park
from tests.support.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
async def busy_park(server_url: str) -> Park:
    """A park whose figures nobody else changes."""
    database = open_database(server_url)
    try:
        return await make_park(database, code=f"b{ids.new_id().hex[-9:]}", open_now=True)
    finally:
        await database.close()


@pytest.fixture
def own_screens(browser: Browser, server: Server, busy_park: Park) -> Screens:
    return Screens(browser, server.url, busy_park.code)


async def admit(url: str, park: Park, *, persons: int) -> None:
    """An admission, as the gate writes it."""
    database = open_database(url)
    now = clock.now()
    try:
        async with database.transaction(park.tenant_id) as session:
            session.add(
                Scan(
                    tenant_id=session.tenant_id, id=ids.new_id(), at=now,
                    day=clock.local(now, ZONE).date(), site_id=park.site_id,
                    entrance_id=park.entrance_id, lane_id=park.lane_id, method="qr",
                    outcome="admitted", persons=persons,
                )
            )  # fmt: skip
    finally:
        await database.close()


@pytest.mark.parametrize("width", [360, 1280])
async def test_an_admission_shows_at_once(
    own_screens: Screens, busy_park: Park, server_url: str, width: int
) -> None:
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    context = await own_screens.open(width=width)
    page = await context.new_page()
    page.on("console", note)
    await own_screens.sign_in(page)
    await page.goto("/console/today")
    await expect(page.locator(".live-on")).to_be_visible()
    await page.evaluate("window.stillTheSamePage = true")
    figure = page.locator("[data-live=entered]")
    before = int(await figure.inner_text())
    await admit(server_url, busy_park, persons=4)
    await expect(figure).to_have_text(str(before + 4))
    await expect(page.locator("[data-live-html=entrances]")).to_contain_text(str(before + 4))
    await expect(page.locator(".chart canvas")).to_be_visible()
    assert await page.evaluate("window.stillTheSamePage")
    overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    assert complaints == []
    await context.close()


async def test_without_scripts_the_page_is_whole_and_loads_itself_anew(
    own_screens: Screens, busy_park: Park, server_url: str
) -> None:
    await admit(server_url, busy_park, persons=1)
    context = await own_screens.open(width=1280, java_script_enabled=False)
    page = await context.new_page()
    await own_screens.sign_in(page)
    await page.goto("/console/today")
    await expect(page.locator(".picture")).to_be_visible()
    await expect(page.locator(".live-state")).to_be_hidden()
    await expect(page.locator("meta[http-equiv=refresh]")).to_have_count(1)
    await page.locator("details.as-table summary").click()
    await expect(page.locator("[data-live-html=entries] tbody tr").first).to_be_visible()
    await context.close()
