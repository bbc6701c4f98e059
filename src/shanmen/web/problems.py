"""Answering an error: a page with a next step for people, problem+json for programs."""

import dataclasses
import logging
import re
import secrets
import traceback
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from shanmen.kit.errors import DomainError
from shanmen.web import i18n
from shanmen.web.environment import AnyRequest
from shanmen.web.faults import FieldProblem, describe_validation
from shanmen.web.forms import FormInvalid
from shanmen.web.i18n import Locale
from shanmen.web.parameters import spelled
from shanmen.web.render import base_context, content_policy, is_htmx, locale_of, web_of
from shanmen.web.sent import body_faults

__all__ = ["CsrfRefused", "Problem", "exception_handlers", "problem_of", "wants_json"]

logger: Final = logging.getLogger("shanmen.web")

PROBLEM_JSON: Final = "application/problem+json"
_UNAUTHORIZED: Final = 401
_SERVER_ERROR: Final = 500

_MISSING_PARAMETER: Final = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")

_HTTP_REASONS: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "too_many",
    500: "unexpected",
    503: "unavailable",
}


class CsrfRefused(DomainError):
    """A form was sent without this site's token, or from another site."""

    code = "web.csrf"
    status = 403


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """An error, rendered in the reader's language."""

    status: int
    code: str
    title: str
    next_step: str | None = None
    field: str | None = None
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)
    errors: tuple[Mapping[str, object], ...] = ()
    reference: str | None = None
    retry_after: int | None = None

    def body(self) -> dict[str, object]:
        """Return the members of RFC 9457, and ours; what is empty is left out."""
        members: dict[str, object] = {
            "type": f"urn:shanmen:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.next_step or self.title,
        }
        extra = {
            "field": self.field,
            "params": dict(self.params),
            "errors": list(self.errors),
            "reference": self.reference,
        }
        return members | {name: value for name, value in extra.items() if value}


def wants_json(request: AnyRequest) -> bool:
    """Tell whether a program asks: by the API, or for JSON and not for pages."""
    if request.url.path.startswith("/api/"):
        return True
    accept = request.headers.get("accept", "")
    return "json" in accept and "text/html" not in accept


def _listed(problems: Iterable[FieldProblem], locale: Locale) -> tuple[Mapping[str, object], ...]:
    return tuple(
        {"field": problem.field, "reason": problem.reason, "detail": problem.told(locale)}
        for problem in problems
    )


def _of_domain(error: DomainError, locale: Locale) -> Problem:
    title, next_step = i18n.error_text(locale, error)
    retry_after = error.params.get("retry_after")
    return Problem(
        status=error.status,
        code=error.code,
        title=title,
        next_step=next_step,
        field=error.field,
        params=error.params,
        errors=_listed(error.problems, locale) if isinstance(error, FormInvalid) else (),
        retry_after=retry_after if isinstance(retry_after, int) else None,
    )


def _validation_problems(error: ValidationException) -> list[FieldProblem]:
    """Name the fields that Litestar's own validation refused.

    It keeps msgspec's sentence and a key for each: dotted, an index in brackets, and
    sometimes with the name of the handler's argument in front. A parameter that is missing
    is named in the sentence alone.
    """
    if match := _MISSING_PARAMETER.search(error.detail):
        return [FieldProblem(match["name"], "required")]
    found: list[FieldProblem] = []
    for entry in error.extra if isinstance(error.extra, list) else ():
        if isinstance(entry, Mapping):
            key = str(entry.get("key", "")).replace("[", ".").replace("]", "")
            if entry.get("source") == "body":
                key = key.removeprefix("data").removeprefix(".")
            described = describe_validation(str(entry.get("message", "")), key)
            found.append(described)
    return found


