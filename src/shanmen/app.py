"""The web application: all routes, what they share, and how it starts and stops."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from sqlalchemy import text

from shanmen import wiring
from shanmen.admission.api import routes as admission_api
from shanmen.admission.coalesce import STATE_KEY as ADMISSIONS
from shanmen.admission.coalesce import admission_coalescer
from shanmen.admission.pages import routes as admission_pages
from shanmen.catalog import api as catalog_api
from shanmen.catalog.pages import routes as catalog_pages
from shanmen.db.keys import Keyrings
from shanmen.db.outbox import install_subscribers
from shanmen.db.safety import check_safe
from shanmen.db.session import Database, Session
from shanmen.demo.progress import read as demo_progress
from shanmen.insight import api as insight_api
from shanmen.insight.live import close_boards
from shanmen.insight.pages import routes as insight_pages
from shanmen.inventory.api import direct as inventory_direct
from shanmen.inventory.api import routes as inventory_api
from shanmen.inventory.pages import routes as inventory_pages
from shanmen.kit import days
from shanmen.kit import settings as kit_settings
from shanmen.kit.crypto import MasterKeys
from shanmen.kit.settings import Settings
from shanmen.orders.api import direct as orders_direct
from shanmen.orders.api import routes as orders_api
from shanmen.orders.desk import OrderDesk
from shanmen.orders.pages import routes as orders_pages
from shanmen.payments.providers.sandbox import SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_merchant_keys
from shanmen.payments.registry import Providers
from shanmen.sites.access import (
    DEPENDENCIES,
    PUBLIC,
    NavEntry,
    login_address,
    navigation,
    site_switch,
)
from shanmen.sites.api import routes as sites_api
from shanmen.sites.pages import routes as sites_pages
from shanmen.sites.repeats import Repeated, RepeatsMiddleware, describe_keys, send_again
from shanmen.web.described import Docstrings, LocalTimes, Summaries, describe_parameters
from shanmen.web.direct import Application, DirectRoute, PageRoute
from shanmen.web.plugin import WebConfig, WebPlugin
from shanmen.web.render import page

log = logging.getLogger(__name__)

VERSION = version("shanmen")

MAX_BODY_BYTES = 1_000_000
YOUNG_OBJECTS = 20_000
"""So many new objects are made before the collector looks through them."""

ROUTES: list[Any] = [
    *sites_api.routes,
    *sites_pages.routes,
    *admission_api.routes,
    *admission_pages.routes,
    *insight_api.routes,
    *insight_pages.routes,
    *orders_pages.routes,
    *orders_api.routes,
    *catalog_pages.routes,
    *catalog_api.routes,
    *inventory_api.routes,
    *inventory_pages.routes,
]
DIRECT: list[DirectRoute | PageRoute] = [
    *orders_direct.routes,
    *orders_pages.direct,
    *admission_api.direct,
    *inventory_direct.routes,
]
NAV: list[NavEntry] = [
    *sites_pages.NAV,
    *admission_pages.NAV,
    *insight_pages.NAV,
    *orders_pages.NAV,
    *catalog_pages.NAV,
    *inventory_pages.NAV,
]


async def alive(session: Session) -> bool:
    """Ask the database something that costs nothing."""
    return bool(await session.scalar(text("SELECT true")))


@get("/healthz", opt=dict(PUBLIC), include_in_schema=False)
async def healthz(state: State) -> dict[str, str]:
    """Say that this process serves and reaches its database."""
    await state.database.unit(None)(alive)
    return {"status": "ok", "version": VERSION}


class ApiDescription(JsonRenderPlugin):
    """Serves the description of the API, with what no handler says of itself."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Describe the API in OpenAPI 3.1."""
        describe_keys(openapi_schema)
        describe_parameters(openapi_schema)
        return super().render(request, openapi_schema)


