"""Each misbehaviour of the stand-in, as the merchant meets it."""

import asyncio
from dataclasses import replace

import pytest

from shanmen.payments.providers.base import (
    CallbackSignatureInvalid,
    CallbackStale,
    PaymentStatus,
    ProviderAnswerInvalid,
    ProviderUnavailable,
    RefundStatus,
)
from shanmen.payments.providers.sandbox import SandboxProvider
from shanmen.payments.providers.sandbox_keys import load_merchant_keys


@pytest.fixture
async def hasty(sandbox):
    """A client that waits for a second."""
    client = SandboxProvider(
        base_url=sandbox.url, keys=load_merchant_keys(sandbox.data_dir), timeout_seconds=1
    )
    yield client
    await client.aclose()


async def test_latency(sandbox):
    await sandbox.control.faults(latency_ms=300)
    loop = asyncio.get_running_loop()
    start = loop.time()
    await sandbox.started()
    assert loop.time() - start >= 0.3


@pytest.mark.parametrize(
    ("moment", "found"), [("before", PaymentStatus.NOT_FOUND), ("after", PaymentStatus.UNPAID)]
)
async def test_a_start_without_answer_is_ambiguous_and_a_query_decides(
    sandbox, hasty, moment, found
):
    await sandbox.control.faults(hang={"create": moment}, hang_seconds=3)
    attempt = sandbox.attempt()
    with pytest.raises(ProviderUnavailable) as unavailable:
        await hasty.start(attempt)
    assert unavailable.value.ambiguous
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is found
    await sandbox.control.faults()
    opened = await sandbox.provider.start(attempt)
    assert opened.pay_url.startswith(sandbox.url)


async def test_a_refund_without_answer_is_given_once(sandbox, hasty):
    attempt = await sandbox.paid()
    await sandbox.control.faults(hang={"refund": "after"}, hang_seconds=3)
    request = sandbox.refund_of(attempt, amount_fen=800)
    with pytest.raises(ProviderUnavailable) as unavailable:
        await hasty.refund(request)
    assert unavailable.value.ambiguous
    await sandbox.control.faults()
    assert (await sandbox.provider.refund(request)).status is RefundStatus.SUCCEEDED
    assert (await sandbox.provider.query(attempt.out_trade_no)).refunded_fen == 800


async def test_a_query_without_answer_has_changed_nothing(sandbox, hasty):
    attempt, _ = await sandbox.started()
    await sandbox.control.faults(hang={"query": "before"}, hang_seconds=3)
    with pytest.raises(ProviderUnavailable) as unavailable:
        await hasty.query(attempt.out_trade_no)
    assert not unavailable.value.ambiguous


async def _outcomes(sandbox, count: int) -> list[bool]:
    outcomes = []
    for _ in range(count):
        try:
            await sandbox.started()
        except ProviderUnavailable:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes


async def test_errors_are_drawn_from_the_seed(sandbox):
    runs = []
    for seed in (7, 7, 8):
        await sandbox.control.faults(error_rate=0.5, error_on=["create"], seed=seed)
        runs.append(await _outcomes(sandbox, 20))
    assert runs[0] == runs[1] != runs[2]
    assert 0 < sum(runs[0]) < 20
    attempt = sandbox.attempt()
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is PaymentStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("moment", "found"), [("before", PaymentStatus.NOT_FOUND), ("after", PaymentStatus.UNPAID)]
)
async def test_an_error_may_have_taken_effect(sandbox, moment, found):
    await sandbox.control.faults(error_rate=1, error_on=["create"], error_moment=moment)
    attempt = sandbox.attempt()
    with pytest.raises(ProviderUnavailable) as unavailable:
        await sandbox.provider.start(attempt)
    assert unavailable.value.ambiguous
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is found


async def test_an_answer_without_signature_is_not_believed(sandbox):
    attempt, _ = await sandbox.started()
    await sandbox.control.faults(unsigned_answers=True)
    with pytest.raises(ProviderAnswerInvalid) as invalid:
        await sandbox.provider.query(attempt.out_trade_no)
    assert not invalid.value.ambiguous
    with pytest.raises(ProviderAnswerInvalid) as invalid:
        await sandbox.provider.close(attempt.out_trade_no)
    assert invalid.value.ambiguous


