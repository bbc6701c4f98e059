"""Divided pools as programs, channels and operators see them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shanmen.db.session import Database
from shanmen.inventory.api import direct
from shanmen.inventory.board import Boards
from shanmen.inventory.division import ShareSpec
from shanmen.inventory.queries import divisions, slots_by_id
from shanmen.inventory.service.divide import divide_slots
from shanmen.kit import clock
from shanmen.sites.queries import site_contexts
from shanmen.sites.service import apikeys
from tests.inventory.conftest import Stand
from tests.support.console import Console, make_app
from tests.support.park import Park

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
async def ask(database: Database, park: Park) -> AsyncIterator[Ask]:
    """Calls the API as one channel or another."""
    transport = httpx.ASGITransport(app=make_app(database))  # type: ignore[arg-type]
    keys: dict[str, str] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:

        async def ask(
            method: str, path: str, body: Any = None, *, channel: str = "ota", status: int = 200
        ) -> Any:
            if channel not in keys:
                async with database.transaction(park.tenant_id) as session:
                    made = await apikeys.create_key(
                        session, name=channel, channel=channel,
                        permissions=("inventory.edit", "insight.read"),
                    )  # fmt: skip
                keys[channel] = made.secret
            headers = {"authorization": f"Bearer {keys[channel]}", "accept-language": "en"}
            answer = await http.request(method, f"/api/v1{path}", json=body, headers=headers)
            assert answer.status_code == status, answer.text
            return answer.json()

        yield ask


async def test_a_pool_is_divided_over_the_api_and_each_key_sees_its_own(
    ask: Ask, stand: Stand, park: Park
):
    path = f"/pools/{stand.pool_id}/allotments"
    wanted = [
        {"channel": "ota", "percent": 30, "release_minutes": 60},
        {"channel": "window", "kind": "minimum", "places": 20},
    ]
    saved = await ask("PUT", path, wanted)
    assert saved["changes"]["short"] == 0
    assert saved["changes"]["divided"] > 0
    assert [a["channel"] for a in saved["allotments"]] == ["ota", "window"]
    assert await ask("GET", path) == saved["allotments"]
    query = f"date={stand.tomorrow}&product={stand.type_id}"
    for channel, left in (("ota", 30), ("window", 70), ("partner", 50)):
        slots = await ask("GET", f"/sites/{park.slug}/slots?{query}", channel=channel)
        assert [p["left"] for s in slots for p in s["products"]] == [left] * 2
        days = await ask(
            "GET",
            f"/sites/{park.slug}/availability?from={stand.tomorrow}&to={stand.tomorrow}"
            f"&product={stand.type_id}",
            channel=channel,
        )
        assert days[0]["left"] == left * 2
    shown = await ask("GET", f"/pools/{stand.pool_id}/divisions?date={stand.tomorrow}")
    assert [(s["common_left"], s["own"]) for s in shown] == [(50, False)] * 2
    assert [(a["channel"], a["places"], a["left"]) for a in shown[0]["allotments"]] == [
        ("ota", 30, 30),
        ("window", 20, 70),
    ]


async def test_single_slots_and_days_over_the_api(ask: Ask, stand: Stand):
    first, _ = await stand.day()
    path = f"/slots/{first.id}/allotments"
    body = {"allotments": [{"channel": "web", "places": 99}], "reason": "festival"}
    assert (await ask("PUT", path, body))["common_left"] == 1
    body = {"allotments": [{"channel": "web", "places": 101}]}
    refused = await ask("PUT", path, body, status=422)
    assert (refused["code"], refused["field"]) == (
        "inventory.allotments_above_capacity",
        "allotments.0.places",
    )
    assert (await ask("DELETE", path))["own"] is False
    path = f"/pools/{stand.pool_id}/days/{stand.tomorrow}/allotments"
    body = {"allotments": [{"channel": "web", "places": 1}]}
    assert [s["own"] for s in await ask("PUT", path, body)] == [True, True]
    assert [s["own"] for s in await ask("DELETE", path)] == [False, False]
    await ask("PUT", f"/pools/{stand.pool_id}/allotments", [{"channel": "web"}], status=422)


async def test_the_board_follows_division_sale_and_release(stand: Stand, park: Park):
    boards = Boards()
    [site] = await stand.unit(site_contexts)
    first, _ = await stand.day()

    async def left(channel: str) -> int:
        question = direct.Question(
            "slots", site, channel, direct.Wanted((stand.tomorrow,), (stand.type_id,))
        )
        [answer] = await direct.answer(stand.unit, boards=boards, questions=[question])
        found = re.search(rb'"slot_id":"%s".*?"left":(\d+)' % str(first.id).encode(), answer)
        assert found
        return int(found[1])

    assert (await left("ota"), await left("web")) == (100, 100)
    minutes = int((first.starts_at - clock.now()).total_seconds() // 60) - 10
    await stand.unit(
        divide_slots,
        slot_ids=[first.id],
        allotments=[ShareSpec(channel="ota", places=30, release_minutes=minutes)],
    )
    assert (await left("ota"), await left("web")) == (30, 70)
    await stand.take(first.id, 5, channel="ota")
    await stand.take(first.id, 7, channel="web")
    assert (await left("ota"), await left("web")) == (25, 63)
    # No row changes when a share is released, and no answer is older than that moment.
    release = first.starts_at - timedelta(minutes=minutes)
    with clock.at(release - timedelta(seconds=1)):
        assert (await left("ota"), await left("web")) == (25, 63)
    with clock.at(release):
        assert (await left("ota"), await left("web")) == (88, 88)


@pytest.fixture
async def console(database: Database, park: Park) -> AsyncIterator[Console]:
    opened = Console(make_app(database))
    await opened.sign_in(park)
    yield opened
    await opened.http.aclose()


def row(index: int, channel: str, amount: int, **more: str) -> dict[str, str]:
    base = f"allotments-{index}-"
    return {f"{base}channel": channel, f"{base}amount": str(amount)} | {
        f"{base}{name}": value for name, value in more.items()
    }


async def test_the_console_divides_a_pool(console: Console, stand: Stand):
    url = f"/console/allotments/{stand.pool_id}"
    sent = row(0, "ota", 30, unit="percent", release="2", release_unit="days") | row(
        1, "window", 10, kind="minimum"
    )
    saved = await console.post(url, sent | row(2, "", 5))
    assert saved.status_code == 303, saved.text
    [ota, window] = (await stand.unit(divisions, pool_ids=[stand.pool_id]))[stand.pool_id]
    assert (ota.percent, ota.release_minutes, window.kind) == (30, 2880, "minimum")
    page = await console.get(url)
    assert '<option value="days" selected>' in page
    refused = await console.post(url, row(0, "ota", 60) | row(1, "web", 41))
    assert refused.status_code == 422
    assert "f-allotments-1-amount-error" in refused.text
    assert "allotments-3" in (await console.post(url, sent | {"do": "rows"})).text
    listed = await console.get("/console/allotments")
    assert 'class="share-0' in listed
    assert "30%" in listed
    # What the colours say stands apart from what their depth says.
    channels, depths = re.findall(r'<ul class="share-legend">(.*?)</ul>', listed, re.DOTALL)
    assert channels.count("share-common") == 1
    assert "Shade:" in depths


async def test_the_console_divides_slots_and_days(console: Console, stand: Stand):
    first, _ = await stand.day()
    url = f"/console/allotments/slots/{first.id}"
    saved = await console.post(url, row(0, "web", 20) | {"reason": "festival"})
    day = f"/console/allotments/{stand.pool_id}/{stand.tomorrow}"
    assert saved.headers["location"] == day
    page = await console.get(day)
    assert page.count('<svg class="share-bar"') == 2
    await stand.take(first.id, 79, channel="window")
    refused = await console.post(url, row(0, "ota", 22))
    assert (refused.status_code, "21" in refused.text) == (409, True)
    assert (await console.post(url, {"do": "follow"})).status_code == 303
    assert (await console.post(day, row(0, "web", 5))).status_code == 303
    states = await stand.unit(slots_by_id, ids=[s.id for s in await stand.day()])
    assert {s.shares["web"].places for s in states.values()} == {5}
    assert (await console.post(day, {"do": "follow"})).status_code == 303
    assert (await console.post(day, row(0, "web", 500))).status_code == 422


async def test_a_slot_that_is_not_there_has_no_page(console: Console):
    unknown = "00000000-0000-0000-0000-000000000000"
    answer = await console.http.get(f"/console/allotments/slots/{unknown}")
    assert answer.status_code == 404
