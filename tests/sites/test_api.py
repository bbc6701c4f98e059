import pytest
from litestar import Litestar
from litestar.openapi import OpenAPIConfig

from shanmen.kit import ids
from shanmen.sites import rules
from shanmen.sites.access import DEPENDENCIES
from shanmen.sites.api import routes as api
from tests.sites.conftest import PASSWORD, add_key


@pytest.fixture
async def call(client, database, tenant):
    key = await add_key(
        database, tenant, "sites.edit", "staff.edit", "orders.read", "orders.change"
    )

    async def send(method, path, body=None):
        return await client.request(
            method,
            f"/api/v1{path}",
            json=body,
            headers={"authorization": f"Bearer {key.secret}", "accept-language": "en"},
        )

    return send


async def test_sites(call, tenant, other):
    [site] = (await call("GET", "/sites")).json()
    assert (site["slug"], site["name"]["en"]) == (tenant.slug, "Mount Yun")
    changed = await call("PATCH", f"/sites/{tenant.slug}", {"phone": "0792-8281500"})
    assert (changed.status_code, changed.json()["phone"]) == (200, "0792-8281500")
    assert changed.json()["name"] == site["name"]
    missing = await call("GET", f"/sites/{other.slug}")
    assert (missing.status_code, missing.json()["code"]) == (404, "sites.site_unknown")


async def test_zones_and_entrances(call, tenant):
    zone = (await call("POST", f"/sites/{tenant.slug}/zones", {"name": {"zh-CN": "二区"}})).json()
    assert zone["number"] == 1
    made = await call(
        "POST",
        f"/sites/{tenant.slug}/entrances",
        {"zone_id": zone["id"], "name": {"zh-CN": "南门"}},
    )
    assert made.status_code == 201
    path = f"/sites/{tenant.slug}/entrances/{made.json()['id']}"
    changed = await call("PATCH", path, {"zone_id": str(tenant.zone_id)})
    assert changed.json()["zone_id"] == str(tenant.zone_id)
    assert changed.json()["name"] == {"zh-CN": "南门"}
    assert (await call("DELETE", path)).status_code == 204
    listed = (await call("GET", f"/sites/{tenant.slug}/entrances")).json()
    assert [(one["number"], one["active"]) for one in listed] == [(1, True), (2, False)]
    assert len((await call("GET", f"/sites/{tenant.slug}/zones")).json()) == 2


async def test_bad_input_names_the_field(call, tenant):
    bad = await call("POST", f"/sites/{tenant.slug}/zones", {"name": {"en": "Second"}})
    assert (bad.status_code, bad.json()["field"]) == (422, "name.zh-CN")
    unknown = await call("PATCH", f"/sites/{tenant.slug}", {"telephone": "1"})
    assert unknown.status_code == 422
    wrong_type = await call("PATCH", f"/sites/{tenant.slug}", {"phone": 1})
    assert (wrong_type.status_code, wrong_type.json()["field"]) == (422, "phone")


async def test_staff(call, tenant):
    wish = {"login": "li.na", "name": "李娜", "role_code": "seller", "password": PASSWORD}
    made = await call("POST", "/staff", wish)
    assert made.status_code == 201
    assert "password" not in made.text
    path = f"/staff/{made.json()['id']}"
    assert (await call("GET", path)).json()["role_code"] == "seller"
    twice = await call("POST", "/staff", wish)
    assert (twice.status_code, twice.json()["field"]) == (409, "login")
    short = await call("POST", f"{path}/password", {"password": "short"})
    assert short.json()["code"] == "sites.password_too_short"
    assert (
        await call("POST", f"{path}/password", {"password": "quite another phrase"})
    ).status_code == 200
    gone = await call("PATCH", path, {"active": False})
    assert gone.json()["active"] is False
    assert len((await call("GET", "/staff")).json()) == 2


async def test_a_key_grants_no_more_than_it_has(call, tenant):
    wish = {"login": "boss", "name": "B", "role_code": "administrator", "password": PASSWORD}
    refused = await call("POST", "/staff", wish)
    assert (refused.status_code, refused.json()["code"]) == (403, "sites.may_not_grant")
    reset = await call("POST", f"/staff/{tenant.admin_id}/password", {"password": PASSWORD})
    assert reset.status_code == 403
    role = await call("PATCH", "/roles/seller", {"permissions": ["audit.read"]})
    assert role.status_code == 403
    assert len((await call("GET", "/staff")).json()) == 1


