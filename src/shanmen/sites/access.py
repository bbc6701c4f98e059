"""Who a request comes from and what it may do: guards and dependencies of all routes.

* Under ``/s/{slug}/…`` anybody comes in as a visitor of that site.
* Under ``/api/…`` only a bearer key counts; a cookie is never looked at, so that no page of
  another site can use a browser that is signed in.
* Everywhere else only the session cookie of staff counts.

A route either has a guard :func:`requires` or is marked with :data:`PUBLIC`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from shanmen.db.session import Actor, Database, Unit
from shanmen.kit.proxies import client_address, networks
from shanmen.sites import errors, queries
from shanmen.sites.cache import Remembered
from shanmen.sites.passwords import Passwords
from shanmen.sites.queries import ApiCaller, SignedIn, SiteContext
from shanmen.sites.repeats import expect_repeats
from shanmen.sites.rules import PERMISSIONS
from shanmen.sites.service import apikeys, auth
from shanmen.web.direct import PageRoute
from shanmen.web.parameters import refuse_unknown
from shanmen.web.render import NavItem, web_of

__all__ = [
    "DEPENDENCIES",
    "PUBLIC",
    "VISITORS",
    "Access",
    "NavEntry",
    "access_in",
    "access_of",
    "actor_of",
    "current_site",
    "ip_of",
    "login_address",
    "navigation",
    "requires",
    "session_cookie",
    "site_cookie",
    "site_switch",
    "visitors_page",
]

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

SESSION_COOKIE: Final = "shanmen_session"
SITE_COOKIE: Final = "site"
SITE_COOKIE_SECONDS: Final = 365 * 86_400
LOGIN_PATH: Final = "/console/login"
PUBLIC: Final[Mapping[str, bool]] = {"public": True}
"""``opt=PUBLIC`` on a route says that it needs no guard."""

KEY_SECONDS: Final = 5.0
"""A revoked key is refused at the latest after this long, in every process."""
SITE_SECONDS: Final = 5.0
TENANT_SECONDS: Final = 60.0
STATE_KEY: Final = "shanmen_access"
_USER: Final = "user"


class Access:
    """What one application remembers to recognise its callers."""

    def __init__(
        self, database: Database, *, session_minutes: int, passwords: Passwords | None = None
    ) -> None:
        self.database = database
        self.session_minutes = session_minutes
        self.passwords = passwords or Passwords()
        self.tenants: Remembered[int, bool] = Remembered(seconds=TENANT_SECONDS)
        self.sites: Remembered[str, SiteContext] = Remembered(seconds=SITE_SECONDS)
        self.keys: Remembered[tuple[int, bytes], ApiCaller] = Remembered(seconds=KEY_SECONDS)

    async def site(self, slug: str) -> SiteContext:
        """The site at an address; raises SiteUnknown."""
        found = await self.sites.get(slug, lambda: self._find_site(slug))
        if found is None:
            raise errors.SiteUnknown
        return found

    async def staff(self, cookie: str) -> SignedIn:
        """Who is signed in with this cookie; raises SignInFirst."""
        parsed = auth.parse_token(cookie)
        if parsed is None:
            raise errors.SignInFirst
        tenant_id, secret = parsed
        found = None
        if await self._exists(tenant_id):
            found = await self.database.unit(tenant_id)(
                auth.resume, secret=secret, minutes=self.session_minutes
            )
        if found is None:
            raise errors.SignInFirst
        return found

    async def api_caller(self, authorization: str) -> ApiCaller:
        """Whose key an ``Authorization`` header carries; raises BadApiKey."""
        scheme, _, credentials = authorization.partition(" ")
        parsed = apikeys.parse_key(credentials.strip())
        if scheme.lower() != "bearer" or parsed is None:
            raise errors.BadApiKey
        tenant_id, digest = parsed
        found = await self.keys.get((tenant_id, digest), lambda: self._find_key(tenant_id, digest))
        if found is None:
            raise errors.BadApiKey
        return found

    async def _find_site(self, slug: str) -> SiteContext | None:
        address = await self.database.unit(None)(queries.address_of, slug=slug)
        if address is None:
            return None
        tenant_id, site_id = address
        sites = await self.database.unit(tenant_id)(queries.site_contexts)
        return next((site for site in sites if site.site_id == site_id), None)

    async def _find_key(self, tenant_id: int, digest: bytes) -> ApiCaller | None:
        if not await self._exists(tenant_id):
            return None
        return await self.database.unit(tenant_id)(apikeys.use_key, digest=digest)

    async def _exists(self, tenant_id: int) -> bool:
        """Whether there is such a tenant: the number comes from the caller."""

        async def load() -> bool | None:
            return await self.database.unit(None)(queries.tenant_exists, tenant_id=tenant_id)

        return bool(await self.tenants.get(tenant_id, load))


def access_of(connection: Connection) -> Access:
    """The application's memory of its callers; made at the first use."""
    return access_in(connection.app)


