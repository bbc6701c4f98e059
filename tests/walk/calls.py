"""The whole route table as requests that can be sent: found in the application, never listed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from shanmen.admission import protocol
from shanmen.sites.access import DEPENDENCIES
from tests.walk.bodies import encoded, example, packed
from tests.walk.world import World

PARAMETER = re.compile(r"\{(\w+):(\w+)\}")
INJECTED = {*DEPENDENCIES, "request", "state", "scope", "data", "headers", "cookies", "socket"}
SAFE = {"GET", "HEAD"}

OF_THE_SERVER = {
    "/static/{version:str}/{path:path}": "Files of the product, the same for everybody.",
    "/favicon.ico": "A file of the product.",
}
"""Routes of the web kit that touch no database, each with its reason."""

OF_ALL_TENANTS = {
    "/": "Lists the sites of all tenants, as the entrance to all of them.",
    "/healthz": "Says that the server works; it knows no tenant.",
    "/api/openapi.json": "Describes the API; it knows no tenant.",
}
"""Routes that may show every tenant's public data, each with its reason."""

QUERY = {"first": "day", "last": "day", "visit_day": "day"} | dict.fromkeys(
    ("after", "limit", "status", "which", "who", "action", "entity", "page"), ""
)
"""Query parameters that name no row: what they are filled with, or nothing at all."""

GATE_BODIES = {
    protocol.PATH_ENROL: protocol.EnrolRequest,
    protocol.PATH_DECIDE: protocol.AskRequest,
    protocol.PATH_JOURNAL: protocol.JournalUpload,
    protocol.PATH_HEALTH: protocol.Health,
}
"""What gates send; their routes read it themselves, once its signature is checked."""

ALSO = {"/console/schedules/new": ("pool",)}
"""Query parameters that pages read from the request without declaring them, where they need one."""


@dataclass(frozen=True)
class Call:
    """One method of one route."""

    method: str
    path: str
    handler: HTTPRouteHandler

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """Names of the parts of the path."""
        return [name for name, _ in PARAMETER.findall(self.path)]

    @property
    def public(self) -> bool:
        return bool(self.handler.opt.get("public"))

    @property
    def permissions(self) -> list[tuple[str, ...]]:
        """What each guard of this route asks for; an empty one only wants to know the caller."""
        return [
            guard.permissions
            for guard in self.handler.resolve_guards()
            if hasattr(guard, "permissions")
        ]

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    @property
    def is_gate(self) -> bool:
        """Asked by gates, signed, in MessagePack."""
        return self.path.startswith("/gate/v1/")

    @property
    def is_site(self) -> bool:
        return self.path.startswith("/s/")

    def url(self, own: World, other: World, *, foreign: Iterable[str] = ()) -> str:
        """The address with own ids, those in `foreign` of the other tenant."""
        foreign = set(foreign)
        return PARAMETER.sub(lambda m: (other if m[1] in foreign else own).get(m[1]), self.path)

    def query(self, world: World) -> str:
        """All query parameters that the handler declares, and those that it reads by itself."""
        pairs = [(name, world.get(name)) for name in ALSO.get(self.path, ())]
        for name, parameter in self.handler.parsed_fn_signature.parameters.items():
            if name in INJECTED or name in self.parameters or name == "idempotency_key":
                continue
            given = QUERY.get(name, name)
            if given:
                kwarg = parameter.kwarg_definition
                pairs.append(
                    (
                        getattr(kwarg, "name", None) or getattr(kwarg, "query", None) or name,
                        world.get(given),
                    )
                )
        return urlencode(pairs)

    def body(self, world: World) -> bytes | None:
        """A body of the type that the handler declares, with this world's ids."""
        if self.is_gate:
            kind = GATE_BODIES.get(self.path)
            return None if kind is None else packed(example(kind, "data", world), world)
        found = self.handler.parsed_fn_signature.parameters.get("data")
        return None if found is None else encoded(example(found.annotation, "data", world))


def calls(app: Litestar) -> list[Call]:
    """All routes of the product with all their methods."""
    return [
        Call(method, route.path, handler)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        for method in sorted(set(handler.http_methods) - {"OPTIONS", "HEAD"})
        if route.path not in OF_THE_SERVER and not of_a_library(handler)
    ]


def of_a_library(handler: HTTPRouteHandler) -> bool:
    """Whether a route came with Litestar: it shows the description of the API and nothing else."""
    return handler.fn.__module__.startswith("litestar.")


@dataclass
class Form:
    """A form of a page: where it goes and what it says."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The forms and links of a page."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self.url = urlsplit(url).path
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._open: Form | None = None
        self._select: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for source in ("href", "hx-get", "src"):
            if given.get(source, "").startswith("/"):
                self.links.append(given[source])
        if tag == "form":
            action = urlsplit(given.get("action") or self.url).path
            self._open = Form(action, given.get("method", "get").upper())
            self.forms.append(self._open)
        elif self._open is not None and given.get("name"):
            self._field(tag, given)
        elif self._open is not None and tag == "option" and self._select:
            before = self._open.fields.get(self._select)
            if "selected" in given or not before:
                self._open.fields[self._select] = given.get("value", "")

    def _field(self, tag: str, given: Mapping[str, str]) -> None:
        name = given["name"]
        self._select = name if tag == "select" else None
        if self._open is not None and name != "csrf_token":
            self._open.fields.setdefault(name, given.get("value", "") or "1")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None


@dataclass
class Seen:
    """What the own pages have shown: forms by their address, and the keys of all queries."""

    forms: list[Form] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def look(self, url: str, text: str) -> None:
        page = Page(url, text)
        self.forms += page.forms
        for link in page.links:
            self.keys |= {key for key, _ in parse_qsl(urlsplit(link).query)}
        self.keys |= {key for form in page.forms if form.method == "GET" for key in form.fields}

    def forms_for(self, call: Call) -> Iterator[dict[str, str]]:
        """The fields of each form that goes to this route."""
        pattern = re.compile(PARAMETER.sub("[^/]+", call.path))
        for form in self.forms:
            if form.method == call.method and pattern.fullmatch(form.action):
                yield form.fields

    def every_field(self) -> dict[str, str]:
        """All fields of all forms: for a route that no page has a form for."""
        return {name: value for form in self.forms for name, value in form.fields.items()}


FREE_TEXTS = {"name", "day", "code", "tenant", "phone", "document", "document_number"}
"""Fields that anybody may fill with anything: what one has written oneself is no secret.

In a form that finds an order by its number they name the other tenant's all the same.
"""


def swapped(fields: Mapping[str, str], own: World, other: World) -> dict[str, str]:
    """A form's fields with the other tenant's ids in place of the own."""
    exchange = {
        value: other.values[name] for name, value in own.values.items() if name not in FREE_TEXTS
    }
    found = {}
    for name, value in fields.items():
        if name in other.values and (name not in FREE_TEXTS or "number" in fields):
            found[name] = other.values[name]
        else:
            found[name] = exchange.get(value, value)
    return found
