"""Today's page, and its stream over HTTP."""

import asyncio
from datetime import timedelta

import pytest
from litestar import Litestar

from shanmen.db.session import Database
from shanmen.insight.live import Boards
from shanmen.kit import clock
from shanmen.sites.service import staff as staff_service
from shanmen.sites.service import tenants
from tests.insight.conftest import CHIEF, Day, signed_in
from tests.sites.conftest import Browser
from tests.support.park import PASSWORD_HASH, TESTER, Park
from tests.support.patience import PATIENCE_SECONDS


async def test_a_new_park_is_told_what_to_do_next(browser: Browser, park: Park) -> None:
    answer = await browser.get("/console/today?lang=en")
    assert answer.status_code == 200
    for text in ("There is no slot today", "Nobody has entered yet today", "No scan was refused"):
        assert text in answer.text
    assert "East gate" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert '<noscript><meta http-equiv="refresh"' in answer.text


async def test_a_busy_day_stands_on_the_page_in_both_languages(visit: Day, app: Litestar) -> None:
    _, [adult, _] = await visit.sell(("adult", 0), ("adult", 0))
    await visit.scan(adult, visit.at(8, 30))
    await visit.scan(adult, visit.at(8, 31))
    await visit.old_scan(visit.at(9, 20, days=-7), persons=5)
    with clock.at(visit.at(9)):
        browser = await signed_in(app, visit.park)
        for lang, texts in {
            "en": ("08:00–10:00", "Already used", "50% arrived", "2 sold", "1 entered"),
            "zh-CN": ("08:00–10:00", "已使用", "已到 50%", "已售 2", "入园 1", "大门"),
        }.items():
            answer = await browser.get(f"/console/today?lang={lang}")
            for text in texts:
                assert text in answer.text
            assert 'data-live="inside">1<' in answer.text


async def test_sites_are_switched_and_remembered(visit: Day, app: Litestar) -> None:
    unit = visit.database.unit(visit.park.tenant_id, actor=CHIEF)
    other = f"{visit.park.slug}-b"
    await unit(
        tenants.create_site, slug=other, name={"zh-CN": "另一座山"}, timezone="Asia/Shanghai"
    )
    browser = await signed_in(app, visit.park)
    assert "East gate" in (await browser.get("/console/today")).text
    assert "East gate" not in (await browser.get(f"/console/today?site={other}")).text
    assert "East gate" not in (await browser.get("/console/today")).text
    stranger = await browser.get("/console/today?site=no-such-site")
    assert stranger.status_code == 200


async def test_who_may_not_read_sees_nothing(visit: Day, app: Litestar, database: Database) -> None:
    assert (await Browser(app).get("/console/today")).status_code == 303
    async with database.transaction(visit.park.tenant_id, actor=TESTER) as session:
        await staff_service.create_staff(
            session, login="gate", name="Gao", role_code="gate", password_hash=PASSWORD_HASH
        )
    guard = await signed_in(app, visit.park, "gate")
    for path in ("/console/today", "/console/today/stream", "/console/days", "/console/days.csv"):
        assert (await guard.get(path)).status_code == 403


async def test_the_stream_over_http_ends_with_the_browser(visit: Day, app: Litestar) -> None:
    browser = await signed_in(app, visit.park)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    sent: asyncio.Queue[dict] = asyncio.Queue()
    gone = asyncio.Event()
    asked = False

    async def receive() -> dict:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "path": "/console/today/stream", "raw_path": b"/console/today/stream", "root_path": "",
        "query_string": b"lang=en", "scheme": "http", "server": ("test", 80),
        "client": ("127.0.0.1", 1), "state": {}, "extensions": {},
        "headers": [
            (b"host", b"test"), (b"cookie", cookie.encode()), (b"accept-encoding", b"gzip"),
        ],
    }  # fmt: skip
    serving = asyncio.create_task(app(scope, receive, sent.put))  # type: ignore[arg-type]
    async with asyncio.timeout(PATIENCE_SECONDS):
        start = await sent.get()
        assert start["status"] == 200
        headers = dict(start["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        assert (await sent.get())["body"].startswith(b"retry: ")
        assert (await sent.get())["body"].startswith(b"event: figures\ndata: {")
        gone.set()
        await serving
        boards = app.state["shanmen_insight"]
        assert isinstance(boards, Boards)
        board = boards.of(visit.park.tenant_id, visit.park.site_id, "Asia/Shanghai")
        while board.watchers:  # noqa: ASYNC110 - nothing tells when a generator is collected
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 200),
        ("from=2026-01-01&to=2026-01-31", 200),
        ("from=2026-02-01&to=2026-01-31", 422),
        ("from=2020-01-01&to=2026-01-31", 422),
        ("from=nonsense", 422),
        ("from=9999-12-31", 200),
        ("to=0001-01-01", 200),
        ("from=0001-01-01&to=9999-12-31", 422),
    ],
)
async def test_any_range_of_days_is_answered(browser: Browser, query: str, expected: int) -> None:
    answer = await browser.get(f"/console/days?{query}")
    assert answer.status_code == expected
    assert (await browser.get(f"/console/days.csv?{query}")).status_code == expected


async def test_past_days_as_a_page_and_as_a_file(visit: Day, app: Litestar) -> None:
    _, [adult] = await visit.sell(("adult", 0))
    await visit.scan(adult, visit.at(8, 30))
    first, last = visit.day - timedelta(days=1), visit.day
    browser = await signed_in(app, visit.park)
    answer = await browser.get(f"/console/days?from={first}&to={last}&lang=en")
    assert "¥120" in answer.text
    file = await browser.get(f"/console/days.csv?from={first}&to={last}&lang=en")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"{visit.park.slug}-{first}-{last}.csv" in file.headers["content-disposition"]
    assert file.content.startswith(b"\xef\xbb\xbf")
    head, *lines = file.content.decode("utf-8-sig").splitlines()
    assert head.startswith("Day,Entries,Sold")
    assert lines == [f"{first},0,0,0,0,0,120.00,0.00,120.00", f"{last},1,1,0,300,1,0.00,0.00,0.00"]
    empty = await browser.get("/console/days?from=2020-01-01&to=2020-01-31&lang=en")
    assert "There is nothing to report" in empty.text
