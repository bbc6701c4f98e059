"""Texts of the guard's page: those of admission, and a few of its own.

A decision is put into words as the server's scanner page does (`admission.say`), from what a gate
knows: the answer, and the names of the place.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from shanmen.admission.protocol import Answer, Setup, TypeInfo
from shanmen.admission.rules import Reason, text_key
from shanmen.edge.shown import Shown
from shanmen.kit import clock

Locale = Literal["zh-CN", "en"]
LOCALES: tuple[Locale, ...] = ("zh-CN", "en")
DEFAULT_LOCALE: Locale = "zh-CN"

_WEEKDAYS: Mapping[str, tuple[str, ...]] = {
    "zh-CN": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Words(Struct, frozen=True, kw_only=True):
    """One decision as the page shows it; as `admission.say.Answer`, with what a gate knows."""

    scan_id: UUID | None
    kind: Literal["admit", "refuse", "out", "undone", "warn"]
    word: str
    sentence: str
    tell: str = ""
    reason: str = ""
    persons: int = 0
    persons_left: int = 0
    party_size: int = 0
    type: str = ""
    audience: str = ""
    names: list[str] = []
    slot: str = ""
    ticket: str = ""
    time: str = ""
    override_allowed: bool = False
    needs_document: bool = False
    can_undo: bool = False


@cache
def texts(locale: Locale) -> Mapping[str, str]:
    """All texts by key: ``gate.admit`` of admission, ``page.…`` and ``error.…`` of the agent."""
    package = resources.files("shanmen")
    found: dict[str, str] = {}
    for folder in ("admission", "edge", "edge/page"):
        file = package.joinpath(*folder.split("/"), "locale", f"{locale}.toml")
        found |= _flat(tomllib.loads(file.read_text(encoding="utf-8")), f"{folder.split('/')[-1]}.")
    return found


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def say(locale: Locale, key: str, **params: object) -> str:
    """A text with its placeholders filled; the key itself where there is no such text."""
    text = texts(locale).get(key)
    if text is None:
        return key
    for name, value in params.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def named(names: Mapping[str, str] | None, locale: Locale) -> str:
    """A name in the language, else in any."""
    if not names:
        return ""
    fallback = next((name for name in names.values() if name), "")
    return names.get(locale) or names.get(DEFAULT_LOCALE) or fallback


def error(code: str, locale: Locale, **params: object) -> tuple[str, str]:
    """An error's sentence and the next step, from its code (`edge.lane_unknown`)."""
    module, _, rest = code.partition(".")
    key = f"{module}.error.{rest}"
    known = texts(locale)
    if key not in known:
        return say(locale, "page.error.other", code=code), ""
    step = say(locale, f"{key}_next", **params) if f"{key}_next" in known else ""
    return say(locale, key, **params), step


def put(shown: Shown, setup: Setup | None, locale: Locale) -> Words:
    """What a lane's screen says of one thing that happened."""
    timezone = setup.timezone if setup else "UTC"
    at = datetime.fromtimestamp(shown.at / 1000, UTC)
    time = clock.local(at, timezone).strftime("%H:%M:%S")
    if shown.what == "fault":
        sentence, step = error(shown.error, locale)
        word = say(locale, "page.cannot_decide")
        return Words(scan_id=None, kind="warn", word=word, sentence=sentence, tell=step, time=time)
    if shown.answer is None:
        return Words(
            scan_id=None,
            kind="warn",
            word=say(locale, "page.walked"),
            sentence=say(locale, "page.walked_detail", persons=shown.persons),
            time=time,
        )
    return _answer(shown, shown.answer, setup, locale, _Moment(at, timezone, time))


class _Moment(Struct, frozen=True):
    at: datetime
    timezone: str
    time: str


def _answer(
    shown: Shown, answer: Answer, setup: Setup | None, locale: Locale, moment: _Moment
) -> Words:
    kind = _kind(shown, answer)
    sentence, tell = _sentences(shown, answer, locale, moment)
    info = _type(answer, setup)
    audience = f"admission.audience.{info.audience}" if info else ""
    return Words(
        scan_id=answer.scan_id,
        kind=kind,
        word=say(locale, _OWN_WORD.get(shown.what) or _WORD[kind]),
        sentence=sentence,
        tell=tell,
        reason=answer.reason,
        persons=answer.persons if kind != "undone" else shown.persons or answer.persons,
        persons_left=answer.persons_left,
        party_size=answer.party_size,
        type=named(info.name, locale) if info else "",
        audience=texts(locale).get(audience, ""),
        names=answer.names,
        slot=_slot(answer.params.get("starts"), answer.params.get("ends"), moment.timezone),
        ticket=answer.ticket_number,
        time=moment.time,
        override_allowed=kind == "refuse" and answer.override_allowed,
        needs_document=kind == "refuse" and answer.reason == Reason.DOCUMENT_REQUIRED,
        can_undo=kind in {"admit", "out"},
    )


