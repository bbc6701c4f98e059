"""Tables of rows in a form, which grow and shrink without a script.

A table ends with empty rows to write the next ones in; what was left empty, or marked with its
checkbox ``remove``, is dropped when the form is read.
"""

from collections.abc import Mapping

from shanmen.kit.errors import DomainError
from shanmen.web.forms import FieldProblem, Form, FormInvalid

__all__ = ["with_blank_rows", "with_errors", "without_blank_rows"]

BLANK_ROWS = 2


def without_blank_rows(form: Form, name: str, *telling: str) -> Form:
    """Return the form without the rows in which none of the ``telling`` fields was filled.

    Raises:
        FormInvalid: what was sent at this name is no table.
    """
    rows = form.get(name, [])
    if not isinstance(rows, list):
        raise FormInvalid([FieldProblem(name, "invalid")])
    kept = [
        row
        for row in rows
        if isinstance(row, dict)
        and row.get("remove") != "true"
        and any(str(row.get(field) or "").strip() for field in telling)
    ]
    return Form({**form.data, name: kept}, form.files)


def with_blank_rows(
    form: Form, name: str, *, more: int = BLANK_ROWS, blank: Mapping[str, object] | None = None
) -> Form:
    """Return the form with empty rows at the end of a table; ``blank`` is what they start with."""
    rows = form.get(name, [])
    kept = rows if isinstance(rows, list) else []
    copy = Form({**form.data, name: [*kept, *(dict(blank or {}) for _ in range(more))]}, form.files)
    copy.errors = form.errors
    return copy


def with_errors(form: Form, *errors: DomainError, renamed: Mapping[str, str] | None = None) -> Form:
    """Return the form with everything that was refused beside the fields that it is about.

    ``renamed`` maps parts of a field's name in the domain to what the form calls them; ``zh-CN``
    is always ``zh``, because hyphens part the names in a form.
    """
    parts = {"zh-CN": "zh", **(renamed or {})}

    def typed(field: str | None) -> str:
        return ".".join(parts.get(part, part) for part in (field or "").split("."))

    copy = Form(form.data, form.files)
    copy.errors = {name: list(messages) for name, messages in form.errors.items()}
    for error in errors:
        if isinstance(error, FormInvalid) and error.problems:
            for problem in error.problems:
                copy.add(typed(problem.field), problem)
        else:
            copy.add(typed(error.field), error)
    return copy
