"""`paid-flow`: an order is held, the provider says that it is paid, its tickets are issued."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

import msgspec

from bench.load import Request, Stream, http, load
from bench.park import PRICE_FEN, VISITORS, ZONE, make_park, whole_day
from bench.placing import CREATED, ENOUGH, Desk
from bench.report import Meter, Report, at_least, at_most
from bench.rig import Rig
from shanmen.db.session import Database
from shanmen.kit import clock, ids
from shanmen.payments import service as payments
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.sandbox_keys import load_provider_keys
from shanmen.payments.service import NewAttempt

PER_SECOND = 2_500
"""So many orders are paid for each second that was asked for; signing takes a while."""
CONNECTIONS = 64
AT_ONCE = 1_000
PER_S = at_least(2000)
P99_MS = at_most(250)


class Held(msgspec.Struct, frozen=True):
    """What the answer to an order says that matters here."""

    id: UUID
    number: str
    amount_fen: int
    hold_expires_at: datetime


def paid_flow(rig: Rig, report: Report) -> None:
    """Hold all, open their payments at once, then let the provider report all of them."""
    name = rig.fresh("paid-flow")
    tomorrow = clock.today(ZONE) + timedelta(days=1)
    park = rig.inside(
        name, lambda database: make_park(database, slots=[whole_day(tomorrow)], capacity=ENOUGH)
    )
    connections = rig.asked.connections or CONNECTIONS
    count = round(rig.asked.seconds * PER_SECOND)
    targets = [(park.site, park.site.slots[0])]
    held: list[bytes] = []
    with rig.serve(name) as web:
        desk = Desk(rig, report, name, park, web)
        desk.warm(targets)
        placing = desk.stream(targets, connections=connections, count=count)
        placing.heard = lambda _, status, body: held.append(body) if status == CREATED else None
        rig.checkpoint(name)
        with Meter(rig, web) as hold_meter:
            load(placing, seconds=600)
        orders = [msgspec.json.decode(body, type=Held) for body in held]
        attempts = rig.inside(
            name, lambda database: open_attempts(database, park.tenant_id, orders)
        )
        notices = sign_all(rig.data_dir, park.tenant_id, list(zip(attempts, orders, strict=True)))
        outcomes: dict[bytes, int] = {}

        def heard(_: object, __: int, body: bytes) -> None:
            outcomes[body] = outcomes.get(body, 0) + 1

        paying = Stream(notices, connections, web.port, heard=heard)
        rig.checkpoint(name)
        with Meter(rig, web) as pay_meter:
            load(paying, seconds=600)
        report.settings["processes"] = web.settings.processes
    seconds = placing.seconds + paying.seconds
    report.add("per_s", paying.done / seconds, PER_S)
    report.add("p50_ms", placing.percentile_ms(0.5) + paying.percentile_ms(0.5))
    report.add("p99_ms", placing.percentile_ms(0.99) + paying.percentile_ms(0.99), P99_MS)
    report.add("errors", placing.errors + paying.errors, at_most(0))
    report.stream(placing, suffix="_hold")
    report.stream(paying, suffix="_notice")
    hold_meter.into(report, placing.done, suffix="_hold")
    pay_meter.into(report, paying.done, suffix="_notice")
    report.settings["connections"] = connections
    report.settings["p99_ms"] = "p99 of holding and p99 of the notice, added: an upper bound"
    issued = outcomes.get(b'{"outcome":"issued"}', 0)
    report.same("notices that issued tickets", paying.done, issued)
    _check(rig, report, name, paid=issued, only_held=len(desk.numbers))


def _check(rig: Rig, report: Report, name: str, *, paid: int, only_held: int) -> None:
    amount = paid * VISITORS * PRICE_FEN
    told = (paid, only_held, paid * VISITORS, paid, paid, amount, amount, paid * VISITORS)
    with rig.connect(name) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM orders WHERE status = 'issued'),"
            " (SELECT count(*) FROM orders WHERE status = 'held'),"
            " (SELECT count(*) FROM ticket WHERE status = 'valid'),"
            " (SELECT count(*) FROM payment WHERE status = 'paid'),"
            " (SELECT count(*) FROM payment_notice WHERE outcome = 'issued'),"
            " (SELECT coalesce(sum(amount_fen), 0)::bigint FROM ledger_transfer),"
            " (SELECT coalesce(sum(debits_fen), 0)::bigint FROM ledger_account),"
            " (SELECT sum(sold) FROM stock)"
        ).fetchone()
    what = "issued, held, tickets, payments, notices, transfers, accounts, places sold"
    report.same(what, told, row)
    report.settings["checked"] = what


async def open_attempts(database: Database, tenant_id: int, orders: Sequence[Held]) -> list[UUID]:
    """Open a payment for each order, as its page does before it sends the buyer away."""
    made: list[UUID] = []
    for begin in range(0, len(orders), AT_ONCE):
        attempts = [
            NewAttempt(o.id, o.number, "sandbox", o.amount_fen, o.hold_expires_at)
            for o in orders[begin : begin + AT_ONCE]
        ]
        made += await database.unit(tenant_id)(payments.open_many, attempts=attempts)
    return made


def sign_all(data_dir: Path, tenant_id: int, paid: list[tuple[UUID, Held]]) -> list[Request]:
    """The provider's notices, signed with its own key by two processes."""
    load_provider_keys(data_dir)
    parts = [paid[begin : begin + AT_ONCE] for begin in range(0, len(paid), AT_ONCE)]
    work = [
        (data_dir, tenant_id, [(a.hex, o.amount_fen) for a, o in part], int(time.time()))
        for part in parts
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        signed = list(pool.map(sign_part, work))
    return [(request, None) for part in signed for request in part]


def sign_part(work: tuple[Path, int, list[tuple[str, int]], int]) -> list[bytes]:
    """Sign some notices: they go out as the sandbox sends them."""
    data_dir, tenant_id, paid, now = work
    keys = load_provider_keys(data_dir)
    made = []
    for out_trade_no, amount_fen in paid:
        paid_at = clock.now()
        transaction = wire.Transaction(
            merchant_id=keys.merchant_id, out_trade_no=out_trade_no,
            transaction_id=f"B{out_trade_no}", trade_state=wire.TradeState.SUCCESS,
            amount_fen=amount_fen, paid_fen=amount_fen, success_time=paid_at,
        )  # fmt: skip
        notice = wire.Notice(
            id=ids.token(12),
            event_type=wire.EventType.TRANSACTION_SUCCESS,
            create_time=paid_at,
            resource=wire.seal(
                keys.api_key, msgspec.json.encode(transaction), associated_data="transaction"
            ),
        )
        body = msgspec.json.encode(notice)
        headers = wire.answer_headers(
            key=keys.provider_private_key, serial=keys.provider_serial, unix_seconds=now, body=body
        )
        made.append(
            http(
                "POST", f"/pay/callback/sandbox/{tenant_id}",
                headers={**headers, "Content-Type": "application/json"}, body=body,
            )
        )  # fmt: skip
    return made
