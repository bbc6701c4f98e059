import html
import re

import pytest

from shanmen.audit import queries as audit
from shanmen.kit import ids
from shanmen.sites import queries, rules
from shanmen.web import i18n
from tests.sites.conftest import PASSWORD, Browser, add_key, add_staff


def words(answer):
    """What a page says, without its markup."""
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.text))


async def test_the_sites_are_listed_for_everybody(browser, tenant):
    answer = await browser.get("/")
    assert answer.status_code == 200
    assert f'href="/s/{tenant.slug}"' in answer.text
    assert "Mount Yun" in answer.text


async def test_a_wrong_password_says_one_thing(browser, tenant):
    for login in (tenant.login(), tenant.login("nobody"), "nonsense"):
        answer = await browser.sign_in(login, "wrong password")
        assert answer.status_code == 401
        assert "The login or the password is wrong." in words(answer)
        assert "wrong password" not in answer.text
        assert f'value="{login}"' in answer.text


async def test_empty_fields_are_named(browser, tenant):
    answer = await browser.post("/console/login", {"login": "", "password": ""})
    assert answer.status_code == 422
    assert "#f-login" in answer.text
    assert "#f-password" in answer.text


async def test_a_closed_account_says_until_when(browser, tenant):
    for _ in range(4):
        await browser.sign_in(tenant.login(), "wrong password")
    answer = await browser.sign_in(tenant.login(), "wrong password")
    assert answer.status_code == 429
    assert re.search(r"locked until \d\d:\d\d:\d\d \(about 15 minutes\)", words(answer))
    again = await browser.sign_in(tenant.login(), PASSWORD)
    assert again.status_code == 429


async def test_the_cookie_is_for_the_server_alone(browser, tenant):
    answer = await browser.sign_in(tenant.login())
    cookie = next(
        c for c in answer.headers.get_list("set-cookie") if c.startswith("shanmen_session")
    )
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert cookie.startswith(f"shanmen_session={tenant.id}.")


async def test_signing_out(admin):
    answer = await admin.post("/console/logout", on="/console/profile")
    assert answer.headers["location"] == "/console/login"
    assert (await admin.get("/console/profile")).status_code == 303
    assert "You are signed out." in words(await admin.get("/console/login"))


async def test_a_form_of_another_site_signs_nobody_out(admin):
    answer = await admin.http.post("/console/logout")
    assert answer.status_code == 403
    assert (await admin.get("/console/profile")).status_code == 200


@pytest.mark.parametrize(
    ("role", "address"),
    [
        ("manager", "/console/today"),
        ("gate", "/gate"),
        ("seller", "/console/orders"),
        ("finance", "/console/today"),
    ],
)
async def test_everybody_begins_where_their_work_is(app, database, tenant, role, address):
    await add_staff(database, tenant, "somebody", role)
    someone = Browser(app)
    assert (await someone.sign_in(tenant.login("somebody"))).headers["location"] == address
    assert (await someone.get("/console")).headers["location"] == address
    signed_in_already = await someone.get("/console/login")
    assert signed_in_already.headers["location"] == address
    await someone.http.aclose()


PAGES = [
    "/console/sites",
    "/console/sites/new",
    "/console/sites/{slug}",
    "/console/staff",
    "/console/staff/new",
    "/console/staff/{staff}",
    "/console/roles",
    "/console/api-keys",
    "/console/audit",
    "/console/profile",
]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("locale", i18n.LOCALES)
async def test_every_page_in_both_languages(admin, database, tenant, path, locale):
    await add_key(database, tenant, "orders.read")
    address = path.format(slug=tenant.slug, staff=tenant.admin_id)
    answer = await admin.get(f"{address}?lang={locale}")
    assert answer.status_code == 200
    assert f'lang="{locale}"' in answer.text[:200]
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    for action in re.findall(r'<form[^>]*method="post"[^>]*>.*?</form>', answer.text, re.DOTALL):
        assert 'name="csrf_token"' in action


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_without_the_permission_is_refused(app, database, tenant, path):
    await add_staff(database, tenant, "gate1", "gate")
    someone = Browser(app)
    await someone.sign_in(tenant.login("gate1"))
    address = path.format(slug=tenant.slug, staff=tenant.admin_id)
    answer = await someone.get(address)
    assert answer.status_code == (200 if path == "/console/profile" else 403)
    await someone.http.aclose()


