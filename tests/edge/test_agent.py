"""An admission step by step, what a crash leaves of it, and what staff may change."""

from datetime import timedelta

import pytest

from shanmen.edge.intents import State
from shanmen.edge.states import (
    CannotBeDone,
    LaneUnknown,
    NotByHand,
    NotEnrolled,
    Revoked,
    ScanUnknown,
)
from shanmen.kit import ids
from shanmen.kit.errors import BadInput
from tests.support.gate_server import LANES, START

ONE, TWO, BOTH = LANES


def steps(agent):
    return [(row.step, row.persons) for row in agent._gate.journal.unsent(1000)]


@pytest.fixture
async def alone(agent, server):
    server.down = True
    return agent


async def test_with_a_sensor_the_barrier_has_to_turn(alone, server):
    alone.equip(ONE, sensor=True)
    ticket = server.sell(tell=False, party=3)
    scan = await alone.scan(ONE, ticket.text)
    await alone.opened(scan.scan_id)
    assert await alone.passed(scan.scan_id) == 2
    assert await alone.passed(scan.scan_id) == 1
    assert await alone.not_passed(scan.scan_id) == 1
    assert steps(alone) == [("admitted", 3), ("passed", 1), ("passed", 1), ("given_back", 1)]
    again = await alone.scan(TWO, ticket.text)
    assert (again.outcome, again.persons) == ("admitted", 1)
    assert alone.lanes()[0].people == 2


async def test_whoever_passes_after_all_is_counted_after_all(alone, server):
    alone.equip(ONE, sensor=True)
    ticket = server.sell(tell=False)
    scan = await alone.scan(ONE, ticket.text)
    await alone.opened(scan.scan_id)
    assert await alone.not_passed(scan.scan_id) == 1
    assert await alone.passed(scan.scan_id) == 0
    assert steps(alone) == [("admitted", 1), ("given_back", 1), ("corrected", 1)]
    assert (await alone.scan(TWO, ticket.text)).reason == "already_used"


async def test_without_a_sensor_opening_is_the_end(alone, server):
    ticket = server.sell(tell=False, party=2)
    scan = await alone.scan(ONE, ticket.text)
    await alone.opened(scan.scan_id)
    await alone.opened(scan.scan_id)
    assert steps(alone) == [("admitted", 2)]
    assert alone.lanes()[0].people == 2
    assert alone.status().unresolved == 0


async def test_given_back_means_the_document_may_come_at_once(gates, server):
    server.sell(documents=("11010119900307002X",))
    agent = await gates.ready()
    server.down = True
    agent.equip(ONE, sensor=True)
    scan = await agent.scan(ONE, "11010119900307002X")
    await agent.opened(scan.scan_id)
    await agent.not_passed(scan.scan_id)
    assert (await agent.scan(ONE, "11010119900307002X")).outcome == "admitted"


async def test_the_same_scan_is_decided_once(alone, server):
    ticket = server.sell(tell=False)
    scan_id = ids.new_id()
    first = await alone.scan(ONE, ticket.text, scan_id=scan_id)
    again = await alone.scan(ONE, ticket.text, scan_id=scan_id)
    assert first == again
    assert steps(alone) == [("admitted", 1)]


@pytest.mark.parametrize("barrier", ["not yet open", "open"])
@pytest.mark.parametrize("sensor", [True, False])
async def test_after_a_crash(gates, server, sensor, barrier):
    ticket = server.sell(party=2)
    agent = await gates.ready()
    server.down = True
    agent.equip(ONE, sensor=sensor)
    scan = await agent.scan(ONE, ticket.text)
    if barrier == "open" and sensor:
        await agent.opened(scan.scan_id)
        await agent.passed(scan.scan_id)
    elif barrier == "open":
        # Without a sensor nothing is left open once the barrier has been told.
        return
    agent = await gates.restart(agent)
    passed = 1 if barrier == "open" else 0
    (left,) = await agent.unresolved()
    assert (left.scan_id, left.persons) == (scan.scan_id, 2 - passed)
    assert left.assumed == ("not_entered" if sensor else "entered")
    answer = await agent.scan(TWO, ticket.text)
    if sensor:
        assert (answer.outcome, answer.persons) == ("admitted", 2 - passed)
    else:
        assert answer.reason == "all_in"


