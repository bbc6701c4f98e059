"""A place on the cableway is good at its own time: the rule, and the server's gates."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shanmen.admission.rules import Entry, Reason, TicketFacts, decide
from shanmen.admission.say import answer
from shanmen.tickets.zones import ZoneWindow
from tests.admission.conftest import Gates
from tests.admission.test_rules import CODE, EAST, GATE, NOON, TICKET

BOTH = 0b11
HOUR = timedelta(hours=1)
RIDE = ZoneWindow(1, NOON + 2 * HOUR, NOON + 3 * HOUR)
BUNDLE = replace(TICKET, zones=BOTH, entered_zones={}, zone_windows=(RIDE,))
CAME = replace(BUNDLE, entered_zones={0: 1}, last_entry=Entry(NOON, EAST))
"""Its holder is inside the main gate, where the slot ends at one."""


def reason(ticket: TicketFacts, hours: float, *, zone: int = 1) -> Reason | None:
    gate = replace(GATE, zone=zone, now=NOON + hours * HOUR)
    return decide(ticket, CODE, gate).reason


@pytest.mark.parametrize("ticket", [BUNDLE, CAME])
@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (-24, Reason.TOMORROW),
        (-48, Reason.OTHER_DAY),
        (0, Reason.NOT_OPEN_YET),
        (1.74, Reason.NOT_OPEN_YET),
        (1.75, None),
        (2.5, None),
        (3.24, None),
        (3.25, Reason.SLOT_OVER),
        (24, Reason.EXPIRED),
    ],
)
def test_a_zone_of_its_own_time_opens_then(ticket, hours, expected) -> None:
    assert reason(ticket, hours) is expected


@pytest.mark.parametrize(
    ("hours", "expected"), [(-2, Reason.NOT_OPEN_YET), (0, None), (2.5, Reason.SLOT_OVER)]
)
def test_the_visits_own_zone_is_as_ever(hours, expected) -> None:
    assert reason(BUNDLE, hours, zone=0) is expected
    assert reason(replace(BUNDLE, zone_windows=()), hours, zone=0) is expected


def test_a_further_zone_without_a_time_opens_to_who_came_in_time() -> None:
    three = replace(CAME, zones=0b111)
    assert reason(three, 5, zone=2) is None
    assert reason(replace(three, last_entry=None), 5, zone=2) is Reason.SLOT_OVER


def test_the_refusal_names_the_zones_own_window() -> None:
    early = decide(CAME, CODE, replace(GATE, zone=1, now=NOON))
    assert (early.params["starts"], early.params["ends"]) == (RIDE.starts, RIDE.ends)
    assert early.params["minutes"] == 105
    moved = decide(replace(CAME, generation=1), CODE, replace(GATE, zone=1, now=NOON))
    assert (moved.reason, moved.params["starts"]) == (Reason.REPLACED, RIDE.starts)


def test_who_rode_in_time_may_ride_again_where_the_ticket_lets_them() -> None:
    again = replace(CAME, entries=0)
    assert reason(again, 5) is Reason.SLOT_OVER
    rode = replace(again, entered_zones={0: 1, 1: 1})
    assert reason(rode, 5) is None
    assert reason(replace(rode, entries=1), 5) is Reason.ALREADY_USED


def test_a_ticket_of_two_days_has_its_ride_on_both() -> None:
    two = replace(BUNDLE, valid_until=TICKET.valid_until + timedelta(days=1), entries=0)
    for day in (0, 24):
        assert reason(two, day + 2.5) is None
        assert reason(two, day + 1) is Reason.NOT_OPEN_YET
    assert reason(two, 5) is Reason.TOMORROW
    assert reason(two, 24 + 5) is Reason.SLOT_OVER


def test_nobody_is_kept_from_leaving_for_the_time() -> None:
    assert decide(CAME, CODE, replace(GATE, zone=1, direction="out")).admit


async def test_the_server_admits_in_the_zones_window_alone(gates: Gates):
    made = await gates.ticket(zones=BOTH, windows=[(1, 14, 15)])
    ride = {"lane_id": gates.ride}
    assert (await gates.scan(made.code, at=gates.at(10, 30))).outcome == "admitted"
    early = await gates.scan(made.code, at=gates.at(11), **ride)
    assert (early.reason, early.params["minutes"]) == ("not_open_yet", 165)
    assert (early.valid_from, early.valid_until) == (gates.at(14), gates.at(15))
    shown = answer(early, "en")
    assert (shown.slot, shown.sentence) == (
        "14:00–15:00",
        "Slot 14:00–15:00, opens in 165 min.",
    )
    late = await gates.scan(made.code, at=gates.at(15, 15), **ride)
    assert (late.reason, answer(late, "zh-CN").sentence) == (
        "slot_over",
        "预约时段14:00–15:00已过。",
    )
    assert (await gates.scan(made.code, at=gates.at(15, 14), **ride)).outcome == "admitted"
    used = await gates.scan(made.code, at=gates.at(14, 30))
    assert (used.reason, answer(used, "en").slot) == ("already_used", "10:00–12:00")


async def test_rides_without_limit_go_on_for_who_rode_in_time(gates: Gates):
    rode, late = [
        await gates.ticket(zones=BOTH, entries=0, windows=[(1, 14, 15)]) for _ in range(2)
    ]
    ride = {"lane_id": gates.ride}
    for made in (rode, late):
        assert (await gates.scan(made.code, at=gates.at(10, 30))).outcome == "admitted"
    assert (await gates.scan(rode.code, at=gates.at(14, 30), **ride)).outcome == "admitted"
    assert (await gates.scan(rode.code, at=gates.at(16), **ride)).outcome == "admitted"
    assert (await gates.scan(late.code, at=gates.at(16), **ride)).reason == "slot_over"
