"""A guard's page over an agent in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shanmen.edge.drivers.base import Emit, Read, Works
from shanmen.edge.drivers.build import Devices, LaneDevices
from shanmen.edge.entrance import Entrance
from shanmen.edge.page.board import Board
from shanmen.edge.page.server import GuardPage, open_page
from tests.edge.drivers.conftest import eventually
from tests.edge.standin_agent import LANES, StandInAgent
from tests.support.patience import PATIENCE_SECONDS


@dataclass
class Said:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Hand:
    """A scanner that a test holds."""

    name = "scanner"

    def __init__(self) -> None:
        self._emit: Emit | None = None

    async def run(self, emit: Emit) -> None:
        self._emit = emit
        emit(Works(self.name))
        await asyncio.Event().wait()

    def scan(self, text: str) -> None:
        assert self._emit
        self._emit(Read(self.name, "code", text))

    @property
    def ready(self) -> bool:
        return self._emit is not None


class Caller:
    """Whoever asks the page something."""

    def __init__(self, url: str, pin: str) -> None:
        self.url = url.rstrip("/")
        self.port = int(self.url.rpartition(":")[2])
        self.pin = pin
        self.cookie = ""

    async def raw(self, data: bytes) -> Said:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            whole = await reader.read()
        writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        return Said(int(first.split(" ")[1]), headers, body)

    async def ask(
        self, method: str, path: str, body: object = None, *, origin: str | None = "", **more: str
    ) -> Said:
        data = b"" if body is None else json.dumps(body, default=str).encode()
        headers = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(data))}
        if origin is not None:
            headers["Origin"] = origin or self.url
        if self.cookie:
            headers["Cookie"] = self.cookie
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in headers.items()
        )
        return await self.raw(head.encode() + b"\r\n" + data)

    async def post(self, path: str, body: object = None, **more: Any) -> Said:
        return await self.ask("POST", path, {} if body is None else body, **more)

    async def sign_in(self, name: str = "Li") -> None:
        said = await self.post("/login", {"pin": self.pin, "name": name})
        assert said.status == 200
        self.cookie = said.headers["set-cookie"].partition(";")[0]

    async def first_event(self, query: str = "") -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"GET /events{query} HTTP/1.1\r\nHost: x\r\nCookie: {self.cookie}\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
            event = await reader.readuntil(b"\n\n")
        writer.close()
        return event[6:]


class Guard(Caller):
    """The page, and requests to it."""

    def __init__(self, agent: StandInAgent, folder: Path) -> None:
        self.agent = agent
        self.board = Board(agent)
        self.scanners = [Hand() for _ in agent.lanes()]
        devices = [
            LaneDevices(state.number, readers=[scanner])
            for state, scanner in zip(agent.lanes(), self.scanners, strict=True)
        ]
        self.entrance = Entrance(agent, Devices(devices), show=self.board.show)
        self._folder = folder
        self.page: GuardPage | None = None

    async def open(self) -> None:
        self.page, port, pin = await open_page(
            self.agent,
            self.entrance,
            self.board,
            folder=self._folder,
            host="127.0.0.1",
            port=0,
        )
        super().__init__(f"http://127.0.0.1:{port}/", pin)

    async def scan(self, code: str, scan_id: UUID, **more: object) -> Said:
        return await self.post(
            "/scan", {"scan_id": scan_id, "lane": LANES[0], "code": code, **more}
        )


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    made = Guard(StandInAgent(2), tmp_path)
    task = asyncio.create_task(made.entrance.run())
    await eventually(lambda: all(scanner.ready for scanner in made.scanners))
    await made.open()
    yield made
    assert made.page
    await made.page.close()
    task.cancel()
    await asyncio.wait([task])
