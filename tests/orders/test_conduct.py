"""No-shows: what is recorded at night, who may not book for a while, and lifting it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from shanmen.catalog.schemas import LimitsSpec, NoShowSpec
from shanmen.db.session import Database, Session
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock, ids
from shanmen.orders.errors import Restricted, RestrictionNotFound
from shanmen.orders.jobs import record_no_shows
from shanmen.orders.queries import RestrictionRow, restrictions
from shanmen.orders.schemas import Placed, TicketInput
from shanmen.orders.service.lift import lift_restriction
from shanmen.orders.service.place import Outcome, place_orders
from shanmen.orders.service.refund import refund_tickets
from tests.support.desk import Desk
from tests.support.park import Park, fresh_people, id_number, make_park, person
from tests.support.rules import set_limits, slots_from

NOW = datetime(2027, 3, 10, 2, tzinfo=UTC)
FIRST = date(2027, 3, 11)
TWICE = NoShowSpec(enabled=True, count=2, within_days=30, ban_days=20)


@dataclass
class Town:
    """A park whose visitors are watched: a slot on each of ten days."""

    park: Park
    desk: Desk
    slots: list[UUID]

    async def rule(self, kind: str, no_shows: NoShowSpec) -> None:
        spec = LimitsSpec(group="entry", no_shows=no_shows)
        await set_limits(self.desk.unit, self.park.types[kind], spec)

    async def try_to_buy(self, who: int, day: int, kind: str = "adult") -> Outcome:
        ticket = TicketInput(self.park.types[kind], self.slots[day], [person(who)])
        [outcome] = await self.desk.unit(
            place_orders, requests=[self.park.order(ticket)], hold_seconds=900
        )
        return outcome

    async def buy(self, who: int, day: int, kind: str = "adult") -> Placed:
        placed = await self.try_to_buy(who, day, kind)
        assert isinstance(placed, Placed), placed
        await self.desk.pay(placed)
        return placed

    async def enter(self, placed: Placed) -> None:
        async def admit(session: Session) -> None:
            await session.execute(
                text("UPDATE ticket SET persons_entered = 1, status = 'used' "
                     "WHERE tenant_id = :t AND order_id = :o"),
                {"t": session.tenant_id, "o": placed.id},
            )  # fmt: skip

        await self.desk.unit(admit)

    async def open_on(self, *days: int) -> None:
        """Somebody else comes on these days."""
        for day in days:
            [who] = fresh_people(1)
            await self.enter(await self.buy(who, day))

    async def night(self, day: int) -> int:
        """The job as it runs in the night after a day; -1 is before the first."""
        with clock.at(NOW + timedelta(days=day + 1, hours=18)):
            return await record_no_shows(self.desk.unit)

    async def restricted(self, document: str = "") -> tuple[RestrictionRow, ...]:
        return (await self.desk.unit(restrictions, document=document)).rows


@pytest.fixture
async def town(database: Database) -> AsyncIterator[Town]:
    with clock.at(NOW):
        park = await make_park(database, code=f"c{ids.new_id().hex[-10:]}")
        desk = Desk(database, park)
        made = Town(park, desk, await slots_from(desk.unit, park, FIRST, 10))
        await made.rule("adult", TWICE)
        await made.night(-1)
        yield made


def later(day: int) -> datetime:
    """The morning after a day's night."""
    return NOW + timedelta(days=day + 2)


async def test_who_misses_two_visits_cannot_book_for_a_while(town: Town):
    [who] = fresh_people(1)
    await town.open_on(0, 1)
    await town.buy(who, 0)
    await town.buy(who, 1)
    assert await town.night(0) == 1
    with clock.at(later(0)):
        assert isinstance(await town.try_to_buy(who, 5), Placed)
    assert await town.night(1) == 1
    with clock.at(later(1)):
        refused = await town.try_to_buy(who, 6)
        assert isinstance(refused, Restricted)
        assert refused.field == "tickets.0.visitors.0.document_number"
        assert refused.params["until"] == "2027-04-01"
        assert refused.params["contact"] == "测试山"
        [other] = fresh_people(1)
        assert isinstance(await town.try_to_buy(other, 6), Placed)
        # A type of the group without the rule is sold to everybody.
        assert isinstance(await town.try_to_buy(who, 6, "free"), Placed)
    with clock.at(datetime(2027, 4, 1, 15, 59, tzinfo=UTC)):
        slots = await slots_from(town.desk.unit, town.park, date(2027, 4, 10), 1)
        town.slots = slots
        assert isinstance(await town.try_to_buy(who, 0), Restricted)
    with clock.at(datetime(2027, 4, 1, 16, 1, tzinfo=UTC)):
        assert isinstance(await town.try_to_buy(who, 0), Placed)