def access_in(app: Litestar) -> Access:
    """As `access_of`, for whoever has the application and no connection."""
    state = app.state
    found = state.get(STATE_KEY)
    if not isinstance(found, Access) or found.database is not state.database:
        found = Access(state.database, session_minutes=state.settings.session_minutes)
        state[STATE_KEY] = found
    return found


def ip_of(connection: Connection) -> str:
    """The address of whoever asks; behind a proxy that is trusted, as the proxy tells it."""
    peer = connection.client.host if connection.client else ""
    trusted = connection.app.state.settings.trusted_proxies
    if not trusted:
        return peer
    forwarded = ",".join(connection.headers.getall("x-forwarded-for", []))
    return client_address(peer, forwarded, trusted=networks(trusted))


def _is_api(connection: Connection) -> bool:
    return connection.scope["path"].startswith("/api/")


async def _caller(connection: Connection) -> SignedIn | ApiCaller:
    """Recognise the caller, once per request."""
    known = connection.scope.get(_USER)
    if isinstance(known, (SignedIn, ApiCaller)):
        return known
    access = access_of(connection)
    found: SignedIn | ApiCaller
    if _is_api(connection):
        found = await access.api_caller(connection.headers.get("authorization", ""))
    else:
        found = await access.staff(connection.cookies.get(SESSION_COOKIE, ""))
    connection.scope[_USER] = found
    return found


def actor_of(caller: SignedIn | ApiCaller, *, ip: str = "") -> Actor:
    """How the changes of a caller are noted."""
    if isinstance(caller, SignedIn):
        return Actor("staff", str(caller.staff_id), caller.label, ip)
    return Actor("api", str(caller.key_id), caller.label, ip)


def requires(*permissions: str) -> Guard:
    """A guard that lets in whoever has any one of the permissions; with none, whoever is known.

    Raises:
        ValueError: when a route is declared with a permission that does not exist.
    """
    unknown = set(permissions) - set(PERMISSIONS)
    if unknown:
        raise ValueError(f"There is no permission {sorted(unknown)}.")

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        caller = await _caller(connection)
        if permissions and not caller.permissions.intersection(permissions):
            raise errors.MissingPermission(permission=" / ".join(permissions))
        if _is_api(connection):
            refuse_unknown(connection, handler)

    guard.permissions = permissions  # type: ignore[attr-defined]
    return guard


@dataclass(frozen=True, slots=True)
class NavEntry:
    """An entry of the console's navigation and who sees it: whoever has one of `permissions`."""

    item: NavItem
    permissions: tuple[str, ...]
    position: int


def navigation(entries: Iterable[NavEntry], caller: object) -> list[NavItem]:
    """The entries that a caller may use, in order of position; none for a visitor."""
    if not isinstance(caller, SignedIn):
        return []
    return [
        entry.item
        for entry in sorted(entries, key=lambda entry: entry.position)
        if not entry.permissions or caller.permissions.intersection(entry.permissions)
    ]


async def provide_site(request: Request[Any, Any, Any]) -> SiteContext:
    """The site that the address of a visitor's page names; elsewhere there is none.

    Raises:
        SiteUnknown: no site has that address.
    """
    if not request.scope["path"].startswith("/s/"):
        raise errors.SiteUnknown
    return await access_of(request).site(str(request.path_params.get("slug", "")))


async def provide_staff(request: Request[Any, Any, Any]) -> SignedIn:
    """Who is signed in; raises SignInFirst."""
    caller = await _caller(request)
    if not isinstance(caller, SignedIn):
        raise errors.SignInFirst
    return caller


async def provide_caller(request: Request[Any, Any, Any]) -> ApiCaller:
    """Whose API key the request carries; raises BadApiKey."""
    caller = await _caller(request)
    if not isinstance(caller, ApiCaller):
        raise errors.BadApiKey
    return caller


