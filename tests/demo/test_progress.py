"""How far the history is: in the file, and on the console's page of past days."""

from datetime import date
from pathlib import Path

from shanmen.app import create_app
from shanmen.db.session import Database
from shanmen.demo.progress import Progress, read
from shanmen.kit.settings import Settings
from tests.sites.conftest import Browser
from tests.support.park import PASSWORD, Park


async def test_the_console_shows_it_while_it_lasts(
    database: Database, park: Park, tmp_path: Path
) -> None:
    now = 0.0
    progress = Progress(1000, folder=tmp_path, clock=lambda: now)
    assert read(tmp_path) is None
    now = 10.0
    progress.count(orders=250, scans=500, day=date(2026, 1, 31))
    state = read(tmp_path)
    assert state is not None
    assert (state.orders, state.total, state.seconds_left, state.done) == (250, 1000, 30, False)

    browser = Browser(create_app(Settings(data_dir=tmp_path), database=database))
    signed_in = await browser.sign_in(f"admin@{park.code}", PASSWORD)
    assert signed_in.status_code == 303, signed_in.text
    answer = await browser.get("/console/days")
    shown = answer.text
    assert "250 of 1,000 orders" in shown, (answer.status_code, answer.headers, shown[:300])
    progress.finish()
    assert "of 1,000 orders" not in (await browser.get("/console/days")).text
    await browser.http.aclose()
