"""What a visitor's phone has to load before pictures, over a connection that is slow."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Response

from shanmen.db.session import Session
from shanmen.kit import ids
from shanmen.orders.queries import order_secret
from tests.conftest import open_database
from tests.e2e.conftest import Screens
from tests.e2e.everything import slots_ahead
from tests.support.desk import Desk
from tests.support.park import make_park

pytestmark = pytest.mark.e2e

MOST_BYTES = 100_000
COUNTED = {"document", "stylesheet", "script", "fetch", "xhr", "font", "manifest"}


@pytest.fixture(scope="module")
async def addresses(server_url: str) -> dict[str, str]:
    """The visitor's pages, with a family and two adults where an order is shown."""
    database = open_database(server_url)
    park = await make_park(database, code=f"w{ids.new_id().hex[-9:]}", open_now=True)
    desk = Desk(database, park)
    tickets = [park.ticket("family"), park.ticket(), park.ticket()]
    held = await desk.place(park.order(*tickets))
    # What is to be moved to another day must not have begun.
    ahead = replace(park, slots=await desk.unit(slots_ahead, park=park))
    paid = await desk.place(ahead.order(ahead.ticket("family"), ahead.ticket()))
    await desk.pay(paid)

    async def secrets(session: Session) -> list[str]:
        return [order_secret(session.keyring, order.id) for order in (held, paid)]

    [of_held, of_paid] = await desk.unit(secrets)
    await database.close()
    site = f"/s/{park.slug}"
    ticket = f"{site}/orders/{paid.number}/{of_paid}"
    chosen = f"slot-s0={park.slots[0]}&qty-n1=2&qty-n3=1"
    return {
        "sites": "/",
        "home": site,
        "visit": f"{site}/visit?day={park.day}",
        "visitors": f"{site}/visitors?day={park.day}&{chosen}",
        "order held": f"{site}/orders/{held.number}/{of_held}",
        "e-ticket": ticket,
        "find": f"{site}/find",
        "refund": f"{ticket}/refund",
        "reschedule": f"{ticket}/reschedule",
    }


async def loaded(page: Page, address: str) -> dict[str, int]:
    """Bytes of everything but pictures that a page loads, unpacked, by address."""
    answers: list[Response] = []

    def note(answer: Response) -> None:
        answers.append(answer)

    page.on("response", note)
    await page.goto(address, wait_until="networkidle")
    return {
        urlsplit(answer.url).path: len(await answer.body())
        for answer in answers
        if answer.request.resource_type in COUNTED and answer.ok
    }


async def test_a_visitors_page_weighs_under_100_kb_before_pictures(
    screens: Screens, addresses: dict[str, str]
) -> None:
    """Measured unpacked, with nothing in the browser's memory; on the way it is about a quarter."""
    too_heavy = {}
    for name, address in addresses.items():
        context = await screens.open(width=360, service_workers="block")
        page = await context.new_page()
        bytes_by_file = await loaded(page, address)
        kinds = {path.rpartition(".")[2] for path in bytes_by_file}
        assert {"css", "js"} <= kinds, f"{name} loads {bytes_by_file}"
        assert urlsplit(address).path in bytes_by_file
        weight = sum(bytes_by_file.values())
        if weight >= MOST_BYTES:
            too_heavy[name] = (weight, bytes_by_file)
        await context.close()
    assert too_heavy == {}
