"""A ticket for many days and any number of entries: every visit counts, until the last day."""

import httpx

from shanmen.kit import clock
from shanmen.tickets import token
from tests.admission.conftest import Gates
from tests.admission.gatehouse import Gatehouse, make_app
from tests.sites.conftest import asgi

DAYS = 365


async def test_a_pass_enters_all_year_and_no_longer(gates: Gates):
    made = await gates.ticket(starts=0, ends=24, days=DAYS, entries=0, flags=token.ROTATING)
    for days, hour in ((0, 9), (0, 15), (200, 7), (DAYS - 1, 23)):
        at = gates.at(hour, days=days)
        seen = await gates.scan(await gates.moving_code(made, at), at=at)
        assert seen.outcome == "admitted", (days, seen.reason)
    assert (await gates.row(made.id)).persons_entered == 4
    day_after = gates.at(9, days=DAYS)
    refused = await gates.scan(await gates.moving_code(made, day_after), at=day_after)
    assert (refused.outcome, refused.reason) == ("refused", "expired")


async def test_the_document_of_a_pass_opens_on_every_day_of_its_year(gates: Gates):
    made = await gates.ticket(starts=0, ends=24, days=DAYS, entries=0)
    [document] = made.documents
    for days in (0, 120, DAYS - 1):
        seen = await gates.scan(document, at=gates.at(10, days=days), kind="document")
        assert seen.outcome == "admitted", (days, seen.reason)


async def test_a_gate_is_told_of_a_pass_whose_first_day_is_long_ago(gates: Gates):
    made = await gates.ticket(starts=0, ends=24, days=DAYS, entries=0)
    app = make_app(gates.database)
    async with httpx.AsyncClient(transport=asgi(app), base_url="http://test") as http:
        house = Gatehouse(gates, http, app)
        await house.tell(made)
        for days, known in ((0, True), (250, True), (DAYS + 5, False)):
            with clock.at(gates.at(8, days=days)):
                gate = await house.gate(name=f"gate {days}")
                await gate.sync()
                assert (made.id.bytes in gate.tickets) is known, days
