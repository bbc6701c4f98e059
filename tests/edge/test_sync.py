"""With a server: asked in time or not at all, journal up, changes down, commands once."""

import asyncio
import shutil
from datetime import timedelta

import pytest
from msgspec import structs

from shanmen.admission import protocol
from shanmen.admission.protocol import Answer, Command
from shanmen.edge.client import Breaker, Skew
from shanmen.kit import clock, ids
from tests.support.gate_server import LANES, START, Died

ONE, TWO, BOTH = LANES
CARD = "11010119900307002X"


async def test_the_server_decides_while_it_answers(agent, server):
    ticket = server.sell()
    answer = await agent.scan(ONE, ticket.text)
    assert answer.outcome == "admitted"
    assert list(server.asked) == [answer.scan_id]
    await agent.opened(answer.scan_id)
    await agent.sync()
    assert server.entered(ticket.id) == 1
    (row,) = server.journal
    assert row.decided_by == "server"


async def test_a_disk_that_was_put_back_from_a_copy_loses_nothing_new(gates, server, tmp_path):
    """Its rows bear numbers that the server has had; they are not those."""
    agent = await gates.ready()
    await agent.scan(ONE, server.sell(tell=False).text)
    await agent.sync()
    await gates.stop(agent)
    copy = shutil.copytree(gates.folder, tmp_path / "copy")
    agent = gates.open()
    server.down = True
    for _ in range(3):
        await agent.scan(ONE, server.sell(tell=False).text)
    server.down = False
    await agent.sync()
    known = len(server.journal)
    await gates.stop(agent)
    shutil.rmtree(gates.folder)
    shutil.move(copy, gates.folder)
    agent, ticket = gates.open(), server.sell(tell=False)
    server.down = True
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"
    server.down = False
    await agent.sync()
    assert (agent.status().queue, server.entered(ticket.id)) == (0, 1)
    assert [row.seq for row in server.journal[known - 1 :]] == [known, known + 1]


async def test_a_late_answer_never_counts_twice(agent, server):
    ticket = server.sell(party=2)
    await agent.sync()
    server.answers_late = True
    answer = await agent.scan(ONE, ticket.text)
    # The server has admitted two, and nobody heard it.
    assert server.entered(ticket.id) == 2
    assert (answer.outcome, answer.persons) == ("admitted", 2)
    await agent.sync()
    assert server.entered(ticket.id) == 2
    server.down = True
    assert (await agent.scan(TWO, ticket.text)).reason == "all_in"


async def test_a_late_admission_that_the_gate_refused_is_taken_back(agent, server):
    ticket = server.sell(rotating_code=True)
    await agent.sync()
    server.answers_late = True
    picture = ticket.code(START - timedelta(minutes=5))
    answer = await agent.scan(ONE, picture)
    assert answer.reason == "code_stale"
    assert server.entered(ticket.id) == 1
    await agent.sync()
    assert server.entered(ticket.id) == 0


async def test_what_the_server_admitted_unheard_is_no_obstacle(agent, server):
    """The server knows a card that this gate does not; its admission is lost on the way."""
    ticket = server.sell(tell=False)
    server.answers_late = True
    server.decide = lambda scan: Answer(
        scan_id=scan.scan_id,
        outcome="admitted",
        persons=1,
        persons_left=0,
        party_size=1,
        ticket_id=ticket.id,
    )
    card = "11010119900307002X"
    assert (await agent.scan(ONE, card)).reason == "no_ticket_today"
    server.answers_late, server.decide = False, None
    # The visitor shows the code instead. The server takes the ticket for used, and is not asked.
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"
    await agent.sync()
    assert server.entered(ticket.id) == 1


async def test_a_gate_that_dies_while_it_asks(gates, server):
    """The server has admitted; the gate never decided, so nobody was let in."""
    ticket = server.sell()
    agent = await gates.ready()
    server.dies = True
    with pytest.raises(Died):
        await agent.scan(ONE, ticket.text)
    assert server.entered(ticket.id) == 1
    server.dies = False
    agent = await gates.restart(agent)
    assert await agent.unresolved() == []
    # The same visitor again: the server still believes the ticket used, and is not asked.
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"
    await agent.sync()
    assert [row.step for row in server.journal] == ["refused", "admitted"]
    assert server.journal[0].reason == "gate_stopped"
    assert server.entered(ticket.id) == 1


