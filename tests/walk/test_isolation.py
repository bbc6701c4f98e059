"""Neither tenant sees the other's data through any route, nor changes it.

The route table is walked as it is, so a new route is in this walk without anybody adding it; a
parameter that the walk does not know makes it fail with a sentence that tells what to add.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx

from tests.walk.calls import OF_ALL_TENANTS, OF_THE_SERVER, SAFE, Call, of_a_library, swapped
from tests.walk.conftest import Walk, with_query
from tests.walk.world import in_answer

UNAVAILABLE = 503
"""The payment provider does not run here; every other 5xx is a mistake."""
NEEDS_A_CHOICE = {"/s/{slug:str}/visitors": "Tells a visitor to choose tickets first."}
LEAVES_LAST = ("logout", "password", "sessions", "revoke")
"""Routes that may take the own caller's access away are asked after all others."""


def everything_told(answer: httpx.Response) -> str:
    """The body and all headers of an answer."""
    return answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())


def said(answer: httpx.Response) -> str:
    """What an answer says to a person, in short."""
    text = re.sub(r"<(head|script|style).*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(text.split())[:300]


def shown(walk: Walk, answer: httpx.Response) -> set[str]:
    """What an answer tells of the other tenant beyond what the request itself said."""
    request = answer.request
    sent = f"{request.url}{request.headers}{request.content.decode(errors='replace')}"
    return in_answer(everything_told(answer), walk.markers, sent=sent)


def test_every_route_has_a_guard_or_is_public(walk: Walk):
    neither = [str(c) for c in walk.calls if not c.public and not c.permissions]
    assert neither == []
    both = [str(c) for c in walk.calls if c.public and c.permissions]
    assert both == []


def test_routes_of_the_library_only_describe_the_api(walk: Walk):
    found = {
        (route.path.split("/")[1], method)
        for route in walk.app.routes
        for handler in getattr(route, "route_handlers", ())
        if of_a_library(handler)
        for method in set(handler.http_methods) - {"OPTIONS"}
    }
    assert found <= {("api", "GET")}


def test_exceptions_are_routes_that_exist(walk: Walk):
    paths = {route.path for route in walk.app.routes}
    assert set(OF_THE_SERVER) | set(OF_ALL_TENANTS) <= paths


def test_every_route_can_be_asked(walk: Walk):
    for call in walk.calls:
        assert call.url(walk.own, walk.other, foreign=call.parameters)
        call.query(walk.other)
        call.body(walk.other)


async def test_own_pages_work_and_show_nothing_of_the_other(walk: Walk):
    wrong = []
    for call, answer in await walk.look_around():
        if not 200 <= answer.status_code < 400 and call.path not in NEEDS_A_CHOICE:
            wrong.append(f"{call}: {answer.status_code} {said(answer)}")
        if call.path not in OF_ALL_TENANTS and (found := shown(walk, answer)):
            wrong.append(f"{call} shows {sorted(found)[:5]}")
    assert not wrong, "\n".join(wrong)


def foreign_paths(call: Call) -> Iterator[set[str]]:
    """Which parts of a path to take from the other tenant: each alone, and all."""
    names = [n for n in call.parameters if n not in {"day", "provider"}]
    if call.is_site:
        # The address of a site says whose visitor one is; only what lies below can be foreign.
        names = [name for name in names if name != "slug"]
        if "secret" in names:
            yield {"number", "secret"}
            return
    yield from ({name} for name in names)
    if len(names) > 1:
        yield set(names)


async def test_other_ids_in_the_path_lead_nowhere(walk: Walk):
    before = walk.rows.checksums(walk.other.tenant_id)
    await walk.look_around()
    wrong = []
    for call in sorted(walk.calls, key=lambda c: any(word in c.path for word in LEAVES_LAST)):
        for foreign in foreign_paths(call):
            url = with_query(call.url(walk.own, walk.other, foreign=foreign), call.query(walk.own))
            for content, form in bodies(walk, call, foreign_ids=False):
                answer = await walk.as_own(call, url, content=content, form=form)
                if found := shown(walk, answer):
                    wrong.append(f"{call} with foreign {foreign} shows {sorted(found)[:5]}")
                # A change that finds nothing may say so by leading back to where one was.
                if answer.status_code >= 500 or (call.method in SAFE and answer.status_code != 404):
                    wrong.append(f"{call} with foreign {foreign}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert changed(before, walk.rows.checksums(walk.other.tenant_id)) == []


async def test_other_ids_in_query_body_and_cookies_lead_nowhere(walk: Walk):
    before = walk.rows.checksums(walk.other.tenant_id)
    await walk.look_around()
    keys = {key: walk.other.values[key] for key in walk.seen.keys if key in walk.other.values}
    cookies = {"site": walk.other.park.slug, "lane": str(walk.other.park.lane_id)}
    wrong = []
    for call in sorted(walk.calls, key=lambda c: any(word in c.path for word in LEAVES_LAST)):
        declared = dict(pair.split("=", 1) for pair in call.query(walk.other).split("&") if pair)
        query = urlencode({**keys, **declared}, safe="%+")
        url = with_query(call.url(walk.own, walk.own), query)
        for content, form in bodies(walk, call, foreign_ids=True):
            answer = await walk.as_own(call, url, content=content, form=form, cookies=cookies)
            if call.path not in OF_ALL_TENANTS and (found := shown(walk, answer)):
                wrong.append(f"{call} shows {sorted(found)[:5]}: {form or content!r}")
            if answer.status_code >= 500 and answer.status_code != UNAVAILABLE:
                wrong.append(f"{call}: {answer.status_code} {said(answer)}")
    assert not wrong, "\n".join(wrong)
    assert changed(before, walk.rows.checksums(walk.other.tenant_id)) == []


def bodies(
    walk: Walk, call: Call, *, foreign_ids: bool
) -> Iterator[tuple[bytes | None, dict[str, str] | None]]:
    """JSON of the handler's type, or each form that a page has for it, else all fields at once."""
    world = walk.other if foreign_ids else walk.own
    if call.method in SAFE:
        yield None, None
        return
    content = call.body(world)
    if content is not None:
        yield content, None
        return
    forms = list(walk.seen.forms_for(call)) or [walk.seen.every_field()]
    for form in forms:
        yield None, swapped(form, walk.own, walk.other) if foreign_ids else dict(form)


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Tables whose rows are not what they were."""
    return sorted(name for name in before if before[name] != after[name])


async def test_the_walk_would_see_what_it_looks_for(walk: Walk):
    """As the other tenant, its pages are full of what must not be shown to the first."""
    seen: set[str] = set()
    for call in walk.calls:
        if call.method in SAFE and not call.is_site:
            url = with_query(call.url(walk.other, walk.other), call.query(walk.other))
            answer = await walk.ask(call, url, cookie=walk.other.cookie, api_key=walk.other.api_key)
            seen |= in_answer(everything_told(answer), walk.markers, sent="")
    values = walk.other.values
    expected = ["slug", "number", "order_id", "lane_id", "staff_id", "schedule_id", "scan_id"]
    assert {values[name] for name in expected} <= seen
    phone = values["phone"]
    assert f"{phone[:3]}****{phone[-4:]}" in seen
