"""Rendering a page: templates, the reader's language, what every page can say.

There is one template environment per language, so that ``t``, ``money`` and the rest are
plain globals that macros can use without being handed a context.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial as bind
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlencode

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from markupsafe import Markup

from shanmen.web import forms, i18n, qr, signing
from shanmen.web.assets import Assets
from shanmen.web.i18n import LOCALE_NAMES, LOCALES, Locale

__all__ = ["NavItem", "Web", "WebConfig", "locale_of", "page", "redirect", "web_of"]

AnyRequest = Request[Any, Any, Any]
Level = Literal["good", "warn", "bad", "info"]

CSRF_COOKIE: Final = "csrf"
FLASH_COOKIE: Final = "flash"
LOCALE_COOKIE: Final = "lang"
_YEAR_SECONDS: Final = 365 * 86400
_STATE_KEY: Final = "shanmen_web"

DEFAULT_CSP: Final[Mapping[str, str]] = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "media-src": "'self' blob:",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "font-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the console's navigation; ``label_key`` is the key of its text."""

    key: str
    label_key: str
    href: str
    icon: str | None = None


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the application decides about its pages.

    ``secret`` signs cookies and form tokens (32 bytes or more). ``secure`` marks cookies for
    HTTPS alone. ``debug`` rereads templates, text and static files when they change.
    ``templates`` are folders that are looked in first, for an operator's own wording of a page.
    ``context`` functions add to what every page knows (navigation, brand). ``login`` gives
    the address to send a reader to who must sign in first, or None for an error page.
    """

    secret: bytes = field(repr=False)
    secure: bool = False
    debug: bool = False
    templates: Sequence[Path] = ()
    context: Sequence[Callable[[AnyRequest], Mapping[str, object]]] = ()
    login: Callable[[AnyRequest], str | None] | None = None


@dataclass(slots=True)
class _Rendering:
    """The request a template is being rendered for."""

    request: AnyRequest
    token: str
    token_is_new: bool
    token_used: bool = False


_rendering: ContextVar[_Rendering] = ContextVar("shanmen_web_rendering")


def _csrf_token() -> str:
    current = _rendering.get()
    current.token_used = True
    return signing.mask(current.token)


def _csrf_field() -> Markup:
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(_csrf_token())


def _locale_url(locale: str) -> str:
    url = _rendering.get().request.url
    query = [(key, value) for key, value in parse_qsl(url.query or "") if key != "lang"]
    return f"{url.path}?{urlencode([*query, ('lang', locale)])}"


def _lang_attributes(locale: Locale) -> Markup:
    return Markup('lang="{}"').format(locale)


def _globals(locale: Locale, assets: Assets) -> dict[str, object]:
    words: dict[str, Callable[..., object]] = {
        "date": i18n.format_date,
        "datetime": i18n.format_datetime,
        "day": i18n.format_day,
        "duration": i18n.format_duration,
        "localized": i18n.localized,
        "money": i18n.format_money,
        "month": i18n.format_month,
        "number": i18n.format_number,
        "percent": i18n.format_percent,
        "time": i18n.format_time,
        "weekday": i18n.format_weekday,
        "weekday_name": i18n.weekday_name,
    }
    bound: dict[str, object] = {
        name: _with_locale(function, locale) for name, function in words.items()
    }
    return bound | {
        "t": bind(i18n.t, locale),
        "has_text": bind(i18n.has_text, locale),
        "locale": locale,
        "locales": LOCALES,
        "locale_names": LOCALE_NAMES,
        "lang_attributes": _lang_attributes,
        "static": assets.url,
        "csrf_field": _csrf_field,
        "csrf_token": _csrf_token,
        "locale_url": _locale_url,
        "qr_svg": qr.qr_svg,
        "icon": _icon,
        "today_year": lambda: dt.datetime.now(dt.UTC).year,
        "field_messages": lambda form, name: forms.messages_at(form, name, locale),
        "form_summary": lambda form: forms.summary(form, locale),
    }


def _with_locale(function: Callable[..., object], locale: Locale) -> Callable[..., object]:
    def localised(value: object, *args: object, **kwargs: object) -> object:
        return function(value, locale, *args, **kwargs)

    return localised


_FILTERS: Final = (
    "date",
    "datetime",
    "day",
    "duration",
    "localized",
    "money",
    "month",
    "number",
    "percent",
    "time",
)


def template_roots() -> list[Path]:
    """Return the folders templates are found in: the kit's own first, then each module's."""
    package = Path(str(resources.files("shanmen")))
    kit = package / "web" / "templates"
    return [kit, *(path for path in sorted(package.glob("*/templates")) if path != kit)]


def _environment(locale: Locale, assets: Assets, config: WebConfig) -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(root) for root in [*config.templates, *template_roots()]]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=config.debug,
        cache_size=-1,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    names = _globals(locale, assets)
    environment.globals.update(names)
    environment.filters.update({name: names[name] for name in (*_FILTERS, "weekday")})  # type: ignore[misc]
    return environment


class Web:
    """The presentation kit of one application."""

    def __init__(self, config: WebConfig) -> None:
        self.config = config
        self.assets = Assets(watch=config.debug)
        self.environments = {
            locale: _environment(locale, self.assets, config) for locale in LOCALES
        }

    def render(
        self,
        request: AnyRequest,
        locale: Locale,
        template: str,
        context: Mapping[str, object],
        *,
        block: str | None,
    ) -> tuple[str, str | None]:
        """Return the markup and the form token's cookie value when one must be set."""
        if self.config.debug:
            i18n.reload_catalogs()
        cookie = request.cookies.get(CSRF_COOKIE)
        known = cookie if signing.token_is_valid(self.config.secret, cookie) else None
        current = _Rendering(
            request, known or signing.new_token(self.config.secret), token_is_new=known is None
        )
        mark = _rendering.set(current)
        try:
            source = self.environments[locale].get_template(template)
            if block is None:
                html = source.render(context)
            else:
                html = "".join(source.blocks[block](source.new_context(dict(context))))
        finally:
            _rendering.reset(mark)
        return html, current.token if current.token_used and current.token_is_new else None


