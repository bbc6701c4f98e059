"""The visitor's order: paying, giving back, moving, finding it again."""

import re
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import update

from shanmen.catalog.models import TicketType
from shanmen.catalog.service import raise_version
from shanmen.kit import clock, ids
from shanmen.orders.service.lapse import expire_holds
from shanmen.orders.service.refund import refund_tickets
from shanmen.payments.providers.base import PaymentStatus
from shanmen.payments.service import refunds_of
from shanmen.tickets import token
from shanmen.tickets.keys import public_keys
from tests.orders.conftest import Shop, left

# --- Paying --------------------------------------------------------------------------------------


async def test_an_order_is_paid_and_its_ticket_is_there(shop: Shop) -> None:
    address = await shop.order("adult", "family", sizes=(1, 3))
    held = await shop.get(address)
    assert "名额已为您保留" in held
    assert "¥380.00" in held
    assert "data-countdown" in held
    number = await shop.start(address)
    asked = shop.till.started[number]
    assert asked.amount_fen == 38000
    assert asked.return_url == f"http://park.example{address}?returned=1"
    leads = await shop.get(f"{address}/pay")
    assert f'content="0;url=https://pay.example/{number}"' in leads
    assert f'href="https://pay.example/{number}"' in leads
    waiting = await shop.get(f"{address}?returned=1")
    assert "正在确认付款" in waiting
    assert f'content="3;url={address}?returned=2"' in waiting
    heard = await shop.notify("paid", number, 38000)
    assert heard.json() == {"outcome": "issued"}
    page = await shop.get(address)
    assert page.count('class="qr"') == 2
    assert "出票成功" in page
    answer = await shop.http.get(address)
    assert answer.headers["x-shanmen-keep"] == "1"
    # A phone that has kept the page sees by its version that nothing has changed.
    version = answer.headers["x-shanmen-version"]
    assert (await shop.http.get(address)).headers["x-shanmen-version"] == version


async def test_the_code_on_the_page_is_the_tickets(shop: Shop) -> None:
    address = await shop.paid("adult")
    number = (await shop.view(address)).number
    body = await shop.api("GET", f"/orders/{number}/tickets", channel="web")
    [ticket] = body["tickets"]

    async def keys(session):
        return public_keys(session.keyring)

    said = token.verify(ticket["token"], await shop.unit(keys))
    assert said.ticket_id == UUID(ticket["ticket_id"])
    assert said.party_size == 1
    assert said.generation == 0


async def test_a_pass_says_until_which_day_of_which_year(shop: Shop) -> None:
    async def lengthen(session):
        adult = TicketType.id == shop.park.types["adult"]
        await session.execute(update(TicketType).where(adult).values(valid_days=366, entries=0))
        await raise_version(session)

    await shop.unit(lengthen)
    page = await shop.get(await shop.paid("adult"))
    last = shop.park.day + timedelta(days=365)
    assert f"{last.year}年{last.month}月{last.day}日" in page


async def test_the_same_callback_twice_is_answered_twice(shop: Shop) -> None:
    address = await shop.order("adult")
    number = await shop.start(address)
    first = await shop.notify("paid", number, 12000)
    again = await shop.notify("paid", number, 12000)
    assert (first.json(), again.json()) == ({"outcome": "issued"}, {"outcome": "duplicate"})


async def test_callbacks_that_are_not_handled_get_a_code(shop: Shop) -> None:
    address = await shop.order("adult")
    number = await shop.start(address)
    path = f"/pay/callback/sandbox/{shop.park.tenant_id}"
    forged = await shop.http.post(path, content=b"{}", headers={"accept": "application/json"})
    assert (forged.status_code, forged.json()["code"]) == (401, "payments.callback_signature")
    wrong = await shop.notify("paid", number, 1)
    assert wrong.status_code == 409
    unknown = await shop.notify("paid", ids.new_id().hex, 12000)
    assert unknown.status_code == 404
    nobody = await shop.http.post("/pay/callback/nobody/1", content=b"{}")
    assert nobody.status_code == 404
    shop.park = type(shop.park)(**{**vars(shop.park), "tenant_id": 2_000_000_000})
    assert (await shop.notify("paid", number, 12000)).status_code == 404


async def test_a_second_tap_on_pay_finds_the_same_payment(shop: Shop) -> None:
    address = await shop.order("adult")
    assert await shop.start(address) == await shop.start(address)
    assert len(shop.till.started) == 1


async def test_a_declined_payment_is_followed_by_another(shop: Shop) -> None:
    address = await shop.order("adult")
    first = await shop.start(address)
    shop.till.settle(first, status=PaymentStatus.FAILED)
    second = await shop.start(address)
    assert second != first


async def test_without_the_provider_the_order_stays(shop: Shop) -> None:
    address = await shop.order("adult")
    shop.till.down = True
    answer = await shop.post(f"{address}/pay", {}, on=address)
    assert answer.status_code == 503
    assert "支付服务暂时没有响应" in answer.text
    assert "去付款" in answer.text
    shop.till.down = False
    await shop.start(address)


