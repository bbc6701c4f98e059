"""Today on one page, and the stream that keeps it up to date."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.response import Stream

from shanmen.insight.live import HEARTBEAT_SECONDS, Board, boards_of
from shanmen.insight.pages import parts
from shanmen.insight.queries.today import WEEK
from shanmen.kit.days import holiday_name
from shanmen.sites.access import SITE_COOKIE, current_site, requires
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web import i18n
from shanmen.web.i18n import Locale
from shanmen.web.render import Web, locale_of, page, web_of

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]

READ = [requires("insight.read")]
STREAM_SECONDS: Final = 300.0
"""Then the browser connects anew, and whoever may not read any more finds out."""
RECONNECT_MS: Final = 2000
YEAR: Final = timedelta(days=365)


def site_cookies(request: AnyRequest, site: SiteContext) -> list[Cookie]:
    """Remember the site that was chosen on this page."""
    if request.query_params.get("site") != site.slug:
        return []
    return [
        Cookie(
            key=SITE_COOKIE,
            value=site.slug,
            path="/",
            max_age=int(YEAR.total_seconds()),
            secure=web_of(request).config.secure,
            httponly=True,
            samesite="lax",
        )
    ]


def site_tabs(
    path: str, staff: SignedIn, chosen: SiteContext, locale: Locale
) -> list[tuple[str, str, bool]]:
    """The sites to switch between."""
    return [
        (f"{path}?{urlencode({'site': one.slug})}", i18n.localized(one.name, locale), one == chosen)
        for one in staff.sites
    ]


@get("/console/today", guards=READ, include_in_schema=False)
async def today_page(request: AnyRequest, staff: NamedDependency[SignedIn]) -> Page:
    """The day at a glance; without scripts the page loads itself anew."""
    site = current_site(request, staff)
    if site is None:
        return page(request, "insight/today.html", figures=None)
    locale = locale_of(request)
    figures = await boards_of(request).of(site.tenant_id, site.site_id, site.timezone).figures()
    return page(
        request,
        "insight/today.html",
        figures=figures,
        words=parts.words(figures, locale),
        chart=parts.chart(figures),
        ahead_days=parts.ahead_days(figures),
        week_before=figures.day - WEEK,
        holiday=holiday_name(figures.day, locale),
        place=site,
        sites=site_tabs("/console/today", staff, site, locale),
        cookies=site_cookies(request, site),
        cache="no-store",
    )


@get("/console/today/stream", guards=READ, include_in_schema=False)
async def today_stream(request: AnyRequest, staff: NamedDependency[SignedIn]) -> Stream:
    """What has changed, as server-sent events named ``figures``."""
    site = current_site(request, staff)
    if site is None:
        raise SiteUnknown
    board = boards_of(request).of(site.tenant_id, site.site_id, site.timezone)
    return Stream(
        events(board, web_of(request), locale_of(request)),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def events(
    board: Board,
    web: Web,
    locale: Locale,
    *,
    seconds: float = STREAM_SECONDS,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Everything once, then what changes; a comment now and then when nothing does."""
    yield f"retry: {RECONNECT_MS}\n\n".encode()
    ends = asyncio.get_running_loop().time() + seconds
    sent: dict[str, str] = {}
    async with contextlib.aclosing(board.watch(heartbeat=heartbeat)) as news:
        async for heard in news:
            if heard:
                now: dict[str, str] = board.rendered(
                    locale, lambda figures: parts.fragments(web, locale, figures)
                )
                changed = {name: text for name, text in now.items() if sent.get(name) != text}
                sent = now
                yield b"event: figures\ndata: " + msgspec.json.encode(changed) + b"\n\n"
            else:
                yield b": still here\n\n"
            if asyncio.get_running_loop().time() > ends:
                return


routes = [today_page, today_stream]
