"""Hours of a ticket type: the rule alone, the server's decision, and its sentences."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from shanmen.admission.rules import (
    Code,
    Entry,
    GateState,
    Policy,
    Reason,
    ScanFacts,
    TicketFacts,
    decide,
    text_key,
)
from shanmen.admission.say import texts
from shanmen.admission.service import override
from shanmen.catalog.admission_hours import HoursSpec
from shanmen.catalog.queries import ticket_type
from shanmen.catalog.schemas import Product
from shanmen.catalog.service import edit_ticket_type
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.kit.days import DayKind, plain_kind
from shanmen.kit.hours import Window, days_open
from tests.admission.conftest import CHIEF, Gates

ZONE = "Asia/Shanghai"
HOLIDAY = date(2026, 5, 1)
NIGHT = (Window(time(17), time(21, 30)),)
EARLY = (Window(time(0), time(9, 30)),)
NO_HOLIDAYS = (Window(time(0), time(0), day_kinds=(DayKind.WORKDAY, DayKind.WEEKEND)),)
SCAN = ScanFacts(Code.STATIC, generation=0)
EAST = {"en": "East gate"}


def kind_of(day: date) -> DayKind:
    return DayKind.HOLIDAY if date(2026, 5, 1) <= day <= date(2026, 5, 5) else plain_kind(day)


def at(hour: int, minute: int = 0, *, day: date = HOLIDAY) -> datetime:
    return clock.to_utc(day, time(hour, minute), ZONE)


YEAR = TicketFacts(
    site=1,
    valid_from=at(0, day=date(2026, 1, 1)),
    valid_until=at(0, day=date(2027, 1, 1)),
    party_size=1,
    entries=0,
    zones=1,
)
DAY = replace(YEAR, valid_from=at(0), valid_until=at(0, day=date(2026, 5, 2)), entries=1)


def gate(moment: datetime, **policy: Any) -> GateState:
    return GateState(
        now=moment, timezone=ZONE, site=1, zone=0, entrance=1, kind_of=kind_of,
        policy=Policy(**policy),
    )  # fmt: skip


STRICT = {"grace_before": timedelta(0), "grace_after": timedelta(0)}


def test_a_night_ticket() -> None:
    ticket = replace(DAY, hours=NIGHT)
    early = decide(ticket, SCAN, gate(at(12)))
    assert (early.reason, early.override_allowed) == (Reason.NOT_AT_THIS_HOUR, True)
    assert early.params == {"at": at(17), "day": HOLIDAY, "starts": at(17), "ends": at(21, 30)}
    assert decide(ticket, SCAN, gate(at(18))).admit
    over = decide(ticket, SCAN, gate(at(22)))
    assert (over.reason, over.params) == (Reason.NOT_AT_THIS_HOUR, {})
    assert text_key(Reason.NOT_AT_THIS_HOUR, over.params) == "not_at_this_hour_last"


def test_the_sites_grace_holds_for_hours_too() -> None:
    ticket = replace(DAY, hours=NIGHT)
    assert decide(ticket, SCAN, gate(at(16, 45))).admit
    assert not decide(ticket, SCAN, gate(at(16, 44))).admit
    assert not decide(ticket, SCAN, gate(at(16, 45), **STRICT)).admit


def test_a_pass_that_is_not_valid_on_public_holidays() -> None:
    ticket = replace(YEAR, hours=NO_HOLIDAYS)
    refused = decide(ticket, SCAN, gate(at(12)))
    assert refused.reason is Reason.NOT_ON_THIS_DAY
    assert (refused.params["day"], refused.params["day_kind"]) == (date(2026, 5, 6), "holiday")
    assert text_key(refused.reason, refused.params) == "not_on_this_day_holiday"
    assert decide(ticket, SCAN, gate(at(12, day=date(2026, 5, 6)))).admit


def test_a_day_of_the_week_is_no_kind_of_day() -> None:
    mondays = (Window(time(9), time(17), weekdays=1),)
    refused = decide(replace(YEAR, hours=mondays), SCAN, gate(at(12)))
    assert refused.reason is Reason.NOT_ON_THIS_DAY
    assert text_key(refused.reason, refused.params) == "not_on_this_day"
    assert refused.params["at"] == at(9, day=date(2026, 5, 4))


def test_the_last_day_of_a_pass() -> None:
    ticket = replace(YEAR, hours=NO_HOLIDAYS, valid_until=at(0, day=date(2026, 5, 4)))
    refused = decide(ticket, SCAN, gate(at(12)))
    assert text_key(Reason.NOT_ON_THIS_DAY, refused.params) == "not_on_this_day_last"


def test_who_came_in_the_hours_may_come_back_that_day() -> None:
    entered = Entry(at(9, 10), EAST)
    ticket = replace(YEAR, hours=EARLY, persons_entered=1, last_entry=entered)
    assert decide(ticket, SCAN, gate(at(15))).admit
    # Not with a ticket for one entry, and not on the day after.
    once = replace(ticket, entries=1, party_size=2, persons_entered=1)
    assert decide(once, SCAN, gate(at(15))).reason is Reason.NOT_AT_THIS_HOUR
    later = at(15, day=date(2026, 5, 2))
    assert decide(ticket, SCAN, gate(later)).reason is Reason.NOT_AT_THIS_HOUR


def test_who_came_after_midnight_came_in_the_hours_of_the_day_before() -> None:
    late = (Window(time(18), time(1)),)
    entered = Entry(at(0, 30), EAST)
    ticket = replace(YEAR, hours=late, persons_entered=1, last_entry=entered)
    assert decide(ticket, SCAN, gate(at(10))).reason is Reason.NOT_AT_THIS_HOUR
    assert decide(ticket, SCAN, gate(at(0, 59))).admit


def test_nobody_is_kept_from_leaving_by_hours() -> None:
    out = replace(gate(at(23)), direction="out")
    assert decide(replace(YEAR, hours=NIGHT), SCAN, out).admit


@given(
    st.lists(
        st.builds(
            Window,
            st.sampled_from([time(0), time(9), time(17), time(22)]),
            st.sampled_from([time(0), time(2), time(9), time(18)]),
            st.integers(1, 127),
            st.lists(st.sampled_from(DayKind), unique=True).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    st.datetimes(datetime(2026, 4, 27), datetime(2026, 5, 11), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_what_the_refusal_promises_is_kept(hours: tuple[Window, ...], moment: datetime) -> None:
    """A ticket is let in exactly in its hours, and at the moment that a refusal names."""
    ticket = replace(YEAR, hours=hours)
    decision = decide(ticket, SCAN, gate(moment, **STRICT))
    assert decision.admit == (not hours or bool(days_open(hours, moment, ZONE, kind_of)))
    if not decision.admit and "at" in decision.params:
        opens = decision.params["at"]
        assert isinstance(opens, datetime)
        assert opens > moment
        assert decide(ticket, SCAN, gate(opens, **STRICT)).admit
        before = opens - timedelta(seconds=1)
        assert not decide(ticket, SCAN, gate(before, **STRICT)).admit


@pytest.mark.parametrize("reason", ["already_used", "all_in", "still_inside"])
def test_where_it_was_used_may_not_be_known(reason: str) -> None:
    assert text_key(reason, {"place": {}}) == f"{reason}_plain"
    assert text_key(reason, {"place": EAST}) == reason


async def set_hours(gates: Gates, *windows: HoursSpec) -> None:
    async def change(session: Session) -> None:
        info = await ticket_type(session, ticket_type_id=gates.park.types["adult"])
        spec = structs.replace(Product.of(info).spec(), admission_hours=list(windows))
        await edit_ticket_type(session, ticket_type_id=info.id, spec=spec)

    await gates.unit(CHIEF)(change)


async def test_the_server_keeps_hours_of_tickets_that_were_sold_before(gates: Gates) -> None:
    made = await gates.ticket(ends=22)
    await set_hours(gates, HoursSpec(starts="17:00", ends="21:30"))
    early = await gates.scan(made.code, at=gates.at(11))
    assert (early.reason, early.override_allowed) == ("not_at_this_hour", True)
    assert texts(early, "en") == (
        "Opens at 17:00: it admits 17:00–21:30.",
        "This ticket admits 17:00–21:30. Please come back at 17:00.",
    )
    assert texts(early, "zh-CN") == (
        "未到可入园的时间：17:00–21:30，今天17:00开放。",
        "此票17:00–21:30可入园，请今天17:00再来。",
    )
    over = await gates.scan(made.code, at=gates.at(21, 50))
    assert texts(over, "en")[0] == "Its hours are over, and it expires before the next."
    assert (await gates.scan(made.code, at=gates.at(18))).outcome == "admitted"


async def test_a_supervisor_lets_in_outside_the_hours(gates: Gates) -> None:
    made = await gates.ticket()
    await set_hours(gates, HoursSpec(starts="17:00", ends="21:30"))
    refused = await gates.scan(made.code)
    with clock.at(gates.at(11, 1)):
        let_in = await gates.unit(CHIEF)(
            override, scan_id=refused.scan_id, persons=1, reason="A late coach."
        )
    assert (let_in.outcome, let_in.persons) == ("admitted", 1)


async def test_a_pass_for_every_other_day_of_the_week(gates: Gates) -> None:
    made = await gates.ticket(days=30, entries=0)
    tomorrow = gates.day + timedelta(days=1)
    await set_hours(gates, HoursSpec(weekdays=1 << tomorrow.weekday()))
    refused = await gates.scan(made.code)
    assert refused.reason == "not_on_this_day"
    sentence = texts(refused, "en")[0]
    assert sentence.startswith("Not valid on this day of the week; valid again on ")
    assert f"{tomorrow.day}" in sentence
    assert (await gates.scan(made.code, at=gates.at(11, days=1))).outcome == "admitted"
