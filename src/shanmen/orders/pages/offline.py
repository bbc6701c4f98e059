"""What lets an e-ticket open without network: the script that keeps it, and the right time."""

from litestar import Response, get

from shanmen.kit import clock
from shanmen.orders.pages.common import AnyRequest
from shanmen.sites.access import PUBLIC
from shanmen.web.render import web_of


@get("/s/sw.js", opt=dict(PUBLIC), include_in_schema=False)
async def worker(request: AnyRequest) -> Response[bytes]:
    """The service worker. Its scope is its own folder: all visitors' pages and nothing else."""
    answer = web_of(request).assets.respond(request, "js/orders/sw.js", cache_control="no-cache")
    answer.headers["service-worker-allowed"] = "/s/"
    return answer


@get("/s/now.json", opt=dict(PUBLIC), include_in_schema=False)
async def now() -> Response[dict[str, int]]:
    """The time in milliseconds since 1970: a phone measures by it how far its own clock is off.

    The code that changes goes by the time, and a phone that is minutes off would show one that
    gates take for a picture.
    """
    return Response(
        {"now_ms": int(clock.now().timestamp() * 1000)}, headers={"cache-control": "no-store"}
    )


routes = [worker, now]
