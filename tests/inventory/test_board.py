"""What is kept in memory of a site's days is never older than the tables."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar.datastructures import State
from sqlalchemy import text

from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import PriceSpec, SpecialDaySpec
from shanmen.db.session import Database, Session
from shanmen.inventory.api import direct
from shanmen.inventory.api.visit import (
    availability,
    available_slots,
    day_out,
    days_at,
    slot_out,
    slots_at,
)
from shanmen.inventory.board import Boards
from shanmen.inventory.rules import SlotOffer
from shanmen.inventory.service.counters import NewCounter, add_counters
from shanmen.inventory.service.reconcile import CounterPlan
from shanmen.inventory.service.slots import edit_day
from shanmen.kit import clock
from shanmen.kit.settings import Settings
from shanmen.sites.access import DEPENDENCIES
from shanmen.sites.queries import site_contexts
from shanmen.sites.service import apikeys
from shanmen.web.direct import Application
from shanmen.web.plugin import WebConfig, WebPlugin
from tests.inventory.conftest import Stand
from tests.support.park import ZONE, Park, add_slot


class Asker:
    """Asks the board, and the tables, and compares."""

    def __init__(self, stand: Stand, park: Park) -> None:
        self.stand = stand
        self.park = park
        self.boards = Boards()

    async def both(self) -> list[Any]:
        """The present answers; they must be the same from both."""
        today = clock.today(ZONE)
        days = tuple(today + timedelta(days=n) for n in range(25))
        [site] = await self.stand.unit(site_contexts)
        answers: list[Any] = []
        for products in (None, (self.stand.type_id,), tuple(self.park.types.values())[:2]):
            questions = [
                direct.Question("days", site, "web", direct.Wanted(days, products)),
                direct.Question("slots", site, "web", direct.Wanted((days[1],), products)),
            ]
            month, slots = await direct.answer(
                self.stand.unit, boards=self.boards, questions=questions
            )
            read_month = await self.stand.unit(
                days_at, slug=self.park.slug, product=products, channel="web", first=days[0],
                last=days[-1],
            )  # fmt: skip
            read_slots = await self.stand.unit(
                slots_at, slug=self.park.slug, product=products, channel="web", day=days[1]
            )
            assert msgspec.json.decode(month) == msgspec.to_builtins([*map(day_out, read_month)])
            assert msgspec.json.decode(slots) == msgspec.to_builtins([*map(slot_out, read_slots)])
            answers += [month, slots]
        return answers


@pytest.fixture
async def asker(stand: Stand, park: Park) -> Asker:
    return Asker(stand, park)


async def test_it_follows_every_change(asker: Asker, stand: Stand, park: Park) -> None:
    seen = [await asker.both()]

    async def changed() -> None:
        seen.append(await asker.both())
        assert seen[-1] != seen[-2]

    first = (await stand.day())[0]
    await stand.take(first.id, 3)
    await changed()
    await stand.take(park.slots[0], 99)
    await changed()
    await stand.unit(edit_day, pool_id=stand.pool_id, day=stand.tomorrow, status="closed")
    await changed()
    await stand.unit(
        add_slot, pool_id=stand.pool_id, day=stand.tomorrow, starts=time(20), ends=time(21),
        capacity=7,
    )  # fmt: skip
    await changed()
    await stand.unit(
        catalog.set_prices, ticket_type_id=stand.type_id, prices=[PriceSpec(amount_fen=7000)]
    )
    await changed()
    await stand.unit(
        catalog.set_special_days,
        site_id=park.site_id,
        days=[SpecialDaySpec(day=stand.tomorrow, day_kind="holiday")],
    )
    await changed()


async def test_it_follows_the_clock(asker: Asker, stand: Stand) -> None:
    tomorrow = stand.tomorrow
    moments = [
        clock.to_utc(tomorrow, time(7), ZONE),
        clock.to_utc(tomorrow, time(9, 59, 59), ZONE),
        clock.to_utc(tomorrow, time(10), ZONE),
        clock.to_utc(tomorrow, time(12), ZONE),
        clock.to_utc(tomorrow + timedelta(days=1), time(), ZONE),
    ]
    seen = []
    for moment in moments:
        with clock.at(moment):
            seen.append(await asker.both())
    assert seen[0] == seen[1]
    assert seen[1] != seen[2] != seen[3] != seen[4]


async def test_what_did_not_change_is_not_worked_out_again(asker: Asker, stand: Stand) -> None:
    [site] = await stand.unit(site_contexts)
    days = [stand.tomorrow, stand.tomorrow + timedelta(days=1)]
    written: list[UUID] = []

    def write(offer: SlotOffer) -> bytes:
        written.append(offer.slot.id)
        return b"%d" % offer.left

    async def ask() -> list[list[bytes]]:
        written.clear()
        boards = await asker.boards.read(stand.unit, site=site, days=days)
        return [boards[day].view("web", (stand.type_id,)).slots(write) for day in days]

    first = (await stand.day())[0]
    before = await ask()
    assert len(written) == len(before[0]) + len(before[1])
    await stand.take(first.id, 1)
    after = await ask()
    assert written == [first.id]
    assert int(before[0][0]) - int(after[0][0]) == 1
    assert (after[0][1:], after[1]) == (before[0][1:], before[1])
    assert await ask() == after
    assert not written


async def test_what_is_removed_is_missed(asker: Asker, stand: Stand, park: Park) -> None:
    """A ticket type's cap in a slot ends: its other rows stay as they are."""
    before = await asker.both()
    first = (await stand.day())[0]

    async def cap(session: Session, *, places: int | None) -> None:
        await session.execute(
            text("DELETE FROM stock WHERE slot_id = :slot AND scope = 'type'"), {"slot": first.id}
        )
        if places is not None:
            await add_counters(
                session, [NewCounter(first.id, ("type", str(stand.type_id)), CounterPlan(places))]
            )

    await stand.unit(cap, places=3)
    capped = await asker.both()
    assert capped != before
    await stand.unit(cap, places=None)
    assert await asker.both() == before


