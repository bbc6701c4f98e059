"""The API of orders over HTTP: place, pay, confirm, find, change; and who may do what."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from shanmen.app import create_app
from shanmen.kit import clock, ids
from shanmen.kit.settings import Settings
from shanmen.ledger.service import differences
from shanmen.orders.jobs import send_refund
from shanmen.payments.registry import Providers
from shanmen.payments.service import payments_of, refunds_of
from tests.orders.conftest import Shop
from tests.sites.conftest import asgi
from tests.support.park import id_number


async def place(shop: Shop, *kinds: str, channel: str = "ota", key: str | None = None):
    body = {
        "phone": "13800138000",
        "tickets": [shop.ticket(kind, size=3 if kind == "family" else 1) for kind in kinds],
    }
    return await shop.api(
        "POST", f"/sites/{shop.park.slug}/orders", body, channel=channel, status=201,
        key=key or ids.token(8),
    )  # fmt: skip


async def test_an_order_is_placed_for_the_keys_channel(shop: Shop) -> None:
    order = await place(shop, "adult", "family")
    assert order["status"] == "held"
    assert order["channel"] == "ota"
    assert order["amount_fen"] == 38000
    assert order["url"].endswith(f"/s/{shop.park.slug}/orders/{order['number']}/{order['secret']}")
    assert order["tickets"][0]["visitors"][0]["name"] == "张*"
    assert "名额已为您保留" in await shop.get(order["url"].removeprefix("http://park.example"))


async def test_the_key_is_required(shop: Shop) -> None:
    body = {"phone": "13800138000", "tickets": [shop.ticket()]}
    problem = await shop.api("POST", f"/sites/{shop.park.slug}/orders", body, status=422)
    assert problem["field"] == "Idempotency-Key"


async def test_a_repeated_key_gets_the_same_order(shop: Shop) -> None:
    body = {"phone": "13800138000", "tickets": [shop.ticket()]}
    path = f"/sites/{shop.park.slug}/orders"
    first = await shop.api("POST", path, body, key="same", status=201)
    again = await shop.api("POST", path, body, key="same", status=201)
    assert first["number"] == again["number"]
    other = {**body, "phone": "13900139000"}
    problem = await shop.api("POST", path, other, key="same", status=422)
    assert problem["code"] == "kit.idempotency_mismatch"


async def test_a_full_queue_asks_to_come_back(shop: Shop, counter, data_dir) -> None:
    _, till = counter
    settings = Settings(data_dir=data_dir, coalesce_max_batch=1, coalesce_max_queue=2)
    providers = Providers([till], public_url="http://park.example")
    app = create_app(settings, database=shop.database, providers=providers)
    path = f"/api/v1/sites/{shop.park.slug}/orders"
    await place(shop, "adult")
    bearer = {"authorization": f"Bearer {shop.keys['ota']}"}

    async with httpx.AsyncClient(
        transport=asgi(app), base_url="http://test", headers=bearer
    ) as http:

        async def order(number: int) -> httpx.Response:
            body = {"phone": f"138001380{number:02}", "tickets": [tickets[number]]}
            return await http.post(path, json=body, headers={"idempotency-key": f"q{number}"})

        tickets = [shop.ticket() for _ in range(12)]
        answers = await asyncio.gather(*map(order, range(12)))
        refused = [number for number, each in enumerate(answers) if each.status_code == 503]
        assert refused
        assert {each.status_code for each in answers} == {201, 503}
        for number in refused:
            answer = answers[number]
            assert answer.json()["code"] == "kit.overloaded"
            assert int(answer.headers["retry-after"]) >= 1
            # Nothing was kept of it: the same request with the same key is placed afterwards.
            again = await order(number)
            assert again.status_code == 201, again.text


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"phone": "1"}, 422, "kit.phone_invalid", "phone"),
        ({"tickets": []}, 422, "web.invalid_form", "tickets"),
        ({"surprise": 1}, 422, "web.invalid_form", "surprise"),
    ],
)
async def test_bad_input_names_its_field(
    shop: Shop, changes: dict[str, object], status: int, code: str, field: str
) -> None:
    body = {"phone": "13800138000", "tickets": [shop.ticket()], **changes}
    problem = await shop.api(
        "POST", f"/sites/{shop.park.slug}/orders", body, key=ids.token(8), status=status
    )
    assert (problem["code"], problem["field"]) == (code, field)


async def test_a_wrong_document_and_an_unknown_slot_name_the_ticket(shop: Shop) -> None:
    good, bad = shop.ticket(), shop.ticket()
    bad["visitors"][0]["document_number"] = "11010519491231002Y"
    path = f"/sites/{shop.park.slug}/orders"
    body = {"phone": "13800138000", "tickets": [good, bad]}
    problem = await shop.api("POST", path, body, key=ids.token(8), status=422)
    assert problem["field"] == "tickets.1.visitors.0.document_number"
    lost = {**good, "slot_id": str(ids.new_id())}
    body = {"phone": "13800138000", "tickets": [lost]}
    problem = await shop.api("POST", path, body, key=ids.token(8), status=404)
    assert (problem["code"], problem["field"]) == ("inventory.slot_not_found", "tickets.0.slot_id")


async def test_sold_out_says_how_many_are_left(shop: Shop) -> None:
    async def change(session):
        await session.execute(
            text("UPDATE stock SET sold = 98 WHERE tenant_id = :t AND id = :i"),
            {"t": session.tenant_id, "i": shop.park.slots[0]},
        )

    await shop.unit(change)
    body = {"phone": "13800138000", "tickets": [shop.ticket() for _ in range(3)]}
    problem = await shop.api(
        "POST", f"/sites/{shop.park.slug}/orders", body, key=ids.token(8), status=409
    )
    assert problem["code"] == "inventory.sold_out"
    assert problem["params"]["left"] == 2


async def test_another_tenants_site_is_not_there(shop: Shop, database) -> None:
    body = {"phone": "13800138000", "tickets": [shop.ticket()]}
    problem = await shop.api("POST", "/sites/nowhere/orders", body, key="x", status=404)
    assert problem["code"] == "sites.site_unknown"


async def test_a_key_sees_the_orders_of_its_own_channel(shop: Shop) -> None:
    order = await place(shop, "adult")
    await shop.api("GET", f"/orders/{order['number']}")
    other: dict[str, Any] = {"channel": "rival", "status": 404}
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/tickets", None),
        ("GET", "/refund-quote", None),
        ("POST", "/cancel", {}),
        ("POST", "/refund", {}),
        ("POST", "/reschedule", {"slot_id": str(shop.park.slots[1])}),
        ("POST", "/payments", {}),
        ("POST", "/confirm", {"reference": "r"}),
    ):
        problem = await shop.api(method, f"/orders/{order['number']}{path}", body, **other)
        assert problem["code"] == "orders.not_found"
    assert (await shop.api("GET", f"/orders?number={order['number']}", channel="rival")) == {
        "orders": [],
        "next": None,
    }
    everything = ("orders.read", "insight.read")
    await shop.api("GET", f"/orders/{order['number']}", channel="erp", permissions=everything)


async def test_a_key_needs_its_permission(shop: Shop) -> None:
    order = await place(shop, "adult")
    reader: dict[str, Any] = {"channel": "reader", "permissions": ("orders.read",), "status": 403}
    await shop.api("POST", f"/orders/{order['number']}/cancel", {}, **reader)
    await shop.api("POST", f"/orders/{order['number']}/confirm", {"reference": "r"}, **reader)
    answer = await shop.http.get(f"/api/v1/orders/{order['number']}")
    assert answer.status_code == 401
    assert (await shop.api("GET", f"/orders/{order['number']}"))["status"] == "held"


async def test_a_channel_confirms_what_it_was_paid(shop: Shop) -> None:
    order = await place(shop, "adult", "family")
    path = f"/orders/{order['number']}/confirm"
    wrong = await shop.api("POST", path, {"reference": "OTA-1", "amount_fen": 37999}, status=409)
    assert wrong["code"] == "orders.amount_mismatch"
    issued = await shop.api("POST", path, {"reference": "OTA-1", "amount_fen": 38000})
    assert issued["status"] == "issued"
    again = await shop.api("POST", path, {"reference": "OTA-1"})
    assert again["status"] == "issued"
    [payment] = await shop.unit(payments_of, order_id=UUID(order["id"]))
    assert (payment.provider, payment.status, payment.provider_ref) == (
        "external:ota", "paid", "OTA-1",
    )  # fmt: skip
    assert await shop.unit(differences) == []
    tickets = (await shop.api("GET", f"/orders/{order['number']}/tickets"))["tickets"]
    assert [len(t["token"]) for t in tickets] == [161, 161]
    assert tickets[1]["number"] == f"{order['number']}-1"


async def test_a_channels_refund_is_its_own_to_pay(shop: Shop) -> None:
    order = await place(shop, "adult")
    await shop.api("POST", f"/orders/{order['number']}/confirm", {"reference": "OTA-2"})
    await shop.api("POST", f"/orders/{order['number']}/refund", {})
    [refund] = await shop.unit(refunds_of, order_id=UUID(order["id"]))
    providers = shop.app.state.providers
    await send_refund(shop.unit, providers, refund_id=str(refund.id))
    assert (await shop.api("GET", f"/orders/{order['number']}"))["status"] == "refunded"
    assert await shop.unit(differences) == []


async def test_a_cancelled_order_cannot_be_confirmed(shop: Shop) -> None:
    order = await place(shop, "adult")
    path = f"/orders/{order['number']}"
    assert (await shop.api("POST", f"{path}/cancel", {"reason": "x"}))["status"] == "cancelled"
    again = await shop.api("POST", f"{path}/cancel", {}, status=409)
    assert again["code"] == "orders.transition_refused"
    refused = await shop.api("POST", f"{path}/confirm", {"reference": "r"}, status=409)
    assert refused["code"] == "orders.not_payable"


async def test_a_lapsed_order_cannot_be_confirmed(shop: Shop) -> None:
    order = await place(shop, "adult")
    with clock.shifted(timedelta(hours=1)):
        refused = await shop.api(
            "POST", f"/orders/{order['number']}/confirm", {"reference": "r"}, status=409
        )
    assert refused["code"] == "orders.hold_lapsed"


async def test_a_payment_is_started_once(shop: Shop) -> None:
    order = await place(shop, "adult")
    path = f"/orders/{order['number']}/payments"
    first = await shop.api("POST", path, {"return_url": "https://shop.example/done"}, status=201)
    again = await shop.api("POST", path, {}, status=201)
    assert first["pay_url"] == again["pay_url"] == f"https://pay.example/{shop.till.last()}"
    assert shop.till.started[shop.till.last()].return_url == "https://shop.example/done"
    unknown = await shop.api("POST", path, {"provider": "nobody"}, status=404)
    assert unknown["code"] == "payments.unknown_provider"
    await shop.api("POST", path, {"return_url": "javascript:x"}, status=422)
    shop.till.down = True
    down = await shop.api("POST", path, {}, status=503)
    assert down["code"] == "payments.provider_unavailable"


async def test_a_free_order_needs_no_payment(shop: Shop) -> None:
    order = await place(shop, "free")
    answer = await shop.api("POST", f"/orders/{order['number']}/payments", {}, status=201)
    assert answer["pay_url"] == ""
    assert answer["order"]["status"] == "issued"


async def test_a_refund_is_quoted_and_made(shop: Shop) -> None:
    order = await place(shop, "adult", "family")
    path = f"/orders/{order['number']}"
    early = await shop.api("GET", f"{path}/refund-quote", status=409)
    assert early["code"] == "orders.not_refundable"
    issued = await shop.api("POST", f"{path}/confirm", {"reference": "r"})
    adult = next(t for t in issued["tickets"] if t["price_fen"] == 12000)
    starts = clock.now().fromisoformat(adult["valid_from"])
    with clock.at(starts - timedelta(hours=1)):
        quote = await shop.api("GET", f"{path}/refund-quote?ticket_id={adult['ticket_id']}")
        assert (quote["fee_fen"], quote["amount_fen"]) == (1200, 10800)
        whole = await shop.api("GET", f"{path}/refund-quote")
        assert whole["amount_fen"] == 10800 + 23400
        body = {"ticket_ids": [adult["ticket_id"]], "at_least_fen": 12000}
        changed = await shop.api("POST", f"{path}/refund", body, status=409)
        assert changed["code"] == "orders.refund_changed"
        body["at_least_fen"] = 10800
        done = await shop.api("POST", f"{path}/refund", body, key="refund-1")
        again = await shop.api("POST", f"{path}/refund", body, key="refund-1")
    assert done == again
    assert done["refunded_fen"] == 10800
    assert [t["status"] for t in done["tickets"]] == ["refunded", "valid"]
    tickets = (await shop.api("GET", f"{path}/tickets"))["tickets"]
    assert [bool(t["token"]) for t in tickets] == [False, True]


async def test_tickets_are_moved(shop: Shop) -> None:
    order = await place(shop, "adult")
    path = f"/orders/{order['number']}"
    body = {"slot_id": str(shop.park.slots[1]), "reason": "late train"}
    refused = await shop.api("POST", f"{path}/reschedule", body, status=409)
    assert refused["code"] in ("orders.not_reschedulable", "orders.transition_refused")
    await shop.api("POST", f"{path}/confirm", {"reference": "r"})
    moved = await shop.api("POST", f"{path}/reschedule", body)
    assert moved["tickets"][0]["generation"] == 1
    assert moved["events"][-1]["reason"] == "late train"
    lost = {"slot_id": str(ids.new_id())}
    again = await shop.api("POST", f"{path}/reschedule", lost, status=409)
    assert again["code"] == "orders.not_reschedulable"


async def test_orders_are_found_by_whatever_is_known(shop: Shop) -> None:
    who = 2_900_000 + int(clock.now().timestamp()) % 90_000
    ticket = shop.ticket()
    ticket["visitors"][0] = {
        "name": "欧阳 娜娜", "document_kind": "id_card", "document_number": id_number(who),
    }  # fmt: skip
    body = {"phone": "13712345678", "tickets": [ticket]}
    order = await shop.api(
        "POST", f"/sites/{shop.park.slug}/orders", body, key=ids.token(8), status=201
    )
    await place(shop, "adult")
    number = order["number"]
    await shop.api("POST", f"/orders/{number}/confirm", {"reference": "r"})
    [code] = (await shop.api("GET", f"/orders/{number}/tickets"))["tickets"]
    spelled = {
        "number": [number, number.lower(), f"{number[:6]} {number[6:]}", f"{number}-0"],
        "phone": ["13712345678", "%2B86 137-1234-5678"],
        "document": [id_number(who), id_number(who).lower()],
        "name": ["欧阳 娜娜", "欧阳　娜娜"],
        "ticket": [code["ticket_id"], code["token"].replace("%", "%25").replace("+", "%2B")],
    }
    for field, values in spelled.items():
        for value in values:
            found = await shop.api("GET", f"/orders?{field}={value}")
            assert [o["number"] for o in found["orders"]] == [number], (field, value)
    nothing = await shop.api("GET", "/orders?name=没有人")
    assert nothing["orders"] == []


async def test_orders_are_listed_page_by_page(shop: Shop) -> None:
    numbers = [(await place(shop, "adult"))["number"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        answer = await shop.api("GET", f"/orders?limit=2&after={after}")
        seen += [o["number"] for o in answer["orders"]]
        after = answer["next"]
        if after is None:
            break
    assert seen == numbers[::-1]
    await shop.api("POST", f"/orders/{numbers[0]}/cancel", {})
    held = await shop.api("GET", "/orders?status=held")
    assert numbers[0] not in [o["number"] for o in held["orders"]]
    day = await shop.api("GET", f"/orders?visit_day={shop.park.day}&site={shop.park.slug}")
    assert len(day["orders"]) == 5
    assert (await shop.api("GET", "/orders?visit_day=2020-01-01"))["orders"] == []
    await shop.api("GET", "/orders?site=nowhere", status=404)
    await shop.api("GET", "/orders?limit=1000", status=422)
    assert len((await shop.api("GET", "/orders?after=junk"))["orders"]) == 5


async def test_every_change_by_a_key_is_in_the_audit_log(shop: Shop) -> None:
    order = await place(shop, "adult")
    await shop.api("POST", f"/orders/{order['number']}/confirm", {"reference": "r"})
    await shop.api("POST", f"/orders/{order['number']}/refund", {"reason": "sick"})

    async def actions(session):
        rows = await session.execute(
            text("SELECT action, actor_label FROM audit_log WHERE tenant_id = :t "
                 "AND entity_id = :o ORDER BY at"),
            {"t": session.tenant_id, "o": order["id"]},
        )  # fmt: skip
        return [tuple(row) for row in rows]

    assert await shop.unit(actions) == [("orders.confirmed", "ota"), ("orders.refunded", "ota")]


async def test_the_api_is_described(shop: Shop) -> None:
    paths = shop.app.openapi_schema.to_schema()["paths"]
    place_order = paths["/api/v1/sites/{slug}/orders"]["post"]
    assert "Idempotency-Key" in [p["name"] for p in place_order["parameters"]]
    assert {"201", "409", "422", "404", "503"} <= set(place_order["responses"])
    assert "inventory.sold_out" in place_order["responses"]["409"]["description"]
    for path in ("cancel", "refund", "reschedule", "payments", "confirm"):
        assert f"/api/v1/orders/{{number}}/{path}" in paths
