"""What the product asks of a payment provider, in the product's own words.

A provider is asked by *our* numbers (``out_trade_no``, ``out_refund_no``), which are its
idempotency keys: asking again with the same number and the same content gives the same answer and
never moves money twice. Amounts are integer fen (CNY), times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from shanmen.kit.errors import DomainError


class PaymentStatus(StrEnum):
    """Where a payment stands at the provider."""

    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"
    FAILED = "failed"
    NOT_FOUND = "not_found"
    """The provider never heard of the number: a start that was lost on the way there."""


class RefundStatus(StrEnum):
    """Where a refund stands at the provider."""

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    FAILED = "failed"
    NOT_FOUND = "not_found"


class NoticeKind(StrEnum):
    """What a callback tells."""

    PAID = "paid"
    CLOSED = "closed"
    REFUND_SUCCEEDED = "refund_succeeded"
    REFUND_FAILED = "refund_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPayment:
    """One payment attempt to open at the provider.

    ``out_trade_no`` is the attempt's id. A repeat must carry the same values, ``expire_at``
    included, or the provider refuses it, so take them from the recorded attempt.
    """

    out_trade_no: str
    amount_fen: int
    description: str
    notify_url: str
    return_url: str
    expire_at: datetime
    payer: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedPayment:
    """An opened payment: send the visitor to ``pay_url``."""

    provider_ref: str
    pay_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentState:
    """The provider's answer to "what became of this payment?".

    ``amount_fen`` is what was really received once paid, which need not be what was asked for; the
    caller compares. ``provider_ref`` is empty and amounts are 0 when the number is not known.
    """

    out_trade_no: str
    status: PaymentStatus
    provider_ref: str = ""
    amount_fen: int = 0
    refunded_fen: int = 0
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Give back ``amount_fen`` of a payment of ``total_fen``, once per ``out_refund_no``."""

    out_trade_no: str
    out_refund_no: str
    amount_fen: int
    total_fen: int
    reason: str
    notify_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundState:
    """Where a refund stands; ``PROCESSING`` is settled later by a callback or a query."""

    out_refund_no: str
    status: RefundStatus
    provider_ref: str = ""
    out_trade_no: str = ""
    amount_fen: int = 0
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNotice:
    """A verified callback.

    Providers repeat callbacks, also at the same moment, so the caller acts once per ``(provider,
    kind, out_trade_no or out_refund_no)``. ``digest`` is the SHA-256 of the raw body in hex:
    repeats of one event share it.
    """

    event_id: str
    kind: NoticeKind
    out_trade_no: str
    provider_ref: str
    amount_fen: int
    occurred_at: datetime
    digest: str
    out_refund_no: str | None = None

    @property
    def paid_at(self) -> datetime | None:
        """When the money was received; None unless the notice says that it was."""
        return self.occurred_at if self.kind is NoticeKind.PAID else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One movement on the provider's bill of a day; ``out_refund_no`` is set on refunds alone."""

    kind: NoticeKind
    out_trade_no: str
    provider_ref: str
    amount_fen: int
    occurred_at: datetime
    out_refund_no: str | None = None


class PaymentProvider(Protocol):
    """A provider of payments.

    Every coroutine makes network calls: never await one inside a database transaction. They raise
    `ProviderUnavailable` (look at ``ambiguous``) and `ProviderRefused`.
    """

    code: ClassVar[str]

    async def start(self, attempt: StartPayment) -> StartedPayment:
        """Open a payment, or get the one already open under this number."""
        ...

    async def query(self, out_trade_no: str) -> PaymentState:
        """Ask what became of a payment; an unknown number is a status, not an error."""
        ...

    async def close(self, out_trade_no: str) -> PaymentState:
        """Make sure that nobody pays any more; the answer says PAID when it came too late."""
        ...

    async def refund(self, request: RefundRequest) -> RefundState:
        """Give money back, or get the state of the refund already asked for under this number."""
        ...

    async def query_refund(self, out_refund_no: str) -> RefundState:
        """Ask what became of a refund; an unknown number is a status, not an error."""
        ...

    async def trade_bill(self, day: date) -> tuple[BillLine, ...]:
        """Fetch every movement of a day (in the provider's time zone) for reconciliation."""
        ...

    def verify_callback(self, headers: Mapping[str, str], body: bytes) -> ProviderNotice:
        """Check a callback's signature and freshness and open it; makes no call.

        Raises `CallbackSignatureInvalid`, `CallbackStale` or `CallbackMalformed`.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class CallbackSignatureInvalid(DomainError):
    """The callback does not carry the provider's signature over what it says."""

    code = "payments.callback_signature"
    status = 401


class CallbackStale(DomainError):
    """The callback's signature is of another time: a replay, or a clock that is wrong."""

    code = "payments.callback_stale"
    status = 401


class CallbackMalformed(DomainError):
    """The callback is signed, yet cannot be read, or is not meant for this merchant."""

    code = "payments.callback_malformed"
    status = 400


class ProviderUnavailable(DomainError):
    """The provider gave no usable answer.

    ``ambiguous`` is True where the request may have taken effect all the same (it was sent, and
    the answer was lost): ask again with the same number, or query, before deciding anything. It is
    False where nothing can have happened.
    """

    code = "payments.provider_unavailable"
    status = 503

    def __init__(self, *, ambiguous: bool = False) -> None:
        super().__init__()
        self.ambiguous = ambiguous


class ProviderAnswerInvalid(ProviderUnavailable):
    """What came back is not signed by the provider or not an answer to what was asked."""

    code = "payments.provider_answer_invalid"
    status = 502


class ProviderRefused(DomainError):
    """The provider understood and said no: repeating the same request will not help.

    ``reason`` is the provider's own code (such as ``IDEMPOTENCY_CONFLICT``), ``explanation`` its
    sentence, for the operator's eyes.
    """

    code = "payments.provider_refused"
    status = 502

    def __init__(self, *, reason: str = "", explanation: str = "") -> None:
        super().__init__(reason=reason)
        self.reason = reason
        self.explanation = explanation
