"""As much of HTTP/1.1 as a page for a few guards needs, with limits on everything."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from shanmen.edge.page.access import LOOPBACK

MOST_HEAD_BYTES = 16_384
MOST_BODY_BYTES = 16_384
REQUEST_SECONDS = 20.0
WRITE_SECONDS = 10.0
MOST_CONNECTIONS = 64
MOST_OF_ONE = 16
"""Connections from one address: nobody on the network can keep the guard from the page."""

log = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
COMMON = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class BadRequest(Exception):
    """What came is no request that this page answers."""

    def __init__(self, status: HTTPStatus) -> None:
        self.status = status
        super().__init__(status.phrase)


@dataclass(frozen=True, slots=True)
class Request:
    """A request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    peer: str

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies; none where the header cannot be read."""
        with contextlib.suppress(CookieError):
            return {k: v.value for k, v in SimpleCookie(self.headers.get("cookie", "")).items()}
        return {}

    @property
    def same_origin(self) -> bool:
        """Whether a page of ours sent this, and no other page that the guard has open."""
        origin, host = self.headers.get("origin"), self.headers.get("host", "")
        return bool(host) and origin in {f"http://{host}", f"https://{host}"}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; with `stream`, its body goes on until the reader leaves."""

    body: bytes = b""
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Request], Awaitable[Response]]


class Server:
    """Listens and answers, one request a connection: on a local network that costs nothing."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], str] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(
            self._accept, host, port, limit=MOST_HEAD_BYTES, reuse_address=True
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end what is open, streams too."""
        if self._server is not None:
            self._server.close()
            tasks = list(self._open)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if task is None or self._too_many(address):
            writer.close()
            return
        self._open[task] = address
        try:
            await self._serve(reader, writer, address)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            # Only `close` cancels; the streams' own task must not end with an error.
            pass
        finally:
            self._open.pop(task, None)
            writer.close()

    def _too_many(self, address: str) -> bool:
        own = sum(other == address for other in self._open.values())
        # The gate's own screen always gets through: the emergency button is on it.
        return address not in LOOPBACK and (
            own >= MOST_OF_ONE or len(self._open) >= MOST_CONNECTIONS
        )

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await _read(reader, peer)
        except BadRequest as error:
            await _write(writer, Response(str(error).encode(), error.status))
            return
        try:
            response = await self._handler(request)
        except Exception:
            log.exception("%s %s failed.", request.method, request.path)
            response = Response(b"Internal error", HTTPStatus.INTERNAL_SERVER_ERROR)
        await _write(writer, response)
        if response.stream is not None:
            await _stream(reader, writer, response.stream)


async def _read(reader: asyncio.StreamReader, peer: str) -> Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from error
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    try:
        method, target, version = first.split(" ")
        headers = dict(_header(line) for line in lines)
        length = int(headers.get("content-length") or 0)
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    except ValueError as error:
        raise BadRequest(HTTPStatus.BAD_REQUEST) from error
    if not version.startswith("HTTP/1.") or not target.startswith("/") or length < 0:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED)
    if length > MOST_BODY_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = await reader.readexactly(length)
    return Request(method, parts.path, query, headers, body, peer)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise ValueError(line)
    return name.lower(), value.strip()


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    headers = {
        **COMMON,
        "Content-Type": response.media_type,
        "Cache-Control": "no-store",
        **response.headers,
        "Connection": "close",
    }
    if response.stream is None:
        headers["Content-Length"] = str(len(response.body))
    status = f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\n"
    head = status + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    writer.write(head.encode("latin-1") + response.body)
    async with asyncio.timeout(WRITE_SECONDS):
        await writer.drain()


async def _stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]
) -> None:
    async def send() -> None:
        async for chunk in chunks:
            writer.write(chunk)
            async with asyncio.timeout(WRITE_SECONDS):
                await writer.drain()

    sending = asyncio.create_task(send())
    # A browser that leaves closes its end: reading is how that is noticed at once.
    leaving = asyncio.create_task(reader.read(1))
    try:
        await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.wait([sending, leaving])
        for task in (sending, leaving):
            if not task.cancelled():
                task.exception()
