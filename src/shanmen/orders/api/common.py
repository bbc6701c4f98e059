"""What the API's routes share: which orders a key may see, and answering a key once."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import HeaderParameter

from shanmen.db.idempotency import key_digest, once, request_digest
from shanmen.db.session import Session
from shanmen.orders.errors import OrderNotFound
from shanmen.orders.queries import OrderFile, file_by_number
from shanmen.orders.schemas import OrderOut, OrderView
from shanmen.sites import queries as sites
from shanmen.sites.queries import ApiCaller, SiteContext

AnyRequest = Request[Any, Any, Any]
TAGS: Final = ["orders"]
SEES_ALL_CHANNELS: Final = "insight.read"
"""A key without it sees the orders of its own channel alone."""

RequiredKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Your own id of this request. A repetition with the same key and body gets "
        "the first answer, also after a restart; with another body it is refused.",
    ),
]
OptionalKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=255,
        required=False,
        description="Your own id of this request; a repetition gets the first answer.",
    ),
]

_encode = msgspec.json.Encoder().encode


def visible(file: OrderFile, caller: ApiCaller) -> OrderFile:
    """The order, if this key may see it; raises OrderNotFound."""
    if file.view.channel != caller.channel and not caller.may(SEES_ALL_CHANNELS):
        raise OrderNotFound
    return file


async def own_file(session: Session, *, number: str, caller: ApiCaller) -> OrderFile:
    """An order that the key may see; raises OrderNotFound."""
    return visible(await file_by_number(session, number=number), caller)


async def site_of(session: Session, *, site_id: UUID) -> SiteContext:
    """An order's site."""
    return next(s for s in await sites.site_contexts(session) if s.site_id == site_id)


def shown(view: OrderView, *, slug: str, public_url: str) -> OrderOut:
    """The order with its page's address."""
    values = {name: getattr(view, name) for name in OrderView.__struct_fields__}
    return OrderOut(**values, url=f"{public_url}/s/{slug}/orders/{view.number}/{view.secret}")


async def order_out(
    session: Session, *, number: str, caller: ApiCaller, public_url: str
) -> OrderOut:
    """An order as the API answers it; raises OrderNotFound."""
    file = await own_file(session, number=number, caller=caller)
    site = await site_of(session, site_id=file.view.site_id)
    return shown(file.view, slug=site.slug, public_url=public_url)


async def change_once(
    session: Session,
    *,
    scope: str,
    caller: ApiCaller,
    key: str | None,
    body: object,
    change: Callable[[Session], Awaitable[msgspec.Struct]],
) -> bytes:
    """Run a change and return its answer; a repeated key gets the answer of the first time.

    A refusal changes nothing and is not remembered, so it may be tried again with the same key.
    """
    if key is None:
        return _encode(await change(session))

    async def run() -> tuple[int, bytes]:
        return 200, _encode(await change(session))

    _, answer = await once(
        session,
        key_hash=key_digest(scope, str(caller.key_id), key),
        request_hash=request_digest(_encode(body)),
        work=run,
    )
    return answer


def public_url(request: AnyRequest) -> str:
    """Where visitors reach this server."""
    url: str = request.app.state.providers.public_url
    return url
