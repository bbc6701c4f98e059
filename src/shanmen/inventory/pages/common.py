"""What the pages of this module share."""

import re
from datetime import date, timedelta
from typing import Any

from litestar import Request, Response

from shanmen.sites.access import requires

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]

READ = [requires("inventory.edit", "catalog.edit", "insight.read")]
EDIT = [requires("inventory.edit")]
EDIT_CATALOG = [requires("catalog.edit")]

_MONTH = re.compile(r"(\d{4})-(\d{2})")


def month_asked(request: AnyRequest, today: date) -> date:
    """The first day of the month in ``?month=2026-10``, of the present month without it."""
    found = _MONTH.fullmatch(request.query_params.get("month", ""))
    if found and 1 <= int(found[2]) <= 12 and abs(int(found[1]) - today.year) <= 3:  # noqa: PLR2004
        return date(int(found[1]), int(found[2]), 1)
    return today.replace(day=1)


def next_month(first: date) -> date:
    """The first day of the month after."""
    return (first + timedelta(days=32)).replace(day=1)


def previous_month(first: date) -> date:
    """The first day of the month before."""
    return (first - timedelta(days=1)).replace(day=1)
