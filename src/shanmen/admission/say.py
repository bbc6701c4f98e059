"""A decision in words: what fills the gate's screen, in the guard's language."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from shanmen.admission.rules import Reason, text_key
from shanmen.admission.schemas import DecisionView, param_values
from shanmen.kit import clock
from shanmen.web.i18n import (
    Locale,
    format_date,
    format_day,
    format_time,
    has_text,
    localized,
    t,
)

Kind = Literal["admit", "refuse", "out", "undone"]


class Answer(Struct, frozen=True, kw_only=True):
    """What a scanner page shows for one scan: every text is ready to be read out."""

    scan_id: UUID
    kind: Kind
    """admit and out are green, refuse is red, undone is neither."""
    word: str
    sentence: str
    tell: str
    """What to tell the visitor; empty when admitted."""
    reason: str
    persons: int
    persons_left: int
    party_size: int
    type: str
    audience: str
    names: list[str]
    slot: str
    ticket: str
    method: str
    time: str
    override_allowed: bool
    needs_document: bool
    can_undo: bool


def answer(view: DecisionView, locale: Locale) -> Answer:
    """Put one decision into words."""
    kind = kind_of(view)
    sentence, tell = texts(view, locale)
    return Answer(
        scan_id=view.scan_id,
        kind=kind,
        word=t(locale, f"admission.gate.{kind}"),
        sentence=sentence,
        tell=tell,
        reason=view.reason,
        persons=view.persons,
        persons_left=view.persons_left,
        party_size=view.party_size,
        type=localized(view.ticket_type, locale),
        audience=_if_any(locale, f"admission.audience.{view.audience}"),
        names=view.names,
        slot=_slot(view.valid_from, view.valid_until, view, locale),
        ticket=view.ticket_number,
        method=t(locale, f"admission.method.{view.method}"),
        time=clock.local(view.at, view.timezone).strftime("%H:%M:%S"),
        override_allowed=view.override_allowed,
        needs_document=view.reason == Reason.DOCUMENT_REQUIRED and view.outcome == "refused",
        can_undo=view.admitted,
    )


def kind_of(view: DecisionView) -> Kind:
    """Which of the four screens a decision is."""
    if view.undone_at is not None:
        return "undone"
    if view.outcome == "refused":
        return "refuse"
    return "out" if view.direction == "out" else "admit"


def texts(view: DecisionView, locale: Locale) -> tuple[str, str]:
    """The sentence for the guard and what to tell the visitor."""
    if view.undone_at is not None:
        return t(locale, "admission.gate.undone_detail", persons=view.persons), ""
    if view.outcome == "refused":
        return explain(view, locale)
    if view.override_by is not None:
        return t(locale, "admission.gate.overridden", by=view.override_by), ""
    left = view.persons_left if view.party_size > 1 and view.direction == "in" else 0
    return t(locale, "admission.gate.left_after", left=left) if left else "", ""


def explain(view: DecisionView, locale: Locale) -> tuple[str, str]:
    """Why a scan is refused, and what to tell the visitor."""
    params = param_values(view.params)
    filled = {key: _say(value, locale) for key, value in params.items()}
    if isinstance(params.get("at"), datetime):
        filled["when"] = when(params["at"], view, locale)
    filled["slot"] = _slot(params.get("starts"), params.get("ends"), view, locale)
    if isinstance(params.get("day"), date):
        filled["day"] = format_day(params["day"], locale)
    if isinstance(params.get("last"), date):
        filled["last"] = format_date(params["last"], locale)
    key = text_key(view.reason, filled)
    return t(locale, f"admission.reason.{key}", **filled), t(
        locale, f"admission.tell.{key}", **filled
    )


def when(instant: datetime, view: DecisionView, locale: Locale) -> str:
    """An earlier moment as one says it at the gate: the time, with the day if it was another."""
    local = clock.local(instant, view.timezone)
    if local.date() == clock.local(view.at, view.timezone).date():
        return t(locale, "admission.when.today", time=format_time(local, locale))
    day = format_day(local.date(), locale)
    return t(locale, "admission.when.day", day=day, time=format_time(local, locale))


def _slot(starts: object, ends: object, view: DecisionView, locale: Locale) -> str:
    if not isinstance(starts, datetime) or not isinstance(ends, datetime):
        return ""
    first, last = clock.local(starts, view.timezone), clock.local(ends, view.timezone)
    # An end on the second midnight is the end of the first day.
    until = format_time(last, locale)
    if last.date() != first.date() and (last.hour, last.minute) == (0, 0):
        until = "24:00"
    return f"{format_time(first, locale)}–{until}"


def _say(value: Any, locale: Locale) -> object:  # noqa: ANN401 - a parameter of any text
    if isinstance(value, Mapping):
        return localized(value, locale)
    if isinstance(value, list):
        mark = "、" if locale == "zh-CN" else ", "
        return mark.join(localized(item, locale) for item in value)
    return value


def _if_any(locale: Locale, key: str) -> str:
    return t(locale, key) if has_text(locale, key) else ""
