"""HTTP/1.1 to the server over asyncio's streams: connections are kept, TLS is checked.

`Transport` is all that the rest of the agent knows of a network, so a simulation puts its own in
its place.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

_MOST_IDLE = 4
_MOST_BODY = 64 * 1024 * 1024
_MOST_HEADERS = 64 * 1024


class Unreachable(Exception):
    """The server could not be asked, or did not answer; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


class Transport(Protocol):
    """Asks the server one thing at a time."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """The answer; raises Unreachable when there is none after so many seconds."""
        ...

    async def close(self) -> None:
        """Give up what is kept open."""
        ...


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HttpTransport:
    """The server at one address."""

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server: it begins with https://.")
        self._host = parts.hostname
        self._tls = _context(ca) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._authority = parts.netloc.rpartition("@")[2]
        self._idle: list[Connection] = []

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Ask; a kept connection that the server has closed meanwhile is replaced once."""
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        message = "\r\n".join(lines).encode("latin-1") + body
        try:
            async with asyncio.timeout(seconds):
                while self._idle:
                    reply = await self._exchange(self._idle.pop(), message, kept=True)
                    if reply is not None:
                        return reply
                reply = await self._exchange(await self._connect(), message, kept=False)
        except TimeoutError as error:
            raise Unreachable(f"{self._host} did not answer within {seconds:g} s.") from error
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"The certificate of {self._host} is not trusted: {error.verify_message}."
                " Where it is your own, name it with --ca."
            ) from error
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise Unreachable(f"{self._host} cannot be reached: {error}.") from error
        if reply is None:
            raise Unreachable(f"{self._host} hung up without an answer.")
        return reply

    async def close(self) -> None:
        """Close kept connections."""
        while self._idle:
            await _hang_up(self._idle.pop())

    async def _connect(self) -> Connection:
        return await asyncio.open_connection(
            self._host,
            self._port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
            limit=_MOST_HEADERS,
        )

    async def _exchange(
        self, connection: Connection, message: bytes, *, kept: bool
    ) -> Reply | None:
        """The answer; None where nothing came, so that it can be asked on another connection."""
        reader, writer = connection
        done = False
        try:
            writer.write(message)
            await writer.drain()
            head = await _read_head(reader)
            if head is None:
                return None
            status, headers = head
            body = await _read_body(reader, status, headers)
            done = headers.get("connection", "").lower() != "close"
            return Reply(status, headers, body)
        except ConnectionError:
            if not kept:
                raise
            return None
        finally:
            # An answer that was not read to its end, or was not waited for, spoils the connection.
            if done and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
            else:
                writer.close()


def _context(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"{ca} cannot be read as certificates: {error}.") from error
    return context


async def _hang_up(connection: Connection) -> None:
    connection[1].close()
    with suppress(OSError):
        await connection[1].wait_closed()


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]] | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    except asyncio.LimitOverrunError as error:
        raise ValueError("the answer's headers are too long") from error
    first, *lines = raw.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("it does not speak HTTP")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(rest[:3]), headers


async def _read_body(
    reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]
) -> bytes:
    if status in {204, 304}:
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _MOST_BODY:
        raise ValueError("the answer is too long")
    return await reader.readexactly(length)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if size < 0 or len(body) + size > _MOST_BODY:
            raise ValueError("the answer is too long")
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return bytes(body)
        body += await reader.readexactly(size)
        await reader.readexactly(2)
