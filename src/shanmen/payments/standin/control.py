"""The stand-in's control API: faults, and payments without a visitor, for tests and rehearsals."""

import asyncio
from enum import StrEnum
from typing import Annotated

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.standin.bank import Refused, latest
from shanmen.payments.standin.faults import Faults, Manner, Seconds
from shanmen.payments.standin.messenger import signed_headers
from shanmen.payments.standin.server import (
    AnyRequest,
    StandIn,
    require_control,
    standin_of,
)
from shanmen.payments.standin.store import StoredEvent

MOST_AT_ONCE = 1000
_BREATHE_EVERY = 16


class Delivery(StrEnum):
    """Who carries the callback."""

    SEND = "send"
    """The stand-in sends it, and again until it is taken."""
    RETURN = "return"
    """It is handed back signed, for a load generator to send."""


class Pay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to pay; ``paid_fen`` lies about the amount, ``force`` pays a closed transaction too."""

    manner: Manner | None = None
    paid_fen: Annotated[int, msgspec.Meta(ge=0)] | None = None
    force: bool = False
    delivery: Delivery = Delivery.SEND
    wait_seconds: Seconds = 2


class PayMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pay up to 1,000 transactions; ``wait_seconds`` is for all of the callbacks together."""

    out_trade_nos: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_AT_ONCE)]
    manner: Manner | None = None
    delivery: Delivery = Delivery.SEND
    wait_seconds: Seconds = 0


class FinishRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a refund in process ends."""

    status: wire.RefundStatus = wire.RefundStatus.SUCCESS
    wait_seconds: Seconds = 2


class Emit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which event to send again: by its id, or the newest of a payment or of one of its refunds.

    ``under_new_id`` makes the same news an event of its own, as some providers do.
    """

    event_id: str | None = None
    out_trade_no: str | None = None
    out_refund_no: str | None = None
    manner: Manner = Manner()
    under_new_id: bool = False
    wait_seconds: Seconds = 2


class SignedCallback(msgspec.Struct, frozen=True):
    """A callback ready to be sent: POST ``body`` (text) to ``url`` with ``headers``."""

    url: str
    headers: dict[str, str]
    body: str


class EventReport(msgspec.Struct, frozen=True):
    """How the sending of an event stands; ``taken`` once it was answered 2xx."""

    id: str
    event_type: str
    attempts: int
    taken: bool
    last_answer: str
    out_refund_no: str | None = None


class Paid(msgspec.Struct, frozen=True):
    """What a control payment did; ``event`` is None where it was paid before."""

    out_trade_no: str
    event: EventReport | None = None
    callback: SignedCallback | None = None
    refusal: str | None = None


class Report(msgspec.Struct, frozen=True):
    """A transaction with everything that was told of it, oldest first."""

    transaction: wire.Transaction
    events: list[EventReport]


@get("/faults")
async def show_faults(request: AnyRequest) -> Faults:
    """Show the misbehaviour in force."""
    return standin_of(request).bank.faults


@post("/faults", status_code=200)
async def set_faults(request: AnyRequest, data: JSONBody[Faults]) -> Faults:
    """Misbehave in exactly this way; what is left out is off."""
    standin_of(request).bank.set_faults(data)
    return data


@delete("/faults", status_code=200)
async def clear_faults(request: AnyRequest) -> Faults:
    """Behave."""
    standin_of(request).bank.set_faults(Faults())
    return Faults()


@get("/transactions/{number:str}")
async def show_transaction(request: AnyRequest, number: FromPath[str]) -> Report:
    """Show a transaction and the state of its callbacks."""
    standin = standin_of(request)
    row = standin.bank.transaction(number)
    return Report(
        transaction=standin.bank.transaction_view(row),
        events=[_report(event) for event in standin.store.events_of(number)],
    )


@post("/transactions/{number:str}/pay", status_code=200)
async def pay(request: AnyRequest, number: FromPath[str], data: JSONBody[Pay]) -> Paid:
    """Pay as a visitor would."""
    standin = standin_of(request)
    event = standin.bank.pay(
        number, manner=_manner(data.manner, data.delivery), paid_fen=data.paid_fen, force=data.force
    )
    if event is None:
        return Paid(number)
    if data.delivery is Delivery.RETURN:
        return Paid(number, callback=_callback(standin, event, data.manner))
    await standin.messenger.attempted(event, within_seconds=data.wait_seconds)
    return Paid(number, event=_fresh_report(standin, event))


