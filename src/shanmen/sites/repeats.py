"""A repeated call of the API with the same ``Idempotency-Key`` gets the first answer.

For all routes that change something and do not look after keys themselves. The key is remembered in
the transaction that makes the change, so the change is made once, also when two calls come at the
same time or the process dies; the answer's bytes are added right after. In the moment between the
two a repetition waits. If the process died there, a route that may run twice (PUT, PATCH, and those
with ``repeatable`` in their ``opt``, which find what was begun) runs again; of another, the caller
is told that the change was made.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Request, Response
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send
from sqlalchemy import select, text, update

from shanmen.db.idempotency import Idempotency, key_digest, request_digest
from shanmen.db.locks import lock_key
from shanmen.db.session import Database, DatabaseAway, Session
from shanmen.kit import clock, ids
from shanmen.kit.coalesce import CommitUnknown
from shanmen.kit.errors import IdempotencyMismatch
from shanmen.sites.errors import AnswerLost
from shanmen.sites.queries import ApiCaller

__all__ = ["KEY_HEADER", "Repeated", "RepeatsMiddleware", "describe_keys", "expect_repeats"]

KEY_HEADER: Final = "Idempotency-Key"
MAX_KEY: Final = 255
PENDING: Final = 0
"""Status of a key whose change is made and whose answer is not recorded yet."""

_SCOPE_KEY: Final = "shanmen_repeat"
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SAME_TWICE: Final = frozenset({"PUT", "PATCH"})
_WAITS: Final = 20
_WAIT_SECONDS: Final = 0.05
_TRIES: Final = 20
_TRY_AGAIN_SECONDS: Final = 0.5
_OK: Final = range(200, 300)


class Repeated(Exception):
    """The key was answered before; the answer is to be sent again."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__()
        self.status = status
        self.answer = answer


@dataclass(slots=True)
class Repeat:
    """One call's key, and whether its change has been made."""

    database: Database
    tenant_id: int
    key_hash: bytes
    request_hash: bytes
    repeatable: bool
    """Whether the route may run again after a first run of which no answer is known."""
    mine: bytes = field(default_factory=lambda: ids.secret_bytes(16))
    begun: bool = False

    async def begin(self, session: Session) -> None:
        """First thing in each transaction of the call: remember the key, or find it known.

        Raises:
            Repeated: with the answer of the first time.
            IdempotencyMismatch: the key was used with another request.
            AnswerLost: the change was made and its answer was not recorded.
        """
        await session.execute(
            text("SELECT pg_advisory_xact_lock(:key)"),
            {"key": lock_key("idempotency", self.tenant_id, self.key_hash)},
        )
        known = await session.get(Idempotency, (self.tenant_id, self.key_hash))
        if known is None:
            session.add(
                Idempotency(
                    tenant_id=self.tenant_id,
                    key_hash=self.key_hash,
                    request_hash=self.request_hash,
                    status=PENDING,
                    answer=self.mine,
                    created_at=clock.now(),
                )
            )
            self.begun = True
            return
        if known.request_hash != self.request_hash:
            raise IdempotencyMismatch(field=KEY_HEADER)
        if known.status != PENDING:
            raise Repeated(known.status, known.answer)
        if known.answer != self.mine:
            await self._await_answer(session)

    async def _await_answer(self, session: Session) -> None:
        found = select(Idempotency.status, Idempotency.answer).where(
            Idempotency.tenant_id == self.tenant_id, Idempotency.key_hash == self.key_hash
        )
        for _ in range(_WAITS):
            await asyncio.sleep(_WAIT_SECONDS)
            status, answer = (await session.execute(found)).one()
            if status != PENDING:
                raise Repeated(status, answer)
        if not self.repeatable:
            raise AnswerLost(field=KEY_HEADER)
        await session.execute(
            update(Idempotency)
            .where(Idempotency.tenant_id == self.tenant_id, Idempotency.key_hash == self.key_hash)
            .values(answer=self.mine)
        )
        self.begun = True

    async def record(self, status: int, answer: bytes) -> None:
        """Keep the answer; the change has been committed."""

        async def keep(session: Session) -> None:
            await session.execute(
                update(Idempotency)
                .where(
                    Idempotency.tenant_id == self.tenant_id,
                    Idempotency.key_hash == self.key_hash,
                    Idempotency.answer == self.mine,
                )
                .values(status=status, answer=answer)
            )

        # The change is made, so this is worth some patience: a database that was killed comes back.
        for attempt in range(_TRIES):
            try:
                return await self.database.unit(self.tenant_id)(keep)
            except (DatabaseAway, CommitUnknown):
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
        return None


