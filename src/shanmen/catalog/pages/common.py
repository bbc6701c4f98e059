"""What the pages of this module share."""

from datetime import date
from typing import Any

from litestar import Request, Response

from shanmen.kit.days import DayKind, day_kind, holiday_name
from shanmen.kit.errors import DomainError
from shanmen.sites.access import requires
from shanmen.web.forms import FieldProblem, Form, FormInvalid

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]

EDIT = [requires("catalog.edit")]
READ = [requires("catalog.edit", "inventory.edit", "insight.read")]


def with_errors(form: Form, *errors: DomainError) -> Form:
    """The form with everything that was refused beside the fields that it is about."""
    for error in errors:
        if isinstance(error, FormInvalid):
            for problem in error.problems:
                form.add(_typed(problem.field), FieldProblem(*problem))
        else:
            form.add(_typed(error.field or ""), error)
    return form


def _typed(field: str) -> str:
    return field.replace("zh-CN", "zh").replace(".amount_fen", ".amount")


def day_label(day: date, kind: DayKind, name: str, *, locale: str) -> str:
    """What a calendar writes below a day: its holiday, or that the kind was set by hand."""
    if name:
        return name
    return (holiday_name(day, locale) or "") if kind is DayKind.HOLIDAY else ""


def is_shifted(day: date) -> bool:
    """True for a Saturday or Sunday on which people work, to make up for a holiday."""
    return day.weekday() > 4 and day_kind(day) is DayKind.WORKDAY  # noqa: PLR2004 - Friday
