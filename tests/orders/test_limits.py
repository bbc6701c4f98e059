"""Limits per slot, day, month and year, of documents and phones, over types of a group."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import Limits, period_begins, period_ends
from shanmen.catalog.schemas import LimitsSpec
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Database, Session
from shanmen.kit import clock, ids
from shanmen.orders.errors import DocumentLimit, DuplicateDocument, PhoneLimit
from shanmen.orders.schemas import Placed, TicketInput
from shanmen.orders.service import limits
from shanmen.orders.service.lapse import cancel_order, expire_holds
from shanmen.orders.service.place import Outcome, place_orders
from shanmen.orders.service.refund import refund_tickets
from shanmen.orders.service.reschedule import reschedule
from tests.support.desk import Desk
from tests.support.park import Park, fresh_people, make_park, person
from tests.support.rules import set_limits, slot_on, slots_from

NOW = datetime(2027, 3, 10, 2, tzinfo=UTC)
DAY = date(2027, 3, 11)


@dataclass
class Town:
    """A park in March 2027 and its order desk."""

    park: Park
    desk: Desk

    async def limit(self, kind: str, **bounds: int) -> None:
        """Limit a ticket type; what is not said is without limit."""
        none = {"per_document_day": 0, "per_document_slot": 0}
        spec = LimitsSpec(group="entry", **(none | bounds))  # type: ignore[arg-type]
        await set_limits(self.desk.unit, self.park.types[kind], spec)

    def ticket(self, who: int, slot: UUID, kind: str = "adult") -> TicketInput:
        return TicketInput(self.park.types[kind], slot, [person(who)])

    async def buy(self, *tickets: TicketInput, phone: str = "13800138000") -> Outcome:
        request = self.park.order(*tickets, phone=phone)
        [outcome] = await self.desk.unit(place_orders, requests=[request], hold_seconds=900)
        return outcome


@pytest.fixture
async def town(database: Database) -> AsyncIterator[Town]:
    with clock.at(NOW):
        park = await make_park(database, code=f"l{ids.new_id().hex[-10:]}")
        yield Town(park, Desk(database, park))


def test_periods_are_the_calendars():
    assert period_begins("month", date(2028, 2, 10)) == date(2028, 2, 1)
    assert period_ends("month", date(2028, 2, 10)) == date(2028, 2, 29)
    assert period_ends("month", date(2027, 12, 31)) == date(2027, 12, 31)
    assert period_begins("year", DAY) == date(2027, 1, 1)
    assert period_ends("year", DAY) == date(2027, 12, 31)
    assert period_begins("day", DAY) == period_ends("slot", DAY) == DAY


async def test_a_month_is_counted_over_its_days(town: Town):
    await town.limit("adult", per_document_month=2)
    [who] = fresh_people(1)
    first, second, third = await slots_from(town.desk.unit, town.park, date(2027, 3, 20), 3)
    april = await slot_on(town.desk.unit, town.park, date(2027, 4, 2))
    placed = await town.buy(town.ticket(who, first))
    assert isinstance(placed, Placed)
    assert isinstance(await town.buy(town.ticket(who, second)), Placed)
    refused = await town.buy(town.ticket(who, third))
    assert isinstance(refused, DocumentLimit)
    assert refused.field == "tickets.0.visitors.0.document_number"
    assert refused.params == {
        "limit": 2, "per": "month", "has": 2, "begins": "2027-03-01", "ends": "2027-03-31",
    }  # fmt: skip
    assert isinstance(await town.buy(town.ticket(who, april)), Placed)
    await town.desk.unit(cancel_order, order_id=placed.id)
    assert isinstance(await town.buy(town.ticket(who, third)), Placed)


async def test_visits_that_are_over_count_in_their_month_and_year(town: Town):
    await town.limit("adult", per_document_year=1)
    [who] = fresh_people(1)
    later = await slot_on(town.desk.unit, town.park, date(2027, 4, 20))
    placed = await town.buy(town.ticket(who, town.park.slots[0]))
    assert isinstance(placed, Placed)
    await town.desk.pay(placed)
    with clock.at(NOW + timedelta(days=35)):
        refused = await town.buy(town.ticket(who, later))
    assert isinstance(refused, DocumentLimit)
    assert (refused.params["per"], refused.params["ends"]) == ("year", "2027-12-31")


async def test_types_of_a_group_count_together_and_each_keeps_its_own_bounds(town: Town):
    await town.limit("adult", per_document_month=1, per_phone_month=2)
    await town.limit("free")
    one, two = fresh_people(2)
    days = await slots_from(town.desk.unit, town.park, date(2027, 3, 20), 3)
    assert isinstance(await town.buy(town.ticket(one, days[0], "free")), Placed)
    assert isinstance(await town.buy(town.ticket(one, days[1], "free")), Placed)
    by_document = await town.buy(town.ticket(one, days[2]), phone="13900139000")
    assert isinstance(by_document, DocumentLimit)
    by_phone = await town.buy(town.ticket(two, days[2]))
    assert isinstance(by_phone, PhoneLimit)
    assert by_phone.field == "phone"
    assert (by_phone.params["has"], by_phone.params["per"]) == (2, "month")
    assert isinstance(await town.buy(town.ticket(two, days[2]), phone="13900139000"), Placed)


@pytest.mark.parametrize("per", ["slot", "day", "month", "year"])
async def test_a_phone_is_limited_over_each_period(town: Town, per: str):
    await town.limit("adult", **{f"per_phone_{per}": 2})
    people = fresh_people(5)
    slot = town.park.slots[0]
    both = await town.buy(town.ticket(people[0], slot), town.ticket(people[1], slot))
    assert isinstance(both, Placed)
    refused = await town.buy(town.ticket(people[2], slot))
    assert isinstance(refused, PhoneLimit)
    assert (refused.params["per"], refused.params["has"], refused.params["limit"]) == (per, 2, 2)
    three = [town.ticket(who, slot) for who in people[2:5]]
    assert isinstance(await town.buy(*three, phone="13900139000"), PhoneLimit)
    elsewhere = {
        "slot": (town.park.slots[1], DAY),
        "day": (None, DAY + timedelta(days=1)),
        "month": (None, date(2027, 4, 1)),
        "year": (None, None),
    }[per]
    if elsewhere[1] is not None:
        other = elsewhere[0] or await slot_on(town.desk.unit, town.park, elsewhere[1])
        assert isinstance(await town.buy(town.ticket(people[2], other)), Placed)


async def test_a_ticket_given_back_frees_the_phone(town: Town):
    await town.limit("adult", per_phone_day=2)
    people = fresh_people(3)
    slot = town.park.slots[0]
    placed = await town.buy(town.ticket(people[0], slot), town.ticket(people[1], slot))
    assert isinstance(placed, Placed)
    await town.desk.pay(placed)
    [ticket, _] = (await town.desk.view(placed)).tickets
    await town.desk.unit(refund_tickets, order_id=placed.id, ticket_ids=[ticket.ticket_id])
    assert isinstance(await town.buy(town.ticket(people[2], slot)), Placed)


async def test_a_document_named_twice_in_one_order_is_told_so(town: Town):
    await town.limit("adult", per_document_day=1)
    [who] = fresh_people(1)
    slots = town.park.slots
    refused = await town.buy(town.ticket(who, slots[0]), town.ticket(who, slots[1]))
    assert isinstance(refused, DuplicateDocument)
    assert refused.field == "tickets.1.visitors.0.document_number"
    assert isinstance(await town.buy(town.ticket(who, slots[0])), Placed)
    assert isinstance(await town.buy(town.ticket(who, slots[1])), DocumentLimit)


async def test_moving_a_visit_keeps_the_limits_of_its_document(town: Town):
    await town.limit("adult", per_document_month=1)
    [who] = fresh_people(1)
    april = await slot_on(town.desk.unit, town.park, date(2027, 4, 2))
    march = await slot_on(town.desk.unit, town.park, date(2027, 3, 30))
    placed = [await town.buy(town.ticket(who, slot)) for slot in (town.park.slots[0], april)]
    for order in placed:
        assert isinstance(order, Placed)
        await town.desk.pay(order)
    with pytest.raises(DocumentLimit) as refused:
        await town.desk.unit(reschedule, order_id=placed[1].id, slot_id=march)
    assert refused.value.field == "slot_id"
    assert refused.value.params["per"] == "month"
    # Within its month it moves: its own place does not stand in its way.
    await town.desk.unit(reschedule, order_id=placed[0].id, slot_id=march)


async def test_moving_a_visit_keeps_the_limits_of_its_phone(town: Town):
    await town.limit("adult", per_phone_slot=1)
    one, two = fresh_people(2)
    slots = town.park.slots
    wanted = [(one, slots[0]), (two, slots[1])]
    placed = [await town.buy(town.ticket(who, slot)) for who, slot in wanted]
    for order in placed:
        assert isinstance(order, Placed)
        await town.desk.pay(order)
    with pytest.raises(PhoneLimit):
        await town.desk.unit(reschedule, order_id=placed[0].id, slot_id=slots[1])
    await town.desk.unit(reschedule, order_id=placed[0].id, slot_id=slots[2])


async def test_a_late_payment_keeps_the_limits(town: Town):
    await town.limit("adult", per_document_month=1)
    [who] = fresh_people(1)
    other = await slot_on(town.desk.unit, town.park, date(2027, 3, 30))
    late = await town.buy(town.ticket(who, town.park.slots[0]))
    assert isinstance(late, Placed)
    attempt = await town.desk.attempt(late)
    with clock.at(NOW + timedelta(minutes=20)):
        await town.desk.unit(expire_holds)
        assert isinstance(await town.buy(town.ticket(who, other)), Placed)
        assert await town.desk.pay(late, attempt=attempt) == "late_refunded"


async def test_months_and_years_are_read_only_where_they_are_limited(town: Town):
    catalog = await town.desk.unit(current_catalog)
    kind = catalog.types[town.park.types["adult"]]
    today = date(2027, 3, 10)

    def since(**bounds: int) -> date:
        limited = replace(kind, id=ids.new_id(), limits=Limits(**bounds))  # type: ignore[arg-type]
        return limits.counted_since([kind, limited], today=today)

    assert since() == date(2027, 3, 9)
    assert since(per_document_month=3) == date(2027, 3, 1)
    assert since(per_phone_year=3, per_document_month=3) == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("sql", "params", "index"),
    [
        (limits.DOCUMENTS, ("{1,2}", DAY), "ix_holder_tenant_id_document_index_visit_day"),
        (limits.PHONES, ("{1,2}", DAY, DAY), "ix_orders_tenant_id_phone_index_visit_day"),
    ],
)
async def test_counting_goes_by_index(town: Town, sql: str, params: tuple, index: str):
    async def plan(session: Session) -> str:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        [rows] = await run(session, [Statement("EXPLAIN " + sql, (session.tenant_id, *params))])
        return "\n".join(row[0] for row in rows)

    # Which of a small table's indexes is the cheapest depends on what other tests have left in it.
    said = await town.desk.unit(plan)
    assert "Index Scan" in said
    assert "Seq Scan" not in said
    assert await town.desk.count("pg_indexes", f"indexname = '{index}'") == 1