async def test_a_site_is_added_and_filled(admin, database, tenant):
    slug = f"n{tenant.code}"
    bad = await admin.post("/console/sites/new", {"slug": "Bad Slug!", "name-zh": "新山"})
    assert bad.status_code == 422
    assert "#f-slug" in bad.text
    nameless = await admin.post("/console/sites/new", {"slug": slug, "timezone": "Asia/Shanghai"})
    assert "#f-name-zh" in nameless.text
    made = await admin.post(
        "/console/sites/new", {"slug": slug, "name-zh": "新山", "timezone": "Asia/Shanghai"}
    )
    assert made.headers["location"] == f"/console/sites/{slug}"
    page = f"/console/sites/{slug}"
    assert "There is no zone yet" in words(await admin.get(page))
    saved = await admin.post(
        page,
        {
            "name-zh": "新山",
            "name-en": "New Hill",
            "notice-zh": "大雾",
            "timezone": "Asia/Shanghai",
            "phone": "0792-8281500",
            "records-icp": "赣ICP备1号",
        },
    )
    assert saved.status_code == 303
    await admin.post(f"{page}/zones", {"name-zh": "全园"}, on=page)
    async with database.transaction(tenant.id) as session:
        site = await queries.site(session, slug=slug)
        [zone] = await queries.zones(session, site_id=site.id)
    assert (site.name["en"], site.notice["zh-CN"], site.phone, site.records) == (
        "New Hill",
        "大雾",
        "0792-8281500",
        {"icp": "赣ICP备1号"},
    )
    await admin.post(f"{page}/zones/{zone.id}", {"name-zh": "整座山"}, on=page)
    missing = await admin.post(f"{page}/entrances", {"zone_id": str(zone.id)}, on=page)
    assert missing.status_code == 422
    await admin.post(f"{page}/entrances", {"name-zh": "北门", "zone_id": str(zone.id)}, on=page)
    async with database.transaction(tenant.id) as session:
        [door] = await queries.entrances(session, site_id=site.id)
        [zone] = await queries.zones(session, site_id=site.id)
    assert (zone.name, door.name) == ({"zh-CN": "整座山"}, {"zh-CN": "北门"})
    await admin.post(
        f"{page}/entrances/{door.id}",
        {"name-zh": "北门", "zone_id": str(zone.id), "active": "false"},
        on=page,
    )
    assert "Closed" in words(await admin.get(page))


async def test_a_site_of_another_tenant_is_not_found(admin, other):
    assert (await admin.get(f"/console/sites/{other.slug}")).status_code == 404
    assert (await admin.get(f"/console/staff/{other.admin_id}")).status_code == 404


