"""Restrictions and holds as people meet them: refusal, console, payment page, API."""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from shanmen.catalog.schemas import LimitsSpec, NoShowSpec
from shanmen.kit import clock, ids
from shanmen.orders.schemas import Placed
from tests.orders.conftest import Shop
from tests.support.park import fresh_people, id_number
from tests.support.rules import restrict, set_limits


async def watch(shop: Shop) -> None:
    rule = LimitsSpec(group="entry", no_shows=NoShowSpec(enabled=True))
    await set_limits(shop.unit, shop.park.types["adult"], rule)


def until(days: int = 9) -> str:
    return (clock.now().date() + timedelta(days=days)).isoformat()


async def test_the_refusal_says_until_when_and_whom_to_ask(shop: Shop) -> None:
    await watch(shop)
    [who] = fresh_people(1)
    await shop.unit(restrict, who=who)

    async def phone(session):
        await session.execute(
            text("UPDATE site SET phone = '0571-8888' WHERE tenant_id = :t"),
            {"t": session.tenant_id},
        )

    await shop.unit(phone)
    number = {"tickets-0-visitors-0-document_number": id_number(who)}
    answer = await shop.submit("adult", changes=number)
    assert answer.status_code == 409
    assert f"在 {until()} 之前（含当天）不能预约" in answer.text
    assert "0571-8888" in answer.text
    ticket = shop.ticket()
    ticket["visitors"][0]["document_number"] = id_number(who)
    problem = await shop.api(
        "POST", f"/sites/{shop.park.slug}/orders", {"phone": "13800138000", "tickets": [ticket]},
        key=ids.token(8), status=409,
    )  # fmt: skip
    assert problem["code"] == "orders.restricted"
    assert problem["field"] == "tickets.0.visitors.0.document_number"
    assert problem["params"] == {"until": until(), "contact": "0571-8888"}


async def test_staff_find_a_document_and_lift_its_restriction(shop: Shop) -> None:
    await shop.sign_in()
    assert "目前没有受限的证件" in await shop.get("/console/restrictions")
    await watch(shop)
    one, two = fresh_people(2)
    for who in (one, two):
        await shop.unit(restrict, who=who)
    listed = await shop.get("/console/restrictions")
    assert listed.count("/lift") == 2
    assert id_number(one) not in listed
    found = await shop.get(f"/console/restrictions?document={id_number(one)}")
    assert found.count("/lift") == 1
    assert "该证件可以预约" in await shop.get("/console/restrictions?document=110101")
    path = re.search(r'action="(/console/restrictions/[^"]+/lift)"', found)
    assert path
    empty = await shop.post(path[1], {"reason": ""}, on="/console/restrictions")
    assert empty.status_code == 422
    assert (await shop.get("/console/restrictions")).count("/lift") == 2
    lifted = await shop.post(path[1], {"reason": "住院"}, on="/console/restrictions")
    assert (lifted.status_code, lifted.headers["location"]) == (303, "/console/restrictions")
    assert (await shop.get("/console/restrictions")).count("/lift") == 1
    again = await shop.get(f"/console/restrictions?document={id_number(one)}")
    assert "住院" in again
    assert "已解除" in again
    unknown = f"/console/restrictions/{ids.new_id()}/lift"
    missing = await shop.post(unknown, {"reason": "x"}, on="/console/restrictions")
    assert missing.status_code == 404


