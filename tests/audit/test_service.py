from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from shanmen.audit import queries, service
from shanmen.db.session import Actor
from shanmen.kit import clock, ids
from shanmen.sites.service import tenants

ACTOR = Actor("staff", "7", "李娜 (li.na)", "10.0.0.1")


@pytest.fixture
async def tenant_id(database):
    async with database.transaction(None) as session:
        made = await tenants.create_tenant(
            session,
            code=f"a{ids.new_id().hex[-10:]}",
            name={"zh-CN": "某集团"},
            admin_login="admin",
            admin_name="王敏",
            admin_password_hash="x",
        )
    return made.tenant_id


async def note(database, tenant_id, **kwargs):
    entry = {"action": "orders.refunded", "entity": "order", "entity_id": "A1", **kwargs}
    async with database.transaction(tenant_id, actor=ACTOR) as session:
        return await service.record(session, **entry)


async def find(database, tenant_id, page=1, page_size=50, **where):
    async with database.transaction(tenant_id) as session:
        return await queries.list_entries(
            session, where=queries.Filter(**where), page=page, page_size=page_size
        )


async def test_an_entry_says_who_did_what(database, tenant_id):
    entry_id = await note(
        database, tenant_id, before={"a": 1, "b": 1}, after={"a": 1, "b": 2}, reason="rain"
    )
    [entry] = (await find(database, tenant_id, entity="order")).entries
    assert entry.id == entry_id
    assert (entry.actor_kind, entry.actor_id, entry.actor_label, entry.ip) == (
        "staff",
        "7",
        "李娜 (li.na)",
        "10.0.0.1",
    )
    assert (entry.before, entry.after, entry.reason) == ({"b": 1}, {"b": 2}, "rain")
    [change] = entry.changes
    assert (change.field, change.before, change.after) == ("b", 1, 2)


async def test_a_change_that_changed_nothing_is_not_noted(database, tenant_id):
    assert await note(database, tenant_id, before={"a": 1}, after={"a": 1}) is None
    assert (await find(database, tenant_id, entity="order")).total == 0


async def test_no_fields_is_noted_and_stays_null(database, tenant_id):
    await note(database, tenant_id)
    async with database.transaction(tenant_id) as session:
        row = await session.execute(
            text("SELECT before IS NULL AND after IS NULL FROM audit_log WHERE entity = 'order'")
        )
        assert row.scalar_one() is True


async def test_filters(database, tenant_id):
    start = clock.now()
    with clock.at(start) as time:
        await note(database, tenant_id)
        time.advance(60)
        await note(database, tenant_id, action="orders.paid", entity_id="A2")
        time.advance(60)
        await note(database, tenant_id, action="catalog.changed", entity="product", entity_id="P")
    minute = timedelta(minutes=1)

    async def count(**where):
        return (await find(database, tenant_id, **where)).total

    assert await count(action="orders.paid") == 1
    assert await count(action="orders.") == 2
    assert await count(who="李娜") == 3
    assert await count(who="LI.NA") == 3
    assert await count(who="%") == 0
    assert await count(entity="order", entity_id="A2") == 1
    assert await count(who="李娜", since=start + minute) == 2
    assert await count(who="李娜", until=start + minute) == 1
    async with database.transaction(tenant_id) as session:
        assert set(await queries.recent_actions(session)) >= {"orders.paid", "catalog.changed"}
        [entry] = await queries.history(session, entity="product", entity_id="P")
    assert entry.action == "catalog.changed"


async def test_pages(database, tenant_id):
    for number in range(5):
        await note(database, tenant_id, entity_id=number)
    first = await find(database, tenant_id, entity="order", page_size=2)
    assert [entry.entity_id for entry in first.entries] == ["4", "3"]
    assert (first.page, first.pages, first.total, first.more) == (1, 3, 5, False)
    beyond = await find(database, tenant_id, entity="order", page=9, page_size=2)
    assert beyond.page == 3
    assert [entry.entity_id for entry in beyond.entries] == ["0"]


async def test_another_tenant_sees_nothing(database, tenant_id):
    await note(database, tenant_id)
    async with database.transaction(None) as session:
        other = await tenants.create_tenant(
            session,
            code=f"a{ids.new_id().hex[-10:]}",
            name={"zh-CN": "别家"},
            admin_login="admin",
            admin_name="A",
            admin_password_hash="x",
        )
    assert (await find(database, other.tenant_id, entity="order")).total == 0


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET reason = 'x'", "DELETE FROM audit_log"]
)
async def test_the_application_cannot_alter_the_log(database, tenant_id, statement):
    await note(database, tenant_id)
    with pytest.raises(ProgrammingError) as refused:
        async with database.transaction(tenant_id) as session:
            await session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)
