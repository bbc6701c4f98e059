"""A small application that shows everything the kit has; for tests and for looking at."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import ServerSentEvent, ServerSentEventMessage

from shanmen.kit.errors import BadInput, DomainError, NotSignedIn, Overloaded
from shanmen.web.calendar import CalendarDay, CalendarMonth, month_grid
from shanmen.web.forms import Form
from shanmen.web.plugin import WebConfig, WebPlugin
from shanmen.web.render import NavItem, page, redirect

TODAY = dt.date(2026, 10, 1)
SITE = {"name": {"zh-CN": "云顶山景区", "en": "Yunding Mountain"}, "slug": "yunding"}
NAV = (
    NavItem("today", "web.home", "/console", "chart"),
    NavItem("orders", "web.search", "/console/orders", "list"),
    NavItem("products", "web.filter", "/console/products", "ticket"),
    NavItem("devices", "web.live", "/console/devices", "device"),
)


class Visitor(msgspec.Struct):
    """One person of an order."""

    name: Annotated[str, msgspec.Meta(min_length=2)]
    document: str


class Order(msgspec.Struct):
    """The form of the kitchen's visitor page."""

    visitors: list[Visitor]
    day: dt.date
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    note: str | None = None


def october() -> CalendarMonth:
    """Return a month with a day of every state."""
    days = [
        CalendarDay(dt.date(2026, 10, 1), "available", 12000, "/d/1"),
        CalendarDay(dt.date(2026, 10, 2), "few", 12000, "/d/2", left=8),
        CalendarDay(dt.date(2026, 10, 3), "soldout", 15000),
        CalendarDay(dt.date(2026, 10, 4), "available", 12800, "/d/4", selected=True),
        CalendarDay(dt.date(2026, 10, 5), "available", 9950, "/d/5", label="重阳"),
    ]
    days += [CalendarDay(dt.date(2026, 10, n), "available", 8000, f"/d/{n}") for n in range(8, 28)]
    return month_grid(2026, 10, days, today=TODAY, next="/m/11")


def bad_form() -> Form:
    """Return a form with errors at fields and above them."""
    form = Form.blank({"quantities": {"adult": 2}, "visitors": [{"name": "王", "document": "123"}]})
    form.add("visitors.0.document", "证件号码应为 18 位")
    return form.with_error(BadInput(field="phone"))


@get("/visitor")
async def visitor(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show every macro of the visitor's pages."""
    return page(
        request,
        "kitchen/visitor.html",
        form=bad_form(),
        month=october(),
        today=TODAY,
        icp="浙ICP备12345678号",
        police_record="浙公网安备33010602000000号",
    )


@get("/console")
async def console(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show every macro of the console."""
    return page(
        request,
        "kitchen/console.html",
        partial="rows",
        form=Form.blank({"name": "成人票"}),
        nav=NAV,
    )


@get("/gate/{kind:str}")
async def gate(request: Request[Any, Any, Any], kind: FromPath[str]) -> Response[bytes]:
    """Show a verdict."""
    return page(
        request, "kitchen/gate.html", kind=kind, csp={"script-src": "'self' 'wasm-unsafe-eval'"}
    )


@get("/events")
async def events() -> ServerSentEvent:
    """Send figures for the console, as a live page gets them."""

    async def figures() -> AsyncIterator[ServerSentEventMessage]:
        yield ServerSentEventMessage(event="admitted", data="12,848")
        yield ServerSentEventMessage(event="figures", data='{"inside": "6,321"}')
        await asyncio.sleep(30)

    return ServerSentEvent(figures())


@get("/login")
async def login(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the plain layout."""
    return page(request, "kitchen/login.html", form=Form.blank())


@post("/form")
async def form_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take the kitchen's form."""
    form = await Form.read(request)
    try:
        form.into(Order)
    except DomainError as error:
        return page(request, "kitchen/login.html", status=error.status, form=form.with_error(error))
    return redirect(request, "/login", flash="web.saved")


@get("/raise/{name:str}")
async def fail(name: FromPath[str]) -> None:
    """Raise the error that is named."""
    if name == "domain":
        raise BadInput(field="visitors.0.name")
    if name == "overloaded":
        raise Overloaded(retry_after=7)
    if name == "anonymous":
        raise NotSignedIn
    message = "13800138000"
    raise RuntimeError(message)


@post("/api/order")
async def api_order(data: JSONBody[Order]) -> Order:
    """Echo an order, to see how a bad body is refused."""
    return data


@get("/api/query")
async def api_query(count: FromQuery[int]) -> int:
    """Echo a number, to see how a bad parameter is refused."""
    return count


def make_app(*, secure: bool = False) -> Litestar:
    """Return the application."""
    config = WebConfig(
        secret=b"k" * 32,
        secure=secure,
        templates=[Path(__file__).parent / "templates"],
        context=[lambda _: {"site": SITE}],
        login=lambda request: (
            f"/login?next={request.url.path}" if request.url.path.startswith("/console") else None
        ),
    )
    handlers = [visitor, console, events, gate, login, form_page, fail, api_order, api_query]
    return Litestar(handlers, plugins=[WebPlugin(config)])
