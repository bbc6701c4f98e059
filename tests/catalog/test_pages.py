"""The console's pages about limits, no-shows and hold times."""

import re
from collections.abc import AsyncIterator
from datetime import time

import pytest

from shanmen.catalog.hold_times import HoldTime, hold_times
from shanmen.catalog.queries import current_catalog, ticket_type
from shanmen.catalog.rules import Limits, NoShowRule
from shanmen.db.session import Database
from shanmen.kit.days import DayKind
from shanmen.kit.hours import Window
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


async def test_hours_of_admission_are_said_line_by_line(
    console: Console, database: Database, park: Park
):
    path = f"/console/products/{park.types['adult']}"
    form = {
        "name-zh": "夜游票", "zones[]": "0", "do": "save",
        "admission_hours-0-starts": "17:00", "admission_hours-0-ends": "21:30",
        "admission_hours-1-starts": "", "admission_hours-1-ends": "09:30",
        "admission_hours-1-weekdays[]": "0", "admission_hours-1-day_kinds[]": "workday",
        "admission_hours-2-starts": "", "admission_hours-2-ends": "",
    }  # fmt: skip
    saved = await console.post(path, form)
    assert saved.status_code == 303, saved.text

    async def hours() -> tuple[Window, ...]:
        unit = database.unit(park.tenant_id)
        info = await unit(ticket_type, ticket_type_id=park.types["adult"])
        assert (await unit(current_catalog)).types[info.id] == info
        return info.admission_hours

    assert await hours() == (
        Window(time(17), time(21, 30)),
        Window(time(0), time(9, 30), weekdays=1, day_kinds=(DayKind.WORKDAY,)),
    )
    shown = await console.get(path)
    assert re.search(r'id="f-admission_hours-0-starts"[^>]*value="17:00"', shown)
    assert re.search(r'id="f-admission_hours-1-starts"[^>]*value=""', shown)
    assert 'id="f-admission_hours-2-starts"' in shown
    assert "17:00–21:30" in await console.get("/console/products")
    more = await console.post(path, form | {"do": "hours"})
    assert 'id="f-admission_hours-5-starts"' in more.text
    twice = await console.post(path, form | {"admission_hours-2-starts": "17:00",
                                             "admission_hours-2-ends": "21:30"})  # fmt: skip
    assert twice.status_code == 422
    assert 'id="f-admission_hours-2-starts-error"' in twice.text
    wrong = await console.post(path, form | {"admission_hours-0-starts": "25:00"})
    assert wrong.status_code == 422
    assert 'id="f-admission_hours-0-starts-error"' in wrong.text
    gone = {f"admission_hours-{n}-remove": "true" for n in (0, 1)}
    assert (await console.post(path, form | gone)).status_code == 303
    assert await hours() == ()


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