async def test_restrictions_over_the_api(shop: Shop) -> None:
    await watch(shop)
    [who] = fresh_people(1)
    await shop.unit(restrict, who=who)
    path = f"/restrictions?document={id_number(who)}"
    [row] = (await shop.api("GET", path))["restrictions"]
    assert (row["no_shows"], row["until_day"], row["visitor"]) == (3, until(), None)
    assert row["products"] == [{"zh-CN": "adult票", "en": "Adult"}]
    reader: dict[str, Any] = {"channel": "reader", "permissions": ("orders.read",)}
    refused: dict[str, Any] = {**reader, "status": 403}
    await shop.api("POST", f"/restrictions/{row['id']}/lift", {"reason": "x"}, **refused)
    blank = await shop.api("POST", f"/restrictions/{row['id']}/lift", {"reason": ""}, status=422)
    assert blank["field"] == "reason"
    key = shop.keys["ota"]
    for _ in range(2):
        answer = await shop.http.post(
            f"/api/v1/restrictions/{row['id']}/lift", json={"reason": "ill"},
            headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip
        assert answer.status_code == 204
    [lifted] = (await shop.api("GET", path))["restrictions"]
    assert (lifted["reason"], lifted["lifted_by"]) == ("ill", "ota")
    assert (await shop.api("GET", "/restrictions"))["restrictions"] == []
    lost = await shop.api("POST", f"/restrictions/{ids.new_id()}/lift", {"reason": "x"}, status=404)
    assert lost["code"] == "orders.restriction_not_found"


async def test_a_buyer_gets_more_time_once(shop: Shop) -> None:
    address = await shop.order("adult")
    before = await shop.view(address)
    button = re.compile(
        rf'<div class="extend"[^>]*data-extend="300"( hidden)?>.*?{address}/extend', re.DOTALL
    )
    fresh = button.search(await shop.get(address))
    assert fresh
    assert fresh[1] == " hidden"
    early = await shop.post(f"{address}/extend", {}, on=address)
    assert early.status_code == 409
    assert "剩余不到 5 分钟时可以延长" in early.text
    with clock.at(before.hold_expires_at - timedelta(minutes=4)):
        shown = button.search(await shop.get(address))
        assert shown
        assert shown[1] is None
        answer = await shop.post(f"{address}/extend", {}, on=address)
        assert (answer.status_code, answer.headers["location"]) == (303, address)
        page = await shop.get(address)
        assert 'data-countdown="1140"' in page
        assert "/extend" not in page
        again = await shop.post(f"{address}/extend", {}, on=address)
        assert again.status_code == 409
        assert "只能延长一次" in again.text
    with clock.at(before.hold_expires_at + timedelta(minutes=14)):
        assert "名额已为您保留" in await shop.get(address)
    with clock.at(before.hold_expires_at + timedelta(minutes=15, seconds=1)):
        assert "/pay" not in await shop.get(address)


async def test_the_payment_page_follows_the_new_end(shop: Shop) -> None:
    address = await shop.order("adult")
    old = await shop.start(address)
    before = await shop.view(address)
    assert shop.till.started[old].expire_at == before.hold_expires_at
    with clock.at(before.hold_expires_at - timedelta(minutes=1)):
        await shop.post(f"{address}/extend", {}, on=address)
        new = await shop.start(address)
        after = await shop.view(address)
        assert new != old
        assert shop.till.started[new].expire_at == after.hold_expires_at
        assert shop.till.closed == [old]
        assert f"https://pay.example/{new}" in await shop.get(f"{address}/pay")
        assert await shop.start(address) == new
        await shop.notify("paid", new, after.amount_fen)
    assert (await shop.view(address)).status == "issued"


async def test_money_that_came_to_the_old_payment_issues_the_order(shop: Shop) -> None:
    address = await shop.order("adult")
    old = await shop.start(address)
    before = await shop.view(address)
    with clock.at(before.hold_expires_at - timedelta(minutes=1)):
        await shop.post(f"{address}/extend", {}, on=address)
        shop.till.settle(old)
        answer = await shop.post(f"{address}/pay", {}, on=address)
        assert answer.headers["location"] == address
    assert (await shop.view(address)).status == "issued"
    assert list(shop.till.started) == [old]


async def test_a_program_extends_a_hold(shop: Shop) -> None:
    body = {"phone": "13800138000", "tickets": [shop.ticket()]}
    order = await shop.api(
        "POST", f"/sites/{shop.park.slug}/orders", body, key=ids.token(8), status=201
    )
    path = f"/orders/{order['number']}/extend"
    early = await shop.api("POST", path, status=409)
    assert (early["code"], early["params"]) == ("orders.hold_long_enough", {"minutes": 5})
    ends = clock.now().fromisoformat(order["hold_expires_at"])
    with clock.at(ends - timedelta(minutes=2)):
        done = await shop.api("POST", path, key="x")
        assert done == await shop.api("POST", path, key="x")
        twice = await shop.api("POST", path, status=409)
        assert twice["code"] == "orders.hold_extended"
    assert clock.now().fromisoformat(done["hold_expires_at"]) == ends + timedelta(minutes=15)
    assert done["hold_extended"]
    await shop.api("POST", path, channel="rival", status=404)

    async def actions(session):
        rows = await session.execute(
            text("SELECT action FROM audit_log WHERE tenant_id = :t AND entity_id = :o"),
            {"t": session.tenant_id, "o": order["id"]},
        )
        return [row[0] for row in rows]

    assert await shop.unit(actions) == ["orders.hold_extended"]


async def test_hold_times_over_the_api(shop: Shop) -> None:
    editor: dict[str, Any] = {
        "channel": "erp",
        "permissions": ("catalog.edit", "orders.change", "orders.read"),
    }
    times = [{"channel": "", "minutes": 30}, {"channel": "erp", "minutes": 5}]
    assert await shop.api("PUT", "/hold-times", {"times": times}, **editor) == {"times": times}
    assert await shop.api("GET", "/hold-times") == {"times": times}
    await shop.api("PUT", "/hold-times", {"times": times}, status=403)
    bad = await shop.api("PUT", "/hold-times", {"times": [{"minutes": 0}]}, status=422, **editor)
    assert bad["field"] == "times.0.minutes"
    twice = await shop.api("PUT", "/hold-times", {"times": times[:1] * 2}, status=422, **editor)
    assert (twice["code"], twice["field"]) == ("catalog.hold_time_twice", "times.1.channel")
    outcome = await shop.app.state.orders.place(
        shop.park.tenant_id, shop.park.order(shop.park.ticket(), channel="erp")
    )
    assert isinstance(outcome, Placed)
    left = outcome.hold_expires_at - clock.now()
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
