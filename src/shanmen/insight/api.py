"""The API of the day's figures and of past days."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from shanmen.db.session import Unit
from shanmen.insight.errors import DaysBackwards, TooManyDays
from shanmen.insight.live import boards_of
from shanmen.insight.queries.days import days_figures
from shanmen.insight.rules import read_range
from shanmen.insight.schemas import DaysFigures, Range, TodayFigures
from shanmen.kit import clock
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.errors import SiteUnknown
from shanmen.sites.queries import ApiCaller
from shanmen.sites.schemas import problems
from shanmen.web.forms import Form, FormInvalid

AnyRequest = Request[Any, Any, Any]
READ = [requires("insight.read")]
TAGS = ["insight"]


@get(
    "/api/v1/sites/{slug:str}/today",
    guards=READ,
    tags=TAGS,
    summary="Read today's figures of a site",
    responses=problems(SiteUnknown),
)
async def read_today(
    request: AnyRequest,
    slug: FromPath[str],
    unit: NamedDependency[Unit],
    caller: NamedDependency[ApiCaller],
) -> TodayFigures:
    """Sold, entered and inside now, by slot, ticket type and entrance, and the money that moved.

    All counts are of persons unless they say otherwise. The figures are shared by all who ask and
    are about a second old at most, as `as_of` tells; asking more often returns the same.
    """
    site = await unit(sites.site, slug=slug)
    return await boards_of(request).of(caller.tenant_id, site.id, site.timezone).figures()


@get(
    "/api/v1/sites/{slug:str}/days",
    guards=READ,
    tags=TAGS,
    summary="Read past days of a site",
    responses=problems(SiteUnknown, DaysBackwards, TooManyDays, FormInvalid),
)
async def read_days(
    slug: FromPath[str],
    unit: NamedDependency[Unit],
    first: Annotated[
        str | None,
        QueryParameter(
            name="from",
            format="date",
            description="The first day, by the site's calendar; else 29 days before the last.",
        ),
    ] = None,
    last: Annotated[
        str | None,
        QueryParameter(
            name="to",
            format="date",
            description="The last day, else yesterday; at most 92 days are answered at once.",
        ),
    ] = None,
) -> DaysFigures:
    """One entry a day, also for days on which nothing happened, and their sums.

    `visit_sold` and `visit_refunded` count by the day of the visit, `taken_fen` and `refunded_fen`
    by the day on which the money moved. The present day may be asked for and is not complete.
    """
    # Read like the page's form, so that a problem names the parameter and not our own word for it.
    asked = Form.blank({"from": first, "to": last}).into(Range)
    site = await unit(sites.site, slug=slug)
    since, until = read_range(asked, clock.today(site.timezone))
    return await unit(days_figures, site_id=site.id, first=since, last=until)


routes = [read_today, read_days]
