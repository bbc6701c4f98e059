"""What the stand-in's handlers share: its parts, and the checking of a merchant's call."""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from shanmen.kit import clock
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.sandbox_keys import (
    ProviderKeys,
    load_provider_keys,
    sandbox_folder,
)
from shanmen.payments.standin.bank import Bank, Refused
from shanmen.payments.standin.faults import Moment, Operation
from shanmen.payments.standin.messenger import Messenger
from shanmen.payments.standin.store import Store

AnyRequest = Request[Any, Any, State]
Work = Callable[["StandIn", bytes], bytes]
S = TypeVar("S")


@dataclass(slots=True, kw_only=True)
class StandIn:
    """The parts of one running stand-in."""

    keys: ProviderKeys
    store: Store
    bank: Bank
    messenger: Messenger
    public_url: str | None
    stopping: asyncio.Event

    @classmethod
    def open(
        cls, data_dir: Path, *, public_url: str | None, trust: Path | None = None
    ) -> "StandIn":
        """Read the keys and open the state; raises AlreadyRunning where another process has it."""
        keys = load_provider_keys(data_dir)
        store = Store(sandbox_folder(data_dir) / "state.db")
        bank = Bank(store, keys)
        messenger = Messenger(
            store=store, keys=keys, faults=lambda: bank.faults, sweep=bank.sweep, trust=trust
        )
        bank.on_news = messenger.wake
        return cls(
            keys=keys,
            store=store,
            bank=bank,
            messenger=messenger,
            public_url=public_url.rstrip("/") if public_url else None,
            stopping=asyncio.Event(),
        )

    async def pause(self, seconds: float) -> None:
        """Wait, but not past the server's own end."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    def origin(self, request: AnyRequest) -> str:
        """Return where visitors reach the pay page: as set, or as the merchant reached us."""
        return self.public_url or str(request.base_url).rstrip("/")


def standin_of(connection: ASGIConnection[Any, Any, Any, State]) -> StandIn:
    """Return the stand-in that serves a request."""
    standin: StandIn = connection.app.state.standin
    return standin


def require_control(connection: ASGIConnection[Any, Any, Any, State], _: BaseRouteHandler) -> None:
    """Let in whoever can read the token from the keys' folder."""
    given = connection.headers.get("sandbox-control", "")
    if not hmac.compare_digest(given.encode(), standin_of(connection).keys.control_token.encode()):
        raise NotAuthorizedException("Sandbox-Control does not carry the control token.")


def read(body: bytes, kind: type[S]) -> S:
    """Decode a body, or refuse it by the name of the field that is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise Refused(400, "PARAM_ERROR", str(error)) from error


async def answer(
    request: AnyRequest, operation: Operation, work: Work, *, media_type: str = "application/json"
) -> Response[bytes]:
    """Answer one call of the merchant: check it, do it, sign it, and misbehave as asked."""
    standin = standin_of(request)
    faults = standin.bank.faults
    body = await request.body()
    try:
        _check_signature(standin, request, body)
        fails = standin.bank.dice.fails(faults, operation)
        hang = faults.hang.get(operation)
        await standin.pause(faults.latency_ms / 1000)
        if fails and faults.error_moment is Moment.BEFORE:
            return _broken()
        if hang is Moment.BEFORE:
            await standin.pause(faults.hang_seconds)
            return _broken()
        content = work(standin, body)
        if hang is Moment.AFTER:
            await standin.pause(faults.hang_seconds)
        if fails:
            return _broken()
    except Refused as refusal:
        refused = wire.Refusal(code=refusal.code, message=refusal.message)
        return _signed(standin, msgspec.json.encode(refused), refusal.status, "application/json")
    return _signed(standin, content, 200, media_type)


def _signed(standin: StandIn, body: bytes, status: int, media_type: str) -> Response[bytes]:
    headers = wire.answer_headers(
        key=standin.keys.provider_private_key,
        serial=standin.keys.provider_serial,
        unix_seconds=int(clock.now().timestamp()),
        body=body,
    )
    if standin.bank.faults.unsigned_answers:
        headers.pop("Sandbox-Signature")
    return Response(body, status_code=status, media_type=media_type, headers=headers)


def _broken() -> Response[bytes]:
    """Answer as a gateway in trouble does: a 500, unsigned."""
    return Response(
        b'{"code":"SYSTEM_ERROR","message":"Try again."}',
        status_code=500,
        media_type="application/json",
    )


def _check_signature(standin: StandIn, request: AnyRequest, body: bytes) -> None:
    keys = standin.keys
    given = wire.parse_authorization(request.headers.get("authorization", ""))
    if given is None:
        raise Refused(401, "SIGN_ERROR", f"The Authorization header is not {wire.SCHEME}.")
    if given.merchant_id != keys.merchant_id or given.serial != keys.merchant_serial:
        raise Refused(401, "SIGN_ERROR", "The merchant or its key is not known here.")
    if not wire.is_fresh(given.timestamp, clock.now()):
        raise Refused(401, "SIGN_ERROR", "The timestamp is more than five minutes off.")
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope.get("query_string", b"")
    target = (path + b"?" + query if query else path).decode("latin-1")
    message = wire.request_message(request.method, target, given.timestamp, given.nonce, body)
    if not wire.is_signed_by(keys.merchant_public_key, message, given.signature):
        raise Refused(401, "SIGN_ERROR", "The signature does not fit the request.")