async def test_a_change_that_is_rolled_back_changes_nothing(
    asker: Asker, stand: Stand, database: Database, park: Park
) -> None:
    before = await asker.both()

    async def fail(session: Session) -> None:
        await session.execute(text("UPDATE stock SET held = 1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.unit(park.tenant_id)(fail)
    assert await asker.both() == before


@pytest.fixture
async def client(database: Database, park: Park):
    app = Application(
        direct=direct.routes,
        route_handlers=[availability, available_slots],
        plugins=[WebPlugin(WebConfig(secret=b"s" * 32))],
        dependencies=dict(DEPENDENCIES),
        state=State({"database": database, "settings": Settings()}),
    )
    async with database.transaction(park.tenant_id) as session:
        made = await apikeys.create_key(session, name="test", channel="ota", permissions=())
    headers = {"authorization": f"Bearer {made.secret}", "accept-language": "en"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as opened:
        yield opened
    await direct.reads_in(app).close()


def queries(park: Park) -> list[str]:
    first = datetime.now(UTC).date()
    last = first + timedelta(days=29)
    adult, child = park.types["adult"], park.types["child"]
    return [
        f"availability?from={first}&to={last}",
        f"availability?from={first}&to={last}&product={adult}&product={child}",
        f"availability?from={first}&to={first + timedelta(days=100)}",
        f"availability?from={last}&to={first}",
        f"availability?from={first}",
        f"availability?from={first:%Y%m%d}&to={last:%Y%m%d}",
        f"slots?date={park.day}",
        f"slots?date={park.day}&product={child}",
        f"slots?date={park.day}&product=none",
        "slots?date=tomorrow",
        "slots",
    ]


@pytest.mark.parametrize("index", range(11))
async def test_the_direct_route_answers_as_the_documented_one(
    client: httpx.AsyncClient, park: Park, index: int
) -> None:
    path = f"/api/v1/sites/{park.slug}/{queries(park)[index]}"
    answer = await client.get(path)
    # Another order of parameters is another address, and this one is no direct route's.
    documented = await client.get(path + ("&" if "?" in path else "?") + "lang=en")
    assert answer.status_code == documented.status_code
    assert answer.json() == documented.json()


async def test_another_tenants_site_is_unknown(client: httpx.AsyncClient, park: Park) -> None:
    answer = await client.get(f"/api/v1/sites/elsewhere/slots?date={park.day}")
    assert (answer.status_code, answer.json()["code"]) == (404, "sites.site_unknown")


async def test_a_key_is_asked_for_first(client: httpx.AsyncClient, park: Park) -> None:
    answer = await client.get(
        f"/api/v1/sites/{park.slug}/availability?from=2026-01-01&to=2027-01-01",
        headers={"authorization": "Bearer none"},
    )
    assert answer.status_code == 401
