"""The keys of the sandbox: made at first start, in files that the merchant and the stand-in share.

``<data>/sandbox-pay/keys/`` holds one key pair of the merchant, one of the provider, the API key
that callbacks are encrypted with, and the token of the stand-in's control API. They protect no
real money, and still are readable by their owner alone, because whoever has them can issue tickets
for nothing.
"""

import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

FOLDER = "sandbox-pay"
_KEY_BITS = 2048
_API_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class MerchantKeys:
    """What the merchant's side holds: its own private key and the provider's public one."""

    merchant_id: str
    merchant_serial: str
    merchant_private_key: RSAPrivateKey
    provider_serial: str
    provider_public_key: RSAPublicKey
    api_key: bytes


@dataclass(frozen=True, slots=True)
class ProviderKeys:
    """What the stand-in holds: its own private key and the merchant's public one."""

    merchant_id: str
    merchant_serial: str
    merchant_public_key: RSAPublicKey
    provider_serial: str
    provider_private_key: RSAPrivateKey
    api_key: bytes
    control_token: str


def sandbox_folder(data_dir: Path) -> Path:
    """Return the sandbox's folder inside the product's data folder, made if need be."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def load_merchant_keys(data_dir: Path) -> MerchantKeys:
    """Read the merchant's side of the keys, making all of them if this is the first start."""
    folder = _ensure_keys(data_dir)
    merchant = _private_key(folder / "merchant_private.pem")
    provider = _public_key(folder / "provider_public.pem")
    return MerchantKeys(
        merchant_id=_text(folder / "merchant_id"),
        merchant_serial=_serial(merchant.public_key()),
        merchant_private_key=merchant,
        provider_serial=_serial(provider),
        provider_public_key=provider,
        api_key=bytes.fromhex(_text(folder / "api_key")),
    )


def load_provider_keys(data_dir: Path) -> ProviderKeys:
    """Read the provider's side of the keys, making all of them if this is the first start."""
    folder = _ensure_keys(data_dir)
    merchant = _public_key(folder / "merchant_public.pem")
    provider = _private_key(folder / "provider_private.pem")
    return ProviderKeys(
        merchant_id=_text(folder / "merchant_id"),
        merchant_serial=_serial(merchant),
        merchant_public_key=merchant,
        provider_serial=_serial(provider.public_key()),
        provider_private_key=provider,
        api_key=bytes.fromhex(_text(folder / "api_key")),
        control_token=_text(folder / "control_token"),
    )


def load_control_token(data_dir: Path) -> str:
    """Read the token that the stand-in's control API asks for in ``Sandbox-Control``."""
    return _text(_ensure_keys(data_dir) / "control_token")


def _ensure_keys(data_dir: Path) -> Path:
    """Make the keys once, whole: both sides may start first, at the same moment.

    They are written into a folder of their own, which then takes its name in one step. A rename
    onto a folder that is not empty fails, so the second to come takes what the first has made.
    """
    folder = sandbox_folder(data_dir) / "keys"
    if folder.is_dir():
        return folder
    fresh = Path(mkdtemp(prefix="keys-", dir=folder.parent))
    try:
        _write_pair(fresh, "merchant")
        _write_pair(fresh, "provider")
        _write(fresh / "api_key", secrets.token_hex(_API_KEY_BYTES).encode())
        _write(fresh / "control_token", secrets.token_urlsafe(24).encode())
        _write(fresh / "merchant_id", f"9{secrets.randbelow(10**9):09d}".encode())
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _write_pair(folder: Path, owner: str) -> None:
    private = generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    _write(
        folder / f"{owner}_private.pem",
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    _write(
        folder / f"{owner}_public.pem",
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _private_key(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{path} is not an RSA key.")
    return key


def _public_key(path: Path) -> RSAPublicKey:
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, RSAPublicKey):
        raise TypeError(f"{path} is not an RSA key.")
    return key


def _serial(key: RSAPublicKey) -> str:
    """Name a key by its own content, so that a serial never has to be kept beside it."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:40].upper()
