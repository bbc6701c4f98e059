import asyncio
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, text

from shanmen.audit import queries as audit
from shanmen.kit import clock
from shanmen.kit.errors import Overloaded
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import Staff, StaffSession
from shanmen.sites.passwords import Passwords
from shanmen.sites.service import auth
from tests.sites.conftest import CHEAP, PASSWORD

MINUTES = 60


@pytest.fixture(scope="module")
def passwords():
    made = Passwords(CHEAP)
    yield made
    made.close()


async def sign_in(database, passwords, login, password=PASSWORD):
    return await auth.sign_in(
        database,
        passwords,
        login=login,
        password=password,
        minutes=MINUTES,
        ip="10.1.2.3",
        user_agent="Firefox",
    )


async def row(database, tenant):
    async with database.transaction(tenant.id) as session:
        found = await session.execute(select(Staff).where(Staff.id == tenant.admin_id))
        return found.scalar_one()


async def resume(database, token):
    parsed = auth.parse_token(token)
    assert parsed
    tenant_id, secret = parsed
    return await database.unit(tenant_id)(auth.resume, secret=secret, minutes=MINUTES)


async def test_signing_in_makes_a_session(database, passwords, tenant):
    opened = await sign_in(database, passwords, f" ADMIN@{tenant.code.upper()} ")
    who = await resume(database, opened.token)
    assert who.staff_id == tenant.admin_id
    assert who.label == "王敏 (admin)"
    assert who.permissions == set(rules.PERMISSIONS)
    assert [site.slug for site in who.sites] == [tenant.slug]
    async with database.transaction(tenant.id) as session:
        stored = (await session.execute(select(StaffSession))).scalar_one()
        [noted] = (
            await audit.list_entries(session, where=audit.Filter(action="sites.signed_in"))
        ).entries
    assert opened.token.encode() not in stored.token_hash
    assert (stored.ip, stored.user_agent) == ("10.1.2.3", "Firefox")
    assert (noted.actor_label, noted.ip) == ("王敏 (admin)", "10.1.2.3")


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("nobody", PASSWORD),
        ("admin", "wrong password"),
        ("admin", ""),
        ("admin", "x" * 100_000),
        ("", PASSWORD),
    ],
)
async def test_what_is_wrong_is_not_said(database, passwords, tenant, login, password):
    with pytest.raises(errors.WrongLogin) as refused:
        await sign_in(database, passwords, tenant.login(login), password)
    assert refused.value.field == "password"


async def test_an_unknown_tenant_is_a_wrong_login(database, passwords):
    for login in ("admin", "admin@nowhere", "@", "a@b@c"):
        with pytest.raises(errors.WrongLogin):
            await sign_in(database, passwords, login)


async def test_unknown_logins_cost_the_same_work(database, tenant):
    class Counting(Passwords):
        verified = 0

        def _matches(self, stored, password):
            Counting.verified += 1
            return super()._matches(stored, password)

    counting = Counting(CHEAP)
    for login in ("admin@nowhere", tenant.login("nobody"), tenant.login("admin")):
        with pytest.raises(errors.WrongLogin):
            await sign_in(database, counting, login, "wrong password")
    assert Counting.verified == 3
    counting.close()


async def test_five_wrong_passwords_close_the_account_for_a_quarter_of_an_hour(
    database, passwords, tenant
):
    start = clock.to_utc(
        clock.today("UTC"),
        clock.now().time().replace(hour=3, minute=0, second=0, microsecond=0),
        "UTC",
    )
    with clock.at(start) as time:
        for _ in range(4):
            with pytest.raises(errors.WrongLogin):
                await sign_in(database, passwords, tenant.login(), "wrong password")
        with pytest.raises(errors.LockedOut) as locked:
            await sign_in(database, passwords, tenant.login(), "wrong password")
        # Eleven in the morning in Shanghai, and a quarter of an hour.
        assert locked.value.params["until"] == "11:15:00"
        assert locked.value.params["minutes"] == 15
        with pytest.raises(errors.LockedOut):
            await sign_in(database, passwords, tenant.login(), PASSWORD)
        time.advance(14 * 60 + 59)
        with pytest.raises(errors.LockedOut) as locked:
            await sign_in(database, passwords, tenant.login(), PASSWORD)
        assert locked.value.params["until"] == "11:15:00"
        time.advance(1)
        await sign_in(database, passwords, tenant.login(), PASSWORD)
    assert (await row(database, tenant)).failed_attempts == 0


async def test_after_a_lock_counting_begins_anew(database, passwords, tenant):
    with clock.at(clock.now()) as time:
        for _ in range(5):
            with pytest.raises((errors.WrongLogin, errors.LockedOut)):
                await sign_in(database, passwords, tenant.login(), "wrong password")
        time.advance(15 * 60)
        with pytest.raises(errors.WrongLogin):
            await sign_in(database, passwords, tenant.login(), "wrong password")
    assert (await row(database, tenant)).failed_attempts == 1


@pytest.mark.races
async def test_no_failure_is_lost_among_many_at_once(database, passwords, tenant):
    counted = await asyncio.gather(
        *(database.unit(tenant.id)(auth.count_failure, staff_id=tenant.admin_id) for _ in range(20))
    )
    assert sum(until is None for until in counted) == 4
    assert len({until for until in counted if until}) == 1
    assert (await row(database, tenant)).failed_attempts == 20


