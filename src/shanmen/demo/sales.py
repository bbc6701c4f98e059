"""Selling what was planned: through the order desk's batch calls, by a clock that is set back.

Orders of about the same time are one batch, as they would be in a busy server, and share its
instant. A batch is placed and paid in one transaction, so that no sweep of the running server ever
meets an order that is held and long overdue.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from shanmen.db.session import Actor, Session
from shanmen.demo.journal import Chapter, Page
from shanmen.demo.plan import Fate, PlannedOrder, PlannedTicket
from shanmen.kit import clock, ids
from shanmen.kit.errors import DomainError
from shanmen.orders.schemas import OrderInput, Placed, PlaceOrder, TicketInput, VisitorInput
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.pay import Heard, settle
from shanmen.orders.service.place import place_orders
from shanmen.orders.service.refund import record_refund_state, refund_tickets
from shanmen.orders.service.reschedule import reschedule
from shanmen.orders.service.start import EXTERNAL, open_payment
from shanmen.payments import service as payments
from shanmen.payments.providers.base import (
    NoticeKind,
    ProviderNotice,
    RefundState,
    RefundStatus,
)

HOLD_SECONDS = 900
VISITOR = Actor("visitor")
SETTLER = Actor("provider", label="callback")
PROVIDER = f"{EXTERNAL}demo"
"""Money that nobody has: no payment provider knows of it, so none is asked to pay it back, and the
accounts of the real providers stay what their bills say."""

SOLD_BY = {"web": "visitor", "window": "何小满", "meituan": "美团", "ctrip": "携程"}


@dataclass(frozen=True, slots=True)
class Shop:
    """What orders of one park need to be placed."""

    site_id: UUID
    timezone: str
    types: Mapping[str, UUID]
    """Ticket types by the key of their kind."""

    def request(self, order: PlannedOrder) -> PlaceOrder:
        """An order as it reaches the desk."""
        return PlaceOrder(
            site_id=self.site_id,
            timezone=self.timezone,
            channel=order.channel,
            order=OrderInput(
                phone=order.phone,
                tickets=[self._ticket(ticket) for ticket in order.tickets],
                locale=order.locale,
            ),
            placed_by=SOLD_BY[order.channel],
        )

    def _ticket(self, ticket: PlannedTicket) -> TicketInput:
        return TicketInput(
            ticket_type_id=self.types[ticket.kind],
            slot_id=ticket.slot.id,
            visitors=[VisitorInput(p.name, p.document_kind, p.document) for p in ticket.people],
            other_slot_ids=[ticket.ride.id] if ticket.ride else [],
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How orders are gathered: the most in a batch, and over how long."""

    batch: int
    span: timedelta


RECENT = Pace(batch=3, span=timedelta(minutes=8))
"""Of today and yesterday: lists that people look at show orders one by one."""
NEAR = Pace(batch=40, span=timedelta(hours=2))
FAR = Pace(batch=80, span=timedelta(hours=12))
"""Bought more than a few days before the visit: a handful each day."""
FAR_AHEAD = timedelta(days=6)
OLD = Pace(batch=80, span=timedelta(hours=5))
"""Bought weeks ago, when nobody looks at single minutes any more: large batches cost a third less
for each order."""
OLD_AFTER = timedelta(days=21)
BATCHES, ORDERS = 6, 160
"""At most in one transaction, which takes a fraction of a second: visitors buy at the same time."""


def pace_of(order: PlannedOrder, now: datetime) -> Pace:
    """How closely an order's time is kept."""
    if order.created > now - timedelta(hours=36):
        return RECENT
    first = order.tickets[0].slot.starts_at
    if order.created < first - FAR_AHEAD:
        return FAR
    return OLD if order.created < now - OLD_AFTER else NEAR


def batches(orders: Sequence[PlannedOrder], now: datetime) -> Iterator[list[PlannedOrder]]:
    """Orders in order of time, those of about the same time together."""
    batch: list[PlannedOrder] = []
    for order in sorted(orders, key=lambda o: (o.created, o.key)):
        pace = pace_of(order, now)
        if batch and (
            len(batch) == pace.batch
            or order.created - batch[0].created > pace.span
            or order.created.date() != batch[0].created.date()
        ):
            yield batch
            batch = []
        batch.append(order)
    if batch:
        yield batch


def transactions(
    orders: Sequence[PlannedOrder], now: datetime
) -> Iterator[list[list[PlannedOrder]]]:
    """The batches of these orders, as many together as one transaction takes."""
    several: list[list[PlannedOrder]] = []
    for batch in batches(orders, now):
        if several and (len(several) == BATCHES or sum(map(len, several)) + len(batch) > ORDERS):
            yield several
            several = []
        several.append(batch)
    if several:
        yield several


