"""The decision alone, with facts made up."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from shanmen.admission.rules import (
    CLOSEST_FIRST,
    NOT_OVERRIDABLE,
    Code,
    DocumentCheck,
    Entry,
    GateState,
    Policy,
    Reason,
    ScanFacts,
    TicketFacts,
    best,
    decide,
    refuse,
)
from shanmen.kit.hours import Window
from shanmen.tickets.token import ROTATING, SECOND_FACTOR

NOON = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
EAST = {"zh-CN": "东门", "en": "East gate"}

TICKET = TicketFacts(
    site=1,
    valid_from=NOON - timedelta(hours=1),
    valid_until=NOON + timedelta(hours=1),
    party_size=1,
    entries=1,
    zones=0b1,
)
FAMILY = replace(TICKET, party_size=3)
EVENING = Window(time(17), time(21))
CODE = ScanFacts(Code.STATIC, generation=0)
GATE = GateState(
    now=NOON,
    timezone="Asia/Shanghai",
    site=1,
    zone=0,
    entrance=1,
    site_names={2: {"en": "Lake"}},
    zone_names={0: {"en": "Main"}, 1: {"en": "Cableway"}},
    entrance_names={1: EAST, 2: {"en": "West gate"}},
)


def test_a_valid_ticket_is_admitted() -> None:
    decision = decide(TICKET, CODE, GATE)
    assert (decision.admit, decision.persons, decision.persons_left) == (True, 1, 0)
    assert decision.reason is None
    assert decision.tell is None
    assert not decision.override_allowed


@pytest.mark.parametrize(
    ("ticket", "scan", "gate", "reason"),
    [
        (None, CODE, {}, Reason.UNKNOWN),
        (None, replace(CODE, code=Code.FORGED), {}, Reason.BAD_SIGNATURE),
        (TICKET, replace(CODE, code=Code.FORGED), {}, Reason.BAD_SIGNATURE),
        (None, ScanFacts(Code.MISTYPED), {}, Reason.DOCUMENT_MISTYPED),
        (None, replace(CODE, code=Code.UNREADABLE), {}, Reason.UNREADABLE),
        (None, replace(CODE, code=Code.DOCUMENT), {}, Reason.NO_TICKET_TODAY),
        (replace(TICKET, status="unpaid"), CODE, {}, Reason.UNPAID),
        (replace(TICKET, status="refunded"), CODE, {}, Reason.REFUNDED),
        (replace(TICKET, generation=1), CODE, {}, Reason.REPLACED),
        (replace(TICKET, site=2), CODE, {}, Reason.WRONG_SITE),
        (replace(TICKET, zones=0b10), CODE, {}, Reason.WRONG_ZONE),
        (replace(TICKET, entrances=frozenset({2})), CODE, {}, Reason.WRONG_ENTRANCE),
        (replace(TICKET, persons_entered=1), CODE, {}, Reason.ALREADY_USED),
        (replace(FAMILY, persons_entered=3), CODE, {}, Reason.ALL_IN),
        (FAMILY, replace(CODE, persons=4), {}, Reason.TOO_MANY),
        (TICKET, CODE, {"now": NOON - timedelta(hours=2)}, Reason.NOT_OPEN_YET),
        (TICKET, CODE, {"now": NOON - timedelta(days=1)}, Reason.TOMORROW),
        (TICKET, CODE, {"now": NOON - timedelta(days=2)}, Reason.OTHER_DAY),
        (TICKET, CODE, {"now": NOON + timedelta(hours=2)}, Reason.SLOT_OVER),
        (TICKET, CODE, {"now": NOON + timedelta(days=1)}, Reason.EXPIRED),
        (replace(TICKET, hours=(EVENING,)), CODE, {}, Reason.NOT_AT_THIS_HOUR),
        (replace(TICKET, hours=(replace(EVENING, weekdays=1),)), CODE, {}, Reason.NOT_ON_THIS_DAY),
        (TICKET, replace(CODE, document=DocumentCheck.DIFFERS), {}, Reason.DOCUMENT_MISMATCH),
        (replace(TICKET, flags=SECOND_FACTOR), CODE, {}, Reason.DOCUMENT_REQUIRED),
        (replace(TICKET, flags=ROTATING), CODE, {}, Reason.DOCUMENT_REQUIRED),
        (replace(TICKET, flags=ROTATING, has_documents=False), CODE, {}, Reason.CODE_STALE),
        (replace(TICKET, flags=ROTATING), replace(CODE, code=Code.STALE), {}, Reason.CODE_STALE),
        (replace(TICKET, flags=ROTATING), replace(CODE, code=Code.AHEAD), {}, Reason.CODE_AHEAD),
        (TICKET, CODE, {"open": False}, Reason.LANE_CLOSED),
        (TICKET, replace(CODE, blocked=True), {}, Reason.BLOCKED),
        (
            replace(TICKET, entries=0, persons_inside=1, inside_zones={0: 1}),
            CODE,
            {"policy": Policy(anti_passback=True)},
            Reason.STILL_INSIDE,
        ),
        (replace(TICKET, companion=True), CODE, {}, Reason.COMPANION_MISSING),
        (TICKET, CODE, {"room": 0}, Reason.ZONE_FULL),
        (replace(TICKET, static_code="document"), CODE, {}, Reason.DOCUMENT_REQUIRED),
        (
            replace(TICKET, static_code="document"),
            replace(CODE, document=DocumentCheck.UNREADABLE),
            {},
            Reason.DOCUMENTS_UNREADABLE,
        ),
        (
            replace(TICKET, entries=0, last_entry=Entry(NOON - timedelta(seconds=5), EAST)),
            CODE,
            {},
            Reason.TOO_SOON,
        ),
    ],
)
def test_every_refusal(ticket, scan, gate, reason) -> None:
    decision = decide(ticket, scan, replace(GATE, **gate))
    assert not decision.admit
    assert decision.persons == 0
    assert decision.reason is reason
    assert decision.tell == f"admission.tell.{reason}"


def test_every_reason_is_reached_above() -> None:
    cases = next(
        mark.args[1] for mark in test_every_refusal.pytestmark if mark.name == "parametrize"
    )
    # That one is no rule's: a gate that has stopped says so of what it left undecided.
    assert {case[3] for case in cases} == set(Reason) - {Reason.GATE_STOPPED}


def test_every_reason_of_a_known_ticket_is_ranked() -> None:
    found_without_ticket = {
        Reason.UNREADABLE,
        Reason.UNKNOWN,
        Reason.BAD_SIGNATURE,
        Reason.NO_TICKET_TODAY,
        Reason.DOCUMENT_MISTYPED,
        Reason.LANE_CLOSED,
        Reason.DOCUMENT_MISMATCH,
        Reason.GATE_STOPPED,
    }
    assert set(CLOSEST_FIRST) == set(Reason) - found_without_ticket


def test_the_grace_is_inclusive_before_and_exclusive_after() -> None:
    opens = TICKET.valid_from - timedelta(minutes=15)
    closes = TICKET.valid_until + timedelta(minutes=15)
    assert decide(TICKET, CODE, replace(GATE, now=opens)).admit
    assert not decide(TICKET, CODE, replace(GATE, now=opens - timedelta(seconds=1))).admit
    assert decide(TICKET, CODE, replace(GATE, now=closes - timedelta(seconds=1))).admit
    assert not decide(TICKET, CODE, replace(GATE, now=closes)).admit


def test_the_grace_is_the_operators() -> None:
    strict = Policy(grace_before=timedelta(0), grace_after=timedelta(0))
    early = replace(GATE, now=TICKET.valid_from - timedelta(minutes=1), policy=strict)
    decision = decide(TICKET, CODE, early)
    assert decision.reason is Reason.NOT_OPEN_YET
    assert decision.params["minutes"] == 1


def test_minutes_to_wait_are_rounded_up() -> None:
    now = TICKET.valid_from - timedelta(minutes=40, seconds=-30)
    decision = decide(TICKET, CODE, replace(GATE, now=now))
    assert decision.params["minutes"] == 25


def test_used_says_when_and_where() -> None:
    used = replace(TICKET, persons_entered=1, last_entry=Entry(NOON - timedelta(hours=1), EAST))
    decision = decide(used, CODE, GATE)
    assert decision.params == {"persons": 1, "at": NOON - timedelta(hours=1), "place": EAST}
    assert decision.override_allowed


def test_wrong_zone_says_where_to_go() -> None:
    decision = decide(replace(TICKET, zones=0b10), CODE, GATE)
    assert decision.params == {"here": {"en": "Main"}, "places": [{"en": "Cableway"}]}


def test_a_family_enters_at_once_or_part_by_part() -> None:
    assert decide(FAMILY, CODE, GATE).persons == 3
    part = decide(FAMILY, replace(CODE, persons=2), GATE)
    assert (part.persons, part.persons_left) == (2, 1)
    rest = decide(replace(FAMILY, persons_entered=2), CODE, GATE)
    assert (rest.persons, rest.persons_left) == (1, 0)


def test_many_entries_and_entries_without_limit() -> None:
    twice = replace(TICKET, entries=2, persons_entered=1)
    assert decide(twice, CODE, GATE).admit
    assert decide(replace(twice, persons_entered=2), CODE, GATE).reason is Reason.ALREADY_USED
    always = replace(FAMILY, entries=0, persons_entered=300)
    decision = decide(always, CODE, GATE)
    assert (decision.persons, decision.persons_left) == (3, 3)


def test_several_days() -> None:
    pass_ = replace(TICKET, valid_until=NOON + timedelta(days=3), entries=0)
    assert decide(pass_, CODE, replace(GATE, now=NOON + timedelta(days=2))).admit
    late = decide(pass_, CODE, replace(GATE, now=NOON + timedelta(days=4)))
    assert late.reason is Reason.EXPIRED


def test_who_came_in_time_may_come_back_that_day() -> None:
    evening = replace(GATE, now=NOON + timedelta(hours=5))
    again = replace(TICKET, entries=0)
    assert decide(again, CODE, evening).reason is Reason.SLOT_OVER
    entry = Entry(NOON, {"en": "East gate"})
    assert decide(replace(again, persons_entered=1, last_entry=entry), CODE, evening).admit
    once = replace(FAMILY, persons_entered=1, last_entry=entry)
    assert decide(once, CODE, evening).reason is Reason.SLOT_OVER


@pytest.mark.parametrize(("zone", "reason"), [(0, Reason.ALREADY_USED), (1, None)])
def test_entries_count_in_each_zone(zone: int, reason: Reason | None) -> None:
    bundle = replace(
        TICKET, zones=0b11, entered_zones={0: 1}, last_entry=Entry(NOON, {"en": "East gate"})
    )
    decision = decide(bundle, CODE, replace(GATE, zone=zone, now=NOON + timedelta(hours=5)))
    assert decision.reason is reason


def test_a_fresh_code_or_the_document_proves_a_ticket_with_a_moving_code() -> None:
    moving = replace(TICKET, flags=ROTATING)
    assert decide(moving, replace(CODE, code=Code.FRESH), GATE).admit
    assert decide(moving, replace(CODE, document=DocumentCheck.MATCHES), GATE).admit
    stale = replace(CODE, code=Code.STALE, document=DocumentCheck.MATCHES)
    assert decide(moving, stale, GATE).admit
    assert decide(moving, ScanFacts(Code.DOCUMENT, document=DocumentCheck.MATCHES), GATE).admit


def test_a_fresh_code_does_not_replace_the_second_factor() -> None:
    both = replace(TICKET, flags=ROTATING | SECOND_FACTOR)
    assert decide(both, replace(CODE, code=Code.FRESH), GATE).reason is Reason.DOCUMENT_REQUIRED


def test_a_typed_number_is_no_better_than_paper() -> None:
    assert decide(TICKET, ScanFacts(Code.TYPED), GATE).admit
    moving = replace(TICKET, flags=ROTATING)
    assert decide(moving, ScanFacts(Code.TYPED), GATE).reason is Reason.DOCUMENT_REQUIRED


def test_the_same_document_waits() -> None:
    just_now = ScanFacts(
        Code.DOCUMENT,
        document=DocumentCheck.MATCHES,
        document_admitted_at=NOON - timedelta(seconds=5),
    )
    refused = decide(FAMILY, just_now, GATE)
    assert refused.reason is Reason.TOO_SOON
    assert refused.params["seconds"] == 10
    # Whoever says how many enter has not shown another document by that.
    assert decide(FAMILY, replace(just_now, persons=1), GATE).reason is Reason.TOO_SOON
    with_code = replace(just_now, code=Code.STATIC, generation=0, persons=1)
    assert decide(FAMILY, with_code, GATE).reason is Reason.TOO_SOON
    off = replace(GATE, policy=Policy(repeat_after=timedelta(0)))
    assert decide(FAMILY, just_now, off).admit
    assert decide(FAMILY, just_now, replace(GATE, now=NOON + timedelta(seconds=10))).admit


def test_another_document_of_the_family_does_not_wait() -> None:
    mother = ScanFacts(Code.DOCUMENT, document=DocumentCheck.MATCHES)
    family = replace(FAMILY, persons_entered=1, last_entry=Entry(NOON - timedelta(seconds=3), EAST))
    assert decide(family, mother, GATE).persons == 2


def test_a_pass_waits_however_many_persons_are_named() -> None:
    entered = Entry(NOON - timedelta(seconds=3), EAST)
    one = replace(TICKET, entries=0, persons_entered=1, last_entry=entered)
    for scan in (CODE, replace(CODE, persons=1), ScanFacts(Code.TYPED, persons=1)):
        assert decide(one, scan, GATE).reason is Reason.TOO_SOON
    family = replace(one, party_size=3)
    assert decide(family, CODE, GATE).reason is Reason.TOO_SOON
    # A family's parts are named one after the other, also on a pass.
    assert decide(family, replace(CODE, persons=1), GATE).persons == 1


def test_nobody_is_kept_from_leaving() -> None:
    out = replace(GATE, direction="out", now=NOON + timedelta(hours=9))
    used = replace(FAMILY, persons_entered=3, persons_inside=3)
    assert decide(used, CODE, out).persons == 3
    assert decide(replace(used, persons_inside=0), CODE, out).persons == 1
    assert decide(None, CODE, out).reason is Reason.UNKNOWN


def test_where_a_ticket_is_void_the_place_does_not_matter() -> None:
    bad = replace(TICKET, status="refunded", zones=0, persons_entered=1)
    assert decide(bad, CODE, GATE).reason is Reason.REFUNDED


@pytest.mark.parametrize("reason", list(Reason))
def test_override_needs_a_paid_ticket(reason) -> None:
    assert refuse(reason).override_allowed == (reason not in NOT_OVERRIDABLE)


def test_of_several_tickets_the_first_admissible_counts() -> None:
    used = decide(replace(TICKET, persons_entered=1), CODE, GATE)
    good = decide(TICKET, CODE, GATE)
    tomorrow = decide(TICKET, CODE, replace(GATE, now=NOON - timedelta(days=1)))
    assert best([used, good, tomorrow]) == 1
    assert best([tomorrow, used]) == 1
    assert best([refuse(Reason.REFUNDED), tomorrow]) == 1


def test_whoever_is_inside_another_zone_may_enter_this_one() -> None:
    gate = replace(GATE, policy=Policy(anti_passback=True))
    family = replace(FAMILY, entries=0, persons_inside=3, inside_zones={1: 3})
    assert decide(family, CODE, gate).persons == 3
    part = replace(family, inside_zones={0: 2, 1: 1})
    assert decide(part, CODE, gate).persons == 1
    assert decide(part, replace(CODE, persons=2), gate).reason is Reason.TOO_MANY
    assert decide(part, CODE, GATE).persons == 3


def test_a_zone_takes_those_that_it_has_room_for() -> None:
    gate = replace(GATE, room=2)
    assert decide(TICKET, CODE, gate).admit
    decision = decide(FAMILY, CODE, gate)
    assert (decision.reason, decision.params["left"]) == (Reason.ZONE_FULL, 2)
    assert decide(FAMILY, replace(CODE, persons=2), gate).persons == 2
    # Nobody is kept from leaving a zone that is full.
    assert decide(FAMILY, CODE, replace(gate, room=0, direction="out")).admit


def test_a_child_goes_in_with_somebody() -> None:
    child = replace(TICKET, companion=True)
    assert decide(child, replace(CODE, accompanied=True), GATE).admit


def test_what_a_static_code_must_prove() -> None:
    rotating = replace(TICKET, flags=ROTATING)
    assert decide(replace(rotating, static_code="free"), CODE, GATE).admit
    stale = replace(CODE, code=Code.STALE)
    assert decide(replace(rotating, static_code="free"), stale, GATE).reason is Reason.CODE_STALE
    strict = replace(TICKET, static_code="document")
    assert decide(strict, replace(CODE, document=DocumentCheck.MATCHES), GATE).admit
    assert decide(strict, replace(CODE, code=Code.DOCUMENT), GATE).admit
    assert decide(replace(strict, has_documents=False), CODE, GATE).admit