_OWN_WORD = {"given_back": "page.given_back", "unseen": "page.unseen"}
_WORD = {
    "admit": "admission.gate.admit",
    "refuse": "admission.gate.refuse",
    "out": "admission.gate.out",
    "undone": "admission.gate.undone",
}


def _kind(shown: Shown, answer: Answer) -> Literal["admit", "refuse", "out", "undone"]:
    if shown.what in {"given_back", "undone"}:
        return "undone"
    if answer.outcome == "refused":
        return "refuse"
    return "out" if shown.direction == "out" else "admit"


def _sentences(shown: Shown, answer: Answer, locale: Locale, moment: _Moment) -> tuple[str, str]:
    if shown.what in {"given_back", "unseen"}:
        return say(locale, f"page.{shown.what}_detail", persons=shown.persons), ""
    if shown.what == "undone":
        return say(locale, "admission.gate.undone_detail", persons=answer.persons), ""
    if answer.outcome == "refused":
        return explain(answer, locale, at=moment.at, timezone=moment.timezone)
    return _about_admitted(shown, answer, locale), ""


def _about_admitted(shown: Shown, answer: Answer, locale: Locale) -> str:
    if shown.what == "passed" and shown.persons:
        return say(locale, "page.still_to_pass", persons=shown.persons)
    if shown.override_by:
        return say(locale, "admission.gate.overridden", by=shown.override_by)
    left = answer.persons_left if answer.party_size > 1 and shown.direction == "in" else 0
    return say(locale, "admission.gate.left_after", left=left) if left else ""


def explain(answer: Answer, locale: Locale, *, at: datetime, timezone: str) -> tuple[str, str]:
    """Why a scan is refused, and what to tell the visitor."""
    params = answer.params
    filled = {key: _say(value, locale) for key, value in params.items()}
    if (moment := _instant(params.get("at"))) is not None:
        filled["when"] = _when(moment, at, timezone, locale)
    filled["slot"] = _slot(params.get("starts"), params.get("ends"), timezone)
    if (day := _date(params.get("day"))) is not None:
        filled["day"] = _day(day, locale)
    if (last := _date(params.get("last"))) is not None:
        filled["last"] = _day(last, locale, year=True)
    key = text_key(answer.reason, filled)
    if f"admission.reason.{key}" not in texts(locale):
        # A newer server may know a reason that this gate has no text for.
        return say(locale, "page.error.other", code=answer.reason), ""
    reason = say(locale, f"admission.reason.{key}", **filled)
    return reason, say(locale, f"admission.tell.{key}", **filled)


def _type(answer: Answer, setup: Setup | None) -> TypeInfo | None:
    types = setup.types if setup else []
    return next((info for info in types if info.number == answer.type_number), None)


def _instant(value: object) -> datetime | None:
    try:
        moment = msgspec.convert(value, datetime) if value else None
    except msgspec.ValidationError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _date(value: object) -> date | None:
    try:
        return msgspec.convert(value, date) if value else None
    except msgspec.ValidationError:
        return None


def _when(moment: datetime, now: datetime, timezone: str, locale: Locale) -> str:
    local = clock.local(moment, timezone)
    time = local.strftime("%H:%M")
    if local.date() == clock.local(now, timezone).date():
        return say(locale, "admission.when.today", time=time)
    return say(locale, "admission.when.day", day=_day(local.date(), locale), time=time)


def _day(day: date, locale: Locale, *, year: bool = False) -> str:
    if locale == "zh-CN":
        said = f"{day.month}月{day.day}日"
        return f"{day.year}年{said}" if year else said + _WEEKDAYS[locale][day.weekday()]
    said = f"{_MONTHS[day.month - 1]} {day.day}"
    return f"{said}, {day.year}" if year else f"{_WEEKDAYS[locale][day.weekday()]}, {said}"


def _slot(starts: object, ends: object, timezone: str) -> str:
    first, last = _instant(starts), _instant(ends)
    if first is None or last is None:
        return ""
    begins, until = clock.local(first, timezone), clock.local(last, timezone)
    # An end on the second midnight is the end of the first day.
    midnight = until.date() != begins.date() and (until.hour, until.minute) == (0, 0)
    return f"{begins:%H:%M}–{'24:00' if midnight else f'{until:%H:%M}'}"


def _say(value: object, locale: Locale) -> object:
    if isinstance(value, Mapping):
        return named(value, locale)
    if isinstance(value, list):
        mark = "、" if locale == "zh-CN" else ", "
        return mark.join(str(_say(item, locale)) for item in value)
    return value
