"""The sandbox protocol on the wire: shapes, signatures and encryption, for both of its ends.

It follows WeChat Pay API v3 in its habits (https://pay.weixin.qq.com/doc/v3/): RSA-SHA256 with
PKCS#1 v1.5 over lines that each end in a newline, AES-256-GCM for what a callback carries, amounts
in fen. docs/payment-sandbox.md describes it for integrators.
"""

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

SCHEME = "SANDBOX-SHA256-RSA2048"
RESOURCE_ALGORITHM = "AEAD_AES_256_GCM"
FRESH_SECONDS = 300
MAX_DESCRIPTION = 127
BILL_ZONE = timezone(timedelta(hours=8), "UTC+08:00")
"""Days of the bill are days in China, as with the real providers."""

BILL_COLUMNS = (
    "time",
    "kind",
    "merchant_id",
    "transaction_id",
    "out_trade_no",
    "refund_id",
    "out_refund_no",
    "amount_fen",
)

_PADDING = PKCS1v15()
_HASH = SHA256()
_AUTHORIZATION_FIELD = re.compile(r'([a-z_]+)="([^"]*)"')

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*@-]{1,64}$")]
Amount = Annotated[int, msgspec.Meta(ge=1, le=10_000_000_000)]
Url = Annotated[
    str, msgspec.Meta(pattern=r"^https?://[0-9A-Za-z.:_\[\]-]+([/?#][!-~]*)?$", max_length=2048)
]


class TradeState(StrEnum):
    """A transaction's state on the wire."""

    NOTPAY = "NOTPAY"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"
    PAYERROR = "PAYERROR"


class RefundStatus(StrEnum):
    """A refund's state on the wire."""

    SUCCESS = "SUCCESS"
    PROCESSING = "PROCESSING"
    ABNORMAL = "ABNORMAL"


class EventType(StrEnum):
    """What a callback tells."""

    TRANSACTION_SUCCESS = "TRANSACTION.SUCCESS"
    TRANSACTION_CLOSED = "TRANSACTION.CLOSED"
    REFUND_SUCCESS = "REFUND.SUCCESS"
    REFUND_ABNORMAL = "REFUND.ABNORMAL"


