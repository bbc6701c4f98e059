"""Changing the catalog: versions, audit, and nothing half done."""

import asyncio
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec import structs
from sqlalchemy import text

from shanmen.catalog import errors, service
from shanmen.catalog.queries import current_catalog, special_days, ticket_type
from shanmen.catalog.rules import Draw, TicketTypeInfo, fingerprint
from shanmen.catalog.schemas import (
    LocalText,
    PriceSpec,
    RefundStepSpec,
    SpecialDaySpec,
    TicketTypeSpec,
)
from shanmen.db.session import Database, Session, Unit
from shanmen.kit.days import DayKind
from tests.support.park import Park, make_park

SPEC = TicketTypeSpec(name=LocalText(zh="学生票", en="Student"), audience="student")


@pytest.fixture
def unit(database: Database, park: Park) -> Unit:
    return database.unit(park.tenant_id)


async def version(session: Session) -> int:
    return (await current_catalog(session)).version


async def audit(session: Session, entity_id: UUID | str) -> list[tuple[str, dict | None, dict]]:
    rows = await session.execute(
        text("SELECT action, before, after FROM audit_log WHERE entity_id = :id ORDER BY at, id"),
        {"id": str(entity_id)},
    )
    return [tuple(row) for row in rows]


async def test_a_new_type_gets_the_next_number_and_is_audited(unit: Unit, park: Park):
    before = await unit(version)
    made = await unit(service.create_ticket_type, site_id=park.site_id, spec=SPEC)
    catalog = await unit(current_catalog)
    numbers = {t.number for t in catalog.types.values()}
    assert made.number == max(numbers) == len(numbers)
    assert catalog.version == before + 1
    assert catalog.types[made.id] == made
    [(action, old, new)] = await unit(audit, made.id)
    assert action == "catalog.ticket_type_created"
    assert (old, new["name"]) == (None, {"zh-CN": "学生票", "en": "Student"})


async def test_every_column_comes_back_as_it_was_said(unit: Unit, park: Park):
    spec = structs.replace(
        SPEC,
        party_size=4,
        documents="one",
        min_age=6,
        max_age=25,
        entries=0,
        valid_days=3,
        rotating=True,
        second_factor=True,
        min_per_order=2,
        max_per_order=6,
        sale_closes_minutes=45,
        refund=[RefundStepSpec(hours_before=0, fee_percent=20), RefundStepSpec(hours_before=48)],
        channels=["window", "web"],
        on_sale=False,
        position=3,
    )
    made = await unit(service.create_ticket_type, site_id=park.site_id, spec=spec)
    assert (made.party_size, made.documents, made.holders_per_ticket) == (4, "one", 1)
    assert (made.min_age, made.max_age, made.entries, made.valid_days) == (6, 25, 0, 3)
    assert [(s.hours_before, s.fee_percent) for s in made.refund.steps] == [(48, 0), (0, 20)]
    assert made.channels == {"web", "window"}
    assert made.flags == 3
    assert not made.sold_by("web")


async def test_an_edit_notes_only_what_changed(unit: Unit, park: Park):
    made = await unit(service.create_ticket_type, site_id=park.site_id, spec=SPEC)
    spec = structs.replace(SPEC, max_per_order=4)
    changed = await unit(
        service.edit_ticket_type, ticket_type_id=made.id, spec=spec, seen=fingerprint(made)
    )
    assert changed.max_per_order == 4
    assert changed.number == made.number
    _, (action, old, new) = await unit(audit, made.id)
    assert (action, old, new) == (
        "catalog.ticket_type_changed",
        {"max_per_order": 10},
        {"max_per_order": 4},
    )


async def test_selling_further_ahead_asks_for_slots_at_once(unit: Unit, park: Park):
    made = await unit(service.create_ticket_type, site_id=park.site_id, spec=SPEC)
    for days_ahead, jobs in ((20, 0), (60, 1)):
        spec = structs.replace(SPEC, days_ahead=days_ahead)
        await unit(service.edit_ticket_type, ticket_type_id=made.id, spec=spec)
        assert await unit(waiting_jobs, task="inventory.extend_slots") == jobs


async def waiting_jobs(session: Session, *, task: str) -> int:
    found = await session.scalar(
        text(
            "SELECT count(*) FROM procrastinate_jobs "
            "WHERE task_name = :task AND args->>'tenant_id' = :tenant"
        ),
        {"task": task, "tenant": str(session.tenant_id)},
    )
    return int(found or 0)


async def test_an_edit_over_somebody_elses_is_refused(unit: Unit, park: Park):
    made = await unit(service.create_ticket_type, site_id=park.site_id, spec=SPEC)
    await unit(service.set_prices, ticket_type_id=made.id, prices=[PriceSpec(amount_fen=1)])
    with pytest.raises(errors.CatalogChanged):
        await unit(
            service.edit_ticket_type,
            ticket_type_id=made.id,
            spec=structs.replace(SPEC, party_size=9),
            seen=fingerprint(made),
        )
    assert (await unit(ticket_type, ticket_type_id=made.id)).party_size == 1


