"""The real application with two tenants in a database of its own."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from msgspec import structs

from shanmen.admission import protocol
from shanmen.app import create_app
from shanmen.db.session import Database
from shanmen.db.tenancy import tenant_tables
from shanmen.kit import clock, ids
from shanmen.kit.settings import Settings
from shanmen.sites.access import SESSION_COOKIE
from shanmen.web.render import CSRF_COOKIE
from shanmen.wiring import metadata
from tests.conftest import APP_ROLE, MASTERS, Cluster, open_database
from tests.support.patience import PATIENCE_SECONDS
from tests.walk.calls import SAFE, Call, Seen, calls
from tests.walk.world import Rows, World, make_world, markers

OWN, OTHER = "甲", "爨"
MOST_OF_A_STREAM = 1
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Transport(httpx.AsyncBaseTransport):
    """Asks the application directly, and leaves a stream of events after its first words."""

    def __init__(self, app: Litestar) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, 80),
            "client": ("203.0.113.7", 1234),
            "root_path": "",
        }
        sent = False
        over = asyncio.Event()
        start: dict[str, Any] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await over.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            chunks.append(message.get("body", b""))
            if not message.get("more_body") or (
                self._is_stream(start) and len(chunks) >= MOST_OF_A_STREAM
            ):
                over.set()

        task = asyncio.create_task(self.app(scope, receive, send))  # type: ignore[arg-type]
        ended = asyncio.create_task(over.wait())
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        # Nobody waits for the end of a stream; anything else has all the time that it needs.
        await asyncio.wait({task}, timeout=2 if self._is_stream(start) else PATIENCE_SECONDS)
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=not self._failed(task))
        stream = httpx.ByteStream(b"".join(chunks))
        return httpx.Response(
            start["status"], headers=start["headers"], stream=stream, request=request
        )

    @staticmethod
    def _is_stream(start: dict[str, Any]) -> bool:
        return any(b"event-stream" in value for _, value in start["headers"])

    @staticmethod
    def _failed(task: asyncio.Task[None]) -> bool:
        return task.done() and not task.cancelled() and task.exception() is not None


@dataclass
class Walk:
    """Two tenants, and somebody who asks as the first of them."""

    app: Litestar
    database: Database
    rows: Rows
    own: World
    other: World
    http: httpx.AsyncClient
    csrf_cookie: str
    csrf_token: str
    seen: Seen = field(default_factory=Seen)
    answers: list[tuple[Call, httpx.Response]] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return calls(self.app)

    @cached_property
    def markers(self) -> set[str]:
        """What only the other tenant has, from the start on."""
        return markers(self.rows, self.own, self.other, mark=OTHER)

    async def look_around(self) -> list[tuple[Call, httpx.Response]]:
        """Read every page as its own people do; afterwards `seen` knows their forms."""
        if not self.answers:
            for call in self.calls:
                if call.method in SAFE:
                    url = with_query(call.url(self.own, self.own), call.query(self.own))
                    answer = await self.as_own(call, url)
                    self.seen.look(url, answer.text)
                    self.answers.append((call, answer))
        return self.answers

    async def as_own(self, call: Call, url: str, **sent: Any) -> httpx.Response:
        """Ask as the own tenant's administrator, API key or visitor."""
        return await self.ask(
            call,
            url,
            cookie=self.own.cookie,
            api_key=self.own.api_key,
            gate=self.own if call.is_gate else None,
            **sent,
        )

    async def ask(
        self,
        call: Call,
        url: str,
        *,
        content: bytes | None = None,
        form: dict[str, str] | None = None,
        cookie: str | None = None,
        api_key: str | None = None,
        cookies: dict[str, str] | None = None,
        gate: World | None = None,
    ) -> httpx.Response:
        """Send a request; as nobody where neither a cookie nor a key is given."""
        headers = {"accept": "text/html, application/json", "idempotency-key": "walk-key-1"}
        sent = dict(cookies or {})
        if call.is_api:
            headers["accept"] = "application/json"
            if api_key:
                headers["authorization"] = f"Bearer {api_key}"
        else:
            headers["x-csrf-token"] = self.csrf_token
            sent[CSRF_COOKIE] = self.csrf_cookie
            if cookie:
                sent[SESSION_COOKIE] = cookie
        if sent:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        if content is not None:
            headers["content-type"] = "application/json"
        request = self.http.build_request(
            call.method, url, headers=headers, content=content, data=form
        )
        if gate is not None:
            sign(request, gate)
        return await self.http.send(request)


COUNTS = itertools.count(1)


def sign(request: httpx.Request, world: World) -> None:
    """Make a request one of the world's gate."""
    at, nonce = str(clock.unix_ns() // 1_000_000), ids.new_id().hex
    count = str(next(COUNTS))
    message = protocol.request_message(
        method=request.method,
        path=request.url.raw_path.decode(),
        at=at,
        count=count,
        nonce=nonce,
        body=request.content,
    )
    request.headers.update(
        {
            protocol.HEADER_DEVICE: protocol.device_header(str(world.tenant_id), world.gate_id),
            protocol.HEADER_TIME: at,
            protocol.HEADER_COUNT: count,
            protocol.HEADER_NONCE: nonce,
            protocol.HEADER_SIGNATURE: protocol.sign(world.gate_key, message),
        }
    )


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """The application between start and stop, both in one task, as Litestar asks for."""
    started, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await over.wait()

    task = asyncio.create_task(live())
    await started.wait()
    yield
    over.set()
    await task


def with_query(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url


@pytest.fixture(scope="module")
async def walk(
    cluster: Cluster, template: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Walk]:
    url = cluster.clone(f"{template}_{worker_id}_{ids.new_id().hex[-8:]}", template)
    database = open_database(url)
    data: Path = tmp_path_factory.mktemp("walk")
    (data / "master.key").write_text(MASTERS.current.line() + "\n")
    settings = structs.replace(
        Settings(), data_dir=data, master_key_file=data / "master.key", app_role=APP_ROLE
    )
    app = create_app(settings, database=database)
    own = await make_world(database, mark=OWN, people=3_500_001, phone="13900001357")
    other = await make_world(database, mark=OTHER, people=3_550_001, phone="13700009753")
    rows = Rows(url, [table.name for table in tenant_tables(metadata())])
    rows.rename(own.tenant_id, OWN)
    rows.rename(other.tenant_id, OTHER)
    async with (
        running(app),
        httpx.AsyncClient(transport=Transport(app), base_url="http://test") as http,
    ):
        page = await http.get("/console/login", headers={"accept": "text/html"})
        token = TOKEN.search(page.text)
        [cookie] = [c for c in http.cookies.jar if c.name == CSRF_COOKIE]
        http.cookies.clear()
        yield Walk(app, database, rows, own, other, http, cookie.value or "", token[1])
    await database.close()
