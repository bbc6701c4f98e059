"""Payments over the wire: opening, asking, closing, and doing each twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.base import (
    NoticeKind,
    PaymentStatus,
    ProviderRefused,
    ProviderUnavailable,
)
from shanmen.payments.providers.sandbox import SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_merchant_keys
from tests.payments.sandbox_kit import free_port, new_number


async def test_a_payment_is_opened_paid_told_and_found(sandbox):
    attempt, opened = await sandbox.started()
    assert opened.pay_url == f"{sandbox.url}/pay/{opened.provider_ref}"
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is PaymentStatus.UNPAID

    paid = await sandbox.control.pay(attempt.out_trade_no)
    assert paid["event"]["taken"]
    (received,) = sandbox.merchant.received
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    assert notice.kind is NoticeKind.PAID
    assert notice.out_trade_no == attempt.out_trade_no
    assert notice.provider_ref == opened.provider_ref
    assert notice.amount_fen == 12_800
    assert notice.paid_at is not None
    assert abs(datetime.now(UTC) - notice.paid_at) < timedelta(seconds=30)

    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.PAID
    assert (state.amount_fen, state.provider_ref) == (12_800, opened.provider_ref)
    assert state.paid_at == notice.paid_at


async def test_opening_twice_is_opening_once(sandbox):
    attempt, opened = await sandbox.started()
    assert await sandbox.provider.start(attempt) == opened


@pytest.mark.parametrize(
    "change",
    [
        {"amount_fen": 12_801},
        {"description": "别的 Other"},
        {"notify_url": "http://127.0.0.1:9/elsewhere"},
        {"expire_at": datetime(2099, 1, 1, tzinfo=UTC)},
    ],
)
async def test_the_same_number_with_other_content_is_refused(sandbox, change):
    attempt, _ = await sandbox.started()
    with pytest.raises(ProviderRefused) as refused:
        await sandbox.provider.start(replace(attempt, **change))
    assert refused.value.reason == "IDEMPOTENCY_CONFLICT"


async def test_paying_twice_tells_once(sandbox):
    attempt, _ = await sandbox.started()
    await sandbox.control.pay(attempt.out_trade_no)
    again = await sandbox.control.pay(attempt.out_trade_no)
    assert again["event"] is None
    assert len((await sandbox.control.show(attempt.out_trade_no))["events"]) == 1


async def test_an_unknown_number_is_a_status(sandbox):
    assert (await sandbox.provider.query(new_number())).status is PaymentStatus.NOT_FOUND
    assert (await sandbox.provider.close(new_number())).status is PaymentStatus.NOT_FOUND


async def test_a_closed_payment_cannot_be_paid(sandbox):
    attempt, _ = await sandbox.started()
    for _ in range(2):
        closed = await sandbox.provider.close(attempt.out_trade_no)
        assert closed.status is PaymentStatus.CLOSED
    refusal = await sandbox.control.call(
        "POST", f"/transactions/{attempt.out_trade_no}/pay", {}, status=409
    )
    assert refusal["code"] == "ORDER_CLOSED"
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is PaymentStatus.CLOSED
    assert sandbox.merchant.received == []


async def test_closing_too_late_says_paid(sandbox):
    attempt = await sandbox.paid()
    late = await sandbox.provider.close(attempt.out_trade_no)
    assert late.status is PaymentStatus.PAID
    assert late.amount_fen == attempt.amount_fen


async def test_money_on_its_way_can_arrive_after_the_closing(sandbox):
    attempt, _ = await sandbox.started()
    await sandbox.provider.close(attempt.out_trade_no)
    await sandbox.control.pay(attempt.out_trade_no, force=True)
    (received,) = sandbox.merchant.received
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    assert notice.kind is NoticeKind.PAID


async def test_an_expired_payment_closes_itself_and_tells(sandbox):
    soon = datetime.now(UTC) + timedelta(seconds=2)
    attempt, opened = await sandbox.started(expire_at=soon)
    (received,) = await sandbox.merchant.expect(1)
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    assert (notice.kind, notice.provider_ref) == (NoticeKind.CLOSED, opened.provider_ref)
    assert notice.paid_at is None
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is PaymentStatus.CLOSED


async def test_a_start_in_the_past_is_refused(sandbox):
    with pytest.raises(ProviderRefused) as refused:
        await sandbox.provider.start(
            sandbox.attempt(expire_at=datetime.now(UTC) - timedelta(seconds=1))
        )
    assert refused.value.reason == "PARAM_ERROR"
    assert "expire_at" in refused.value.explanation


@pytest.mark.parametrize(
    "change",
    [
        {"amount_fen": 0},
        {"out_trade_no": "no/slash"},
        {"notify_url": "javascript:alert(1)"},
        {"return_url": "not a url"},
        {"description": ""},
    ],
)
async def test_what_the_protocol_cannot_say_is_never_sent(sandbox, change):
    with pytest.raises(ValueError, match="cannot be asked"):
        await sandbox.provider.start(sandbox.attempt(**change))


async def test_a_long_description_is_cut_to_what_the_provider_takes(sandbox):
    attempt, opened = await sandbox.started(description="长" * 300)
    assert await sandbox.provider.start(attempt) == opened


async def test_nobody_there_is_unavailable_and_certain(tmp_path):
    provider = SandboxProvider(
        base_url=f"http://127.0.0.1:{free_port()}", keys=load_merchant_keys(tmp_path)
    )
    with pytest.raises(ProviderUnavailable) as unavailable:
        await provider.close("x")
    assert not unavailable.value.ambiguous
    await provider.aclose()


def test_a_base_url_with_a_path_is_refused(tmp_path):
    with pytest.raises(ValueError, match="origin"):
        SandboxProvider(base_url="http://127.0.0.1:1/pay", keys=load_merchant_keys(tmp_path))


def _signed(sandbox, method: str, target: str, body: bytes, **changes: object) -> dict[str, str]:
    keys = load_merchant_keys(sandbox.data_dir)
    values: dict[str, object] = {
        "key": keys.merchant_private_key,
        "merchant_id": keys.merchant_id,
        "serial": keys.merchant_serial,
        "unix_seconds": int(datetime.now(UTC).timestamp()),
        "method": method,
        "target": target,
        "body": body,
    }
    return {"Authorization": wire.authorization_header(**{**values, **changes})}  # type: ignore[arg-type]


async def test_a_request_that_is_not_the_merchants_is_refused(sandbox, tmp_path):
    keys = load_merchant_keys(sandbox.data_dir)
    strange = load_merchant_keys(tmp_path)
    target = f"/v1/transactions/out-trade-no/x?mchid={keys.merchant_id}"
    now = int(datetime.now(UTC).timestamp())
    cases = {
        "fine": (_signed(sandbox, "GET", target, b""), 404),
        "no header": ({}, 401),
        "another scheme": ({"Authorization": "Bearer x"}, 401),
        "another key": (
            _signed(sandbox, "GET", target, b"", key=strange.merchant_private_key),
            401,
        ),
        "another serial": (_signed(sandbox, "GET", target, b"", serial="00"), 401),
        "another merchant": (_signed(sandbox, "GET", target, b"", merchant_id="1"), 401),
        "another method": (_signed(sandbox, "POST", target, b""), 401),
        "another path": (_signed(sandbox, "GET", target + "0", b""), 401),
        "another body": (_signed(sandbox, "GET", target, b"{}"), 401),
        "old": (_signed(sandbox, "GET", target, b"", unix_seconds=now - 400), 401),
        "early": (_signed(sandbox, "GET", target, b"", unix_seconds=now + 400), 401),
    }
    for case, (headers, status) in cases.items():
        response = await sandbox.browser.get(target, headers=headers)
        assert response.status_code == status, case
        assert "sandbox-signature" in response.headers, case


async def test_a_merchant_cannot_speak_for_another(sandbox):
    target = "/v1/transactions/out-trade-no/x?mchid=1"
    response = await sandbox.browser.get(target, headers=_signed(sandbox, "GET", target, b""))
    assert (response.status_code, response.json()["code"]) == (403, "NO_AUTH")


async def test_a_body_that_cannot_be_read_is_refused_by_its_field(sandbox):
    body = b'{"merchant_id": "1", "out_trade_no": "x", "amount_fen": "12"}'
    headers = _signed(sandbox, "POST", "/v1/transactions", body)
    response = await sandbox.browser.post("/v1/transactions", content=body, headers=headers)
    assert response.status_code == 400
    assert "amount_fen" in response.json()["message"]


async def test_control_asks_for_its_token(sandbox):
    for headers in ({}, {"Sandbox-Control": "guess"}):
        response = await sandbox.browser.get("/control/faults", headers=headers)
        assert response.status_code == 401
    assert isinstance(sandbox.browser, httpx.AsyncClient)
