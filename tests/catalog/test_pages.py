"""The console's pages about limits, no-shows and hold times."""

import re
from collections.abc import AsyncIterator

import pytest

from shanmen.catalog.hold_times import HoldTime, hold_times
from shanmen.catalog.queries import current_catalog, ticket_type
from shanmen.catalog.rules import Limits, NoShowRule
from shanmen.db.session import Database
from tests.support.console import Console, make_app
from tests.support.park import Park

HOLDS = "/console/products/holds"


@pytest.fixture
async def console(database: Database, park: Park) -> AsyncIterator[Console]:
    opened = Console(make_app(database))
    await opened.sign_in(park)
    yield opened
    await opened.http.aclose()


async def test_limits_and_no_shows_are_said_on_the_products_page(
    console: Console, database: Database, park: Park
):
    path = f"/console/products/{park.types['adult']}"
    form = {"name-zh": "成人票", "zones[]": "0", "do": "save"}
    said = {
        "limits-per_document_slot": "1", "limits-per_document_day": "2",
        "limits-per_document_month": "3", "limits-per_document_year": "4",
        "limits-per_phone_slot": "5", "limits-per_phone_day": "6",
        "limits-per_phone_month": "7", "limits-per_phone_year": "8",
        "limits-per_order": "9", "limits-group": "entry",
        "limits-no_shows-enabled": "true", "limits-no_shows-count": "2",
        "limits-no_shows-within_days": "100", "limits-no_shows-ban_days": "30",
    }  # fmt: skip
    wrong = await console.post(path, form | said | {"limits-no_shows-count": "0"})
    assert wrong.status_code == 422
    assert 'id="f-limits-no_shows-count-error"' in wrong.text
    saved = await console.post(path, form | said)
    assert saved.status_code == 303, saved.text
    info = await database.unit(park.tenant_id)(ticket_type, ticket_type_id=park.types["adult"])
    assert info.limits == Limits(
        per_document_slot=1, per_document_day=2, per_document_month=3, per_document_year=4,
        per_phone_slot=5, per_phone_day=6, per_phone_month=7, per_phone_year=8, per_order=9,
        group="entry", no_shows=NoShowRule(enabled=True, count=2, within_days=100, ban_days=30),
    )  # fmt: skip
    shown = await console.get(path)
    assert re.search(r'id="f-limits-per_phone_year"[^>]*value="8"', shown)


async def test_hold_times_are_set_by_channel(console: Console, database: Database, park: Park):
    unit = database.unit(park.tenant_id)
    assert "Empty: 15 minutes, as the server is set." in await console.get(HOLDS)
    form = {
        "minutes": "20",
        "times-0-channel": "window", "times-0-minutes": "5",
        "times-1-channel": "", "times-1-minutes": "",
    }  # fmt: skip
    saved = await console.post(HOLDS, form)
    assert saved.status_code == 303, saved.text
    assert await unit(hold_times) == [HoldTime(minutes=20), HoldTime(channel="window", minutes=5)]
    catalog = await unit(current_catalog)
    assert catalog.hold_time("web", otherwise=1) == 20 * 60
    assert catalog.hold_time("window", otherwise=1) == 5 * 60
    twice = await console.post(HOLDS, form | {"times-1-channel": "window", "times-1-minutes": "6"})
    assert twice.status_code == 422
    assert 'id="f-times-1-channel-error"' in twice.text
    for wrong in ({"times-0-minutes": "0"}, {"times-0-minutes": "x"}, {"times-0-channel": "!"}):
        assert (await console.post(HOLDS, form | wrong)).status_code == 422
    cleared = await console.post(HOLDS, form | {"minutes": "", "times-0-remove": "true"})
    assert cleared.status_code == 303
    assert await unit(hold_times) == []
