"""Lanes, rules at the gate, and the board of a lane."""

from typing import Any

import pytest

from shanmen.admission import queries, service
from shanmen.admission.errors import (
    BadDirection,
    EntranceUnknown,
    LaneUnknown,
    OutOfRange,
    SiteUnknown,
)
from shanmen.kit import clock, ids
from shanmen.sites.errors import NameMissing
from tests.admission.conftest import CHIEF, Gates


async def test_lanes_are_numbered_within_their_entrance(gates: Gates) -> None:
    found = await gates.unit()(queries.lanes, site_id=gates.park.site_id)
    numbers: dict[str, list[int]] = {}
    for lane in found:
        numbers.setdefault(lane.entrance_name["en"], []).append(lane.number)
    assert list(numbers) == ["East gate", "West gate", "Cableway station"]
    assert all(several == list(range(1, len(several) + 1)) for several in numbers.values())
    assert await gates.unit()(queries.lanes, site_id=ids.new_id()) == ()


async def test_changing_a_lane(gates: Gates) -> None:
    unit = gates.unit(CHIEF)
    lane = await unit(
        service.change_lane, lane_id=gates.east, name={"zh-CN": "快速通道"}, direction="both"
    )
    assert (lane.name, lane.direction, lane.open) == ({"zh-CN": "快速通道"}, "both", True)
    closed = await unit(service.change_lane, lane_id=gates.east, active=False)
    assert (closed.open, closed.direction) == (False, "both")


async def test_what_a_lane_cannot_be(gates: Gates) -> None:
    unit = gates.unit(CHIEF)
    with pytest.raises(EntranceUnknown):
        await unit(service.create_lane, entrance_id=ids.new_id(), name={"zh-CN": "x"})
    with pytest.raises(BadDirection):
        await unit(
            service.create_lane,
            entrance_id=gates.park.entrance_id,
            name={"zh-CN": "x"},
            direction="up",
        )
    with pytest.raises(NameMissing):
        await unit(service.create_lane, entrance_id=gates.park.entrance_id, name={})
    with pytest.raises(LaneUnknown):
        await unit(service.change_lane, lane_id=ids.new_id(), active=False)
    with pytest.raises(BadDirection):
        await unit(service.change_lane, lane_id=gates.east, direction="")


async def test_rules_have_defaults_and_bounds(gates: Gates) -> None:
    unit, site = gates.unit(CHIEF), gates.park.site_id
    policy = await unit(queries.policy_of, site_id=site)
    assert (policy.grace_before_minutes, policy.grace_after_minutes, policy.repeat_seconds) == (
        15, 15, 15,
    )  # fmt: skip
    good: dict[str, Any] = {
        "grace_before_minutes": 5,
        "grace_after_minutes": 30,
        "repeat_seconds": 0,
    }
    adult = gates.park.types["adult"]
    await unit(
        service.set_policy, site_id=site, entrances={adult: [gates.park.entrance_id]}, **good
    )
    kept = await unit(service.set_policy, site_id=site, **{**good, "grace_before_minutes": 6})
    assert kept.entrances == {adult: (gates.park.entrance_id,)}
    assert await unit(queries.policy_of, site_id=site) == kept
    for field, value in (("grace_before_minutes", -1), ("repeat_seconds", 3601)):
        with pytest.raises(OutOfRange) as caught:
            await unit(service.set_policy, site_id=site, **{**good, field: value})
        assert caught.value.field == field
    with pytest.raises(EntranceUnknown):
        await unit(service.set_policy, site_id=site, entrances={adult: [ids.new_id()]}, **good)
    with pytest.raises(SiteUnknown):
        await unit(service.set_policy, site_id=ids.new_id(), **good)
    assert await unit(queries.policy_of, site_id=site) == kept


async def test_the_board_of_a_lane(gates: Gates) -> None:
    made = await gates.ticket("family")
    for minute in range(12):
        await gates.scan(made.code, at=gates.at(11, minute))
    await gates.scan(made.code, lane_id=gates.west)
    with clock.at(gates.at(12)):
        board = await gates.unit()(queries.board, lane_id=gates.east)
        assert (board.counts.entered, board.counts.refused) == (3, 11)
        assert len(board.last) == 10
        assert board.last[0].at == gates.at(11, 11)
    with clock.at(gates.at(9, days=1)):
        tomorrow = await gates.unit()(queries.board, lane_id=gates.east)
    assert tomorrow.counts == queries.Counts()
    with pytest.raises(LaneUnknown):
        await gates.unit()(queries.board, lane_id=ids.new_id())