async def test_running_again_or_late_comes_to_the_same(town: Town):
    [who] = fresh_people(1)
    await town.open_on(0, 1, 2)
    for day in (0, 1, 2):
        await town.buy(who, day)
    # Nobody ran the job for days; then it runs twice.
    assert await town.night(6) == 3
    with clock.at(later(6)):
        [row] = before = await town.restricted()
    assert (row.no_shows, row.last_day) == (3, date(2027, 3, 13))
    assert row.until_day == date(2027, 4, 2)
    assert await town.night(6) == 0
    with clock.at(later(6)):
        assert await town.restricted() == before


async def test_what_does_not_count(town: Town):
    entered, refunded, earlier, closed, empty = fresh_people(5)
    await town.open_on(0, 1, 2, 3)
    for day in (0, 1):
        await town.enter(await town.buy(entered, day))
        placed = await town.buy(refunded, day)
        await town.desk.unit(refund_tickets, order_id=placed.id)
    # Held and never paid: there is no ticket that could be missed.
    assert isinstance(await town.try_to_buy(earlier, 0), Placed)
    for day in (2, 3):
        await town.buy(closed, day)
    for day in (4, 5):
        await town.buy(empty, day)
    for day in (2, 3):
        await town.desk.unit(edit_slot, slot_id=town.slots[day], status="closed")
    assert await town.night(7) == 0
    assert await town.desk.count("no_show") == 0


async def test_several_tickets_of_a_day_are_one_no_show(town: Town):
    [who] = fresh_people(1)
    spec = LimitsSpec(per_document_day=0, per_document_slot=0, group="entry", no_shows=TWICE)
    for kind in ("adult", "free"):
        await set_limits(town.desk.unit, town.park.types[kind], spec)
    await town.open_on(0)
    await town.buy(who, 0)
    placed = await town.try_to_buy(who, 0)
    assert isinstance(placed, Placed)
    await town.desk.pay(placed)
    assert await town.night(0) == 2
    with clock.at(later(0)):
        assert await town.restricted() == ()


async def test_no_shows_too_far_apart_do_not_restrict(town: Town):
    [who] = fresh_people(1)
    await town.rule("adult", NoShowSpec(enabled=True, count=2, within_days=3, ban_days=20))
    await town.open_on(0, 3, 5)
    for day in (0, 3):
        await town.buy(who, day)
    await town.night(4)
    with clock.at(later(4)):
        assert await town.restricted() == ()
    await town.buy(who, 5)
    await town.night(5)
    with clock.at(later(5)):
        [row] = await town.restricted()
        assert (row.no_shows, row.last_day) == (2, date(2027, 3, 16))


async def test_an_entry_that_is_told_late_takes_the_no_show_back(town: Town):
    [who] = fresh_people(1)
    await town.open_on(0, 1)
    first = await town.buy(who, 0)
    await town.buy(who, 1)
    await town.night(1)
    with clock.at(later(1)):
        assert len(await town.restricted()) == 1
        await town.enter(first)
    await town.night(3)
    with clock.at(later(3)):
        assert await town.restricted() == ()
        assert isinstance(await town.try_to_buy(who, 8), Placed)


async def test_only_visits_since_the_rule_was_switched_on_count(database: Database):
    with clock.at(NOW):
        park = await make_park(database, code=f"c{ids.new_id().hex[-10:]}")
        desk = Desk(database, park)
        town = Town(park, desk, await slots_from(desk.unit, park, FIRST, 10))
        [who] = fresh_people(1)
        await town.open_on(0, 1, 5, 6)
        for day in (0, 1, 5):
            await town.buy(who, day)
        assert await town.night(2) == 0
        await town.rule("adult", TWICE)
        await town.night(3)
        assert await town.night(5) == 1
        with clock.at(later(5)):
            assert await town.restricted() == ()
        await town.buy(who, 6)
        await town.night(6)
        with clock.at(later(6)):
            assert len(await town.restricted()) == 1
            # Switched off, it restricts nobody, at once; and in the night it forgets.
            await town.rule("adult", NoShowSpec())
            assert isinstance(await town.try_to_buy(who, 8), Placed)
        await town.night(7)
        assert await desk.count("no_show") == await desk.count("restriction") == 0


