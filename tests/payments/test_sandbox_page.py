"""The pay page, used as a browser without scripts would."""

import asyncio
import tomllib
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest

from shanmen.payments.providers.base import (
    CallbackSignatureInvalid,
    CallbackStale,
    NoticeKind,
    PaymentStatus,
)
from tests.support.browser import chromium


async def press(sandbox, opened, button: str, **fields: object):
    return await sandbox.browser.post(f"{opened.pay_url}/{button}", data=fields)


async def test_the_page_says_what_is_paid_and_that_it_is_not_real(sandbox):
    _, opened = await sandbox.started(amount_fen=1_234_567, description="<b>成人票</b>")
    page = await sandbox.browser.get(opened.pay_url)
    assert page.status_code == 200
    assert 'lang="zh-CN"' in page.text
    assert "沙箱 Sandbox" in page.text
    assert "不会产生真实扣款" in page.text
    assert "12,345.67" in page.text
    assert "&lt;b&gt;成人票&lt;/b&gt;" in page.text
    css = await sandbox.browser.get("/pay/assets/pay.css")
    assert len(page.content) + len(css.content) < 12_000
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:9" in policy
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "query", "header", "found"),
    [
        (None, "", "", "zh-CN"),
        (None, "", "en-GB,en;q=0.9,zh;q=0.5", "en"),
        (None, "", "fr,zh-TW", "zh-CN"),
        ("en", "", "zh-CN", "en"),
        ("en", "?lang=zh-CN", "en", "zh-CN"),
        ("xx", "?lang=yy", "", "zh-CN"),
    ],
)
async def test_the_page_speaks_the_visitors_language(sandbox, asked, query, header, found):
    _, opened = await sandbox.started(locale=asked)
    page = await sandbox.browser.get(opened.pay_url + query, headers={"Accept-Language": header})
    assert f'<html lang="{found}">' in page.text
    assert ("no real money" in page.text) == (found == "en")


def test_both_languages_say_the_same_things():
    folder = resources.files("shanmen.payments.standin").joinpath("locale")
    chinese, english = (
        tomllib.loads(folder.joinpath(f"{locale}.toml").read_text("utf-8"))
        for locale in ("zh-CN", "en")
    )
    assert chinese.keys() == english.keys()


async def test_pay_tells_the_merchant_before_the_visitor_is_back(sandbox):
    attempt, opened = await sandbox.started()
    answer = await press(sandbox, opened, "pay")
    assert (answer.status_code, answer.headers["location"]) == (303, attempt.return_url)
    (received,) = sandbox.merchant.received
    assert sandbox.provider.verify_callback(received.headers, received.body).kind is NoticeKind.PAID
    page = await sandbox.browser.get(opened.pay_url)
    assert "已支付" in page.text
    assert "<form" not in page.text
    assert f'href="{attempt.return_url}"' in page.text


