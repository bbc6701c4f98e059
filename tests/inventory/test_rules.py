"""Slots and what visitors are told about them."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.catalog.rules import Draw, Limits, RefundRule, RescheduleRule, TicketTypeInfo
from shanmen.inventory.rules import (
    Availability,
    SchedulePlan,
    SlotPlan,
    SlotState,
    companion_slot,
    day_availability,
    day_offer,
    offer_of,
    problem_with,
    slot_offers,
    slots_on,
)
from shanmen.kit.days import DayKind

DAY = date(2026, 10, 1)
NOW = datetime(2026, 9, 30, 12, tzinfo=UTC)
GATE, RIDE = uuid4(), uuid4()


def slot(
    start: int, end: int, *, pool: UUID = GATE, capacity: int = 100, taken: int = 0, **more: object
) -> SlotState:
    values: dict[str, Any] = {
        "id": uuid4(),
        "pool_id": pool,
        "day": DAY,
        "starts": time(start),
        "ends": time(end),
        "starts_at": datetime.combine(DAY, time(start), UTC),
        "ends_at": datetime.combine(DAY, time(end), UTC),
        "status": "open",
        "note": {},
        "capacity": capacity,
        "held": 0,
        "sold": taken,
        "caps": {},
    } | more
    return SlotState(**values)


def kind(*draws: tuple[UUID, int], **more: object) -> TicketTypeInfo:
    values: dict[str, Any] = {
        "id": uuid4(),
        "site_id": uuid4(),
        "number": 1,
        "name": {},
        "description": {},
        "audience": "adult",
        "party_size": 1,
        "documents": "each",
        "min_age": None,
        "max_age": None,
        "entries": 1,
        "valid_days": 1,
        "zones": 1,
        "rotating": False,
        "second_factor": False,
        "min_per_order": 1,
        "max_per_order": 10,
        "days_ahead": 30,
        "sale_closes_minutes": 0,
        "refund": RefundRule(),
        "reschedule": RescheduleRule(),
        "limits": Limits(),
        "channels": frozenset(),
        "on_sale": True,
        "position": 0,
        "draws": tuple(Draw(*draw) for draw in draws or [(GATE, 1)]),
        "prices": (),
    } | more
    return TicketTypeInfo(**values)


plans = st.builds(SlotPlan, st.times(), st.times(), st.integers(-1, 50))
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
schedules = st.builds(
    SchedulePlan,
    date_from=st.none() | days,
    date_until=st.none() | days,
    weekdays=st.integers(1, 127),
    day_kind=st.sampled_from(["", *(k.value for k in DayKind)]),
    priority=st.integers(-2, 2),
    slots=st.lists(plans, max_size=3).map(tuple),
)


@given(st.lists(schedules, max_size=8), days, st.sampled_from(list(DayKind)))
def test_a_day_has_the_slots_of_one_matching_schedule_of_the_highest_priority(table, day, kind_):
    matching = [s for s in table if s.matches(day, kind_)]
    chosen = slots_on(table, day, kind_)
    if not matching:
        assert chosen == ()
        return
    highest = max(s.priority for s in matching)
    assert chosen in [s.slots for s in matching if s.priority == highest]


@given(st.lists(plans, max_size=6))
def test_slots_without_a_problem_follow_each_other(slots):
    problem = problem_with(slots)
    if problem is None:
        assert all(s.starts < s.ends and s.capacity >= 0 for s in slots)
        assert all(a.ends <= b.starts for a, b in pairwise(slots))
    else:
        assert problem_with(slots[: problem[0]]) is None


def test_the_companion_is_the_first_that_starts_once_the_visit_has_begun():
    main = slot(10, 12)
    early, running, fitting, later = slot(8, 10), slot(9, 11), slot(11, 13), slot(12, 14)
    assert companion_slot(main, [later, fitting, running, early]) == fitting
    same = slot(10, 11)
    assert companion_slot(main, [later, fitting, same, running]) == same


def test_a_companion_that_is_running_will_do_where_no_later_one_has_room():
    main = slot(10, 12)
    early, running, full = slot(8, 10), slot(9, 11), slot(11, 13, taken=100)
    assert companion_slot(main, [full, running, early]) == running
    assert companion_slot(main, [running, early]) == running
    assert companion_slot(main, [early]) is None


def test_a_full_or_closed_companion_is_passed_over():
    main = slot(10, 12)
    full, closed, free = slot(9, 11, taken=100), slot(10, 12, status="closed"), slot(12, 14)
    assert companion_slot(main, [full, closed, free]) == free
    assert companion_slot(main, [full, closed]) == full
    assert companion_slot(main, [closed]) is None
    assert companion_slot(main, [slot(9, 11, taken=98), free], need=3) == free


def test_a_companion_that_is_over_is_passed_over():
    main = slot(8, 18)
    over, free = slot(8, 9), slot(15, 16)
    now = datetime.combine(DAY, time(12), UTC)
    assert companion_slot(main, [over, free], now=now) == free


def test_a_companion_is_on_the_same_day():
    tomorrow = DAY + timedelta(days=1)
    assert companion_slot(slot(10, 12), [slot(10, 12, day=tomorrow)]) is None


def offer(info: TicketTypeInfo, main: SlotState, *others: SlotState, **more: object):
    values: dict[str, Any] = {"price_fen": 100, "today": DAY, "now": NOW} | more
    return offer_of(info, main, others, **values)


def test_left_counts_tickets_over_pools_and_caps():
    family = kind((GATE, 3))
    assert offer(family, slot(8, 10, taken=90)).left == 3
    adult = kind()
    capped = slot(8, 10, caps={str(adult.id): (20, 4)})
    assert offer(adult, capped).left == 4
    bundle = kind((GATE, 1), (RIDE, 2))
    assert offer(bundle, slot(8, 10), slot(9, 10, pool=RIDE, capacity=5)).left == 2


@pytest.mark.parametrize(
    ("main", "changes", "state"),
    [
        (slot(8, 10), {}, Availability.OPEN),
        (slot(8, 10, taken=80), {}, Availability.NEARLY_FULL),
        (slot(8, 10, taken=100), {}, Availability.SOLD_OUT),
        (slot(8, 10, status="closed"), {}, Availability.CLOSED),
        (slot(8, 10), {"price_fen": None}, Availability.CLOSED),
        (slot(8, 10), {"now": datetime(2026, 10, 1, 10, tzinfo=UTC)}, Availability.OVER),
        (slot(8, 10), {"today": DAY - timedelta(days=31)}, Availability.NOT_YET),
        (slot(8, 10), {"today": DAY - timedelta(days=30)}, Availability.OPEN),
    ],
)
def test_the_state_of_an_offer(main, changes, state):
    assert offer(kind(), main, **changes).state is state


def test_sale_closes_before_the_slot_ends():
    info = kind(sale_closes_minutes=60)
    before = datetime(2026, 10, 1, 8, 59, tzinfo=UTC)
    assert offer(info, slot(8, 10), now=before).bookable
    late = offer(info, slot(8, 10), now=before + timedelta(minutes=1))
    assert late.state is Availability.OVER


def test_a_group_needs_its_least_number():
    assert offer(kind(min_per_order=10), slot(8, 10, taken=91)).state is Availability.SOLD_OUT


def test_a_bundle_needs_a_slot_in_each_pool():
    bundle = kind((GATE, 1), (RIDE, 1))
    assert offer(bundle, slot(8, 10)).state is Availability.CLOSED
    ride = slot(8, 10, pool=RIDE, capacity=10, taken=10)
    assert offer(bundle, slot(8, 10), ride).state is Availability.SOLD_OUT
    nearly = offer(bundle, slot(8, 10), slot(8, 10, pool=RIDE, capacity=10, taken=8))
    assert nearly.state is Availability.NEARLY_FULL
    assert len(nearly.companions) == 1


def at_any_time(_: TicketTypeInfo, _starts_at: datetime, _ends_at: datetime) -> bool:
    return True


def test_a_ticket_that_admits_at_other_hours_is_not_offered_and_says_why():
    adult, night = kind(), kind()
    early, late, over = slot(8, 10, taken=95), slot(18, 20), slot(6, 7)

    def admits(info: TicketTypeInfo, starts_at: datetime, _: datetime) -> bool:
        return info is adult or starts_at >= late.starts_at

    now = datetime(2026, 10, 1, 7, tzinfo=UTC)
    gone, first, last = slot_offers(
        [adult, night], [early, late, over], price=lambda _t, _d: 100, admits=admits,
        today=DAY, now=now,
    )  # fmt: skip
    refused = first.types[night.id]
    assert (refused.state, refused.bookable, refused.left) == (
        Availability.OUTSIDE_HOURS, False, 0,
    )  # fmt: skip
    # What is said of the slot as a whole is about those who are admitted in it.
    assert (first.state, first.left) == (Availability.NEARLY_FULL, 5)
    assert last.types[night.id].state is Availability.OPEN
    assert gone.state is Availability.OVER


def test_a_slot_is_named_after_those_who_are_admitted_in_it():
    outside = Availability.OUTSIDE_HOURS
    assert day_availability([outside, Availability.OVER]) is Availability.OVER
    assert day_availability([outside, Availability.SOLD_OUT]) is Availability.SOLD_OUT
    assert day_availability([outside]) is Availability.CLOSED


def test_slots_dropped_by_a_schedule_are_not_shown_but_closed_ones_are():
    dropped = slot(8, 10, status="closed")
    closed = slot(10, 12, status="closed", edited=True)
    free = slot(12, 14)
    found = slot_offers(
        [kind()], [free, closed, dropped], price=lambda _t, _d: 100, admits=at_any_time,
        today=DAY, now=NOW,
    )  # fmt: skip
    assert [(o.slot, o.state) for o in found] == [
        (closed, Availability.CLOSED),
        (free, Availability.OPEN),
    ]


def test_a_day_is_the_best_of_its_slots_at_the_lowest_price_that_can_be_bought():
    adult, child = kind(), kind(max_age=12, min_per_order=50)
    prices = {adult.id: 12000, child.id: 6000}
    slots = [slot(8, 10, taken=100), slot(10, 12, taken=90)]
    offers = slot_offers(
        [adult, child], slots, price=lambda t, _d: prices[t.id], admits=at_any_time,
        today=DAY, now=NOW,
    )  # fmt: skip
    day = day_offer(DAY, DayKind.HOLIDAY, offers, today=DAY, days_ahead=30)
    assert (day.state, day.price_fen, day.left) == (Availability.NEARLY_FULL, 12000, 10)
    assert not day.dearer


def test_a_day_knows_that_there_is_something_dearer():
    adult, child = kind(), kind(max_age=12)
    prices = {adult.id: 12000, child.id: 6000}
    offers = slot_offers(
        [adult, child], [slot(8, 10)], price=lambda t, _d: prices[t.id], admits=at_any_time,
        today=DAY, now=NOW,
    )  # fmt: skip
    day = day_offer(DAY, DayKind.HOLIDAY, offers, today=DAY, days_ahead=30)
    assert (day.price_fen, day.dearer) == (6000, True)


def test_a_day_without_slots():
    def state(offset: int) -> Availability:
        day = DAY + timedelta(days=offset)
        return day_offer(day, DayKind.WORKDAY, [], today=DAY, days_ahead=30).state

    assert state(-1) is Availability.OVER
    assert state(3) is Availability.CLOSED
    assert state(31) is Availability.NOT_YET


def test_day_availability_is_the_best():
    order = [
        Availability.OPEN,
        Availability.NEARLY_FULL,
        Availability.NOT_YET,
        Availability.SOLD_OUT,
    ]
    for index, state in enumerate(order):
        assert day_availability([Availability.OVER, Availability.CLOSED, *order[index:]]) is state
    assert day_availability([Availability.OVER]) is Availability.OVER
    assert day_availability([Availability.OVER, Availability.CLOSED]) is Availability.CLOSED
