"""Payment notices become issued tickets, many at once.

In one transaction: the payment is paid, the order goes held → paid → issued, its places go from
held to sold, its tickets exist, and the ledger has the money. Paid and issued are never apart.

A payment that arrives after the hold lapsed is honoured if there are places (and the visitors have
not bought the same meanwhile); else the whole amount goes back by itself and the order says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shanmen.catalog.queries import current_catalog
from shanmen.db.pipeline import Statement, array, run, run_at_commit, together
from shanmen.db.session import Actor, Session
from shanmen.inventory import stock
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.ledger import rules as accounts
from shanmen.ledger.service import NewTransfer, posting
from shanmen.orders.errors import TooLate
from shanmen.orders.rules import State
from shanmen.orders.service import limits
from shanmen.orders.service.locked import COLUMNS, Changes, LockedOrder, locked_orders
from shanmen.payments import service as payments
from shanmen.payments.providers.base import NoticeKind, ProviderNotice
from shanmen.tickets import feed
from shanmen.tickets import service as tickets
from shanmen.tickets.zones import windows_text

LOCK_BY_PAYMENT = f"""
SELECT {COLUMNS} FROM orders
WHERE tenant_id = %s AND id IN (SELECT order_id FROM payment WHERE tenant_id = %s AND id = ANY(%s))
ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - a constant

ISSUED = "issued"
LATE_ISSUED = "late_issued"
LATE_REFUNDED = "late_refunded"
PAID_TWICE = "paid_twice"
DUPLICATE = "duplicate"
AMOUNT_MISMATCH = "amount_mismatch"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Heard:
    """A verified notice and the provider it came from."""

    provider: str
    notice: ProviderNotice


@dataclass(slots=True)
class Settlement:
    """What one transaction makes of a batch of notices."""

    session: Session
    changes: Changes
    now: datetime
    timezones: dict[UUID, str] = field(default_factory=dict)
    outcomes: list[str] = field(default_factory=list)
    heard: list[payments.HeardNotice] = field(default_factory=list)
    paid: dict[UUID, tuple[UUID, datetime, str]] = field(default_factory=dict)
    transfers: list[NewTransfer] = field(default_factory=list)
    issue: list[LockedOrder] = field(default_factory=list)
    late: list[tuple[int, LockedOrder, payments.LockedPayment]] = field(default_factory=list)
    give_back: list[tuple[payments.LockedPayment, str]] = field(default_factory=list)
    moves: stock.Moves = field(default_factory=dict)
    revive: list[UUID] = field(default_factory=list)

    def hear(
        self,
        heard: Heard,
        payment: payments.LockedPayment | None,
        order: LockedOrder | None,
    ) -> None:
        """Decide about one notice."""
        outcome = self._outcome(heard, payment, order)
        self.outcomes.append(outcome)
        if payment is not None:
            self.heard.append(
                payments.HeardNotice(heard.provider, heard.notice, payment.id, outcome)
            )

    def _outcome(
        self, heard: Heard, payment: payments.LockedPayment | None, order: LockedOrder | None
    ) -> str:
        notice = heard.notice
        if payment is None or order is None or payment.provider != heard.provider:
            return UNKNOWN
        if payment.status == "paid" or payment.id in self.paid:
            return DUPLICATE
        if notice.amount_fen != payment.amount_fen:
            return AMOUNT_MISMATCH
        self.paid[payment.id] = payment.id, notice.occurred_at, notice.provider_ref
        self.transfers.append(
            NewTransfer(
                kind="payment",
                debit=accounts.received(payment.provider),
                credit=accounts.PREPAID,
                amount_fen=payment.amount_fen,
                site_id=order.site_id,
                at=self.now,
                business_day=clock.local(self.now, self.timezones[order.site_id]).date(),
                order_id=order.id,
                reference=payment.id,
            )
        )
        return self._honour(heard.provider, payment, order)

    def _honour(self, provider: str, payment: payments.LockedPayment, order: LockedOrder) -> str:
        actor = Actor("provider", label=provider)
        if order.status == State.HELD:
            self.changes.move(order, State.PAID, actor=actor)
            stock.add(self.moves, order.takings, held=-1, sold=1)
            self.issue.append(order)
            return ISSUED
        if order.status == State.EXPIRED:
            self.changes.move(order, State.PAID, actor=actor, reason="late_payment")
            self.late.append((len(self.outcomes), order, payment))
            return LATE_ISSUED
        if order.status == State.CANCELLED:
            self.changes.move(order, State.PAID, actor=actor, reason="paid_after_cancelling")
            self.changes.move(order, State.REFUNDING, reason="paid_after_cancelling")
            self.give_back.append((payment, "paid_after_cancelling"))
            return LATE_REFUNDED
        self.give_back.append((payment, "paid_twice"))
        return PAID_TWICE


