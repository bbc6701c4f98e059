"""A real stand-in, a real merchant's end for its callbacks, and shorthands."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from shanmen.payments.providers.base import RefundRequest, StartedPayment, StartPayment
from shanmen.payments.providers.sandbox import SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_control_token
from tests.support.patience import PATIENCE_SECONDS


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_number() -> str:
    return "t-" + base64.b32encode(os.urandom(10)).decode().rstrip("=")


@dataclass
class Received:
    """One callback as it came in."""

    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Merchant:
    """The merchant's end: keeps every callback and answers with ``status``."""

    status: int = 200
    received: list[Received] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.received.append(Received(headers, body, asyncio.get_running_loop().time()))
            writer.write(
                f"HTTP/1.1 {self.status} X\r\n".encode()
                + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
            await writer.drain()
        finally:
            writer.close()

    async def expect(self, count: int, *, within: float = PATIENCE_SECONDS) -> list[Received]:
        await until(lambda: len(self.received) >= count, within=within)
        return self.received


async def until(condition: Callable[[], bool], *, within: float = PATIENCE_SECONDS) -> None:
    async with asyncio.timeout(within):
        # What is waited for happens in another process as well, which sets no event here.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def merchant_server():
    merchant = Merchant()
    server = await asyncio.start_server(merchant.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    merchant.url = f"http://127.0.0.1:{port}/notify"
    try:
        yield merchant
    finally:
        server.close()
        await server.wait_closed()


class Control:
    """The control API of a running stand-in."""

    def __init__(self, url: str, data_dir: Path) -> None:
        token = load_control_token(data_dir)
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Sandbox-Control": token},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def call(self, method: str, path: str, body: object = None, *, status: int = 200):
        response = await self._client.request(method, f"/control{path}", json=body)
        assert response.status_code == status, response.text
        return response.json()

    async def faults(self, **faults: object):
        return await self.call("POST", "/faults", faults)

    async def pay(self, number: str, **how: object):
        return await self.call("POST", f"/transactions/{number}/pay", how)

    async def show(self, number: str):
        return await self.call("GET", f"/transactions/{number}")

    async def emit(self, **what: object):
        return await self.call("POST", "/emit", what)


@dataclass
class Sandbox:
    """Everything a test needs."""

    url: str
    data_dir: Path
    provider: SandboxProvider
    control: Control
    merchant: Merchant
    browser: httpx.AsyncClient

    def attempt(self, **changes: object) -> StartPayment:
        values: dict[str, object] = {
            "out_trade_no": new_number(),
            "amount_fen": 12_800,
            "description": "成人票 ×2 Adult ticket",
            "notify_url": self.merchant.url,
            "return_url": "http://127.0.0.1:9/s/park/orders/1",
            "expire_at": datetime.now(UTC) + timedelta(minutes=15),
        }
        return StartPayment(**{**values, **changes})  # type: ignore[arg-type]

    async def started(self, **changes: object) -> tuple[StartPayment, StartedPayment]:
        attempt = self.attempt(**changes)
        return attempt, await self.provider.start(attempt)

    async def paid(self, **changes: object) -> StartPayment:
        attempt, _ = await self.started(**changes)
        await self.control.pay(attempt.out_trade_no, manner={"lost": True})
        return attempt

    def refund_of(self, attempt: StartPayment, **changes: object) -> RefundRequest:
        values: dict[str, object] = {
            "out_trade_no": attempt.out_trade_no,
            "out_refund_no": new_number(),
            "amount_fen": attempt.amount_fen,
            "total_fen": attempt.amount_fen,
            "reason": "改变行程",
            "notify_url": self.merchant.url,
        }
        return RefundRequest(**{**values, **changes})  # type: ignore[arg-type]


def tamper(body: bytes) -> bytes:
    """Change one character of the ciphertext, keeping the body readable."""
    notice = json.loads(body)
    sealed = notice["resource"]["ciphertext"]
    notice["resource"]["ciphertext"] = ("A" if sealed[0] != "A" else "B") + sealed[1:]
    return json.dumps(notice).encode()
