"""What comes down: a fresh load in pages, changes, counts, and what is forgotten."""

from msgspec import structs

from tests.support.gate_server import LANES, START, ms

ONE = LANES[0]
CARD = "11010119900307002X"


async def test_pages_of_a_fresh_load_and_what_is_gone(gates, server):
    server.page = 3
    sold = [server.sell() for _ in range(10)]
    agent = await gates.ready()
    assert agent.status().tickets == 10
    server.put(structs.replace(sold[0].row, status="gone"))
    await agent.sync()
    assert agent.status().tickets == 9


async def test_of_a_ticket_that_others_used_only_the_count_comes_again(gates, server):
    ticket = server.sell(party=3, documents=(CARD,), names=("张*",))
    agent = await gates.ready()
    used = structs.replace(ticket.row, persons_entered=2, last_entered_at=ms(START))
    server.count(structs.replace(used, last_entrance=9, sealed=b"", documents=[]))
    await agent.sync()
    server.down = True
    answer = await agent.scan(ONE, CARD)
    assert (answer.outcome, answer.persons, answer.names) == ("admitted", 1, ["张*"])
    assert (await agent.scan(ONE, ticket.text)).reason == "all_in"


async def test_a_gate_that_lost_what_was_counted_asks_for_everything(gates, server):
    server.page = 2
    sold = [server.sell() for _ in range(5)]
    agent = await gates.ready()
    with agent._gate.store.transaction():
        agent._gate.store.do("DELETE FROM ticket WHERE id = ?", (sold[0].id,))
    for ticket in sold:
        server.count(structs.replace(ticket.row, status="used", persons_entered=1))
    await agent.sync()
    # The pages that followed were kept, and nothing was forgotten meanwhile.
    assert (agent.status().tickets, agent._gate.memory.mark) == (4, "")
    await agent.sync()
    assert agent.status().tickets == 5
    server.down = True
    for ticket in sold:
        assert (await agent.scan(ONE, ticket.text)).reason == "already_used"


async def test_a_fresh_load_forgets_what_is_not_told_again(gates, server):
    sold = [server.sell(documents=("11010119900307002X",)) for _ in range(5)]
    agent = await gates.ready()
    # The server was put back from a backup, and begins anew.
    server.changed = [ticket.id for ticket in sold[:2]]
    with agent._gate.store.transaction():
        agent._gate.memory._keep(mark="")
    await agent.sync()
    assert agent.status().tickets == 2
    assert len(agent._gate.store.all("SELECT * FROM mark")) == 2


async def test_a_fresh_load_that_is_cut_off_goes_on(gates, server):
    server.page = 2
    sold = [server.sell() for _ in range(6)]
    agent = gates.open()
    calls = 0
    ask = server.request

    async def twice(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls > 2:
            server.down = True
        return await ask(*args, **kwargs)

    agent._server.transport = type(
        "Net", (), {"request": staticmethod(twice), "close": server.close}
    )()
    await agent.sync()
    assert agent.status().tickets == 4
    server.down = False
    agent = await gates.restart(agent)
    await agent.sync()
    assert agent.status().tickets == len(sold)


async def test_tickets_and_counts_go_when_their_time_is_long_over(agent, server, now):
    ticket = server.sell()
    await agent.sync()
    server.down = True
    await agent.scan(ONE, ticket.text)
    now.advance(6 * 86_400)
    agent._gate.tidy()
    assert agent.status().tickets == 0
    agent._gate.tidy()
    assert agent._gate.store.all("SELECT * FROM use") == []
