"""One's own password, sessions and language."""

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Unit
from shanmen.kit.errors import BadInput, DomainError
from shanmen.sites import errors, queries, rules
from shanmen.sites.access import access_of, ip_of, requires
from shanmen.sites.pages.common import AnyRequest, Page, browsers
from shanmen.sites.queries import SignedIn
from shanmen.sites.service import auth
from shanmen.sites.service import staff as service
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect


class PasswordForm(msgspec.Struct, kw_only=True):
    """The present password and the new one, twice."""

    present: str
    new: str
    again: str


async def _show(
    request: AnyRequest, unit: Unit, who: SignedIn, *, status: int = 200, form: Form | None = None
) -> Page:
    return page(
        request,
        "sites/profile.html",
        status=status,
        who=who,
        tenant=await unit(queries.current_tenant),
        role=next(role for role in await unit(queries.roles) if role.code == who.role_code),
        sessions=browsers(await unit(queries.living_sessions, staff_ids=[who.staff_id])),
        form=form or Form.blank(),
        password_min=rules.PASSWORD_MIN,
        timezone=who.timezone,
        cache="no-store",
    )


@get("/console/profile", guards=[requires()], include_in_schema=False)
async def profile(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """What belongs to the one who is signed in."""
    return await _show(request, unit, staff)


@post("/console/profile/password", guards=[requires()], include_in_schema=False, status_code=200)
async def change_password(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Set one's own password; all other browsers are signed out."""
    form = await Form.read(request)
    access = access_of(request)
    try:
        wish = form.into(PasswordForm)
        if wish.new != wish.again:
            raise errors.PasswordsDiffer(field="again")
        await auth.change_own_password(
            access.database,
            access.passwords,
            who=staff,
            present=wish.present,
            new=wish.new,
            ip=ip_of(request),
        )
    except DomainError as error:
        return await _show(request, unit, staff, status=error.status, form=form.with_error(error))
    return redirect(request, "/console/profile", flash="sites.profile.password_changed")


@post("/console/profile/sessions/end", guards=[requires()], include_in_schema=False)
async def end_others(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """Sign out of all other browsers."""
    await unit(auth.end_sessions, staff_id=staff.staff_id, keep=staff.session_id)
    return redirect(request, "/console/profile#sessions", flash="sites.session.ended")


@post(
    "/console/profile/sessions/{session_id:uuid}/end",
    guards=[requires()],
    include_in_schema=False,
)
async def end_one(
    request: AnyRequest,
    session_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Sign out of one other browser."""
    if session_id == staff.session_id:
        raise BadInput(field="session_id")
    await unit(service.end_session, staff_id=staff.staff_id, session_id=session_id)
    return redirect(request, "/console/profile#sessions", flash="sites.session.ended")


routes = [profile, change_password, end_others, end_one]
