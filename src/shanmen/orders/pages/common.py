"""What the visitor's pages share: the site's own texts, remembered for a few seconds."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response
from litestar.connection import ASGIConnection

from shanmen.db.session import Session, Unit
from shanmen.inventory import queries as inventory
from shanmen.orders.desk import OrderDesk
from shanmen.payments.registry import Providers
from shanmen.sites import queries as sites
from shanmen.sites.cache import Remembered
from shanmen.sites.queries import SiteContext, SiteView
from shanmen.web.forms import Form
from shanmen.web.render import FLASH_COOKIE, is_htmx, locale_of

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]

ORDER: Final = "/s/{slug:str}/orders/{number:str}/{secret:str}"
"""Where an order's pages are."""
CHANNEL: Final = "web"
"""The channel of the visitor's pages."""
FRAME_SECONDS: Final = 5.0
PAGE_SECONDS: Final = 0.5
_RENEWED_AT: Final = 0.6
"""After this share of its time something that is remembered is made anew, before anybody waits."""
_FRAMES: Final = "orders_frames"
_PAGES: Final = "orders_pages"


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page of a site shows around its own contents."""

    site: SiteView
    pools: dict[UUID, dict[str, str]]
    """Names of what tickets draw on, in the operator's order."""


async def read_frame(session: Session, *, slug: str, site_id: UUID) -> Frame:
    """Read a site's texts and the names of its pools."""
    pools = await inventory.pools(session, site_id=site_id)
    return Frame(await sites.site(session, slug=slug), {pool.id: pool.name for pool in pools})


async def frame_of(request: AnyRequest, site: SiteContext, unit: Unit) -> Frame:
    """A site's frame, at most a few seconds old."""
    frames = remembered(request, _FRAMES, seconds=FRAME_SECONDS)
    found = await frames.get(
        (site.tenant_id, site.slug),
        lambda: unit(read_frame, slug=site.slug, site_id=site.site_id),
    )
    if not isinstance(found, Frame):
        raise TypeError(found)
    return found


def remembered(
    connection: ASGIConnection[Any, Any, Any, Any], name: str, *, seconds: float
) -> Remembered[Any, Any]:
    """A memory of this application, made at its first use."""
    state = connection.app.state
    found = state.get(name)
    if not isinstance(found, Remembered):
        found = state[name] = Remembered(seconds=seconds, renew_after=seconds * _RENEWED_AT)
    return found


async def same_for_all(
    request: AnyRequest, key: Hashable, make: Callable[[], Awaitable[Page]]
) -> Page:
    """A page that is the same for everybody, at most half a second old.

    On the morning of a holiday thousands look at the same day. The figures on it are binding only
    for whoever holds a place, and half a second is less than a page is on its way to a phone. It
    must have no form that is posted, because such a form carries a token of its reader. A
    page with a message for this reader, or in a language that is being chosen, is made anew.
    """
    if FLASH_COOKIE in request.cookies or "lang" in request.query_params or is_htmx(request):
        return await make()
    pages = remembered(request, _PAGES, seconds=PAGE_SECONDS)
    found = await pages.get((key, locale_of(request)), make)
    if not isinstance(found, Response):
        raise TypeError(found)
    return Response(
        found.content,
        status_code=found.status_code,
        media_type=found.media_type,
        headers=dict(found.headers),
    )


def desk_of(request: AnyRequest) -> OrderDesk:
    """The process's order desk."""
    desk: OrderDesk = request.app.state.orders
    return desk


def providers_of(request: AnyRequest) -> Providers:
    """The payment providers in use."""
    providers: Providers = request.app.state.providers
    return providers


def order_path(slug: str, number: str, secret: str) -> str:
    """The address of an order's page."""
    return f"/s/{slug}/orders/{number}/{secret}"


def ticket_ids(form: Form) -> list[UUID]:
    """The tickets that were ticked."""
    found = []
    values = form.get("tickets")
    for value in values if isinstance(values, list) else []:
        try:
            found.append(UUID(str(value)))
        except ValueError:
            continue
    return found