@pytest.mark.parametrize(
    ("sensor", "entered"), [(True, True), (True, False), (False, True), (False, False)]
)
async def test_one_tap_corrects(gates, server, sensor, entered):
    ticket = server.sell()
    agent = await gates.ready()
    server.down = True
    agent.equip(ONE, sensor=sensor)
    scan = await agent.scan(ONE, ticket.text)
    agent = await gates.restart(agent)
    await agent.correct(scan.scan_id, entered=entered, staff="Lin")
    assert await agent.unresolved() == []
    with pytest.raises(CannotBeDone):
        await agent.correct(scan.scan_id, entered=entered, staff="Lin")
    server.down = False
    await agent.sync()
    assert server.entered(ticket.id) == entered
    server.down = True
    again = await agent.scan(TWO, ticket.text)
    assert again.outcome == ("refused" if entered else "admitted")


async def test_a_second_crash_changes_nothing(gates, server):
    ticket = server.sell()
    agent = await gates.ready()
    server.down = True
    agent.equip(ONE, sensor=True)
    await agent.scan(ONE, ticket.text)
    for _ in range(3):
        agent = await gates.restart(agent)
    assert steps(agent) == [("admitted", 1), ("given_back", 1)]
    assert len(await agent.unresolved()) == 1


async def test_override(alone, server):
    ticket = server.sell(tell=False, starts=START + timedelta(hours=3))
    refused = await alone.scan(ONE, ticket.text)
    assert (refused.reason, refused.override_allowed) == ("not_open_yet", True)
    answer = await alone.override(refused.scan_id, persons=1, reason="school class", staff="Lin")
    assert (answer.outcome, answer.persons) == ("admitted", 1)
    await alone.opened(refused.scan_id)
    row = alone._gate.journal.unsent(10)[-1]
    assert (row.step, row.reason, row.staff) == ("override", "school class", "Lin")
    with pytest.raises(CannotBeDone):
        await alone.override(refused.scan_id, persons=1, reason="again", staff="Lin")


async def test_nobody_is_let_in_without_a_ticket(alone):
    refused = await alone.scan(ONE, "11010119900307002X")
    assert not refused.override_allowed
    with pytest.raises(CannotBeDone):
        await alone.override(refused.scan_id, persons=1, reason="friend", staff="Lin")
    with pytest.raises(BadInput):
        await alone.override(refused.scan_id, persons=1, reason=" ", staff="Lin")
    with pytest.raises(ScanUnknown):
        await alone.override(ids.new_id(), persons=1, reason="friend", staff="Lin")


async def test_undo(alone, server):
    ticket = server.sell(tell=False)
    scan = await alone.scan(ONE, ticket.text)
    await alone.opened(scan.scan_id)
    await alone.undo(scan.scan_id, reason="wrong person", staff="Lin")
    with pytest.raises(CannotBeDone):
        await alone.undo(scan.scan_id, reason="wrong person", staff="Lin")
    assert (await alone.scan(ONE, ticket.text)).outcome == "admitted"


async def test_undo_takes_back_only_who_passed(alone, server):
    alone.equip(ONE, sensor=True)
    ticket = server.sell(tell=False, party=3)
    scan = await alone.scan(ONE, ticket.text)
    await alone.opened(scan.scan_id)
    await alone.passed(scan.scan_id, 2)
    await alone.not_passed(scan.scan_id)
    await alone.undo(scan.scan_id, reason="wrong ticket", staff="Lin")
    assert steps(alone)[-2:] == [("given_back", 1), ("undone", 2)]
    assert (await alone.scan(ONE, ticket.text)).persons == 3


async def test_undo_after_a_correction_takes_back_nothing_more(gates, alone, server):
    ticket = server.sell(tell=False)
    scan = await alone.scan(ONE, ticket.text)
    again = await gates.restart(alone)
    await again.correct(scan.scan_id, entered=False, staff="Lin")
    await again.undo(scan.scan_id, reason="nobody there", staff="Lin")
    assert steps(again)[-2:] == [("corrected", -1), ("undone", 0)]
    assert (await again.scan(ONE, ticket.text)).outcome == "admitted"
    assert (await again.scan(ONE, ticket.text)).outcome == "refused"


async def test_emergency_opens_all_and_is_counted(gates, alone):
    heard = []

    async def listener(command):
        heard.append(command.kind)

    alone.listen(listener)
    await alone.emergency(on=True, staff="Lin")
    await alone.walked(ONE, 3)
    assert {lane.mode for lane in alone.lanes()} == {"emergency"}
    assert alone.lanes()[0].people == 3
    again = await gates.restart(alone)
    assert again.status().emergency
    await again.emergency(on=False, staff="Lin")
    assert heard == ["emergency_on"]
    rows = again._gate.journal.unsent(100)
    assert [(r.reason, r.persons) for r in rows] == [
        *[("on", 0)] * 3,
        ("passage", 3),
        *[("off", 0)] * 3,
    ]


