"""The gate's pages: choose a lane, scan, and correct what was decided.

The scanner page asks by ``fetch`` and gets an `Answer`; without JavaScript the same page is a form
that checks one ticket at a time.
"""

import json
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from shanmen.admission import queries, service
from shanmen.admission.coalesce import submit
from shanmen.admission.pages.supervisor import supervisor_unit
from shanmen.admission.queries import Counts, LaneView
from shanmen.admission.say import Answer, answer
from shanmen.admission.schemas import (
    CodeText,
    DecisionView,
    Direction,
    DocumentText,
    Kind,
    Persons,
    ReasonText,
    ScanRequest,
)
from shanmen.db.session import Unit
from shanmen.kit import ids
from shanmen.kit.errors import DomainError
from shanmen.sites.access import requires
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.i18n import Locale, catalog
from shanmen.web.render import locale_of, page, redirect, web_of

AnyRequest = Request[Any, Any, Any]

LANE_COOKIE: Final = "gate_lane"
YEAR_SECONDS: Final = 365 * 86_400
DECODER_CSP: Final = {"script-src": "'self' 'wasm-unsafe-eval'"}
"""The camera's decoder is WebAssembly; nothing else is loosened."""


class GateScan(Struct, frozen=True):
    """A scan as the page sends it; lane and guard are known."""

    scan_id: UUID
    code: CodeText
    kind: Kind = "auto"
    document: DocumentText = ""
    persons: Persons | None = None
    direction: Direction | None = None


class Override(Struct, frozen=True):
    """An override as the page sends it; with a log-in when the guard alone may not do it."""

    persons: Persons
    reason: ReasonText
    login: Annotated[str, Meta(max_length=100)] = ""
    password: Annotated[str, Meta(max_length=300)] = ""


class Undo(Struct, frozen=True):
    """An undo as the page sends it; with a log-in when the guard alone may not do it."""

    reason: ReasonText
    login: Annotated[str, Meta(max_length=100)] = ""
    password: Annotated[str, Meta(max_length=300)] = ""


class CountsOut(Struct, frozen=True):
    """A lane's counts of today."""

    entered: int
    left: int
    inside: int
    refused: int


class State(Struct, frozen=True):
    """What the page shows beside the decision."""

    open: bool
    counts: CountsOut
    last: list[Answer]


class CheckForm(Struct, frozen=True, kw_only=True):
    """The form for browsers without JavaScript."""

    scan_id: UUID
    code: CodeText = ""
    document: DocumentText = ""
    persons: Persons | None = None
    direction: Direction | None = None


class CorrectForm(Struct, frozen=True, kw_only=True):
    """Override or undo, for browsers without JavaScript."""

    scan_id: UUID
    action: Annotated[str, Meta(pattern="^(override|undo)$")]
    persons: Persons = 1
    reason: ReasonText = ""
    login: Annotated[str, Meta(max_length=100)] = ""
    password: Annotated[str, Meta(max_length=300)] = ""


@get("/gate", guards=[requires("admission.scan")], include_in_schema=False)
async def choose(request: AnyRequest, unit: NamedDependency[Unit]) -> Response[bytes]:
    """Choose entrance and lane; the last choice stands on top."""
    found = await unit(queries.lanes)
    remembered = request.cookies.get(LANE_COOKIE, "")
    return page(
        request,
        "admission/choose.html",
        lanes=found,
        remembered=next((lane for lane in found if str(lane.id) == remembered), None),
        groups=_groups(found),
    )


def _groups(lanes: tuple[LaneView, ...]) -> list[list[LaneView]]:
    groups: dict[UUID, list[LaneView]] = {}
    for lane in lanes:
        groups.setdefault(lane.entrance_id, []).append(lane)
    return list(groups.values())


