"""Envelope encryption of personal data, blind indexes and derived secrets.

A master key, kept in a file outside the database, wraps one data key per tenant. From a tenant's
data key everything else is derived by HKDF-SHA256 with a label of its own: the key that encrypts
fields, one key per blind index, one per kind of derived secret. None of them helps with another,
and nothing of one tenant opens anything of another.

An encrypted field is::

    version(1) | algorithm(1) | nonce(12) | ciphertext | tag(16)

with ``version || algorithm || field name`` as associated data, so that a value moved into another
column does not open. The algorithm is read from the value: the setting may change at any time and
old values stay readable. Nonces are random, always from the operating system, which is safe for
2^32 values per tenant and algorithm (NIST SP 800-38D, section 8.3).
"""

import base64
import binascii
import hmac
import os
import re
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal, NoReturn, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from shanmen.kit import ids
from shanmen.kit.errors import DomainError

FieldCipher = Literal["aes-256-gcm", "sm4-gcm"]
"""The ciphers a tenant may choose for fields; SM4 is GB/T 32907-2016."""

Context = str | int | bytes | UUID | date
"""What a derived secret is for: each part counts by its text, ``1`` and ``"1"`` are the same."""

KEY_BYTES = 32
_NONCE = 12
_TAG = 16
_AES = b"\x01\x01"
_SM4 = b"\x01\x02"
_HEADERS: dict[FieldCipher, bytes] = {"aes-256-gcm": _AES, "sm4-gcm": _SM4}
_SM4_KEY_BYTES = 16
_SECRET_CHARS = 16
_KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")

_urandom = os.urandom


class CannotDecrypt(DomainError):
    """The value was changed, or belongs to another field, tenant or key."""

    code = "kit.cannot_decrypt"
    status = 500


class BrokenMasterKey(Exception):
    """The master key file cannot be used; the message says which line and why, never the key."""


