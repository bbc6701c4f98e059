"""Asking the server: requests are signed, answers are checked, and nobody waits long.

Every request carries a count that was never used before, so the server takes it once. The answer's
signature covers it, and a nonce, so an answer counts only for the question it was given to, and
only when it is the server's that this gate was enrolled with.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import msgspec
from nacl.exceptions import BadSignatureError

from shanmen.admission.protocol import (
    HEADER_COUNT,
    HEADER_DEVICE,
    HEADER_NONCE,
    HEADER_SIGNATURE,
    HEADER_TIME,
    MEDIA_TYPE,
    Instant,
    Refusal,
    answer_message,
    request_message,
    sign,
)
from shanmen.edge.counter import Counter
from shanmen.edge.device import Device
from shanmen.edge.wire import Reply, Transport, Unreachable
from shanmen.kit import clock, ids

T = TypeVar("T")

REVOKED = "admission.device_revoked"
CLOCK = "admission.device_clock"
REPEATED = "admission.request_repeated"

_NONCE_BYTES = 16
_NS_PER_MS = 1_000_000


class Refused(Exception):
    """The server answered, signed, that it will not do that."""

    def __init__(self, status: int, refusal: Refusal) -> None:
        super().__init__(f"The server refused: {refusal.detail or refusal.code}")
        self.status = status
        self.refusal = refusal

    @property
    def code(self) -> str:
        """Why."""
        return self.refusal.code


class NotTheServer(Unreachable):
    """Somebody answered who does not have the server's key."""


class Skew:
    """How far this machine's clock is ahead of the server's, in milliseconds."""

    def __init__(self, ms: int = 0) -> None:
        self.ms = ms

    def now(self) -> Instant:
        """The server's time, as far as it is known."""
        return clock.unix_ns() // _NS_PER_MS - self.ms

    def observe(self, server_time: Instant, *, sent: Instant, round_trip: int) -> None:
        """Learn from an answer; `sent` by this machine's clock, `round_trip` in milliseconds.

        The answer was written at some moment between sending and receiving, so it only says
        something new where the difference is larger than half of that.
        """
        measured = sent + round_trip // 2 - server_time
        if abs(measured - self.ms) > round_trip // 2 + 1:
            self.ms = measured


class Breaker:
    """Stops the lanes from waiting for a server that is not answering in time.

    Lanes never try it out again themselves: that is left to the talk in the background (`well`).
    """

    def __init__(self, *, failures: int = 2) -> None:
        self._allowed = failures
        self._failures = failures
        """As if it had failed: before the first contact nobody waits."""

    @property
    def closed(self) -> bool:
        """Whether asking is worth a visitor's time."""
        return self._failures < self._allowed

    @property
    def answered(self) -> bool:
        """Whether the last answer came in time, to a lane or to the talk in the background."""
        return self._failures == 0

    def failed(self) -> None:
        """An answer did not come in time."""
        self._failures += 1

    def well(self) -> None:
        """An answer came quickly."""
        self._failures = 0


@dataclass(slots=True)
class Server:
    """The server as this gate knows it."""

    transport: Transport
    device: Device
    skew: Skew
    counter: Counter

    async def call(
        self, method: str, path: str, body: bytes, answer: type[T], *, seconds: float
    ) -> T:
        """Ask once; raises Unreachable, NotTheServer, Refused, or StoreBroken.

        A gate whose clock is far off is told the time, and one whose count is behind how far it
        is; each asks again with that, within the same time.
        """
        until = clock.monotonic() + seconds
        tried: set[str] = set()
        while True:
            try:
                return await self._once(method, path, body, answer, seconds=seconds)
            except Refused as refused:
                if refused.code in tried or not await self._learns(refused.refusal):
                    raise
                tried.add(refused.code)
            seconds = until - clock.monotonic()
            if seconds <= 0:
                raise Unreachable("The server did not answer in time.")

    async def _learns(self, refusal: Refusal) -> bool:
        """Whether to ask again, now that the server has said what was wrong."""
        if refusal.code == CLOCK:
            return refusal.server_time > 0
        if refusal.code == REPEATED and refusal.detail.isdecimal():
            # Something in between asked twice, or this machine's disk was put back from a copy.
            await self.counter.pass_by(int(refusal.detail))
            return True
        return False

    async def _once(
        self, method: str, path: str, body: bytes, answer: type[T], *, seconds: float
    ) -> T:
        count = str(await self.counter.next())
        nonce = ids.token(_NONCE_BYTES)
        sent = clock.unix_ns() // _NS_PER_MS
        started = clock.monotonic()
        at = str(self.skew.now())
        message = request_message(
            method=method, path=path, at=at, count=count, nonce=nonce, body=body
        )
        headers = {
            HEADER_DEVICE: self.device.header,
            HEADER_TIME: at,
            HEADER_COUNT: count,
            HEADER_NONCE: nonce,
            HEADER_SIGNATURE: sign(self.device.signing_key, message),
            "Content-Type": MEDIA_TYPE,
            "Accept": MEDIA_TYPE,
        }
        reply = await self.transport.request(
            method, path, headers=headers, body=body, seconds=seconds
        )
        self._check(reply, count, nonce)
        round_trip = round((clock.monotonic() - started) * 1000)
        if reply.status != HTTPStatus.OK:
            refusal = decode(reply.body, Refusal)
            if refusal.server_time:
                self.skew.observe(refusal.server_time, sent=sent, round_trip=round_trip)
            raise Refused(reply.status, refusal)
        decoded = decode(reply.body, answer)
        server_time = getattr(decoded, "server_time", None)
        if isinstance(server_time, int):
            self.skew.observe(server_time, sent=sent, round_trip=round_trip)
        return decoded

    def _check(self, reply: Reply, count: str, nonce: str) -> None:
        signature = reply.headers.get(HEADER_SIGNATURE.lower(), "")
        if not signature:
            # A proxy's error page, for example: nothing that it says counts.
            raise Unreachable(f"The server is not there: HTTP status {reply.status}, unsigned.")
        message = answer_message(count=count, nonce=nonce, status=reply.status, body=reply.body)
        try:
            self.device.server.verify(message, bytes.fromhex(signature))
        except (BadSignatureError, ValueError) as error:
            raise NotTheServer(
                "An answer came that this gate's server has not signed; it was ignored."
            ) from error


def decode(body: bytes, kind: type[T]) -> T:
    """Read an answer; raises Unreachable where it is none."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Unreachable(f"The server's answer cannot be read: {error}.") from error