async def test_a_payment_nobody_told_of_is_asked_for(shop: Shop) -> None:
    address = await shop.order("adult")
    number = await shop.start(address)
    shop.till.settle(number)
    json = {"accept": "application/json"}
    early = await shop.http.get(f"{address}/state?waited=1", headers=json)
    assert early.json()["status"] == "held"
    with clock.shifted(timedelta(seconds=5)):
        late = await shop.http.get(f"{address}/state?waited=5", headers=json)
    assert late.json()["status"] == "issued"
    assert shop.till.asked == 1


async def test_without_scripts_the_second_look_asks(shop: Shop) -> None:
    address = await shop.order("adult")
    shop.till.settle(await shop.start(address))
    with clock.shifted(timedelta(seconds=5)):
        assert "出票成功" in await shop.get(f"{address}?returned=2")


async def test_the_provider_is_not_asked_again_at_once(shop: Shop) -> None:
    address = await shop.order("adult")
    await shop.start(address)
    with clock.shifted(timedelta(seconds=5)):
        for _ in range(4):
            await shop.get(f"{address}?returned=2")
    assert shop.till.asked == 1


async def test_a_free_order_is_issued_without_a_provider(shop: Shop) -> None:
    address = await shop.order("free")
    assert "确认出票" in await shop.get(address)
    answer = await shop.post(f"{address}/pay", {}, on=address)
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    assert "出票成功" in await shop.get(address)
    assert not shop.till.started


async def test_a_lapsed_order_says_so_and_cannot_be_paid(shop: Shop) -> None:
    address = await shop.order("adult")
    page = await shop.get(address)
    view = await shop.view(address)
    with clock.shifted(view.hold_expires_at - clock.now() + timedelta(seconds=2)):
        # Before the sweep has come by, too.
        assert "订单已过期" in await shop.get(address)
        found = re.search(r'csrf_token" value="([^"]+)', page)
        answer = await shop.http.post(f"{address}/pay", data={"csrf_token": found[1]})
        assert answer.status_code == 409
        await shop.unit(expire_holds)
        page = await shop.get(address)
    assert "订单已过期" in page
    assert "重新选票" in page


async def test_an_order_is_cancelled_once(shop: Shop) -> None:
    address = await shop.order("adult")
    page = await shop.get(address)
    answer = await shop.post(f"{address}/cancel", {}, on=address)
    assert answer.status_code == 303
    assert "订单已取消" in await shop.get(address)
    assert await left(shop) == 100
    found = re.search(r'csrf_token" value="([^"]+)', page)
    again = await shop.http.post(f"{address}/cancel", data={"csrf_token": found[1]})
    assert again.status_code == 409


async def test_an_address_must_be_right_in_every_part(shop: Shop, database) -> None:
    address = await shop.order("adult")
    parts = address.split("/")
    await shop.get("/".join([*parts[:-1], "0" * 16]), status=404)
    await shop.get("/".join([*parts[:-2], "260101AAAAAAAAAA", parts[-1]]), status=404)
    for tail in ("state", "pay", "refund", "reschedule"):
        await shop.get("/".join([*parts[:-1], "0" * 16, tail]), status=404)


async def test_a_form_of_another_site_is_refused(shop: Shop) -> None:
    address = await shop.order("adult")
    answer = await shop.http.post(f"{address}/cancel", data={})
    assert answer.status_code == 403
    assert (await shop.view(address)).status == "held"


# --- Giving back, moving, finding ----------------------------------------------------------------


async def test_tickets_are_given_back_for_what_was_shown(shop: Shop) -> None:
    address = await shop.paid("adult", "family", sizes=(1, 3))
    choose = await shop.get(f"{address}/refund")
    tickets = re.findall(r'name="tickets\[\]" value="([^"]+)"', choose)
    assert len(tickets) == 2
    view = await shop.view(address)
    adult = next(t for t in view.tickets if t.price_fen == 12000)
    with clock.at(adult.valid_from - timedelta(hours=2)):
        quoted = await shop.get(f"{address}/refund?tickets[]={adult.ticket_id}")
        assert "¥108.00" in quoted
        data = {"tickets[]": str(adult.ticket_id), "quoted_fen": "10800"}
        answer = await shop.post(
            f"{address}/refund", data, on=f"{address}/refund?tickets[]={adult.ticket_id}"
        )
    assert answer.status_code == 303
    page = await shop.get(address)
    assert "正在退款" in page
    assert "已退" in page
    assert page.count('class="qr"') == 1


async def test_less_than_quoted_is_not_paid_back_silently(shop: Shop) -> None:
    address = await shop.paid("adult")
    [ticket] = (await shop.view(address)).tickets
    on = f"{address}/refund"
    with clock.at(ticket.valid_from - timedelta(hours=23)):
        data = {"tickets[]": str(ticket.ticket_id), "quoted_fen": "12000"}
        answer = await shop.post(on, data, on=on)
    assert answer.status_code == 409
    assert "退款金额刚刚发生了变化" in answer.text
    assert "¥108.00" in answer.text
    assert (await shop.view(address)).status == "issued"