@get("/api/docs", opt=dict(PUBLIC), include_in_schema=False)
async def api_docs(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the API's reference, to read and to try."""
    return page(request, "web/api_docs.html")


def page_context(request: Request[Any, Any, Any]) -> Mapping[str, object]:
    """What the console's pages always show: the entries that the reader may use, and the sites."""
    return {
        "nav": navigation(NAV, request.scope.get("user")),
        "demo_progress": partial(demo_progress, request.app.state.settings.data_dir),
        **site_switch(request),
    }


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    providers: Providers | None = None,
    debug: bool = False,
) -> Litestar:
    """Put the application together.

    Args:
        settings: of this process; `database_url` must be set unless `database` is given.
        database: an open database, for tests; it is not closed here.
        providers: payment providers, for tests; the sandbox otherwise.
    """
    install_subscribers(wiring.SUBSCRIBERS)
    masters = MasterKeys.load(settings.master_key_path, create=True)
    own_database = database is None
    if database is None:
        database = open_database(settings, masters)
    providers = providers or open_providers(settings)
    desk = OrderDesk(
        database,
        hold=timedelta(seconds=settings.hold_seconds),
        max_batch=settings.coalesce_max_batch,
        max_queue=settings.coalesce_max_queue,
    )
    admissions = admission_coalescer(
        database, max_batch=settings.coalesce_max_batch, max_queue=settings.coalesce_max_queue
    )

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        await check_safe(database)
        # The calendar of public holidays takes seconds to load; a visitor should not wait for it.
        warming = asyncio.create_task(asyncio.to_thread(days.warm))
        yield
        await warming
        close_boards(app.state)
        await desk.close()
        await admissions.close()
        await providers.close()
        if own_database:
            await database.close()

    web = WebPlugin(
        WebConfig(
            secret=masters.current.derive("web"),
            secure=settings.base_url.startswith("https://"),
            debug=debug,
            context=[page_context],
            login=login_address,
        )
    )
    return Application(
        direct=DIRECT,
        route_handlers=[healthz, api_docs, *ROUTES],
        plugins=[web, LocalTimes(), Docstrings(), Summaries()],
        dependencies=dict(DEPENDENCIES),
        lifespan=[lifespan],
        state=State(
            {
                "settings": settings,
                "database": database,
                "providers": providers,
                "orders": desk,
                ADMISSIONS: admissions,
            }
        ),
        openapi_config=openapi_config(),
        request_max_body_size=MAX_BODY_BYTES,
        response_cache_config=ResponseCacheConfig(default_expiration=None),
        middleware=[RepeatsMiddleware],
        exception_handlers={Repeated: send_again},
        logging_config=None,
        debug=debug,
    )


def open_database(settings: Settings, masters: MasterKeys) -> Database:
    """The database of these settings, as the application's role."""
    return Database(
        settings.database_url,
        keyrings=Keyrings(masters, cipher=settings.field_cipher),
        app_role=settings.app_role,
        pool_size=settings.pool_size,
        lock_timeout_ms=settings.lock_timeout_ms,
    )


def open_providers(settings: Settings) -> Providers:
    """The payment providers of these settings."""
    sandbox = SandboxProvider(
        base_url=f"http://127.0.0.1:{settings.sandbox_pay_port}",
        keys=load_merchant_keys(settings.data_dir),
    )
    return Providers([sandbox], public_url=settings.base_url)


def openapi_config() -> OpenAPIConfig:
    """The description of the API, at ``/api/openapi.json``."""
    return OpenAPIConfig(
        title="Shanmen API",
        version=VERSION,
        description=(
            "Everything that the product does, over HTTP. Send `Authorization: Bearer smk_…` with "
            "a key from the console; repeat a changing call with the same `Idempotency-Key` to get "
            "the same answer. Errors are `application/problem+json` with a `code`."
        ),
        path="/api",
        components=Components(
            security_schemes={"apiKey": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"apiKey": []}],
        tags=[
            Tag(name="orders", description="Place, pay, find, change and give back orders."),
            Tag(name="catalog", description="Ticket types, their prices and how long they hold."),
            Tag(name="inventory", description="Pools, schedules, slots, shares, availability."),
            Tag(name="admission", description="Decide scans, correct decisions."),
            Tag(
                name="gates",
                description="Lanes and gate rules; gates as they are now, enrolled, commanded and "
                "revoked; cases, blocked documents, how full zones may be.",
            ),
            Tag(name="insight", description="The day's figures and past days."),
            Tag(name="sites", description="Scenic areas with their zones and entrances."),
            Tag(name="staff", description="Who signs in to the console, as what, and from where."),
            Tag(name="audit", description="Who changed what, and when."),
        ],
        use_handler_docstrings=True,
        render_plugins=[ApiDescription(path="/openapi.json")],
        create_examples=False,
    )


@cache
def from_environment() -> Litestar:
    """Build the application from the environment: what each web process serves.

    It is built once, also for the processes that are forked afterwards. Nothing of it is open yet:
    connections, tasks and threads begin with the loop that serves it.
    """
    settings = kit_settings.load()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    application = create_app(settings)
    _collect_less()
    return application


def _collect_less() -> None:
    """Let the collector of reference cycles leave alone what lives as long as the process.

    By itself it would look through the youngest objects after every 700, and a batch of orders
    makes thousands that live until they are answered: that took a tenth of placing an order.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()
