"""The figures over the API."""

from datetime import timedelta

from litestar import Litestar

from shanmen.db.session import Database
from shanmen.kit import clock
from tests.insight.conftest import Day, api_client


async def test_today_and_past_days(visit: Day, app: Litestar, database: Database) -> None:
    _, [adult] = await visit.sell(("adult", 0))
    await visit.scan(adult, visit.at(8, 30))
    base = f"/api/v1/sites/{visit.park.slug}"
    async with await api_client(app, database, visit.park, "insight.read") as client:
        with clock.at(visit.at(9)):
            today = (await client.get(f"{base}/today")).json()
        assert today["day"] == str(visit.day)
        assert (today["entered"], today["inside"], today["visit_sold"]) == (1, 1, 1)
        assert today["slots"][0]["starts"] == "08:00:00"
        assert today["quarters"][0]["entered"] == 1
        first = visit.day - timedelta(days=1)
        days = (await client.get(f"{base}/days?from={first}&to={visit.day}")).json()
        usual = (await client.get(f"{base}/days?to={visit.day}")).json()
        assert (len(usual["days"]), usual["entered"]) == (30, 1)
        assert [one["taken_fen"] for one in days["days"]] == [12000, 0]
        assert (days["entered"], days["visit_sold"]) == (1, 1)


async def test_what_is_refused(visit: Day, app: Litestar, database: Database) -> None:
    base = f"/api/v1/sites/{visit.park.slug}"
    async with await api_client(app, database, visit.park, "insight.read") as client:
        for path, status, code in (
            ("/api/v1/sites/elsewhere/today", 404, "sites.site_unknown"),
            (
                "/api/v1/sites/elsewhere/days?from=2026-01-01&to=2026-01-02",
                404,
                "sites.site_unknown",
            ),
            (f"{base}/days?from=2026-01-02&to=2026-01-01", 422, "insight.days_backwards"),
            (f"{base}/days?from=2025-01-02&to=2026-01-01", 422, "insight.too_many_days"),
            (f"{base}/days?to=2025-13-02", 422, "web.invalid_form"),
            (f"{base}/days?from=soon&to=2026-01-01", 422, "web.invalid_form"),
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path
            if code == "web.invalid_form":
                assert answer.json()["field"] in {"from", "to"}
    async with await api_client(app, database, visit.park, "orders.read") as client:
        assert (await client.get(f"{base}/today")).status_code == 403
        assert (await client.get(f"{base}/days?from=2026-01-01&to=2026-01-02")).status_code == 403


async def test_the_description_has_both(app: Litestar) -> None:
    paths = app.openapi_schema.to_schema()["paths"]
    days = paths["/api/v1/sites/{slug}/days"]["get"]
    named = {one["name"]: one for one in days["parameters"]}
    assert {"from", "to", "slug"} <= set(named)
    assert named["from"]["schema"]["format"] == "date"
    assert "92 days" in named["to"]["description"]
    assert {"200", "404", "422"} <= set(days["responses"])
    assert paths["/api/v1/sites/{slug}/today"]["get"]["summary"] == "Read today's figures of a site"
