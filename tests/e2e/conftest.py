"""A whole server over a database of its own, a park that is open now, and a browser."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

from shanmen.db.session import Session
from shanmen.kit import ids
from shanmen.sites.service import staff
from tests.conftest import MASTERS, Cluster, open_database
from tests.support.browser import chromium, chromium_path
from tests.support.desk import Desk
from tests.support.park import PASSWORD, PASSWORD_HASH, Park, make_park
from tests.support.patience import PATIENCE_SECONDS
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def server_url(cluster: Cluster, template: str, worker_id: str) -> str:
    """The owner's URL of the database that the server runs on."""
    return cluster.clone(f"{template}_{worker_id}_e2e", template)


@pytest.fixture(scope="session")
async def open_park(server_url: str) -> Park:
    """A park whose slots are of today and open now."""
    database = open_database(server_url)
    try:
        return await make_park(database, code="open-park", capacity=50, open_now=True)
    finally:
        await database.close()


@pytest.fixture(scope="session")
async def guard(server_url: str, open_park: Park) -> str:
    """The login of somebody who may scan and nothing else."""

    login = f"guard{ids.new_id().hex[-9:]}"

    async def make(session: Session) -> None:
        await staff.create_staff(
            session, login=login, name="Guard", role_code="gate", password_hash=PASSWORD_HASH
        )

    database = open_database(server_url)
    await Desk(database, open_park).unit(make)
    await database.close()
    return login


@pytest.fixture(scope="session")
def server(
    server_url: str, open_park: Park, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The server's processes."""
    chromium_path()
    with Server(server_url, tmp_path_factory.mktemp("server"), MASTERS) as running:
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium."""
    async with chromium() as running:
        yield running


@dataclass(frozen=True)
class Screens:
    """Opens pages of the server at the sizes that people have."""

    browser: Browser
    url: str
    code: str

    async def open(self, *, width: int = 360, **options: Any) -> BrowserContext:
        """A new browser profile; Chinese unless `locale` says otherwise."""
        size = PHONE if width == PHONE["width"] else DESK
        context = await self.browser.new_context(
            viewport=size, base_url=self.url, **({"locale": "zh-CN"} | options)
        )
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        return context

    async def sign_in(self, page: Page, login: str = "admin") -> None:
        """Sign in as staff."""
        await page.goto("/console/login")
        await page.fill("input[name=login]", f"{login}@{self.code}")
        await page.fill("input[name=password]", PASSWORD)
        await page.click("button[type=submit].button-primary, button[type=submit].button-accent")
        await page.wait_for_url(lambda url: "login" not in url)


@pytest.fixture
def screens(browser: Browser, server: Server, open_park: Park) -> Screens:
    """Pages of the running server."""
    return Screens(browser, server.url, open_park.code)


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
