"""The stand-in as an ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar, get
from litestar.datastructures import State

from shanmen.payments.standin import api, control, pages
from shanmen.payments.standin.server import StandIn

_MOST_BODY_BYTES = 256 * 1024


@get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the stand-in is up."""
    return {"status": "ok", "provider": "sandbox"}


def create_app(
    data_dir: Path, *, public_url: str | None = None, trust: Path | None = None
) -> Litestar:
    """Build the application over ``<data_dir>/sandbox-pay``; serve it with one worker.

    ``public_url`` is where visitors reach the pay page, if that is not where the merchant reaches
    the API. ``trust`` is a certificate that the merchant may answer under. Raises
    `store.AlreadyRunning` where another process serves the same folder.
    """
    standin = StandIn.open(data_dir, public_url=public_url, trust=trust)

    @asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(standin.messenger.run())
        try:
            yield
        finally:
            standin.stopping.set()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            standin.store.close()

    return Litestar(
        route_handlers=[api.router, control.router, pages.router, healthz],
        lifespan=[run],
        state=State({"standin": standin}, deep_copy=False),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=_MOST_BODY_BYTES,
    )