async def test_lifting_is_remembered(town: Town):
    [who] = fresh_people(1)
    await town.open_on(0, 1, 7, 8)
    for day in (0, 1, 7, 8):
        await town.buy(who, day)
    await town.night(1)
    with clock.at(later(1)):
        [row] = await town.restricted()
        await town.desk.unit(lift_restriction, restriction_id=row.id, reason="in hospital")
        await town.desk.unit(lift_restriction, restriction_id=row.id, reason="twice")
        assert await town.restricted() == ()
        [lifted] = await town.restricted(id_number(who))
        assert (lifted.lifted_by, lifted.reason) == ("Wang (wang)", "in hospital")
        assert isinstance(await town.try_to_buy(who, 6), Placed)
        with pytest.raises(RestrictionNotFound):
            await town.desk.unit(lift_restriction, restriction_id=ids.new_id(), reason="x")
    await town.night(3)
    await town.night(7)
    with clock.at(later(7)):
        # One new no-show; the old two are forgiven.
        assert await town.restricted() == ()
    await town.night(8)
    with clock.at(later(8)):
        [again] = await town.restricted()
        assert (again.no_shows, again.last_day) == (2, date(2027, 3, 19))
    assert await audited(town) == [("orders.restriction_lifted", "in hospital")]


async def audited(town: Town) -> list[tuple[str, str]]:
    async def read(session: Session) -> list[tuple[str, str]]:
        rows = await session.execute(
            text("SELECT action, reason FROM audit_log WHERE tenant_id = :t "
                 "AND entity = 'restriction' ORDER BY at"),
            {"t": session.tenant_id},
        )  # fmt: skip
        return [tuple(row) for row in rows]

    return await town.desk.unit(read)


async def test_the_strictest_rule_of_a_group_holds_and_a_family_is_restricted_by_person(
    town: Town,
):
    await town.rule("family", NoShowSpec(enabled=True, count=1, within_days=30, ban_days=5))
    people = fresh_people(3)
    await town.open_on(0)
    wish = TicketInput(town.park.types["family"], town.slots[0], [person(n) for n in people])
    [placed] = await town.desk.unit(
        place_orders, requests=[town.park.order(wish)], hold_seconds=900
    )
    assert isinstance(placed, Placed)
    await town.desk.pay(placed)
    assert await town.night(0) == 3
    with clock.at(later(0)):
        for who in people:
            assert isinstance(await town.try_to_buy(who, 4), Restricted)


async def test_what_is_kept_names_nobody(town: Town):
    [who] = fresh_people(1)
    await town.open_on(0, 1)
    for day in (0, 1):
        await town.buy(who, day)
    await town.night(1)

    async def everything(session: Session) -> str:
        rows = [*await session.execute(text("SELECT * FROM no_show"))]
        rows += [*await session.execute(text("SELECT * FROM restriction"))]
        return repr(rows)

    kept = await town.desk.unit(everything)
    assert id_number(who) not in kept
    assert person(who).name not in kept
    with clock.at(later(1)):
        [row] = await town.restricted(id_number(who))
    assert row.visitor is not None
    assert row.visitor.document_number != id_number(who)
    assert row.visitor.name.endswith("*")
    assert row.products == ({"zh-CN": "adult票", "en": "Adult"},)


async def test_the_list_goes_on_page_by_page(town: Town):
    people = fresh_people(5)
    await town.open_on(0, 1)
    for who in people:
        for day in (0, 1):
            await town.buy(who, day)
    await town.night(1)
    seen: list[UUID] = []
    after = None
    with clock.at(later(1)):
        while True:
            page = await town.desk.unit(restrictions, after=after, limit=2)
            seen += [row.id for row in page.rows]
            after = page.following
            if after is None:
                break
    assert len(seen) == len(set(seen)) == 5