async def test_after_two_failures_nobody_waits_any_more(agent, server):
    server.answers_late = True
    for _ in range(5):
        await agent.scan(ONE, server.sell(tell=False).text)
    assert server.calls.count(protocol.PATH_DECIDE) == 1
    # The gate has decided alone: the server is not asked before it knows of it.
    server.answers_late = False
    await agent.sync()
    await agent.scan(ONE, server.sell(tell=False).text)
    assert server.calls.count(protocol.PATH_DECIDE) == 2


async def test_a_server_that_leaves_a_lane_waiting_is_not_called_reached(agent, server):
    assert agent.status().connected
    server.answers_late = True
    await agent.scan(ONE, server.sell(tell=False).text)
    assert not agent.status().connected
    server.answers_late = False
    await agent.sync()
    assert agent.status().connected


def test_the_breaker_opens_and_closes():
    breaker = Breaker(failures=2)
    seen = [(breaker.closed, breaker.answered)]
    for happen in (breaker.well, breaker.failed, breaker.failed, breaker.well):
        happen()
        seen.append((breaker.closed, breaker.answered))
    assert seen == [(False, False), (True, True), (True, False), (False, False), (True, True)]


async def test_what_was_given_back_is_not_asked_about_too_early(agent, server):
    ticket = server.sell()
    agent.equip(ONE, sensor=True)
    first = await agent.scan(ONE, ticket.text)
    await agent.opened(first.scan_id)
    await agent.not_passed(first.scan_id)
    # The server believes the ticket used; the gate knows better and decides alone.
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"
    await agent.sync()
    assert server.entered(ticket.id) == 1


async def test_a_closed_lane_is_not_the_servers_business(agent, server):
    await agent.set_open(ONE, is_open=False, staff="Lin")
    assert (await agent.scan(ONE, server.sell().text)).reason == "lane_closed"
    assert server.asked == {}


async def test_rows_go_up_once_whatever_becomes_of_receipts(agent, server):
    server.down = True
    tickets = [server.sell(tell=False) for _ in range(3)]
    for ticket in tickets:
        await agent.scan(ONE, ticket.text)
    assert agent.status().queue == 3
    server.down = False
    server.loses_receipts = True
    await agent.sync()
    assert agent.status().queue == 3
    await agent.scan(ONE, server.sell(tell=False).text)
    server.loses_receipts = False
    await agent.sync()
    assert agent.status().queue == 0
    assert [row.seq for row in server.journal] == [1, 2, 3, 4]
    assert [server.entered(ticket.id) for ticket in tickets] == [1, 1, 1]


async def test_what_is_on_its_way_is_counted_once(agent, server):
    """Rows are merged, the receipt is lost, and the changed ticket comes back with them counted."""
    ticket = server.sell(party=2)
    await agent.sync()
    server.down = True
    await agent.scan(ONE, ticket.text, persons=1)
    server.down = False
    server.loses_receipts = True
    await agent.sync()
    server.put(ticket.row)
    await agent._sync.fetch()
    server.down = True
    assert (await agent.scan(TWO, ticket.text)).persons == 1


async def test_numbers_go_on_after_old_rows_are_forgotten(gates, agent, server, now):
    server.down = True
    await agent.scan(ONE, server.sell(tell=False).text)
    server.down = False
    await agent.sync()
    now.advance(4 * 86_400)
    agent._gate.tidy()
    agent = await gates.restart(agent)
    server.down = True
    await agent.scan(ONE, server.sell(tell=False, hours=200).text)
    server.down = False
    await agent.sync()
    assert [row.seq for row in server.journal] == [1, 2]


async def test_an_unsigned_or_repeated_answer_is_ignored(agent, server):
    ticket = server.sell()
    server.unsigned = True
    await agent.sync()
    assert not agent.status().connected
    server.unsigned = False
    server.replays = True
    await agent.sync()
    assert not agent.status().connected
    assert agent.status().tickets == 0
    server.replays = False
    await agent.sync()
    assert agent.status().connected
    assert agent.status().tickets == 1
    assert ticket.id


