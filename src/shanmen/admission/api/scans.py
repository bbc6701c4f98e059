"""Admission for devices and integrators: ``/api/v1/admissions``."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Litestar, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from shanmen.admission import errors, queries, service
from shanmen.admission.coalesce import submit_in
from shanmen.admission.say import texts
from shanmen.admission.schemas import (
    Batch,
    DecisionView,
    OverrideRequest,
    ScanRequest,
    UndoRequest,
)
from shanmen.db.session import Unit
from shanmen.kit.errors import DomainError, IdempotencyMismatch
from shanmen.sites.access import access_in, requires
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import problems
from shanmen.web.direct import Call, DirectRoute
from shanmen.web.i18n import Locale
from shanmen.web.problems import problem_of
from shanmen.web.render import locale_of

AnyRequest = Request[Any, Any, Any]

_decode = msgspec.json.Decoder(ScanRequest).decode
_encode = msgspec.json.Encoder().encode


class Told(DecisionView, frozen=True, kw_only=True):
    """A decision with its sentences, in the language of ``Accept-Language``."""

    sentence: str
    """For the guard."""
    tell: str
    """For the visitor; empty when admitted."""


class BatchItem(Struct, frozen=True, omit_defaults=True):
    """One outcome of a batch: a decision, or the problem with the request."""

    scan_id: UUID
    decision: Told | None = None
    problem: dict[str, Any] | None = None


class BatchAnswer(Struct, frozen=True):
    """Outcomes in the order of the scans."""

    outcomes: list[BatchItem]


def told(view: DecisionView, locale: Locale) -> Told:
    """Add the sentences."""
    sentence, tell = texts(view, locale)
    return Told(**msgspec.structs.asdict(view), sentence=sentence, tell=tell)


@post(
    "/api/v1/admissions",
    guards=[requires("admission.scan")],
    status_code=200,
    tags=["admission"],
    summary="Decide one scan",
    responses=problems(errors.LaneUnknown, errors.NothingScanned, IdempotencyMismatch),
)
async def admit(
    data: JSONBody[ScanRequest], request: AnyRequest, caller: NamedDependency[ApiCaller]
) -> Told:
    """Admit or refuse. The same `scan_id` gets the same decision again and changes nothing."""
    # Well-formed requests are answered by `admit_directly`, in the same way.
    return await _decide(request.app, data, caller, locale_of(request))


async def _decide(app: Litestar, data: ScanRequest, caller: ApiCaller, locale: Locale) -> Told:
    scan = data if data.staff else msgspec.structs.replace(data, staff=caller.name)
    return told(await submit_in(app, tenant_id=caller.tenant_id, scan=scan), locale)


async def admit_directly(call: Call) -> tuple[int, bytes] | None:
    """Decide one scan without the framework's conveniences."""
    locale = call.locale
    if not call.is_json or locale is None or b"idempotency-key" in call.headers:
        return None
    caller = await access_in(call.app).api_caller(call.text(b"authorization"))
    if not caller.may("admission.scan"):
        return None
    try:
        data = _decode(call.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return 200, _encode(await _decide(call.app, data, caller, locale))


@post(
    "/api/v1/admissions/batch",
    guards=[requires("admission.scan")],
    status_code=200,
    tags=["admission"],
    summary="Decide many scans in their order",
    responses=problems(),
)
async def admit_batch(
    data: JSONBody[Batch],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> BatchAnswer:
    """All in one transaction; a request that cannot be a scan leaves its neighbours alone."""
    locale = locale_of(request)
    scans = [msgspec.structs.replace(s, staff=s.staff or caller.name) for s in data.scans]
    outcomes = await unit(service.admit, scans=scans, alone=True)
    return BatchAnswer(
        [
            BatchItem(scan.scan_id, problem=problem_of(outcome, locale).body())
            if isinstance(outcome, DomainError)
            else BatchItem(scan.scan_id, decision=told(outcome, locale))
            for scan, outcome in zip(scans, outcomes, strict=True)
        ]
    )


@get(
    "/api/v1/admissions/{scan_id:uuid}",
    guards=[requires("admission.scan")],
    tags=["admission"],
    summary="Read a scan's decision",
    responses=problems(errors.ScanUnknown),
)
async def read(scan_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]) -> Told:
    """What was decided for a scan, and what became of it."""
    return told(await unit(queries.scan, scan_id=scan_id), locale_of(request))


@post(
    "/api/v1/admissions/{scan_id:uuid}/override",
    guards=[requires("admission.override")],
    status_code=200,
    tags=["admission"],
    summary="Let in all the same",
    responses=problems(
        errors.ScanUnknown,
        errors.NotRefused,
        errors.CannotOverride,
        errors.ReasonMissing,
        errors.TooManyPersons,
    ),
)
async def override(
    scan_id: FromPath[UUID],
    data: JSONBody[OverrideRequest],
    request: AnyRequest,
    unit: NamedDependency[Unit],
) -> Told:
    """Admit persons whom a scan refused; the reason is kept in the audit log."""
    view = await unit(service.override, scan_id=scan_id, persons=data.persons, reason=data.reason)
    return told(view, locale_of(request))


@post(
    "/api/v1/admissions/{scan_id:uuid}/undo",
    guards=[requires("admission.override")],
    status_code=200,
    tags=["admission"],
    summary="Take an admission back",
    responses=problems(
        errors.ScanUnknown, errors.NotAdmitted, errors.UndoTooLate, errors.ReasonMissing
    ),
)
async def undo(
    scan_id: FromPath[UUID],
    data: JSONBody[UndoRequest],
    request: AnyRequest,
    unit: NamedDependency[Unit],
) -> Told:
    """The persons may enter again; both facts stay on record."""
    view = await unit(service.undo, scan_id=scan_id, reason=data.reason)
    return told(view, locale_of(request))


direct = [DirectRoute("POST", "/api/v1/admissions", admit_directly)]
routes: list[Any] = [admit, admit_batch, read, override, undo]
