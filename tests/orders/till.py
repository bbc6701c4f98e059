"""A payment provider for tests: it remembers, can be paid at, and can be down."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar

import msgspec

from shanmen.kit import clock, ids
from shanmen.payments.providers.base import (
    BillLine,
    CallbackMalformed,
    CallbackSignatureInvalid,
    NoticeKind,
    PaymentState,
    PaymentStatus,
    ProviderNotice,
    ProviderUnavailable,
    RefundRequest,
    RefundState,
    RefundStatus,
    StartedPayment,
    StartPayment,
)

KEY = b"the till's own key"


class Wire(msgspec.Struct):
    """A callback's body."""

    kind: str
    out_trade_no: str
    amount_fen: int
    out_refund_no: str | None = None


class Till:
    """Takes any payment that it was asked for, when the test says so."""

    code: ClassVar[str] = "sandbox"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new day."""
        self.started: dict[str, StartPayment] = {}
        self.states: dict[str, PaymentState] = {}
        self.closed: list[str] = []
        self.down = False
        self.asked = 0

    def _reachable(self) -> None:
        if self.down:
            raise ProviderUnavailable

    async def start(self, attempt: StartPayment) -> StartedPayment:
        self._reachable()
        self.started[attempt.out_trade_no] = attempt
        self.states.setdefault(
            attempt.out_trade_no,
            PaymentState(out_trade_no=attempt.out_trade_no, status=PaymentStatus.UNPAID),
        )
        return StartedPayment(
            provider_ref=f"ref-{attempt.out_trade_no[:8]}",
            pay_url=f"https://pay.example/{attempt.out_trade_no}",
        )

    async def query(self, out_trade_no: str) -> PaymentState:
        self._reachable()
        self.asked += 1
        unknown = PaymentState(out_trade_no=out_trade_no, status=PaymentStatus.NOT_FOUND)
        return self.states.get(out_trade_no, unknown)

    async def close(self, out_trade_no: str) -> PaymentState:
        state = await self.query(out_trade_no)
        if state.status is PaymentStatus.UNPAID:
            self.closed.append(out_trade_no)
            closed = PaymentState(out_trade_no=out_trade_no, status=PaymentStatus.CLOSED)
            state = self.states[out_trade_no] = closed
        return state

    async def refund(self, request: RefundRequest) -> RefundState:
        self._reachable()
        return RefundState(out_refund_no=request.out_refund_no, status=RefundStatus.SUCCEEDED)

    async def query_refund(self, out_refund_no: str) -> RefundState:
        return RefundState(out_refund_no=out_refund_no, status=RefundStatus.SUCCEEDED)

    async def trade_bill(self, day: date) -> tuple[BillLine, ...]:
        return ()

    def verify_callback(self, headers: Mapping[str, str], body: bytes) -> ProviderNotice:
        if not hmac.compare_digest(headers.get("till-signature", ""), sign(body)):
            raise CallbackSignatureInvalid
        try:
            wire = msgspec.json.decode(body, type=Wire)
        except msgspec.MsgspecError as error:
            raise CallbackMalformed from error
        return ProviderNotice(
            event_id=hashlib.sha256(body).hexdigest()[:24],
            kind=NoticeKind(wire.kind),
            out_trade_no=wire.out_trade_no,
            provider_ref=f"ref-{wire.out_trade_no[:8]}",
            amount_fen=wire.amount_fen,
            occurred_at=clock.now(),
            digest=hashlib.sha256(body).hexdigest(),
            out_refund_no=wire.out_refund_no,
        )

    async def aclose(self) -> None:
        return

    # --- what a test does with it ---

    def settle(self, number: str, *, status: PaymentStatus = PaymentStatus.PAID) -> None:
        """The payer has paid (or the bank has declined), and nobody is told yet."""
        asked = self.started[number]
        self.states[number] = PaymentState(
            out_trade_no=number,
            status=status,
            provider_ref=f"ref-{number[:8]}",
            amount_fen=asked.amount_fen,
            paid_at=_paid_at(status),
        )

    def last(self) -> str:
        """The number of the payment that was started last."""
        return next(reversed(self.started))


def _paid_at(status: PaymentStatus) -> datetime | None:
    return clock.now() if status is PaymentStatus.PAID else None


def sign(body: bytes) -> str:
    """The till's signature over a callback."""
    return hmac.new(KEY, body, "sha256").hexdigest()


def callback(
    kind: str, out_trade_no: str, amount_fen: int, out_refund_no: str | None = None
) -> tuple[bytes, dict[str, str]]:
    """A callback's body and headers."""
    body = msgspec.json.encode(Wire(kind, out_trade_no, amount_fen, out_refund_no))
    return body, {"till-signature": sign(body), "x-once": ids.token(6)}
