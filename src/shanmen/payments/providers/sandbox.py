"""The sandbox provider: a payment provider of the WeChat Pay v3 kind, without real money.

The other end is `shanmen.payments.standin`, a server of its own that ships with the product.
"""

import csv
import io
from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar, Final, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shanmen.kit import clock
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.base import (
    BillLine,
    CallbackMalformed,
    CallbackSignatureInvalid,
    CallbackStale,
    NoticeKind,
    PaymentState,
    PaymentStatus,
    ProviderAnswerInvalid,
    ProviderNotice,
    ProviderRefused,
    ProviderUnavailable,
    RefundRequest,
    RefundState,
    RefundStatus,
    StartedPayment,
    StartPayment,
)
from shanmen.payments.providers.sandbox_keys import MerchantKeys

MAX_CALLBACK_BYTES: Final = 64 * 1024
_MAX_CONNECTIONS: Final = 100

_PAYMENT_STATUS: Final = {
    wire.TradeState.NOTPAY: PaymentStatus.UNPAID,
    wire.TradeState.SUCCESS: PaymentStatus.PAID,
    # A refunded transaction was paid; how much went back is a figure of its own.
    wire.TradeState.REFUND: PaymentStatus.PAID,
    wire.TradeState.CLOSED: PaymentStatus.CLOSED,
    wire.TradeState.PAYERROR: PaymentStatus.FAILED,
}
_REFUND_STATUS: Final = {
    wire.RefundStatus.SUCCESS: RefundStatus.SUCCEEDED,
    wire.RefundStatus.PROCESSING: RefundStatus.PROCESSING,
    wire.RefundStatus.ABNORMAL: RefundStatus.FAILED,
}
_NOTICE_KIND: Final = {
    wire.EventType.TRANSACTION_SUCCESS: NoticeKind.PAID,
    wire.EventType.TRANSACTION_CLOSED: NoticeKind.CLOSED,
    wire.EventType.REFUND_SUCCESS: NoticeKind.REFUND_SUCCEEDED,
    wire.EventType.REFUND_ABNORMAL: NoticeKind.REFUND_FAILED,
}
_BILL_KIND: Final = {"PAYMENT": NoticeKind.PAID, "REFUND": NoticeKind.REFUND_SUCCEEDED}

# These exceptions are raised before a byte of the request has left.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_notice_decoder: Final = msgspec.json.Decoder(wire.Notice)
_transaction_decoder: Final = msgspec.json.Decoder(wire.Transaction)
_refund_decoder: Final = msgspec.json.Decoder(wire.Refund)

T = TypeVar("T")