@get("/gate/{lane_id:uuid}", guards=[requires("admission.scan")], include_in_schema=False)
async def scanner(
    lane_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """The scanner of one lane."""
    return await _scanner(request, unit, staff, lane_id)


async def _scanner(
    request: AnyRequest,
    unit: Unit,
    staff: SignedIn,
    lane_id: FromPath[UUID],
    *,
    form: Form | None = None,
    shown: DecisionView | None = None,
    status: int = 200,
) -> Response[bytes]:
    lane = await unit(queries.lane, lane_id=lane_id)
    board = await unit(queries.board, lane_id=lane_id)
    locale = locale_of(request)
    return page(
        request,
        "admission/scanner.html",
        status=status,
        csp=DECODER_CSP,
        cookies=[_lane_cookie(request, lane_id)],
        lane=lane,
        counts=board.counts,
        last=[answer(view, locale) for view in board.last],
        shown=answer(shown, locale) if shown else None,
        form=form or Form.blank(),
        new_scan_id=ids.new_id(),
        may_override="admission.override" in staff.permissions,
        texts=_script_texts(locale),
    )


def _lane_cookie(request: AnyRequest, lane_id: UUID) -> Cookie:
    return Cookie(
        key=LANE_COOKIE,
        value=str(lane_id),
        path="/gate",
        max_age=YEAR_SECONDS,
        httponly=True,
        secure=web_of(request).config.secure,
        samesite="lax",
    )


def _script_texts(locale: Locale) -> str:
    """What the script says; it fills the placeholders itself."""
    prefix = "admission.gate."
    return json.dumps(
        {
            key.removeprefix(prefix): text
            for key, text in catalog("admission", locale).items()
            if key.startswith(prefix)
        },
        ensure_ascii=False,
    )


def _json(body: object) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


@post("/gate/{lane_id:uuid}/scan", guards=[requires("admission.scan")], include_in_schema=False)
async def scan(
    lane_id: FromPath[UUID],
    data: JSONBody[GateScan],
    request: AnyRequest,
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Decide one scan of the page."""
    view = await submit(
        request,
        tenant_id=staff.tenant_id,
        scan=ScanRequest(
            scan_id=data.scan_id,
            lane_id=lane_id,
            code=data.code,
            kind=data.kind,
            document=data.document,
            persons=data.persons,
            direction=data.direction,
            staff=staff.label,
        ),
    )
    return _json(answer(view, locale_of(request)))


@get("/gate/{lane_id:uuid}/state", guards=[requires("admission.scan")], include_in_schema=False)
async def state(
    lane_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Counts and last scans of the lane."""
    lane = await unit(queries.lane, lane_id=lane_id)
    board = await unit(queries.board, lane_id=lane_id)
    locale = locale_of(request)
    return _json(
        State(lane.open, _counts_out(board.counts), [answer(v, locale) for v in board.last])
    )


def _counts_out(counts: Counts) -> CountsOut:
    return CountsOut(counts.entered, counts.left, counts.inside, counts.refused)


@post(
    "/gate/{lane_id:uuid}/scans/{scan_id:uuid}/override",
    guards=[requires("admission.scan")],
    include_in_schema=False,
)
async def override(
    lane_id: FromPath[UUID],
    scan_id: FromPath[UUID],
    data: JSONBody[Override],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Let in all the same; a guard without the permission brings a supervisor's log-in."""
    del lane_id
    acting = await supervisor_unit(request, unit, staff, login=data.login, password=data.password)
    view = await acting(service.override, scan_id=scan_id, persons=data.persons, reason=data.reason)
    return _json(answer(view, locale_of(request)))


@post(
    "/gate/{lane_id:uuid}/scans/{scan_id:uuid}/undo",
    guards=[requires("admission.scan")],
    include_in_schema=False,
)
async def undo(
    lane_id: FromPath[UUID],
    scan_id: FromPath[UUID],
    data: JSONBody[Undo],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Take an admission back; a guard without the permission brings a supervisor's log-in."""
    del lane_id
    acting = await supervisor_unit(request, unit, staff, login=data.login, password=data.password)
    view = await acting(service.undo, scan_id=scan_id, reason=data.reason)
    return _json(answer(view, locale_of(request)))


@post("/gate/{lane_id:uuid}/check", guards=[requires("admission.scan")], include_in_schema=False)
async def check(
    lane_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Decide one scan of the form; reloading the answer decides nothing anew."""
    form = await Form.read(request)
    try:
        wish = form.into(CheckForm)
        view = await submit(
            request,
            tenant_id=staff.tenant_id,
            scan=ScanRequest(
                scan_id=wish.scan_id,
                lane_id=lane_id,
                code=wish.code,
                document=wish.document,
                persons=wish.persons,
                direction=wish.direction,
                staff=staff.label,
            ),
        )
    except DomainError as error:
        return await _scanner(
            request, unit, staff, lane_id, form=form.with_error(error), status=error.status
        )
    return await _scanner(request, unit, staff, lane_id, shown=view)


@post("/gate/{lane_id:uuid}/correct", guards=[requires("admission.scan")], include_in_schema=False)
async def correct(
    lane_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Override or undo by the form."""
    form = await Form.read(request)
    try:
        wish = form.into(CorrectForm)
        acting = await supervisor_unit(
            request, unit, staff, login=wish.login, password=wish.password
        )
        if wish.action == "override":
            view = await acting(
                service.override, scan_id=wish.scan_id, persons=wish.persons, reason=wish.reason
            )
        else:
            view = await acting(service.undo, scan_id=wish.scan_id, reason=wish.reason)
    except DomainError as error:
        return await _scanner(
            request, unit, staff, lane_id, form=form.with_error(error), status=error.status
        )
    return await _scanner(request, unit, staff, lane_id, shown=view)


@post("/gate/forget", guards=[requires("admission.scan")], include_in_schema=False)
async def forget(request: AnyRequest) -> Response[bytes]:
    """Forget the lane of this device."""
    gone = Cookie(key=LANE_COOKIE, value="", path="/gate", max_age=0, httponly=True)
    return redirect(request, "/gate", cookies=[gone])


routes: list[Any] = [choose, scanner, scan, state, override, undo, check, correct, forget]
