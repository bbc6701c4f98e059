"""An application of the operator's pages alone, and somebody signed in at its console."""

import re
from typing import Any

import httpx
from argon2 import PasswordHasher
from litestar import Litestar, Request
from litestar.datastructures import State

from shanmen.catalog import api as catalog_api
from shanmen.catalog.pages import routes as catalog_pages
from shanmen.db.session import Database
from shanmen.inventory.api import routes as inventory_api
from shanmen.inventory.pages import routes as inventory_pages
from shanmen.kit.settings import Settings
from shanmen.sites.access import DEPENDENCIES, STATE_KEY, Access, login_address, navigation
from shanmen.sites.pages import routes as sites_pages
from shanmen.sites.passwords import Passwords
from shanmen.web.plugin import WebConfig, WebPlugin
from tests.support.park import PASSWORD, Park

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
# Checking a password is slow by design; here it is not what is looked at.
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
NAV = [*sites_pages.NAV, *catalog_pages.NAV, *inventory_pages.NAV]


def make_app(database: Database) -> Litestar:
    """Signing in, and the API and pages of catalog and stock."""

    def context(request: Request[Any, Any, Any]) -> dict[str, object]:
        return {"nav": navigation(NAV, request.scope.get("user"))}

    web = WebPlugin(WebConfig(secret=b"s" * 32, context=[context], login=login_address))
    return Litestar(
        route_handlers=[
            *sites_pages.routes,
            *catalog_api.routes,
            *catalog_pages.routes,
            *inventory_api.routes,
            *inventory_pages.routes,
        ],
        plugins=[web],
        dependencies=dict(DEPENDENCIES),
        state=State(
            {
                "database": database,
                "settings": Settings(),
                STATE_KEY: Access(database, session_minutes=60, passwords=CHEAP),
            }
        ),
    )


class Console:
    """A browser of staff without scripts: it follows no redirect and sends forms as they are."""

    def __init__(self, app: Litestar) -> None:
        self.http = httpx.AsyncClient(
            # Litestar's types of messages are narrower than httpx's; it is the same protocol.
            transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
            base_url="http://test",
            headers={"accept-language": "en"},
        )

    async def sign_in(self, park: Park) -> None:
        """Sign in as the park's administrator."""
        answer = await self.post(
            "/console/login", {"login": f"admin@{park.code}", "password": PASSWORD}
        )
        assert answer.status_code == 303, answer.text

    async def get(self, path: str) -> str:
        """A page's markup; it must be there."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}\n{answer.text[:2000]}"
        return answer.text

    async def post(
        self, path: str, data: dict[str, Any], *, on: str | None = None
    ) -> httpx.Response:
        """Send a form from the page `on` (the same path unless it is given)."""
        token = TOKEN.search((await self.http.get(on or path)).text)
        assert token, f"{on or path} has no form"
        return await self.http.post(path, data={"csrf_token": token[1], **data})