class _Opaque:
    """Keeps key material out of pickles; subclasses keep it out of ``repr``."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a key and is not pickled.")


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated: bytes, /) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated: bytes, /) -> bytes: ...


class _Sm4Gcm:
    """SM4 in Galois/counter mode, with the interface of AESGCM."""

    __slots__ = ("_algorithm",)

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated: bytes, /) -> bytes:
        sealing = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated)
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes, /) -> bytes:
        opening = Cipher(self._algorithm, modes.GCM(nonce, data[-_TAG:])).decryptor()
        opening.authenticate_additional_data(associated)
        return opening.update(data[:-_TAG]) + opening.finalize()


def _expand(key: bytes, label: str, length: int = KEY_BYTES) -> bytes:
    return HKDFExpand(SHA256(), length, f"shanmen/1/{label}".encode()).derive(key)


class _Box(_Opaque):
    """Seals and opens values under keys derived from one key."""

    __slots__ = ("_aeads", "_header", "_sealing")

    def __init__(self, key: bytes, label: str, cipher: FieldCipher) -> None:
        self._aeads: dict[bytes, _Aead] = {
            _AES: AESGCM(_expand(key, f"{label}/aes-256-gcm")),
            _SM4: _Sm4Gcm(_expand(key, f"{label}/sm4-gcm", _SM4_KEY_BYTES)),
        }
        self._header = _HEADERS[cipher]
        self._sealing = self._aeads[self._header]

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        nonce = _urandom(_NONCE)
        header = self._header
        return header + nonce + self._sealing.encrypt(nonce, plain, header + associated)

    def open(self, blob: bytes, associated: bytes) -> bytes:
        header = blob[:2]
        aead = self._aeads.get(header)
        if aead is None or len(blob) < 2 + _NONCE + _TAG:
            raise CannotDecrypt
        try:
            return aead.decrypt(blob[2 : 2 + _NONCE], blob[2 + _NONCE :], header + associated)
        except InvalidTag as error:
            raise CannotDecrypt from error


class Keyring(_Opaque):
    """Everything one tenant encrypts, looks up and derives, from its data key of 32 bytes.

    Purposes and field names are constants of the code, never data: one key is kept per purpose.
    """

    __slots__ = ("_box", "_cipher", "_index_macs", "_key", "_secret_macs")

    def __init__(self, data_key: bytes, *, cipher: FieldCipher = "aes-256-gcm") -> None:
        if len(data_key) != KEY_BYTES:
            raise ValueError(f"A data key has {KEY_BYTES} bytes, not {len(data_key)}.")
        self._key = data_key
        self._cipher = cipher
        self._box = _Box(data_key, "field", cipher)
        self._index_macs: dict[str, HMAC] = {}
        self._secret_macs: dict[str, HMAC] = {}

    def __repr__(self) -> str:
        return f"Keyring({self._cipher})"

    def encrypt(self, value: str | bytes, *, field: str) -> bytes:
        """Encrypt a value for the field of that name (``visitor.document``)."""
        plain = value.encode() if isinstance(value, str) else value
        return self._box.seal(plain, field.encode())

    def decrypt(self, blob: bytes, *, field: str) -> str:
        """Return the text of an encrypted field; raises CannotDecrypt."""
        plain = self._box.open(bytes(blob), field.encode())
        try:
            return plain.decode()
        except UnicodeDecodeError as error:
            raise CannotDecrypt from error

    def blind_index(self, value: str | bytes, *, purpose: str) -> int:
        """Return the number under which an encrypted value is found again.

        It is the first 8 bytes of an HMAC-SHA256 as a signed integer, so it fits a bigint. The
        caller normalises first: ``x`` and ``X`` differ here. Two values may share an index, so
        what is found is compared after decryption.
        """
        keyed = self._index_macs.get(purpose)
        if keyed is None:
            keyed = self._index_macs[purpose] = self._mac(f"index/{purpose}")
        mac = keyed.copy()
        mac.update(value.encode() if isinstance(value, str) else value)
        return int.from_bytes(mac.finalize()[:8], "big", signed=True)

    def derive(self, purpose: str, *context: Context) -> bytes:
        """Return 32 bytes that only this tenant can know, for a purpose and a context."""
        keyed = self._secret_macs.get(purpose)
        if keyed is None:
            keyed = self._secret_macs[purpose] = self._mac(f"derive/{purpose}")
        mac = keyed.copy()
        for part in context:
            data = _as_bytes(part)
            # The length goes first, so that ("ab", "c") and ("a", "bc") differ.
            mac.update(len(data).to_bytes(4, "big") + data)
        return mac.finalize()

    def secret(self, purpose: str, *context: Context) -> str:
        """Return an authenticator for addresses and labels: 16 base-32 characters, 80 bits."""
        number = int.from_bytes(self.derive(f"secret/{purpose}", *context)[:10], "big")
        return ids.crockford(number, _SECRET_CHARS).lower()

    def check(self, secret: str, purpose: str, *context: Context) -> bool:
        """Say whether ``secret`` is the one of this purpose and context, in constant time.

        It may have been typed by hand: case, spaces and the usual mix-ups do not matter.
        """
        given = ids.normalise(secret).encode(errors="replace")
        return hmac.compare_digest(given, self.secret(purpose, *context).upper().encode())

    def _mac(self, label: str) -> HMAC:
        return HMAC(_expand(self._key, label), SHA256())


def _as_bytes(part: Context) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, UUID):
        return part.bytes
    return str(part).encode()


class MasterKey(_Opaque):
    """A key of 32 bytes that wraps data keys, with the id that wrapped values name it by."""

    __slots__ = ("_key", "id")

    def __init__(self, key_id: str, key: bytes) -> None:
        if not _KEY_ID.fullmatch(key_id):
            raise BrokenMasterKey(
                f"{key_id[:16]!r} is no key id: 1 to 16 of a-z, 0-9 and -, not beginning with -."
            )
        if len(key) != KEY_BYTES:
            raise BrokenMasterKey(f"Key {key_id!r} has {len(key)} bytes instead of {KEY_BYTES}.")
        self.id = key_id
        self._key = key

    def __repr__(self) -> str:
        return f"MasterKey({self.id!r})"

    @classmethod
    def generate(cls, key_id: str) -> "MasterKey":
        """Make a new random key."""
        return cls(key_id, _urandom(KEY_BYTES))

    def line(self) -> str:
        """Return the key as a line of the master key file. Handle it like the key."""
        return f"{self.id} {base64.b64encode(self._key).decode()}"

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for a purpose of the whole installation, such as signing cookies."""
        return _expand(self._key, f"installation/{purpose}")

    def box(self, cipher: FieldCipher) -> _Box:
        """Return what seals and opens data keys under this key."""
        return _Box(self._key, "wrap", cipher)


