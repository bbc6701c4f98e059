"""What gates ask: ``/gate/v1/*``, signed both ways, in MessagePack.

A request is believed by its signature, its time and its count, which makes it good once; nothing
else of it is looked at before. Every
answer to somebody who names a tenant is signed with that tenant's key, refusals too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Litestar, Request, Response, get, post
from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from shanmen.admission import protocol
from shanmen.admission.coalesce import submit_in
from shanmen.admission.errors import (
    BadGateRequest,
    BadGateSignature,
    DeviceClock,
    DeviceRevoked,
    DeviceUnknown,
    EnrolCode,
    LaneElsewhere,
    RequestRepeated,
)
from shanmen.admission.service import asked, changes, counts, devices, health, journal
from shanmen.admission.service.counts import Counted
from shanmen.admission.service.devices import Device
from shanmen.db.session import Actor, Database, Unit
from shanmen.kit import clock
from shanmen.kit.coalesce import Coalescer
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.access import PUBLIC, access_in, ip_of
from shanmen.sites.cache import Remembered
from shanmen.web.problems import problem_of
from shanmen.web.render import locale_of

log = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]
S = TypeVar("S", bound=Struct)

DEVICE_SECONDS: Final = 2.0
"""A gate that was revoked is refused at the latest after this long, in every process."""
KEY_SECONDS: Final = 600.0
MAX_UPLOAD_BYTES: Final = 16_000_000
MAX_BATCH: Final = 128
MAX_QUEUE: Final = 4096
OPTIONS: Final[dict[str, Any]] = {
    "opt": dict(PUBLIC),
    "include_in_schema": False,
    "status_code": 200,
}
_STATE_KEY: Final = "shanmen_gates"
_MS: Final = 1000


class Gates:
    """What one application remembers of the gates that ask it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.devices: Remembered[tuple[int, UUID], Device] = Remembered(seconds=DEVICE_SECONDS)
        self.keys: Remembered[int, SigningKey] = Remembered(seconds=KEY_SECONDS)
        self.counts: Coalescer[int, Counted, int | None] = Coalescer(
            self._take, max_batch=MAX_BATCH, max_queue=MAX_QUEUE
        )
        """Requests by tenant: those that come at the same time are counted in one transaction."""

    async def device(self, tenant_id: int, device_id: UUID) -> Device | None:
        """An enrolled gate."""
        return await self.devices.get(
            (tenant_id, device_id),
            lambda: self.database.unit(tenant_id)(devices.device, device_id=device_id),
        )

    async def once(self, tenant_id: int, device_id: UUID, count: int) -> None:
        """Take a request that was not taken before, for good; raises RequestRepeated."""
        highest = await self.counts.submit(tenant_id, Counted(device_id, count))
        if highest is not None:
            raise RequestRepeated(wanted=highest)

    async def _take(self, tenant_id: int, asked: list[Counted]) -> list[int | None]:
        return await self.database.unit(tenant_id)(counts.take, asked=asked)

    async def key(self, app: Litestar, tenant_id: int) -> SigningKey | None:
        """The key that signs answers; None where there is no such tenant."""

        async def exists() -> bool | None:
            return await self.database.unit(None)(sites.tenant_exists, tenant_id=tenant_id)

        async def load() -> SigningKey | None:
            if not await access_in(app).tenants.get(tenant_id, exists):
                return None
            return await self.database.unit(tenant_id)(devices.key_of_server)

        return await self.keys.get(tenant_id, load)


@dataclass(frozen=True, slots=True)
class Asked:
    """A gate's request, as far as it is believed."""

    app: Litestar
    tenant_id: int
    device: Device
    count: int
    """Which of the gate's requests it is."""
    sent: protocol.Instant
    """When the gate asked, by its own word."""
    body: bytes = field(repr=False)
    query: dict[str, str]
    unit: Unit


def gates_in(app: Litestar) -> Gates:
    """The application's own; made at the first use."""
    found = app.state.get(_STATE_KEY)
    if not isinstance(found, Gates) or found.database is not app.state.database:
        found = app.state[_STATE_KEY] = Gates(app.state.database)
    return found


def decoded(body: bytes, kind: type[S]) -> S:
    """A body as it must be; raises BadGateRequest."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise BadGateRequest from error


async def _served(
    request: AnyRequest, handle: Callable[[Asked], Awaitable[bytes]]
) -> Response[bytes]:
    """Believe the request or refuse it; sign whatever is answered."""
    tenant_id, device_id = _header(request)
    gates = gates_in(request.app)
    key = await gates.key(request.app, tenant_id)
    try:
        if key is None or device_id is None:
            raise DeviceUnknown
        device = await gates.device(tenant_id, device_id)
        if device is None:
            raise DeviceUnknown
        body = await request.body()
        sent, count = _check(request, device.public_key, body)
        if device.revoked:
            raise DeviceRevoked
        await gates.once(tenant_id, device.id, count)
        actor = Actor("system", str(device.id), device.name, ip_of(request))
        unit = gates.database.unit(tenant_id, actor=actor)
        query = dict(request.query_params.items())
        content = await handle(
            Asked(request.app, tenant_id, device, count, sent, body, query, unit)
        )
    except DomainError as error:
        return _refused(request, key, error)
    return _signed(request, key, 200, content)


def _header(request: AnyRequest) -> tuple[int, UUID | None]:
    tenant, _, device = request.headers.get(protocol.HEADER_DEVICE, "").partition(".")
    try:
        return int(tenant) if tenant.isascii() and tenant.isdigit() else 0, UUID(hex=device)
    except ValueError:
        return 0, None


def _check(request: AnyRequest, public_key: bytes, body: bytes) -> tuple[protocol.Instant, int]:
    """When it was sent and which of the gate's requests it is, as its signature covers."""
    count = request.headers.get(protocol.HEADER_COUNT, "")
    at = request.headers.get(protocol.HEADER_TIME, "")
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    message = protocol.request_message(
        method=request.method,
        path=f"{path}?{query}" if query else path,
        at=at,
        count=count,
        nonce=request.headers.get(protocol.HEADER_NONCE, ""),
        body=body,
    )
    try:
        signature = bytes.fromhex(request.headers.get(protocol.HEADER_SIGNATURE, ""))
        VerifyKey(public_key).verify(message, signature)
        sent, number = int(at), int(count)
    except (BadSignatureError, ValueError) as error:
        raise BadGateSignature from error
    if abs(_now_ms() - sent) > protocol.CLOCK_TOLERANCE_SECONDS * _MS:
        raise DeviceClock
    return sent, number


