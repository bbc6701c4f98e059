"""Schedules against slots that exist: what may change and what must not."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from shanmen.inventory.rules import NO_CAP, SlotPlan
from shanmen.inventory.service.reconcile import (
    CounterPlan,
    CounterState,
    ExistingSlot,
    reconcile,
)

DAY = date(2026, 10, 1)
POOL = uuid4()
NOW = datetime(2026, 9, 1, tzinfo=UTC)


def existing(start: int, end: int, *, capacity: int = 100, taken: int = 0, **more: object):
    values: dict[str, Any] = {
        "id": uuid4(),
        "pool_id": POOL,
        "day": DAY,
        "starts": time(start),
        "ends": time(end),
        "starts_at": datetime.combine(DAY, time(start), UTC),
        "ends_at": datetime.combine(DAY, time(end), UTC),
        "status": "open",
        "edited": False,
        "own_allotments": False,
        "capacity": capacity,
        "taken": taken,
        "counters": {},
    } | more
    return ExistingSlot(**values)


def plan(start: int, end: int, capacity: int = 100) -> SlotPlan:
    return SlotPlan(time(start), time(end), capacity)


def compare(plans, slots, now=NOW):
    return reconcile({DAY: plans}, slots, pool_id=POOL, now=now)


hours = st.integers(0, 22)
plan_days = st.lists(st.tuples(hours, st.integers(0, 200)), max_size=8, unique_by=lambda p: p[0])
slot_days = st.lists(
    st.builds(
        lambda start, capacity, taken, status, edited: existing(
            start,
            start + 1,
            capacity=capacity,
            taken=min(taken, capacity),
            status=status,
            edited=edited,
        ),
        hours,
        st.integers(0, 200),
        st.integers(0, 200),
        st.sampled_from(["open", "closed"]),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda s: s.starts,
)


@given(plan_days, slot_days)
def test_what_is_sold_or_edited_is_never_harmed(planned, slots):
    plans = [plan(start, start + 1, capacity) for start, capacity in planned]
    found = compare(plans, slots)
    for update in found.update:
        assert not update.slot.edited
        assert update.capacity >= update.slot.taken
        if update.slot.taken:
            assert update.ends == update.slot.ends
            assert update.status == "open" or update.slot.status == "closed"
        assert update.differs
    assert {new.plan for new in found.create} == {
        p for p in plans if p.starts not in {s.starts for s in slots}
    }


@given(plan_days, slot_days)
def test_doing_it_again_changes_nothing(planned, slots):
    plans = [plan(start, start + 1, capacity) for start, capacity in planned]
    found = compare(plans, slots)
    changed = {u.slot.id: u for u in found.update}
    after = [
        existing(
            s.starts.hour,
            changed[s.id].ends.hour if s.id in changed else s.ends.hour,
            id=s.id,
            capacity=changed[s.id].capacity if s.id in changed else s.capacity,
            status=changed[s.id].status if s.id in changed else s.status,
            taken=s.taken,
            edited=s.edited,
        )
        for s in slots
    ] + [
        existing(n.plan.starts.hour, n.plan.ends.hour, capacity=n.plan.capacity)
        for n in found.create
    ]
    again = compare(plans, after)
    assert (again.create, again.update) == ((), ())


def test_missing_slots_are_made():
    found = compare([plan(8, 10), plan(10, 12)], [existing(8, 10)])
    assert [new.plan for new in found.create] == [plan(10, 12)]
    assert not found.update


def test_an_unsold_slot_follows_the_schedule():
    [update] = compare([plan(8, 11, 50)], [existing(8, 10)]).update
    assert (update.ends, update.capacity, update.status) == (time(11), 50, "open")


def test_a_sold_slot_keeps_its_end_and_what_is_taken():
    sold = existing(8, 10, taken=70)
    found = compare([plan(8, 11, 50)], [sold])
    [update] = found.update
    assert (update.ends, update.capacity) == (time(10), 70)
    assert found.kept_sold == (sold,)


def test_a_slot_that_is_no_longer_planned_closes_unless_it_was_sold():
    free, sold = existing(8, 10), existing(10, 12, taken=1)
    found = compare([], [free, sold])
    assert [(u.slot, u.status) for u in found.update] == [(free, "closed")]
    assert found.kept_sold == (sold,)
    assert found.closed == 1


def test_a_slot_that_is_planned_again_opens():
    found = compare([plan(8, 10)], [existing(8, 10, status="closed")])
    assert [u.status for u in found.update] == ["open"]
    assert found.opened == 1


def test_what_was_edited_by_hand_stays():
    closed = existing(8, 10, status="closed", edited=True)
    found = compare([plan(8, 10)], [closed])
    assert (found.update, found.kept_edited) == ((), (closed,))
    left_out = compare([], [existing(8, 10, edited=True)])
    assert left_out.update == ()


def test_the_past_stays():
    over = existing(8, 10)
    now = over.ends_at + timedelta(seconds=1)
    found = compare([plan(8, 12, 1)], [over], now=now)
    assert (found.create, found.update) == ((), ())


def test_days_that_were_not_asked_about_stay():
    other = existing(8, 10, day=DAY + timedelta(days=1))
    assert compare([], [other]).update == ()


def share(places: int, *, taken: int = 0, releases_at: datetime | None = None) -> CounterState:
    return CounterState(uuid4(), CounterPlan(NO_CAP, "fixed", places, releases_at), taken)


def test_capacity_never_falls_below_what_was_reserved_by_hand():
    counters = {("channel", "ota"): share(30, taken=10), ("channel", "web"): share(5, taken=9)}
    slot = existing(8, 10, taken=25, own_allotments=True, counters=counters)
    [update] = compare([plan(8, 10, 20)], [slot]).update
    assert update.capacity == 25 + 20
    # The pool's division follows the capacity; a share that is released reserves nothing.
    [update] = compare([plan(8, 10, 20)], [replace(slot, own_allotments=False)]).update
    assert update.capacity == 25
    counters["channel", "ota"] = share(30, taken=10, releases_at=NOW)
    [update] = compare([plan(8, 10, 20)], [replace(slot, counters=counters)]).update
    assert update.capacity == 25
