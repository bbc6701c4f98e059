"""Refunds and the bill."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.base import NoticeKind, ProviderRefused, RefundStatus
from tests.payments.sandbox_kit import new_number


async def test_a_refund_is_given_told_and_found(sandbox):
    attempt = await sandbox.paid()
    request = sandbox.refund_of(attempt, amount_fen=2_800)
    state = await sandbox.provider.refund(request)
    assert state.status is RefundStatus.SUCCEEDED
    assert (state.amount_fen, state.out_trade_no) == (2_800, attempt.out_trade_no)
    assert state.finished_at is not None

    (received,) = await sandbox.merchant.expect(1)
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    assert notice.kind is NoticeKind.REFUND_SUCCEEDED
    assert notice.out_refund_no == request.out_refund_no
    assert (notice.out_trade_no, notice.amount_fen) == (attempt.out_trade_no, 2_800)
    assert (notice.provider_ref, notice.paid_at) == (state.provider_ref, None)
    assert await sandbox.provider.query_refund(request.out_refund_no) == state
    assert (await sandbox.provider.query(attempt.out_trade_no)).refunded_fen == 2_800


async def test_refunding_twice_is_refunding_once(sandbox):
    attempt = await sandbox.paid()
    request = sandbox.refund_of(attempt, amount_fen=100)
    states = await asyncio.gather(*(sandbox.provider.refund(request) for _ in range(5)))
    assert len(set(states)) == 1
    assert (await sandbox.provider.query(attempt.out_trade_no)).refunded_fen == 100


@pytest.mark.parametrize("change", [{"amount_fen": 101}, {"reason": "另外"}])
async def test_the_same_refund_number_with_other_content_is_refused(sandbox, change):
    attempt = await sandbox.paid()
    request = sandbox.refund_of(attempt, amount_fen=100)
    await sandbox.provider.refund(request)
    with pytest.raises(ProviderRefused) as refused:
        await sandbox.provider.refund(replace(request, **change))
    assert refused.value.reason == "IDEMPOTENCY_CONFLICT"


async def test_no_more_goes_back_than_was_paid(sandbox):
    attempt = await sandbox.paid()
    await sandbox.provider.refund(sandbox.refund_of(attempt, amount_fen=12_000))
    with pytest.raises(ProviderRefused) as refused:
        await sandbox.provider.refund(sandbox.refund_of(attempt, amount_fen=801))
    assert refused.value.reason == "NOT_ENOUGH"
    await sandbox.provider.refund(sandbox.refund_of(attempt, amount_fen=800))


async def test_what_cannot_be_refunded_is_refused(sandbox):
    unpaid, _ = await sandbox.started()
    paid = await sandbox.paid()
    cases = {
        "ORDER_NOT_PAID": sandbox.refund_of(unpaid),
        "ORDER_NOT_EXIST": sandbox.refund_of(paid, out_trade_no=new_number()),
        "PARAM_ERROR": sandbox.refund_of(paid, total_fen=1),
    }
    for reason, request in cases.items():
        with pytest.raises(ProviderRefused) as refused:
            await sandbox.provider.refund(request)
        assert refused.value.reason == reason


async def test_an_unknown_refund_is_a_status(sandbox):
    state = await sandbox.provider.query_refund(new_number())
    assert state.status is RefundStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("outcome", "status", "kind", "refunded"),
    [
        ("SUCCESS", RefundStatus.SUCCEEDED, NoticeKind.REFUND_SUCCEEDED, 500),
        ("ABNORMAL", RefundStatus.FAILED, NoticeKind.REFUND_FAILED, 0),
    ],
)
async def test_a_refund_in_process_ends_by_itself(sandbox, outcome, status, kind, refunded):
    attempt = await sandbox.paid()
    await sandbox.control.faults(
        refund_status="PROCESSING", refund_outcome=outcome, refund_seconds=0.5
    )
    request = sandbox.refund_of(attempt, amount_fen=500)
    state = await sandbox.provider.refund(request)
    assert (state.status, state.finished_at) == (RefundStatus.PROCESSING, None)
    (received,) = await sandbox.merchant.expect(1)
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    assert (notice.kind, notice.amount_fen) == (kind, 500)
    assert (await sandbox.provider.query_refund(request.out_refund_no)).status is status
    assert (await sandbox.provider.query(attempt.out_trade_no)).refunded_fen == refunded


async def test_a_refund_in_process_ends_when_control_says_so(sandbox):
    attempt = await sandbox.paid()
    await sandbox.control.faults(refund_status="PROCESSING", refund_seconds=None)
    request = sandbox.refund_of(attempt)
    await sandbox.provider.refund(request)
    path = f"/refunds/{request.out_refund_no}/finish"
    ended = await sandbox.control.call("POST", path, {"status": "ABNORMAL"})
    assert ended["status"] == "ABNORMAL"
    again = await sandbox.control.call("POST", path, {"status": "SUCCESS"})
    assert again["status"] == "ABNORMAL"
    await sandbox.merchant.expect(1)
    await sandbox.control.faults()
    retried = await sandbox.provider.refund(sandbox.refund_of(attempt))
    assert retried.status is RefundStatus.SUCCEEDED


async def test_a_refund_that_fails_at_once(sandbox):
    attempt = await sandbox.paid()
    await sandbox.control.faults(refund_status="ABNORMAL")
    state = await sandbox.provider.refund(sandbox.refund_of(attempt))
    assert state.status is RefundStatus.FAILED
    (received,) = await sandbox.merchant.expect(1)
    notice = sandbox.provider.verify_callback(received.headers, received.body)
    assert notice.kind is NoticeKind.REFUND_FAILED


def _today() -> date:
    return datetime.now(wire.BILL_ZONE).date()


async def test_the_bill_lists_what_moved_money(sandbox):
    attempt = await sandbox.paid()
    request = sandbox.refund_of(attempt, amount_fen=300)
    refund = await sandbox.provider.refund(request)
    unpaid, _ = await sandbox.started()
    await sandbox.control.faults(refund_status="ABNORMAL")
    failed = sandbox.refund_of(attempt, amount_fen=1)
    await sandbox.provider.refund(failed)

    state = await sandbox.provider.query(attempt.out_trade_no)
    bill = await sandbox.provider.trade_bill(_today())
    ours = [line for line in bill if line.out_trade_no == attempt.out_trade_no]
    assert [
        (line.kind, line.amount_fen, line.provider_ref, line.out_refund_no) for line in ours
    ] == [
        (NoticeKind.PAID, 12_800, state.provider_ref, None),
        (NoticeKind.REFUND_SUCCEEDED, 300, refund.provider_ref, request.out_refund_no),
    ]
    assert ours[0].occurred_at == state.paid_at
    assert ours[0].occurred_at <= ours[1].occurred_at <= datetime.now(UTC)
    assert unpaid.out_trade_no not in {line.out_trade_no for line in bill}


async def test_a_day_without_money_has_an_empty_bill_and_tomorrow_has_none(sandbox):
    assert await sandbox.provider.trade_bill(date(2020, 1, 1)) == ()
    with pytest.raises(ProviderRefused) as refused:
        await sandbox.provider.trade_bill(_today() + timedelta(days=1))
    assert refused.value.reason == "NO_STATEMENT_EXIST"
