"""The audit log: who changed what, when, from what to what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import get
from litestar.di import NamedDependency

from shanmen.audit import queries as audit
from shanmen.db.session import Session, Unit
from shanmen.sites.access import requires
from shanmen.sites.pages.common import AnyRequest, Page
from shanmen.sites.queries import SignedIn
from shanmen.sites.rules import PERMISSIONS
from shanmen.web import i18n
from shanmen.web.forms import Form, FormInvalid
from shanmen.web.i18n import Locale
from shanmen.web.render import locale_of, page

EMPTY: tuple[object, ...] = (None, "", [], {})


class FilterForm(msgspec.Struct, kw_only=True):
    """What to look for."""

    who: str = ""
    action: str = ""
    entity: str = ""
    entity_id: str = ""
    since: date | None = None
    until: date | None = None
    page: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One field of an entry in words; a side is empty where the field did not exist."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in words."""

    at: datetime
    who: str
    ip: str
    action: str
    entity: str
    entity_id: str
    reason: str
    lines: tuple[Line, ...]


def word(locale: Locale, key: str, code: str) -> str:
    """The text of a key where there is one, else the code itself."""
    return i18n.t(locale, key) if i18n.has_text(locale, key) else code


def action_text(locale: Locale, action: str) -> str:
    """What an action is called: ``orders.refunded`` reads ``orders.action.refunded``."""
    module, _, name = action.partition(".")
    return word(locale, f"{module}.action.{name}", action)


def value_text(locale: Locale, value: Any) -> str:  # noqa: ANN401 - JSON
    """A value of the log as somebody can read it."""
    if value in EMPTY:
        return "—"
    if isinstance(value, bool):
        return i18n.t(locale, "audit.yes" if value else "audit.no")
    if isinstance(value, str) and value in PERMISSIONS:
        return i18n.t(locale, f"sites.permission.{value}")
    if isinstance(value, list):
        mark = "、" if locale == "zh-CN" else ", "
        return mark.join(value_text(locale, item) for item in value)
    if isinstance(value, Mapping):
        return _mapping_text(locale, value)
    return str(value)


def _mapping_text(locale: Locale, value: Mapping[str, Any]) -> str:
    if set(value) <= set(i18n.LOCALES):
        return " / ".join(str(value[one]) for one in i18n.LOCALES if one in value)
    return "; ".join(
        f"{word(locale, f'audit.field.{key}', key)}: {value_text(locale, item)}"
        for key, item in value.items()
    )


def row_of(locale: Locale, entry: audit.Entry) -> Row:
    """An entry in the reader's language."""
    before, after = entry.before, entry.after
    return Row(
        at=entry.at,
        who=entry.actor_label or word(locale, f"audit.actor.{entry.actor_kind}", entry.actor_kind),
        ip=entry.ip,
        action=action_text(locale, entry.action),
        entity=word(locale, f"audit.entity.{entry.entity}", entry.entity),
        entity_id=entry.entity_id,
        reason=entry.reason,
        lines=tuple(
            Line(
                word(locale, f"audit.field.{change.field}", change.field),
                value_text(locale, change.before) if before is not None else "",
                value_text(locale, change.after) if after is not None else "",
            )
            for change in entry.changes
            # Of something made or removed, what was empty says nothing.
            if change.before not in EMPTY or change.after not in EMPTY
        ),
    )


async def read(session: Session, *, where: audit.Filter, number: int) -> tuple[Any, Any]:
    """A page of entries, and the actions to choose from."""
    return (
        await audit.list_entries(session, where=where, page=number),
        await audit.recent_actions(session),
    )


@get("/console/audit", guards=[requires("audit.read")], include_in_schema=False)
async def audit_page(
    request: AnyRequest, unit: NamedDependency[Unit], staff: NamedDependency[SignedIn]
) -> Page:
    """The log, newest first; dates are days of the tenant's first site."""
    form = Form.blank(dict(request.query_params.items()))
    status = 200
    try:
        wish = form.into(FilterForm)
    except FormInvalid as error:
        form, wish, status = form.with_error(error), FilterForm(), error.status
    where = audit.Filter(
        who=wish.who,
        action=wish.action,
        entity=wish.entity,
        entity_id=wish.entity_id,
        since=audit.midnight(wish.since, staff.timezone),
        until=audit.midnight(wish.until, staff.timezone, after=1),
    )
    found, actions = await unit(read, where=where, number=wish.page)
    locale = locale_of(request)
    chosen = {
        key: value
        for key in ("who", "action", "entity", "entity_id", "since", "until")
        if (value := form.value(key))
    }
    return page(
        request,
        "sites/log.html",
        status=status,
        form=form,
        rows=[row_of(locale, entry) for entry in found.entries],
        found=found,
        filtered=bool(chosen),
        url="/console/audit?" + urlencode({**chosen, "page": "{page}"}, safe="{}"),
        actions=[(code, action_text(locale, code)) for code in actions],
        timezone=staff.timezone,
    )


routes = [audit_page]