async def test_pressing_pay_twice_pays_once(sandbox):
    attempt, opened = await sandbox.started()
    answers = await asyncio.gather(*(press(sandbox, opened, "pay") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {303}
    assert len((await sandbox.control.show(attempt.out_trade_no))["events"]) == 1


async def test_a_merchant_that_hangs_keeps_the_visitor_for_two_seconds(sandbox):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    attempt, opened = await sandbox.started(notify_url=url)
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await press(sandbox, opened, "pay")).status_code == 303
    assert 1.8 < loop.time() - start < 4.5
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.PAID
    server.close()


async def test_fail_is_final(sandbox):
    attempt, opened = await sandbox.started()
    assert (await press(sandbox, opened, "fail")).headers["location"] == attempt.return_url
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.FAILED
    assert (await press(sandbox, opened, "pay")).status_code == 409
    assert "支付失败" in (await sandbox.browser.get(opened.pay_url)).text
    assert sandbox.merchant.received == []


async def test_cancel_changes_nothing(sandbox):
    attempt, opened = await sandbox.started()
    assert (await press(sandbox, opened, "cancel")).headers["location"] == attempt.return_url
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.UNPAID
    assert (await press(sandbox, opened, "pay")).status_code == 303


async def test_a_closed_payment_offers_the_way_back(sandbox):
    attempt, opened = await sandbox.started()
    await sandbox.provider.close(attempt.out_trade_no)
    page = await sandbox.browser.get(opened.pay_url)
    assert "已关闭" in page.text
    assert "<form" not in page.text


async def test_an_expired_payment_cannot_be_paid_on_an_open_page(sandbox):
    _, opened = await sandbox.started(expire_at=datetime.now(UTC) + timedelta(seconds=2))
    await asyncio.sleep(2.1)
    refused = await press(sandbox, opened, "pay")
    assert refused.status_code == 409
    assert "ORDER_CLOSED" in refused.text


async def test_an_unknown_page_says_so(sandbox):
    page = await sandbox.browser.get("/pay/SPnothing")
    assert page.status_code == 404
    assert "无法继续" in page.text


async def test_answer_late(sandbox):
    _, opened = await sandbox.started()
    loop = asyncio.get_running_loop()
    start = loop.time()
    await press(sandbox, opened, "pay", answer_seconds="1")
    assert loop.time() - start >= 1


@pytest.mark.parametrize("copies", [2, 5])
async def test_send_several(sandbox, copies):
    _, opened = await sandbox.started()
    await press(sandbox, opened, "pay", copies=str(copies))
    await sandbox.merchant.expect(copies)


async def test_tell_later(sandbox):
    _, opened = await sandbox.started()
    await press(sandbox, opened, "pay", callback="later", callback_seconds="1")
    assert sandbox.merchant.received == []
    await sandbox.merchant.expect(1)


async def test_never_tell(sandbox):
    attempt, opened = await sandbox.started()
    await press(sandbox, opened, "pay", callback="never", callback_seconds="")
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.PAID
    event = (await sandbox.control.show(attempt.out_trade_no))["events"][0]
    assert (event["attempts"], event["taken"]) == (0, False)


@pytest.mark.parametrize(("asked", "told"), [(12_800, 12_799), (1, 2)])
async def test_lie_about_the_amount(sandbox, asked, told):
    attempt, opened = await sandbox.started(amount_fen=asked)
    await press(sandbox, opened, "pay", wrong_amount="true")
    (received,) = sandbox.merchant.received
    assert sandbox.provider.verify_callback(received.headers, received.body).amount_fen == told
    assert (await sandbox.provider.query(attempt.out_trade_no)).amount_fen == told


@pytest.mark.parametrize(
    ("choice", "error"), [("bad_signature", CallbackSignatureInvalid), ("stale", CallbackStale)]
)
async def test_spoil_the_callback(sandbox, choice, error):
    _, opened = await sandbox.started()
    await press(sandbox, opened, "pay", **{choice: "true"})
    (received,) = sandbox.merchant.received
    with pytest.raises(error):
        sandbox.provider.verify_callback(received.headers, received.body)


@pytest.mark.parametrize(
    "fields", [{"callback": "maybe"}, {"copies": "900"}, {"answer_seconds": "x"}]
)
async def test_a_choice_that_does_not_exist_pays_nothing(sandbox, fields):
    attempt, opened = await sandbox.started()
    assert (await press(sandbox, opened, "pay", **fields)).status_code == 400
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.UNPAID


@pytest.mark.e2e
@pytest.mark.parametrize("width", [360, 1280])
async def test_in_a_browser_without_scripts(sandbox, width):
    back = sandbox.merchant.url + "?back"
    _, opened = await sandbox.started(return_url=back)
    async with chromium() as browser:
        page = await browser.new_page(
            viewport={"width": width, "height": 740}, java_script_enabled=False
        )
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(opened.pay_url)
        button = await page.locator("button.main").bounding_box()
        assert button is not None
        assert button["height"] >= 48
        assert button["x"] + button["width"] <= width
        await page.click("form details summary")
        await page.check("input[name=copies][value='2']")
        await page.click("button.main")
        assert page.url == back
        assert complaints == []
    callbacks = [one for one in sandbox.merchant.received if one.body]
    assert len(callbacks) == 2