class CreateTransaction(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Body of ``POST /v1/transactions``."""

    merchant_id: str
    out_trade_no: Number
    amount_fen: Amount
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_DESCRIPTION)]
    notify_url: Url
    return_url: Url
    expire_at: datetime
    currency: Annotated[str, msgspec.Meta(pattern="^CNY$")] = "CNY"
    payer: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    locale: Annotated[str, msgspec.Meta(max_length=16)] | None = None


class CreatedTransaction(msgspec.Struct, frozen=True):
    """Answer to ``POST /v1/transactions``."""

    out_trade_no: str
    transaction_id: str
    pay_url: str


class CloseTransaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/transactions/out-trade-no/{n}/close``."""

    merchant_id: str


class Transaction(msgspec.Struct, frozen=True):
    """A transaction as a query answers it, and as a callback carries it."""

    merchant_id: str
    out_trade_no: str
    transaction_id: str
    trade_state: TradeState
    amount_fen: int
    paid_fen: int = 0
    refunded_fen: int = 0
    currency: str = "CNY"
    success_time: datetime | None = None


class CreateRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/refunds``."""

    merchant_id: str
    out_trade_no: Number
    out_refund_no: Number
    amount_fen: Amount
    total_fen: Amount
    reason: Annotated[str, msgspec.Meta(max_length=80)]
    notify_url: Url


class Refund(msgspec.Struct, frozen=True):
    """A refund as the API answers it, and as a callback carries it."""

    merchant_id: str
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    refund_id: str
    status: RefundStatus
    amount_fen: int
    success_time: datetime | None = None


class Resource(msgspec.Struct, frozen=True):
    """The encrypted part of a callback."""

    algorithm: str
    nonce: str
    associated_data: str
    ciphertext: str


class Notice(msgspec.Struct, frozen=True):
    """Body of a callback."""

    id: str
    event_type: EventType
    create_time: datetime
    resource: Resource


class Refusal(msgspec.Struct, frozen=True):
    """Body of an answer of 400 and above."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """The fields of a merchant's ``Authorization`` header."""

    merchant_id: str
    nonce: str
    timestamp: str
    serial: str
    signature: str


def new_nonce() -> str:
    """Return a random string that is used once; it guards a signature, so it is never seeded."""
    return secrets.token_hex(16)


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """Sign, in base64."""
    return base64.b64encode(key.sign(message, _PADDING, _HASH)).decode("ascii")


def is_signed_by(key: RSAPublicKey, message: bytes, signature: str) -> bool:
    """Tell whether ``signature`` (base64) is this key's over the message."""
    try:
        key.verify(base64.b64decode(signature, validate=True), message, _PADDING, _HASH)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def request_message(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """Build what a merchant signs; ``target`` is the path with its query string."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """Build what the provider signs: its answers and its callbacks alike."""
    # A header may hold bytes that are no text; they make a wrong signature, not a crash.
    return f"{timestamp}\n{nonce}\n".encode(errors="surrogatepass") + body + b"\n"


def authorization_header(
    *,
    key: RSAPrivateKey,
    merchant_id: str,
    serial: str,
    unix_seconds: int,
    method: str,
    target: str,
    body: bytes,
) -> str:
    """Sign a merchant's request and build its ``Authorization`` header."""
    nonce, timestamp = new_nonce(), str(unix_seconds)
    signature = sign(key, request_message(method, target, timestamp, nonce, body))
    return (
        f'{SCHEME} mchid="{merchant_id}",nonce_str="{nonce}",timestamp="{timestamp}",'
        f'serial_no="{serial}",signature="{signature}"'
    )


def answer_headers(
    *, key: RSAPrivateKey, serial: str, unix_seconds: int, body: bytes
) -> dict[str, str]:
    """Sign an answer or a callback of the provider and build its headers."""
    nonce, timestamp = new_nonce(), str(unix_seconds)
    return {
        "Sandbox-Timestamp": timestamp,
        "Sandbox-Nonce": nonce,
        "Sandbox-Serial": serial,
        "Sandbox-Signature": sign(key, answer_message(timestamp, nonce, body)),
    }


def parse_authorization(header: str) -> Authorization | None:
    """Read an ``Authorization`` header; None where it is not of this scheme or lacks a field."""
    scheme, _, rest = header.partition(" ")
    if scheme != SCHEME:
        return None
    fields = dict(_AUTHORIZATION_FIELD.findall(rest))
    try:
        return Authorization(
            merchant_id=fields["mchid"],
            nonce=fields["nonce_str"],
            timestamp=fields["timestamp"],
            serial=fields["serial_no"],
            signature=fields["signature"],
        )
    except KeyError:
        return None


def is_fresh(timestamp: str, now: datetime) -> bool:
    """Tell whether a timestamp (whole Unix seconds) is within five minutes of now, either way."""
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    return abs(now.timestamp() - int(timestamp)) <= FRESH_SECONDS


def seal(api_key: bytes, content: bytes, *, associated_data: str) -> Resource:
    """Encrypt what a callback carries."""
    nonce = secrets.token_hex(6)
    sealed = AESGCM(api_key).encrypt(nonce.encode(), content, associated_data.encode())
    return Resource(
        algorithm=RESOURCE_ALGORITHM,
        nonce=nonce,
        associated_data=associated_data,
        ciphertext=base64.b64encode(sealed).decode("ascii"),
    )


def unseal(cipher: AESGCM, resource: Resource) -> bytes | None:
    """Decrypt what a callback carries; None where the key or the content is not the right one."""
    if resource.algorithm != RESOURCE_ALGORITHM:
        return None
    try:
        return cipher.decrypt(
            resource.nonce.encode(),
            base64.b64decode(resource.ciphertext, validate=True),
            resource.associated_data.encode(),
        )
    except (InvalidTag, binascii.Error, ValueError):
        return None


def digest(body: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(body).hexdigest()
