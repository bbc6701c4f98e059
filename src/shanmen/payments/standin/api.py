"""The merchant's API of the stand-in: ``/v1/…``, signed both ways."""

from datetime import date

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.standin.bank import Refused
from shanmen.payments.standin.bill import trade_bill
from shanmen.payments.standin.faults import Operation
from shanmen.payments.standin.server import AnyRequest, StandIn, answer, read


@post("/transactions")
async def create_transaction(request: AnyRequest) -> Response[bytes]:
    """Open a transaction."""

    def work(standin: StandIn, body: bytes) -> bytes:
        asked = read(body, wire.CreateTransaction)
        _require_merchant(standin, asked.merchant_id)
        row = standin.bank.create(asked)
        created = wire.CreatedTransaction(
            out_trade_no=row.out_trade_no,
            transaction_id=row.transaction_id,
            pay_url=f"{standin.origin(request)}/pay/{row.transaction_id}",
        )
        return msgspec.json.encode(created)

    return await answer(request, Operation.CREATE, work)


@get("/transactions/out-trade-no/{number:str}")
async def query_transaction(request: AnyRequest, number: FromPath[str]) -> Response[bytes]:
    """Tell what became of a transaction."""

    def work(standin: StandIn, _: bytes) -> bytes:
        _require_merchant(standin, request.query_params.get("mchid"))
        row = standin.bank.transaction(number)
        return msgspec.json.encode(standin.bank.transaction_view(row))

    return await answer(request, Operation.QUERY, work)


@post("/transactions/out-trade-no/{number:str}/close")
async def close_transaction(request: AnyRequest, number: FromPath[str]) -> Response[bytes]:
    """Close a transaction that is not paid."""

    def work(standin: StandIn, body: bytes) -> bytes:
        _require_merchant(standin, read(body, wire.CloseTransaction).merchant_id)
        row = standin.bank.close(number)
        return msgspec.json.encode(standin.bank.transaction_view(row))

    return await answer(request, Operation.CLOSE, work)


@post("/refunds")
async def create_refund(request: AnyRequest) -> Response[bytes]:
    """Give money back."""

    def work(standin: StandIn, body: bytes) -> bytes:
        asked = read(body, wire.CreateRefund)
        _require_merchant(standin, asked.merchant_id)
        row = standin.bank.create_refund(asked)
        return msgspec.json.encode(standin.bank.refund_view(row))

    return await answer(request, Operation.REFUND, work)


@get("/refunds/{number:str}")
async def query_refund(request: AnyRequest, number: FromPath[str]) -> Response[bytes]:
    """Tell what became of a refund."""

    def work(standin: StandIn, _: bytes) -> bytes:
        _require_merchant(standin, request.query_params.get("mchid"))
        row = standin.bank.refund(number)
        return msgspec.json.encode(standin.bank.refund_view(row))

    return await answer(request, Operation.QUERY_REFUND, work)


@get("/bills/{day:str}")
async def download_bill(request: AnyRequest, day: FromPath[str]) -> Response[bytes]:
    """List a day's movements as CSV."""

    def work(standin: StandIn, _: bytes) -> bytes:
        _require_merchant(standin, request.query_params.get("mchid"))
        try:
            wanted = date.fromisoformat(day)
        except ValueError as error:
            raise Refused(400, "PARAM_ERROR", "The date is not YYYY-MM-DD.") from error
        return trade_bill(standin.store, merchant_id=standin.keys.merchant_id, day=wanted)

    return await answer(request, Operation.BILL, work, media_type="text/csv; charset=utf-8")


def _require_merchant(standin: StandIn, merchant_id: str | None) -> None:
    """Refuse a body that speaks for another merchant than the one who signed it."""
    if merchant_id != standin.keys.merchant_id:
        raise Refused(403, "NO_AUTH", "The signer may not speak for this merchant.")


router = Router(
    "/v1",
    route_handlers=[
        create_transaction,
        query_transaction,
        close_transaction,
        create_refund,
        query_refund,
        download_bill,
    ],
)