def visitors_page(handler: HTTPRouteHandler) -> list[PageRoute]:
    """A page that a handler shows to visitors, answered directly: for ``Application(direct=…)``.

    The handler's function is called with what it asks for by name, of the request, the site, the
    unit and the path's parameters, as the framework would call it.
    """
    show = handler.fn
    names = tuple(signature(show).parameters)

    async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
        site = await provide_site(request)
        unit = await provide_visitor_unit(request, site)
        known = {"request": request, "site": site, "unit": unit, **request.path_params}
        shown: Response[bytes] = await show(**{name: known[name] for name in names})
        return shown

    return [PageRoute(path, answer) for path in sorted(handler.paths)]


async def provide_visitor_unit(
    request: Request[Any, Any, Any], site: NamedDependency[SiteContext]
) -> Unit:
    """What runs use cases for a visitor of a site."""
    database: Database = request.app.state.database
    return database.unit(site.tenant_id, actor=Actor("visitor", ip=ip_of(request)))


async def provide_unit(request: Request[Any, Any, Any]) -> Unit:
    """What runs use cases for this caller: as a visitor under ``/s/``, else as who they are."""
    if request.scope["path"].startswith("/s/"):
        return await provide_visitor_unit(request, await provide_site(request))
    ip = ip_of(request)
    database: Database = request.app.state.database
    caller = await _caller(request)
    unit = database.unit(caller.tenant_id, actor=actor_of(caller, ip=ip))
    repeat = await expect_repeats(request, caller, database)
    return unit if repeat is None else replace(unit, begin=repeat.begin)


DEPENDENCIES: Final[dict[str, Provide]] = {
    "site": Provide(provide_site),
    "staff": Provide(provide_staff),
    "caller": Provide(provide_caller),
    "unit": Provide(provide_unit),
}
"""For ``Litestar(dependencies=…)``."""

VISITORS: Final[dict[str, Provide]] = {"unit": Provide(provide_visitor_unit)}
"""For routers of visitors' pages. One that needs the other is simply provided after it; two that
do not know of each other are provided in a group of tasks, which takes longer than both."""


def current_site(request: Connection, staff: SignedIn) -> SiteContext | None:
    """The site that a page of staff is about: ``?site=``, else the last chosen, else the first."""
    by_slug = {site.slug: site for site in staff.sites}
    for asked in (request.query_params.get("site"), request.cookies.get(SITE_COOKIE)):
        if asked in by_slug:
            return by_slug[asked]
    return staff.sites[0] if staff.sites else None


def site_switch(request: Connection) -> dict[str, object]:
    """What the console's header shows where there are several sites: for ``WebConfig(context=…)``.

    Choosing another site goes to where the present section begins: what is shown now may be of
    one site alone.
    """
    caller = request.scope.get(_USER)
    if not isinstance(caller, SignedIn) or len(caller.sites) <= 1:
        return {}
    return {
        "switch_sites": caller.sites,
        "switch_here": current_site(request, caller),
        "switch_next": "/".join(request.scope["path"].split("/")[:3]),
    }


def site_cookie(request: Connection, slug: str) -> Cookie:
    """The cookie that remembers the site that staff have chosen."""
    return Cookie(
        key=SITE_COOKIE,
        value=slug,
        path="/",
        secure=web_of(request).config.secure,
        httponly=True,
        samesite="lax",
        max_age=SITE_COOKIE_SECONDS,
    )


def login_address(request: Request[Any, Any, Any]) -> str | None:
    """Where to send a reader who must sign in: for ``WebConfig(login=…)``."""
    path = request.url.path
    if not path.startswith(("/console", "/gate")) or path == LOGIN_PATH:
        return None
    back = path if request.method != "GET" else f"{path}?{request.url.query}".rstrip("?")
    return f"{LOGIN_PATH}?{urlencode({'next': back})}"


def session_cookie(request: Connection, token: str) -> Cookie:
    """The cookie of a new session; of an ended one, with an empty token."""
    cookie = Cookie(
        key=SESSION_COOKIE,
        value=token,
        path="/",
        secure=web_of(request).config.secure,
        httponly=True,
        samesite="lax",
    )
    return cookie if token else replace(cookie, max_age=0)