async def test_an_answer_to_another_question_is_not_believed(sandbox):
    # The signature does not tie an answer to its question, so a cache could mix them up.
    one, _ = await sandbox.started()
    other, _ = await sandbox.started()
    answer = await sandbox.provider._ask(
        "GET",
        f"/v1/transactions/out-trade-no/{other.out_trade_no}"
        f"?mchid={load_merchant_keys(sandbox.data_dir).merchant_id}",
    )
    with pytest.raises(ProviderAnswerInvalid):
        sandbox.provider._payment_state(answer, one.out_trade_no, mutating=False)


@pytest.mark.parametrize("copies", [2, 5])
async def test_copies_arrive_together_as_one_event(sandbox, copies):
    attempt, _ = await sandbox.started()
    await sandbox.control.pay(attempt.out_trade_no, manner={"copies": copies})
    received = await sandbox.merchant.expect(copies)
    notices = [sandbox.provider.verify_callback(one.headers, one.body) for one in received]
    assert len(notices) == copies
    assert len({one.event_id for one in notices}) == 1


async def test_every_callback_in_copies(sandbox):
    await sandbox.control.faults(callbacks={"copies": 3})
    attempt, _ = await sandbox.started()
    await sandbox.control.pay(attempt.out_trade_no)
    await sandbox.merchant.expect(3)


async def test_a_late_callback(sandbox):
    attempt, _ = await sandbox.started()
    await sandbox.control.pay(attempt.out_trade_no, manner={"delay_seconds": 1}, wait_seconds=0)
    assert sandbox.merchant.received == []
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is PaymentStatus.PAID
    await sandbox.merchant.expect(1)


async def test_a_lost_callback_leaves_the_query(sandbox):
    attempt = await sandbox.paid()
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert state.status is PaymentStatus.PAID
    await asyncio.sleep(0.3)
    assert sandbox.merchant.received == []
    sent = await sandbox.control.emit(out_trade_no=attempt.out_trade_no)
    assert sent["taken"]


@pytest.mark.parametrize(
    ("manner", "error"),
    [({"bad_signature": True}, CallbackSignatureInvalid), ({"stale": True}, CallbackStale)],
)
async def test_a_spoilt_callback_is_recognised(sandbox, manner, error):
    attempt, _ = await sandbox.started()
    await sandbox.control.pay(attempt.out_trade_no, manner=manner)
    (received,) = await sandbox.merchant.expect(1)
    with pytest.raises(error):
        sandbox.provider.verify_callback(received.headers, received.body)
    assert (await sandbox.provider.query(attempt.out_trade_no)).status is PaymentStatus.PAID


async def test_a_lie_about_the_amount_is_told_alike_everywhere(sandbox):
    await sandbox.control.faults(lie_fen=-100)
    attempt, _ = await sandbox.started()
    await sandbox.control.pay(attempt.out_trade_no)
    (received,) = sandbox.merchant.received
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    state = await sandbox.provider.query(attempt.out_trade_no)
    assert notice.amount_fen == state.amount_fen == attempt.amount_fen - 100
    received_total = sandbox.refund_of(
        attempt, amount_fen=notice.amount_fen, total_fen=notice.amount_fen
    )
    assert (await sandbox.provider.refund(received_total)).status is RefundStatus.SUCCEEDED


async def test_faults_are_shown_and_cleared(sandbox):
    await sandbox.control.faults(latency_ms=1, seed=3)
    shown = await sandbox.control.call("GET", "/faults")
    assert (shown["latency_ms"], shown["seed"]) == (1, 3)
    cleared = await sandbox.control.call("DELETE", "/faults")
    assert cleared["latency_ms"] == 0


@pytest.mark.parametrize(
    "faults",
    [
        {"latency": 1},
        {"latency_ms": -1},
        {"hang": {"nothing": "before"}},
        {"error_rate": 2},
        {"refund_outcome": "PROCESSING"},
        {"callbacks": {"copies": 0}},
    ],
)
async def test_faults_that_do_not_exist_are_refused(sandbox, faults):
    await sandbox.control.call("POST", "/faults", faults, status=400)


async def test_a_repeat_must_be_exact(sandbox):
    attempt, opened = await sandbox.started()
    assert await sandbox.provider.start(replace(attempt)) == opened
