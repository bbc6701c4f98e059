"""A lane: from what is read to who passed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shanmen.edge.drivers.base import Emit, Event, Fault, Passed, Read, Works
from shanmen.edge.drivers.build import Devices, LaneDevices
from shanmen.edge.entrance import Entrance
from shanmen.edge.lane import Lane
from shanmen.edge.shown import Shown
from shanmen.edge.states import LaneUnknown
from shanmen.edge.store import StoreBroken
from shanmen.edge.waiting import Presented
from shanmen.kit import ids
from tests.edge.drivers.conftest import eventually
from tests.edge.standin_agent import LANES, StandInAgent


class Hand:
    """A device that says what a test wants."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._emit: Emit | None = None

    async def run(self, emit: Emit) -> None:
        self._emit = emit
        emit(Works(self.name))
        await asyncio.Event().wait()

    def says(self, event: Event) -> None:
        assert self._emit is not None
        self._emit(event)

    @property
    def ready(self) -> bool:
        return self._emit is not None


class Flap:
    """A barrier that notes its orders."""

    def __init__(self) -> None:
        self.name = "barrier"
        self.orders: list[str] = []
        self.fault: Fault | None = None
        self.block: asyncio.Event | None = None

    async def open(self) -> Fault | None:
        if self.block:
            await self.block.wait()
        self.orders.append("open")
        return self.fault

    async def hold(self, *, on: bool) -> Fault | None:
        self.orders.append("hold" if on else "let go")
        return self.fault

    async def close(self) -> None:
        self.orders.append("close")


class Bench:
    """Lanes with devices by hand."""

    def __init__(self, *, lanes: int = 1, sensor: bool = True, passage_seconds: float = 8) -> None:
        self.agent = StandInAgent(lanes, passage_seconds=passage_seconds)
        self.shown: list[Shown] = []
        self.readers = [Hand(f"scanner {n}") for n in range(lanes)]
        self.sensors = [Hand("sensor") for _ in range(lanes)]
        self.flaps = [Flap() for _ in range(lanes)]
        devices = [
            LaneDevices(
                number=n + 1,
                readers=[self.readers[n]],
                barrier=self.flaps[n],
                sensor=self.sensors[n] if sensor else None,
                person_seconds=0.01,
            )
            for n in range(lanes)
        ]
        self.entrance = Entrance(self.agent, Devices(devices), show=self.shown.append)

    def read(self, text: str, lane: int = 0, kind: str = "code") -> None:
        reader = self.readers[lane]
        reader.says(Read(reader.name, "document" if kind == "document" else "code", text))

    def turn(self, persons: int = 1, lane: int = 0) -> None:
        self.sensors[lane].says(Passed("sensor", persons))

    def lane(self, number: int = 0) -> Lane:
        return self.entrance.lane(LANES[number])

    def what(self) -> list[str]:
        return [one.what for one in self.shown]

    def made(self, name: str) -> int:
        return len(self.agent.named(name))

    async def until(self, name: str, count: int = 1) -> None:
        await eventually(lambda: self.made(name) >= count)


@asynccontextmanager
async def bench(
    *, lanes: int = 1, sensor: bool = True, passage_seconds: float = 8
) -> AsyncIterator[Bench]:
    made = Bench(lanes=lanes, sensor=sensor, passage_seconds=passage_seconds)
    task = asyncio.create_task(made.entrance.run())
    try:
        await eventually(lambda: all(reader.ready for reader in made.readers))
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_read_open_passed():
    async with bench() as b:
        b.read("A1")
        await b.until("opened")
        assert b.flaps[0].orders == ["open"]
        b.turn()
        await b.until("passed")
        assert b.made("not_passed") == 0
        assert b.what() == ["answer", "passed"]
    assert b.flaps[0].orders == ["open", "close"]


async def test_a_party_opens_for_each_of_them():
    async with bench() as b:
        b.read("P3")
        await b.until("opened")
        for count in (1, 2, 3):
            b.turn()
            await b.until("passed", count)
        await eventually(lambda: not b.lane()._under_way)
        assert b.flaps[0].orders == ["open"] * 3


async def test_who_did_not_pass_is_given_back():
    async with bench(passage_seconds=0.25) as b:
        b.read("P3")
        await b.until("opened")
        b.turn()
        await b.until("not_passed")
        await eventually(lambda: b.what() == ["answer", "passed", "given_back"])
        assert b.shown[-1].persons == 2
        b.turn()
        await b.until("walked")