async def expect_repeats(
    request: Request[Any, Any, Any], caller: object, database: Database
) -> Repeat | None:
    """What a call's transactions begin with; None without a key, or where the route does it."""
    key = request.headers.get(KEY_HEADER)
    if (
        key is None
        or not isinstance(caller, ApiCaller)
        or request.method not in _CHANGING
        or looks_after_keys(request.route_handler)
    ):
        return None
    url = request.url
    described = f"{request.method} {url.path}?{url.query}\n".encode() + await request.body()
    repeat = Repeat(
        database,
        caller.tenant_id,
        key_digest("api", str(caller.key_id), key[:MAX_KEY]),
        request_digest(described),
        request.method in _SAME_TWICE or bool(request.route_handler.opt.get("repeatable")),
    )
    request.scope[_SCOPE_KEY] = repeat  # type: ignore[typeddict-unknown-key]
    return repeat


def looks_after_keys(handler: BaseRouteHandler) -> bool:
    """True when a route takes the key as a parameter of its own."""
    return any(
        KEY_HEADER
        in (getattr(parameter.kwarg_definition, name, None) for name in ("name", "header"))
        for parameter in handler.parsed_fn_signature.parameters.values()
    )


def send_again(_: Request[Any, Any, Any], error: Repeated) -> Response[bytes]:
    """The first answer, marked as such."""
    return Response(
        error.answer,
        status_code=error.status,
        media_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )


class RepeatsMiddleware:
    """Records the answer of a call with a key before it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; look at answers of changing calls of the API alone."""
        if (
            scope["type"] != ScopeType.HTTP
            or scope["method"] not in _CHANGING
            or not scope["path"].startswith("/api/")
            or KEY_HEADER not in Headers.from_scope(scope)
        ):
            await self.app(scope, receive, send)
            return
        start: HTTPResponseStartEvent | None = None

        async def record(message: Message) -> None:
            nonlocal start
            repeat = scope.get(_SCOPE_KEY)
            if not isinstance(repeat, Repeat) or not repeat.begun:
                await send(message)
            elif message["type"] == "http.response.start" and message["status"] in _OK:
                # Nobody hears of it before it is recorded: a failure can still be told.
                start = message
            elif message["type"] == "http.response.body" and start is not None:
                await repeat.record(start["status"], message["body"])
                begun, start = start, None
                await send(begun)
                await send(message)
            else:
                await send(message)

        await self.app(scope, receive, record)


def describe_keys(description: dict[str, Any], *, prefix: str = "/api/") -> None:
    """Add the header to the OpenAPI description of every changing operation that lacks it."""
    header = {
        "name": KEY_HEADER,
        "in": "header",
        "required": False,
        "description": (
            "Your own id of this request. A repetition with the same key and content gets the "
            "first answer; with other content it is refused."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    }
    for path, item in description["paths"].items():
        for method in (
            _CHANGING & {name.upper() for name in item} if path.startswith(prefix) else ()
        ):
            parameters = item[method.lower()].setdefault("parameters", [])
            if all(parameter.get("name") != KEY_HEADER for parameter in parameters):
                parameters.append(header)