async def sell(
    session: Session, *, shop: Shop, chapter: Chapter, several: Sequence[Sequence[PlannedOrder]]
) -> Page:
    """Place some batches one after the other, settle them, and write the journal's page."""
    done: list[tuple[date, int, str, str]] = []
    with ids.seeded(f"sell {session.tenant_id} {chapter.seed} {chapter.week} {chapter.written}"):
        for batch in several:
            for order, outcome in zip(batch, await sell_batch(session, shop, batch), strict=True):
                known = (
                    (outcome.number, outcome.id.hex) if isinstance(outcome, Placed) else ("", "")
                )
                done.append((*order.key, *known))
    page = Page(orders=done)
    await chapter.write(session, page)
    return page


async def sell_batch(
    session: Session, shop: Shop, batch: Sequence[PlannedOrder]
) -> list[Placed | DomainError]:
    """Place a batch at the instant of its first order, and let each come to what it is meant to."""
    begun = batch[0].created
    session.actor = VISITOR
    with clock.at(begun) as now:
        outcomes = await place_orders(
            session, requests=[shop.request(order) for order in batch], hold_seconds=HOLD_SECONDS
        )
        placed = [
            (order, outcome)
            for order, outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, Placed)
        ]
        now.advance(20 + begun.second)
        session.actor = SETTLER
        await _pay(session, [(o, p) for o, p in placed if o.fate is Fate.PAID], begun)
        session.actor = VISITOR
        for order, one in placed:
            if order.fate is Fate.CANCELLED:
                now.move_to(begun + timedelta(seconds=200))
                await cancel_order(session, order_id=one.id, reason="visitor")
        if any(order.fate is Fate.LAPSED for order, _ in placed):
            now.move_to(begun + timedelta(seconds=HOLD_SECONDS + 1))
            await expire_holds(session)
    return outcomes


async def _pay(
    session: Session, placed: Sequence[tuple[PlannedOrder, Placed]], begun: datetime
) -> None:
    """Pay a batch; what costs nothing is issued at once."""
    paying = [(o, p) for o, p in placed if p.amount_fen]
    for _, one in placed:
        if not one.amount_fen:
            await open_payment(session, order_id=one.id, provider=PROVIDER)
    attempts = await payments.open_many(
        session,
        attempts=[
            payments.NewAttempt(
                one.id, one.number, provider_of(order), one.amount_fen, one.hold_expires_at
            )
            for order, one in paying
        ],
    )
    if not attempts:
        return
    notices = [
        Heard(
            provider_of(order),
            ProviderNotice(
                event_id=f"demo-{attempt.hex}",
                kind=NoticeKind.PAID,
                out_trade_no=attempt.hex,
                provider_ref=f"D{attempt.hex[:20]}",
                amount_fen=one.amount_fen,
                occurred_at=begun + timedelta(seconds=15),
                digest="",
            ),
        )
        for attempt, (order, one) in zip(attempts, paying, strict=True)
    ]
    await settle(session, notices=notices)


def provider_of(order: PlannedOrder) -> str:
    """Who holds the money of an order."""
    return PROVIDER if order.channel in ("web", "window") else f"{EXTERNAL}{order.channel}"


async def change(session: Session, *, chapter: Chapter, orders: Sequence[PlannedOrder]) -> Page:
    """Give back or move some orders, each at its time; what the rules refuse stays as it was."""
    with ids.seeded(f"change {session.tenant_id} {chapter.seed} {chapter.week} {chapter.written}"):
        for order in orders:
            order_id = UUID(chapter.orders[order.key][1])
            try:
                if order.refund_at is not None:
                    await _give_back(session, order_id, order.refund_at)
                elif order.move is not None:
                    await _move(session, order_id, *order.move)
            except DomainError:
                # Sold out, or dearer on that day: the visitor keeps what is there.
                continue
    page = Page(changed=[order.key for order in orders])
    await chapter.write(session, page)
    return page


async def _give_back(session: Session, order_id: UUID, at: datetime) -> None:
    session.actor = VISITOR
    with clock.at(at) as now:
        await refund_tickets(session, order_id=order_id, reason="change_of_plan")
        now.advance(95)
        session.actor = SETTLER
        for refund in await payments.refunds_of(session, order_id=order_id):
            state = RefundState(out_refund_no=refund.id.hex, status=RefundStatus.SUCCEEDED)
            await record_refund_state(session, refund_id=refund.id, state=state)


async def _move(session: Session, order_id: UUID, at: datetime, slot_id: UUID) -> None:
    session.actor = VISITOR
    with clock.at(at):
        await reschedule(session, order_id=order_id, slot_id=slot_id, reason="change_of_plan")
