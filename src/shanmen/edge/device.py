"""Who this gate is: its key and its server's, in one file that its owner alone can read."""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from nacl.signing import SigningKey, VerifyKey

from shanmen.admission.protocol import device_header

FILE = "device.json"
_Key = Annotated[bytes, Meta(min_length=32, max_length=32)]


class DeviceMissing(Exception):
    """The folder holds no gate; the message says what to do."""


class Device(Struct, frozen=True, kw_only=True):
    """An enrolled gate."""

    url: str
    tenant: str
    device_id: UUID
    key: _Key
    """Seed of its Ed25519 key."""
    server_key: _Key
    """The server's public key; pinned when the gate was enrolled."""
    name: str = ""
    ca: str = ""
    """File with the certificates that the server's may be signed by; empty for the system's."""

    @property
    def signing_key(self) -> SigningKey:
        """What its requests are signed with."""
        return SigningKey(self.key)

    @property
    def server(self) -> VerifyKey:
        """What the server's answers are checked with."""
        return VerifyKey(self.server_key)

    @property
    def header(self) -> str:
        """How it names itself to the server."""
        return device_header(self.tenant, self.device_id)


def load(folder: Path) -> Device:
    """The gate of a folder; raises DeviceMissing."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Device)
    except FileNotFoundError as error:
        raise DeviceMissing(
            f"There is no gate in {folder} yet: enrol it with the line that the console shows."
        ) from error
    except OSError as error:
        raise DeviceMissing(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise DeviceMissing(
            f"{path} is damaged: revoke this gate in the console and enrol it anew."
        ) from error


def save(folder: Path, device: Device) -> Path:
    """Write the file so that it is whole or not there, for its owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, made = folder / FILE, folder / f"{FILE}.new"
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(device)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
    return path
