"""What the pages of this module share."""

from datetime import date
from typing import Any

from litestar import Request, Response

from shanmen.kit.days import DayKind, holiday_name
from shanmen.sites.access import requires

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]

EDIT = [requires("catalog.edit")]
READ = [requires("catalog.edit", "inventory.edit", "insight.read")]


def day_label(day: date, kind: DayKind, name: str, *, locale: str) -> str:
    """What a calendar writes below a day: its holiday, or that the kind was set by hand."""
    if name:
        return name
    return (holiday_name(day, locale) or "") if kind is DayKind.HOLIDAY else ""
