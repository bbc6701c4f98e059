"""Signed cookies and the token that proves a form came from this site.

The token is a signed double submit: a random value in a cookie that other sites cannot
read, and the same value, masked anew for each page, in a hidden field. The mask keeps the
value from being guessed through the length of compressed pages.
"""

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Final

__all__ = ["mask", "new_token", "read_signed", "sign", "token_is_valid", "unmask"]

_TOKEN_BYTES: Final = 16
_SIGNATURE_BYTES: Final = 16


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(
            text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return b""


def _signature(secret: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode() + b"\0" + payload, sha256)[:_SIGNATURE_BYTES]


def sign(secret: bytes, purpose: str, payload: bytes) -> str:
    """Return ``payload`` with its signature, safe for a cookie; ``purpose`` keeps uses apart."""
    return _encode(_signature(secret, purpose, payload) + payload)


def read_signed(secret: bytes, purpose: str, text: str) -> bytes | None:
    """Return the payload of :func:`sign`, or None when it is not ours."""
    raw = _decode(text)
    signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if len(signature) < _SIGNATURE_BYTES:
        return None
    return payload if hmac.compare_digest(signature, _signature(secret, purpose, payload)) else None


def new_token(secret: bytes) -> str:
    """Return a fresh value for the cookie."""
    return sign(secret, "csrf", secrets.token_bytes(_TOKEN_BYTES))


def token_is_valid(secret: bytes, token: str | None) -> bool:
    """Tell whether a cookie's value was made by us."""
    payload = read_signed(secret, "csrf", token or "")
    return payload is not None and len(payload) == _TOKEN_BYTES


def mask(token: str) -> str:
    """Return the cookie's value as it is written into a page."""
    raw = _decode(token)
    pad = secrets.token_bytes(len(raw))
    return _encode(pad + bytes(a ^ b for a, b in zip(raw, pad, strict=True)))


def unmask(text: str) -> str:
    """Return the cookie's value from what a page sent back; empty when it is malformed."""
    raw = _decode(text)
    half, odd = divmod(len(raw), 2)
    if odd or not half:
        return ""
    return _encode(bytes(a ^ b for a, b in zip(raw[:half], raw[half:], strict=True)))
