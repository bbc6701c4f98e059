"""Rules that look at more than one ticket, as the server applies them."""

from typing import Any

from shanmen.admission import service
from shanmen.admission.schemas import ScanRequest
from shanmen.admission.service.blocked import block_document, lift_block
from shanmen.admission.service.zones import set_limit
from shanmen.kit import clock
from shanmen.tickets.token import ROTATING
from tests.admission.conftest import CHIEF, Gates, Made


async def policy(gates: Gates, **settings: Any) -> None:
    await gates.unit(CHIEF)(service.set_policy, site_id=gates.park.site_id, **settings)


async def together(gates: Gates, *codes: str, **changes: Any) -> list[Any]:
    """Several scans that share a transaction."""
    scans: list[ScanRequest] = [gates.request(code, **changes) for code in codes]
    with clock.at(gates.at(11)):
        return await gates.unit()(service.admit, scans=scans)


async def reason(gates: Gates, made: Made, **changes: Any) -> str:
    return (await gates.scan(made.code, **changes)).reason


async def test_a_child_follows_an_adult_at_the_same_lane(gates: Gates):
    await policy(gates, companions=[gates.park.types["child"]])
    child, adult = await gates.ticket("child"), await gates.ticket("adult")
    assert await reason(gates, child) == "companion_missing"
    assert await reason(gates, adult) == ""
    assert await reason(gates, child, lane_id=gates.west) == "companion_missing"
    late = gates.at(11, 1, second=1)
    assert await reason(gates, child, at=late) == "companion_missing"
    assert await reason(gates, child, at=gates.at(11, 1)) == ""


async def test_a_child_in_the_same_batch_as_an_adult(gates: Gates):
    await policy(gates, companions=[gates.park.types["child"]])
    child, adult = await gates.ticket("child"), await gates.ticket("adult")
    first, second, third = await together(gates, child.code, adult.code, child.code)
    assert [one.reason for one in (first, second, third)] == ["companion_missing", "", ""]


async def test_a_child_whose_parents_went_ahead(gates: Gates):
    await policy(gates, companions=[gates.park.types["child"]])
    child, adult = await gates.ticket("child"), await gates.ticket("adult")
    unit = gates.unit()

    async def join(session: Any) -> None:
        driver = await session.driver()
        await driver.execute(
            "UPDATE ticket SET order_id = (SELECT order_id FROM ticket WHERE id = %s), "
            "seq = 7 WHERE id = %s",
            (adult.id, child.id),
        )

    await unit(join)
    await gates.scan(adult.code, at=gates.at(10, 30), lane_id=gates.west)
    assert await reason(gates, child) == ""


async def test_nobody_passes_a_ticket_back(gates: Gates):
    made = await gates.ticket(entries=0)
    await policy(gates, anti_passback=True)
    assert await reason(gates, made, at=gates.at(10, 30), lane_id=gates.west) == ""
    assert await reason(gates, made) == "still_inside"
    await gates.scan(made.code, at=gates.at(11, 10), lane_id=gates.exit)
    assert await reason(gates, made, at=gates.at(11, 20)) == ""
    both = await gates.ticket(entries=0, zones=0b11)
    assert await reason(gates, both, at=gates.at(10, 30)) == ""
    assert await reason(gates, both, lane_id=gates.ride) == ""


async def test_a_zone_that_is_full(gates: Gates):
    first, family, last = await gates.ticket(), await gates.ticket("family"), await gates.ticket()
    with clock.at(gates.at(10, 30)):
        await gates.unit(CHIEF)(set_limit, zone_id=gates.park.zone_id, max_inside=3)
    assert await reason(gates, first, at=gates.at(10, 31)) == ""
    view = await gates.scan(family.code)
    assert (view.reason, view.params["left"]) == ("zone_full", 2)
    assert (await gates.scan(family.code, persons=2)).persons == 2
    assert await reason(gates, last) == "zone_full"
    out = await gates.scan(first.code, lane_id=gates.exit, at=gates.at(11, 5))
    assert out.admitted
    assert await reason(gates, last, at=gates.at(11, 6)) == ""
    view = await gates.scan(family.code, persons=1, at=gates.at(11, 7))
    assert view.reason == "zone_full"
    with clock.at(gates.at(11, 8)):
        await gates.unit(CHIEF)(
            service.override, scan_id=view.scan_id, persons=1, reason="a lost child"
        )
        await gates.unit(CHIEF)(service.undo, scan_id=view.scan_id, reason="it was not")
        await gates.unit(CHIEF)(set_limit, zone_id=gates.park.zone_id, max_inside=4)
    assert await reason(gates, family, persons=1, at=gates.at(11, 9)) == ""
    over = await gates.ticket(shift_days=1)
    assert await reason(gates, over, at=gates.at(11, days=1)) == ""