@pytest.mark.races
async def test_a_guess_under_way_when_the_account_closes_wins_nothing(database, passwords, tenant):
    class Slow(Passwords):
        """Between verifying and recording, others fail five times."""

        async def verify(self, stored, password):
            right = await super().verify(stored, password)
            for _ in range(5):
                await database.unit(tenant.id)(auth.count_failure, staff_id=tenant.admin_id)
            return right

    slow = Slow(CHEAP)
    with pytest.raises(errors.LockedOut):
        await sign_in(database, slow, tenant.login(), PASSWORD)
    async with database.transaction(tenant.id) as session:
        assert await queries.living_sessions(session) == ()
    slow.close()


async def test_a_session_slides_and_its_use_is_written_once_a_minute(database, passwords, tenant):
    async def expiry():
        async with database.transaction(tenant.id) as session:
            return (await queries.living_sessions(session))[0].expires_at

    start = clock.now()
    with clock.at(start) as time:
        opened = await sign_in(database, passwords, tenant.login())
        assert await expiry() == start + timedelta(minutes=MINUTES)
        time.advance(59)
        assert await resume(database, opened.token)
        assert await expiry() == start + timedelta(minutes=MINUTES)
        time.advance(1)
        assert await resume(database, opened.token)
        assert await expiry() == start + timedelta(minutes=MINUTES + 1)
        time.advance(MINUTES * 60)
        assert await resume(database, opened.token) is None


async def test_a_session_ends_after_a_month_even_in_use(database, passwords, tenant):
    with clock.at(clock.now()) as time:
        opened = await sign_in(database, passwords, tenant.login())
        for _ in range(29):
            time.advance(86_400)
            async with database.transaction(tenant.id) as session:
                # Somebody works day and night.
                await session.execute(
                    text("UPDATE staff_session SET expires_at = :until"),
                    {"until": clock.now() + timedelta(minutes=5)},
                )
            assert await resume(database, opened.token)
        time.advance(86_400)
        assert await resume(database, opened.token) is None


async def test_signing_out_ends_the_session(database, passwords, tenant):
    opened = await sign_in(database, passwords, tenant.login())
    secret = auth.parse_token(opened.token)[1]
    for _ in range(2):
        await database.unit(tenant.id)(auth.sign_out, secret=secret)
    assert await resume(database, opened.token) is None
    async with database.transaction(tenant.id) as session:
        noted = await audit.list_entries(session, where=audit.Filter(action="sites.signed_out"))
    assert noted.total == 1


async def test_a_session_is_nothing_to_another_tenant(database, passwords, tenant, other):
    opened = await sign_in(database, passwords, tenant.login())
    secret = auth.parse_token(opened.token)[1]
    assert await resume(database, f"{other.id}.{secret}") is None


async def test_changing_the_password_ends_the_other_sessions(database, passwords, tenant):
    first = await sign_in(database, passwords, tenant.login())
    second = await sign_in(database, passwords, tenant.login())
    who = await resume(database, first.token)
    ended = await auth.change_own_password(
        database, passwords, who=who, present=PASSWORD, new="quite another phrase"
    )
    assert ended == 1
    assert await resume(database, first.token)
    assert await resume(database, second.token) is None
    with pytest.raises(errors.WrongLogin):
        await sign_in(database, passwords, tenant.login(), PASSWORD)
    await sign_in(database, passwords, tenant.login(), "quite another phrase")


async def test_the_present_password_is_asked_and_its_guesses_are_counted(
    database, passwords, tenant
):
    opened = await sign_in(database, passwords, tenant.login())
    who = await resume(database, opened.token)
    before = (await row(database, tenant)).password_hash

    async def change(present):
        await auth.change_own_password(
            database, passwords, who=who, present=present, new="quite another phrase"
        )

    for _ in range(4):
        with pytest.raises(errors.WrongPassword):
            await change("wrong password")
    for present in ("wrong password", PASSWORD):
        with pytest.raises(errors.LockedOut) as locked:
            await change(present)
        assert locked.value.field == "present"
    assert (await row(database, tenant)).password_hash == before


async def test_an_outdated_hash_is_renewed_at_the_next_sign_in(database, passwords, tenant):
    old = Passwords(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    weak = old.hash_now(PASSWORD)
    await database.unit(tenant.id)(
        auth.store_password, staff_id=tenant.admin_id, password_hash=weak
    )
    await sign_in(database, passwords, tenant.login())
    renewed = (await row(database, tenant)).password_hash
    assert renewed != weak
    assert not passwords.outdated(renewed)
    await sign_in(database, passwords, tenant.login())
    old.close()


async def test_a_flood_is_turned_away():
    small = Passwords(CHEAP, workers=1, waiting=2)
    hashed = small.hash_now(PASSWORD)
    results = await asyncio.gather(
        *(small.verify(hashed, PASSWORD) for _ in range(10)), return_exceptions=True
    )
    assert results.count(True) == 3
    assert sum(isinstance(result, Overloaded) for result in results) == 7
    assert await small.verify(hashed, PASSWORD)
    small.close()


async def test_a_broken_hash_is_a_wrong_password(passwords):
    assert not await passwords.verify("", PASSWORD)
    assert not await passwords.verify("not a hash", PASSWORD)


@pytest.mark.parametrize("cookie", ["", ".", "1", "x.y", "-1.y", "²1.y", "1" * 10 + ".y"])
def test_what_is_no_token(cookie):
    assert auth.parse_token(cookie) is None
