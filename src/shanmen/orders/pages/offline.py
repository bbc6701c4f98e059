"""The script that lets an e-ticket open without network."""

from litestar import Response, get

from shanmen.orders.pages.common import AnyRequest
from shanmen.sites.access import PUBLIC
from shanmen.web.render import web_of


@get("/s/sw.js", opt=dict(PUBLIC), include_in_schema=False)
async def worker(request: AnyRequest) -> Response[bytes]:
    """The service worker. Its scope is its own folder: all visitors' pages and nothing else."""
    answer = web_of(request).assets.respond(request, "js/orders/sw.js", cache_control="no-cache")
    answer.headers["service-worker-allowed"] = "/s/"
    return answer


routes = [worker]