def web_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Web:
    """Return the kit that the plugin put into the application."""
    found = connection.app.state.get(_STATE_KEY)
    if not isinstance(found, Web):
        message = "the application has no WebPlugin"
        raise TypeError(message)
    return found


def locale_of(request: ASGIConnection[Any, Any, Any, Any]) -> Locale:
    """Return the language the reader asked for, chose before, or prefers."""
    return i18n.pick_locale(
        request.query_params.get("lang"),
        request.cookies.get(LOCALE_COOKIE),
        request.headers.get("accept-language"),
    )


def is_htmx(request: AnyRequest) -> bool:
    """Tell whether htmx asks for a part of a page (a boosted link asks for the whole)."""
    headers = request.headers
    return (
        headers.get("hx-request") == "true"
        and headers.get("hx-boosted") != "true"
        and headers.get("hx-history-restore-request") != "true"
    )


def content_policy(changes: Mapping[str, str] | None = None) -> str:
    """Return the content security policy with single directives replaced."""
    return "; ".join(
        f"{name} {value}" for name, value in {**DEFAULT_CSP, **(changes or {})}.items()
    )


def _cookie(
    web: Web, name: str, value: str, *, max_age: int | None, httponly: bool = True
) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        path="/",
        max_age=max_age,
        secure=web.config.secure,
        httponly=httponly,
        samesite="lax",
    )


@dataclass(frozen=True, slots=True)
class Flash:
    """One sentence that survives a redirect."""

    level: Level
    text: str


def _read_flash(web: Web, request: AnyRequest, locale: Locale) -> list[Flash]:
    payload = signing.read_signed(web.config.secret, "flash", request.cookies.get(FLASH_COOKIE, ""))
    if payload is None:
        return []
    level, key, params = json.loads(payload)
    # The key may have gone with a release between the redirect and this page.
    return [Flash(level, i18n.t(locale, key, **params))] if i18n.has_text(locale, key) else []


def base_context(web: Web, request: AnyRequest) -> dict[str, object]:
    """Return what every layout reads, before the application and the page add theirs."""
    return {
        "request": request,
        "user": request.scope.get("user"),
        "path": request.url.path,
        "site": None,
        "brand": None,
        "nav": (),
        "active": None,
        "htmx": False,
        "icp": None,
        "police_record": None,
        "flashes": (),
        "web": web,
    }


