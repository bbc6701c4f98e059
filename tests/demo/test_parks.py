"""The demo's tenants: made once, whole, and as a visitor should find them."""

from datetime import timedelta
from uuid import UUID

import msgspec
import psycopg

from shanmen.audit import queries as audit
from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Database
from shanmen.demo.logins import LOGINS
from shanmen.demo.parks import PARKS, ensure_parks
from shanmen.inventory.queries import pools, slots_between
from shanmen.kit import clock
from shanmen.sites import queries as sites
from shanmen.sites.passwords import Passwords
from shanmen.sites.rules import DEFAULT_ROLES
from shanmen.web.i18n import LOCALES, has_text
from tests.demo.conftest import NOW


async def mountain(database: Database) -> tuple[int, UUID]:
    """The tenant and the site of the demo's mountain."""
    found = await database.unit(None)(sites.address_of, slug="yunling")
    assert found
    return found


async def test_a_second_start_makes_nothing(demo: Database):
    with clock.at(NOW):
        before = await demo.unit(None)(sites.public_sites)
        assert not await ensure_parks(demo)
        assert await demo.unit(None)(sites.public_sites) == before
    assert {site.slug for site in before} == {"yunling", "guzhen"}


async def test_a_park_that_is_missing_is_made_beside_the_other(
    own_database: Database, own_url: str
):
    with clock.at(NOW):
        await ensure_parks(own_database)
        with psycopg.connect(own_url) as owner:
            owner.execute("DELETE FROM site_address WHERE slug = 'guzhen'")
            owner.execute("UPDATE tenant SET code = 'old' WHERE code = 'guzhen'")
        assert await ensure_parks(own_database)
        assert not await ensure_parks(own_database)


async def test_everybody_can_sign_in(demo: Database):
    passwords = Passwords()
    roles = set()
    for spec in PARKS:
        tenant = await demo.unit(None)(sites.tenant_by_code, code=spec.code)
        for login in spec.logins:
            assert login.name.endswith(f"@{spec.code}")
            async with demo.transaction(tenant.id) as session:
                members = {one.login: one for one in await sites.staff_list(session)}
                driver = await session.driver()
                rows = await driver.execute(
                    "SELECT password_hash FROM staff WHERE login = %s", (login.local,)
                )
                [[stored]] = await rows.fetchall()
            assert members[login.local].role_code == login.role
            assert await passwords.verify(stored, login.password)
            roles.add(login.role)
    assert {login.name for login in LOGINS} >= {"admin@yunling", "gate@yunling", "admin@guzhen"}
    assert roles == {role.code for role in DEFAULT_ROLES}


async def test_the_mountain_has_its_gates_pools_and_tickets(demo: Database):
    tenant_id, site_id = await mountain(demo)
    async with demo.transaction(tenant_id) as session:
        entrances = await sites.entrances(session, site_id=site_id)
        names = [entrance.name["zh-CN"] for entrance in entrances]
        assert names[:3] == ["南门", "东门", "索道站"]
        types = {t.name["en"]: t for t in (await current_catalog(session)).of_site(site_id)}
        assert len(types["Gate and cableway"].draws) == 2
        assert types["Family of three"].party_size == 3
        assert (types["Child (6–17)"].min_age, types["Child (6–17)"].max_age) == (6, 17)
        assert types["Adult"].rotating
        catalog = await current_catalog(session)
        holiday, winter = NOW.date(), NOW.date().replace(month=12, day=1)
        adult = types["Adult"]
        prices = [catalog.price(adult, day) or 0 for day in (winter, holiday)]
        assert 0 < prices[0] < prices[1]
        assert catalog.price(types["70 and over, free"], holiday) == 0
        for kind in types.values():
            assert set(kind.name) == {"zh-CN", "en"}
            assert kind.description, kind.name


async def test_the_log_tells_in_words_what_was_made(demo: Database):
    tenant_id, _ = await mountain(demo)
    page = await demo.unit(tenant_id)(audit.list_entries, page_size=1000)
    fields = {change.field for entry in page.entries for change in entry.changes}
    assert {"prices", "slots"} <= fields
    for locale in LOCALES:
        assert {one for one in fields if not has_text(locale, f"audit.field.{one}")} == set()


async def test_days_ahead_are_on_sale_and_one_ride_is_closed(demo: Database):
    tenant_id, site_id = await mountain(demo)
    today = NOW.date()
    async with demo.transaction(tenant_id) as session:
        for pool in await pools(session, site_id=site_id):
            slots = await slots_between(
                session, pool_ids=[pool.id], first=today, last=today + timedelta(days=35)
            )
            assert len({slot.day for slot in slots}) == 36
            closed = [slot for slot in slots if slot.status == "closed"]
            assert len(closed) == (1 if pool.name["en"] == "Cableway" else 0)
            assert all(set(slot.note) == {"zh-CN", "en"} for slot in closed)


def test_texts_are_in_both_languages():
    for spec in PARKS:
        for text in (spec.name, spec.intro, spec.notice, spec.address, spec.hours):
            assert set(text) == {"zh-CN", "en"}
        for kind in spec.kinds:
            assert msgspec.structs.asdict(kind.spec.name).keys() == {"zh", "en"}
            assert kind.spec.name.zh
            assert kind.spec.name.en
