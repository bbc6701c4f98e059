"""The page's files: its own, and those of the server's scanner page that it shares."""

import html
import json
import re
import tomllib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import Struct

from shanmen.edge.page.http import Request
from shanmen.edge.page.words import DEFAULT_LOCALE, LOCALES, Locale, say, texts

LANGUAGE_COOKIE = "lang"

_OWN = {"guard.css", "guard.js", "login.js"}
_SHARED = {
    "css/base.css",
    "css/gate.css",
    "css/gate-scan.css",
    "img/mark.svg",
    "js/gate/dialogs.js",
    "js/gate/ids.js",
    "js/gate/net.js",
    "js/gate/sound.js",
    "js/gate/view.js",
    "js/gate/wedge.js",
}
"""Of the server's files; they are data to this program, and its code is not loaded."""
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PLACE = re.compile(r"\{\{\s*(?P<what>\w+)(?::(?P<name>[\w.-]+))?(?::(?P<size>\d+))?\s*\}\}")


class Asset(Struct, frozen=True):
    """A file to be served."""

    body: bytes
    media_type: str


def _package() -> Traversable:
    return resources.files("shanmen")


@cache
def asset(name: str) -> Asset | None:
    """A file by its path below ``/static/``; None for any other."""
    if name in _OWN:
        file = _package().joinpath("edge", "page", "static", name)
    elif name in _SHARED:
        file = _package().joinpath("web", "static", *name.split("/"))
    else:
        return None
    return Asset(file.read_bytes(), _TYPES[name.rpartition(".")[2]])


@cache
def _icons() -> dict[str, str]:
    text = _package().joinpath("web", "icons.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def icon(name: str, size: int = 24) -> str:
    """A drawing beside a word."""
    return (
        f'<svg class="icon" width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" '
        'stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" '
        f'aria-hidden="true">{_icons()[name]}</svg>'
    )


@cache
def _template(name: str) -> str:
    return _package().joinpath("edge", "page", "static", name).read_text(encoding="utf-8")


def _fill(name: str, locale: Locale, **values: str) -> bytes:
    """A page with its texts (``{{ t:admission.gate.admit }}``), icons and values put in."""

    def put(match: re.Match[str]) -> str:
        what, key = match["what"], match["name"]
        if what == "t":
            return html.escape(say(locale, key))
        if what == "icon":
            return icon(key, int(match["size"] or 24))
        return html.escape(locale if what == "locale" else values[what])

    return _PLACE.sub(put, _template(name)).encode()


def _other(locale: Locale) -> str:
    return next(other for other in LOCALES if other != locale)


def login_page(locale: Locale) -> bytes:
    """Where a guard signs in."""
    return _fill("login.html", locale, other=_other(locale))


def main_page(locale: Locale, who: str) -> bytes:
    """The page itself; its script fills it."""
    prefixes = ("admission.gate.", "page.")
    script = {
        key.removeprefix("admission.gate."): text
        for key, text in texts(locale).items()
        if key.startswith(prefixes)
    }
    said = json.dumps(script, ensure_ascii=False)
    return _fill("page.html", locale, other=_other(locale), who=who, texts=said)


def locale_of(request: Request) -> Locale:
    """The language: asked for, else remembered, else the browser's, else Chinese."""
    wanted = [request.query.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, "")]
    accepted = request.headers.get("accept-language", "").split(",")
    wanted += [part.split(";")[0].strip() for part in accepted[:10]]
    for tag in wanted:
        for locale in LOCALES:
            if tag == locale or (tag and tag.split("-")[0] == locale.split("-")[0]):
                return locale
    return DEFAULT_LOCALE