def page(
    request: AnyRequest,
    template: str,
    *,
    status: int = 200,
    partial: str | None = None,
    headers: Mapping[str, str] | None = None,
    csp: Mapping[str, str] | None = None,
    cookies: Sequence[Cookie] = (),
    cache: str = "private, no-cache",
    **context: object,
) -> Response[bytes]:
    """Render a template as a page in the reader's language.

    ``partial`` names the block that an htmx request gets instead of the whole page. ``csp``
    replaces directives of the content security policy for this page. ``cache`` is its
    Cache-Control; use ``no-store`` where a shared device must not remember it.
    """
    web = web_of(request)
    locale = locale_of(request)
    names = base_context(web, request)
    for extra in web.config.context:
        names.update(extra(request))
    names.update(context)
    block = partial if partial and is_htmx(request) else None
    flashes = _read_flash(web, request, locale) if block is None else []
    names["flashes"] = flashes
    html, token = web.render(request, locale, template, names, block=block)
    jar = list(cookies)
    if token is not None:
        jar.append(_cookie(web, CSRF_COOKIE, token, max_age=None))
    if flashes:
        jar.append(_cookie(web, FLASH_COOKIE, "", max_age=0))
    if request.query_params.get("lang"):
        jar.append(_cookie(web, LOCALE_COOKIE, locale, max_age=_YEAR_SECONDS))
    sent = {
        "content-language": locale,
        "content-security-policy": content_policy(csp),
        "cache-control": cache,
        "vary": "HX-Request, Cookie, Accept-Language",
    }
    return Response(
        html.encode(),
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers={**sent, **(headers or {})},
        cookies=jar,
    )


def redirect(
    request: AnyRequest,
    url: str,
    *,
    flash: str | None = None,
    level: Level = "good",
    params: Mapping[str, object] | None = None,
    cookies: Sequence[Cookie] = (),
) -> Response[bytes]:
    """Send the browser elsewhere after a form, with a sentence to show there.

    ``flash`` is the key of the sentence's text and ``params`` its placeholders; keep personal
    data out of them. An htmx request is told by header, since it would follow a 303 itself.
    """
    web = web_of(request)
    jar = list(cookies)
    if flash is not None:
        payload = json.dumps(
            [level, flash, params or {}], separators=(",", ":"), default=str
        ).encode()
        jar.append(
            _cookie(
                web, FLASH_COOKIE, signing.sign(web.config.secret, "flash", payload), max_age=60
            )
        )
    if is_htmx(request):
        return Response(
            b"", status_code=200, headers={"HX-Redirect": url}, media_type="text/html", cookies=jar
        )
    return Response(
        b"", status_code=303, headers={"location": url}, media_type="text/html", cookies=jar
    )


def safe_next(url: str | None, default: str) -> str:
    """Return a path of this site given by a reader (``?next=``), or ``default`` for any other."""
    if (
        url
        and url.startswith("/")
        and not url.startswith(("//", "/\\"))
        and not any(ord(c) < 33 for c in url)
    ):
        return url
    return default


