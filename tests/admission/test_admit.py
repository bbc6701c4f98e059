"""Admission on the real database."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from shanmen.admission import queries, service
from shanmen.admission.coalesce import Arrived, admission_coalescer, arrive
from shanmen.admission.errors import LaneUnknown, NothingScanned
from shanmen.admission.models import Scan
from shanmen.admission.say import texts
from shanmen.kit import clock, ids
from shanmen.kit.errors import IdempotencyMismatch
from shanmen.tickets import token
from shanmen.tickets.keys import signing_key
from shanmen.tickets.token import ROTATING, SECOND_FACTOR
from tests.admission.conftest import Gates
from tests.support.park import Park, fresh_people, id_number, make_park


async def test_a_code_is_admitted_once(gates: Gates) -> None:
    made = await gates.ticket()
    first = await gates.scan(made.code)
    assert (first.outcome, first.persons, first.reason) == ("admitted", 1, "")
    assert first.names == ["张**"]
    assert first.ticket_type["en"] == "Adult"
    assert first.ticket_number == made.number
    row = await gates.row(made.id)
    assert (row.persons_entered, row.status, row.first_entered_at) == (1, "used", gates.at(11))

    again = await gates.scan(made.code, at=gates.at(11, 20), lane_id=gates.west)
    assert (again.outcome, again.reason) == ("refused", "already_used")
    assert again.params["place"]["en"] == "East gate"
    assert again.params["at"].startswith(str(gates.day))
    assert again.override_allowed


async def test_the_same_scan_gets_the_same_decision(gates: Gates) -> None:
    made = await gates.ticket("family")
    scan_id = ids.new_id()
    first = await gates.scan(made.code, scan_id=scan_id)
    repeated = await gates.scan(made.code, scan_id=scan_id, at=gates.at(20))
    assert repeated == first
    refused_id = ids.new_id()
    refused = await gates.scan(made.code, scan_id=refused_id)
    assert refused.reason == "all_in"
    assert await gates.scan(made.code, scan_id=refused_id) == refused
    assert (await gates.row(made.id)).persons_entered == 3


async def test_one_id_for_two_questions_of_a_batch(gates: Gates) -> None:
    one, other = await gates.ticket(), await gates.ticket()
    asked = gates.request(one.code)
    scans = [asked, msgspec.structs.replace(asked, code=other.code), asked]
    with clock.at(gates.at(11)):
        first, clash, again = await gates.unit()(service.admit, scans=scans)
    assert isinstance(clash, IdempotencyMismatch)
    assert first == again
    assert (first.ticket_id, first.outcome) == (one.id, "admitted")
    assert (await gates.row(other.id)).persons_entered == 0


async def test_caps_lock_and_input_methods_do_no_harm(gates: Gates) -> None:
    made = await gates.ticket(party=4, kind="family")
    wide = made.code.translate({n: n + 0xFEE0 for n in range(0x30, 0x5B)})
    for text in (made.code.lower(), f" {made.code}\r\n", wide):
        assert (await gates.scan(text, persons=1)).outcome == "admitted"


async def test_a_family_part_by_part(gates: Gates) -> None:
    made = await gates.ticket("family")
    first = await gates.scan(made.code, persons=1)
    assert (first.persons, first.persons_left) == (1, 2)
    assert (await gates.row(made.id)).status == "valid"
    too_many = await gates.scan(made.code, persons=3)
    assert (too_many.reason, too_many.params) == ("too_many", {"left": 2})
    rest = await gates.scan(made.code)
    assert (rest.persons, rest.persons_left) == (2, 0)
    assert (await gates.row(made.id)).status == "used"
    last = await gates.scan(made.code)
    assert (last.reason, last.params["persons"]) == ("all_in", 3)


async def test_unknown_forged_and_unreadable(gates: Gates, database, park: Park) -> None:
    made = await gates.ticket()
    ghost = replace(made.body, ticket_id=ids.new_id())
    async with database.transaction(park.tenant_id) as session:
        _, key = signing_key(session.keyring)
    unknown = await gates.scan(token.issue(ghost, key))
    assert (unknown.reason, unknown.override_allowed) == ("unknown", False)
    other = await make_park(database, code=f"o{ids.new_id().hex[-10:]}")
    async with database.transaction(other.tenant_id) as session:
        _, foreign = signing_key(session.keyring)
    assert (await gates.scan(token.issue(made.body, foreign))).reason == "bad_signature"
    assert (await gates.scan("SM1" + "A" * 100)).reason == "unreadable"
    assert (await gates.scan("https://example.com/ticket?id=1")).reason == "unreadable"
    assert (await gates.row(made.id)).persons_entered == 0


async def test_a_rescheduled_tickets_older_code_is_refused(gates: Gates, database, park) -> None:
    made = await gates.ticket(generation=1)
    async with database.transaction(park.tenant_id) as session:
        _, key = signing_key(session.keyring)
    older = token.issue(replace(made.body, generation=0), key)
    refused = await gates.scan(older)
    assert (refused.reason, refused.override_allowed) == ("replaced", True)
    assert (await gates.scan(made.code)).outcome == "admitted"


async def test_refunded_and_unpaid(gates: Gates) -> None:
    refunded = await gates.ticket(status="refunded")
    decision = await gates.scan(refunded.code)
    assert (decision.reason, decision.override_allowed) == ("refunded", False)
    unpaid = await gates.ticket(paid=False)
    decision = await gates.scan(unpaid.documents[0])
    assert (decision.reason, decision.ticket_id) == ("unpaid", None)


async def test_times(gates: Gates) -> None:
    made = await gates.ticket()
    early = await gates.scan(made.code, at=gates.at(9, 20))
    assert (early.reason, early.params["minutes"]) == ("not_open_yet", 25)
    assert (await gates.scan(made.code, at=gates.at(23, days=-1))).reason == "tomorrow"
    assert (await gates.scan(made.code, at=gates.at(23, days=-2))).reason == "other_day"
    assert (await gates.scan(made.code, at=gates.at(12, 15))).reason == "slot_over"
    assert (await gates.scan(made.code, at=gates.at(9, days=1))).reason == "expired"
    assert (await gates.scan(made.code, at=gates.at(12, 14))).outcome == "admitted"


async def test_places(gates: Gates) -> None:
    made = await gates.ticket(zones=0b1)
    wrong = await gates.scan(made.code, lane_id=gates.ride)
    assert (wrong.reason, wrong.params["places"]) == (
        "wrong_zone",
        [{"en": "Main", "zh-CN": "主景区"}],
    )
    home = await gates.ticket(home=2)
    wrong = await gates.scan(home.code)
    assert (wrong.reason, wrong.params["places"][0]["en"]) == ("wrong_entrance", "West gate")
    assert (await gates.scan(home.code, lane_id=gates.west)).outcome == "admitted"


async def test_the_sites_rules(gates: Gates) -> None:
    unit = gates.unit()
    adult = gates.park.types["adult"]
    await unit(
        service.set_policy,
        site_id=gates.park.site_id,
        grace_before_minutes=60,
        grace_after_minutes=0,
        repeat_seconds=0,
        entrances={adult: [gates.park.entrance_id]},
    )
    made = await gates.ticket()
    assert (await gates.scan(made.code, lane_id=gates.west)).reason == "wrong_entrance"
    assert (await gates.scan(made.code, at=gates.at(12))).reason == "slot_over"
    assert (await gates.scan(made.code, at=gates.at(9))).outcome == "admitted"


async def test_a_document_alone(gates: Gates) -> None:
    made = await gates.ticket("family")
    typed = f" {made.documents[1].lower()} "
    decision = await gates.scan(typed, persons=1)
    assert (decision.outcome, decision.method) == ("admitted", "document")
    for persons in (None, 1):
        soon = await gates.scan(typed, persons=persons)
        assert (soon.reason, soon.params["seconds"]) == ("too_soon", 15)
    assert (await gates.scan(made.documents[0], kind="document")).persons == 2
    nobody = await gates.scan(id_number(3_599_999))
    assert nobody.reason == "no_ticket_today"


async def test_a_mistyped_document_is_called_so(gates: Gates) -> None:
    right = id_number(3_599_999)
    wrong = right[:-1] + ("0" if right[-1] == "X" else "X")
    for kind in ("auto", "document"):
        seen = await gates.scan(wrong, kind=kind)
        assert (seen.reason, seen.method) == ("document_mistyped", "document")
    refused = await gates.scan(wrong)
    assert texts(refused, "en")[1].startswith("Please check the number for a mistyped digit")
    assert (await gates.scan("", document=wrong)).reason == "document_mistyped"
    assert (await gates.scan("SM1GARBAGE")).reason == "unreadable"


async def test_of_several_tickets_the_admissible_one(gates: Gates) -> None:
    [person] = fresh_people(1)
    await gates.ticket(starts=8, ends=9, people=[person])
    noon = await gates.ticket(people=[person])
    await gates.ticket(shift_days=1, people=[person])
    decision = await gates.scan(id_number(person))
    assert (decision.outcome, decision.ticket_id) == ("admitted", noon.id)
    later = await gates.scan(id_number(person), at=gates.at(11, 30))
    assert (later.reason, later.ticket_id) == ("already_used", noon.id)


async def test_of_several_refusals_the_nearest_explains(gates: Gates) -> None:
    [person] = fresh_people(1)
    await gates.ticket(status="refunded", people=[person])
    await gates.ticket(shift_days=1, people=[person])
    assert (await gates.scan(id_number(person))).reason == "tomorrow"


async def test_a_second_factor(gates: Gates) -> None:
    made = await gates.ticket(flags=SECOND_FACTOR)
    stranger = await gates.ticket()
    assert (await gates.scan(made.code)).reason == "document_required"
    wrong = await gates.scan(made.code, document=stranger.documents[0])
    assert wrong.reason == "document_mismatch"
    garbled = await gates.scan(made.code, document="12345")
    assert garbled.reason == "document_mismatch"
    right = await gates.scan(made.code, document=made.documents[0])
    assert right.outcome == "admitted"


async def test_a_code_that_moves(gates: Gates) -> None:
    made = await gates.ticket(flags=ROTATING)
    assert (await gates.scan(made.code)).reason == "document_required"
    picture = await gates.moving_code(made, gates.at(10, 50))
    assert (await gates.scan(picture)).reason == "code_stale"
    # Nobody has a picture of later: it is a phone whose clock is fast.
    later = await gates.moving_code(made, gates.at(11, 3))
    assert (await gates.scan(later)).reason == "code_ahead"
    assert (await gates.scan(await gates.moving_code(made, gates.at(11)))).outcome == "admitted"


async def test_paper_of_a_moving_code_needs_the_document(gates: Gates) -> None:
    made = await gates.ticket(flags=ROTATING)
    decision = await gates.scan(made.code, document=made.documents[0])
    assert decision.outcome == "admitted"


async def test_a_family_enters_part_by_part(gates: Gates) -> None:
    for entries in (1, 0):
        made = await gates.ticket("family", entries=entries)
        parts = [await gates.scan(made.code, persons=count) for count in (1, 2)]
        assert [part.persons for part in parts] == [1, 2], entries
        made = await gates.ticket("family", entries=entries)
        parts = [await gates.scan(number, persons=1) for number in made.documents]
        assert [part.persons for part in parts] == [1, 1, 1], entries


async def test_the_short_number(gates: Gates) -> None:
    made = await gates.ticket()
    decision = await gates.scan(made.number.lower())
    assert (decision.outcome, decision.method) == ("admitted", "manual")
    assert (await gates.scan(made.number.replace("-", ""))).reason == "already_used"
    assert (await gates.scan(f"{made.number}7")).reason == "unknown"


async def test_many_entries(gates: Gates) -> None:
    made = await gates.ticket(entries=0, days=3)
    assert (await gates.scan(made.code)).outcome == "admitted"
    for persons in (None, 1):
        soon = await gates.scan(made.code, at=gates.at(11, second=10), persons=persons)
        assert soon.reason == "too_soon"
    assert (await gates.scan(made.code, at=gates.at(11, days=2))).outcome == "admitted"
    twice = await gates.ticket(entries=2)
    assert (await gates.scan(twice.code)).outcome == "admitted"
    assert (await gates.scan(twice.code, at=gates.at(18))).outcome == "admitted"
    assert (await gates.scan(twice.code, at=gates.at(19))).reason == "already_used"


async def test_a_closed_lane(gates: Gates) -> None:
    made = await gates.ticket()
    await gates.unit()(service.change_lane, lane_id=gates.east, active=False)
    decision = await gates.scan(made.code)
    assert (decision.reason, decision.override_allowed) == ("lane_closed", False)
    assert (await gates.scan(made.code, lane_id=gates.east_2)).outcome == "admitted"


async def test_exits_and_who_is_inside(gates: Gates) -> None:
    family, adult = await gates.ticket("family"), await gates.ticket()
    await gates.scan(family.code)
    await gates.scan(adult.code, lane_id=gates.east_2, direction="in")
    left = await gates.scan(family.code, lane_id=gates.exit, persons=2, at=gates.at(15))
    assert (left.outcome, left.direction, left.persons) == ("admitted", "out", 2)
    both = await gates.scan(adult.code, lane_id=gates.east_2, direction="out", at=gates.at(16))
    assert (both.direction, both.persons) == ("out", 1)
    inside = await gates.unit()(queries.inside, site_id=gates.park.site_id, day=gates.day)
    assert [(z.zone_number, z.counts.entered, z.counts.left, z.counts.inside) for z in inside] == [
        (0, 4, 3, 1),
        (1, 0, 0, 0),
    ]
    assert (await gates.row(family.id)).persons_entered == 3


async def test_many_in_one_batch_are_decided_in_order(gates: Gates) -> None:
    family, adult = await gates.ticket("family"), await gates.ticket()
    ask = gates.request
    first = ask(family.code, persons=2)
    scans = [
        first,
        ask(adult.code),
        ask(family.code),
        first,
        ask(adult.code),
        ask("   "),
        ask(adult.code, lane_id=ids.new_id()),
        ask(family.documents[0]),
    ]
    with clock.at(gates.at(11)):
        outcomes = await gates.unit()(service.admit, scans=scans)
    assert [getattr(o, "persons", None) for o in outcomes[:5]] == [2, 1, 1, 2, 0]
    assert outcomes[3] == outcomes[0]
    assert outcomes[4].reason == "already_used"
    assert isinstance(outcomes[5], NothingScanned)
    assert isinstance(outcomes[6], LaneUnknown)
    assert outcomes[7].reason == "all_in"
    assert (await gates.row(family.id)).persons_entered == 3


@pytest.mark.races
async def test_one_ticket_at_many_gates_at_once_admits_once(gates: Gates) -> None:
    made = await gates.ticket("family")
    with clock.at(gates.at(11)):
        views = await asyncio.gather(
            *(
                gates.unit()(service.admit_one, scan=gates.request(made.code, persons=1))
                for _ in range(12)
            )
        )
    assert sum(v.persons for v in views) == 3
    assert (await gates.row(made.id)).persons_entered == 3


@pytest.mark.races
async def test_one_scan_sent_many_times_at_once_is_one_scan(gates: Gates) -> None:
    made = await gates.ticket("family")
    known, unknown = gates.request(made.code, persons=1), gates.request("SM1" + "A" * 200)
    with clock.at(gates.at(11)):
        views: list[Any] = await asyncio.gather(
            *(gates.unit()(service.admit_one, scan=known) for _ in range(8)),
            *(gates.unit()(service.admit_one, scan=unknown) for _ in range(8)),
        )
        batches = await asyncio.gather(
            *(gates.unit()(service.admit, scans=[known, unknown], alone=True) for _ in range(4))
        )
    views += [view for batch in batches for view in batch]
    assert len({msgspec.json.encode(v) for v in views}) == 2
    assert (await gates.row(made.id)).persons_entered == 1
    async with gates.database.transaction(gates.park.tenant_id) as session:
        assert await session.scalar(select(func.count()).select_from(Scan)) == 2


async def test_through_the_coalescer(gates: Gates) -> None:
    tickets = [await gates.ticket() for _ in range(20)]
    admissions = admission_coalescer(gates.database)
    tenant = gates.park.tenant_id
    # What is read before its batch begins and what is read in it are decided alike.
    scans = [Arrived(gates.request(made.code)) for made in tickets]
    scans += [arrive(gates.database, tenant, gates.request(made.code)) for made in tickets]
    scans.append(arrive(gates.database, tenant, gates.request("")))
    with clock.at(gates.at(11)):
        outcomes = await asyncio.gather(*(admissions.submit(tenant, one) for one in scans))
    await admissions.close()
    assert sum(getattr(o, "persons", 0) for o in outcomes) == 20
    assert isinstance(outcomes[-1], NothingScanned)
    assert admissions.figures().batches < 20


async def test_another_tenants_ticket_is_unknown(gates: Gates, database) -> None:
    made = await gates.ticket()
    other = await make_park(database, code=f"o{ids.new_id().hex[-10:]}")
    lane = await database.unit(other.tenant_id)(
        service.create_lane, entrance_id=other.entrance_id, name={"zh-CN": "通道"}
    )
    scan = gates.request(made.code, lane_id=lane.id)
    with clock.at(gates.at(11)):
        view = await database.unit(other.tenant_id)(service.admit_one, scan=scan)
    assert view.reason == "bad_signature"
    by_document = gates.request(made.documents[0], lane_id=lane.id)
    view = await database.unit(other.tenant_id)(service.admit_one, scan=by_document)
    assert view.reason == "no_ticket_today"
    with pytest.raises(LaneUnknown):
        await database.unit(other.tenant_id)(
            service.admit_one, scan=gates.request(made.code, lane_id=gates.east)
        )
