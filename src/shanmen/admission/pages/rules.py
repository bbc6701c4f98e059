"""What a site asks of its gates, in the console."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from msgspec import Struct

from shanmen.admission import queries, service
from shanmen.admission.pages import tabs
from shanmen.admission.queries import PolicyView
from shanmen.admission.rules import DOCUMENT, FREE
from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.session import Session, Unit
from shanmen.kit.errors import DomainError
from shanmen.sites.access import current_site, requires
from shanmen.sites.queries import SignedIn, SiteContext
from shanmen.web.forms import Form
from shanmen.web.i18n import localized
from shanmen.web.render import locale_of, page, redirect

AnyRequest = Request[Any, Any, Any]
PATH: Final = "/console/gate-rules"
MAY = [requires("sites.edit")]


class StaticForm(Struct, kw_only=True):
    """What a ticket type's static codes must prove, and the channels that differ."""

    rule: Literal["", "free", "document"] = ""
    free: str = ""
    document: str = ""

    def rules(self) -> dict[str, str]:
        """By channel; empty for all others."""
        found: dict[str, str] = {"": self.rule} if self.rule else {}
        found |= dict.fromkeys(_channels(self.free), FREE)
        return found | dict.fromkeys(_channels(self.document), DOCUMENT)


class PolicyForm(Struct, kw_only=True):
    """The form for a site's rules at the gate."""

    grace_before_minutes: int
    grace_after_minutes: int
    repeat_seconds: int
    passage_seconds: int | None = None
    ask_budget_ms: int | None = None
    day_key_days: int | None = None
    anti_passback: bool = False
    companions: list[UUID] = []
    entrances: dict[str, list[UUID]] = {}
    """By the ticket type's id without hyphens, as are the static codes."""
    static: dict[str, StaticForm] = {}


def _channels(typed: str) -> list[str]:
    codes = typed.replace("，", ",").replace("、", ",").split(",")
    return [code.strip().lower() for code in codes if code.strip()]


def _typed(policy: PolicyView) -> dict[str, Any]:
    """A policy as its form shows it."""

    def static(rules: Mapping[str, str]) -> dict[str, str]:
        named = {
            rule: [c for c, r in rules.items() if c and r == rule] for rule in (FREE, DOCUMENT)
        }
        return {"rule": rules.get("", "")} | {rule: ", ".join(c) for rule, c in named.items()}

    return policy.facts() | {
        "companions": [str(kind) for kind in policy.companions],
        "entrances": {k.hex: [str(e) for e in several] for k, several in policy.entrances.items()},
        "static": {kind.hex: static(rules) for kind, rules in policy.static_codes.items()},
    }


async def types_of(session: Session, *, site_id: UUID) -> list[TicketTypeInfo]:
    """The site's ticket types in the operator's order."""
    return (await current_catalog(session)).of_site(site_id)


@get(PATH, guards=MAY, include_in_schema=False)
async def show(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """The rules at the gate."""
    return await _show(request, unit, current_site(request, staff), staff)


async def _show(
    request: AnyRequest,
    unit: Unit,
    site: SiteContext | None,
    staff: SignedIn,
    *,
    form: Form | None = None,
    status: int = 200,
) -> Response[bytes]:
    locale = locale_of(request)
    tab = tabs.of(staff, PATH, locale)
    if site is None:
        return page(request, "admission/rules.html", place=None, types=[], tabs=tab)
    policy = await unit(queries.policy_of, site_id=site.site_id)
    entrances = [
        (str(place.entrance_id), localized(place.entrance_name, locale))
        for place in (await unit(queries.all_places)).values()
        if place.site_id == site.site_id
    ]
    types = await unit(types_of, site_id=site.site_id)
    return page(
        request,
        "admission/rules.html",
        status=status,
        place=site,
        entrances=entrances,
        types=types,
        type_options=[(str(kind.id), localized(kind.name, locale)) for kind in types],
        form=form or Form.blank(_typed(policy)),
        tabs=tab,
    )


@post(PATH, guards=MAY, include_in_schema=False)
async def change(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Response[bytes]:
    """Set the rules at the gate of the site that the page is about."""
    site = current_site(request, staff)
    form = await Form.read(request)
    try:
        wish = form.into(PolicyForm)
        await unit(
            service.set_policy,
            site_id=site.site_id if site else UUID(int=0),
            grace_before_minutes=wish.grace_before_minutes,
            grace_after_minutes=wish.grace_after_minutes,
            repeat_seconds=wish.repeat_seconds,
            passage_seconds=wish.passage_seconds,
            ask_budget_ms=wish.ask_budget_ms,
            day_key_days=wish.day_key_days,
            anti_passback=wish.anti_passback,
            companions=wish.companions,
            entrances={UUID(hex=kind): several for kind, several in wish.entrances.items()},
            static_codes={UUID(hex=kind): rule.rules() for kind, rule in wish.static.items()},
        )
    except ValueError:
        return redirect(request, PATH)
    except DomainError as error:
        form = form.with_error(error)
        return await _show(request, unit, site, staff, form=form, status=error.status)
    return redirect(request, PATH, flash="admission.lanes.saved")


routes: list[Any] = [show, change]
