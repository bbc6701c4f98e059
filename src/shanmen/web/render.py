"""Rendering a page: the reader's language, cookies, headers, messages that outlive a redirect."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from shanmen.web import i18n, signing
from shanmen.web.assets import Assets
from shanmen.web.environment import (
    AnyRequest,
    NavItem,
    Rendering,
    WebConfig,
    environment_of,
    render_block,
    rendering,
)
from shanmen.web.i18n import LOCALES, Locale

__all__ = ["NavItem", "Web", "WebConfig", "locale_of", "page", "redirect", "web_of"]

Level = Literal["good", "warn", "bad", "info"]

CSRF_COOKIE: Final = "csrf"
FLASH_COOKIE: Final = "flash"
LOCALE_COOKIE: Final = "lang"
_YEAR_SECONDS: Final = 365 * 86400
_STATE_KEY: Final = "shanmen_web"
_CONTROL: Final = re.compile(r"[\x00-\x20\\]")

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


class Web:
    """The presentation kit of one application."""

    def __init__(self, config: WebConfig) -> None:
        self.config = config
        self.assets = Assets(watch=config.debug)
        self.environments = {
            locale: environment_of(locale, self.assets, config) for locale in LOCALES
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
        current = Rendering(request, self.config.secret, known)
        mark = rendering.set(current)
        try:
            source = self.environments[locale].get_template(template)
            html = source.render(context) if block is None else render_block(source, context, block)
        finally:
            rendering.reset(mark)
        return html, current.new_token


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
        media_type="text/html",
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
        and not _CONTROL.search(url)
    ):
        return url
    return default
