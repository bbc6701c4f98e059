"""Callbacks: what is accepted, and what is told apart from it."""

import base64
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from shanmen.kit import clock
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.base import (
    CallbackMalformed,
    CallbackSignatureInvalid,
    CallbackStale,
    NoticeKind,
)
from shanmen.payments.providers.sandbox import MAX_CALLBACK_BYTES, SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_merchant_keys, load_provider_keys
from tests.payments.sandbox_kit import tamper, until

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path):
    load_merchant_keys(tmp_path)
    return load_provider_keys(tmp_path)


@pytest.fixture
async def provider(tmp_path, keys):
    client = SandboxProvider(base_url="http://127.0.0.1:9", keys=load_merchant_keys(tmp_path))
    yield client
    await client.aclose()


def transaction(keys, **changes: object) -> wire.Transaction:
    values: dict[str, object] = {
        "merchant_id": keys.merchant_id,
        "out_trade_no": "n1",
        "transaction_id": "SP1",
        "trade_state": wire.TradeState.SUCCESS,
        "amount_fen": 100,
        "paid_fen": 100,
        "success_time": NOW,
    }
    return wire.Transaction(**{**values, **changes})  # type: ignore[arg-type]


def callback(keys, content: object, *, event="TRANSACTION.SUCCESS", at=NOW, api_key=None):
    notice = {
        "id": "e1",
        "event_type": event,
        "create_time": NOW,
        "resource": wire.seal(
            api_key or keys.api_key, msgspec.json.encode(content), associated_data="transaction"
        ),
    }
    body = msgspec.json.encode(notice)
    return sign(keys, body, at=at), body


def sign(keys, body: bytes, *, at=NOW) -> dict[str, str]:
    return wire.answer_headers(
        key=keys.provider_private_key,
        serial=keys.provider_serial,
        unix_seconds=int(at.timestamp()),
        body=body,
    )


def test_a_good_callback_is_read(provider, keys):
    headers, body = callback(keys, transaction(keys))
    with clock.at(NOW):
        notice = provider.verify_callback(headers, body)
        repeated = provider.verify_callback({k.lower(): v for k, v in headers.items()}, body)
    assert notice == repeated
    assert notice.kind is NoticeKind.PAID
    assert (notice.event_id, notice.out_trade_no, notice.amount_fen) == ("e1", "n1", 100)
    assert notice.paid_at == NOW
    assert notice.digest == wire.digest(body)


def test_a_tampered_callback_is_refused(provider, keys):
    headers, body = callback(keys, transaction(keys))
    with clock.at(NOW):
        for changed in (tamper(body), body + b" ", body[:-1], b""):
            with pytest.raises(CallbackSignatureInvalid):
                provider.verify_callback(headers, changed)


@pytest.mark.parametrize(
    "name", ["Sandbox-Timestamp", "Sandbox-Nonce", "Sandbox-Serial", "Sandbox-Signature"]
)
@pytest.mark.parametrize("value", [None, "", "1", "é\udcff", base64.b64encode(b"x" * 256).decode()])
def test_every_header_counts(provider, keys, name, value):
    headers, body = callback(keys, transaction(keys))
    del headers[name]
    if value is not None:
        headers[name] = value
    with clock.at(NOW), pytest.raises(CallbackSignatureInvalid):
        provider.verify_callback(headers, body)


def test_another_providers_signature_is_refused(provider, keys, tmp_path_factory):
    strange = load_provider_keys(tmp_path_factory.mktemp("strange"))
    _, body = callback(keys, transaction(keys))
    headers = sign(strange, body)
    headers["Sandbox-Serial"] = keys.provider_serial
    with clock.at(NOW), pytest.raises(CallbackSignatureInvalid):
        provider.verify_callback(headers, body)


def test_a_replay_is_the_same_event_for_five_minutes_and_stale_after(provider, keys):
    headers, body = callback(keys, transaction(keys))
    for seconds in (-300, 0, 300):
        with clock.at(NOW + timedelta(seconds=seconds)):
            assert provider.verify_callback(headers, body).event_id == "e1"
    for seconds in (-302, 301, 86_400):
        with clock.at(NOW + timedelta(seconds=seconds)), pytest.raises(CallbackStale):
            provider.verify_callback(headers, body)


def test_what_is_not_the_providers_is_never_called_stale(provider, keys):
    headers, body = callback(keys, transaction(keys))
    with clock.at(NOW + timedelta(days=1)), pytest.raises(CallbackSignatureInvalid):
        provider.verify_callback(headers, body + b" ")


def test_signed_nonsense_is_malformed(provider, keys):
    good = json.loads(callback(keys, transaction(keys))[1])
    resource = good["resource"]
    bodies = [
        b"",
        b"[]",
        b"{",
        json.dumps({**good, "event_type": "TRANSACTION.MAYBE"}).encode(),
        json.dumps({**good, "resource": {**resource, "algorithm": "NONE"}}).encode(),
        json.dumps({**good, "resource": {**resource, "nonce": ""}}).encode(),
        json.dumps({**good, "resource": {**resource, "ciphertext": "%%"}}).encode(),
        json.dumps({**good, "resource": {**resource, "associated_data": "refund"}}).encode(),
        tamper(json.dumps(good).encode()),
        b" " * (MAX_CALLBACK_BYTES + 1),
    ]
    for body in bodies:
        with clock.at(NOW), pytest.raises(CallbackMalformed):
            provider.verify_callback(sign(keys, body), body)