class SandboxProvider:
    """Client of the sandbox; one per process and event loop, closed with ``aclose``.

    ``base_url`` is the stand-in's origin (``http://127.0.0.1:8090``) and has no path, because the
    path is part of what is signed. ``timeout_seconds`` bounds each wait of a call.
    """

    code: ClassVar[str] = "sandbox"

    def __init__(self, *, base_url: str, keys: MerchantKeys, timeout_seconds: float = 8.0) -> None:
        origin = httpx.URL(base_url)
        if origin.scheme not in {"http", "https"} or origin.path not in {"", "/"}:
            raise ValueError(f"{base_url!r} is not an origin such as http://127.0.0.1:8090.")
        self._keys = keys
        # Loading a key or building a cipher for each callback would cost more than the check.
        self._provider_key = keys.provider_public_key
        self._cipher = AESGCM(keys.api_key)
        self._client = httpx.AsyncClient(
            base_url=origin,
            timeout=httpx.Timeout(timeout_seconds, connect=min(3.0, timeout_seconds)),
            limits=httpx.Limits(
                max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS
            ),
            # The proxy of the environment is for the wide network, the stand-in is next door.
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def start(self, attempt: StartPayment) -> StartedPayment:
        """Open a payment, or get the one already open under this number."""
        body = _encode(
            wire.CreateTransaction,
            merchant_id=self._keys.merchant_id,
            out_trade_no=attempt.out_trade_no,
            amount_fen=attempt.amount_fen,
            description=attempt.description[: wire.MAX_DESCRIPTION],
            notify_url=attempt.notify_url,
            return_url=attempt.return_url,
            expire_at=attempt.expire_at,
            payer=attempt.payer,
            locale=attempt.locale,
        )
        answer = await self._ask("POST", "/v1/transactions", body)
        created = _decode(msgspec.json.Decoder(wire.CreatedTransaction), answer, mutating=True)
        if created.out_trade_no != attempt.out_trade_no:
            raise ProviderAnswerInvalid(ambiguous=True)
        return StartedPayment(provider_ref=created.transaction_id, pay_url=created.pay_url)

    async def query(self, out_trade_no: str) -> PaymentState:
        """Ask what became of a payment; an unknown number is a status, not an error."""
        target = f"{_trade_path(out_trade_no)}?mchid={self._keys.merchant_id}"
        try:
            answer = await self._ask("GET", target)
        except ProviderRefused as refusal:
            if refusal.reason == "ORDER_NOT_EXIST":
                return PaymentState(out_trade_no=out_trade_no, status=PaymentStatus.NOT_FOUND)
            raise
        return self._payment_state(answer, out_trade_no, mutating=False)

    async def close(self, out_trade_no: str) -> PaymentState:
        """Make sure that nobody pays any more; the answer says PAID when it came too late."""
        body = _encode(wire.CloseTransaction, merchant_id=self._keys.merchant_id)
        try:
            answer = await self._ask("POST", f"{_trade_path(out_trade_no)}/close", body)
        except ProviderRefused as refusal:
            if refusal.reason == "ORDER_NOT_EXIST":
                return PaymentState(out_trade_no=out_trade_no, status=PaymentStatus.NOT_FOUND)
            if refusal.reason == "ORDER_PAID":
                return await self.query(out_trade_no)
            raise
        return self._payment_state(answer, out_trade_no, mutating=True)

    async def refund(self, request: RefundRequest) -> RefundState:
        """Give money back, or get the state of the refund already asked for under this number."""
        body = _encode(
            wire.CreateRefund,
            merchant_id=self._keys.merchant_id,
            out_trade_no=request.out_trade_no,
            out_refund_no=request.out_refund_no,
            amount_fen=request.amount_fen,
            total_fen=request.total_fen,
            reason=request.reason,
            notify_url=request.notify_url,
        )
        answer = await self._ask("POST", "/v1/refunds", body)
        return self._refund_state(answer, request.out_refund_no, mutating=True)

    async def query_refund(self, out_refund_no: str) -> RefundState:
        """Ask what became of a refund; an unknown number is a status, not an error."""
        target = f"/v1/refunds/{_number(out_refund_no)}?mchid={self._keys.merchant_id}"
        try:
            answer = await self._ask("GET", target)
        except ProviderRefused as refusal:
            if refusal.reason == "REFUND_NOT_EXIST":
                return RefundState(out_refund_no=out_refund_no, status=RefundStatus.NOT_FOUND)
            raise
        return self._refund_state(answer, out_refund_no, mutating=False)

    async def trade_bill(self, day: date) -> tuple[BillLine, ...]:
        """Fetch every payment and refund that succeeded on a day in China (UTC+8)."""
        target = f"/v1/bills/{day.isoformat()}?mchid={self._keys.merchant_id}"
        answer = await self._ask("GET", target)
        try:
            rows = csv.DictReader(io.StringIO(answer.decode("utf-8"), newline=""))
            return tuple(self._bill_line(row) for row in rows)
        except (KeyError, ValueError, TypeError, csv.Error) as error:
            raise ProviderAnswerInvalid from error

    def verify_callback(self, headers: Mapping[str, str], body: bytes) -> ProviderNotice:
        """Check a callback's signature and freshness and open it; makes no call.

        ``headers`` may be in any case. Raises `CallbackSignatureInvalid`, `CallbackStale` (more
        than five minutes from now, either way) or `CallbackMalformed`.
        """
        if len(body) > MAX_CALLBACK_BYTES:
            raise CallbackMalformed
        timestamp = self._check_signature(headers, body)
        if timestamp is None:
            raise CallbackSignatureInvalid
        if not wire.is_fresh(timestamp, clock.now()):
            raise CallbackStale
        try:
            notice = _notice_decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise CallbackMalformed from error
        content = wire.unseal(self._cipher, notice.resource)
        if content is None:
            raise CallbackMalformed
        return self._notice(notice, content, wire.digest(body))

    def _notice(self, notice: wire.Notice, content: bytes, digest: str) -> ProviderNotice:
        kind = _NOTICE_KIND[notice.event_type]
        is_refund = kind in {NoticeKind.REFUND_SUCCEEDED, NoticeKind.REFUND_FAILED}
        resource: wire.Transaction | wire.Refund
        try:
            resource = (_refund_decoder if is_refund else _transaction_decoder).decode(content)
        except msgspec.MsgspecError as error:
            raise CallbackMalformed from error
        if resource.merchant_id != self._keys.merchant_id or not _agrees(notice, resource):
            raise CallbackMalformed
        refund = resource if isinstance(resource, wire.Refund) else None
        return ProviderNotice(
            event_id=notice.id,
            kind=kind,
            out_trade_no=resource.out_trade_no,
            out_refund_no=refund.out_refund_no if refund else None,
            provider_ref=refund.refund_id if refund else resource.transaction_id,
            amount_fen=(
                resource.paid_fen
                if isinstance(resource, wire.Transaction) and kind is NoticeKind.PAID
                else resource.amount_fen
            ),
            occurred_at=resource.success_time or notice.create_time,
            digest=digest,
        )

    def _check_signature(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Return the signed timestamp, or None where the provider did not sign this."""
        timestamp = _header(headers, "sandbox-timestamp")
        nonce = _header(headers, "sandbox-nonce")
        if _header(headers, "sandbox-serial") != self._keys.provider_serial:
            return None
        message = wire.answer_message(timestamp, nonce, body)
        if not wire.is_signed_by(
            self._provider_key, message, _header(headers, "sandbox-signature")
        ):
            return None
        return timestamp

    async def _ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        """Send one signed request and return the body of its signed answer."""
        mutating = method != "GET"
        headers = {
            "Authorization": wire.authorization_header(
                key=self._keys.merchant_private_key,
                merchant_id=self._keys.merchant_id,
                serial=self._keys.merchant_serial,
                unix_seconds=int(clock.now().timestamp()),
                method=method,
                target=target,
                body=body,
            ),
            "Accept": "application/json, text/csv",
        }
        if body:
            headers["Content-Type"] = "application/json"
        try:
            response = await self._client.request(method, target, content=body, headers=headers)
        except _NEVER_SENT as error:
            raise ProviderUnavailable from error
        except httpx.HTTPError as error:
            raise ProviderUnavailable(ambiguous=mutating) from error
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ProviderUnavailable(ambiguous=mutating)
        timestamp = self._check_signature(response.headers, response.content)
        if timestamp is None or not wire.is_fresh(timestamp, clock.now()):
            raise ProviderAnswerInvalid(ambiguous=mutating)
        if response.is_success:
            return response.content
        refusal = _decode(msgspec.json.Decoder(wire.Refusal), response.content, mutating=mutating)
        raise ProviderRefused(reason=refusal.code, explanation=refusal.message)

    def _payment_state(self, answer: bytes, out_trade_no: str, *, mutating: bool) -> PaymentState:
        transaction = _decode(_transaction_decoder, answer, mutating=mutating)
        # An answer is not tied to its question by the signature, so it must name what was asked.
        if transaction.out_trade_no != out_trade_no or self._is_strange(transaction.merchant_id):
            raise ProviderAnswerInvalid(ambiguous=mutating)
        status = _PAYMENT_STATUS[transaction.trade_state]
        return PaymentState(
            out_trade_no=out_trade_no,
            status=status,
            provider_ref=transaction.transaction_id,
            amount_fen=transaction.paid_fen,
            refunded_fen=transaction.refunded_fen,
            paid_at=transaction.success_time if status is PaymentStatus.PAID else None,
        )

    def _refund_state(self, answer: bytes, out_refund_no: str, *, mutating: bool) -> RefundState:
        refund = _decode(_refund_decoder, answer, mutating=mutating)
        if refund.out_refund_no != out_refund_no or self._is_strange(refund.merchant_id):
            raise ProviderAnswerInvalid(ambiguous=mutating)
        return RefundState(
            out_refund_no=out_refund_no,
            status=_REFUND_STATUS[refund.status],
            provider_ref=refund.refund_id,
            out_trade_no=refund.out_trade_no,
            amount_fen=refund.amount_fen,
            finished_at=refund.success_time,
        )

    def _bill_line(self, row: dict[str, str]) -> BillLine:
        if self._is_strange(row["merchant_id"]):
            raise ValueError("The bill is another merchant's.")
        kind = _BILL_KIND[row["kind"]]
        is_refund = kind is NoticeKind.REFUND_SUCCEEDED
        return BillLine(
            kind=kind,
            out_trade_no=row["out_trade_no"],
            out_refund_no=row["out_refund_no"] if is_refund else None,
            provider_ref=row["refund_id"] if is_refund else row["transaction_id"],
            amount_fen=int(row["amount_fen"]),
            occurred_at=datetime.fromisoformat(row["time"]),
        )

    def _is_strange(self, merchant_id: str) -> bool:
        return merchant_id != self._keys.merchant_id


def _agrees(notice: wire.Notice, resource: wire.Transaction | wire.Refund) -> bool:
    """Tell whether the state inside the envelope is the one that the envelope announces."""
    if isinstance(resource, wire.Refund):
        return notice.event_type == f"REFUND.{resource.status}"
    if notice.event_type is wire.EventType.TRANSACTION_CLOSED:
        return resource.trade_state is wire.TradeState.CLOSED
    paid = {wire.TradeState.SUCCESS, wire.TradeState.REFUND}
    return resource.trade_state in paid and resource.success_time is not None


def _header(headers: Mapping[str, str], name: str) -> str:
    """Look a header up by its lower-case name, also in a plain dictionary of any case."""
    value = headers.get(name)
    if value is None:
        value = next((text for key, text in headers.items() if key.lower() == name), "")
    return value


def _number(number: str) -> str:
    """Refuse a number that would change the path it is put into."""
    return str(_checked(number, wire.Number))


def _trade_path(out_trade_no: str) -> str:
    return f"/v1/transactions/out-trade-no/{_number(out_trade_no)}"


def _checked(value: object, kind: object) -> object:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"The sandbox cannot be asked this: {error}") from error


def _encode(kind: type[msgspec.Struct], **values: object) -> bytes:
    """Build a body that the provider can read; a caller's mistake is found before it is sent."""
    return msgspec.json.encode(_checked(values, kind))


def _decode(decoder: msgspec.json.Decoder[T], answer: bytes, *, mutating: bool) -> T:
    try:
        return decoder.decode(answer)
    except msgspec.MsgspecError as error:
        raise ProviderAnswerInvalid(ambiguous=mutating) from error