async def test_the_next_in_line_is_decided_meanwhile_and_passes_after():
    async with bench() as b:
        b.read("A1")
        b.read("A2")
        await b.until("scan", 2)
        await b.until("opened")
        assert b.made("opened") == 1
        b.turn(2)
        await b.until("passed", 2)
        first, second = b.agent.named("passed")
        assert first[0] != second[0]
        assert b.made("walked") == 0


async def test_without_a_sensor_opening_is_the_end():
    async with bench(sensor=False) as b:
        b.read("P3")
        await b.until("opened")
        await eventually(lambda: b.flaps[0].orders == ["open"] * 3)
        assert b.made("passed") == b.made("not_passed") == 0


@pytest.mark.parametrize("sensor", [True, False])
async def test_a_barrier_that_does_not_open_is_told_and_nobody_is_counted(sensor):
    async with bench(sensor=sensor, passage_seconds=0.25) as b:
        b.flaps[0].fault = Fault("barrier", "The barrier was told to open, but: no.")
        b.read("A1")
        await b.until("not_passed")
        await eventually(lambda: "given_back" in b.what())
        assert "told to open" in b.agent.lanes()[0].fault
        b.flaps[0].fault = None
        b.read("A2")
        await b.until("opened", 1 + sensor)
        assert b.agent.lanes()[0].fault == ""


async def test_a_card_after_a_code_that_needs_one_joins_it():
    async with bench() as b:
        b.read("D-CODE")
        await b.until("scan")
        b.read("11010519491231002X", kind="document")
        await b.until("opened")
        _, second = b.agent.named("scan")
        assert second[1:4] == ("D-CODE", "auto", "11010519491231002X")


async def test_a_typed_document_joins_and_another_code_does_not():
    async with bench() as b:
        b.read("D-CODE")
        await b.until("scan")
        b.read("SM1" + "A" * 158)
        await b.until("scan", 2)
        b.read("D-CODE")
        await b.until("scan", 3)
        answer = await b.lane().present(Presented("G12345678", staff="Li"))
        assert answer.outcome == "admitted"
        documents = [call[3] for call in b.agent.named("scan")]
        assert documents == ["", "", "", "G12345678"]


async def test_a_card_alone_is_looked_up_as_a_document():
    async with bench() as b:
        b.read("11010519491231002X", kind="document")
        await b.until("scan")
        assert b.agent.named("scan")[0][1:4] == ("11010519491231002X", "document", "")


async def test_a_scanner_that_repeats_is_one_scan():
    async with bench() as b:
        for _ in range(5):
            b.read("A1")
        b.read("X")
        await b.until("scan", 2)
        await asyncio.sleep(0.05)
        assert [call[1] for call in b.agent.named("scan")] == ["A1", "X"]


async def test_a_child_comes_with_who_entered_before():
    async with bench() as b:
        b.read("A1")
        await b.until("opened")
        b.read("X-CHILD")
        await b.until("scan", 2)
        first, second = (call[5] for call in b.agent.named("scan"))
        assert first == []
        assert len(second) == 1


async def test_undoing_stops_the_waiting():
    async with bench() as b:
        answer = await b.lane().present(Presented("P3"))
        await b.until("opened")
        await b.lane().undo(answer.scan_id, reason="wrong person", staff="Li")
        await eventually(lambda: not b.lane()._under_way)
        assert b.made("not_passed") == 0
        b.read("A2")
        await b.until("opened", 2)


async def test_an_override_opens():
    async with bench() as b:
        answer = await b.lane().present(Presented("X"))
        assert answer.outcome == "refused"
        assert b.flaps[0].orders == []
        await b.lane().override(answer.scan_id, persons=1, reason="late coach", staff="Li")
        await b.until("opened")
        assert b.shown[-1].override_by == "Li"


