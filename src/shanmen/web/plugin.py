"""The one thing an application registers to have the kit."""

import gzip
from typing import Any, Final

from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection, Request
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import RequestEncodingType, ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.plugins import InitPlugin
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from shanmen.web import signing
from shanmen.web.assets import static_route
from shanmen.web.problems import CsrfRefused, exception_handlers
from shanmen.web.render import _STATE_KEY, CSRF_COOKIE, Web, WebConfig, content_policy, web_of
from shanmen.web.sent import SentRequest

__all__ = ["SECURITY_HEADERS", "WebConfig", "WebPlugin", "compressed", "secure"]

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(self), microphone=(), payment=(), usb=()",
}
_SECURITY: Final = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_PAGE_POLICY: Final = (b"content-security-policy", content_policy().encode())
_MINIMUM_SECRET: Final = 32
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM_TYPES: Final = frozenset({RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART})
# Below this a compressed answer saves no packet.
_COMPRESS_FROM_BYTES: Final = 1000
# From level 4 on a page takes twice as long and is a twentieth smaller.
_COMPRESS_LEVEL: Final = 3


async def csrf_guard(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Let a changing request pass only when it came from a page of this site.

    The API is left out because it never reads cookies; a handler that a stranger's server
    calls sets ``exclude_from_csrf=True``.

    Raises:
        CsrfRefused: the token is missing, is not the cookie's, or another site sent it.
    """
    if connection.scope["type"] != ScopeType.HTTP:
        return
    request = Request[Any, Any, Any](connection.scope, connection.receive)
    if (
        request.method in _SAFE_METHODS
        or request.url.path.startswith("/api/")
        or handler.opt.get("exclude_from_csrf")
    ):
        return
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise CsrfRefused
    sent = request.headers.get("x-csrf-token")
    if sent is None and request.content_type[0] in _FORM_TYPES:
        sent = (await request.form()).get("csrf_token")
    cookie = request.cookies.get(CSRF_COOKIE)
    secret = web_of(connection).config.secret
    if (
        not isinstance(sent, str)
        or not signing.token_is_valid(secret, cookie)
        or signing.unmask(sent) != cookie
    ):
        raise CsrfRefused


async def _secure(message: Message, scope: Scope) -> None:
    """Add the headers that every answer carries, also one that no route made."""
    if message["type"] == "http.response.start" and scope["type"] == ScopeType.HTTP:
        secure(message)


def secure(message: HTTPResponseStartEvent) -> None:
    """Add the headers that every answer carries to the beginning of one."""
    headers = list(message["headers"])
    sent = {name.lower(): value for name, value in headers}
    wanted = _SECURITY
    if sent.get(b"content-type", b"").startswith(b"text/html"):
        wanted = [*_SECURITY, _PAGE_POLICY]
    headers += [(name, value) for name, value in wanted if name not in sent]
    message["headers"] = headers


def _compressible(content_type: str) -> bool:
    return (
        content_type.startswith(("text/", "image/svg"))
        or "json" in content_type
        or "javascript" in content_type
    )


class CompressionMiddleware:
    """Compress answers that are sent whole; a stream passes through as it is.

    Litestar's own also compresses streams, which would hold back the events of a live page,
    and sets up a compressor for every request, also for the small ones of the API.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap ``send`` when the caller takes gzip."""
        if scope["type"] != ScopeType.HTTP or "gzip" not in Headers.from_scope(scope).get(
            "accept-encoding", ""
        ):
            await self.app(scope, receive, send)
            return
        held: HTTPResponseStartEvent | None = None

        async def compress(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                held = message
                return
            if held is not None and message["type"] == "http.response.body":
                start, held = held, None
                if not message.get("more_body"):
                    message["body"] = compressed(start, message["body"])
                await send(start)
            await send(message)

        await self.app(scope, receive, compress)


def compressed(start: HTTPResponseStartEvent, body: bytes) -> bytes:
    """The body as a browser that takes gzip gets it; its headers are changed accordingly."""
    headers = MutableScopeHeaders.from_message(start)
    if (
        len(body) < _COMPRESS_FROM_BYTES
        or "content-encoding" in headers
        or not _compressible(headers.get("content-type", ""))
    ):
        return body
    body = gzip.compress(body, _COMPRESS_LEVEL, mtime=0)
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    headers.extend_header_value("vary", "accept-encoding")
    return body


class WebPlugin(InitPlugin):
    """Registers static files, error answers, compression, form guard and security headers."""

    def __init__(self, config: WebConfig) -> None:
        if len(config.secret) < _MINIMUM_SECRET:
            message = f"WebConfig.secret must be at least {_MINIMUM_SECRET} bytes"
            raise ValueError(message)
        self.web = Web(config)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the kit's parts; what the application set itself stays."""
        app_config.state[_STATE_KEY] = self.web
        app_config.route_handlers.extend(static_route(self.web.assets))
        app_config.exception_handlers = {
            **exception_handlers(),
            **(app_config.exception_handlers or {}),
        }
        app_config.request_class = app_config.request_class or SentRequest
        app_config.guards.insert(0, csrf_guard)
        app_config.before_send.append(_secure)
        app_config.middleware.insert(0, CompressionMiddleware)
        return app_config