async def test_staff_are_added_changed_and_signed_out(app, admin, database, tenant):
    wish = {"name": "李娜", "login": "li.na", "role_code": "seller", "password": "short"}
    bad = await admin.post("/console/staff/new", wish)
    assert bad.status_code == 422
    assert "#f-password" in bad.text
    assert "short" not in bad.text
    added = await admin.post("/console/staff/new", {**wish, "password": PASSWORD})
    assert added.status_code == 303
    twice = await admin.post("/console/staff/new", {**wish, "password": PASSWORD})
    assert twice.status_code == 409
    assert "#f-login" in twice.text
    async with database.transaction(tenant.id) as session:
        person = next(p for p in await queries.staff_list(session) if p.login == "li.na")
    page = f"/console/staff/{person.id}"

    someone = Browser(app)
    await someone.sign_in(tenant.login("li.na"))
    async with database.transaction(tenant.id) as session:
        [living] = await queries.living_sessions(session, staff_ids=[person.id])
    ended = await admin.post(f"{page}/sessions/{living.id}/end", on=page)
    assert ended.status_code == 303
    assert (await someone.get("/console/profile")).status_code == 303

    # Ending it again changes nothing; what nobody ever had is not there.
    again = await admin.post(f"{page}/sessions/{living.id}/end", on=page)
    assert again.status_code == 303
    for path in (
        f"{page}/sessions/{ids.new_id()}/end",
        f"/console/staff/{ids.new_id()}/sessions/end",
    ):
        assert (await admin.post(path, on=page)).status_code == 404

    await admin.post(f"{page}/password", {"password": "quite another phrase"}, on=page)
    assert (await someone.sign_in(tenant.login("li.na"))).status_code == 401
    assert (await someone.sign_in(tenant.login("li.na"), "quite another phrase")).status_code == 303

    saved = await admin.post(page, {"name": "李娜娜", "role_code": "finance", "active": "false"})
    assert saved.status_code == 303
    assert (await someone.get("/console/profile")).status_code == 303
    assert "May not sign in" in words(await admin.get("/console/staff"))
    await someone.http.aclose()


async def test_the_last_administrator_is_told_why(admin, tenant):
    page = f"/console/staff/{tenant.admin_id}"
    answer = await admin.post(page, {"name": "王敏", "role_code": "seller", "active": "true"})
    assert answer.status_code == 409
    assert "At least one active account" in words(answer)


async def test_the_matrix_of_roles(admin, database, tenant):
    async with database.transaction(tenant.id) as session:
        before = await queries.roles(session)
    form: dict[str, object] = {}
    for index, role in enumerate(before):
        form[f"roles-{index}-code"] = role.code
        kept = list(role.permissions) if role.code != "gate" else ["admission.scan", "orders.read"]
        form[f"roles-{index}-permissions[]"] = [p for p in kept if role.code != "auditor"]
    answer = await admin.post("/console/roles", form)
    assert answer.status_code == 303
    async with database.transaction(tenant.id) as session:
        after = {role.code: role.permissions for role in await queries.roles(session)}
    assert after["gate"] == ("orders.read", "admission.scan")
    assert after["auditor"] == ()
    assert after["administrator"] == rules.PERMISSIONS
    assert after["seller"] == ("orders.read", "orders.change")


async def test_a_role_is_added_and_removed(admin):
    bad = await admin.post(
        "/console/roles/new", {"code": "seller", "name-zh": "又"}, on="/console/roles"
    )
    assert bad.status_code == 409
    assert "#f-code" in bad.text
    added = await admin.post(
        "/console/roles/new", {"code": "guard", "name-zh": "值守"}, on="/console/roles"
    )
    assert added.status_code == 303
    assert "值守" in (await admin.get("/console/roles")).text
    removed = await admin.post("/console/roles/guard/remove", on="/console/roles")
    assert removed.status_code == 303
    refused = await admin.post("/console/roles/seller/remove", on="/console/roles")
    assert refused.status_code == 409


async def test_a_key_is_shown_once_and_revoked(admin, client, database, tenant):
    page = "/console/api-keys"
    assert "There is no API key yet" in words(await admin.get(page))
    made = await admin.post(
        page, {"name": "旅行网", "channel": "ota", "permissions[]": ["orders.read"]}
    )
    secret = re.search(rf"smk_{tenant.id}_[\w-]+", made.text)[0]
    assert made.headers["cache-control"] == "no-store"
    assert secret not in (await admin.get(page)).text
    headers = {"authorization": f"Bearer {secret}"}
    assert (await client.get("/api/v1/hello", headers=headers)).status_code == 200
    async with database.transaction(tenant.id) as session:
        [key] = await queries.api_keys(session)
    assert (await admin.post(f"{page}/{key.id}/revoke", on=page)).status_code == 303
    assert (await client.get("/api/v1/hello", headers=headers)).status_code == 401


