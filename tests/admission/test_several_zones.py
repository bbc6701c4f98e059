"""A bundle opens several zones, and is redeemed in each of them for itself."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from shanmen.admission.protocol import JournalRow
from shanmen.admission.service import undo
from shanmen.kit import clock, ids
from tests.admission.conftest import CHIEF, Gates, Made
from tests.admission.gatehouse import Gatehouse, make_app
from tests.sites.conftest import asgi

BOTH = 0b11


async def test_each_zone_admits_once(gates: Gates):
    made = await gates.ticket(zones=BOTH)
    ride = {"lane_id": gates.ride}
    assert (await gates.scan(made.code, at=gates.at(10, 10))).outcome == "admitted"
    again = await gates.scan(made.code, at=gates.at(10, 40), lane_id=gates.west)
    assert (again.reason, (await gates.row(made.id)).status) == ("already_used", "valid")
    assert (await gates.scan(made.code, at=gates.at(11), **ride)).outcome == "admitted"
    assert (await gates.scan(made.code, at=gates.at(11, 30), **ride)).reason == "already_used"
    row = await gates.row(made.id)
    assert (row.persons_entered, row.status) == (2, "used")


async def test_a_party_goes_part_by_part_into_each(gates: Gates):
    made = await gates.ticket("family", zones=BOTH)
    assert (await gates.scan(made.code, at=gates.at(10, 10), persons=2)).persons_left == 1
    up = await gates.scan(made.code, at=gates.at(10, 20), lane_id=gates.ride)
    assert (up.persons, up.persons_left) == (3, 0)
    assert (await gates.scan(made.code, at=gates.at(10, 30), persons=2)).reason == "too_many"
    assert (await gates.scan(made.code, at=gates.at(10, 40))).persons == 1


async def test_what_is_undone_counts_no_more_in_its_zone(gates: Gates):
    made = await gates.ticket(zones=BOTH)
    await gates.scan(made.code, at=gates.at(10, 10))
    up = await gates.scan(made.code, at=gates.at(10, 20), lane_id=gates.ride)
    with clock.at(gates.at(10, 25)):
        await gates.unit(CHIEF)(undo, scan_id=up.scan_id, reason="stopped")
    assert (await gates.scan(made.code, at=gates.at(10, 30))).reason == "already_used"
    up = await gates.scan(made.code, at=gates.at(10, 40), lane_id=gates.ride)
    assert up.outcome == "admitted"


async def test_who_came_in_time_goes_on_when_the_slot_is_over(gates: Gates):
    came, late = await gates.ticket(zones=BOTH), await gates.ticket(zones=BOTH)
    await gates.scan(came.code, at=gates.at(11))
    went_on = await gates.scan(came.code, at=gates.at(15), lane_id=gates.ride)
    assert went_on.outcome == "admitted"
    assert (await gates.scan(late.code, at=gates.at(15), lane_id=gates.ride)).reason == "slot_over"


@pytest.fixture
async def house(gates: Gates) -> AsyncIterator[Gatehouse]:
    app = make_app(gates.database)
    async with httpx.AsyncClient(transport=asgi(app), base_url="http://test") as http:
        yield Gatehouse(gates, http, app)


def entry(house: Gatehouse, made: Made, seq: int) -> JournalRow:
    at = house.gates.at(11) - timedelta(minutes=30 - seq)
    return JournalRow(
        seq=seq, scan_id=ids.new_id(), step="admitted", at=round(at.timestamp() * 1000), skew_ms=0,
        lane_id=house.gates.ride, direction="in", ticket_id=made.id.bytes, persons=1,
    )  # fmt: skip


async def test_a_gate_hears_of_its_own_zone_alone(house: Gatehouse):
    made = await house.gates.ticket(zones=BOTH)
    [(station,)] = await house.rows(
        "SELECT entrance_id FROM lane WHERE id = :l", l=house.gates.ride
    )
    await house.gates.scan(made.code, at=house.gates.at(10, 30))
    with clock.at(house.gates.at(11)):
        main, ride = await house.gate(), await house.gate(station, name="ride")
        for gate, entered in ((main, 1), (ride, 0)):
            await gate.sync()
            assert gate.tickets[made.id.bytes].persons_entered == entered
        # Once at the ride is no conflict, though the main gate let the ticket in; twice is one.
        await ride.upload(entry(house, made, 1))
        assert await house.cases() == []
        await ride.upload(entry(house, made, 2))
        assert await house.cases() == ["double_entry"]
