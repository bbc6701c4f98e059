"""The keys that come with an order's page make its codes on every day that a ticket is good for."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from shanmen.catalog.models import TicketType
from shanmen.catalog.service import raise_version
from shanmen.db.session import Database, Session
from shanmen.kit import clock
from shanmen.orders.queries import order_by_id
from shanmen.orders.queries.order import file_by_id
from shanmen.orders.service.codes import MOST_KEY_DAYS, TicketCode, ticket_codes
from shanmen.tickets import rotating
from tests.support.desk import Desk
from tests.support.park import ZONE, Park

SITE = 7


@pytest.mark.parametrize("day", [-1, 0, 30, 31, 200, 364])
async def test_an_annual_pass_changes_its_code_all_year(
    database: Database, park: Park, day: int
) -> None:
    desk = Desk(database, park)

    async def make_annual(session: Session) -> None:
        await session.execute(update(TicketType).values(rotating=True, valid_days=365))
        await raise_version(session)

    await desk.unit(make_annual)
    placed = await desk.place(park.order(park.ticket()))
    await desk.pay(placed)
    [shown] = (await desk.unit(order_by_id, order_id=placed.id)).tickets
    then = shown.valid_from + timedelta(days=day, hours=1)

    async def codes(session: Session) -> tuple[TicketCode, rotating.Outcome]:
        file = await file_by_id(session, order_id=placed.id)
        [code] = ticket_codes(session.keyring, file, site_number=SITE, timezone=ZONE).values()
        verdict = rotating.check(
            code.text_at(then).removeprefix(code.token) or None,
            ticket_id=code.ticket_id,
            generation=0,
            now=then,
            timezone=ZONE,
            day_key_of=lambda of: rotating.day_key(session.keyring, site_number=SITE, day=of),
        )
        return code, verdict.outcome

    with clock.at(then):
        code, outcome = await desk.unit(codes)
    # The day before, the page says that the code will change; from then on it does.
    assert outcome is (rotating.Outcome.MISSING if day < 0 else rotating.Outcome.FRESH)
    assert 0 < len(code.keys) <= MOST_KEY_DAYS
    assert code.keys[-1].ends > then.timestamp()
