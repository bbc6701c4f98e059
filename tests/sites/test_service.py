import asyncio

import pytest
from sqlalchemy import text

from shanmen.audit import queries as audit
from shanmen.kit import clock, ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.service import apikeys, auth, places, roles, staff, tenants
from tests.sites.conftest import HASH, add_staff, make_tenant


async def test_a_tenant_begins_with_roles_and_an_administrator(database, tenant):
    async with database.transaction(tenant.id) as session:
        assert session.keyring.decrypt(session.keyring.encrypt("x", field="f"), field="f") == "x"
        found = await queries.roles(session)
        [admin] = await queries.staff_list(session)
    assert [role.code for role in found] == [role.code for role in rules.DEFAULT_ROLES]
    assert (admin.login, admin.role_code, admin.active) == ("admin", "administrator", True)


async def test_a_tenants_code_is_unique(database, tenant):
    with pytest.raises(errors.CodeTaken) as refused:
        async with database.transaction(None) as session:
            await tenants.create_tenant(
                session,
                code=tenant.code,
                name={"zh-CN": "别家"},
                admin_login="admin",
                admin_name="A",
                admin_password_hash=HASH,
            )
    assert refused.value.field == "code"


async def test_a_slug_is_unique_over_all_tenants(database, tenant, other):
    with pytest.raises(errors.SlugTaken):
        async with database.transaction(other.id) as session:
            await tenants.create_site(session, slug=tenant.slug, name={"zh-CN": "云山"})
    async with database.transaction(other.id) as session:
        assert len(await queries.sites(session)) == 1


async def test_a_site_is_invisible_to_another_tenant(database, tenant, other):
    async with database.transaction(other.id) as session:
        with pytest.raises(errors.SiteUnknown):
            await queries.site(session, slug=tenant.slug)
        with pytest.raises(errors.EntranceUnknown):
            await places.change_entrance(session, entrance_id=tenant.entrance_id, active=False)


@pytest.mark.parametrize(
    ("change", "refused", "field"),
    [
        ({"name": {"en": "Mount"}}, errors.NameMissing, "name.zh-CN"),
        ({"intro": {"en": "x" * 4001}}, errors.TextTooLong, "intro.en"),
        ({"timezone": "Mars/Olympus"}, clock.UnknownTimeZone, "timezone"),
        ({"phone": "1" * 201}, errors.TextTooLong, "phone"),
        ({"records": {"icp": "x" * 201}}, errors.TextTooLong, "records.icp"),
    ],
)
async def test_what_a_site_cannot_be(database, tenant, change, refused, field):
    with pytest.raises(refused) as caught:
        await database.unit(tenant.id)(tenants.change_site, slug=tenant.slug, **change)
    assert caught.value.field == field


async def test_a_change_keeps_the_rest_and_is_noted(database, tenant):
    async with database.transaction(tenant.id) as session:
        await tenants.change_site(
            session, slug=tenant.slug, notice={"zh-CN": "今日大雾", "en": " "}
        )
    async with database.transaction(tenant.id) as session:
        site = await queries.site(session, slug=tenant.slug)
        [entry] = (
            await audit.list_entries(session, where=audit.Filter(action="sites.site_changed"))
        ).entries
    assert site.name == {"zh-CN": "云山", "en": "Mount Yun"}
    assert site.notice == {"zh-CN": "今日大雾"}
    assert (entry.before, entry.after) == ({"notice": {}}, {"notice": {"zh-CN": "今日大雾"}})


async def test_a_new_name_reaches_the_public_list(database, tenant):
    await database.unit(tenant.id)(tenants.change_site, slug=tenant.slug, name={"zh-CN": "新名"})
    async with database.transaction(None) as session:
        found = {site.slug: site.name for site in await queries.public_sites(session)}
    assert found[tenant.slug] == {"zh-CN": "新名"}