def test_an_envelope_and_its_letter_must_agree(provider, keys):
    cases = [
        callback(keys, transaction(keys, merchant_id="1")),
        callback(keys, transaction(keys), api_key=b"k" * 32),
        callback(keys, transaction(keys, trade_state=wire.TradeState.NOTPAY)),
        callback(keys, transaction(keys, success_time=None)),
        callback(keys, transaction(keys), event="TRANSACTION.CLOSED"),
        callback(keys, transaction(keys), event="REFUND.SUCCESS"),
        callback(keys, {"out_trade_no": "n1"}),
    ]
    for headers, body in cases:
        with clock.at(NOW), pytest.raises(CallbackMalformed):
            provider.verify_callback(headers, body)


async def test_a_callback_is_repeated_until_it_is_taken(sandbox):
    await sandbox.control.faults(retry_scale=0.1)
    sandbox.merchant.status = 500
    attempt, _ = await sandbox.started()
    paid = await sandbox.control.pay(attempt.out_trade_no)
    assert (paid["event"]["taken"], paid["event"]["last_answer"]) == (False, "500")
    await sandbox.merchant.expect(3)
    sandbox.merchant.status = 204
    count = len(sandbox.merchant.received)
    received = await sandbox.merchant.expect(count + 1)
    notices = [sandbox.provider.verify_callback(one.headers, one.body) for one in received]
    assert len({notice.event_id for notice in notices}) == 1
    assert len({notice.digest for notice in notices}) == 1
    assert len({one.headers["sandbox-nonce"] for one in received}) == len(received)
    event = (await sandbox.control.show(attempt.out_trade_no))["events"][0]
    assert event["taken"]
    assert event["attempts"] == len(received)


async def test_a_merchant_that_is_away_is_tried_again(sandbox):
    await sandbox.control.faults(retry_scale=0.1)
    attempt, _ = await sandbox.started(notify_url="http://127.0.0.1:9/notify")
    await sandbox.control.pay(attempt.out_trade_no)
    event = (await sandbox.control.show(attempt.out_trade_no))["events"][0]
    assert (event["taken"], event["last_answer"]) == (False, "ConnectError")


async def test_a_redirect_is_not_an_acceptance(sandbox):
    sandbox.merchant.status = 302
    attempt, _ = await sandbox.started()
    assert not (await sandbox.control.pay(attempt.out_trade_no))["event"]["taken"]


async def test_emit_sends_the_same_event_or_the_same_news_as_another(sandbox):
    attempt, _ = await sandbox.started()
    first = (await sandbox.control.pay(attempt.out_trade_no))["event"]
    again = await sandbox.control.emit(out_trade_no=attempt.out_trade_no)
    assert (again["id"], again["taken"]) == (first["id"], True)
    fresh = await sandbox.control.emit(event_id=first["id"], under_new_id=True)
    assert fresh["id"] != first["id"]
    notices = [
        sandbox.provider.verify_callback(one.headers, one.body) for one in sandbox.merchant.received
    ]
    assert [one.event_id for one in notices] == [first["id"], first["id"], fresh["id"]]
    assert {one.provider_ref for one in notices} == {notices[0].provider_ref}


async def test_emit_says_what_it_cannot_find(sandbox):
    attempt, _ = await sandbox.started()
    for what, status in (
        ({}, 400),
        ({"event_id": "x"}, 404),
        ({"out_trade_no": attempt.out_trade_no}, 404),
    ):
        await sandbox.control.call("POST", "/emit", what, status=status)


async def test_a_burst_is_delivered_in_full(sandbox):
    numbers = [(await sandbox.started())[0].out_trade_no for _ in range(100)]
    paid = await sandbox.control.call(
        "POST", "/transactions/pay", {"out_trade_nos": [*numbers, "unknown"], "wait_seconds": 15}
    )
    assert paid[-1]["refusal"] == "ORDER_NOT_EXIST"
    assert all(one["event"]["taken"] for one in paid[:-1])
    await until(lambda: len(sandbox.merchant.received) == 100)
    told = {
        sandbox.provider.verify_callback(one.headers, one.body).out_trade_no
        for one in sandbox.merchant.received
    }
    assert told == set(numbers)


async def test_signed_callbacks_are_handed_out_for_a_load_generator(sandbox):
    numbers = [(await sandbox.started())[0].out_trade_no for _ in range(3)]
    paid = await sandbox.control.call(
        "POST", "/transactions/pay", {"out_trade_nos": numbers, "delivery": "return"}
    )
    for number, one in zip(numbers, paid, strict=True):
        given = one["callback"]
        assert given["url"] == sandbox.merchant.url
        notice = sandbox.provider.verify_callback(given["headers"], given["body"].encode())
        assert notice.out_trade_no == number
    assert sandbox.merchant.received == []
