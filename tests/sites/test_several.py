"""Pages where there are several sites, and the address that is noted."""

import re

import pytest

from shanmen.audit import queries as audit
from shanmen.kit import ids
from shanmen.kit.settings import Settings
from shanmen.sites import queries
from tests.sites.conftest import Browser, make_app


async def test_the_console_remembers_the_site_that_was_chosen(admin, tenant, other):
    assert 'action="/console/site"' not in (await admin.get("/console/sites")).text
    slug = f"second-{ids.new_id().hex[-8:]}"
    await admin.post("/console/sites/new", {"slug": slug, "name-zh": "二山", "name-en": "Two"})
    shown = (await admin.get("/console/sites")).text
    assert re.search(r'<summary aria-label="[^"]*(Mount Yun|云山)', shown)
    wish = {"site": slug, "next": "/console/sites"}
    chosen = await admin.post("/console/site", wish, on="/console/sites")
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/console/sites")
    shown = (await admin.get("/console/sites")).text
    assert re.search(rf'value="{slug}" aria-current="true"', shown)
    for wrong in (other.slug, "", "nowhere"):
        refused = await admin.post("/console/site", {"site": wrong}, on="/console/sites")
        assert refused.status_code in (404, 422)
    away = await admin.post(
        "/console/site", {"site": slug, "next": "https://evil.example"}, on="/console/sites"
    )
    assert away.headers["location"].startswith("/console")


async def test_a_zone_of_another_site_is_not_renamed(admin, database, tenant):
    slug = f"second-{ids.new_id().hex[-8:]}"
    made = await admin.post("/console/sites/new", {"slug": slug, "name-zh": "山"})
    page = made.headers["location"]
    await admin.post(f"{page}/zones", {"name-zh": "全园"}, on=page)
    async with database.transaction(tenant.id) as session:
        site = await queries.site(session, slug=slug)
        [zone] = await queries.zones(session, site_id=site.id)
    elsewhere = f"/console/sites/{tenant.slug}"
    refused = await admin.post(f"{elsewhere}/zones/{zone.id}", {"name-zh": "错"}, on=elsewhere)
    assert refused.status_code == 404
    async with database.transaction(tenant.id) as session:
        [after] = await queries.zones(session, site_id=site.id)
    assert after == zone


@pytest.mark.parametrize(("trusted", "noted"), [("", "127.0.0.1"), ("127.0.0.1", "198.51.100.7")])
async def test_the_audit_log_has_the_address_that_a_trusted_proxy_tells(
    database, tenant, trusted, noted
):
    browser = Browser(make_app(database, settings=Settings(trusted_proxies=trusted)))
    browser.http.headers["x-forwarded-for"] = "1.2.3.4, 198.51.100.7"
    assert (await browser.sign_in(tenant.login())).status_code == 303
    async with database.transaction(tenant.id) as session:
        entries = (await audit.list_entries(session)).entries
    assert {entry.ip for entry in entries if entry.action == "sites.signed_in"} == {noted}
    await browser.http.aclose()
