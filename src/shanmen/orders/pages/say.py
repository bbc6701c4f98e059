"""Rules in sentences: until when a ticket can be given back and at what fee, who it is for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shanmen.catalog.rules import RefundRule, RescheduleRule, TicketTypeInfo
from shanmen.kit import clock
from shanmen.web import i18n
from shanmen.web.i18n import Locale


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule in sentences, and the names of the tickets that it holds for; none: for all."""

    names: tuple[str, ...]
    lines: tuple[str, ...]


def refund_lines(
    rule: RefundRule, locale: Locale, *, starts: datetime | None, timezone: str, now: datetime
) -> tuple[str, ...]:
    """A refund rule in sentences: with real deadlines once the start of the visit is known."""

    def t(key: str, **params: object) -> str:
        return i18n.t(locale, f"orders.rule.{key}", **params)

    if not rule.steps:
        return (t("never"),)
    lines = []
    for step in sorted(rule.steps, key=lambda step: -step.hours_before):
        until = _until(step.hours_before, locale, starts=starts, timezone=timezone)
        if starts is not None and now > starts - timedelta(hours=step.hours_before):
            continue
        key = "free" if step.fee_percent == 0 else "fee"
        lines.append(t(key, until=until, fee=step.fee_percent))
    if not lines:
        return (t("over"),)
    return (*lines, t("then_never"))


def _until(hours: float, locale: Locale, *, starts: datetime | None, timezone: str) -> str:
    if starts is not None:
        at = clock.local(starts - timedelta(hours=hours), timezone)
        return f"{i18n.format_day(at.date(), locale)} {i18n.format_time(at, locale)}"
    if hours == 0:
        return i18n.t(locale, "orders.rule.at_start")
    span = i18n.format_duration(timedelta(hours=abs(hours)), locale)
    key = "before_start" if hours > 0 else "after_start"
    return i18n.t(locale, f"orders.rule.{key}", span=span)


def reschedule_line(
    rule: RescheduleRule, locale: Locale, *, starts: datetime | None, timezone: str, moved: int = 0
) -> str:
    """Whether, how often and until when a visit can be moved that was moved so often already."""
    if not rule.times:
        return i18n.t(locale, "orders.rule.no_move")
    if moved >= rule.times:
        return i18n.t(locale, "orders.rule.moved")
    until = _until(rule.hours_before, locale, starts=starts, timezone=timezone)
    return i18n.t(locale, "orders.rule.move", times=rule.times - moved, until=until)


def rules_of(
    kinds: Iterable[TicketTypeInfo],
    locale: Locale,
    *,
    starts: datetime | None,
    timezone: str,
    now: datetime,
    moved: int = 0,
) -> list[RuleText]:
    """The rules of several ticket types, each said once; `moved` is how often the visit was."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for kind in kinds:
        lines = (
            *refund_lines(kind.refund, locale, starts=starts, timezone=timezone, now=now),
            reschedule_line(kind.reschedule, locale, starts=starts, timezone=timezone, moved=moved),
        )
        names = grouped.setdefault(lines, [])
        name = i18n.localized(kind.name, locale)
        if name not in names:
            names.append(name)
    several = len(grouped) > 1
    return [RuleText(tuple(names) if several else (), lines) for lines, names in grouped.items()]


def who_for(kind: TicketTypeInfo, locale: Locale) -> str:
    """Whom a ticket is for, in a few words: ages, and how many persons."""
    parts = []
    if kind.min_age is not None and kind.max_age is not None:
        parts.append(i18n.t(locale, "orders.age.between", least=kind.min_age, most=kind.max_age))
    elif kind.min_age is not None:
        parts.append(i18n.t(locale, "orders.age.from", least=kind.min_age))
    elif kind.max_age is not None:
        parts.append(i18n.t(locale, "orders.age.below", most=kind.max_age + 1))
    if kind.party_size > 1:
        parts.append(i18n.t(locale, "orders.party", count=kind.party_size))
    if kind.audience == "student":
        parts.append(i18n.t(locale, "orders.student_proof"))
    return i18n.t(locale, "orders.comma").join(parts)