async def test_nobody_in_between_can_revoke_a_gate(agent, server):
    server.unsigned = True
    server.revoked = True
    await agent.sync()
    assert not agent.status().revoked


@pytest.mark.parametrize("minutes", [-30, 30])
async def test_a_clock_that_is_far_off_is_put_right(gates, server, minutes):
    server.clock_ahead = timedelta(minutes=minutes)
    agent = await gates.ready()
    assert agent.status().connected
    assert agent.status().skew_ms == -minutes * 60_000
    server.down = True
    ticket = server.sell(tell=False)
    await agent.scan(ONE, ticket.text)
    server.down = False
    await agent.sync()
    row = server.journal[-1]
    assert row.at == round(clock.now().timestamp() * 1000)
    assert row.skew_ms == -minutes * 60_000


def test_skew_is_learnt_only_beyond_what_the_round_trip_hides(now):
    skew = Skew()
    skew.observe(1_000_000, sent=1_000_300, round_trip=800)
    assert skew.ms == 700
    skew.observe(1_000_000, sent=1_000_500, round_trip=100)
    assert skew.ms == 550
    skew.observe(1_000_000, sent=1_000_400, round_trip=900)
    assert skew.ms == 550


async def test_commands_are_carried_out_once(agent, server):
    heard = []

    async def listener(command):
        heard.append(command.kind)

    agent.listen(listener)
    server.commands = [
        Command(id=ids.new_id(), kind="close", lane_id=ONE),
        Command(id=ids.new_id(), kind="message", text="Back in five minutes"),
    ]
    await agent.sync()
    assert heard == ["close", "message"]
    assert [lane.mode for lane in agent.lanes()] == ["closed", "open", "open"]
    assert agent.lanes()[1].message == "Back in five minutes"
    await agent.sync()
    await agent.sync()
    assert heard == ["close", "message"]
    assert server.commands == []


async def test_the_console_opens_a_lane_again_by_its_setup(agent, server):
    await agent.set_open(ONE, is_open=False, staff="Lin")
    lanes = [structs.replace(lane, open=lane.id != TWO) for lane in server.setup.lanes]
    server.change_setup(lanes=lanes)
    await agent.sync()
    assert [lane.mode for lane in agent.lanes()] == ["closed", "closed", "open"]


async def test_emergency_from_the_console(agent, server):
    server.commands = [Command(id=ids.new_id(), kind="emergency_on")]
    await agent.sync()
    assert agent.status().emergency
    await agent.sync()
    assert {row.reason for row in server.journal} == {"on"}


async def test_health(agent, server, now):
    agent.equip(ONE, sensor=True)
    agent.report(TWO, fault="The relay does not answer.")
    now.advance(5)
    await agent.sync()
    health = server.health[-1]
    assert (health.queue, health.tickets, health.unresolved) == (0, 0, 0)
    assert health.at - health.started_at == 5_000
    assert [lane.state for lane in health.lanes] == ["open", "fault", "open"]


async def test_the_talk_goes_on_by_itself(gates, server):
    agent = gates.open()
    await agent.start()
    for _ in range(200):
        if agent.status().connected:
            break
        await asyncio.sleep(0.01)
    assert agent.status().connected
    server.down = True
    await agent.scan(ONE, server.sell(tell=False).text)
    server.down = False
    agent._sync.kick()
    for _ in range(200):
        if agent.status().queue == 0:
            break
        await asyncio.sleep(0.01)
    assert len(server.journal) == 1


async def test_the_talk_outlives_a_disk_that_is_full_for_a_while(agent, server):
    server.sell()
    store = agent._gate.store
    pages = store.one("PRAGMA page_count")[0]
    store.one(f"PRAGMA max_page_count = {pages}")
    for _ in range(40):
        server.sell(names=("张*",) * 20)
    await agent.sync()
    assert "is full" in agent.status().fault
    assert not agent.status().connected
    store.one("PRAGMA max_page_count = 1000000")
    await agent.sync()
    assert agent.status().connected
    assert agent.status().tickets == 41
