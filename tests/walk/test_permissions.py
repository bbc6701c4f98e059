"""Who lacks a route's permission is refused by it, and nothing happens.

Every route with a guard is asked by somebody who has every permission but those that it asks for.
"""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shanmen.db.session import Session
from shanmen.sites.rules import PERMISSIONS
from shanmen.sites.service import apikeys, auth, roles, staff
from tests.support.park import PASSWORD_HASH
from tests.walk.calls import Call
from tests.walk.conftest import Walk, with_query
from tests.walk.test_isolation import bodies, changed, said

TOUCHED = frozenset({"staff_session", "api_key"})
"""Being recognised is noted there, also when one is then refused."""
UNKNOWN = {401, 303}
"""Sign in first: for programs and for people."""


@dataclass(frozen=True)
class Lacking:
    """Somebody with all permissions but some."""

    cookie: str
    api_key: str


async def _make(session: Session, *, number: int, lacks: tuple[str, ...]) -> Lacking:
    has = sorted(set(PERMISSIONS) - set(lacks))
    role = await roles.create_role(
        session, code=f"lacks-{number}", name={"zh-CN": "缺权"}, permissions=has
    )
    member = await staff.create_staff(
        session,
        login=f"lacks{number}",
        name="Qian",
        role_code=role.code,
        password_hash=PASSWORD_HASH,
    )
    opened = await auth.open_session(
        session,
        staff_id=member.id,
        verified_hash=PASSWORD_HASH,
        renewed_hash=None,
        minutes=60,
        ip="",
        user_agent="",
    )
    assert opened is not None
    key = await apikeys.create_key(session, name="lacks", channel="ota", permissions=has)
    return Lacking(opened.token, key.secret)


@pytest.fixture(scope="module")
async def lacking(walk: Walk) -> dict[tuple[str, ...], Lacking]:
    """Somebody for each combination that a guard asks for."""
    wanted = sorted({asked for call in walk.calls for asked in call.permissions if asked})
    return {
        asked: await walk.database.unit(walk.own.tenant_id)(_make, number=n, lacks=asked)
        for n, asked in enumerate(wanted)
    }


async def asked(walk: Walk, call: Call, **who: Any) -> list[httpx.Response]:
    """The call with own ids, once for each body that it can have."""
    await walk.look_around()
    url = with_query(call.url(walk.own, walk.own), call.query(walk.own))
    return [
        await walk.ask(call, url, content=content, form=form, **who)
        for content, form in bodies(walk, call, foreign_ids=False)
    ]


def unlike(call: Call, answers: list[httpx.Response], wanted: set[int]) -> list[str]:
    """The answers that have another status than one of those wanted."""
    return [
        f"{call}: {answer.status_code} {said(answer)}"
        for answer in answers
        if answer.status_code not in wanted
    ]


def test_permissions_exist_and_are_asked_for_somewhere(walk: Walk):
    used = {name for call in walk.calls for guard in call.permissions for name in guard}
    assert used <= set(PERMISSIONS)


async def test_who_lacks_the_permission_is_refused_and_nothing_happens(
    walk: Walk, lacking: dict[tuple[str, ...], Lacking]
):
    await walk.look_around()
    before = walk.rows.checksums(walk.own.tenant_id, without=TOUCHED)
    wrong = []
    guarded = [call for call in walk.calls if any(call.permissions)]
    for call in guarded:
        for asks in call.permissions:
            if not asks:
                continue
            who = lacking[asks]
            answers = await asked(walk, call, cookie=who.cookie, api_key=who.api_key)
            wrong += unlike(call, answers, {403})
    assert not wrong, "\n".join(wrong)
    assert len(guarded) > 50
    assert changed(before, walk.rows.checksums(walk.own.tenant_id, without=TOUCHED)) == []


async def test_who_is_not_known_must_sign_in_and_nothing_happens(walk: Walk):
    await walk.look_around()
    before = walk.rows.checksums(walk.own.tenant_id)
    wrong = []
    for call in walk.calls:
        if not call.permissions:
            continue
        wrong += unlike(call, await asked(walk, call), UNKNOWN)
    assert not wrong, "\n".join(wrong)
    assert changed(before, walk.rows.checksums(walk.own.tenant_id)) == []


async def test_a_key_of_nobody_opens_nothing(walk: Walk):
    wrong = []
    for call in walk.calls:
        if call.is_api and call.permissions:
            answers = await asked(walk, call, api_key=f"{walk.own.api_key}x")
            wrong += unlike(call, answers, {401})
    assert not wrong, "\n".join(wrong)


async def test_a_session_of_staff_opens_no_api(walk: Walk):
    """A page of another site could send the cookie; the API never looks at it."""
    wrong = []
    for call in walk.calls:
        if call.is_api and call.permissions:
            url = with_query(call.url(walk.own, walk.own), call.query(walk.own))
            cookies = {"shanmen_session": walk.own.cookie}
            answer = await walk.ask(call, url, content=call.body(walk.own), cookies=cookies)
            wrong += unlike(call, [answer], {401})
    assert not wrong, "\n".join(wrong)


async def test_a_page_without_the_token_changes_nothing(walk: Walk):
    """Every changing page asks for the token of its form, whoever sends it."""
    await walk.look_around()
    before = walk.rows.checksums(walk.own.tenant_id, without=TOUCHED)
    wrong = []
    for call in walk.calls:
        if call.is_api or call.method == "GET" or call.handler.opt.get("exclude_from_csrf"):
            continue
        url = call.url(walk.own, walk.own)
        answer = await walk.http.request(
            call.method, url, headers={"cookie": f"shanmen_session={walk.own.cookie}"}
        )
        wrong += unlike(call, [answer], {403})
    assert not wrong, "\n".join(wrong)
    assert changed(before, walk.rows.checksums(walk.own.tenant_id, without=TOUCHED)) == []
