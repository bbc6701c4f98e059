"""How many a gate lets into a full zone alone: its share, and the places that are its own."""

from datetime import timedelta

import pytest

from shanmen.admission.protocol import ZoneState
from shanmen.kit.clock import Simulated
from tests.support.gate_server import LANES, START, ZONE

ONE, _, BOTH = LANES


async def test_a_full_zone_by_this_entrances_share(gates, server, now: Simulated):
    server.zones = [ZoneState(number=ZONE, inside=90, max_inside=100, share=2)]
    first, second, third = (server.sell(entries=0) for _ in range(3))
    agent = await gates.ready()
    server.down = True
    assert (await agent.scan(ONE, first.text)).outcome == "admitted"
    assert (await agent.scan(ONE, second.text)).outcome == "admitted"
    assert (await agent.scan(ONE, third.text)).reason == "zone_full"
    await agent.scan(BOTH, first.text, direction="out")
    assert (await agent.scan(ONE, third.text)).outcome == "admitted"
    # What the server has counted meanwhile is not counted against the share again.
    server.down = False
    server.zones = [ZoneState(number=ZONE, inside=92, max_inside=100, share=1)]
    await agent.sync()
    server.down = True
    agent = await gates.restart(agent)
    assert (await agent.scan(ONE, server.sell(tell=False).text)).outcome == "admitted"
    assert (await agent.scan(ONE, server.sell(tell=False).text)).reason == "zone_full"
    # On another day the zone begins empty, and this is its only way in.
    now.move_to(START + timedelta(days=1))
    tomorrow = server.sell(tell=False, starts=START + timedelta(days=1), party=100)
    assert (await agent.scan(ONE, tomorrow.text)).outcome == "admitted"


@pytest.mark.parametrize(
    ("exit_is", "outcome"), [("told", "refused"), ("perhaps told", "refused"), ("own", "admitted")]
)
async def test_a_place_that_the_server_gives_away_is_not_given_away_here(
    gates, server, exit_is: str, outcome: str
):
    server.zones = [ZoneState(number=ZONE, inside=99, max_inside=100, share=1)]
    first, second = server.sell(entries=0), server.sell()
    agent = await gates.ready()
    assert (await agent.scan(ONE, first.text)).outcome == "admitted"
    await agent.sync()
    server.zones = [ZoneState(number=ZONE, inside=100, max_inside=100, share=0)]
    await agent.sync()
    server.answers_late = exit_is == "perhaps told"
    server.down = exit_is == "own"
    for _ in range(2 * server.down):
        # It knows that nobody would hear its question.
        await agent.sync()
    assert (await agent.scan(BOTH, first.text, direction="out")).outcome == "admitted"
    server.down = True
    answer = await agent.scan(ONE, second.text)
    assert (answer.outcome, answer.reason) == (outcome, "zone_full" if outcome == "refused" else "")