async def test_the_log_is_read_and_filtered(admin, tenant):
    await admin.post(
        "/console/staff/new",
        {"name": "李娜", "login": "li.na", "role_code": "seller", "password": PASSWORD},
    )
    shown = words(await admin.get("/console/audit"))
    assert "Staff added" in shown
    assert "王敏 (admin)" in shown
    assert PASSWORD not in shown
    assert "云山 / Mount Yun" in shown
    only = words(await admin.get("/console/audit?action=sites.signed_in"))
    assert "Signed in" in only
    assert "李娜" not in only
    nothing = words(await admin.get("/console/audit?who=nobody"))
    assert "Nothing matches" in nothing
    bad = await admin.get("/console/audit?since=yesterday")
    assert bad.status_code == 422
    assert "#f-since" in bad.text
    assert (await admin.get("/console/audit?until=9999-12-31&since=0001-01-01")).status_code == 200
    assert (await admin.get("/console/audit?page=99999999999999999999999")).status_code in {
        200,
        422,
    }


async def test_every_action_and_entity_has_its_words(admin, database, tenant):
    async with database.transaction(tenant.id) as session:
        entries = (await audit.list_entries(session)).entries
    for locale in i18n.LOCALES:
        for entry in entries:
            assert i18n.has_text(locale, f"sites.action.{entry.action.removeprefix('sites.')}")
            assert i18n.has_text(locale, f"audit.entity.{entry.entity}")
            for change in entry.changes:
                assert i18n.has_text(locale, f"audit.field.{change.field}"), change.field


async def test_ones_own_password(app, admin, tenant):
    page = "/console/profile"
    post = f"{page}/password"
    differ = await admin.post(
        post, {"present": PASSWORD, "new": "quite another phrase", "again": "x"}, on=page
    )
    assert "#f-again" in differ.text
    wrong = await admin.post(
        post,
        {"present": "x", "new": "quite another phrase", "again": "quite another phrase"},
        on=page,
    )
    assert "#f-present" in wrong.text
    other_browser = Browser(app)
    await other_browser.sign_in(tenant.login())
    done = await admin.post(
        post,
        {"present": PASSWORD, "new": "quite another phrase", "again": "quite another phrase"},
        on=page,
    )
    assert done.status_code == 303
    assert (await admin.get(page)).status_code == 200
    assert (await other_browser.get(page)).status_code == 303
    await other_browser.http.aclose()


async def test_ones_own_sessions(app, admin, database, tenant):
    page = "/console/profile"
    second, third = Browser(app), Browser(app)
    for one in (second, third):
        await one.sign_in(tenant.login())
    async with database.transaction(tenant.id) as session:
        living = await queries.living_sessions(session, staff_ids=[tenant.admin_id])
    assert len(living) == 3
    oldest = min(living, key=lambda one: one.created_at)
    own = await admin.post(f"{page}/sessions/{oldest.id}/end", on=page)
    assert own.status_code == 422
    newest = max(living, key=lambda one: one.created_at)
    assert (await admin.post(f"{page}/sessions/{newest.id}/end", on=page)).status_code == 303
    assert (await third.get(page)).status_code == 303
    assert (await admin.post(f"{page}/sessions/end", on=page)).status_code == 303
    assert (await second.get(page)).status_code == 303
    assert (await admin.get(page)).status_code == 200
    for one in (second, third):
        await one.http.aclose()


async def test_nobody_ends_a_session_of_somebody_else_from_the_profile(
    app, admin, database, tenant
):
    await add_staff(database, tenant, "gate1", "gate")
    someone = Browser(app)
    await someone.sign_in(tenant.login("gate1"))
    async with database.transaction(tenant.id) as session:
        [admins] = await queries.living_sessions(session, staff_ids=[tenant.admin_id])
    refused = await someone.post(
        f"/console/profile/sessions/{admins.id}/end", on="/console/profile"
    )
    assert refused.status_code == 404
    assert (await admin.get("/console/profile")).status_code == 200
    await someone.http.aclose()
