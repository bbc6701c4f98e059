"""A repeated key over HTTP: the first answer, also while the first runs and after a restart."""

import asyncio
from typing import Any
from uuid import UUID

import httpx

from shanmen.app import create_app
from shanmen.catalog.service import set_on_sale
from shanmen.kit import ids
from shanmen.kit.settings import Settings
from shanmen.payments.registry import Providers
from tests.conftest import open_database
from tests.orders.conftest import PUBLIC_URL, Shop
from tests.orders.till import Till


def body(shop: Shop) -> dict[str, Any]:
    return {"phone": "13800138000", "tickets": [shop.ticket()]}


async def post(
    shop: Shop, path: str, sent: object, key: str, *, http: httpx.AsyncClient | None = None
):
    if "ota" not in shop.keys:
        await shop.api("GET", "/sites")  # The key of the channel is made once.
    return await (http or shop.http).post(
        f"/api/v1{path}",
        json=sent,
        headers={"authorization": f"Bearer {shop.keys['ota']}", "idempotency-key": key},
    )


async def test_a_repetition_while_the_first_runs_gets_the_same_order(shop: Shop):
    path, sent, key = f"/sites/{shop.park.slug}/orders", body(shop), ids.token(8)
    other = {**sent, "phone": "13900139000"}
    answers = await asyncio.gather(
        *(post(shop, path, sent, key) for _ in range(4)), post(shop, path, other, key)
    )
    first, others = answers[:4], answers[4:]
    if answers[4].status_code == 201:
        first, others = others, first  # The key belongs to whoever came first.
    assert {answer.status_code for answer in first} == {201}
    assert len({answer.json()["number"] for answer in first}) == 1
    for answer in others:
        assert answer.status_code == 422
        refused = answer.json()
        assert (refused["code"], refused["field"]) == (
            "kit.idempotency_mismatch",
            "Idempotency-Key",
        )


async def test_a_refusal_is_repeated_as_well(shop: Shop):
    path, sent, key = f"/sites/{shop.park.slug}/orders", body(shop), ids.token(8)
    assert (await post(shop, path, sent, ids.token(8))).status_code == 201
    first = await post(shop, path, sent, key)
    again = await post(shop, path, sent, key)
    assert first.status_code == again.status_code == 409
    assert first.json() == again.json()
    assert first.json()["code"] == "orders.document_limit"
    params = first.json()["params"]
    assert (params["limit"], params["per"], params["has"]) == (1, "slot", 1)
    assert params["ends"] == shop.park.day.isoformat()


async def test_the_first_answer_stands_when_the_product_is_no_longer_sold(shop: Shop):
    path, sent, key = f"/sites/{shop.park.slug}/orders", body(shop), ids.token(8)
    first = await post(shop, path, sent, key)
    assert first.status_code == 201
    await shop.unit(
        set_on_sale, ticket_type_id=UUID(sent["tickets"][0]["ticket_type_id"]), on_sale=False
    )
    again = await post(shop, path, sent, key)
    assert (again.status_code, again.json()["number"]) == (201, first.json()["number"])
    other = await post(shop, path, sent, ids.token(8))
    assert (other.status_code, other.json()["code"]) == (409, "orders.not_on_sale")


async def test_a_key_of_what_was_wrong_in_itself_is_not_for_something_else(shop: Shop):
    path, sent, key = f"/sites/{shop.park.slug}/orders", body(shop), ids.token(8)
    wrong = {**sent, "phone": "12"}
    first = await post(shop, path, wrong, key)
    assert (first.status_code, first.json()["code"]) == (422, "kit.phone_invalid")
    assert (await post(shop, path, wrong, key)).json() == first.json()
    other = await post(shop, path, sent, key)
    assert (other.status_code, other.json()["code"]) == (422, "kit.idempotency_mismatch")
    fresh = await post(shop, path, sent, ids.token(8))
    assert fresh.status_code == 201


async def test_after_a_restart_the_first_answer_stands(shop: Shop, db_url: str, data_dir):
    path, sent, key = f"/sites/{shop.park.slug}/orders", body(shop), ids.token(8)
    first = (await post(shop, path, sent, key)).json()
    database = open_database(db_url)
    app = create_app(
        Settings(data_dir=data_dir),
        database=database,
        providers=Providers([Till()], public_url=PUBLIC_URL),
    )
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
            base_url="http://test",
        ) as http:
            again = await post(shop, path, sent, key, http=http)
            assert (again.status_code, again.json()["number"]) == (201, first["number"])
            other = await post(shop, path, {**sent, "locale": "en"}, key, http=http)
            assert other.json()["code"] == "kit.idempotency_mismatch"
            await post(shop, f"/orders/{first['number']}/confirm", {"reference": "r"}, "c")
            # What a change answered is remembered as it was, though the order has moved on.
            moved = {"slot_id": str(shop.park.slots[1])}
            one = await post(shop, f"/orders/{first['number']}/reschedule", moved, "m")
            two = await post(shop, f"/orders/{first['number']}/reschedule", moved, "m", http=http)
            assert one.status_code == two.status_code == 200
            assert one.json() == two.json()
    finally:
        await database.close()


async def test_a_change_that_is_repeated_at_once_happens_once(shop: Shop):
    path = f"/sites/{shop.park.slug}/orders"
    number = (await post(shop, path, body(shop), ids.token(8))).json()["number"]
    change = f"/orders/{number}/cancel"
    answers = await asyncio.gather(*(post(shop, change, {"reason": "x"}, "k") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1
    other = await post(shop, change, {"reason": "another"}, "k")
    assert other.json()["code"] == "kit.idempotency_mismatch"
