"""Direct routes answer as the framework does, and leave to it whatever they do not know."""

from contextlib import AsyncExitStack
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath, JSONBody

from shanmen.kit.errors import Overloaded
from shanmen.web.direct import Application, Call, DirectRoute, PageRoute
from shanmen.web.plugin import SECURITY_HEADERS, WebConfig, WebPlugin


class Order(msgspec.Struct, forbid_unknown_fields=True):
    persons: int


def decide(order: Order) -> dict[str, int]:
    if order.persons > 9:
        raise Overloaded(retry_after=9)
    return {"persons": order.persons}


@post("/api/places/{name:str}/orders", opt={"public": True})
async def framework(
    request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[Order]
) -> dict[str, object]:
    return {**decide(data), "name": name, "by": "framework", "bytes": len(await request.body())}


async def direct(call: Call) -> tuple[int, bytes] | None:
    if not call.is_json or call.text(b"x-slow"):
        return None
    try:
        order = msgspec.json.decode(call.body, type=Order)
    except msgspec.MsgspecError:
        return None
    if order.persons == 0:
        raise RuntimeError("a mistake")
    return 201, msgspec.json.encode({**decide(order), "name": call.parameters[0], "by": "direct"})


@pytest.fixture
async def client():
    app = Application(
        direct=[DirectRoute("POST", "/api/places/{name}/orders", direct)],
        route_handlers=[framework],
        plugins=[WebPlugin(WebConfig(secret=b"s" * 32))],
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


async def test_a_well_formed_request_is_answered_directly(client: httpx.AsyncClient):
    answer = await client.post("/api/places/hill/orders", json={"persons": 2})
    assert (answer.status_code, answer.json()) == (
        201,
        {"persons": 2, "name": "hill", "by": "direct"},
    )
    assert answer.headers["content-type"] == "application/json"
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_the_framework_gets_the_whole_body_of_what_is_left_to_it(client: httpx.AsyncClient):
    async def pieces():
        yield b'{"pers'
        yield b'ons": 2}'

    answer = await client.post(
        "/api/places/hill/orders",
        content=pieces(),
        headers={"x-slow": "1", "content-type": "application/json"},
    )
    assert answer.json() == {"persons": 2, "name": "hill", "by": "framework", "bytes": 14}


async def test_a_body_that_is_too_long_is_left_to_the_framework_whole(client: httpx.AsyncClient):
    async def pieces():
        for _ in range(5):
            yield b" " * 40_000
        yield b'{"persons": 2}'

    answer = await client.post(
        "/api/places/hill/orders", content=pieces(), headers={"content-type": "application/json"}
    )
    assert answer.json()["by"] == "framework"
    assert answer.json()["bytes"] == 200_014


@pytest.mark.parametrize("persons", [10, "many", None])
async def test_errors_look_the_same_from_both(client: httpx.AsyncClient, persons: object):
    body = {"persons": persons}
    both = [
        await client.post("/api/places/hill/orders", json=body, headers=headers)
        for headers in ({}, {"x-slow": "1"})
    ]
    assert both[0].status_code == both[1].status_code >= 400
    assert both[0].json() == both[1].json()
    assert dict(both[0].headers) == dict(both[1].headers)


async def test_a_mistake_is_answered_without_details(client: httpx.AsyncClient):
    answer = await client.post("/api/places/hill/orders", json={"persons": 0})
    assert answer.status_code == 500
    assert "mistake" not in answer.text
    assert answer.json()["code"] == "web.unexpected"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/places/hill/orders", 405),
        ("POST", "/api/places//orders", 404),
        ("POST", "/api/places/a/b/orders", 404),
        ("POST", "/api/places/orders", 404),
    ],
)
async def test_other_paths_are_the_frameworks(
    client: httpx.AsyncClient, method: str, path: str, status: int
):
    assert (await client.request(method, path, json={"persons": 2})).status_code == status


@get("/s/{slug:str}/rooms/{room:str}", opt={"public": True})
async def rooms(
    request: Request[Any, Any, Any], slug: FromPath[str], room: FromPath[str]
) -> Response[bytes]:
    if room == "none":
        raise Overloaded(retry_after=9)
    if room == "broken":
        raise RuntimeError("a mistake")
    return Response(
        f"{slug} {room} {request.query_params.get('q')} ".encode() * 200,
        media_type="text/html",
        headers={"Cache-Control": "no-store", "vary": "Cookie"},
        cookies=[Cookie(key="a", value="1", httponly=True), Cookie(key="b", value="2")],
    )


@get("/s/hill/rooms/list.txt", opt={"public": True})
async def listed() -> str:
    return "the framework's"


async def room_of(request: Request[Any, Any, Any]) -> Response[bytes]:
    shown: Response[bytes] = await rooms.fn(request, **request.path_params)
    shown.headers["x-by"] = "direct"
    return shown


@pytest.fixture
async def both():
    """The same pages, answered by the framework and directly."""
    page = PageRoute("/s/{slug:str}/rooms/{room:str}", room_of)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(
                        app=Application(
                            direct=direct,
                            route_handlers=[rooms, listed],
                            plugins=[WebPlugin(WebConfig(secret=b"s" * 32))],
                        )
                    ),
                    base_url="http://test",
                )
            )
            for direct in ([], [page])
        ]


@pytest.mark.parametrize("room", ["blue", "none", "broken"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_page_is_the_same_from_both(
    both: list[httpx.AsyncClient], room: str, encoding: str
):
    path, headers = f"/s/hill/rooms/{room}?q=x", {"accept-encoding": encoding}
    framework, direct = [await client.get(path, headers=headers) for client in both]
    assert direct.status_code == framework.status_code
    assert direct.headers.pop("x-by", "direct") == "direct"
    if room != "broken":
        # What nobody expected has a reference of its own each time.
        assert sorted(direct.headers.multi_items()) == sorted(framework.headers.multi_items())
        assert direct.text == framework.text
    assert "mistake" not in direct.text


async def test_a_page_is_shown_directly_to_who_looks_at_it(both: list[httpx.AsyncClient]):
    direct = both[1]
    assert (await direct.get("/s/hill/rooms/blue")).headers["x-by"] == "direct"
    assert (await direct.head("/s/hill/rooms/blue")).status_code == 405
    assert (await direct.post("/s/hill/rooms/blue")).status_code == 405


async def test_a_path_without_parameters_goes_before_a_page(both: list[httpx.AsyncClient]):
    assert (await both[1].get("/s/hill/rooms/list.txt")).text == "the framework's"
