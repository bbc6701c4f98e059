"""The life of orders against a model on paper: whatever happens, the counters are the paper's.

Hypothesis makes up what people do, in any order; after each step stock, status and refusals must be
those of `life_model`, and after each story the auditors of stock and money must find nothing.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from shanmen.admission import service as gate
from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.db.session import Database
from shanmen.insight.stock_audit import differences as stock_differences
from shanmen.inventory.division import ShareSpec
from shanmen.inventory.queries import slots_by_id
from shanmen.inventory.service.divide import divide_slots
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock, ids
from shanmen.kit.errors import DomainError
from shanmen.ledger.service import differences as ledger_differences
from shanmen.orders.schemas import Placed, TicketInput
from shanmen.orders.service.extend import extend_hold
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.pay import Heard
from shanmen.orders.service.place import place_orders
from shanmen.orders.service.refund import refund_tickets
from shanmen.orders.service.reschedule import reschedule
from shanmen.orders.service.start import open_payment
from shanmen.orders.service.use import follow_use
from tests.conftest import open_database
from tests.orders.life_model import GATE, PERSONS, RIDE, Paper, PaperOrder, PaperTicket
from tests.support.desk import HOLD_SECONDS, Desk, notice
from tests.support.park import fresh_people, make_park, person

PLACES, RIDES, SLOTS, PEOPLE = 6, 2, 2, 7
WINDOWS = [time(8), time(10)]
slots = st.integers(0, SLOTS - 1)
providers = st.sampled_from(["sandbox", "other"])
CHANNELS = ["web", "ota", "window"]
channels = st.sampled_from(CHANNELS)
divisions = st.dictionaries(
    channels, st.tuples(st.sampled_from(["fixed", "minimum"]), st.integers(0, PLACES)), max_size=2
)
wishes = st.lists(
    st.tuples(st.sampled_from(sorted(PERSONS)), st.integers(0, PEOPLE - 1)),
    min_size=1,
    max_size=3,
)


@dataclass
class Scan:
    """An admission that may be taken back."""

    id: UUID
    order: PaperOrder
    ticket: PaperTicket
    persons: int
    at: datetime


class Life(RuleBasedStateMachine):
    """One small park, from its first order on."""

    database: ClassVar[Database]
    runner: ClassVar[asyncio.Runner]
    kind_of_paper: ClassVar[type[Paper]] = Paper
    orders = Bundle("orders")
    scans = Bundle("scans")

    def run(self, work: Awaitable[Any], *, at: datetime | None = None) -> Any:
        """Do it on the machine's clock; a refusal is an outcome by its name."""

        async def do() -> Any:
            with clock.at(at or self.now):
                try:
                    return await work
                except DomainError as refused:
                    return type(refused).__name__

        return self.runner.run(do())

    @initialize()
    def open_park(self) -> None:
        self.now = clock.now()
        park = self.run(
            make_park(
                self.database,
                code=f"m{ids.new_id().hex[-10:]}",
                capacity=PLACES,
                slots=SLOTS,
                ride_capacity=RIDES,
            )
        )
        self.desk = Desk(self.database, park)
        self.park = park
        self.people = fresh_people(PEOPLE)
        self.paper = self.kind_of_paper(
            {(GATE, n): PLACES for n in range(SLOTS)} | {(RIDE, n): RIDES for n in range(SLOTS)}
        )

    @rule(target=orders, slot=slots, wanted=wishes, channel=channels)
    def place(self, slot: int, wanted: list[tuple[str, int]], channel: str) -> Any:
        tickets = [
            PaperTicket(
                kind,
                [self.people[(first + n) % PEOPLE] for n in range(PERSONS[kind])],
                slot,
                slot if kind == "bundle" else None,
            )
            for kind, first in wanted
        ]
        request = self.park.order(*(self._wish(ticket) for ticket in tickets), channel=channel)
        refusal = self.paper.refusal_of(tickets, channel)
        [outcome] = self.run(
            self.desk.unit(place_orders, requests=[request], hold_seconds=HOLD_SECONDS)
        )
        if refusal is not None:
            assert type(outcome).__name__ == refusal
            return multiple()
        assert isinstance(outcome, Placed), outcome
        view = self.run(self.desk.view(outcome))
        for ticket, shown in zip(tickets, view.tickets, strict=True):
            ticket.id = shown.ticket_id
        order = PaperOrder(outcome, tickets, channel)
        self.paper.orders.append(order)
        return order

    def _wish(self, ticket: PaperTicket) -> TicketInput:
        return TicketInput(
            ticket_type_id=self.park.types[ticket.kind],
            slot_id=self.park.slots[ticket.slot],
            visitors=[person(n) for n in ticket.people],
            other_slot_ids=[] if ticket.ride is None else [self.park.ride_slots[ticket.ride]],
        )

    @rule(order=orders, provider=providers)
    def start_to_pay(self, order: PaperOrder, provider: str) -> None:
        attempt = self.run(
            self.desk.unit(open_payment, order_id=order.placed.id, provider=provider)
        )
        if order.status != "held":
            assert attempt == "NotPayable"
        elif self.now >= order.ends:
            assert attempt == "HoldLapsed"
        elif order.placed.amount_fen == 0:
            assert attempt is None
            order.status, order.issued = "issued", True
        else:
            order.attempts[provider] = attempt.id

    @rule(order=orders, provider=providers, times=st.integers(1, 2))
    def be_paid(self, order: PaperOrder, provider: str, times: int) -> None:
        attempt = order.attempts.get(provider)
        if attempt is None:
            return
        heard = Heard(provider, notice(attempt, order.placed.amount_fen).notice)
        for _ in range(times):
            outcome = self.run(self.desk.hear(heard))
            assert outcome == self.paper.pay(order, provider)

    @rule(minutes=st.sampled_from([1, 10, 16]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        assert self.run(self.desk.unit(expire_holds)) == self.paper.sweep(self.now)

    @rule(order=orders)
    def extend(self, order: PaperOrder) -> None:
        outcome = self.run(
            self.desk.unit(extend_hold, order_id=order.placed.id, hold_seconds=HOLD_SECONDS)
        )
        refusal = self.paper.extend(order, self.now)
        assert (outcome if isinstance(outcome, str) else None) == refusal
        if refusal is None:
            assert outcome == order.ends

    @rule(order=orders)
    def cancel(self, order: PaperOrder) -> None:
        outcome = self.run(self.desk.unit(cancel_order, order_id=order.placed.id))
        assert outcome == self.paper.cancel(order)

    @rule(order=orders, which=st.none() | st.sets(st.integers(0, 2), min_size=1))
    def give_back(self, order: PaperOrder, which: set[int] | None) -> None:
        chosen = None
        if which is not None:
            chosen = [ticket for n, ticket in enumerate(order.tickets) if n in which]
        outcome = self.run(
            self.desk.unit(
                refund_tickets,
                order_id=order.placed.id,
                ticket_ids=None if chosen is None else [t.id for t in chosen if t.id],
                fee_percent=0,
            )
        )
        refusal = self.paper.give_back(order, chosen)
        assert (outcome if isinstance(outcome, str) else None) == refusal

    @rule(order=orders)
    def money_arrives_back(self, order: PaperOrder) -> None:
        assert self.run(self.desk.confirm_refunds(order.placed)) is None
        self.paper.confirm_refunds(order)

    @rule(order=orders, slot=slots)
    def move(self, order: PaperOrder, slot: int) -> None:
        outcome = self.run(
            self.desk.unit(reschedule, order_id=order.placed.id, slot_id=self.park.slots[slot])
        )
        assert outcome == self.paper.move(order, slot)

    @rule(target=scans, order=orders, number=st.integers(0, 2))
    def admit(self, order: PaperOrder, number: int) -> Any:
        if number >= len(order.tickets):
            return multiple()
        ticket = order.tickets[number]
        at = clock.to_utc(self.park.day, WINDOWS[ticket.slot], "Asia/Shanghai")
        scan = ScanRequest(
            scan_id=ids.new_id(),
            lane_id=self.park.lane_id,
            code=f"{order.placed.number}-{number}",
            kind="number",
        )
        decided: DecisionView = self.run(self.desk.unit(gate.admit_one, scan=scan), at=at)
        assert decided.persons == self.paper.admit(order, ticket), decided
        if not decided.persons:
            return multiple()
        return Scan(scan.scan_id, order, ticket, decided.persons, at)

    @rule(scan=scans)
    def undo(self, scan: Scan) -> None:
        view = self.run(
            self.desk.unit(gate.undo, scan_id=scan.id, reason="did not turn"), at=scan.at
        )
        assert view.undone_at is not None
        scan.ticket.entered -= scan.persons
        scan.persons = 0  # Taking it back again changes nothing.

    @rule(order=orders)
    def hear_from_the_gate(self, order: PaperOrder) -> None:
        tickets = [ticket.id for ticket in order.tickets if ticket.id]
        self.run(self.desk.unit(follow_use, ticket_ids=tickets))
        self.paper.follow(order)

    @rule(slot=slots, closed=st.booleans())
    def close_or_open(self, slot: int, closed: bool) -> None:
        status: Literal["open", "closed"] = "closed" if closed else "open"
        self.run(self.desk.unit(edit_slot, slot_id=self.park.slots[slot], status=status))
        (self.paper.closed.add if closed else self.paper.closed.discard)(slot)

    @rule(slot=slots, capacity=st.integers(1, PLACES))
    def change_capacity(self, slot: int, capacity: int) -> None:
        outcome = self.run(
            self.desk.unit(edit_slot, slot_id=self.park.slots[slot], capacity=capacity)
        )
        refusal = self.paper.set_capacity(slot, capacity)
        assert (outcome if isinstance(outcome, str) else None) == refusal

    @rule(slot=slots, shares=divisions)
    def divide(self, slot: int, shares: dict[str, tuple[Literal["fixed", "minimum"], int]]) -> None:
        allotments = [
            ShareSpec(channel=channel, kind=kind, places=places)
            for channel, (kind, places) in shares.items()
        ]
        outcome = self.run(
            self.desk.unit(divide_slots, slot_ids=[self.park.slots[slot]], allotments=allotments)
        )
        refusal = self.paper.divide(slot, dict(shares))
        assert (outcome if isinstance(outcome, str) else None) == refusal

    @invariant()
    def counters_are_those_on_paper(self) -> None:
        if not hasattr(self, "paper"):
            return
        wanted = dict(self._slots())
        states = self.run(self.desk.unit(slots_by_id, ids=list(wanted)))
        found = {wanted[key]: (state.held, state.sold) for key, state in states.items()}
        assert found == self.paper.counters()
        for key, state in states.items():
            for channel in CHANNELS:
                room = self.paper.room(wanted[key], channel)
                assert state.seen_by(channel, self.now).left == max(room, 0)

    def _slots(self) -> Iterator[tuple[UUID, tuple[str, int]]]:
        for pool, of_pool in ((GATE, self.park.slots), (RIDE, self.park.ride_slots)):
            for number, slot_id in enumerate(of_pool):
                yield slot_id, (pool, number)

    def teardown(self) -> None:
        if not hasattr(self, "paper"):
            return
        for order in self.paper.orders:
            view = self.run(self.desk.view(order.placed))
            assert view.status == order.status
            if order.issued:
                entered = [ticket.persons_entered for ticket in view.tickets]
                assert entered == [ticket.entered for ticket in order.tickets]
        assert self.run(self.desk.unit(stock_differences)) == []
        assert self.run(self.desk.unit(ledger_differences)) == []


class Forgetful(Paper):
    """Keeps the places of whoever cancelled."""

    def cancel(self, order: PaperOrder) -> str | None:
        return None if order.status == "held" else "TransitionRefused"


class ForgetfulLife(Life):
    kind_of_paper = Forgetful


def tell_stories(
    url: str, *, stories: int, steps: int, life: type[Life] = Life, phases: Iterable[Phase] = Phase
) -> None:
    with asyncio.Runner() as runner:
        Life.runner, Life.database = runner, open_database(url)
        try:
            run_state_machine_as_test(
                life,
                settings=settings(
                    max_examples=stories,
                    stateful_step_count=steps,
                    deadline=None,
                    phases=list(phases),
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(Life.database.close())


def test_orders_live_as_on_paper(db_url: str):
    tell_stories(db_url, stories=10, steps=30)


def test_a_mistake_on_paper_would_be_found(db_url: str):
    """The canary: were the product to differ from the paper, these stories would tell."""
    with pytest.raises(AssertionError):
        tell_stories(db_url, stories=50, steps=30, life=ForgetfulLife, phases=[Phase.generate])


@pytest.mark.soak
def test_orders_live_as_on_paper_for_long(db_url: str):
    tell_stories(db_url, stories=300, steps=60)