async def test_too_late_to_give_back(shop: Shop) -> None:
    address = await shop.paid("adult")
    [ticket] = (await shop.view(address)).tickets
    with clock.at(ticket.valid_from + timedelta(minutes=5)):
        assert "没有可以退的门票" in await shop.get(f"{address}/refund")
        assert f"{address}/refund" not in await shop.get(address)


async def test_a_refund_that_the_provider_confirms(shop: Shop) -> None:
    address = await shop.paid("free", "adult")
    view = await shop.view(address)
    async with shop.database.transaction(shop.park.tenant_id) as session:
        await refund_tickets(session, order_id=view.id)
    async with shop.database.transaction(shop.park.tenant_id) as session:
        [refund] = await refunds_of(session, order_id=view.id)
    wrong = await shop.notify("refund_succeeded", shop.till.last(), 1, refund.id.hex)
    assert wrong.status_code == 409
    heard = await shop.notify(
        "refund_succeeded", shop.till.last(), refund.amount_fen, refund.id.hex
    )
    again = await shop.notify(
        "refund_succeeded", shop.till.last(), refund.amount_fen, refund.id.hex
    )
    assert heard.status_code == again.status_code == 200
    assert (await shop.view(address)).status == "refunded"
    assert "已按原路退回" in await shop.get(address)


async def test_an_order_is_found_by_number_and_phone(shop: Shop) -> None:
    address = await shop.order("adult")
    number = address.split("/")[4]
    found = await shop.post(
        f"{shop.base}/find",
        {"number": f" {number.lower()} ", "phone": "+86 138 0013 8000"},
        on=f"{shop.base}/find",
    )
    assert (found.status_code, found.headers["location"]) == (303, address)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"phone": "13900139000"}, 404),
        ({"number": "260101AAAAAAAAAA"}, 404),
        ({"phone": "12"}, 422),
        ({"number": ""}, 422),
    ],
)
async def test_what_is_wrong_with_number_or_phone_is_not_told(
    shop: Shop, changes: dict[str, str], status: int
) -> None:
    address = await shop.order("adult")
    data = {"number": address.split("/")[4], "phone": "13800138000", **changes}
    answer = await shop.post(f"{shop.base}/find", data, on=f"{shop.base}/find")
    assert answer.status_code == status
    if status == 404:
        assert "没有找到订单" in answer.text


# --- What every page owes ------------------------------------------------------------------------


async def test_names_and_documents_are_never_shown_in_full(shop: Shop) -> None:
    address = await shop.paid("adult")
    page = await shop.get(address)
    assert "测*" in page or "测**" in page
    assert not re.search(r"\d{17}[\dX]", page)
    assert "13800138000" not in page
    assert "138****8000" in page


async def test_pages_are_light(shop: Shop) -> None:
    address = await shop.paid("adult", "adult", "family", sizes=(1, 1, 3))
    assets = shop.app.state["shanmen_web"].assets
    for path in (
        shop.base,
        f"{shop.base}/visit?day={shop.park.day}",
        await shop.query("adult", "family"),
        address,
    ):
        page = await shop.get(path)
        files = set(re.findall(r"/static/[0-9a-f]+/([^\"']+)", page))
        if "js/orders/order.js" in files:
            files |= {"js/orders/rotating.js", "js/orders/qr.js"}
        weight = len(page.encode()) + sum(len(assets.load(name).body) for name in files)
        assert weight < 100_000, (path, weight)


async def test_the_service_worker_is_served_for_visitors_pages(shop: Shop) -> None:
    answer = await shop.http.get("/s/sw.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["service-worker-allowed"] == "/s/"


@pytest.mark.parametrize(("lang", "name"), [("zh-CN", "测试山"), ("en", "Test hill")])
async def test_a_phone_can_install_the_sites_pages(shop: Shop, lang: str, name: str) -> None:
    page = await shop.get(f"{shop.base}?lang={lang}")
    [address] = re.findall(r'rel="manifest" href="([^"]+)"', page)
    shop.http.cookies.clear()
    answer = await shop.http.get(address)
    assert answer.headers["content-type"].startswith("application/manifest+json")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    app = answer.json()
    assert (app["name"], app["lang"], app["display"]) == (name, lang, "standalone")
    assert app["start_url"].startswith(app["scope"])
    # Nothing of an order, whose address is a secret, is in what is installed.
    assert app["scope"] == app["id"] == shop.base
    assert (await shop.http.get(app["start_url"])).status_code == 200
    for icon in app["icons"]:
        picture = await shop.http.get(icon["src"])
        assert picture.headers["content-type"] == icon["type"]
        if icon["type"] == "image/png":
            width, height = Image.open(BytesIO(picture.content)).size
            assert f"{width}x{height}" == icon["sizes"]


async def test_there_is_nothing_to_install_where_there_is_no_site(shop: Shop) -> None:
    assert (await shop.http.get("/s/there-is-none/app.webmanifest")).status_code == 404
    assert 'rel="manifest"' not in (await shop.http.get("/")).text


async def test_an_order_page_is_not_kept_by_caches(shop: Shop) -> None:
    address = await shop.paid("adult")
    answer = await shop.http.get(address)
    assert "no-store" in answer.headers["cache-control"]
    assert 'name="robots" content="noindex"' in answer.text
