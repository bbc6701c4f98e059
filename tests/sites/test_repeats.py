"""A call of the API with the same key changes things once and is answered alike."""

import asyncio

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import update

from shanmen.app import create_app
from shanmen.db.idempotency import Idempotency
from shanmen.db.session import Actor, Database, Session
from shanmen.kit.settings import Settings
from shanmen.sites.service import apikeys
from tests.support.park import Park


@pytest.fixture
async def api(database: Database, park: Park, tmp_path):
    app = create_app(Settings(data_dir=tmp_path), database=database)
    key = await database.unit(park.tenant_id, actor=Actor("system"))(
        apikeys.create_key, name="test", channel="api", permissions=["sites.edit"]
    )
    async with AsyncTestClient(app) as client:
        client.headers["authorization"] = f"Bearer {key.secret}"
        yield client


async def create(
    api: AsyncTestClient[Litestar], park: Park, name: str, key: str | None
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await api.post(
        f"/api/v1/sites/{park.slug}/zones",
        json={"name": {"zh-CN": name, "en": name}},
        headers=headers,
    )


async def test_a_repetition_gets_the_first_answer(api, park: Park) -> None:
    first = await create(api, park, "one", "k1")
    again = await create(api, park, "one", "k1")
    assert first.status_code == 201
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    zones = (await api.get(f"/api/v1/sites/{park.slug}/zones")).json()
    assert [str(z["name"]).count("one") for z in zones].count(2) == 1


async def test_the_same_key_with_other_content_is_refused(api, park: Park) -> None:
    await create(api, park, "one", "k1")
    other = await create(api, park, "two", "k1")
    assert other.status_code == 422
    assert other.json()["code"] == "kit.idempotency_mismatch"


async def test_without_a_key_everything_is_done_again(api, park: Park) -> None:
    first, second = await create(api, park, "one", None), await create(api, park, "one", None)
    assert first.json()["id"] != second.json()["id"]


async def test_calls_at_the_same_time_change_things_once(api, park: Park) -> None:
    answers = await asyncio.gather(*(create(api, park, "both", "k2") for _ in range(5)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1


async def test_a_refusal_may_be_tried_again(api, park: Park) -> None:
    assert (await create(api, park, "", "k3")).status_code == 422
    assert (await create(api, park, "now", "k3")).status_code == 201


async def test_every_changing_operation_tells_of_the_key(api) -> None:
    paths = (await api.get("/api/openapi.json")).json()["paths"]
    for path, item in paths.items():
        for method in ("post", "put", "patch", "delete"):
            if method in item:
                names = [p["name"] for p in item[method].get("parameters", [])]
                assert "Idempotency-Key" in names, f"{method} {path}"


async def lose_answers(database: Database, park: Park) -> None:
    """As when the process died between the change and the record of its answer."""

    async def lose(session: Session) -> None:
        await session.execute(update(Idempotency).values(status=0, answer=b"somebody else"))

    await database.unit(park.tenant_id)(lose)


async def test_a_lost_answer_of_a_creation_is_admitted(api, database: Database, park: Park) -> None:
    await create(api, park, "one", "k4")
    await lose_answers(database, park)
    again = await create(api, park, "one", "k4")
    assert again.status_code == 409
    assert again.json()["code"] == "sites.answer_lost"


async def test_a_route_that_may_run_twice_runs_again(api, database: Database, park: Park) -> None:
    path = f"/api/v1/sites/{park.slug}/entrances/{park.entrance_id}"
    body = {"name": {"zh-CN": "二", "en": "Two"}}
    first = await api.patch(path, json=body, headers={"Idempotency-Key": "k6"})
    assert first.status_code == 200, first.text
    await lose_answers(database, park)
    again = await api.patch(path, json=body, headers={"Idempotency-Key": "k6"})
    assert (again.status_code, again.json()) == (200, first.json())
    assert "Idempotent-Replayed" not in again.headers
    third = await api.patch(path, json=body, headers={"Idempotency-Key": "k6"})
    assert third.headers["Idempotent-Replayed"] == "true"
