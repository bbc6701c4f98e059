"""Making this machine a gate: one line from the console, keys exchanged both ways.

The code is good once and for a day. Behind its last hyphen stands the fingerprint of the server's
key, so the gate knows its server before it trusts anything that it says; the server knows the gate
by the code, and from then on by the key that the gate has just made.
"""

import hmac
import re
from pathlib import Path

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from shanmen.admission.protocol import (
    HEADER_COUNT,
    HEADER_DEVICE,
    HEADER_NONCE,
    HEADER_SIGNATURE,
    HEADER_TIME,
    MEDIA_TYPE,
    PATH_ENROL,
    Enrolled,
    EnrolRequest,
    Refusal,
    answer_message,
    encode,
    fingerprint,
    request_message,
    sign,
)
from shanmen.edge import device as devices
from shanmen.edge.client import CLOCK
from shanmen.edge.device import Device
from shanmen.edge.sync import program_version
from shanmen.edge.wire import HttpTransport, Reply, Transport, Unreachable
from shanmen.kit import clock, ids

_PATIENCE_SECONDS = 15.0
_OK = 200
_COUNT = "0"
"""A gate's requests are counted from when it is one."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class CannotEnrol(Exception):
    """This machine did not become a gate; the message says why, in a sentence."""


async def enrol(
    *,
    url: str,
    code: str,
    folder: Path,
    name: str,
    ca: Path | None = None,
    transport: Transport | None = None,
) -> Device:
    """Make the folder a gate of the server at `url`; raises CannotEnrol.

    `ca` is an absolute path. Nothing is written before the server has proved that it is the one
    that made the code.
    """
    if (folder / devices.FILE).exists():
        raise CannotEnrol(f"{folder} is a gate already: choose another folder, or move it away.")
    secret, _, expected = code.strip().rpartition("-")
    if not secret or not _FINGERPRINT.fullmatch(expected.lower()):
        raise CannotEnrol(
            "That is not a whole code: copy the line from the console, to the last character."
        )
    try:
        asked = transport or HttpTransport(url, ca=ca)
        key = SigningKey.generate()
        enrolled = await _exchange(asked, key, secret, expected.lower(), name)
    except (Unreachable, ValueError) as error:
        raise CannotEnrol(str(error)) from error
    made = Device(
        url=url,
        tenant=enrolled.tenant,
        device_id=enrolled.device_id,
        key=key.encode(),
        server_key=enrolled.server_key,
        name=name,
        ca=str(ca) if ca else "",
    )
    try:
        devices.save(folder, made)
    except OSError as error:
        raise CannotEnrol(f"{folder} cannot be written: {error.strerror}.") from error
    return made


async def _exchange(
    transport: Transport, key: SigningKey, secret: str, expected: str, name: str
) -> Enrolled:
    wish = EnrolRequest(
        code=secret,
        public_key=key.verify_key.encode(),
        name=name,
        version=program_version(),
    )
    body = encode(wish)
    at = str(clock.unix_ns() // 1_000_000)
    nonce = ids.token(16)
    message = request_message(
        method="POST", path=PATH_ENROL, at=at, count=_COUNT, nonce=nonce, body=body
    )
    headers = {
        HEADER_DEVICE: "",
        HEADER_TIME: at,
        HEADER_COUNT: _COUNT,
        HEADER_NONCE: nonce,
        HEADER_SIGNATURE: sign(key, message),
        "Content-Type": MEDIA_TYPE,
        "Accept": MEDIA_TYPE,
        # What the server refuses with is shown by this program, which speaks English.
        "Accept-Language": "en",
    }
    try:
        reply = await transport.request(
            "POST", PATH_ENROL, headers=headers, body=body, seconds=_PATIENCE_SECONDS
        )
    finally:
        await transport.close()
    if reply.status != _OK:
        raise CannotEnrol(_why(reply))
    try:
        enrolled = msgspec.msgpack.decode(reply.body, type=Enrolled)
    except msgspec.DecodeError as error:
        raise CannotEnrol("That address is not a Shanmen server.") from error
    _believe(reply, enrolled, nonce, expected)
    return enrolled


def _believe(reply: Reply, enrolled: Enrolled, nonce: str, expected: str) -> None:
    if not hmac.compare_digest(fingerprint(enrolled.server_key), expected):
        raise CannotEnrol(
            "The server is not the one that made this code: somebody may stand in between."
        )
    signature = reply.headers.get(HEADER_SIGNATURE.lower(), "")
    message = answer_message(count=_COUNT, nonce=nonce, status=reply.status, body=reply.body)
    try:
        key = VerifyKey(enrolled.server_key)
        key.verify(message, bytes.fromhex(signature))
    except (BadSignatureError, ValueError) as error:
        raise CannotEnrol("The server's answer was changed on the way; try again.") from error


def _why(reply: Reply) -> str:
    try:
        refusal = msgspec.msgpack.decode(reply.body, type=Refusal)
    except msgspec.DecodeError:
        return f"That address is not a Shanmen server (HTTP status {reply.status})."
    if refusal.code == CLOCK:
        return "This machine's clock is more than ten minutes off: set it, then try again."
    return refusal.detail or f"The server refused ({refusal.code})."
