"""What makes the pages an app that opens without network: keeper, right time, manifest."""

from typing import Any, Final

from litestar import Response, get
from litestar.di import NamedDependency

from shanmen.kit import clock
from shanmen.orders.pages.common import AnyRequest
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.render import locale_of, web_of

_PAPER: Final = "#fbfaf5"


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


@get("/s/{slug:str}/app.webmanifest", opt=dict(PUBLIC), include_in_schema=False)
async def manifest(
    request: AnyRequest, site: NamedDependency[SiteContext]
) -> Response[dict[str, Any]]:
    """The web app manifest, by which a phone installs a site's pages.

    The app begins at the site's page and never at an order's: whoever has an order's address can
    use it, and some browsers send what they install to their maker. ``app`` in its address lets
    the service worker show the saved tickets instead where there is no network.
    """
    assets = web_of(request).assets
    locale = locale_of(request)
    name = i18n.localized(site.name, locale)
    home = f"/s/{site.slug}"
    drawing = {"src": assets.url("img/app.svg"), "sizes": "any", "type": "image/svg+xml"}
    pictures = [
        {"src": assets.url(f"img/app-{px}.png"), "sizes": f"{px}x{px}", "type": "image/png"}
        for px in (192, 512)
    ]
    return Response(
        {
            "id": home,
            "name": name,
            "short_name": name,
            "lang": locale,
            "start_url": f"{home}?app=1",
            "scope": home,
            "display": "standalone",
            "background_color": _PAPER,
            "theme_color": _PAPER,
            "icons": [
                *({**icon, "purpose": "any"} for icon in (drawing, *pictures)),
                {**pictures[-1], "purpose": "maskable"},
            ],
        },
        media_type="application/manifest+json",
        # A site's name changes seldom, and so do the addresses of its icons.
        headers={"cache-control": "public, max-age=3600", "content-language": locale},
    )


routes = [worker, now, manifest]
