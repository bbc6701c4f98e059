"""The Ed25519 keys that sign a tenant's tickets, derived from the tenant's data key.

Nothing is stored: who can open the tenant's data can sign its tickets, and nobody else. Each key
has a small number that tokens carry, so that a later key can stand beside an earlier one.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from nacl.signing import SigningKey, VerifyKey

from shanmen.kit.crypto import Keyring

PURPOSE = "ticket-signing"
CURRENT_KEY_ID = 1
"""The key that signs new tickets."""
KEY_IDS = (CURRENT_KEY_ID,)
"""All keys whose tickets are accepted."""


@lru_cache(maxsize=4096)
def signing_key(keyring: Keyring) -> tuple[int, SigningKey]:
    """The number and the private key that sign new tickets of the keyring's tenant."""
    return CURRENT_KEY_ID, _private(keyring, CURRENT_KEY_ID)


@lru_cache(maxsize=4096)
def own_keys(keyring: Keyring) -> Mapping[int, SigningKey]:
    """The private keys of all tickets that are accepted, by number."""
    return MappingProxyType({key_id: _private(keyring, key_id) for key_id in KEY_IDS})


@lru_cache(maxsize=4096)
def public_keys(keyring: Keyring) -> Mapping[int, VerifyKey]:
    """The keys that a gate of the keyring's tenant accepts, by number."""
    keys = own_keys(keyring)
    return MappingProxyType({key_id: key.verify_key for key_id, key in keys.items()})


def _private(keyring: Keyring, key_id: int) -> SigningKey:
    return SigningKey(keyring.derive(PURPOSE, key_id))
