"""Answers a few very busy routes without the framework's conveniences.

What the framework does around a handler (its kinds of parameter, its dependencies, its stack of
middleware) costs more than placing an order in a batch, and more than a page that is remembered. A
direct route answers the case that makes up a load: a well-formed request of a program. For anything
else it returns None before it has changed anything, and then the framework's own route of the same
path answers: that one is the documented route, and both end in the same function. A page that is
only looked at is answered by its own handler, whoever calls it. Errors look the same from both.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.status_codes import HTTP_200_OK, HTTP_500_INTERNAL_SERVER_ERROR

from shanmen.web.environment import AnyRequest
from shanmen.web.i18n import Locale, pick_locale
from shanmen.web.plugin import SECURITY_HEADERS, compressed, secure
from shanmen.web.problems import handle

__all__ = ["Application", "Call", "DirectRoute", "PageRoute"]

_JSON: Final = b"application/json"
_SECURITY: Final = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_JSON_HEADERS: Final = [(b"content-type", _JSON), *_SECURITY]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
"""As ASGI has them; the framework's own types name every kind of message."""

MAX_DIRECT_BODY: Final = 64 * 1024
"""A larger body goes the framework's way, which knows the limit of the whole application."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as far as a busy route needs to know it."""

    app: Litestar
    parameters: tuple[str, ...]
    """What the path has in the places of its parameters."""
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        return self.headers.get(b"content-type", b"").startswith(_JSON)

    @property
    def locale(self) -> Locale | None:
        """The reader's language, where the header alone tells it; the framework looks further."""
        if self.query or b"cookie" in self.headers:
            return None
        return pick_locale(None, None, self.text(b"accept-language"))

    def texts(self) -> dict[str, str]:
        """All headers; names are in lower case."""
        return {k.decode("latin-1"): v.decode("latin-1") for k, v in self.headers.items()}

    def text(self, name: bytes) -> str:
        """A header; empty where it is not sent."""
        return self.headers.get(name, b"").decode("latin-1")


Answer = Callable[[Call], Awaitable[tuple[int, bytes] | None]]
"""Gives status and JSON; None leaves the request to the framework. What it raises is answered."""


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """A method and a path, with parameters in braces: ``/sites/{slug}/orders``."""

    method: str
    path: str
    answer: Answer

    def segment(self) -> str:
        """What a parameter may be, as a regular expression."""
        return "[^/]+"


@dataclass(frozen=True, slots=True)
class PageRoute:
    """A page that is looked at, under the path of its handler: ``/s/{slug:str}/visit``.

    Its parameters are words; a path with anything else in their place is the framework's, which
    also has paths without parameters that look like this one.
    """

    path: str
    answer: Callable[[AnyRequest], Awaitable[Response[bytes]]]
    method: str = "GET"

    def segment(self) -> str:
        """What a parameter may be, as a regular expression."""
        return "[A-Za-z0-9_-]+"

    def names(self) -> list[str]:
        """The names of the parameters."""
        return re.findall(r"\{([a-z_]+)", self.path)


_PARAMETER: Final = re.compile(r"\{[a-z_]+(?::str)?\}")


class _Table:
    """Finds the direct route of a path."""

    def __init__(self, routes: Iterable[DirectRoute | PageRoute]) -> None:
        self._exact: dict[tuple[str, str], DirectRoute | PageRoute] = {}
        self._patterns: list[tuple[str, str, re.Pattern[str], DirectRoute | PageRoute]] = []
        for route in routes:
            before, brace, _ = route.path.partition("{")
            if brace:
                # The text around the names of parameters; they stand for one segment each.
                fixed = [re.escape(text) for text in _PARAMETER.split(route.path)]
                pattern = re.compile(f"({route.segment()})".join(fixed))
                self._patterns.append((route.method, before, pattern, route))
            else:
                self._exact[route.method, route.path] = route

    def find(
        self, method: str, path: str
    ) -> tuple[DirectRoute | PageRoute, tuple[str, ...]] | None:
        """The route and the path's parameters."""
        found = self._exact.get((method, path))
        if found is not None:
            return found, ()
        for wanted, before, pattern, route in self._patterns:
            if wanted == method and path.startswith(before):
                match = pattern.fullmatch(path)
                if match is not None:
                    return route, match.groups()
        return None