def problem_of(error: Exception, locale: Locale) -> Problem:
    """Describe any error to the reader; an unexpected one gets a reference and no details."""
    if isinstance(error, msgspec.ValidationError):
        error = FormInvalid([describe_validation(str(error))])
    if isinstance(error, ValidationException) and (found := _validation_problems(error)):
        error = FormInvalid(found)
    if isinstance(error, DomainError):
        return _of_domain(error, locale)
    status = error.status_code if isinstance(error, HTTPException) else _SERVER_ERROR
    reason = _HTTP_REASONS.get(status, "unexpected" if status >= _SERVER_ERROR else "client")
    return Problem(
        status=status,
        code=f"web.{reason}",
        title=i18n.t(locale, f"web.problem.{reason}"),
        next_step=i18n.t(locale, f"web.problem.{reason}_next"),
        reference=secrets.token_hex(4) if reason == "unexpected" else None,
    )


def _trail(error: BaseException) -> str:
    """Return where an error came from without what it said: messages may hold personal data."""
    lines: list[str] = []
    current: BaseException | None = error
    while current is not None:
        lines.append(f"{type(current).__module__}.{type(current).__qualname__}")
        lines += [
            f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\n".join(lines)


def _log(request: AnyRequest, error: Exception, problem: Problem) -> None:
    if problem.reference is None:
        return
    logger.error(
        "unexpected error %s on %s %s\n%s",
        problem.reference,
        request.method,
        request.scope.get("path_template") or "(no route)",
        _trail(error),
    )


def _headers(error: Exception, problem: Problem) -> dict[str, str]:
    headers = {"cache-control": "no-store"}
    if isinstance(error, HTTPException) and error.headers:
        headers |= {
            name.lower(): value
            for name, value in error.headers.items()
            if name.lower() in {"allow", "retry-after", "www-authenticate"}
        }
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    return headers


def _as_json(problem: Problem, headers: dict[str, str]) -> Response[bytes]:
    body = msgspec.json.encode(problem.body(), enc_hook=str)
    return Response(body, status_code=problem.status, media_type=PROBLEM_JSON, headers=headers)


def _as_page(
    request: AnyRequest, problem: Problem, locale: Locale, headers: dict[str, str]
) -> Response[bytes]:
    web = web_of(request)
    template, extra = (
        "web/problem.html",
        {"content-security-policy": content_policy(), "content-language": locale},
    )
    if is_htmx(request):
        template = "web/problem_notice.html"
        extra |= {"HX-Retarget": "#flash", "HX-Reswap": "innerHTML show:window:top"}
    # The application's own context is left out: it may be what failed.
    html, _ = web.render(
        request, locale, template, {**base_context(web, request), "problem": problem}, block=None
    )
    return Response(
        html.encode(),
        status_code=problem.status,
        media_type="text/html",
        headers={**headers, **extra},
    )


def _login(request: AnyRequest, problem: Problem) -> Response[bytes] | None:
    login = web_of(request).config.login
    if problem.status != _UNAUTHORIZED or login is None or (target := login(request)) is None:
        return None
    if is_htmx(request):
        return Response(b"", headers={"HX-Redirect": target}, media_type="text/html")
    return Response(b"", status_code=303, headers={"location": target}, media_type="text/html")


def _as_sent(request: AnyRequest, error: Exception) -> Exception:
    """Name what was sent as the caller spelled it, and not as our code does; name all of it."""
    if not isinstance(error, ValidationException) or not isinstance(error.extra, list):
        return error
    names = spelled(request.route_handler)
    entries = [entry for entry in error.extra if isinstance(entry, Mapping)]
    of_body = list(body_faults(request, entries))
    error.extra = [
        {**entry, "key": names.get(str(entry.get("key")), entry.get("key"))}
        if entry.get("source") == "query"
        else entry
        for entry in entries
        if not of_body or entry.get("source") != "body"
    ]
    return FormInvalid([*of_body, *_validation_problems(error)]) if of_body else error


def handle(request: AnyRequest, error: Exception) -> Response[Any]:
    """Answer any error in the shape and the language of the caller."""
    locale = locale_of(request)
    problem = problem_of(_as_sent(request, error), locale)
    _log(request, error, problem)
    headers = _headers(error, problem)
    if wants_json(request):
        return _as_json(problem, headers)
    return _login(request, problem) or _as_page(request, problem, locale, headers)


def exception_handlers() -> ExceptionHandlersMap:
    """Return the handlers that the plugin registers."""
    return {
        DomainError: handle,
        HTTPException: handle,
        msgspec.ValidationError: handle,
        Exception: handle,
    }
