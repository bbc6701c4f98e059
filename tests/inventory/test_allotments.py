"""The arithmetic of channels' shares: nobody takes what another was promised."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shanmen.inventory.allotments import (
    AllotmentRule,
    ShareKind,
    SharePlan,
    ShareState,
    claims,
    fitted,
    left_for,
    overdrawn,
    parts,
    reserved,
)
from shanmen.inventory.errors import SoldOut
from shanmen.inventory.stock import Counter, LockedSlot, LockedStock, ShareCounter

NOW = datetime(2026, 10, 1, tzinfo=UTC)
STARTS = NOW + timedelta(days=1)
TYPE, POOL = uuid4(), uuid4()
CHANNELS = ["web", "window", "ota", "agency"]


def share(kind: str, places: int, taken: int = 0, releases_at: datetime | None = None):
    return ShareState(kind, places, releases_at, held=taken)


def left(channel: str, free: int, **shares: ShareState) -> int:
    return left_for(channel, left=free, shares=shares, now=NOW)


def test_a_fixed_share_is_all_that_a_channel_has():
    shares = {"ota": share("fixed", 30, 10)}
    assert left("ota", 90, **shares) == 20
    assert left("web", 90, **shares) == 70
    assert left("ota", 90, ota=share("fixed", 5, 10)) == -5
    assert left("web", 90, ota=share("fixed", 5, 10)) == 90


def test_a_minimum_is_kept_and_common_stock_comes_besides():
    shares = {"ota": share("minimum", 30, 10), "window": share("fixed", 20)}
    assert left("ota", 90, **shares) == 70
    assert left("web", 90, **shares) == 50
    assert left("ota", 50, ota=share("minimum", 30, 40)) == 50


def test_a_share_that_is_released_is_common_stock():
    before = {"ota": share("fixed", 30, 10, NOW + timedelta(seconds=1))}
    after = {"ota": share("fixed", 30, 10, NOW)}
    assert (left("ota", 90, **before), left("web", 90, **before)) == (20, 70)
    assert (left("ota", 90, **after), left("web", 90, **after)) == (90, 90)


def test_who_still_believes_in_a_released_share_takes_nothing_of_another():
    """Somebody's clock says that the share is not released, and others have bought from it."""
    shares = {"ota": share("fixed", 5, 0, NOW + timedelta(seconds=1)), "web": share("fixed", 5)}
    assert left("ota", 5, **shares) == 0


def test_a_rule_speaks_of_each_slot_by_its_capacity_and_start():
    rule_ = AllotmentRule("ota", "fixed", percent=33, release_minutes=90)
    plan = rule_.plan(capacity=50, starts_at=STARTS)
    assert plan == SharePlan("ota", "fixed", 16, STARTS - timedelta(minutes=90))
    assert AllotmentRule("ota", "minimum", places=7).plan(
        capacity=1, starts_at=STARTS
    ) == SharePlan("ota", "minimum", 7)


def test_what_is_too_much_is_named():
    plans = [SharePlan("ota", "fixed", 30), SharePlan("web", "minimum", 40)]
    assert overdrawn(plans, left=70, taken={}, now=NOW) is None
    assert overdrawn(plans, left=60, taken={}, now=NOW) == (1, 30)
    assert overdrawn(plans, left=60, taken={"web": 12}, now=NOW) is None
    assert overdrawn(plans, left=10, taken={"ota": 4}, now=NOW) == (0, 14)
    gone = [SharePlan("ota", "fixed", 99, NOW)]
    assert overdrawn(gone, left=0, taken={}, now=NOW) is None


plans_ = st.lists(
    st.builds(
        SharePlan,
        st.sampled_from(CHANNELS),
        st.sampled_from([kind.value for kind in ShareKind]),
        st.integers(0, 120),
        st.sampled_from([None, NOW, NOW + timedelta(hours=1)]),
    ),
    max_size=4,
    unique_by=lambda plan: plan.channel,
)
takings = st.dictionaries(st.sampled_from(CHANNELS), st.integers(0, 40))


@given(plans_, takings, st.integers(0, 100))
def test_shares_are_fitted_into_what_is_left(plans, taken, free):
    found = fitted(plans, left=free, taken=taken, now=NOW)
    assert claims(found, taken=taken, now=NOW) <= free
    assert overdrawn(found, left=free, taken=taken, now=NOW) is None
    for plan, got in zip(plans, found, strict=True):
        assert got.places <= plan.places
        assert got.places == plan.places or got.places >= taken.get(plan.channel, 0)
    if overdrawn(plans, left=free, taken=taken, now=NOW) is None:
        assert found == plans