@post("/transactions/pay", status_code=200)
async def pay_many(request: AnyRequest, data: JSONBody[PayMany]) -> list[Paid]:
    """Pay many; a transaction that cannot be paid is reported and does not stop the others."""
    standin = standin_of(request)
    done: list[tuple[Paid, StoredEvent | None]] = []
    for index, number in enumerate(data.out_trade_nos):
        done.append(_pay_one(standin, number, data))
        if index % _BREATHE_EVERY == 0:
            await asyncio.sleep(0)
    if data.delivery is Delivery.SEND and data.wait_seconds:
        await asyncio.gather(
            *(
                standin.messenger.attempted(event, within_seconds=data.wait_seconds)
                for _, event in done
                if event is not None
            )
        )
    return [
        msgspec.structs.replace(paid, event=_fresh_report(standin, event))
        if event is not None and data.delivery is Delivery.SEND
        else paid
        for paid, event in done
    ]


@post("/refunds/{number:str}/finish", status_code=200)
async def finish_refund(
    request: AnyRequest, number: FromPath[str], data: JSONBody[FinishRefund]
) -> wire.Refund:
    """End a refund that is in process."""
    standin = standin_of(request)
    event = standin.bank.finish_refund(number, data.status)
    if event is not None:
        await standin.messenger.attempted(event, within_seconds=data.wait_seconds)
    return standin.bank.refund_view(standin.bank.refund(number))


@post("/emit", status_code=200)
async def emit(request: AnyRequest, data: JSONBody[Emit]) -> EventReport:
    """Send an event again."""
    standin = standin_of(request)
    event = _find_event(standin, data)
    await standin.messenger.settled(event.id)
    again = standin.bank.resend(event, manner=data.manner, under_new_id=data.under_new_id)
    await standin.messenger.attempted(again, within_seconds=data.wait_seconds)
    return _fresh_report(standin, again)


def _pay_one(standin: StandIn, number: str, data: PayMany) -> tuple[Paid, StoredEvent | None]:
    try:
        event = standin.bank.pay(number, manner=_manner(data.manner, data.delivery))
    except Refused as refusal:
        return Paid(number, refusal=refusal.code), None
    if event is None:
        return Paid(number), None
    if data.delivery is Delivery.RETURN:
        return Paid(number, callback=_callback(standin, event, data.manner)), event
    return Paid(number), event


def _manner(manner: Manner | None, delivery: Delivery) -> Manner | None:
    """Keep the stand-in from sending what is handed back."""
    return Manner(lost=True) if delivery is Delivery.RETURN else manner


def _callback(standin: StandIn, event: StoredEvent, manner: Manner | None) -> SignedCallback:
    headers = signed_headers(standin.keys, event.body, manner or Manner())
    return SignedCallback(url=event.notify_url, headers=headers, body=event.body.decode())


def _find_event(standin: StandIn, data: Emit) -> StoredEvent:
    if data.event_id is not None:
        event = standin.store.event(data.event_id)
        if event is None:
            raise Refused(404, "EVENT_NOT_EXIST", f"There is no event {data.event_id}.")
        return event
    number = data.out_trade_no
    if number is None and data.out_refund_no is not None:
        number = standin.bank.refund(data.out_refund_no).out_trade_no
    if number is None:
        raise Refused(400, "PARAM_ERROR", "Name event_id, out_trade_no or out_refund_no.")
    return latest(standin.store.events_of(number), out_refund_no=data.out_refund_no)


def _fresh_report(standin: StandIn, event: StoredEvent) -> EventReport:
    return _report(standin.store.event(event.id) or event)


def _report(event: StoredEvent) -> EventReport:
    return EventReport(
        id=event.id,
        event_type=event.event_type,
        attempts=event.attempts,
        taken=event.taken_at is not None,
        last_answer=event.last_answer,
        out_refund_no=event.out_refund_no,
    )


def refuse(_: Request[object, object, State], refusal: Refused) -> Response[wire.Refusal]:
    """Answer a refusal outside the merchant's API, where nothing is signed."""
    content = wire.Refusal(code=refusal.code, message=refusal.message)
    return Response(content, status_code=refusal.status)


router = Router(
    "/control",
    guards=[require_control],
    exception_handlers={Refused: refuse},
    route_handlers=[
        show_faults,
        set_faults,
        clear_faults,
        show_transaction,
        pay,
        pay_many,
        finish_refund,
        emit,
    ],
)
