"""Signatures of questions and answers, and what is sealed or only marked in a gate's store."""

import hashlib
import os
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from nacl.signing import SigningKey

from shanmen.admission.protocol.messages import Holders
from shanmen.tickets.token import signature_of

_NONCE_BYTES = 12
_MARK_BYTES = 16

encode = msgspec.msgpack.Encoder().encode
_decode_holders = msgspec.msgpack.Decoder(Holders).decode


def device_header(tenant: str, device_id: UUID) -> str:
    """Who asks: the tenant's number and the device's id."""
    return f"{tenant}.{device_id.hex}"


def request_message(
    *, method: str, path: str, at: str, count: str, nonce: str, body: bytes
) -> bytes:
    """What a gate signs; `path` with its query, `at` in milliseconds and `count` as text."""
    digest = hashlib.sha256(body).hexdigest()
    return f"SMG2\n{method}\n{path}\n{at}\n{count}\n{nonce}\n{digest}".encode()


def answer_message(*, count: str, nonce: str, status: int, body: bytes) -> bytes:
    """What the server signs: bound to the question by its count and nonce."""
    return f"SMA2\n{count}\n{nonce}\n{status}\n{hashlib.sha256(body).hexdigest()}".encode()


def sign(key: SigningKey, message: bytes) -> str:
    """A signature as it stands in a header."""
    return key.sign(message).signature.hex()


def fingerprint(server_key: bytes) -> str:
    """What the enrolment code says of the server's key: 16 characters."""
    return hashlib.sha256(b"SMF1" + server_key).hexdigest()[:16]


def seal_key(token: str) -> bytes:
    """Key for a ticket's `sealed`: whoever shows the code (without its changing part) has it."""
    return seal_key_of(signature_of(token))


def seal_key_of(signature: bytes) -> bytes:
    """The same, from the signature in the code: nothing else of the code is a secret."""
    return hashlib.sha256(b"SMS1" + signature).digest()


class DocumentKey:
    """The key of documents' marks, made ready for many documents."""

    __slots__ = ("_mac",)

    def __init__(self, key: bytes) -> None:
        self._mac = HMAC(key, SHA256())

    def mark(self, number: str) -> bytes:
        """Mark of a normalised document number (`kit.documents.normalise`), 16 bytes."""
        return self._of(b"SMD1", number)[:_MARK_BYTES]

    def seal_key(self, number: str) -> bytes:
        """Key for what is sealed beside a document's mark."""
        return self._of(b"SMD2", number)

    def _of(self, label: bytes, number: str) -> bytes:
        mac = self._mac.copy()
        mac.update(label + number.encode())
        return mac.finalize()


def document_mark(key: bytes, number: str) -> bytes:
    """`DocumentKey.mark` of one document."""
    return DocumentKey(key).mark(number)


def document_seal_key(key: bytes, number: str) -> bytes:
    """`DocumentKey.seal_key` of one document."""
    return DocumentKey(key).seal_key(number)


def seal(key: bytes, holders: Holders) -> bytes:
    """Encrypt what a guard may see (AES-256-GCM; 12 bytes of nonce, then the text and its tag)."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, encode(holders), b"SMH1")


def open_sealed(key: bytes, sealed: bytes) -> Holders | None:
    """What was sealed; None where the key is another one."""
    nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return _decode_holders(AESGCM(key).decrypt(nonce, text, b"SMH1"))
    except (InvalidTag, ValueError, msgspec.DecodeError):
        return None