async def test_in_an_emergency_guards_count_where_no_sensor_does(gates, now, alone):
    alone.equip(TWO, sensor=True)
    with pytest.raises(NotByHand):
        await alone.counted_by_hand(ONE, 5, staff="Lin")
    # That no emergency ended once more begins nothing.
    await alone.emergency(on=False, staff="Lin")
    assert not any(lane.by_hand for lane in alone.lanes())
    await alone.emergency(on=True, staff="Lin")
    assert {lane.id for lane in alone.lanes() if not lane.by_hand} == {TWO}
    await alone.counted_by_hand(ONE, 150, staff="Lin")
    with pytest.raises(NotByHand):
        await alone.counted_by_hand(TWO, 5, staff="Lin")
    await alone.emergency(on=False, staff="Lin")
    again = await gates.restart(alone)
    now.advance(3500)
    await again.counted_by_hand(ONE, 20, staff="Gao")
    assert again.lanes()[0].people == 170
    rows = again._gate.journal.unsent(100)
    assert [(r.persons, r.reason, r.staff) for r in rows if r.persons] == [
        (150, "by_hand", "Lin"),
        (20, "by_hand", "Gao"),
    ]
    now.advance(200)
    assert not any(lane.by_hand for lane in again.lanes())
    with pytest.raises(NotByHand):
        await again.counted_by_hand(ONE, 5, staff="Gao")
    with pytest.raises(BadInput):
        await again.counted_by_hand(ONE, 1000, staff="Gao")


async def test_before_the_first_contact_nobody_enters(gates):
    agent = gates.open()
    assert not agent.status().enrolled
    with pytest.raises((LaneUnknown, NotEnrolled)):
        await agent.scan(ONE, "x")


async def test_revoked_knows_nothing_any_more(gates, server):
    ticket = server.sell(documents=("11010119900307002X",), names=("张*",))
    agent = await gates.ready()
    server.revoked = True
    await agent.sync()
    assert agent.status().revoked
    assert agent.status().tickets == 0
    with pytest.raises(Revoked):
        await agent.scan(ONE, ticket.text)
    await agent.emergency(on=True, staff="Lin")
    again = await gates.restart(agent)
    with pytest.raises(Revoked):
        await again.scan(ONE, ticket.text)
    assert again.setup.day_keys == {}
    assert not list(gates.secrets.glob("*"))
    whole = b"".join(path.read_bytes() for path in gates.folder.glob("gate.sqlite3*"))
    key = server.setup.day_keys[START.date().isoformat()]
    assert ticket.id not in whole
    assert key not in whole


async def test_the_disk_names_nobody(gates, server):
    card = "11010119900307002X"
    ticket = server.sell(documents=(card,), names=("张三",))
    agent = await gates.ready()
    server.down = True
    await agent.scan(ONE, ticket.text)
    await agent.scan(TWO, card)
    files = b"".join(path.read_bytes() for path in gates.folder.glob("*"))
    assert ticket.id in files
    for secret in ("张三".encode(), card.encode(), server.setup.document_key, ticket.text.encode()):
        assert secret not in files


async def test_without_power_documents_wait_for_the_server(gates, server):
    card = "11010119900307002X"
    ticket = server.sell(documents=(card,), second_factor=True)
    agent = await gates.ready()
    server.down = True
    agent = await gates.restart(agent)
    assert agent.status().documents_readable
    agent = await gates.restart(agent, keep_memory=False)
    assert not agent.status().documents_readable
    answer = await agent.scan(ONE, ticket.text, document=card)
    assert (answer.reason, answer.override_allowed) == ("documents_unreadable", True)
    alone = await agent.scan(ONE, card)
    assert (alone.reason, alone.override_allowed) == ("documents_unreadable", False)
    assert (await agent.scan(ONE, ticket.text)).reason == "document_required"
    server.down = False
    await agent.sync()
    server.down = True
    assert (await agent.scan(ONE, ticket.text, document=card)).outcome == "admitted"


def test_states_of_a_scan_are_stored_by_these_words():
    assert {state.value for state in State} == {
        "asked",
        "refused",
        "decided",
        "opened",
        "done",
        "assumed",
        "undone",
    }
