"""Cases that gates' journals opened, and the list of blocked documents."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from shanmen.admission.pages import tabs
from shanmen.admission.service import blocked, cases
from shanmen.db.session import Unit
from shanmen.kit.documents import DocumentKind
from shanmen.kit.errors import DomainError
from shanmen.sites.access import current_site, requires
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web.forms import Form
from shanmen.web.i18n import t
from shanmen.web.render import locale_of, page, redirect

AnyRequest = Request[Any, Any, Any]
PATH: Final = "/console/cases"
BLOCKED: Final = "/console/blocked"
MAY = [requires("admission.override")]


class CloseForm(Struct, kw_only=True):
    """The form that closes a case."""

    note: str = ""


class BlockForm(Struct, kw_only=True):
    """The form for a document that nobody may enter with."""

    kind: str
    number: str = ""
    reason: str = ""
    until: date | None = None


@get(PATH, guards=MAY, include_in_schema=False)
async def listed(
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
    after: Annotated[UUID | None, QueryParameter()] = None,
) -> Response[bytes]:
    """The cases that wait, or those that are closed."""
    site = current_site(request, staff)
    closed = request.query_params.get("closed") == "1"
    found = cases.CasePage([], None)
    if site is not None:
        found = await unit(cases.cases, site_id=site.site_id, is_open=not closed, after=after)
    locale = locale_of(request)
    return page(
        request,
        "admission/cases.html",
        place=site,
        cases=found.rows,
        older=found.following and f"{PATH}?closed={int(closed)}&after={found.following}",
        closed=closed,
        which=[
            (PATH, t(locale, "admission.cases.open"), not closed),
            (f"{PATH}?closed=1", t(locale, "admission.cases.closed"), closed),
        ],
        tabs=tabs.of(staff, PATH, locale),
    )


async def _case(
    request: AnyRequest,
    unit: Unit,
    staff: SignedIn,
    case_id: UUID,
    *,
    form: Form | None = None,
    status: int = 200,
) -> Response[bytes]:
    found, entries = await unit(cases.case, case_id=case_id)
    site = current_site(request, staff)
    return page(
        request,
        "admission/case.html",
        status=status,
        case=found,
        entries=entries,
        timezone=site.timezone if site else staff.timezone,
        form=form or Form.blank({}),
    )


@get(PATH + "/{case_id:uuid}", guards=MAY, include_in_schema=False)
async def one(
    case_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """What happened, and the form to close it."""
    return await _case(request, unit, staff, case_id)


@post(PATH + "/{case_id:uuid}", guards=MAY, include_in_schema=False)
async def close(
    case_id: FromPath[UUID],
    request: AnyRequest,
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Response[bytes]:
    """Close a case with a note."""
    form = await Form.read(request)
    try:
        await unit(cases.close_case, case_id=case_id, note=form.into(CloseForm).note)
    except DomainError as error:
        form = form.with_error(error)
        return await _case(request, unit, staff, case_id, form=form, status=error.status)
    return redirect(request, PATH, flash="admission.cases.done")


@get(BLOCKED, guards=MAY, include_in_schema=False)
async def blocked_list(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Who may not enter, and the form to add somebody."""
    return await _blocked(request, unit, staff)


async def _blocked(
    request: AnyRequest,
    unit: Unit,
    staff: SignedIn,
    *,
    form: Form | None = None,
    status: int = 200,
) -> Response[bytes]:
    locale = locale_of(request)
    site: SiteContext | None = current_site(request, staff)
    return page(
        request,
        "admission/blocked.html",
        status=status,
        place=site,
        blocked=await unit(blocked.blocked_documents),
        kinds=[(kind.value, t(locale, f"kit.document.{kind.value}")) for kind in DocumentKind],
        form=form or Form.blank({"kind": DocumentKind.ID_CARD.value}),
        tabs=tabs.of(staff, BLOCKED, locale),
    )


@post(BLOCKED, guards=MAY, include_in_schema=False)
async def block(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Put a document on the list."""
    form = await Form.read(request)
    try:
        wish = form.into(BlockForm)
        await unit(
            blocked.block_document,
            kind=wish.kind,
            number=wish.number,
            reason=wish.reason,
            until=wish.until,
        )
    except DomainError as error:
        form = form.with_error(error)
        return await _blocked(request, unit, staff, form=form, status=error.status)
    return redirect(request, BLOCKED, flash="admission.blocked.added")


@post(BLOCKED + "/{block_id:uuid}/lift", guards=MAY, include_in_schema=False)
async def lift(
    block_id: FromPath[UUID], request: AnyRequest, unit: NamedDependency[Unit]
) -> Response[bytes]:
    """Take a document off the list."""
    await unit(blocked.lift_block, block_id=block_id)
    return redirect(request, BLOCKED, flash="admission.blocked.lifted")


routes: list[Any] = [listed, one, close, blocked_list, block, lift]
