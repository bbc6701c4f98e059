"""A place on the cableway at its own time: what a gate there is told, keeps, and goes by."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from shanmen.admission.protocol import TicketRow, encode
from shanmen.edge.page import words
from shanmen.kit import clock
from shanmen.kit.clock import Simulated
from tests.admission.conftest import gates as parks  # noqa: F401 - a fixture
from tests.edge.test_with_server import (
    Entrance,
    enrolled,
    house,  # noqa: F401 - a fixture
    sold,
)
from tests.support.gate_server import LANES, START, TIMEZONE, ZONE, GateServer, ms

ONE, TWO, BOTH = LANES
OTHER_ZONE = ZONE + 1


def with_ride(server: GateServer, zone: int) -> str:
    """A ticket that opens a zone three hours from now, for an hour; told to gates. Its code."""
    ticket = server.sell(tell=False)
    starts = START + timedelta(hours=3)
    server.put(
        structs.replace(
            ticket.row,
            zones=1 << ZONE | 1 << OTHER_ZONE,
            windows=((zone, ms(starts), ms(starts + timedelta(hours=1))),),
        )
    )
    return ticket.text


async def test_a_gate_alone_admits_in_its_zones_window(gates, server, now: Simulated):
    code = with_ride(server, ZONE)
    agent = await gates.ready()
    server.down = True
    early = await agent.scan(ONE, code)
    assert (early.reason, early.params["minutes"]) == ("not_open_yet", 164)
    assert words.explain(early, "en", at=clock.now(), timezone=TIMEZONE) == (
        "Slot 12:00–13:00, opens in 164 min.",
        "Please come back in 164 minutes.",
    )
    now.move_to(START + timedelta(hours=4, minutes=15))
    assert (await agent.scan(ONE, code)).reason == "slot_over"
    now.move_to(START + timedelta(hours=2, minutes=45))
    assert (await agent.scan(ONE, code)).outcome == "admitted"


async def test_the_window_of_another_zone_is_none_of_its_own(gates, server):
    code = with_ride(server, OTHER_ZONE)
    agent = await gates.ready()
    server.down = True
    assert (await agent.scan(ONE, code)).outcome == "admitted"


async def test_what_a_gate_knows_from_the_code_alone_it_admits_by_that(gates, server):
    ticket = server.sell(tell=False)
    agent = await gates.ready()
    server.down = True
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"


def test_older_gates_read_the_row_and_newer_ones_an_older_row(server):
    row = structs.replace(server.sell(tell=False).row, windows=((1, 5, 6),))
    older = msgspec.defstruct(
        "OlderRow",
        [(field.encode_name, field.type) for field in structs.fields(TicketRow)[:-1]],
        array_like=True,
    )
    read = msgspec.msgpack.decode(encode(row), type=older)
    assert structs.asdict(read) == {
        name: value for name, value in structs.asdict(row).items() if name != "windows"
    }
    again = msgspec.msgpack.decode(encode(read), type=TicketRow)
    assert again == structs.replace(row, windows=())


async def test_a_newer_program_has_the_tickets_told_anew(gates, server, now: Simulated):
    """The one before it kept of each row only what it knew."""
    code = with_ride(server, ZONE)
    agent = await gates.ready()
    await gates.stop(agent)
    agent = gates.open()
    store = agent._gate.store
    with store.transaction():
        [(body,)] = store.all("SELECT body FROM ticket")
        older = encode(structs.replace(msgspec.msgpack.decode(body, type=TicketRow), windows=()))
        store.do("UPDATE ticket SET body = ?", (older,))
        kept = msgspec.msgpack.decode(store.meta("memory"))
        del kept["rows"]
        store.set_meta("memory", encode(kept))
    agent = await gates.restart(agent)
    assert agent._gate.memory.mark == ""
    assert agent.status().tickets == 1
    await agent.sync()
    assert agent._gate.memory.mark != ""
    server.down = True
    assert (await agent.scan(ONE, code)).reason == "not_open_yet"
    agent = await gates.restart(agent)
    assert agent._gate.memory.mark != ""


@pytest.fixture
async def station(house, tmp_path: Path) -> AsyncIterator[Entrance]:  # noqa: F811
    [(entrance,)] = await house.rows(
        "SELECT entrance_id FROM lane WHERE id = :l", l=house.gates.ride
    )
    made = await enrolled(house, tmp_path / "gate", entrance)
    yield made
    await made.agent.close()


async def test_the_server_tells_the_gate_of_the_ride(station: Entrance):
    park, agent = station.park, station.agent
    bundle = await sold(station, zones=0b11, windows=[(1, 14, 15)])
    await agent.sync()
    asked = await agent.scan(park.ride, bundle.code)
    assert asked.reason == "not_open_yet"
    station.network.cut = True
    unheard = await park.ticket(zones=0b11, windows=[(1, 14, 15)])
    alone = await agent.scan(park.ride, bundle.code)
    assert (alone.reason, alone.params) == (asked.reason, asked.params)
    # Sold while the gate is cut off: the code says one time, and the gate goes by it.
    assert (await agent.scan(park.ride, unheard.code)).outcome == "admitted"
    now = clock.current()
    assert isinstance(now, Simulated)
    now.move_to(park.at(14, 30))
    assert (await agent.scan(park.ride, bundle.code)).outcome == "admitted"
