"""The bill of a day: every payment and every refund that moved money, as CSV."""

import csv
import io
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from shanmen.kit import clock
from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.standin.bank import Refused
from shanmen.payments.standin.store import Store


def trade_bill(store: Store, *, merchant_id: str, day: date) -> bytes:
    """Write the bill of a day in China; today's holds what has happened so far."""
    if day > clock.now().astimezone(wire.BILL_ZONE).date():
        raise Refused(400, "NO_STATEMENT_EXIST", "The day has not begun.")
    start = datetime.combine(day, time_of_day(), wire.BILL_ZONE)
    span = start.timestamp(), (start + timedelta(days=1)).timestamp()
    rows = [
        (
            paid.paid_at or 0.0,
            "PAYMENT",
            paid.transaction_id,
            paid.out_trade_no,
            "",
            "",
            paid.paid_fen,
        )
        for paid in store.paid_between(*span)
    ]
    for refund in store.refunded_between(*span):
        paid = store.transaction(refund.out_trade_no)
        rows.append(
            (
                refund.finished_at or 0.0,
                "REFUND",
                paid.transaction_id if paid else "",
                refund.out_trade_no,
                refund.refund_id,
                refund.out_refund_no,
                refund.amount_fen,
            )
        )
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(wire.BILL_COLUMNS)
    for at, kind, *rest in sorted(rows):
        moment = datetime.fromtimestamp(at, wire.BILL_ZONE).isoformat()
        writer.writerow((moment, kind, merchant_id, *rest))
    return text.getvalue().encode("utf-8")
