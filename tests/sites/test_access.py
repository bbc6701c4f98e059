import asyncio
from datetime import timedelta

import pytest
from litestar.routes import HTTPRoute

from shanmen.kit import clock
from shanmen.sites import queries
from shanmen.sites.access import requires
from shanmen.sites.service import apikeys, staff
from tests.sites.conftest import PASSWORD, Browser, add_key, add_staff


def bearer(secret):
    return {"authorization": f"Bearer {secret}"}


async def test_a_visitor_comes_in_by_the_site(client, tenant):
    answer = await client.get(f"/s/{tenant.slug}/hello")
    assert answer.json() == {"site": tenant.slug, "tenant": tenant.id, "actor": "visitor"}


async def test_an_unknown_site_is_said_so(client):
    answer = await client.get("/s/nowhere/hello", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "sites.site_unknown"


async def test_an_api_key_acts_with_its_channel(client, database, tenant):
    key = await add_key(database, tenant, "orders.read")
    answer = await client.get("/api/v1/hello", headers=bearer(key.secret))
    assert answer.json() == {"channel": "ota", "tenant": tenant.id, "actor": "api"}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer nonsense",
        "Bearer smk_1_",
        "Bearer smk_999999999_secret",
        "Bearer smk_9999999999999_secret",
        "Bearer smk_²_secret",
        "Basic c21rOjE=",
    ],
)
async def test_no_key_no_api(client, header):
    headers = {"authorization": header.encode()} if header else {}
    answer = await client.get("/api/v1/hello", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "sites.bad_api_key"


async def test_a_key_of_one_tenant_is_nothing_to_another(client, database, tenant, other):
    key = await add_key(database, tenant, "orders.read")
    secret = key.secret.split("_", 2)[2]
    answer = await client.get("/api/v1/hello", headers=bearer(f"smk_{other.id}_{secret}"))
    assert answer.status_code == 401


async def test_a_key_without_the_permission_is_refused(client, database, tenant):
    key = await add_key(database, tenant, "catalog.edit")
    answer = await client.get("/api/v1/hello", headers=bearer(key.secret))
    assert answer.status_code == 403
    assert answer.json()["code"] == "sites.missing_permission"


async def test_a_revoked_key_is_refused_within_seconds(client, database, tenant):
    key = await add_key(database, tenant, "orders.read")
    with clock.at(clock.now()) as time:
        assert (await client.get("/api/v1/hello", headers=bearer(key.secret))).status_code == 200
        async with database.transaction(tenant.id) as session:
            await apikeys.revoke_key(session, key_id=key.key.id)
        time.advance(5)
        assert (await client.get("/api/v1/hello", headers=bearer(key.secret))).status_code == 401


async def test_the_use_of_a_key_is_written_down_once_a_minute(client, database, tenant):
    key = await add_key(database, tenant, "orders.read")

    async def last_used():
        async with database.transaction(tenant.id) as session:
            return (await queries.api_keys(session))[0].last_used_at

    start = clock.now()
    with clock.at(start) as time:
        await client.get("/api/v1/hello", headers=bearer(key.secret))
        assert await last_used() == start
        time.advance(59)
        await client.get("/api/v1/hello", headers=bearer(key.secret))
        assert await last_used() == start
        time.advance(1)
        await client.get("/api/v1/hello", headers=bearer(key.secret))
        # The answer of the 59th second is still remembered; the next look-up writes.
        time.advance(5)
        await client.get("/api/v1/hello", headers=bearer(key.secret))
        assert await last_used() == start + timedelta(seconds=65)


async def test_many_at_once_look_a_key_up_once(app, client, database, tenant):
    key = await add_key(database, tenant, "orders.read")
    answers = await asyncio.gather(
        *(client.get("/api/v1/hello", headers=bearer(key.secret)) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}


async def test_a_cookie_is_nothing_to_the_api(admin):
    answer = await admin.get("/api/v1/hello")
    assert answer.status_code == 401


async def test_a_key_is_nothing_to_the_console(client, database, tenant):
    key = await add_key(database, tenant, "sites.edit", "staff.edit")
    answer = await client.get("/console/sites", headers=bearer(key.secret))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login")


async def test_staff_need_the_permission(app, database, tenant):
    await add_staff(database, tenant, "gate1", "gate")
    someone = Browser(app)
    signed_in = await someone.sign_in(tenant.login("gate1"))
    assert signed_in.headers["location"] == "/gate"
    assert (await someone.get("/gate/hello")).text == "Gate1 (gate1)"
    refused = await someone.get("/console/staff")
    assert refused.status_code == 403
    await someone.http.aclose()


async def test_not_signed_in_comes_back_after_signing_in(browser, tenant):
    answer = await browser.get("/console/staff?x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/login?next=%2Fconsole%2Fstaff%3Fx%3D1"
    shown = await browser.get(answer.headers["location"])
    assert 'value="/console/staff?x=1"' in shown.text
    done = await browser.post(
        "/console/login",
        {"login": tenant.login(), "password": PASSWORD, "next": "/console/staff?x=1"},
    )
    assert done.headers["location"] == "/console/staff?x=1"


async def test_next_never_leaves_the_site(browser, tenant):
    done = await browser.post(
        "/console/login",
        {"login": tenant.login(), "password": PASSWORD, "next": "//evil.example"},
    )
    assert done.headers["location"] == "/console/today"


@pytest.mark.parametrize(
    "cookie", ["", "x", "1.", ".x", "999999999.abc", "1.abc", "²1.x", "1" * 30 + ".x"]
)
async def test_a_made_up_cookie_is_refused(client, cookie, tenant):
    headers = {"accept": b"text/html", "cookie": f"shanmen_session={cookie}".encode()}
    answer = await client.get("/console/sites", headers=headers)
    assert answer.status_code == 303


async def test_deactivated_staff_are_out_at_once(app, admin, database, tenant):
    staff_id = await add_staff(database, tenant, "seller1", "seller")
    someone = Browser(app)
    await someone.sign_in(tenant.login("seller1"))
    assert (await someone.get("/console/profile")).status_code == 200
    async with database.transaction(tenant.id) as session:
        await staff.change_staff(session, staff_id=staff_id, active=False)
    assert (await someone.get("/console/profile")).status_code == 303
    assert (await someone.sign_in(tenant.login("seller1"))).status_code == 401
    await someone.http.aclose()


def test_a_guard_names_a_real_permission():
    with pytest.raises(ValueError, match="fly"):
        requires("fly")


def test_every_route_is_guarded_or_public(app):
    open_routes = [
        handler.handler_name
        for route in app.routes
        for handler in (route.route_handlers if isinstance(route, HTTPRoute) else ())
        if isinstance(route, HTTPRoute)
        and route.path.startswith(("/console", "/api/v1", "/gate"))
        and handler.http_methods != {"OPTIONS"}
        and not handler.opt.get("public")
        and not any(hasattr(guard, "permissions") for guard in handler.guards or ())
    ]
    assert open_routes == []


@pytest.mark.parametrize("path", ["/s/%00/hello", "/s/%ED%A0%80/hello"])
async def test_an_address_that_cannot_be_is_not_found_or_refused(client, path):
    answer = await client.get(path)
    assert answer.status_code in {400, 404, 422}


async def test_nul_is_bad_input_and_no_accident(client, browser, admin, database, tenant):
    key = await add_key(database, tenant, "sites.edit", "staff.edit")
    for method, path, body in (
        ("GET", "/sites/%00", None),
        ("DELETE", "/roles/%00", None),
        ("PATCH", f"/sites/{tenant.slug}", {"phone": "1\x002"}),
        ("PATCH", f"/sites/{tenant.slug}", {"intro": {"zh-CN": "1\x002"}}),
        ("PATCH", f"/staff/{tenant.admin_id}", {"name": "1\x002"}),
    ):
        answer = await client.request(
            method, f"/api/v1{path}", json=body, headers=bearer(key.secret)
        )
        assert answer.status_code in {403, 422}, (path, answer.text)
    for login in (f"ad\x00min@{tenant.code}", "admin@\x00"):
        assert (await browser.sign_in(login)).status_code == 422
    assert (await admin.get("/console/audit?who=%00")).status_code == 422
    assert (await admin.get(f"/console/sites/{tenant.slug}?lang=%00")).status_code == 200