class MasterKeys(_Opaque):
    """The master keys in use: the last one wraps, all of them unwrap.

    The file has one key a line, ``<id> <32 bytes as base64>``; empty lines and lines with ``#``
    in front do not count. To change the key, append a line, restart, rewrap, remove the old line.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        self._keys = {key.id: key for key in keys}
        if not keys:
            raise BrokenMasterKey("There is no key in it.")
        if len(self._keys) != len(keys):
            raise BrokenMasterKey("Two keys have the same id.")

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._keys)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the current one last."""
        return tuple(self._keys)

    @property
    def current(self) -> MasterKey:
        """The key that wraps."""
        return next(reversed(self._keys.values()))

    def get(self, key_id: str) -> MasterKey:
        """Return the key of that id; raises CannotDecrypt when it is not here."""
        try:
            return self._keys[key_id]
        except KeyError as error:
            raise CannotDecrypt from error

    @classmethod
    def parse(cls, text: str) -> "MasterKeys":
        """Read the lines of a master key file; raises BrokenMasterKey naming the line."""
        keys = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key_id, _, encoded = line.strip().partition(" ")
            try:
                keys.append(MasterKey(key_id, base64.b64decode(encoded.strip(), validate=True)))
            except (binascii.Error, ValueError) as error:
                raise BrokenMasterKey(f"Line {number}: the key is not base64.") from error
            except BrokenMasterKey as error:
                raise BrokenMasterKey(f"Line {number}: {error}") from error
        return cls(keys)

    @classmethod
    def load(cls, path: Path, *, create: bool = False) -> "MasterKeys":
        """Read the master key file; with ``create``, make one where there is none.

        The new file can be read by its owner alone. Whoever loses it loses every encrypted field,
        so it belongs into the backup, and not beside the backup of the database.
        """
        try:
            return cls.parse(path.read_text("utf-8"))
        except FileNotFoundError:
            if not create:
                raise
        except BrokenMasterKey as error:
            raise BrokenMasterKey(f"{path}: {error}") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".master-key-")
        made = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"# Shanmen master keys: keep this file secret.\n{_first_key()}\n")
                file.flush()
                os.fsync(file.fileno())
            # Linking fails where a file exists: of processes that start together, one wins, and
            # all read what it wrote, whole.
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
        return cls.load(path)


def append_master_key(path: Path, key_id: str) -> None:
    """Add a new random key to the master key file: processes that start from now on wrap with it.

    Raises:
        BrokenMasterKey: there is a key with this id, or it is no id.
    """
    before = path.read_text("utf-8")
    after = f"{before.rstrip()}\n{MasterKey.generate(key_id).line()}\n"
    MasterKeys.parse(after)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".master-key-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(after)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def _first_key() -> str:
    return MasterKey.generate("k1").line()


def new_data_key() -> bytes:
    """Return a new data key for a tenant."""
    return ids.secret_bytes(KEY_BYTES)


def wrap_key(
    data_key: bytes, *, keys: MasterKeys, tenant_id: int, cipher: FieldCipher = "aes-256-gcm"
) -> bytes:
    """Wrap a tenant's data key under the current master key.

    The result is ``length of key id (1) | key id | sealed key`` and opens for this tenant alone.
    """
    key = keys.current
    sealed = key.box(cipher).seal(data_key, _tenant(tenant_id))
    return bytes([len(key.id)]) + key.id.encode() + sealed


def unwrap_key(wrapped: bytes, *, keys: MasterKeys, tenant_id: int) -> bytes:
    """Return the data key; raises CannotDecrypt for another tenant or a missing master key."""
    key = keys.get(wrapped_under(wrapped))
    sealed = bytes(wrapped[1 + wrapped[0] :])
    return key.box("aes-256-gcm").open(sealed, _tenant(tenant_id))


def wrapped_under(wrapped: bytes) -> str:
    """Return the id of the master key that a data key is wrapped under."""
    try:
        return bytes(wrapped[1 : 1 + wrapped[0]]).decode("ascii")
    except (IndexError, UnicodeDecodeError) as error:
        raise CannotDecrypt from error


def _tenant(tenant_id: int) -> bytes:
    return f"tenant/{tenant_id}".encode()