async def test_bad_input_changes_nothing_at_all(unit: Unit, park: Park):
    before: int = await unit(version)
    with pytest.raises(errors.ZoneUnknown) as refused:
        await unit(
            service.create_ticket_type, site_id=park.site_id, spec=structs.replace(SPEC, zones=[5])
        )
    assert refused.value.field == "zones"
    prices = [PriceSpec(amount_fen=1), PriceSpec(amount_fen=2)]
    with pytest.raises(errors.PriceTwice):
        await unit(service.set_prices, ticket_type_id=park.types["adult"], prices=prices)
    catalog = await unit(current_catalog)
    assert catalog.version == before
    assert len(catalog.types) == len(park.types)
    assert [p.amount_fen for p in catalog.types[park.types["adult"]].prices] == [12000]


async def test_unknown_ids_are_refused(unit: Unit):
    for call in (
        unit(service.edit_ticket_type, ticket_type_id=uuid4(), spec=SPEC),
        unit(service.set_prices, ticket_type_id=uuid4(), prices=[]),
        unit(service.set_on_sale, ticket_type_id=uuid4(), on_sale=True),
        unit(service.set_draws, ticket_type_id=uuid4(), draws=[]),
    ):
        with pytest.raises(errors.TicketTypeNotFound):
            await call


async def test_another_tenant_sees_and_changes_nothing(database: Database, park: Park):
    other = await make_park(database, code=f"{park.code}x"[-12:])
    stranger = database.unit(other.tenant_id)
    assert not set((await stranger(current_catalog)).types) & set(park.types.values())
    with pytest.raises(errors.TicketTypeNotFound):
        await stranger(
            service.set_prices,
            ticket_type_id=park.types["adult"],
            prices=[PriceSpec(amount_fen=1)],
        )


async def test_prices_by_season_weekday_and_holiday(unit: Unit, park: Park):
    table = [
        PriceSpec(amount_fen=8000),
        PriceSpec(amount_fen=9000, weekdays=0b1100000),
        PriceSpec(amount_fen=10000, date_from=date(2026, 4, 1), date_until=date(2026, 10, 31)),
        PriceSpec(amount_fen=15000, day_kind="holiday", priority=10),
    ]
    adult = park.types["adult"]
    info = await unit(service.set_prices, ticket_type_id=adult, prices=table)
    assert [p.amount_fen for p in info.prices] == [8000, 9000, 10000, 15000]
    catalog = await unit(current_catalog)
    days = [date(2026, 3, 4), date(2026, 3, 7), date(2026, 7, 1), date(2026, 10, 1)]
    assert [catalog.price(info, day) for day in days] == [8000, 9000, 10000, 15000]


async def test_a_special_day_goes_before_the_public_calendar(unit: Unit, park: Park):
    day = date(2026, 3, 4)
    adult = park.types["adult"]
    await unit(
        service.set_prices,
        ticket_type_id=adult,
        prices=[PriceSpec(amount_fen=100), PriceSpec(amount_fen=300, day_kind="holiday")],
    )
    fair = SpecialDaySpec(day=day, day_kind="holiday", name=LocalText(zh="庙会", en="Fair"))
    await unit(service.set_special_days, site_id=park.site_id, days=[fair])
    catalog = await unit(current_catalog)
    assert catalog.day_kind(park.site_id, day) is DayKind.HOLIDAY
    assert catalog.price(catalog.types[adult], day) == 300
    views = await unit(special_days, site_id=park.site_id, first=day, last=day + timedelta(days=1))
    assert views[day].name == {"zh-CN": "庙会", "en": "Fair"}
    await unit(service.remove_special_days, site_id=park.site_id, days=[day])
    catalog = await unit(current_catalog)
    assert catalog.price(catalog.types[adult], day) == 100
    actions = [action for action, _, _ in await unit(audit, day.isoformat())]
    assert actions == ["catalog.special_day_set", "catalog.special_day_removed"]
    with pytest.raises(errors.SpecialDayNotFound):
        await unit(service.remove_special_days, site_id=park.site_id, days=[day])


async def test_a_pool_is_drawn_on_once(unit: Unit, park: Park):
    with pytest.raises(errors.DrawTwice) as refused:
        await unit(
            service.set_draws,
            ticket_type_id=park.types["adult"],
            draws=[Draw(park.gate_pool, 1), Draw(park.gate_pool, 2)],
        )
    assert refused.value.field == "draws.1.pool_id"


async def test_what_was_rolled_back_is_nobodys_catalog(unit: Unit, park: Park):
    adult = park.types["adult"]

    class Undo(Exception):
        pass

    async def change_and_look(session: Session) -> None:
        await service.set_prices(session, ticket_type_id=adult, prices=[PriceSpec(amount_fen=1)])
        assert (await current_catalog(session)).types[adult].prices[0].amount_fen == 1
        raise Undo

    with pytest.raises(Undo):
        await unit(change_and_look)
    # Another change gets the version that the one before gave back.
    await unit(service.set_on_sale, ticket_type_id=park.types["child"], on_sale=False)
    assert (await unit(current_catalog)).types[adult].prices[0].amount_fen == 12000


async def test_numbers_made_at_the_same_time_are_different(unit: Unit, park: Park):
    made: list[TicketTypeInfo] = await asyncio.gather(
        *(unit(service.create_ticket_type, site_id=park.site_id, spec=SPEC) for _ in range(5))
    )
    assert len({t.number for t in made}) == 5
