"""A unit of work: one transaction, run again when it must be, and its jobs with it."""

import psycopg
import pytest
from sqlalchemy import text

from shanmen.db.outbox import Job, defer, publish
from shanmen.db.session import LockTimeout, Session
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import OrderNotFound
from tests.conftest import open_database
from tests.support.desk import Desk
from tests.support.park import Park


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