async def test_a_limit_set_during_the_day_counts_who_is_inside(gates: Gates):
    first, second = await gates.ticket(), await gates.ticket()
    await gates.scan(first.code)
    with clock.at(gates.at(11)):
        await gates.unit(CHIEF)(set_limit, zone_id=gates.park.zone_id, max_inside=1)
    assert await reason(gates, second) == "zone_full"
    with clock.at(gates.at(11)):
        await gates.unit(CHIEF)(set_limit, zone_id=gates.park.zone_id, max_inside=None)
    assert await reason(gates, second) == ""


async def test_a_zone_fills_within_a_batch(gates: Gates):
    made = [await gates.ticket() for _ in range(3)]
    with clock.at(gates.at(11)):
        await gates.unit(CHIEF)(set_limit, zone_id=gates.park.zone_id, max_inside=2)
    found = await together(gates, *(one.code for one in made))
    assert [one.reason for one in found] == ["", "", "zone_full"]


async def test_all_of_these_rules_at_once(gates: Gates):
    await policy(gates, companions=[gates.park.types["child"]])
    blocked, adult = await gates.ticket(), await gates.ticket()
    child, last = await gates.ticket("child"), await gates.ticket()
    with clock.at(gates.at(11)):
        unit = gates.unit(CHIEF)
        await unit(set_limit, zone_id=gates.park.zone_id, max_inside=2)
        await unit(block_document, kind="id_card", number=blocked.documents[0], reason="x")
    scanned = (blocked, child, adult, child, last)
    found = await together(gates, *(one.code for one in scanned))
    reasons = [one.reason for one in found]
    assert reasons == ["blocked", "companion_missing", "", "", "zone_full"]


async def test_a_blocked_document(gates: Gates):
    made, other = await gates.ticket("family"), await gates.ticket()
    unit = gates.unit(CHIEF)
    number = made.documents[1]
    block = await unit(block_document, kind="id_card", number=number, reason="lit a fire")
    assert await reason(gates, made) == "blocked"
    assert (await gates.scan(number, kind="document")).reason == "blocked"
    assert await reason(gates, other) == ""
    stranger = (await gates.scan(other.code, document=number, at=gates.at(11, 1))).reason
    assert stranger == "blocked"
    await unit(lift_block, block_id=block)
    assert await reason(gates, made) == ""


async def test_a_block_that_is_over(gates: Gates):
    made = await gates.ticket()
    await gates.unit(CHIEF)(
        block_document, kind="id_card", number=made.documents[0], reason="x", until=gates.day
    )
    assert await reason(gates, made) == "blocked"
    later = await gates.ticket(days=3)
    await gates.unit(CHIEF)(
        block_document, kind="id_card", number=later.documents[0], reason="x", until=gates.day
    )
    assert await reason(gates, later, at=gates.at(11, days=1)) == ""


async def test_static_codes_by_type_and_channel(gates: Gates):
    adult = gates.park.types["adult"]
    made, plain = await gates.ticket(flags=ROTATING), await gates.ticket()
    assert await reason(gates, made) == "document_required"
    await policy(gates, static_codes={adult: {"": "free", "ota": "document"}})
    assert await reason(gates, made) == ""

    async def sold_by_ota(session: Any) -> None:
        driver = await session.driver()
        await driver.execute("UPDATE ticket SET channel = 'ota' WHERE id = %s", (plain.id,))

    await gates.unit()(sold_by_ota)
    assert await reason(gates, plain) == "document_required"
    view = await gates.scan(plain.code, document=plain.documents[0])
    assert view.admitted
