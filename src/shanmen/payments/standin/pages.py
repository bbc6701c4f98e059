"""The page where the visitor "pays", and chooses how this payment is to go wrong."""

import re
import tomllib
from enum import StrEnum
from importlib import resources
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, Router, get, post
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from shanmen.payments.providers import sandbox_wire as wire
from shanmen.payments.standin.bank import Refused, moment, request_of
from shanmen.payments.standin.faults import Manner, Seconds
from shanmen.payments.standin.server import AnyRequest, standin_of
from shanmen.payments.standin.store import StoredTransaction

CALLBACK_FIRST_SECONDS = 2.0
"""How long the page waits for the callback to be taken before it sends the visitor back."""

LOCALES = ("zh-CN", "en")
_PACKAGE = "shanmen.payments.standin"
_MOST_PREFERENCES = 20

_templates = Environment(
    loader=PackageLoader(_PACKAGE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _texts(locale: str) -> dict[str, str]:
    file = resources.files(_PACKAGE).joinpath("locale", f"{locale}.toml")
    return tomllib.loads(file.read_text("utf-8"))


_TEXTS = {locale: _texts(locale) for locale in LOCALES}
_CSS = resources.files(_PACKAGE).joinpath("templates", "pay.css").read_bytes()


class When(StrEnum):
    """When the callback goes out."""

    FIRST = "first"
    LATER = "later"
    NEVER = "never"


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """The form of the pay page; the default is a provider that behaves."""

    callback: When = When.FIRST
    callback_seconds: Seconds = 10
    copies: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    answer_seconds: Annotated[float, msgspec.Meta(ge=0, le=120)] = 0
    wrong_amount: bool = False
    bad_signature: bool = False
    stale: bool = False

    def manner(self) -> Manner | None:
        """Return how to send the callback; None leaves it to the faults set for everyone."""
        manner = Manner(
            copies=self.copies,
            delay_seconds=self.callback_seconds if self.callback is When.LATER else 0,
            lost=self.callback is When.NEVER,
            bad_signature=self.bad_signature,
            stale=self.stale,
        )
        return None if manner == Manner() else manner

    def paid_fen(self, amount_fen: int) -> int | None:
        """Return the amount to lie about: one fen off, the least that must be noticed."""
        if not self.wrong_amount:
            return None
        return amount_fen - 1 if amount_fen > 1 else amount_fen + 1


@get("/{transaction_id:str}")
async def show(request: AnyRequest, transaction_id: FromPath[str]) -> Response[str]:
    """Show what is to be paid, or what became of it."""
    standin = standin_of(request)
    row = standin.bank.transaction_by_id(transaction_id)
    return _page(request, row)


@post("/{transaction_id:str}/pay", status_code=303)
async def pay(
    request: AnyRequest, transaction_id: FromPath[str], data: URLEncodedBody[dict[str, str]]
) -> Redirect:
    """Pay, let the merchant know, and send the visitor back."""
    standin = standin_of(request)
    row = standin.bank.transaction_by_id(transaction_id)
    choices = _choices(data)
    event = standin.bank.pay(
        row.out_trade_no, manner=choices.manner(), paid_fen=choices.paid_fen(row.amount_fen)
    )
    if event is not None and choices.callback is When.FIRST:
        await standin.messenger.attempted(event, within_seconds=CALLBACK_FIRST_SECONDS)
    await standin.pause(choices.answer_seconds)
    return _back(row)


@post("/{transaction_id:str}/fail", status_code=303)
async def fail(request: AnyRequest, transaction_id: FromPath[str]) -> Redirect:
    """Decline, and send the visitor back."""
    standin = standin_of(request)
    row = standin.bank.transaction_by_id(transaction_id)
    standin.bank.fail(row.out_trade_no)
    return _back(row)


@post("/{transaction_id:str}/cancel", status_code=303)
async def cancel(request: AnyRequest, transaction_id: FromPath[str]) -> Redirect:
    """Send the visitor back as one who changed their mind: nothing has happened."""
    return _back(standin_of(request).bank.transaction_by_id(transaction_id))


@get("/assets/pay.css")
async def css() -> Response[bytes]:
    """Serve the one style sheet."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_CSS, media_type="text/css; charset=utf-8", headers=headers)


def refused_page(request: AnyRequest, refusal: Refused) -> Response[str]:
    """Say on a page what cannot be done."""
    locale = _locale(request, None)
    html = _templates.get_template("refused.html").render(
        t=_TEXTS[locale], locale=locale, refusal=refusal
    )
    return Response(
        html, status_code=refusal.status, media_type="text/html", headers=_headers("'none'")
    )


def _page(request: AnyRequest, row: StoredTransaction) -> Response[str]:
    asked = request_of(row)
    locale = _locale(request, asked.locale)
    expires = moment(row.expire_at)
    html = _templates.get_template("pay.html").render(
        t=_TEXTS[locale],
        locale=locale,
        row=row,
        asked=asked,
        amount=f"{row.amount_fen // 100:,}.{row.amount_fen % 100:02d}",
        until=f"{expires.astimezone(wire.BILL_ZONE):%H:%M}" if expires else "",
    )
    # Browsers hold a form's redirects to form-action too, so the merchant's origin belongs there.
    back = urlsplit(asked.return_url)
    return Response(
        html, media_type="text/html", headers=_headers(f"'self' {back.scheme}://{back.netloc}")
    )


def _headers(form_action: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
            "frame-ancestors 'none'; "
            f"form-action {form_action}"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _back(row: StoredTransaction) -> Redirect:
    return Redirect(request_of(row).return_url, status_code=303)


def _choices(form: dict[str, str]) -> Choices:
    """Read the form; a box that is ticked is sent as "true", one that is not is left out."""
    given: dict[str, Any] = {key: value for key, value in form.items() if value != ""}
    try:
        return msgspec.convert(given, Choices, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, "PARAM_ERROR", str(error)) from error


def _locale(request: AnyRequest, asked: str | None) -> str:
    """Pick the language: the visitor's choice, the merchant's wish, the browser's, Chinese."""
    for wish in (request.query_params.get("lang"), asked):
        if wish in _TEXTS:
            return wish
    header = request.headers.get("accept-language", "")
    for part in header.split(",")[:_MOST_PREFERENCES]:
        if found := re.match(r"\s*(zh|en)\b", part, re.IGNORECASE):
            return "en" if found[1].lower() == "en" else "zh-CN"
    return "zh-CN"


router = Router(
    "/pay",
    exception_handlers={Refused: refused_page},
    route_handlers=[show, pay, fail, cancel, css],
)
