"""Each tenant's data key, unwrapped once per process.

The tenant's row keeps its key wrapped under the master key, which never enters the database.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from shanmen.kit.crypto import (
    FieldCipher,
    Keyring,
    MasterKeys,
    unwrap_key,
    wrap_key,
    wrapped_under,
)

ALL_WRAPPED = text("SELECT id, wrapped_key FROM tenant ORDER BY id FOR UPDATE")
SET_WRAPPED = text("UPDATE tenant SET wrapped_key = :wrapped WHERE id = :tenant")
WRAPPED = text("SELECT wrapped_key FROM tenant WHERE id = :tenant")


class Keyrings:
    """Keyrings of the tenants this process has served.

    Args:
        masters: the master keys, the current one first.
        cipher: the algorithm for new values (`field_cipher` of the settings).
    """

    def __init__(self, masters: MasterKeys, *, cipher: FieldCipher = "aes-256-gcm") -> None:
        self.masters = masters
        self.cipher = cipher
        self._open: dict[int, Keyring] = {}

    async def get(self, connection: AsyncSession | AsyncConnection, tenant_id: int) -> Keyring:
        """The tenant's keyring; raises LookupError for an unknown tenant."""
        ring = self._open.get(tenant_id)
        if ring is None:
            found = await connection.execute(WRAPPED, {"tenant": tenant_id})
            wrapped = found.scalar_one_or_none()
            if wrapped is None:
                msg = f"There is no tenant {tenant_id}."
                raise LookupError(msg)
            key = unwrap_key(wrapped, keys=self.masters, tenant_id=tenant_id)
            ring = self._open[tenant_id] = Keyring(key, cipher=self.cipher)
        return ring

    def opened(self, tenant_id: int) -> Keyring:
        """The keyring of a tenant that this process has served; raises LookupError."""
        return self._open[tenant_id]


async def rewrap(session: AsyncSession, *, masters: MasterKeys) -> int:
    """Wrap every tenant's data key under the current master key; returns how many were not.

    The data keys stay the same, so nothing is encrypted anew and nobody is interrupted. All
    processes must know the current master key already.

    Raises:
        CannotDecrypt: a data key is wrapped under a master key that is not here; none is changed.
    """
    changed = 0
    for tenant_id, wrapped in (await session.execute(ALL_WRAPPED)).all():
        if wrapped_under(wrapped) == masters.current.id:
            continue
        key = unwrap_key(wrapped, keys=masters, tenant_id=tenant_id)
        renewed = wrap_key(key, keys=masters, tenant_id=tenant_id)
        await session.execute(SET_WRAPPED, {"wrapped": renewed, "tenant": tenant_id})
        changed += 1
    return changed