class Application(Litestar):
    """Litestar with direct routes in front of it."""

    def __init__(self, *, direct: Iterable[DirectRoute | PageRoute] = (), **options: Any) -> None:
        super().__init__(**options)
        self._direct = _Table(direct)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        """Answer directly, or leave it to the framework."""
        if scope["type"] == ScopeType.HTTP:
            found = self._direct.find(scope["method"], scope["path"])
            if found is not None:
                route, parameters = found
                if isinstance(route, PageRoute):
                    await self._show(scope, receive, send, route, parameters)
                else:
                    await self._answer(scope, receive, send, route.answer, parameters)
                return
        await super().__call__(scope, receive, send)

    async def _answer(
        self,
        scope: Any,  # noqa: ANN401 - as ASGI has it
        receive: Receive,
        send: Send,
        answer: Answer,
        parameters: tuple[str, ...],
    ) -> None:
        body, rest = await _read(receive)
        call = Call(self, parameters, scope["query_string"], dict(scope["headers"]), body)
        try:
            answered = await answer(call) if rest is None else None
        except Exception as error:  # noqa: BLE001 - whatever it is becomes an answer
            await _send(send, *_problem(self._request(scope), error))
            return
        if answered is not None:
            await _send(send, *answered, _JSON_HEADERS)
            return
        await super().__call__(scope, _replay(body, rest, receive), send)  # type: ignore[arg-type] # ASGI's.

    async def _show(
        self,
        scope: Any,  # noqa: ANN401 - as ASGI has it
        receive: Receive,
        send: Send,
        route: PageRoute,
        parameters: tuple[str, ...],
    ) -> None:
        scope["path_template"] = route.path
        scope["path_params"] = dict(zip(route.names(), parameters, strict=True))
        request = self._request(scope, receive, send)
        try:
            response = await route.answer(request)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes an answer
            response = handle(request, error)
        await _send_page(send, request, response)

    def _request(self, scope: Any, *ways: Any) -> AnyRequest:  # noqa: ANN401 - as ASGI has them
        scope["app"] = scope["litestar_app"] = self
        scope.setdefault("state", {})
        return Request(scope, *ways)


async def _send_page(send: Send, request: AnyRequest, response: Response[bytes]) -> None:
    body, kind = response.content, str(response.media_type)
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    headers += [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", b"%d" % len(body)),
        *(cookie.to_encoded_header() for cookie in response.cookies),
    ]
    start: Any = {
        "type": "http.response.start",
        "status": response.status_code or HTTP_200_OK,
        "headers": headers,
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = compressed(start, body)
    secure(start)
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _read(receive: Receive) -> tuple[bytes, Message | None]:
    """The body, and the message at which reading stopped because it is too long or broken off."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        if message["type"] != "http.request" or len(body) > MAX_DIRECT_BODY:
            return body, message
        body += message["body"]
    return body, None if message["type"] == "http.request" else message


def _replay(body: bytes, rest: Message | None, receive: Receive) -> Receive:
    """Let what was read be read again."""
    first: Message = {"type": "http.request", "body": body, "more_body": rest is not None}
    waiting = [first] if rest is None else [first, rest]

    async def again() -> Message:
        return waiting.pop(0) if waiting else await receive()

    return again


def _problem(
    request: Request[Any, Any, Any], error: Exception
) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    response = handle(request, error)
    headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    kind = str(response.media_type or "").encode()
    status = response.status_code or HTTP_500_INTERNAL_SERVER_ERROR
    return status, response.content, [(b"content-type", kind), *headers, *_SECURITY]


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