@pytest.mark.races
async def test_places_made_at_once_have_different_numbers(database, tenant):
    unit = database.unit(tenant.id)
    zones = await asyncio.gather(
        *(
            unit(places.create_zone, site_slug=tenant.slug, name={"zh-CN": f"区{n}"})
            for n in range(6)
        )
    )
    assert sorted(zone.number for zone in zones) == [1, 2, 3, 4, 5, 6]
    doors = await asyncio.gather(
        *(
            unit(
                places.create_entrance,
                site_slug=tenant.slug,
                zone_id=tenant.zone_id,
                name={"zh-CN": f"门{n}"},
            )
            for n in range(6)
        )
    )
    assert sorted(door.number for door in doors) == [2, 3, 4, 5, 6, 7]
    sites = await asyncio.gather(
        *(
            unit(tenants.create_site, slug=f"x{ids.new_id().hex}", name={"zh-CN": f"山{n}"})
            for n in range(4)
        )
    )
    assert sorted(site.number for site in sites) == [2, 3, 4, 5]


async def test_there_are_32_zones(database, tenant):
    async with database.transaction(tenant.id) as session:
        for number in range(1, 32):
            zone = await places.create_zone(
                session, site_slug=tenant.slug, name={"zh-CN": f"区{number}"}
            )
            assert zone.number == number
        with pytest.raises(errors.NoNumberLeft) as refused:
            await places.create_zone(session, site_slug=tenant.slug, name={"zh-CN": "多"})
    assert refused.value.params == {"limit": 32}


async def test_an_entrance_leads_into_a_zone_of_its_own_site(database, tenant):
    async with database.transaction(tenant.id) as session:
        second = await tenants.create_site(session, slug=f"y{tenant.code}", name={"zh-CN": "二山"})
        zone = await places.create_zone(session, site_slug=second.slug, name={"zh-CN": "二区"})
        with pytest.raises(errors.ZoneUnknown):
            await places.change_entrance(session, entrance_id=tenant.entrance_id, zone_id=zone.id)
        with pytest.raises(errors.EntranceUnknown):
            await places.change_entrance(
                session, entrance_id=tenant.entrance_id, site_slug=second.slug, active=False
            )


async def test_a_login_is_unique_in_its_tenant_alone(database, tenant, other):
    await add_staff(database, tenant, "li.na", "seller")
    await add_staff(database, other, "li.na", "seller")
    with pytest.raises(errors.LoginTaken) as refused:
        await add_staff(database, tenant, "Li.Na", "seller")
    assert refused.value.field == "login"


async def test_nobody_grants_or_takes_over_more_than_they_have(database, tenant):
    own = {"staff.edit", "orders.read", "orders.change"}
    seller = await add_staff(database, tenant, "seller1", "seller")
    unit = database.unit(tenant.id)
    with pytest.raises(errors.MayNotGrant):
        await unit(
            staff.create_staff,
            login="boss",
            name="B",
            role_code="administrator",
            password_hash=HASH,
            granted_by=own,
        )
    for change in ({"role_code": "manager"}, {"staff_id": tenant.admin_id, "active": False}):
        with pytest.raises(errors.MayNotGrant):
            await unit(staff.change_staff, **{"staff_id": seller, "granted_by": own, **change})
    with pytest.raises(errors.MayNotGrant):
        await unit(
            staff.reset_password, staff_id=tenant.admin_id, password_hash="x", granted_by=own
        )
    with pytest.raises(errors.MayNotGrant):
        await unit(roles.change_role, code="seller", permissions=["audit.read"], granted_by=own)
    with pytest.raises(errors.MayNotGrant):
        await unit(
            apikeys.create_key, name="x", channel="ota", permissions=["audit.read"], granted_by=own
        )
    async with database.transaction(tenant.id) as session:
        assert {one.login for one in await queries.staff_list(session)} == {"admin", "seller1"}
        assert await queries.api_keys(session) == ()
        row = await session.execute(text("SELECT password_hash FROM staff WHERE login = 'admin'"))
        assert row.scalar_one() == HASH


async def test_the_last_administrator_stays(database, tenant):
    unit = database.unit(tenant.id)
    for change in ({"active": False}, {"role_code": "seller"}):
        with pytest.raises(errors.LastAdministrator):
            await unit(staff.change_staff, staff_id=tenant.admin_id, **change)
    await unit(roles.change_permissions, permissions={"administrator": []})
    async with database.transaction(tenant.id) as session:
        found = {role.code: role for role in await queries.roles(session)}
    assert found["administrator"].permissions == ("staff.edit",)