def _refused(request: AnyRequest, key: SigningKey | None, error: DomainError) -> Response[bytes]:
    problem = problem_of(error, locale_of(request))
    detail = str(error.params.get("wanted", "")) or problem.title
    body = protocol.encode(protocol.Refusal(code=error.code, server_time=_now_ms(), detail=detail))
    return _signed(request, key, error.status, body)


def _signed(
    request: AnyRequest, key: SigningKey | None, status: int, body: bytes
) -> Response[bytes]:
    headers = {"cache-control": "no-store"}
    if key is not None:
        message = protocol.answer_message(
            count=request.headers.get(protocol.HEADER_COUNT, ""),
            nonce=request.headers.get(protocol.HEADER_NONCE, ""),
            status=status,
            body=body,
        )
        headers[protocol.HEADER_SIGNATURE] = protocol.sign(key, message)
    return Response(body, status_code=status, media_type=protocol.MEDIA_TYPE, headers=headers)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004


def _now_ms() -> int:
    return clock.unix_ns() // 1_000_000


@post(protocol.PATH_ENROL, exclude_from_csrf=True, **OPTIONS)
async def enrol(request: AnyRequest) -> Response[bytes]:
    """Take a new gate's key against its one-time code."""
    key: SigningKey | None = None
    try:
        body = await request.body()
        wish = decoded(body, protocol.EnrolRequest)
        tenant_id = devices.tenant_of_code(wish.code)
        gates = gates_in(request.app)
        key = await gates.key(request.app, tenant_id) if tenant_id else None
        if key is None or tenant_id is None:
            raise EnrolCode
        _check(request, wish.public_key, body)
        actor = Actor("system", label=wish.name, ip=ip_of(request))
        enrolled = await gates.database.unit(tenant_id, actor=actor)(devices.enrol, request=wish)
    except DomainError as error:
        return _refused(request, key, error)
    return _signed(request, key, 200, protocol.encode(enrolled))


@get(protocol.PATH_CHANGES, **OPTIONS)
async def read_changes(request: AnyRequest) -> Response[bytes]:
    """What changed since a mark."""

    async def handle(asked: Asked) -> bytes:
        read = await asked.unit(
            changes.read_changes,
            device=asked.device,
            since=asked.query.get("since", ""),
            counts=asked.query.get("counts") == "1",
            room=_number(asked.query.get("room", "")),
            count=asked.count,
        )
        # Thousands of signatures would hold up everybody else's requests.
        return await asyncio.to_thread(changes.packed, read, asked.query.get("setup", ""))

    return await _served(request, handle)


@post(protocol.PATH_DECIDE, exclude_from_csrf=True, **OPTIONS)
async def decide(request: AnyRequest) -> Response[bytes]:
    """Decide one scan, together with all others that arrive at the same time."""

    async def handle(asked_by: Asked) -> bytes:
        wish = decoded(asked_by.body, protocol.AskRequest)
        if wish.lane_id not in asked_by.device.lane_ids:
            raise LaneElsewhere(field="lane_id")
        # Decided now, it would let in somebody at a time at which nobody stood there.
        if abs(_now_ms() - asked_by.sent) > wish.patience_ms + protocol.CLOCKS_APART_MS:
            raise DeviceClock
        scan = asked.scan_of(wish, device=asked_by.device)
        view = await submit_in(asked_by.app, tenant_id=asked_by.tenant_id, scan=scan)
        return protocol.encode(asked.answer_of(view))

    return await _served(request, handle)


@post(
    protocol.PATH_JOURNAL,
    exclude_from_csrf=True,
    request_max_body_size=MAX_UPLOAD_BYTES,
    **OPTIONS,
)
async def upload(request: AnyRequest) -> Response[bytes]:
    """Take rows of the gate's journal."""

    async def handle(asked: Asked) -> bytes:
        rows = decoded(asked.body, protocol.JournalUpload).rows
        receipt = await asked.unit(journal.merge, device=asked.device, rows=rows, count=asked.count)
        return protocol.encode(receipt)

    return await _served(request, handle)


@post(protocol.PATH_HEALTH, exclude_from_csrf=True, **OPTIONS)
async def tell_health(request: AnyRequest) -> Response[bytes]:
    """Hear how a gate is, and tell it what the console wants."""

    async def handle(asked: Asked) -> bytes:
        told = decoded(asked.body, protocol.Health)
        return protocol.encode(
            await asked.unit(health.hear, device=asked.device, told=told, count=asked.count)
        )

    return await _served(request, handle)


routes: list[Any] = [enrol, read_changes, decide, upload, tell_health]
