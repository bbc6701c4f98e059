"""Data keys under another master key: nothing is encrypted anew, and nothing is lost."""

import pytest

from shanmen.db.keys import ALL_WRAPPED, Keyrings, rewrap
from shanmen.db.session import Database, Session
from shanmen.kit.crypto import CannotDecrypt, MasterKey, MasterKeys, wrapped_under
from tests.conftest import APP_ROLE, MASTERS
from tests.support.park import make_park

NEW = MasterKeys([MASTERS.current, MasterKey.generate("next")])
ALONE = MasterKeys([NEW.current])


async def wrapped_by(session: Session) -> set[str]:
    return {wrapped_under(row.wrapped_key) for row in await session.execute(ALL_WRAPPED)}


def opened(url: str, masters: MasterKeys) -> Database:
    return Database(url, keyrings=Keyrings(masters), app_role=APP_ROLE)


async def sealed(session: Session) -> bytes:
    return session.keyring.encrypt("张三", field="holder.name")


async def read(session: Session, *, value: bytes) -> str:
    return session.keyring.decrypt(value, field="holder.name")


async def test_data_keys_move_under_the_new_master_key(own_url: str, own_database: Database):
    parks = [await make_park(own_database, code=f"keys-{n}") for n in (1, 2)]
    values = [await own_database.unit(park.tenant_id)(sealed) for park in parks]
    with pytest.raises(CannotDecrypt):
        await own_database.unit(None)(rewrap, masters=ALONE)
    assert await own_database.unit(None)(wrapped_by) == {"test"}
    assert await own_database.unit(None)(rewrap, masters=NEW) == 2
    assert await own_database.unit(None)(rewrap, masters=NEW) == 0
    assert await own_database.unit(None)(wrapped_by) == {"next"}
    # The old key is not needed any more, and is worth nothing alone.
    after, before = opened(own_url, ALONE), opened(own_url, MASTERS)
    try:
        for park, value in zip(parks, values, strict=True):
            assert await after.unit(park.tenant_id)(read, value=value) == "张三"
            with pytest.raises(CannotDecrypt):
                await before.unit(park.tenant_id)(read, value=value)
    finally:
        await after.close()
        await before.close()
