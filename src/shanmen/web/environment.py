"""The template environment: one per language, with all that a template can say.

There is one environment per language, so that ``t``, ``money`` and the rest are plain globals that
macros can use without being handed a context.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial as bind
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, Template, nodes
from jinja2.environment import TemplateModule
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer
from litestar import Request
from markupsafe import Markup

from shanmen.kit import clock
from shanmen.web import forms, i18n, icons, qr, signing
from shanmen.web.assets import Assets
from shanmen.web.i18n import LOCALE_NAMES, LOCALES, Locale

AnyRequest = Request[Any, Any, Any]


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
class Rendering:
    """The request a template is being rendered for."""

    request: AnyRequest
    secret: bytes = field(repr=False)
    token: str | None
    """The form token of the reader's cookie; None where there is none yet."""
    new_token: str | None = None
    """One that was made for this page, because it has a form."""

    def form_token(self) -> str:
        """The reader's form token; made at its first use."""
        if self.token is None:
            self.token = self.new_token = signing.new_token(self.secret)
        return self.token


rendering: ContextVar[Rendering] = ContextVar("shanmen_webrendering")


def _csrf_token() -> str:
    return signing.mask(rendering.get().form_token())


def _csrf_field() -> Markup:
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(_csrf_token())


def _locale_url(locale: str) -> str:
    url = rendering.get().request.url
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
        "icon": icons.icon,
        "today_year": lambda: clock.now().year,
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


_FOLDED: Final = ("t", "icon", "static")
"""Functions that always give the same for the same, as long as the process lives."""


class _Fold(NodeTransformer):
    """Writes into a template what calls with constant arguments give.

    A page asks for fifty texts by their keys, and calling a function is what templates are slow at.
    """

    def __init__(self, functions: Mapping[str, Callable[..., object]]) -> None:
        self.functions = functions

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - the visitor's own scheme
        """Replace a call whose value is known."""
        self.generic_visit(node)
        function = self.functions.get(node.node.name) if isinstance(node.node, nodes.Name) else None
        if function is None or node.dyn_args or node.dyn_kwargs:
            return node
        try:
            positional = [argument.as_const() for argument in node.args]
            named = dict(argument.as_const() for argument in node.kwargs)
            return nodes.Const(function(*positional, **named), lineno=node.lineno)
        except Exception:  # noqa: BLE001 - not constant, or a mistake that shows where it is shown
            return node


class _Template(Template):
    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        """Return the macros of an imported template, which were made once.

        Jinja looks first whether the page has globals of its own; here none has.
        """
        del ctx
        return super()._get_default_module()


class _Environment(Environment):
    template_class = _Template
    folded: Mapping[str, Callable[..., object]] = {}

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,  # noqa: FBT001, FBT002 - as it is overridden
    ) -> str:
        # A name that the template gives to something else is not the function.
        own = {node.name for node in source.find_all(nodes.Name) if node.ctx != "load"}
        known = {word: called for word, called in self.folded.items() if word not in own}
        _Fold(known).visit(source)
        return super()._generate(source, name, filename, defer_init)


def template_roots() -> list[Path]:
    """Return the folders templates are found in: the kit's own first, then each module's."""
    package = Path(str(resources.files("shanmen")))
    kit = package / "web" / "templates"
    return [kit, *(path for path in sorted(package.glob("*/templates")) if path != kit)]


def environment_of(locale: Locale, assets: Assets, config: WebConfig) -> Environment:
    """Make the environment of one language."""
    environment = _Environment(
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
    if not config.debug:
        environment.folded = {name: names[name] for name in _FOLDED}  # type: ignore[misc] # Functions.
    environment.filters.update({name: names[name] for name in (*_FILTERS, "weekday")})
    return environment


def render_block(template: Template, context: Mapping[str, object], block: str) -> str:
    """Render one block of a page.

    The page is rendered up to the block's end and the rest thrown away, because what the
    block names may be imported or set at the top of its template.
    """
    names = template.new_context(dict(context))
    original = names.blocks[block][0]
    caught: list[str] = []
    finished = False

    def catch(inner: Context) -> Iterator[str]:
        nonlocal finished
        for piece in original(inner):
            caught.append(piece)
            yield piece
        finished = True

    names.blocks[block][0] = catch
    for _ in template.root_render_func(names):
        if finished:
            break
    return "".join(caught)
