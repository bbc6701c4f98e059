"""Reading in one round trip: as a unit of work reads, and nothing else."""

import asyncio

import psycopg
import pytest
from sqlalchemy.util import greenlet_spawn

from shanmen.db.pipeline import Statement
from shanmen.db.reading import keyring_of, read
from shanmen.db.session import Database, DatabaseAway, Session
from shanmen.kit.errors import BadInput
from tests.conftest import open_database
from tests.support.park import Park, make_park

NAMES = Statement("SELECT tenant_id, name->>'en' FROM pool ORDER BY position")


async def test_all_that_is_asked_is_answered_in_order(database: Database, park: Park):
    found = await read(
        database.unit(park.tenant_id),
        [Statement("SELECT %s::int", (7,)), NAMES, Statement("SELECT 1 WHERE false")],
    )
    assert found[0] == [(7,)]
    assert [row[0] for row in found[1]] == [park.tenant_id] * 2
    assert found[2] == []


async def test_a_tenant_sees_only_its_own_rows_and_nobody_sees_them_afterwards(own_url: str):
    database = open_database(own_url, pool_size=1)
    first, second = await make_park(database, code="park"), await make_park(database, code="town")
    for park in (first, second, first):
        [rows] = await read(database.unit(park.tenant_id), [NAMES])
        assert {row[0] for row in rows} == {park.tenant_id}

    async def anybody(session: Session) -> int:
        driver = await session.driver()
        cursor = await driver.execute("SELECT count(*) FROM pool")
        return (await cursor.fetchone() or (0,))[0]

    # The same connection, of which there is one, without a tenant.
    assert await database.unit(None)(anybody) == 0
    await database.close()


async def test_nothing_can_be_changed(database: Database, park: Park):
    unit = database.unit(park.tenant_id)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await read(unit, [Statement("UPDATE pool SET position = 99 RETURNING position")])
    [rows] = await read(unit, [Statement("SELECT count(*) FROM pool WHERE position = 99")])
    assert rows == [(0,)]


async def test_after_reading_a_unit_of_work_can_write_again(own_url: str):
    database = open_database(own_url, pool_size=1)
    park = await make_park(database, code="park")
    unit = database.unit(park.tenant_id)
    await read(unit, [NAMES])
    notices: list[str | None] = []

    async def change(session: Session) -> None:
        session.raw_driver.add_notice_handler(lambda said: notices.append(said.message_primary))
        await (await session.driver()).execute("UPDATE pool SET position = 7")

    async def fail(session: Session) -> None:
        await change(session)
        raise RuntimeError

    await unit(change)
    with pytest.raises(RuntimeError):
        await unit(fail)
    [rows] = await read(unit, [Statement("SELECT DISTINCT position FROM pool")])
    assert rows == [(7,)]
    # Two BEGINs, where the reading had left the driver to begin by itself, would be a warning.
    assert notices == []
    await database.close()


async def test_what_is_wrong_is_said_in_the_usual_way(own_url: str):
    database = open_database(own_url, pool_size=1)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    with pytest.raises(BadInput):
        await read(unit, [Statement("SELECT %s::text", ("\0",))])
    with pytest.raises(psycopg.errors.UndefinedTable):
        await read(unit, [NAMES, Statement("SELECT 1 FROM nowhere"), NAMES])
    assert len(await read(unit, [NAMES])) == 1
    await database.close()


async def test_a_connection_that_was_lost_is_replaced(own_url: str):
    database = open_database(own_url, pool_size=1)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    process = Statement("SELECT pg_backend_pid()")
    [[(before,)]] = await read(unit, [process])
    with psycopg.connect(own_url, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s)", (before,))
    [[(after,)]] = await read(unit, [process])
    assert after != before
    await database.close()


async def test_a_reading_that_is_given_up_leaves_nothing_behind(own_url: str):
    database = open_database(own_url, pool_size=1)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    reading = asyncio.create_task(read(unit, [Statement("SELECT pg_sleep(0.5)")]))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    [rows] = await asyncio.wait_for(read(unit, [NAMES]), 10)
    assert len(rows) == 2
    await database.close()


async def test_many_readings_at_once_share_the_connections_that_are_kept(own_url: str):
    database = open_database(own_url, pool_size=2)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    process = Statement("SELECT pg_backend_pid()")
    found = await asyncio.gather(*(read(unit, [process]) for _ in range(40)))
    assert len({pid for [[(pid,)]] in found}) <= 2
    await database.close()


async def test_what_is_asked_at_once_goes_together(own_url: str):
    database = open_database(own_url)
    parks = await make_park(database, code="park"), await make_park(database, code="town")
    units = [database.unit(park.tenant_id) for park in parks] * 20
    moment = Statement("SELECT now()")
    found = await asyncio.gather(*(read(unit, [NAMES, moment]) for unit in units))
    for unit, (names, _) in zip(units, found, strict=True):
        assert {row[0] for row in names} == {unit.tenant_id}
    # Of each tenant the first two go alone, and the others while those are on their way.
    assert len({at for _, [(at,)] in found}) <= 8
    await database.close()


async def test_one_that_fails_does_not_fail_its_neighbours(own_url: str):
    database = open_database(own_url)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    wrong = {
        4: (Statement("SELECT 1 FROM nowhere"), psycopg.errors.UndefinedTable),
        7: (Statement("SELECT %s::text", ("\0",)), BadInput),
        9: (Statement("UPDATE pool SET position = 99"), psycopg.errors.ReadOnlySqlTransaction),
    }
    found = await asyncio.gather(
        *(read(unit, [NAMES, wrong[n][0] if n in wrong else NAMES]) for n in range(20)),
        return_exceptions=True,
    )
    for n, answer in enumerate(found):
        if n in wrong:
            assert isinstance(answer, wrong[n][1])
        else:
            assert not isinstance(answer, BaseException)
            assert len(answer[1]) == 2
    await database.close()


async def test_a_connection_beyond_those_that_are_kept_is_closed(
    own_url: str, caplog: pytest.LogCaptureFixture
):
    database = open_database(own_url, pool_size=1)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    going_on, enough = asyncio.Event(), asyncio.Event()

    async def work(session: Session) -> None:
        await (await session.driver()).execute("SELECT 1")
        going_on.set()
        await enough.wait()

    working = asyncio.create_task(unit(work))
    await going_on.wait()
    reading = asyncio.create_task(read(unit, [Statement("SELECT pg_sleep(0.3)")]))
    await asyncio.sleep(0.1)
    enough.set()
    # The one that comes back first is kept.
    await working
    await reading
    assert database.engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    await database.close()


async def test_who_finds_no_connection_is_told_to_come_again(own_url: str):
    database = open_database(own_url, pool_size=1)
    unit = database.unit((await make_park(database, code="park")).tenant_id)
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    held = [await database.engine.raw_connection() for _ in range(2)]
    with pytest.raises(DatabaseAway):
        await read(unit, [NAMES])
    for connection in held:
        await greenlet_spawn(connection.close)
    assert len((await read(unit, [NAMES]))[0]) == 2
    await database.close()


async def test_keys_are_there_without_a_session(own_url: str):
    database = open_database(own_url)
    park = await make_park(database, code="park")
    stranger = open_database(own_url)
    sealed = (await keyring_of(database.unit(park.tenant_id))).encrypt("王", field="holder.name")
    opened = await keyring_of(stranger.unit(park.tenant_id))
    assert opened.decrypt(sealed, field="holder.name") == "王"
    with pytest.raises(LookupError, match="no tenant"):
        await keyring_of(stranger.unit(2_000_000_000))
    await database.close()
    await stranger.close()
