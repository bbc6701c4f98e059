"""A unit of work: one transaction, run again when it must be, and its jobs with it."""

import asyncio
import contextlib

import psycopg
import pytest
from sqlalchemy import event, text

from shanmen.db.outbox import Job, defer, publish
from shanmen.db.pipeline import Statement, run, run_at_commit
from shanmen.db.reading import read
from shanmen.db.session import DatabaseAway, LockTimeout, Outdated, Session
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import OrderNotFound
from tests.conftest import open_database
from tests.support.desk import Desk
from tests.support.park import Park, make_park


@pytest.fixture
def desk(database, park: Park) -> Desk:
    return Desk(database, park)


async def rename(session: Session, *, name: str, error: BaseException | None = None) -> None:
    await session.execute(
        text("UPDATE pool SET name = jsonb_build_object('zh-CN', CAST(:name AS text))"),
        {"name": name},
    )
    await defer(session, Job("orders.follow_admissions", {"ticket_ids": []}))
    if error is not None:
        raise error


async def waiting_jobs(desk: Desk) -> int:
    return await desk.count(
        "procrastinate_jobs", f"(args->>'tenant_id')::int = {desk.park.tenant_id}"
    )


async def test_returning_commits_and_the_job_with_it(desk: Desk):
    await desk.unit(rename, name="新")
    assert await desk.count("pool", "name->>'zh-CN' = '新'") == 2
    assert await waiting_jobs(desk) == 1


@pytest.mark.parametrize("error", [OrderNotFound(), RuntimeError("no")])
async def test_raising_undoes_everything_and_the_job_with_it(desk: Desk, error: Exception):
    with pytest.raises(type(error)):
        await desk.unit(rename, name="新", error=error)
    assert await desk.count("pool", "name->>'zh-CN' = '新'") == 0
    assert await waiting_jobs(desk) == 0


async def test_work_is_run_again_when_postgresql_asks_for_it(desk: Desk):
    runs = 0

    async def fail_twice(session: Session) -> int:
        nonlocal runs
        runs += 1
        await rename(session, name=str(runs))
        if runs < 3:
            raise psycopg.errors.SerializationFailure
        return runs

    assert await desk.unit(fail_twice) == 3
    assert await desk.count("pool", "name->>'zh-CN' = '3'") == 2
    assert await waiting_jobs(desk) == 1


async def test_work_is_not_run_again_for_ever(desk: Desk):
    runs = 0

    async def fail(_: Session) -> None:
        nonlocal runs
        runs += 1
        raise psycopg.errors.DeadlockDetected

    with pytest.raises(psycopg.errors.DeadlockDetected):
        await desk.unit(fail)
    assert runs == 5


async def test_who_waits_too_long_for_a_lock_is_told_so(own_url: str):
    database = open_database(own_url)
    with psycopg.connect(own_url) as owner:
        owner.execute("LOCK TABLE tenant IN ACCESS EXCLUSIVE MODE")

        async def look(session: Session) -> None:
            await session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            await session.execute(text("SELECT 1 FROM tenant"))

        with pytest.raises(LockTimeout) as refused:
            await database.unit(None)(look)
    assert isinstance(refused.value, DomainError)
    assert refused.value.status == 503
    await database.close()


async def test_an_unknown_tenant_is_no_tenant(database):
    with pytest.raises(LookupError, match="no tenant"):
        await database.unit(2_000_000_000)(rename, name="x")


async def test_an_event_that_nobody_wired_is_a_mistake(desk: Desk):
    async def tell(session: Session) -> None:
        await publish(session, "pools.renamed", {})

    with pytest.raises(LookupError, match="not in the table of subscribers"):
        await desk.unit(tell)


async def test_what_is_left_for_the_commit_is_written_with_it(desk: Desk):
    named = text("SELECT count(*) FROM pool WHERE name->>'zh-CN' = :name")
    rename_all = "UPDATE pool SET name = jsonb_build_object('zh-CN', %s::text)"

    async def leave(session: Session, *, name: str, more: str = "") -> None:
        run_at_commit(session, [Statement(rename_all + more, (name,))])
        assert await session.scalar(named, {"name": name}) == 0

    await desk.unit(leave, name="新")
    assert await desk.count("pool", "name->>'zh-CN' = '新'") == 2
    with pytest.raises(psycopg.errors.DivisionByZero):
        await desk.unit(leave, name="旧", more=", position = 1 / 0")
    assert await desk.count("pool", "name->>'zh-CN' = '新'") == 2


