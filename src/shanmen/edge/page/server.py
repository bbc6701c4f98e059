"""Addresses of the guard's page."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from shanmen.edge.agent import Agent, Direction, Kind
from shanmen.edge.checked import MOST_BY_HAND
from shanmen.edge.entrance import Entrance
from shanmen.edge.page.access import COOKIE, LONGEST_NAME, SHIFT_SECONDS, Access
from shanmen.edge.page.board import Board
from shanmen.edge.page.http import Request, Response, Server
from shanmen.edge.page.render import LANGUAGE_COOKIE, asset, locale_of, login_page, main_page
from shanmen.edge.page.words import LOCALES, Locale, error, say
from shanmen.edge.store import StoreBroken
from shanmen.edge.waiting import Presented
from shanmen.kit.errors import DomainError

JSON = "application/json"
HTML = "text/html; charset=utf-8"
YEAR_SECONDS = 365 * 86_400

Text = Annotated[str, Meta(max_length=600)]
Reason = Annotated[str, Meta(min_length=1, max_length=200)]
B = TypeVar("B")


class ScanBody(Struct, frozen=True):
    """What a guard scans or types."""

    scan_id: UUID
    lane: UUID
    code: Annotated[str, Meta(min_length=1, max_length=600)]
    kind: Kind = "auto"
    document: Annotated[str, Meta(max_length=40)] = ""
    persons: Annotated[int, Meta(ge=1, le=99)] | None = None
    direction: Direction | None = None


class OverrideBody(Struct, frozen=True):
    """Let somebody in all the same."""

    lane: UUID
    scan_id: UUID
    persons: Annotated[int, Meta(ge=1, le=99)]
    reason: Reason


class UndoBody(Struct, frozen=True):
    """Take an admission back."""

    lane: UUID
    scan_id: UUID
    reason: Reason


class CorrectBody(Struct, frozen=True):
    """What really happened to an admission that a crash left open."""

    scan_id: UUID
    entered: bool


class LaneBody(Struct, frozen=True):
    """Open or close a lane."""

    lane: UUID
    open: bool


class EmergencyBody(Struct, frozen=True):
    """Open everything, or end that."""

    on: bool


class CountBody(Struct, frozen=True):
    """How many went through a lane in an emergency, where no sensor counts."""

    lane: UUID
    persons: Annotated[int, Meta(ge=1, le=MOST_BY_HAND)]


class LoginBody(Struct, frozen=True):
    """Who signs in."""

    pin: Annotated[str, Meta(max_length=20)]
    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class GuardPage:
    """The page of one agent."""

    def __init__(self, agent: Agent, entrance: Entrance, board: Board, access: Access) -> None:
        self._agent, self._entrance, self._board = agent, entrance, board
        self._access = access
        self._server = Server(self._answer)
        self._actions: dict[str, Callable[[Request, str, Locale], Awaitable[Response]]] = {
            "/scan": self._scan,
            "/override": self._override,
            "/undo": self._undo,
            "/correct": self._correct,
            "/lane": self._lane,
            "/emergency": self._emergency,
            "/count": self._count,
            "/sync": self._sync,
            "/logout": self._logout,
        }

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        return await self._server.start(host, port)

    async def close(self) -> None:
        """Stop."""
        await self._server.close()

    async def _answer(self, request: Request) -> Response:
        locale = locale_of(request)
        if request.method == "GET":
            return self._get(request, locale)
        if request.method != "POST":
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        # Another page that the guard has open may send forms here, yet not under our address.
        if not request.same_origin:
            return _problem(HTTPStatus.FORBIDDEN, say(locale, "page.error.forbidden"))
        if request.path == "/login":
            return self._login(request, locale)
        who = self._who(request)
        if who is None:
            return _problem(HTTPStatus.UNAUTHORIZED, say(locale, "page.sign_in"))
        return await self._act(request, who, locale)

    async def _act(self, request: Request, who: str, locale: Locale) -> Response:
        """What somebody who is signed in wants done."""
        action = self._actions.get(request.path)
        if action is None:
            return _plain(HTTPStatus.NOT_FOUND)
        try:
            return await action(request, who, locale)
        except DomainError as problem:
            title, step = error(problem.code, locale, **problem.params)
            return _problem(HTTPStatus(problem.status), title, step)
        except StoreBroken as broken:
            title, _ = error("page.store", locale)
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, title, str(broken))
        except msgspec.MsgspecError as problem:
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(problem))
        finally:
            self._board.changed()

    def _get(self, request: Request, locale: Locale) -> Response:
        headers = {}
        if request.query.get("lang") in LOCALES:
            headers["Set-Cookie"] = _cookie(LANGUAGE_COOKIE, locale, seconds=YEAR_SECONDS)
        if request.path.startswith("/static/"):
            found = asset(request.path.removeprefix("/static/"))
            if found is None:
                return _plain(HTTPStatus.NOT_FOUND)
            return Response(
                found.body, media_type=found.media_type, headers={"Cache-Control": "max-age=60"}
            )
        who = self._who(request)
        if request.path == "/":
            body = login_page(locale) if who is None else main_page(locale, who)
            return Response(body, media_type=HTML, headers=headers)
        if request.path == "/events":
            if who is None:
                return _plain(HTTPStatus.UNAUTHORIZED)
            return Response(media_type="text/event-stream", stream=self._board.watch(locale))
        return _plain(HTTPStatus.NOT_FOUND)

    def _who(self, request: Request) -> str | None:
        return self._access.who(request.cookies.get(COOKIE, ""))

    def _login(self, request: Request, locale: Locale) -> Response:
        try:
            body = _body(request, LoginBody)
        except msgspec.MsgspecError as problem:
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(problem))
        name = " ".join(body.name.split())
        if not self._access.may_try(request.peer):
            return _problem(HTTPStatus.TOO_MANY_REQUESTS, say(locale, "page.try_later"))
        if not name or not self._access.check(body.pin, peer=request.peer):
            return _problem(HTTPStatus.FORBIDDEN, say(locale, "page.wrong_pin"))
        cookie = _cookie(COOKIE, self._access.cookie(name), seconds=SHIFT_SECONDS)
        return Response(b"{}", media_type=JSON, headers={"Set-Cookie": cookie})

    async def _scan(self, request: Request, who: str, locale: Locale) -> Response:
        body = _body(request, ScanBody)
        await self._entrance.lane(body.lane).present(
            Presented(
                body.code,
                body.kind,
                document=body.document,
                persons=body.persons,
                direction=body.direction,
                staff=who,
                scan_id=body.scan_id,
            )
        )
        return self._said(body.scan_id, locale)

    async def _override(self, request: Request, who: str, locale: Locale) -> Response:
        body = _body(request, OverrideBody)
        await self._entrance.lane(body.lane).override(
            body.scan_id, persons=body.persons, reason=body.reason, staff=who
        )
        return self._said(body.scan_id, locale)

    async def _undo(self, request: Request, who: str, locale: Locale) -> Response:
        body = _body(request, UndoBody)
        await self._entrance.lane(body.lane).undo(body.scan_id, reason=body.reason, staff=who)
        self._board.undone(body.scan_id)
        return self._said(body.scan_id, locale)

    async def _correct(self, request: Request, who: str, _: Locale) -> Response:
        body = _body(request, CorrectBody)
        await self._agent.correct(body.scan_id, entered=body.entered, staff=who)
        return _json({})

    async def _lane(self, request: Request, who: str, _: Locale) -> Response:
        body = _body(request, LaneBody)
        await self._agent.set_open(body.lane, is_open=body.open, staff=who)
        return _json({})

    async def _emergency(self, request: Request, who: str, _: Locale) -> Response:
        body = _body(request, EmergencyBody)
        await self._entrance.emergency(on=body.on, staff=who)
        return _json({})

    async def _count(self, request: Request, who: str, _: Locale) -> Response:
        body = _body(request, CountBody)
        await self._agent.counted_by_hand(body.lane, body.persons, staff=who)
        return _json({})

    async def _sync(self, request: Request, who: str, _: Locale) -> Response:
        del request, who
        await self._agent.sync()
        return _json({})

    async def _logout(self, request: Request, who: str, _: Locale) -> Response:
        del request, who
        return Response(
            b"{}", media_type=JSON, headers={"Set-Cookie": _cookie(COOKIE, "", seconds=0)}
        )

    def _said(self, scan_id: UUID, locale: Locale) -> Response:
        return _json(self._board.shown(scan_id, locale))


async def open_page(
    agent: Agent, entrance: Entrance, board: Board, *, folder: Path, host: str, port: int
) -> tuple[GuardPage, int, str]:
    """Start the page; returns it with its port and PIN. Raises OSError."""
    access = Access.load(folder)
    page = GuardPage(agent, entrance, board, access)
    return page, await page.start(host, port), access.pin


def _body(request: Request, kind: type[B]) -> B:
    return msgspec.json.decode(request.body, type=kind)


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type=JSON)


def _plain(status: HTTPStatus) -> Response:
    return Response(status.phrase.encode(), status)


def _problem(status: HTTPStatus, title: str, detail: str = "") -> Response:
    body = {"title": title, "detail": detail, "status": status.value}
    return Response(msgspec.json.encode(body), status, "application/problem+json")


def _cookie(name: str, value: str, *, seconds: int) -> str:
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"
