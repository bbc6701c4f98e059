"""A request of a gate that somebody recorded is worth nothing: it is taken once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest

from shanmen.admission import protocol
from shanmen.admission.protocol import Refusal
from shanmen.db.session import Database
from shanmen.kit import ids
from tests.admission.conftest import Gates
from tests.admission.gatehouse import Gatehouse, make_app
from tests.sites.conftest import asgi
from tests.support.plain_gate import PlainGate, Refused


@dataclass
class Recorded:
    """Two processes of one server, and somebody on the line who keeps what gates ask."""

    house: Gatehouse
    again: Sequence[httpx.AsyncClient]
    asked: list[httpx.Request] = field(default_factory=list)

    async def repeat(self, request: httpx.Request, *, process: int = 0) -> Refusal:
        """Ask what was asked before; the answer is a refusal."""
        answer = await self.again[process].request(
            request.method,
            request.url.raw_path.decode(),
            headers=request.headers,
            content=request.content,
        )
        assert answer.status_code == 409
        return msgspec.msgpack.decode(answer.content, type=Refusal)


@pytest.fixture
async def recorded(database: Database, gates: Gates) -> AsyncIterator[Recorded]:
    app, other = make_app(database), make_app(database)
    asked: list[httpx.Request] = []

    async def keep(request: httpx.Request) -> None:
        asked.append(request)

    async with (
        httpx.AsyncClient(
            transport=asgi(app), base_url="http://test", event_hooks={"request": [keep]}
        ) as http,
        httpx.AsyncClient(transport=asgi(app), base_url="http://test") as same,
        httpx.AsyncClient(transport=asgi(other), base_url="http://test") as another,
    ):
        yield Recorded(Gatehouse(gates, http, app), [same, another], asked)


async def test_no_kind_of_request_is_taken_twice(recorded: Recorded):
    house = recorded.house
    gate = await house.gate()
    made = await house.gates.ticket()
    recorded.asked.clear()
    await gate.sync()
    await gate.health(battery_percent=80)
    await gate.decide(house.gates.east, made.code)
    await gate.upload(gate.row(house.gates.east, "refused"))
    await gate.health(battery_percent=20)
    for request in recorded.asked:
        for process in (0, 1):
            refusal = await recorded.repeat(request, process=process)
            assert refusal.code == "admission.request_repeated"
            # The gate itself, set back by a copy of its disk, learns where to go on.
            assert refusal.detail == str(gate.count)
    [(health,)] = await house.rows("SELECT health FROM gate_device WHERE id = :d", d=gate.device_id)
    assert health["battery_percent"] == 20


async def test_a_count_cannot_be_put_on_a_recorded_request(recorded: Recorded):
    gate = await recorded.house.gate()
    await gate.health()
    request = recorded.asked[-1]
    request.headers[protocol.HEADER_COUNT] = "9"
    answer = await recorded.again[0].request(
        request.method, protocol.PATH_HEALTH, headers=request.headers, content=request.content
    )
    assert answer.status_code == 401
    assert msgspec.msgpack.decode(answer.content, type=Refusal).code == "admission.gate_signature"


async def test_what_is_asked_at_the_same_time_is_all_taken(recorded: Recorded):
    """In two processes, of two gates, each in an order of its own, a few of them twice."""
    house = recorded.house
    east, west = await house.gate(), await house.west()
    there = [
        PlainGate(recorded.again[1], key=gate.key, enrolled=gate.enrolled) for gate in (east, west)
    ]
    for gate, copy in zip((east, west), there, strict=True):
        copy.count = 100 + gate.count
    done = await asyncio.gather(
        *(gate.health() for _ in range(15) for gate in (east, west, *there))
    )
    assert len(done) == 60
    east.count = 0
    for _ in range(15):
        with pytest.raises(Refused) as refused:
            await east.health()
        assert refused.value.code == "admission.request_repeated"


async def test_a_refused_request_is_used_up_too(recorded: Recorded):
    house = recorded.house
    gate = await house.gate()
    row = gate.row(house.gates.east, "refused", seq=7, scan_id=ids.new_id())
    with pytest.raises(Refused) as refused:
        await gate.upload(row)
    assert refused.value.code == "admission.journal_gap"
    assert (await recorded.repeat(recorded.asked[-1])).code == "admission.request_repeated"