async def test_what_another_wrote_before_the_commit_is_found_when_it_is_run_again(desk: Desk):
    found: list[int] = []

    async def remember(session: Session) -> None:
        key = Statement("SELECT FROM idempotency WHERE key_hash = 'k'")
        [rows] = await run(session, [key])
        found.append(len(rows))
        if rows:
            return
        if len(found) == 1:
            await desk.unit(remember)
        row = (desk.park.tenant_id, b"k", b"r", b"a")
        run_at_commit(
            session,
            [
                Statement(
                    "INSERT INTO idempotency (tenant_id, key_hash, request_hash, status, answer, "
                    "created_at) VALUES (%s, %s, %s, 201, %s, now())",
                    row,
                )
            ],
        )

    await desk.unit(remember)
    assert found == [0, 0, 1]


async def test_outdated_work_is_run_again_in_a_new_transaction(desk: Desk):
    seen: list[int] = []

    async def prepared(session: Session, *, good: int) -> None:
        [[row]] = await run(session, [Statement("SELECT pg_current_xact_id()::text::bigint", ())])
        seen.append(row[0])
        if len(seen) < good:
            raise Outdated

    await desk.unit(prepared, good=3)
    assert len(set(seen)) == 3
    with pytest.raises(Outdated):
        await desk.unit(prepared, good=100)


async def test_a_transaction_begins_with_whatever_comes_first(desk: Desk):
    tenant = str(desk.park.tenant_id)
    ask = "SELECT current_setting('shanmen.tenant'), now() < clock_timestamp()"

    async def by_driver(session: Session) -> None:
        [[first]] = await run(session, [Statement(ask)])
        assert first[0] == tenant
        assert (await session.execute(text(ask))).one()[0] == tenant

    async def by_session(session: Session) -> None:
        assert (await session.execute(text(ask))).one()[0] == tenant
        cursor = await (await session.driver()).execute(ask)
        assert await cursor.fetchone() == (tenant, True)

    async def nothing(session: Session) -> None:
        assert session.tenant_id == desk.park.tenant_id

    for work in (by_driver, by_session, nothing):
        await desk.unit(work)


async def test_connections_that_the_server_ended_are_not_used_again(own_url: str):
    database = open_database(own_url)
    one = [Statement("SELECT 1")]

    async def look(session: Session) -> None:
        await run(session, one)

    async def look_together(session: Session, *, meet: asyncio.Barrier) -> None:
        await run(session, one)
        await meet.wait()

    meet = asyncio.Barrier(3)
    await asyncio.gather(*(database.unit(None)(look_together, meet=meet) for _ in range(3)))
    with psycopg.connect(own_url, autocommit=True) as owner:
        ended = owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    assert len(ended) == 3
    with pytest.raises(DatabaseAway):
        await database.unit(None)(look)
    for _ in range(3):
        await database.unit(None)(look)
    await database.close()


COUNT = "SELECT count(*) FROM pool"


async def look(session: Session) -> tuple[int, int]:
    [[(piped,)], _] = await run(session, [Statement(COUNT), Statement("SELECT 'x'")])
    return piped, await session.scalar(text(COUNT)) or 0


# In steps of a tenth of a millisecond, so that it hits every wait of the work.
MOMENTS = [step / 10_000 for step in range(1, 60)]


@pytest.mark.parametrize("again", [False, True])
async def test_who_goes_away_in_the_middle_costs_no_connection(own_url: str, *, again: bool):
    """A browser that closes a stream cancels wherever it stands; anyio cancels until it ends."""
    database = open_database(own_url, pool_size=1)
    park = await make_park(database, code="park")
    unit = database.unit(park.tenant_id)
    thrown_away: list[object] = []
    event.listen(database.engine.sync_engine, "invalidate", lambda *what: thrown_away.append(what))
    for moment in MOMENTS:
        task = asyncio.ensure_future(unit(look))
        await asyncio.sleep(moment)
        task.cancel()
        while again and not task.done():
            await asyncio.sleep(0)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await unit(look) == (2, 2), moment
    assert not thrown_away
    await database.close()


async def test_a_transaction_that_is_given_up_leaves_no_connection_out_of_step(own_url: str):
    """At the end of a process what still runs is cancelled, wherever it stands."""
    database = open_database(own_url, pool_size=1)
    park = await make_park(database, code="park")

    async def transact() -> tuple[int, int]:
        async with database.transaction(park.tenant_id) as session:
            return await look(session)

    for moment in MOMENTS:
        task = asyncio.ensure_future(transact())
        await asyncio.sleep(moment)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await transact() == (2, 2), moment
        read_too = await read(database.unit(park.tenant_id), [Statement(COUNT)])
        assert read_too == [[(2,)]], moment
    await database.close()
