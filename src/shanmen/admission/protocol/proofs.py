"""Signatures of questions and answers, and what is sealed or only marked in a gate's store."""

import hashlib
import hmac
import os
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shanmen.admission.protocol.messages import Holders

_NONCE_BYTES = 12

encode = msgspec.msgpack.Encoder().encode
_decode_holders = msgspec.msgpack.Decoder(Holders).decode


def device_header(tenant: str, device_id: UUID) -> str:
    """Who asks: the tenant's number and the device's id."""
    return f"{tenant}.{device_id.hex}"


def request_message(*, method: str, path: str, at: str, nonce: str, body: bytes) -> bytes:
    """What a gate signs; `path` with its query, `at` in milliseconds as text."""
    digest = hashlib.sha256(body).hexdigest()
    return f"SMG1\n{method}\n{path}\n{at}\n{nonce}\n{digest}".encode()


def answer_message(*, nonce: str, status: int, body: bytes) -> bytes:
    """What the server signs: bound to the question by its nonce."""
    return f"SMA1\n{nonce}\n{status}\n{hashlib.sha256(body).hexdigest()}".encode()


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """A signature as it stands in a header."""
    return key.sign(message).hex()


def fingerprint(server_key: bytes) -> str:
    """What the enrolment code says of the server's key: 16 characters."""
    return hashlib.sha256(b"SMF1" + server_key).hexdigest()[:16]


def seal_key(token: str) -> bytes:
    """Key for a ticket's `sealed`: whoever shows the code (without its changing part) has it."""
    return hmac.digest(token.encode(), b"SMS1", "sha256")


def document_mark(key: bytes, number: str) -> bytes:
    """Mark of a normalised document number (`kit.documents.normalise`), 16 bytes."""
    return hmac.digest(key, b"SMD1" + number.encode(), "sha256")[:16]


def document_seal_key(key: bytes, number: str) -> bytes:
    """Key for what is sealed beside a document's mark."""
    return hmac.digest(key, b"SMD2" + number.encode(), "sha256")


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
