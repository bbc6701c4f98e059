"""HTTP over real sockets: kept connections, slow servers, odd ones, and certificates."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shanmen.edge.wire import HttpTransport, Unreachable
from shanmen.launch.tls import self_signed

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Who: me\r\n\r\nhi"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def ask(transport: HttpTransport, seconds: float = 2.0):
    return await transport.request(
        "POST", "/a?b=1", headers={"A": "b"}, body=b"xyz", seconds=seconds
    )


async def take(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(3)


async def test_a_connection_is_kept():
    seen, connections = [], 0

    async def handler(reader, writer):
        nonlocal connections
        connections += 1
        while True:
            seen.append(await take(reader))
            writer.write(OK)

    async with serving(handler) as url:
        transport = HttpTransport(url)
        for _ in range(2):
            assert (await ask(transport)).status == 200
        reply = await ask(transport)
        assert (reply.status, reply.body, reply.headers["x-who"]) == (200, b"hi", "me")
        assert connections == 1
        assert seen[0].startswith(b"POST /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:")
        await transport.close()


async def test_a_connection_that_the_server_closed_meanwhile():
    async def handler(reader, writer):
        await take(reader)
        writer.write(OK)

    async with serving(handler) as url:
        transport = HttpTransport(url)
        for _ in range(3):
            assert (await ask(transport)).status == 200
            await asyncio.sleep(0.01)
        await transport.close()


async def test_many_at_once_have_connections_of_their_own():
    async def handler(reader, writer):
        await take(reader)
        await asyncio.sleep(0.05)
        writer.write(OK)

    async with serving(handler) as url:
        transport = HttpTransport(url)
        replies = await asyncio.gather(*(ask(transport) for _ in range(6)))
        assert [reply.body for reply in replies] == [b"hi"] * 6
        await transport.close()


async def test_a_late_answer_is_nobodys():
    answers = iter([0.2, 0.0])

    async def handler(reader, writer):
        while True:
            await take(reader)
            await asyncio.sleep(next(answers))
            writer.write(OK)

    async with serving(handler) as url:
        transport = HttpTransport(url)
        with pytest.raises(Unreachable, match=r"within 0\.05 s"):
            await ask(transport, 0.05)
        # The spoilt connection is not used again: the next answer is the next question's.
        assert (await ask(transport)).status == 200
        await transport.close()


async def test_chunks():
    async def handler(reader, writer):
        await take(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
        )

    async with serving(handler) as url:
        transport = HttpTransport(url)
        assert (await ask(transport)).body == b"abcd"
        await transport.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 40_000,
    ],
)
async def test_odd_answers(answer):
    async def handler(reader, writer):
        await take(reader)
        writer.write(answer)
        await writer.drain()

    async with serving(handler) as url:
        transport = HttpTransport(url)
        with pytest.raises(Unreachable):
            await ask(transport)
        await transport.close()


async def test_nobody_is_there(unused_tcp_port):
    transport = HttpTransport(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Unreachable, match="cannot be reached"):
        await ask(transport)


async def test_a_certificate_that_nobody_vouches_for(tmp_path):
    cert, key = self_signed(tmp_path, host="127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def handle(reader, writer):
        try:
            await take(reader)
            writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Unreachable, match="is not trusted"):
            await ask(HttpTransport(url))
        transport = HttpTransport(url, ca=cert)
        assert (await ask(transport)).status == 200
        await transport.close()


@pytest.mark.parametrize("url", ["ftp://x", "x", "https://", ""])
def test_addresses_that_are_none(url):
    with pytest.raises(ValueError, match="begins with https"):
        HttpTransport(url)


def test_a_file_of_certificates_that_has_none(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ValueError, match="cannot be read as certificates"):
        HttpTransport("https://example.com", ca=tmp_path / "ca.pem")
