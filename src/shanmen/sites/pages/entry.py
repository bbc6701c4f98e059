"""The list of sites for everybody; signing in and out."""

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from shanmen.db.session import Actor
from shanmen.kit.errors import DomainError
from shanmen.sites import queries
from shanmen.sites.access import (
    PUBLIC,
    SESSION_COOKIE,
    access_of,
    ip_of,
    requires,
    session_cookie,
    site_cookie,
)
from shanmen.sites.errors import SignInFirst, SiteUnknown
from shanmen.sites.pages.common import AnyRequest, Page, landing
from shanmen.sites.queries import SignedIn
from shanmen.sites.service import auth
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect, safe_next


class LoginForm(msgspec.Struct, kw_only=True):
    """Name and password."""

    login: str
    password: str
    next: str = ""


@get("/", opt=PUBLIC, include_in_schema=False)
async def home(request: AnyRequest) -> Page:
    """List the sites."""
    found = await request.app.state.database.unit(None)(queries.public_sites)
    return page(request, "sites/home.html", sites=found)


@get("/console/login", opt=PUBLIC, include_in_schema=False)
async def login_page(request: AnyRequest) -> Page:
    """Ask for name and password, unless the browser is signed in."""
    next_page = request.query_params.get("next", "")
    try:
        who = await access_of(request).staff(request.cookies.get(SESSION_COOKIE, ""))
    except SignInFirst:
        form = Form.blank({"next": next_page})
        return page(request, "sites/login.html", form=form, cache="no-store")
    return redirect(request, safe_next(next_page, landing(who)))


@post("/console/login", opt=PUBLIC, include_in_schema=False, status_code=200)
async def login(request: AnyRequest) -> Page:
    """Sign in, or say what is wrong."""
    form = await Form.read(request)
    access = access_of(request)
    try:
        typed = form.into(LoginForm)
        opened = await auth.sign_in(
            access.database,
            access.passwords,
            login=typed.login,
            password=typed.password,
            minutes=access.session_minutes,
            ip=ip_of(request),
            user_agent=request.headers.get("user-agent", ""),
        )
    except DomainError as error:
        refused = form.with_error(error)
        return page(
            request, "sites/login.html", status=error.status, form=refused, cache="no-store"
        )
    address = safe_next(typed.next, landing(None, opened.permissions))
    return redirect(request, address, cookies=[session_cookie(request, opened.token)])


@post("/console/logout", opt=PUBLIC, include_in_schema=False, status_code=200)
async def logout(request: AnyRequest) -> Page:
    """End this browser's session; also when it has ended already."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    parsed = auth.parse_token(cookie)
    try:
        who = await access_of(request).staff(cookie)
    except SignInFirst:
        who = None
    if who is not None and parsed is not None:
        actor = Actor("staff", str(who.staff_id), who.label, ip_of(request))
        unit = request.app.state.database.unit(who.tenant_id, actor=actor)
        await unit(auth.sign_out, secret=parsed[1])
    return redirect(
        request,
        "/console/login",
        flash="sites.login.signed_out",
        cookies=[session_cookie(request, "")],
    )


@get("/console", guards=[requires()], include_in_schema=False)
async def console(request: AnyRequest, staff: NamedDependency[SignedIn]) -> Page:
    """Go where this person's work begins."""
    return redirect(request, landing(staff))


class SiteChoice(msgspec.Struct, kw_only=True):
    """Another site, and the page to go on with."""

    site: str
    next: str = ""


@post("/console/site", guards=[requires()], include_in_schema=False, status_code=200)
async def choose_site(request: AnyRequest, staff: NamedDependency[SignedIn]) -> Page:
    """Remember which site this browser's pages are about."""
    wish = (await Form.read(request)).into(SiteChoice)
    if wish.site not in {site.slug for site in staff.sites}:
        raise SiteUnknown(field="site")
    address = safe_next(wish.next, landing(staff))
    return redirect(request, address, cookies=[site_cookie(request, wish.site)])


routes = [home, login_page, login, logout, console, choose_site]
