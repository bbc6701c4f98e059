"""Who is inside a zone with a maximum, and what is kept free for gates that are cut off."""

import pytest

from shanmen.admission import protocol
from shanmen.admission.service.zones import set_limit
from shanmen.kit import clock
from tests.admission.conftest import CHIEF, Made
from tests.admission.gatehouse import Gatehouse
from tests.support.plain_gate import PlainGate, Refused, ms


async def limit(house: Gatehouse, most: int) -> None:
    await house.gates.unit(CHIEF)(set_limit, zone_id=house.gates.park.zone_id, max_inside=most)


async def inside(house: Gatehouse) -> int:
    [(persons,)] = await house.rows("SELECT inside FROM zone_limit")
    return int(persons)


async def ways(gate: PlainGate, house: Gatehouse, made: Made, *steps: str) -> None:
    """Somebody goes in or out at a gate that tells of it when it is back."""
    for direction in steps:
        row = gate.row(house.gates.east, "admitted", made.id, direction=direction, generation=0)
        await gate.upload(row)


@pytest.mark.parametrize("others", [0, 1])
async def test_an_exit_that_is_told_before_its_entry(house: Gatehouse, others: int):
    gates = house.gates
    with clock.at(gates.at(11)):
        await limit(house, 5)
        east, west = await house.gate(), await house.west()
        for _ in range(others):
            await gates.scan((await gates.ticket()).code)
        made = await gates.ticket(entries=0)
        # In at the west gate, which is cut off; out at the east gate, which is not.
        await ways(east, house, made, "out")
        assert await inside(house) == others
        await ways(west, house, made, "in")
        assert await inside(house) == others
        await ways(west, house, made, "in", "in", "out")
        assert await inside(house) == others + 1


async def test_an_exit_that_the_server_let_out_before_its_entry_is_told(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        await limit(house, 5)
        west = await house.west()
        made, other = await gates.ticket(entries=0), await gates.ticket()
        assert (await gates.scan(made.code, lane_id=gates.exit)).admitted
        await ways(west, house, made, "in")
        assert await inside(house) == 0
        await gates.scan(other.code)
        assert await inside(house) == 1


async def test_who_leaves_without_having_entered_makes_no_room(house: Gatehouse):
    """They came yesterday, or a guard scans them twice."""
    gates = house.gates
    with clock.at(gates.at(11)):
        await limit(house, 5)
        east = await house.gate()
        first, second = await gates.ticket(entries=0), await gates.ticket(entries=0)
        await ways(east, house, first, "in")
        await ways(east, house, second, "out", "out")
        assert await inside(house) == 1
        # Who walked in through open lanes has no ticket; who leaves too many was one of them.
        await east.upload(*(east.row(gates.east, "emergency", persons=1) for _ in range(3)))
        assert await inside(house) == 2
        await limit(house, 6)
        assert await inside(house) == 2


async def shared(house: Gatehouse, *, most: int) -> tuple[PlainGate, PlainGate]:
    """Two gates that share a zone, each told half of it, and each having said that it heard."""
    await limit(house, most)
    east, west = await house.gate(), await house.west()
    for gate in (east, west):
        await gate.sync()
        await gate.health(room=most // 2, heard_at=ms())
    for gate in (east, west):
        assert gate.zones[0].share == most // 2
    return east, west


async def left(house: Gatehouse) -> int:
    """How many the server lets in at the east."""
    persons = 0
    while (await house.gates.scan((await house.gates.ticket()).code, at=clock.now())).admitted:
        persons += 1
    return persons


async def test_an_answer_that_is_lost_leaves_as_much_free_as_the_gate_has(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)) as now:
        east, west = await shared(house, most=12)
        family = [await gates.ticket("family") for _ in range(2)]
        for made in family:
            await gates.scan(made.code, at=clock.now())
        # The west gate would be told three; the answer does not get there, and it has its six.
        await west.send("GET", f"{protocol.PATH_CHANGES}?since={west.mark}&room=6")
        now.advance(20)
        await east.sync()
        await east.health(room=0, heard_at=ms())
        assert await left(house) == 0
        # It is back, and says that it let in four alone, and has two left.
        for _ in range(4):
            made = await gates.ticket()
            await west.upload(west.row(gates.west, "admitted", made.id, generation=0))
        await west.send("GET", f"{protocol.PATH_CHANGES}?since={west.mark}&room=2")
        await west.health(room=1, heard_at=ms())
        assert await left(house) == 2


async def test_a_gate_that_is_heard_and_hears_nothing_counts_as_cut_off(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)) as now:
        east, west = await shared(house, most=12)
        heard_at = ms()
        for _ in range(3):
            now.advance(8)
            # Its questions arrive; no answer gets through to it.
            await west.send("GET", f"{protocol.PATH_CHANGES}?since={west.mark}&room=6")
            await west.health(room=6, heard_at=heard_at)
            await east.sync()
            await east.health(room=3, heard_at=ms())
        assert await left(house) == 6
        await west.health(room=0, heard_at=ms())
        assert await left(house) == 6


async def test_who_is_scanned_twice_on_the_way_out_leaves_once(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)) as now:
        await limit(house, 5)
        first, second = await gates.ticket(entries=0), await gates.ticket(entries=0)
        for made in (first, second):
            await gates.scan(made.code)
        for _ in range(2):
            now.advance(60)
            assert (await gates.scan(first.code, lane_id=gates.exit)).admitted
        assert await inside(house) == 1


@pytest.mark.parametrize("way", ["out", "given_back"])
async def test_places_that_a_gate_has_freed_are_its_own_until_it_is_told_anew(
    house: Gatehouse, way: str
):
    """It lets people in by them alone: what the server hears of them it must not give away."""
    gates = house.gates
    with clock.at(gates.at(11)) as now:
        east, west = await shared(house, most=12)
        made = await gates.ticket("family")
        row = west.row(gates.west, "admitted", made.id, persons=3, generation=0)
        await west.upload(row)
        await west.sync()
        await west.health(room=west.zones[0].share, heard_at=ms())
        assert (await inside(house), west.zones[0].share) == (3, 4)
        early = west.count + 1
        if way == "out":
            west.count += 1
            leave = west.row(gates.west, "admitted", made.id, direction="out", persons=3)
            await west.upload(leave)
        else:
            west.count += 1
            await west.upload(
                west.row(gates.west, "given_back", made.id, persons=3, scan_id=row.scan_id)
            )
        assert await inside(house) == 0
        # Word of how it was before comes behind, and nothing else comes through.
        late = west.count
        west.count = early - 1
        await west.health(room=4, heard_at=ms())
        west.count = late
        now.advance(20)
        await east.health(room=4, heard_at=ms())
        assert await left(house) == 12 - 7


async def test_a_gate_whose_first_word_of_itself_is_lost(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)) as now:
        await limit(house, 10)
        await (await house.gate()).health(heard_at=ms())
        west = await house.west()
        await west.sync()
        assert west.zones[0].share == 5
        now.advance(20)
        assert await left(house) == 5


async def test_a_question_that_was_overtaken_changes_nothing(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)) as now:
        east, west = await shared(house, most=12)
        early, west.count = west.count, west.count + 2
        await west.send("GET", f"{protocol.PATH_CHANGES}?since={west.mark}&room=6")
        west.count = early
        with pytest.raises(Refused) as refused:
            await west.send("GET", f"{protocol.PATH_CHANGES}?since={west.mark}&room=0")
        assert refused.value.code == "admission.request_repeated"
        await west.health(room=0, heard_at=ms())
        now.advance(20)
        await east.health(room=6, heard_at=ms())
        assert await left(house) == 6