_ICONS: Final[Mapping[str, str]] = {
    "alert": '<path d="M12 3 2.5 20h19L12 3Z"/><path d="M12 10v4.5M12 17.5v.01"/>',
    "arrow-left": '<path d="M15 5l-7 7 7 7"/>',
    "arrow-right": '<path d="m9 5 7 7-7 7"/>',
    "bell": '<path d="M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15L6 16ZM10 20.5h4"/>',
    "calendar": '<path d="M4 6h16v14H4zM4 10h16M8 3.5V7M16 3.5V7"/>',
    "camera": '<path d="M3 8h4l2-3h6l2 3h4v11H3z"/><circle cx="12" cy="13" r="3.5"/>',
    "chart": '<path d="M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6"/>',
    "check": '<path d="m4.5 12.5 5 5 10-11"/>',
    "clock": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.5 2"/>',
    "copy": '<path d="M8 8h12v12H8z"/><path d="M16 8V4H4v12h4"/>',
    "cross": '<path d="m6 6 12 12M18 6 6 18"/>',
    "device": '<path d="M7 3h10v18H7zM11 18h2"/>',
    "download": '<path d="M12 4v11m-5-5 5 5 5-5M4 20h16"/>',
    "edit": '<path d="M4 20h4L19 9l-4-4L4 16v4ZM13 7l4 4"/>',
    "filter": '<path d="M4 5h16l-6 8v6l-4-2v-4L4 5Z"/>',
    "flow": '<path d="M3 8c3-3 6 3 9 0s6-3 9 0M3 15c3-3 6 3 9 0s6-3 9 0"/>',
    "gate": '<path d="M3 8c6-1 6-4 9-4s3 3 9 4M6 8v12M18 8v12M6 12h12M10 20v-5h4v5"/>',
    "globe": '<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c5 5 5 12 0 17-5-5-5-12 0-17Z"/>',
    "home": '<path d="m3.5 11 8.5-7 8.5 7M6 9.5V20h12V9.5"/>',
    "info": '<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5M12 7.8v.01"/>',
    "key": '<circle cx="8" cy="15" r="4"/><path d="m11 12 8.5-8.5M16 7l3 3"/>',
    "list": '<path d="M9 6h11M9 12h11M9 18h11M4.5 6v.01M4.5 12v.01M4.5 18v.01"/>',
    "map": '<path d="M9 4 3.5 6.5v14L9 18l6 2.5 5.5-2.5V4L15 6.5 9 4ZM9 4v14M15 6.5v14"/>',
    "menu": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "money": '<circle cx="12" cy="12" r="8.5"/><path d="m8.5 7 3.5 5 3.5-5M12 12v5M9 12h6M9 14.8h6"/>',
    "mountain": '<path d="m2.5 19 6.5-11 4 6.5 2.5-4L21.5 19h-19Z"/>',
    "out": '<path d="M14 4H5v16h9M10 12h11m-4-4 4 4-4 4"/>',
    "people": '<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c0-8 13-8 13 0M16 5a3.5 3.5 0 0 1 0 6.5M18 14c2.500 1 3.500 3 3.500 6"/>',
    "phone": '<path d="M6 3h4l1.500 5-2.500 2c1 2.500 2.500 4 5 5l2-2.500 5 1.500v4c-9 2-17-6-15-15Z"/>',
    "pin": '<path d="M12 21c-9-10-6-17 0-17s9 7 0 17Z"/><circle cx="12" cy="10" r="2.500"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "print": '<path d="M7 9V3h10v6M7 17H4V9h16v8h-3M7 14h10v7H7z"/>',
    "refresh": '<path d="M20 6v5h-5M4 18v-5h5M19 11a7.500 7.500 0 0 0-13-4M5 13a7.500 7.500 0 0 0 13 4"/>',
    "scan": '<path d="M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M4 12h16"/>',
    "search": '<circle cx="10.500" cy="10.500" r="6.500"/><path d="m15.500 15.500 5 5"/>',
    "settings": '<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>',
    "shop": '<path d="M4 10v10h16V10M3 10l2-6h14l2 6c-2 3-4.500 3-6 0-1.500 3-4.500 3-6 0-1.500 3-4 3-6 0Z"/>',
    "star": '<path d="m12 3.500 2.600 5.600 6 .8-4.400 4.200 1.100 6.100L12 17.200l-5.300 3 1.100-6.100-4.400-4.200 6-.8L12 3.500Z"/>',
    "ticket": '<path d="M3 6h18v4a2 2 0 0 0 0 4v4H3v-4a2 2 0 0 0 0-4V6ZM14 6v2M14 11v2M14 16v2"/>',
    "trash": '<path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"/>',
    "upload": '<path d="M12 15V4m-5 5 5-5 5 5M4 20h16"/>',
    "user": '<circle cx="12" cy="8" r="4"/><path d="M4 21c0-9 16-9 16 0"/>',
}


def _icon(name: str, size: int = 20) -> Markup:
    """Return a decorative line icon; its meaning must also stand beside it in words."""
    return Markup(  # noqa: S704 - our own drawings, and a number.
        f'<svg class="icon" width="{size:d}" height="{size:d}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        f'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{_ICONS[name]}</svg>'
    )
