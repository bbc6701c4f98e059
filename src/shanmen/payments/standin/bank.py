"""What the stand-in decides: payments, refunds, closings, and the events that tell of them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from shanmen.kit import clock
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.providers.sandbox_keys import ProviderKeys
from shanmen.payments.standin.faults import Dice, Faults, Manner
from shanmen.payments.standin.store import Store, StoredEvent, StoredRefund, StoredTransaction

_SWEEP = 200
_request_encoder = msgspec.json.Encoder(order="sorted")
_request_decoder = msgspec.json.Decoder(wire.CreateTransaction)


class Refused(Exception):
    """The stand-in says no; ``code`` is what a real provider would answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def request_of(row: StoredTransaction) -> wire.CreateTransaction:
    """Return the request that opened a transaction."""
    return _request_decoder.decode(row.request)


class Bank:
    """The rules, over the store; nothing here awaits, so each method is one step for all others."""

    def __init__(self, store: Store, keys: ProviderKeys) -> None:
        self._store = store
        self._keys = keys
        # Called whenever something is new that time, or the messenger, has to act on.
        self.on_news: Callable[[], None] = _nobody
        kept = store.setting("faults")
        self.faults = msgspec.json.decode(kept, type=Faults) if kept else Faults()
        self.dice = Dice(self.faults)

    def set_faults(self, faults: Faults) -> None:
        """Misbehave in this way from now on, also after a restart; the dice start anew."""
        self._store.set_setting("faults", msgspec.json.encode(faults))
        self.faults = faults
        self.dice = Dice(faults)

    # --- payments ---

    def create(self, request: wire.CreateTransaction) -> StoredTransaction:
        """Open a transaction; the same number and content again is the same transaction."""
        canonical = _request_encoder.encode(request)
        known = self._store.transaction(request.out_trade_no)
        if known is not None:
            _require_same(known.request, canonical)
            return known
        if request.expire_at.utcoffset() is None:
            raise Refused(400, "PARAM_ERROR", "expire_at has no time zone.")
        now = clock.now()
        if request.expire_at <= now:
            raise Refused(400, "PARAM_ERROR", "expire_at is in the past.")
        row = StoredTransaction(
            out_trade_no=request.out_trade_no,
            transaction_id=_number("SP", now),
            request=canonical,
            amount_fen=request.amount_fen,
            state=wire.TradeState.NOTPAY,
            expire_at=request.expire_at.timestamp(),
            created_at=now.timestamp(),
        )
        self._store.add_transaction(row)
        self.on_news()
        return row

    def transaction(self, out_trade_no: str) -> StoredTransaction:
        """Find a transaction, closed by now if its time is over."""
        row = self._store.transaction(out_trade_no)
        if row is None:
            raise Refused(404, "ORDER_NOT_EXIST", f"There is no transaction {out_trade_no}.")
        if row.state == wire.TradeState.NOTPAY and row.expire_at <= clock.now().timestamp():
            self._expire(row)
            return self._again(out_trade_no)
        return row

    def transaction_by_id(self, transaction_id: str) -> StoredTransaction:
        """Find a transaction by the stand-in's own number."""
        row = self._store.transaction_by_id(transaction_id)
        if row is None:
            raise Refused(404, "ORDER_NOT_EXIST", "There is no such transaction.")
        return self.transaction(row.out_trade_no)

    def pay(
        self,
        out_trade_no: str,
        *,
        manner: Manner | None = None,
        paid_fen: int | None = None,
        force: bool = False,
    ) -> StoredEvent | None:
        """Mark as paid; returns the event that tells of it, or None where it was paid before.

        ``paid_fen`` is the lie, if any. ``force`` pays a closed transaction too, as money that was
        on its way when the merchant closed.
        """
        row = self.transaction(out_trade_no)
        if row.state == wire.TradeState.SUCCESS:
            return None
        if row.state != wire.TradeState.NOTPAY and not force:
            raise Refused(409, "ORDER_CLOSED", f"Transaction {out_trade_no} is {row.state}.")
        if paid_fen is None:
            paid_fen = max(0, row.amount_fen + self.faults.lie_fen)
        with self._store.writing():
            self._store.set_paid(out_trade_no, paid_fen=paid_fen, at=clock.now().timestamp())
            return self._tell_transaction(
                self._again(out_trade_no), wire.EventType.TRANSACTION_SUCCESS, manner
            )

    def fail(self, out_trade_no: str) -> None:
        """Let the payment fail, as a bank that declines; a new one needs a new number."""
        row = self.transaction(out_trade_no)
        if row.state == wire.TradeState.NOTPAY:
            self._store.set_state(out_trade_no, wire.TradeState.PAYERROR)

    def close(self, out_trade_no: str) -> StoredTransaction:
        """Close for the merchant, who is answered and gets no callback."""
        row = self.transaction(out_trade_no)
        if row.state == wire.TradeState.SUCCESS:
            raise Refused(409, "ORDER_PAID", f"Transaction {out_trade_no} is paid.")
        if row.state == wire.TradeState.NOTPAY:
            self._store.set_state(out_trade_no, wire.TradeState.CLOSED)
        return self._again(out_trade_no)

    # --- refunds ---

    def create_refund(self, request: wire.CreateRefund) -> StoredRefund:
        """Refund; the same number and content again is the same refund, in its present state."""
        canonical = _request_encoder.encode(request)
        known = self._store.refund(request.out_refund_no)
        if known is not None:
            _require_same(known.request, canonical)
            return known
        paid = self.transaction(request.out_trade_no)
        self._require_refundable(paid, request)
        now = clock.now()
        status, seconds = self.faults.refund_status, self.faults.refund_seconds
        in_process = status is wire.RefundStatus.PROCESSING
        row = StoredRefund(
            out_refund_no=request.out_refund_no,
            refund_id=_number("SR", now),
            out_trade_no=request.out_trade_no,
            request=canonical,
            amount_fen=request.amount_fen,
            status=status,
            outcome=self.faults.refund_outcome if in_process else status,
            created_at=now.timestamp(),
            due_at=now.timestamp() + seconds if in_process and seconds is not None else None,
            finished_at=None if in_process else now.timestamp(),
        )
        with self._store.writing():
            self._store.add_refund(row)
            if not in_process:
                self._tell_refund(row)
        self.on_news()
        return row

    def refund(self, out_refund_no: str) -> StoredRefund:
        """Find a refund."""
        row = self._store.refund(out_refund_no)
        if row is None:
            raise Refused(404, "REFUND_NOT_EXIST", f"There is no refund {out_refund_no}.")
        return row

    def finish_refund(self, out_refund_no: str, status: wire.RefundStatus) -> StoredEvent | None:
        """End a refund in process; None where it has ended before."""
        row = self.refund(out_refund_no)
        if row.status != wire.RefundStatus.PROCESSING:
            return None
        if status is wire.RefundStatus.PROCESSING:
            raise Refused(400, "PARAM_ERROR", "A refund ends as SUCCESS or ABNORMAL.")
        with self._store.writing():
            self._store.finish_refund(row, status, at=clock.now().timestamp())
            return self._tell_refund(self.refund(out_refund_no))

    # --- what time brings ---

    def sweep(self) -> None:
        """Close what has expired and end the refunds whose time has come."""
        now = clock.now().timestamp()
        while expired := self._store.expired(now, _SWEEP):
            for row in expired:
                self._expire(row)
        while due := self._store.due_refunds(now, _SWEEP):
            for refund in due:
                self.finish_refund(refund.out_refund_no, wire.RefundStatus(refund.outcome))

    def resend(self, event: StoredEvent, *, manner: Manner, under_new_id: bool) -> StoredEvent:
        """Send an event once more, or the same news as an event of its own."""
        now = clock.now().timestamp()
        notice = msgspec.json.decode(event.body, type=wire.Notice)
        if under_new_id:
            notice = msgspec.structs.replace(notice, id=secrets.token_hex(16))
        again = replace(
            event,
            id=notice.id,
            body=msgspec.json.encode(notice) if under_new_id else event.body,
            manner=msgspec.json.encode(manner).decode(),
            created_at=now if under_new_id else event.created_at,
            attempts=0,
            next_at=_first_attempt(now, manner),
            taken_at=None,
            last_answer="",
        )
        if under_new_id:
            self._store.add_event(again)
        else:
            self._store.reset_event(again)
        self.on_news()
        return again

    # --- views ---

    def transaction_view(self, row: StoredTransaction) -> wire.Transaction:
        """Show a transaction as the wire does."""
        state = wire.TradeState(row.state)
        if state is wire.TradeState.SUCCESS and row.refunded_fen:
            state = wire.TradeState.REFUND
        return wire.Transaction(
            merchant_id=self._keys.merchant_id,
            out_trade_no=row.out_trade_no,
            transaction_id=row.transaction_id,
            trade_state=state,
            amount_fen=row.amount_fen,
            paid_fen=row.paid_fen,
            refunded_fen=row.refunded_fen,
            success_time=moment(row.paid_at),
        )

    def refund_view(self, row: StoredRefund) -> wire.Refund:
        """Show a refund as the wire does."""
        succeeded = row.status == wire.RefundStatus.SUCCESS
        paid = self._again(row.out_trade_no)
        return wire.Refund(
            merchant_id=self._keys.merchant_id,
            out_trade_no=row.out_trade_no,
            transaction_id=paid.transaction_id,
            out_refund_no=row.out_refund_no,
            refund_id=row.refund_id,
            status=wire.RefundStatus(row.status),
            amount_fen=row.amount_fen,
            success_time=moment(row.finished_at) if succeeded else None,
        )

    def _require_refundable(self, paid: StoredTransaction, request: wire.CreateRefund) -> None:
        if paid.state != wire.TradeState.SUCCESS:
            raise Refused(409, "ORDER_NOT_PAID", f"Transaction {paid.out_trade_no} is not paid.")
        # Where the stand-in has lied, a merchant may go by what it asked for or what it was told.
        if request.total_fen not in {paid.amount_fen, paid.paid_fen}:
            raise Refused(400, "PARAM_ERROR", "total_fen is not the transaction's amount.")
        if request.amount_fen > paid.paid_fen - paid.refunded_fen:
            raise Refused(409, "NOT_ENOUGH", "More would go back than was paid.")

    def _expire(self, row: StoredTransaction) -> None:
        with self._store.writing():
            self._store.set_state(row.out_trade_no, wire.TradeState.CLOSED)
            closed = self._again(row.out_trade_no)
            self._tell_transaction(closed, wire.EventType.TRANSACTION_CLOSED, None)

    def _again(self, out_trade_no: str) -> StoredTransaction:
        row = self._store.transaction(out_trade_no)
        if row is None:
            raise LookupError(out_trade_no)
        return row

    def _tell_transaction(
        self, row: StoredTransaction, event_type: wire.EventType, manner: Manner | None
    ) -> StoredEvent:
        return self._tell(
            event_type,
            content=self.transaction_view(row),
            notify_url=request_of(row).notify_url,
            manner=manner,
        )

    def _tell_refund(self, row: StoredRefund) -> StoredEvent:
        request = msgspec.json.decode(row.request, type=wire.CreateRefund)
        return self._tell(
            wire.EventType(f"REFUND.{row.status}"),
            content=self.refund_view(row),
            notify_url=request.notify_url,
            manner=None,
        )

    def _tell(
        self,
        event_type: wire.EventType,
        *,
        content: wire.Transaction | wire.Refund,
        notify_url: str,
        manner: Manner | None,
    ) -> StoredEvent:
        now = clock.now()
        manner = manner or self.faults.callbacks
        refund = content if isinstance(content, wire.Refund) else None
        notice = wire.Notice(
            id=secrets.token_hex(16),
            event_type=event_type,
            create_time=now,
            resource=wire.seal(
                self._keys.api_key,
                msgspec.json.encode(content),
                associated_data="refund" if refund else "transaction",
            ),
        )
        event = StoredEvent(
            id=notice.id,
            event_type=event_type,
            out_trade_no=content.out_trade_no,
            out_refund_no=refund.out_refund_no if refund else None,
            notify_url=notify_url,
            body=msgspec.json.encode(notice),
            manner=msgspec.json.encode(manner).decode(),
            created_at=now.timestamp(),
            next_at=_first_attempt(now.timestamp(), manner),
        )
        self._store.add_event(event)
        self.on_news()
        return event


def latest(events: Sequence[StoredEvent], *, out_refund_no: str | None) -> StoredEvent:
    """Pick the newest event of a payment, or of one of its refunds."""
    fitting = [event for event in events if event.out_refund_no == out_refund_no]
    if not fitting:
        raise Refused(404, "EVENT_NOT_EXIST", "Nothing has happened yet that could be sent.")
    return fitting[-1]


def moment(unix_seconds: float | None) -> datetime | None:
    """Turn a stored time into an aware one."""
    return None if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC)


def _nobody() -> None:
    """Stand where nobody listens for news yet."""


def _first_attempt(now: float, manner: Manner) -> float | None:
    return None if manner.lost else now + manner.delay_seconds


def _require_same(known: bytes, asked: bytes) -> None:
    if known != asked:
        raise Refused(409, "IDEMPOTENCY_CONFLICT", "The number was used for another request.")


def _number(prefix: str, now: datetime) -> str:
    """Make a number of the stand-in's own; it names the pay page, so it must not be guessable."""
    return f"{prefix}{now.astimezone(wire.BILL_ZONE):%Y%m%d}{secrets.token_hex(10).upper()}"