async def test_one_action_opens_all_lanes_and_who_walks_is_counted(monkeypatch):
    monkeypatch.setattr("shanmen.edge.entrance.HOLD_SECONDS", 0.2)
    async with bench(lanes=3) as b:
        b.flaps[1].fault = Fault("barrier", "dead")
        await b.entrance.emergency(on=True, staff="Li")
        assert b.agent.named("emergency") == [(True, "Li")]
        await eventually(lambda: all(flap.orders[:1] == ["hold"] for flap in b.flaps))
        for lane in range(3):
            b.turn(2, lane)
        await b.until("walked", 3)
        assert "walked" not in b.what(), "in an emergency nobody is warned of walking"
        b.flaps[1].fault = None
        await b.entrance.emergency(on=False, staff="Li")
        assert [flap.orders[-1] for flap in b.flaps] == ["let go"] * 3


async def test_barriers_open_even_when_the_agent_cannot_write():
    async with bench() as b:

        async def broken(*, on: bool, staff: str) -> None:
            raise OSError("the disk is gone")

        b.agent.emergency = broken  # type: ignore[method-assign]
        with pytest.raises(OSError, match="disk"):
            await b.entrance.emergency(on=True, staff="Li")
        assert b.flaps[0].orders == ["hold"]


async def test_an_emergency_goes_on_after_a_restart():
    made = Bench()
    await made.agent.emergency(on=True, staff="Li")
    task = asyncio.create_task(made.entrance.run())
    await eventually(lambda: made.flaps[0].orders == ["hold"])
    task.cancel()
    await asyncio.wait([task])


async def test_a_slow_barrier_holds_no_other_lane():
    async with bench(lanes=2) as b:
        b.flaps[0].block = asyncio.Event()
        b.read("A1", lane=0)
        b.read("A2", lane=1)
        await b.until("opened")
        assert b.flaps[0].orders == []
        b.flaps[0].block.set()
        await b.until("opened", 2)


async def test_faults_of_devices_are_reported_and_end():
    async with bench() as b:
        b.readers[0].says(Fault("scanner 0", "unplugged"))
        b.sensors[0].says(Fault("sensor", "no answer"))
        assert b.agent.lanes()[0].fault == "scanner 0: unplugged sensor: no answer"
        b.readers[0].says(Works("scanner 0"))
        b.sensors[0].says(Works("sensor"))
        assert b.agent.lanes()[0].fault == ""


@pytest.mark.parametrize("before", [True, False], ids=["from the beginning", "meanwhile"])
async def test_a_blind_sensor_gives_nobody_back(before):
    """Who may have passed unseen would otherwise enter twice."""
    async with bench(passage_seconds=0.25) as b:
        if before:
            b.sensors[0].says(Fault("sensor", "no answer"))
        b.read("P3")
        await b.until("opened")
        if not before:
            b.turn()
            await b.until("passed")
            b.sensors[0].says(Fault("sensor", "no answer"))
            b.sensors[0].says(Works("sensor"))
        await eventually(lambda: b.what()[-1] == "unseen")
        assert b.made("not_passed") == 0
        assert b.agent.named("passed")[-1][1] == (3 if before else 2)
        # A sensor that sees again is believed again.
        b.sensors[0].says(Works("sensor"))
        b.read("A1")
        await b.until("not_passed")


async def test_a_broken_disk_is_told_and_lets_nobody_in():
    async with bench() as b:
        b.agent.error = StoreBroken("The disk is full.")
        b.read("A1")
        await eventually(lambda: b.what() == ["fault"])
        assert b.shown[0].error == "page.store"
        assert b.flaps[0].orders == []


async def test_what_the_agent_cannot_decide_lets_nobody_in():
    async with bench() as b:
        b.agent.error = LaneUnknown()
        with pytest.raises(LaneUnknown):
            await b.lane().present(Presented("A1"))
        b.read("A2")
        await b.until("scan", 2)
        await asyncio.sleep(0.02)
        assert b.flaps[0].orders == []
        assert [one.error for one in b.shown] == ["edge.lane_unknown"] * 2
        b.agent.error = None
        b.read("A3")
        await b.until("opened")


async def test_a_repeated_request_opens_once():
    async with bench(sensor=False) as b:
        scan_id = ids.new_id()
        first = await b.lane().present(Presented("A1", scan_id=scan_id))
        second = await b.lane().present(Presented("A1", scan_id=scan_id))
        assert first == second
        await b.until("opened")
        await asyncio.sleep(0.05)
        assert b.flaps[0].orders == ["open"]


async def test_a_lane_that_is_not_there_is_said():
    async with bench() as b:
        with pytest.raises(LaneUnknown):
            b.entrance.lane(LANES[2])
