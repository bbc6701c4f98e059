"""A small application with the routes of sites, a tenant of its own, and somebody signed in."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from argon2 import PasswordHasher
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from shanmen.db.session import Database, Session, Unit
from shanmen.kit import ids
from shanmen.kit.settings import Settings
from shanmen.sites.access import (
    DEPENDENCIES,
    PUBLIC,
    STATE_KEY,
    Access,
    login_address,
    navigation,
    requires,
    site_switch,
)
from shanmen.sites.api import routes as api
from shanmen.sites.pages import routes as pages
from shanmen.sites.passwords import Passwords
from shanmen.sites.queries import ApiCaller, SignedIn, SiteContext
from shanmen.sites.service import apikeys, places, staff, tenants
from shanmen.web.plugin import WebConfig, WebPlugin

PASSWORD = "correct horse battery"
# Hashing is slow by design; that it is done at all is what tests look at.
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HASH = Passwords(CHEAP).hash_now(PASSWORD)


@dataclass(frozen=True)
class Tenant:
    id: int
    code: str
    admin_id: UUID
    slug: str
    zone_id: UUID
    entrance_id: UUID

    def login(self, name: str = "admin") -> str:
        return f"{name}@{self.code}"


async def make_tenant(session: Session) -> Tenant:
    code = f"t{ids.new_id().hex[-10:]}"
    made = await tenants.create_tenant(
        session,
        code=code,
        name={"zh-CN": "某集团"},
        admin_login="admin",
        admin_name="王敏",
        admin_password_hash=HASH,
    )
    slug = f"s{code}"
    await tenants.create_site(session, slug=slug, name={"zh-CN": "云山", "en": "Mount Yun"})
    zone = await places.create_zone(session, site_slug=slug, name={"zh-CN": "全园"})
    door = await places.create_entrance(
        session, site_slug=slug, zone_id=zone.id, name={"zh-CN": "东门", "en": "East gate"}
    )
    return Tenant(made.tenant_id, code, made.administrator_id, slug, zone.id, door.id)


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    async with database.transaction(None) as session:
        return await make_tenant(session)


@pytest.fixture
async def other(database: Database) -> Tenant:
    async with database.transaction(None) as session:
        return await make_tenant(session)


async def add_staff(database: Database, tenant: Tenant, login: str, role: str) -> UUID:
    async with database.transaction(tenant.id) as session:
        made = await staff.create_staff(
            session, login=login, name=login.title(), role_code=role, password_hash=HASH
        )
    return made.id


async def add_key(database: Database, tenant: Tenant, *permissions: str) -> apikeys.NewKey:
    async with database.transaction(tenant.id) as session:
        return await apikeys.create_key(
            session, name="旅行网", channel="ota", permissions=permissions
        )


@get("/s/{slug:str}/hello", opt=PUBLIC)
async def hello(site: NamedDependency[SiteContext], unit: NamedDependency[Unit]) -> dict[str, Any]:
    return {"site": site.slug, "tenant": unit.tenant_id, "actor": unit.actor.kind}


@get("/gate/hello", guards=[requires("admission.scan")])
async def gate_hello(staff: NamedDependency[SignedIn]) -> str:
    return staff.label


@get("/api/v1/hello", guards=[requires("orders.read", "orders.change")])
async def api_hello(
    caller: NamedDependency[ApiCaller], unit: NamedDependency[Unit]
) -> dict[str, Any]:
    return {"channel": caller.channel, "tenant": unit.tenant_id, "actor": unit.actor.kind}


def make_app(database: Database, *, settings: Settings | None = None) -> Litestar:
    def context(request: Request[Any, Any, Any]) -> dict[str, object]:
        return {"nav": navigation(pages.NAV, request.scope.get("user")), **site_switch(request)}

    web = WebPlugin(WebConfig(secret=b"s" * 32, context=[context], login=login_address))
    return Litestar(
        route_handlers=[*api.routes, *pages.routes, hello, gate_hello, api_hello],
        plugins=[web],
        dependencies=dict(DEPENDENCIES),
        state=State(
            {
                "database": database,
                "settings": settings or Settings(),
                STATE_KEY: Access(database, session_minutes=60, passwords=Passwords(CHEAP)),
            }
        ),
    )


def asgi(app: Litestar) -> httpx.ASGITransport:
    # Litestar's types of messages are narrower than httpx's; it is the same protocol.
    return httpx.ASGITransport(app=app)  # type: ignore[arg-type]


class Browser:
    """Keeps cookies, and sends forms with the token of the page they stand on."""

    def __init__(self, app: Litestar) -> None:
        self.http = httpx.AsyncClient(
            transport=asgi(app),
            base_url="http://test",
            headers={"accept": "text/html", "accept-language": "en"},
        )

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path)

    async def post(
        self, path: str, data: dict[str, Any] | None = None, *, on: str | None = None
    ) -> httpx.Response:
        """Send a form from the page `on` (the same path unless it is given)."""
        shown = await self.http.get(on or path)
        token = re.search(r'name="csrf_token" value="([^"]+)"', shown.text)
        assert token, shown.text[:500]
        return await self.http.post(path, data={"csrf_token": token[1], **(data or {})})

    async def sign_in(self, login: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/console/login", {"login": login, "password": password})


@pytest.fixture(scope="session")
def app(database: Database) -> Litestar:
    return make_app(database)


@pytest.fixture
async def browser(app: Litestar) -> AsyncIterator[Browser]:
    opened = Browser(app)
    yield opened
    await opened.http.aclose()


@pytest.fixture
async def admin(app: Litestar, tenant: Tenant) -> AsyncIterator[Browser]:
    opened = Browser(app)
    answer = await opened.sign_in(tenant.login())
    assert answer.status_code == 303, answer.text
    yield opened
    await opened.http.aclose()


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=asgi(app), base_url="http://test") as opened:
        yield opened
