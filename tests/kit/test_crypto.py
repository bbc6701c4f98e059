"""Envelope encryption: what opens, and above all what does not."""

import pickle
import stat
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import crypto, ids
from shanmen.kit.crypto import BrokenMasterKey, CannotDecrypt, Keyring, MasterKey, MasterKeys

KEY = bytes(range(32))
DOCUMENT_INDEX = 6466909726593263116
DERIVED = "3fe6d809486b3d34658c71f77c04a8cc7c7e0c46e3b7e5698ae761efe7c8d5dc"
SECRET = "04z87p08zw87qhhf"
CIPHERS: list[crypto.FieldCipher] = ["aes-256-gcm", "sm4-gcm"]


@pytest.mark.parametrize("cipher", CIPHERS)
@given(text=st.text())
def test_what_is_encrypted_comes_back(cipher: crypto.FieldCipher, text: str) -> None:
    ring = Keyring(KEY, cipher=cipher)
    assert ring.decrypt(ring.encrypt(text, field="name"), field="name") == text
    assert ring.decrypt(memoryview(ring.encrypt(text, field="n")).tobytes(), field="n") == text


@pytest.mark.parametrize("cipher", CIPHERS)
def test_the_cipher_is_in_the_value_so_the_setting_may_change(cipher: crypto.FieldCipher) -> None:
    blob = Keyring(KEY, cipher=cipher).encrypt("张三", field="name")
    for now in CIPHERS:
        assert Keyring(KEY, cipher=now).decrypt(blob, field="name") == "张三"
    assert blob[0] == 1
    assert blob[1] == CIPHERS.index(cipher) + 1
    assert len(blob) == 2 + 12 + len("张三".encode()) + 16


