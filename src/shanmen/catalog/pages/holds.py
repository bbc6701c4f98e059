"""How long unpaid orders keep their places, by channel."""

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from shanmen.catalog.hold_times import MINUTE, HoldTime, hold_times, set_hold_times
from shanmen.catalog.pages.common import EDIT, READ, AnyRequest, Page
from shanmen.db.session import Unit
from shanmen.kit.errors import DomainError
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect
from shanmen.web.rows import with_blank_rows, with_errors, without_blank_rows

PATH = "/console/products/holds"


class HoldRow(msgspec.Struct, kw_only=True):
    """A channel of its own."""

    channel: str
    minutes: int


class HoldsForm(msgspec.Struct, kw_only=True):
    """The time of all channels, and of those that have another."""

    minutes: int | None = None
    times: list[HoldRow] = msgspec.field(default_factory=list)

    def wanted(self) -> list[HoldTime]:
        """As the service takes it: the named channels first, so that its errors name the line."""
        named = [HoldTime(channel=row.channel.strip(), minutes=row.minutes) for row in self.times]
        return named + ([] if self.minutes is None else [HoldTime(minutes=self.minutes)])


def _filled(times: list[HoldTime]) -> Form:
    general = next((time.minutes for time in times if not time.channel), None)
    rows = [{"channel": t.channel, "minutes": t.minutes} for t in times if t.channel]
    return Form.blank({"minutes": general, "times": rows})


def _show(request: AnyRequest, staff: SignedIn, form: Form, *, status: int = 200) -> Page:
    return page(
        request,
        "catalog/holds.html",
        status=status,
        form=with_blank_rows(form, "times"),
        otherwise=request.app.state.settings.hold_seconds // MINUTE,
        may_edit="catalog.edit" in staff.permissions,
    )


@get(PATH, guards=READ, include_in_schema=False)
async def holds(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Show the hold times."""
    return _show(request, staff, _filled(await unit(hold_times)))


@post(PATH, guards=EDIT, include_in_schema=False, status_code=200)
async def save_holds(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Save the hold times."""
    form = without_blank_rows(await Form.read(request), "times", "channel", "minutes")
    try:
        await unit(set_hold_times, times=form.into(HoldsForm).wanted())
    except DomainError as error:
        return _show(request, staff, with_errors(form, error), status=error.status)
    return redirect(request, PATH, flash="web.saved")


routes = [holds, save_holds]
