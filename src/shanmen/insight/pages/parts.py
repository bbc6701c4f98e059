"""The parts of today's page that live: texts, fragments and the chart's data, by name.

The page and the stream draw them with the same templates, so a page that has been open all day
looks like one that was just loaded.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from shanmen.insight.queries.today import AHEAD_DAYS
from shanmen.insight.schemas import DayFill, TodayFigures
from shanmen.kit import clock
from shanmen.web import i18n
from shanmen.web.i18n import Locale
from shanmen.web.render import Web

TEMPLATE: Final = "insight/_today.html"


def words(figures: TodayFigures, locale: Locale) -> dict[str, str]:
    """The large figures and the notes under them."""

    def text(key: str, **params: object) -> str:
        return i18n.t(locale, f"insight.{key}", **params)

    def number(value: float) -> str:
        return i18n.format_number(value, locale)

    def money(fen: int) -> str:
        return i18n.format_money(fen, locale, short=True)

    def share(part: int, whole: int) -> str:
        return i18n.format_percent(part / whole, locale) if whole else "–"

    arrived = sum(one.entered for one in figures.ticket_types)
    scans = figures.refused + figures.entered + figures.left
    return {
        "day": figures.day.isoformat(),
        "as_of": clock.local(figures.as_of, figures.timezone).strftime("%H:%M:%S"),
        "inside": number(figures.inside),
        "inside_note": text(
            "inside_note", entered=number(figures.entered), left=number(figures.left)
        )
        if figures.left
        else text("inside_no_exits" if figures.entered else "inside_nobody"),
        "entered": number(figures.entered),
        "entered_note": text("entered_note", count=number(figures.last_15_minutes)),
        "visit_sold": number(figures.visit_sold),
        "visit_sold_note": text(
            "visit_sold_note",
            tickets=number(figures.visit_tickets),
            share=share(min(arrived, figures.visit_sold), figures.visit_sold),
        )
        if figures.visit_sold
        else text("visit_sold_none"),
        "taken": money(figures.taken_fen),
        "taken_note": text("taken_note", net=money(figures.taken_fen - figures.refunded_fen)),
        "left": number(figures.left),
        "left_note": text("left_note", share=share(figures.left, figures.entered))
        if figures.left
        else "",
        "refused": number(figures.refused),
        "refused_note": text("refused_note", share=number(round(100 * figures.refused / scans, 1)))
        if figures.refused
        else "",
        "sold_orders": number(figures.sold_orders),
        "sold_orders_note": text("sold_orders_note", count=number(figures.sold_persons)),
        "refunded": money(figures.refunded_fen),
        "refunded_note": text("refunded_note"),
    }


def chart(figures: TodayFigures) -> str:
    """The series of the entries chart as JSON; what is still to come is null."""
    times = [clock.local(one.starts_at, figures.timezone) for one in figures.quarters]
    return msgspec.json.encode(
        {
            "times": [f"{at:%H:%M}" for at in times],
            "today": [
                one.entered if one.starts_at <= figures.as_of else None for one in figures.quarters
            ],
            "last": [one.last_week for one in figures.quarters],
        }
    ).decode()


def ahead_days(figures: TodayFigures) -> Mapping[str, list[tuple[date, DayFill | None]]]:
    """Each pool's next days, with None for a day on which it has no slot."""
    days = [figures.day + timedelta(days=n) for n in range(AHEAD_DAYS)]
    return {
        pool.pool_id: [(day, known.get(day)) for day in days]
        for pool in figures.ahead
        for known in [{one.day: one for one in pool.days}]
    }


def fragments(web: Web, locale: Locale, figures: TodayFigures) -> dict[str, str]:
    """Everything on the page that can change, by the name that it has there."""
    draw: Any = web.environments[locale].get_template(TEMPLATE).module
    return {
        **words(figures, locale),
        "slots": str(draw.slots(figures)),
        "entrances": str(draw.entrances(figures)),
        "types": str(draw.types(figures)),
        "refusals": str(draw.refusals(figures)),
        "ahead": str(draw.ahead(figures, ahead_days(figures))),
        "entries": str(draw.entries_table(figures)),
        "chart": chart(figures),
    }