def test_the_same_text_never_looks_the_same() -> None:
    with ids.seeded(1):
        first = Keyring(KEY).encrypt("张三", field="name")
    with ids.seeded(1):
        second = Keyring(KEY).encrypt("张三", field="name")
    assert first[2:14] != second[2:14]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_changed_byte_is_noticed(cipher: crypto.FieldCipher) -> None:
    ring = Keyring(KEY, cipher=cipher)
    blob = ring.encrypt("11010519491231002X", field="document")
    for at in range(len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(CannotDecrypt):
            ring.decrypt(bytes(changed), field="document")
    for length in range(len(blob)):
        with pytest.raises(CannotDecrypt):
            ring.decrypt(blob[:length], field="document")


def test_another_field_tenant_or_kind_of_value_does_not_open() -> None:
    ring = Keyring(KEY)
    blob = ring.encrypt("张三", field="name")
    with pytest.raises(CannotDecrypt):
        ring.decrypt(blob, field="phone")
    with pytest.raises(CannotDecrypt):
        Keyring(bytes(32)).decrypt(blob, field="name")
    with pytest.raises(CannotDecrypt):
        ring.decrypt(ring.encrypt(b"\xff\xfe", field="name"), field="name")


def test_blind_indexes_are_fixed_for_ever() -> None:
    # Stored rows are found by these numbers: the test stands in for a database of last year.
    ring = Keyring(KEY)
    assert ring.blind_index("11010519491231002X", purpose="document") == DOCUMENT_INDEX
    assert ring.derive("order", 7, "ab", UUID(int=1), date(2026, 5, 1)).hex() == DERIVED
    assert ring.secret("order", "260501ABCDEFGHJK") == SECRET


@given(st.text(), st.text())
def test_blind_indexes_are_signed_64_bit_and_apart(one: str, other: str) -> None:
    ring = Keyring(KEY)
    number = ring.blind_index(one, purpose="document")
    assert -(1 << 63) <= number < 1 << 63
    assert number == ring.blind_index(one.encode(), purpose="document")
    assert (number == ring.blind_index(other, purpose="document")) == (one == other)
    assert number != ring.blind_index(one, purpose="phone")
    assert number != Keyring(bytes(32)).blind_index(one, purpose="document")


def test_derived_bytes_keep_their_context_apart() -> None:
    ring = Keyring(KEY)
    made = [
        ring.derive("day"),
        ring.derive("day", ""),
        ring.derive("day", "ab", "c"),
        ring.derive("day", "a", "bc"),
        ring.derive("day", "abc"),
        ring.derive("night", "abc"),
        Keyring(bytes(32)).derive("day", "abc"),
    ]
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {32}
    assert ring.derive("day", 1) == ring.derive("day", "1")


def test_a_secret_is_checked_as_people_type() -> None:
    ring = Keyring(KEY)
    secret = ring.secret("order", "260501ABCDEFGHJK")
    assert len(secret) == 16
    assert set(secret.upper()) <= set(ids.CROCKFORD)
    typed = " ".join(secret.upper().replace("0", "O").replace("1", "l"))
    assert ring.check(typed, "order", "260501ABCDEFGHJK")
    for wrong in ("", secret[:-1], secret + "0", "密" * 16, "\ud800", secret[::-1]):
        assert not ring.check(wrong, "order", "260501ABCDEFGHJK")
    assert not ring.check(secret, "order", "260501ABCDEFGHJM")
    assert not ring.check(secret, "invoice", "260501ABCDEFGHJK")


def test_a_data_key_is_wrapped_for_one_tenant() -> None:
    old, new = MasterKey.generate("k1"), MasterKey.generate("k2")
    data_key = crypto.new_data_key()
    wrapped = crypto.wrap_key(data_key, keys=MasterKeys([old]), tenant_id=7)
    both = MasterKeys([old, new])
    assert crypto.unwrap_key(wrapped, keys=both, tenant_id=7) == data_key
    assert crypto.wrapped_under(wrapped) == "k1"
    again = crypto.wrap_key(data_key, keys=both, tenant_id=7, cipher="sm4-gcm")
    assert crypto.wrapped_under(again) == both.current.id == "k2"
    assert crypto.unwrap_key(again, keys=both, tenant_id=7) == data_key
    for blob, keys, tenant in (
        (wrapped, both, 8),
        (wrapped, MasterKeys([new]), 7),
        (wrapped, MasterKeys([MasterKey.generate("k1")]), 7),
        (wrapped[:-1], both, 7),
        (b"", both, 7),
        (b"\x02\xff\xfe", both, 7),
    ):
        with pytest.raises(CannotDecrypt):
            crypto.unwrap_key(blob, keys=keys, tenant_id=tenant)


def test_a_master_key_derives_secrets_of_the_installation() -> None:
    key = MasterKey("k1", KEY)
    assert key.derive("cookies") == MasterKey("k2", KEY).derive("cookies")
    assert len({key.derive("cookies"), key.derive("links"), Keyring(KEY).derive("cookies")}) == 3
    assert len(key.derive("cookies")) == 32


def test_keys_are_never_shown_nor_pickled() -> None:
    key = MasterKey("k1", KEY)
    ring = Keyring(KEY)
    for holder in (key, MasterKeys([key]), ring):
        text = f"{holder} {holder!r}"
        assert KEY.hex() not in text
        assert str(KEY) not in text
        assert key.line().split()[1] not in text
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(holder)
    assert repr(ring) == "Keyring(aes-256-gcm)"
    assert not hasattr(ring, "__dict__")


def test_the_master_key_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "data" / "master.key"
    with pytest.raises(FileNotFoundError):
        MasterKeys.load(path)
    made = MasterKeys.load(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]
    text = path.read_text()
    again = MasterKeys.load(path, create=True)
    assert path.read_text() == text
    assert again.current.line() == made.current.line()


def test_a_key_is_changed_by_appending_a_line(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first = MasterKeys.load(path, create=True)
    wrapped = crypto.wrap_key(KEY, keys=first, tenant_id=1)
    path.write_text(f"{path.read_text()}\n{MasterKey.generate('k2').line()}\n")
    both = MasterKeys.load(path)
    assert both.current.id == "k2"
    assert crypto.unwrap_key(wrapped, keys=both, tenant_id=1) == KEY


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no key in it"),
        ("# only a comment\n", "no key in it"),
        ("k1", "Line 1: Key 'k1' has 0 bytes"),
        ("k1 AAAA", "Line 1: Key 'k1' has 3 bytes"),
        ("\nk1 not-base64!", "Line 2: the key is not base64"),
        ("K1 AAAA", "is no key id"),
        (f"{MasterKey('a', KEY).line()}\n{MasterKey('a', bytes(32)).line()}", "the same id"),
    ],
)
def test_a_broken_master_key_file_is_explained(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    with pytest.raises(BrokenMasterKey, match=says) as caught:
        MasterKeys.load(path, create=True)
    assert str(path) in str(caught.value)
    assert "not-base64" not in str(caught.value)


def test_a_data_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        Keyring(bytes(16))