async def test_browsers_are_listed_and_signed_out(call, browser, tenant):
    path = f"/staff/{tenant.admin_id}/sessions"
    assert (await call("GET", path)).json() == []
    await browser.sign_in(tenant.login())
    [one] = (await call("GET", path)).json()
    assert one.keys() == {"id", "ip", "user_agent", "created_at", "last_seen_at", "expires_at"}
    assert (await call("DELETE", f"{path}/{tenant.admin_id}")).status_code == 404
    assert (await call("DELETE", f"{path}/{one['id']}")).status_code == 204
    assert (await call("GET", path)).json() == []
    assert (await browser.get("/console/profile")).status_code == 303
    for _ in range(2):
        browser.http.cookies.clear()
        await browser.sign_in(tenant.login())
    assert len((await call("GET", path)).json()) == 2
    assert (await call("DELETE", path)).status_code == 204
    assert (await call("GET", path)).json() == []
    nobody = await call("GET", f"/staff/{ids.new_id()}/sessions")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "sites.staff_unknown")


async def test_the_log_is_read_in_pages(call, client, database, tenant):
    reader = await add_key(database, tenant, "audit.read")

    async def log(query):
        headers = {"authorization": f"Bearer {reader.secret}"}
        return (await client.get(f"/api/v1/audit?{query}", headers=headers)).json()

    assert (await call("GET", "/audit")).status_code == 403
    for name in ("Qian", "Sun", "Li"):
        wish = {"login": name.lower(), "name": name, "role_code": "seller", "password": PASSWORD}
        assert (await call("POST", "/staff", wish)).status_code == 201
    found = await log("action=sites.staff_created&limit=2")
    assert (found["total"], found["pages"], found["more"]) == (4, 2, False)
    assert [one["after"]["staff_name"] for one in found["entries"]] == ["Li", "Sun"]
    assert {one["actor_kind"] for one in found["entries"]} == {"api"}
    second = await log("action=sites.staff_created&limit=2&page=2")
    assert second["entries"][0]["after"]["staff_name"] == "Qian"
    of_one = await log(f"entity=staff&entity_id={found['entries'][0]['entity_id']}")
    assert [one["action"] for one in of_one["entries"]] == ["sites.staff_created"]
    assert (await log("to=2020-01-01"))["entries"] == []
    assert (await log("from=2020-01-01&who=nobody"))["total"] == 0


async def test_roles(call):
    made = await call(
        "POST",
        "/roles",
        {"code": "guide", "name": {"zh-CN": "讲解员"}, "permissions": ["orders.read"]},
    )
    assert made.status_code == 201
    changed = await call("PATCH", "/roles/guide", {"permissions": []})
    assert changed.json() == {
        "code": "guide",
        "name": {"zh-CN": "讲解员"},
        "permissions": [],
        "staff": 0,
    }
    assert (await call("DELETE", "/roles/guide")).status_code == 204
    assert (await call("DELETE", "/roles/seller")).status_code == 409
    assert len((await call("GET", "/roles")).json()) == len(rules.DEFAULT_ROLES)


async def test_reading_needs_any_key_and_editing_its_permission(client, database, tenant):
    key = await add_key(database, tenant)
    headers = {"authorization": f"Bearer {key.secret}"}
    assert (await client.get("/api/v1/sites", headers=headers)).status_code == 200
    for method, path in (
        ("PATCH", f"/sites/{tenant.slug}"),
        ("POST", f"/sites/{tenant.slug}/zones"),
        ("POST", f"/sites/{tenant.slug}/entrances"),
        ("DELETE", f"/sites/{tenant.slug}/entrances/{tenant.entrance_id}"),
        ("GET", "/staff"),
        ("POST", "/staff"),
        ("PATCH", f"/staff/{tenant.admin_id}"),
        ("GET", "/roles"),
        ("DELETE", "/roles/seller"),
    ):
        answer = await client.request(method, f"/api/v1{path}", headers=headers, json={})
        assert answer.status_code == 403, (method, path)
    [door] = (await client.get(f"/api/v1/sites/{tenant.slug}/entrances", headers=headers)).json()
    assert door["active"] is True


def test_the_description_is_complete():
    app = Litestar(
        route_handlers=api.routes,
        dependencies=dict(DEPENDENCIES),
        openapi_config=OpenAPIConfig(title="t", version="1", use_handler_docstrings=True),
    )
    described = app.openapi_schema.to_schema()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)
            refused = {code for code in operation["responses"] if code.startswith("4")}
            assert {"400", "401", "403", "422"} <= refused, (method, path)
            for code in refused:
                assert "application/problem+json" in operation["responses"][code]["content"]