@given(plans_, takings, st.integers(0, 100))
def test_parts_add_up_to_the_capacity(plans, taken, free):
    found = fitted(plans, left=free, taken=taken, now=NOW)
    shares = {
        p.channel: share(p.kind, p.places, taken.get(p.channel, 0), p.releases_at) for p in found
    }
    held = sum(s.taken for s in shares.values()) + 3
    shown = parts(shares, held=held, sold=0, left=free, now=NOW)
    assert sum(p.held + p.sold + p.reserved for p in shown) == held + free
    assert [p.channel for p in shown] == [*sorted(shares), ""]


class Division(RuleBasedStateMachine):
    """Channels buy and give back, the clock goes on, and the division changes."""

    @initialize(capacity=st.integers(0, 60), plans=plans_)
    def open(self, capacity: int, plans: list[SharePlan]) -> None:
        self.now = NOW - timedelta(hours=1)
        whole = Counter(UUID(int=1), capacity, 0, 0)
        self.slot = LockedSlot(
            UUID(int=1), POOL, STARTS.date(), STARTS, STARTS + timedelta(hours=2), "open", whole
        )
        self.stock = LockedStock({self.slot.id: self.slot})
        self.taken = dict.fromkeys(CHANNELS, 0)
        self._set(plans)

    def _set(self, plans: list[SharePlan]) -> None:
        found = fitted(plans, left=self.slot.whole.left, taken=self.taken, now=self.now)
        self.slot.shares = {
            p.channel: ShareCounter(
                uuid4(), 10**9, self.taken[p.channel], 0, kind=p.kind, places=p.places,
                releases_at=p.releases_at,
            )
            for p in found
        }  # fmt: skip

    @rule(channel=st.sampled_from(CHANNELS), places=st.integers(1, 30))
    def buy(self, channel: str, places: int) -> None:
        promised = (
            reserved(self.slot.shares[channel], self.now) if channel in self.slot.shares else 0
        )
        may = self.slot.left_for(channel, self.now)
        try:
            self.stock.hold(
                [(self.slot.id, TYPE, places)], channel=channel, now=self.now, sold=True
            )
        except SoldOut:
            assert places > may
            assert places > promised, "a promise was broken"
            return
        assert places <= may
        self.taken[channel] += places

    @rule(channel=st.sampled_from(CHANNELS), places=st.integers(1, 30))
    def give_back(self, channel: str, places: int) -> None:
        places = min(places, self.taken[channel])
        self.stock.give_back([(self.slot.id, TYPE, channel, places)])
        self.taken[channel] -= places

    @rule(plans=plans_)
    def divide(self, plans: list[SharePlan]) -> None:
        self._set(plans)

    @rule()
    def time_goes_on(self) -> None:
        self.now += timedelta(hours=1)

    @invariant()
    def promises_can_be_kept(self) -> None:
        if not hasattr(self, "slot"):
            return
        whole = self.slot.whole
        assert whole.taken == sum(self.taken.values())
        assert whole.taken <= whole.capacity
        for channel, counter in self.slot.shares.items():
            assert counter.taken == self.taken[channel]
        kept = sum(reserved(s, self.now) for s in self.slot.shares.values())
        assert kept <= whole.left


TestDivision = Division.TestCase


def test_a_refusal_says_what_is_left_to_the_channel_alone():
    whole = Counter(UUID(int=1), 100, 0, 0)
    shares = {"ota": ShareCounter(uuid4(), 10**9, 0, 0, kind="fixed", places=3)}
    slot = LockedSlot(UUID(int=1), POOL, STARTS.date(), STARTS, STARTS, "open", whole, {}, shares)
    stock = LockedStock({slot.id: slot})
    with pytest.raises(SoldOut) as refused:
        stock.hold([(slot.id, TYPE, 4)], channel="ota", now=NOW)
    assert refused.value.params["left"] == 3
    stock.hold([(slot.id, TYPE, 2), (slot.id, TYPE, 1)], channel="ota", now=NOW)
    with pytest.raises(SoldOut):
        stock.hold([(slot.id, TYPE, 1)], channel="ota", now=NOW)
    stock.hold([(slot.id, TYPE, 97)], channel="web", now=NOW)
    assert stock.changes() == {slot.id: (100, 0), shares["ota"].id: (3, 0)}
