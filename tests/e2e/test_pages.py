"""What holds for every page: nothing sticks out, nothing complains, axe-core finds nothing serious.

The pages are found in the route table, so a new page is looked at without being named here.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from litestar import Litestar
from msgspec import structs
from playwright.async_api import ConsoleMessage, Page, Response, ViewportSize

from shanmen.app import create_app
from shanmen.kit.settings import Settings
from tests.conftest import APP_ROLE, MASTERS, open_database
from tests.e2e.conftest import DESK, PHONE, Screens
from tests.e2e.everything import Address, Everything, make_everything
from tests.support.browser import axe_findings
from tests.support.server import Server

pytestmark = pytest.mark.e2e

FAILED = 400
OF_OTHERS = {"/api/docs": {"color-contrast", "nested-interactive", "select-name"}}
"""Findings in the markup of a library that is shown as it comes: Swagger UI's reference."""
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
OVERFLOW = "Math.max(0, document.scrollingElement.scrollWidth - window.innerWidth)"
STICKING_OUT = """() => [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1 && e.checkVisibility())
    .slice(-1).map((e) => e.outerHTML.slice(0, 160))"""


@pytest.fixture(scope="module")
async def everything(server_url: str) -> Everything:
    """A tenant that every page has something of."""
    database = open_database(server_url)
    try:
        return await make_everything(database)
    finally:
        await database.close()


@pytest.fixture(scope="module")
async def app(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Litestar]:
    """The application, only asked for its routes."""
    data: Path = tmp_path_factory.mktemp("routes")
    (data / "master.key").write_text(MASTERS.current.line() + "\n")
    settings = structs.replace(
        Settings(), data_dir=data, master_key_file=data / "master.key", app_role=APP_ROLE
    )
    database = open_database(server_url)
    yield create_app(settings, database=database)
    await database.close()


@pytest.fixture(scope="module")
async def addresses(everything: Everything, app: Litestar, server: Server) -> list[Address]:
    """All pages, the same for every walk."""
    return await everything.addresses(app, server.url)


@dataclass
class Look:
    """One page of a browser that walks from address to address and notes what is wrong."""

    page: Page
    axe: str
    wrong: list[str] = field(default_factory=list)
    address: Address = field(default_factory=lambda: Address("", ""))

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.note(f"script error: {error}"))
        self.page.on("response", self._response)

    def note(self, text: str) -> None:
        size = self.page.viewport_size
        width = size["width"] if size else 0
        self.wrong.append(f"{self.address} [{self.address.route}] at {width}: {text}")

    def _console(self, message: ConsoleMessage) -> None:
        # A page that is a problem is announced by the browser itself.
        expected = self.address.status >= FAILED and "Failed to load resource" in message.text
        if message.type in {"error", "warning"} and not expected:
            self.note(f"console: {message.text[:300]}")

    def _response(self, answer: Response) -> None:
        if answer.status >= FAILED and answer.status != self.address.status:
            self.note(f"{answer.status} for {answer.url}")

    async def open(self, address: Address) -> None:
        self.address = address
        answer = await self.page.goto(address.url)
        status = answer.status if answer else 0
        if status != address.status:
            self.note(f"answers {status}")

    async def nothing_sticks_out(self, size: ViewportSize) -> None:
        if self.page.viewport_size != size:
            await self.page.set_viewport_size(size)
            await self.page.evaluate(DRAWN)
        if beyond := await self.page.evaluate(OVERFLOW):
            what = await self.page.evaluate(STICKING_OUT)
            self.note(f"sticks out {beyond} px: {what}")

    async def accessible(self, *rules: str) -> None:
        # Colours of a scheme that has just been changed are those of the next picture. Under
        # reduced motion they would take longer: there every change is a very short transition.
        await self.page.evaluate(DRAWN)
        for finding in await axe_findings(self.page, self.axe, rules=rules):
            if finding.partition(" ")[0] in OF_OTHERS.get(self.address.route, ()):
                continue
            scheme = " in the dark" if rules else ""
            self.note(f"axe{scheme}: {finding}")


@pytest.mark.parametrize("walk", [("zh-CN", PHONE, DESK), ("en", DESK, PHONE)], ids=lambda w: w[0])
async def test_every_page_is_whole_at_every_size(
    screens: Screens,
    everything: Everything,
    addresses: list[Address],
    axe: str,
    walk: tuple[str, ViewportSize, ViewportSize],
) -> None:
    """Axe looks at the first size in the light; in Chinese also at the colours in the dark."""
    locale, first, second = walk
    assert {"/", "/s/{slug:str}", "/console/today", "/gate/{lane_id:uuid}"} <= {
        address.route for address in addresses
    }
    context = await screens.open(width=first["width"], locale=locale, color_scheme="light")
    await context.add_cookies(everything.cookies(screens.url))  # type: ignore[arg-type]
    # Every page starts with it; sending half a megabyte again each time would take longer.
    await context.add_init_script(axe)
    look = Look(await context.new_page(), axe)
    for address in addresses:
        await look.page.set_viewport_size(first)
        await look.open(address)
        await look.nothing_sticks_out(first)
        await look.accessible()
        if locale == "zh-CN":
            await look.page.emulate_media(color_scheme="dark")
            await look.accessible("color-contrast")
            await look.page.emulate_media(color_scheme="light")
        await look.nothing_sticks_out(second)
    assert not look.wrong, "\n".join(look.wrong)
    await context.close()


async def test_the_look_would_see_what_it_looks_for(screens: Screens, axe: str) -> None:
    context = await screens.open(width=PHONE["width"])
    look = Look(await context.new_page(), axe)
    await look.open(Address("/", "/"))
    await look.page.evaluate(
        """async () => {
            document.querySelector("main").insertAdjacentHTML("beforeend",
                "<div id=wide>wide</div><input><p id=pale>pale</p>");
            document.getElementById("wide").style.width = "900px";
            document.getElementById("pale").style.color = "#ccc";
            document.body.insertAdjacentHTML("beforeend", "<b style='color: red'></b>");
            await fetch("/nowhere");
        }"""
    )
    await look.nothing_sticks_out(PHONE)
    await look.accessible()
    told = "\n".join(look.wrong)
    for word in ("sticks out", "label (", "color-contrast", "Content Security Policy", "404 for"):
        assert word in told
    await context.close()