@pytest.mark.races
async def test_two_administrators_do_not_go_together(database, tenant):
    second = await add_staff(database, tenant, "second", "administrator")
    results = await asyncio.gather(
        *(
            database.unit(tenant.id)(staff.change_staff, staff_id=staff_id, active=False)
            for staff_id in (tenant.admin_id, second)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(result, errors.LastAdministrator) for result in results) == 1


async def test_roles_are_made_used_and_removed(database, tenant):
    unit = database.unit(tenant.id)
    made = await unit(
        roles.create_role,
        code="night-guard",
        name={"zh-CN": "夜间值守"},
        permissions=["admission.scan"],
    )
    assert made.permissions == ("admission.scan",)
    with pytest.raises(errors.CodeTaken):
        await unit(roles.create_role, code="gate", name={"zh-CN": "门"}, permissions=[])
    guard = await add_staff(database, tenant, "guard", "night-guard")
    with pytest.raises(errors.RoleInUse) as refused:
        await unit(roles.remove_role, code="night-guard")
    assert refused.value.params == {"count": 1}
    await unit(staff.change_staff, staff_id=guard, role_code="gate")
    await unit(roles.remove_role, code="night-guard")
    with pytest.raises(errors.BuiltInRole):
        await unit(roles.remove_role, code="seller")
    with pytest.raises(errors.RoleUnknown):
        await unit(roles.remove_role, code="night-guard")


async def test_the_matrix_is_saved_whole_or_not_at_all(database, tenant):
    with pytest.raises(errors.UnknownPermission):
        await database.unit(tenant.id)(
            roles.change_permissions, permissions={"gate": ["audit.read"], "seller": ["fly"]}
        )
    async with database.transaction(tenant.id) as session:
        found = {role.code: role for role in await queries.roles(session)}
    assert found["gate"].permissions == ("admission.scan",)


async def test_a_reset_signs_out_and_opens_the_account(database, tenant):
    async with database.transaction(tenant.id) as session:
        await auth.open_session(
            session,
            staff_id=tenant.admin_id,
            verified_hash=HASH,
            renewed_hash=None,
            minutes=60,
            ip="",
            user_agent="",
        )
    for _ in range(5):
        await database.unit(tenant.id)(auth.count_failure, staff_id=tenant.admin_id)
    person = await database.unit(tenant.id)(
        staff.reset_password, staff_id=tenant.admin_id, password_hash="new"
    )
    assert person.locked_until is None
    async with database.transaction(tenant.id) as session:
        assert await queries.living_sessions(session) == ()
        noted = [
            entry.action
            for entry in (await audit.list_entries(session)).entries
            if entry.entity == "staff"
        ]
    assert noted[:3] == ["sites.sessions_ended", "sites.password_set", "sites.locked_out"]


async def test_a_key_is_kept_as_a_digest(database, tenant):
    made = await database.unit(tenant.id)(
        apikeys.create_key, name=" 旅行网 ", channel="OTA", permissions=["orders.read"]
    )
    assert made.secret.startswith(f"smk_{tenant.id}_")
    assert made.secret.endswith(made.key.hint)
    assert (made.key.name, made.key.channel) == ("旅行网", "ota")
    secret = made.secret.split("_", 2)[2]
    async with database.transaction(tenant.id) as session:
        rows = await session.execute(
            text("SELECT k::text FROM api_key k UNION SELECT a::text FROM audit_log a")
        )
        assert not any(secret in row for row in rows.scalars())


@pytest.mark.parametrize(
    ("change", "refused", "field"),
    [
        ({"name": " "}, errors.NameMissing, "name"),
        ({"channel": "渠道"}, errors.BadCode, "channel"),
        ({"permissions": ["fly"]}, errors.UnknownPermission, "permissions"),
    ],
)
async def test_what_a_key_cannot_be(database, tenant, change, refused, field):
    wish = {"name": "x", "channel": "ota", "permissions": [], **change}
    with pytest.raises(refused) as caught:
        await database.unit(tenant.id)(apikeys.create_key, **wish)
    assert caught.value.field == field


async def test_a_tenant_that_is_rolled_back_leaves_nothing(database):
    class Enough(Exception):
        pass

    made = []

    async def begin(session):
        made.append(await make_tenant(session))
        raise Enough

    with pytest.raises(Enough):
        await database.unit(None)(begin)
    async with database.transaction(None) as session:
        assert await queries.tenant_by_code(session, code=made[0].code) is None
        assert await queries.address_of(session, slug=made[0].slug) is None