async def settle(session: Session, *, notices: Sequence[Heard], alone: bool = False) -> list[str]:
    """Act on verified payment notices; returns what was made of each, in order.

    Args:
        notices: verified by their providers.
        alone: the transaction has no other work, so all is written when it commits.
    """
    tenant = session.tenant_id
    numbers = [payments.payment_number(h.notice.out_trade_no) for h in notices]
    known = [number for number in numbers if number is not None]
    order_rows, payment_rows, timezones = await run(
        session,
        [
            Statement(LOCK_BY_PAYMENT, (tenant, tenant, array(known))),
            payments.lock_statement(tenant, known),
            Statement("SELECT id, timezone FROM site WHERE tenant_id = %s", (tenant,)),
        ],
    )
    orders = locked_orders(order_rows)
    by_id = {row[0]: payments.LockedPayment(*row) for row in payment_rows}
    now = clock.now()
    work = Settlement(session, Changes(session.actor, at=now), now, dict(timezones))
    for number, heard in zip(numbers, notices, strict=True):
        payment = by_id.get(number) if number else None
        order = orders.get(payment.order_id) if payment else None
        if heard.notice.kind is not NoticeKind.PAID:
            work.outcomes.append(UNKNOWN)
            continue
        work.hear(heard, payment, order)
    if work.late:
        await _take_places_again(work)
    if alone and not work.give_back:
        run_at_commit(session, _writing(work))
    else:
        await _write(work)
    return work.outcomes


async def issue_free(session: Session, *, order: LockedOrder) -> None:
    """Issue an order that costs nothing; the caller has locked it."""
    work = Settlement(session, Changes(session.actor), clock.now())
    work.changes.move(order, State.PAID, reason="free")
    stock.add(work.moves, order.takings, held=-1, sold=1)
    work.issue.append(order)
    await _write(work)


async def _take_places_again(work: Settlement) -> None:
    session = work.session
    lines = [line for _, order, _ in work.late for line in order.lines]
    catalog = await current_catalog(session)
    usage, claims = await limits.usage_of_lines(
        session,
        catalog,
        [(order.phone_index, line) for _, order, _ in work.late for line in order.lines],
    )
    # All slots of the batch at once, so that its locks are taken in one order.
    slots = {slot for line in lines for slot in line.slot_ids} | {key[0] for key in work.moves}
    locked = await stock.lock(session, slots)
    for index, order, payment in work.late:
        try:
            wanted = [claims[line.ticket_id] for line in order.lines]
            usage.check(wanted)
            if any(work.now >= line.valid_until for line in order.lines):
                raise TooLate
            # As a new sale of its channel: caps and shares are those of now.
            wishes = [(slot, kind, places) for slot, kind, _, places in order.takings]
            locked.hold(wishes, channel=order.channel, now=work.now, sold=True)
        except DomainError as error:
            work.outcomes[index] = LATE_REFUNDED
            work.changes.move(order, State.REFUNDING, reason=f"late_payment:{error.code}")
            work.give_back.append((payment, "late_payment"))
            continue
        usage.add(wanted)
        work.revive.extend(line.ticket_id for line in order.lines)
        work.issue.append(order)
    await stock.apply(session, locked)


async def _write(work: Settlement) -> None:
    session = work.session
    await run(session, _writing(work))
    for payment, reason in work.give_back:
        await payments.request_refund(
            session,
            payment_id=payment.id,
            order_id=payment.order_id,
            amount_fen=payment.amount_fen,
            reason=reason,
        )


def _writing(work: Settlement) -> list[Statement]:
    """All that is written, in the documented order of locks: stock, then accounts.

    What locks nothing that is not locked already is one statement between them.
    """
    tenant = work.session.tenant_id
    new_tickets: list[tickets.NewTicket] = []
    for order in work.issue:
        work.changes.move(order, State.ISSUED)
        order.paid_at = work.now
        new_tickets.extend(
            tickets.NewTicket(
                line.ticket_id, order.id, order.number, seq, order.site_id, line.ticket_type_id,
                line.slot_id, line.visit_day, line.valid_from, line.valid_until,
                line.party_size, line.entries, line.zones, line.flags, order.channel,
                windows_text(line.windows),
            )
            for seq, line in enumerate(order.lines)
        )  # fmt: skip
    first: list[Statement] = []
    last: list[Statement] = []
    writes = work.changes.statements(tenant)
    if moved := stock.move_statements(tenant, work.moves):
        lock, move = moved
        first.append(lock)
        writes.append(move)
    if new_tickets:
        writes.append(tickets.issue_statement(tenant, new_tickets, issued_at=work.now))
        writes.append(feed.add_statement(tenant, [ticket.id for ticket in new_tickets]))
    if work.revive:
        writes.append(tickets.set_active_statement(tenant, work.revive, active=True))
    if work.paid:
        writes.append(payments.paid_statement(tenant, list(work.paid.values())))
    if work.heard:
        writes.append(payments.notices_statement(tenant, work.heard, now=work.now))
    if work.transfers:
        posted = posting(tenant, work.transfers)
        first.append(posted.open)
        writes.append(posted.insert)
        last = [posted.lock, posted.sum_up]
    return [*first, together(writes), *last] if writes else []
