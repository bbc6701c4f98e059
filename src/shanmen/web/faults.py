"""Saying of input what is wrong with it: every field, and not only the first.

msgspec stops at the first mistake and says it in a sentence. Here that sentence becomes a field and
a reason, and the input is looked through part by part, so that all mistakes are told at once.
"""

import re
from collections.abc import Iterable, Mapping
from enum import EnumType
from types import UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from shanmen.web.i18n import Locale, has_text, t

__all__ = ["FieldProblem", "describe_validation", "faults"]


class FieldProblem(NamedTuple):
    """One thing wrong with one field: ``web.field.<reason>`` says it."""

    field: str
    reason: str
    params: Mapping[str, object] = {}

    def text(self, locale: Locale) -> str:
        """Return the sentence for the reader."""
        return t(locale, f"web.field.{self.reason}", **self.params)

    def told(self, locale: Locale) -> str:
        """Return the sentence for whoever wrote a program: ``web.input.<reason>`` if it differs."""
        reason = "one_of" if "choices" in self.params else self.reason
        if has_text(locale, f"web.input.{reason}"):
            return t(locale, f"web.input.{reason}", **self.params)
        return self.text(locale)


_PATH: Final = re.compile(r" - at `(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"missing required field `(?P<name>[^`]+)`")
_UNKNOWN: Final = re.compile(r"contains unknown field `(?P<name>[^`]+)`")
_LENGTH: Final = re.compile(
    r"Expected `(?P<kind>str|array|object)` of length (?P<sign><=|>=|==|<|>)? ?(?P<limit>\d+)"
)
_RANGE: Final = re.compile(r"Expected `\w+` (?P<sign><=|>=|<|>) (?P<limit>-?[\d.]+)")
_EXPECTED: Final = re.compile(r"Expected `(?P<kind>[^`]+)`, got `(?P<got>[^`]+)`")
_STEP: Final = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]|\[\.\.\.\]")
_KIND_REASON: Final = {
    "int": "not_integer",
    "float": "not_number",
    "decimal": "not_number",
    "date": "not_date",
    "datetime": "not_date",
    "time": "not_time",
    "bool": "not_boolean",
    "array": "not_list",
    "object": "not_object",
    "uuid": "not_id",
    "str": "not_text",
}
_ENCODED: Final = {
    "encoded datetime": "not_instant",
    "encoded date": "not_date",
    "encoded time": "not_time",
    "Invalid UUID": "not_id",
    "Invalid enum value": "not_choice",
}


def _dotted(path: str) -> str:
    return ".".join(name or index for name, index in _STEP.findall(path) if name or index)


def _reason_of_type(expected: str, got: str) -> str:
    if got == "null":
        return "required"
    kinds = (kind.strip() for kind in expected.split("|"))
    return next((_KIND_REASON[kind] for kind in kinds if kind in _KIND_REASON), "invalid")


def _reason(message: str) -> tuple[str, dict[str, object]]:
    if match := _LENGTH.search(message):
        most = match["sign"] in {"<=", "<"}
        reasons = ("too_long", "too_short") if match["kind"] == "str" else ("too_many", "too_few")
        return reasons[0 if most else 1], {"limit": match["limit"]}
    if match := _RANGE.search(message):
        most = match["sign"] in {"<=", "<"}
        return ("too_large" if most else "too_small"), {"limit": match["limit"]}
    if match := _EXPECTED.search(message):
        return _reason_of_type(match["kind"], match["got"]), {}
    return next((reason for said, reason in _ENCODED.items() if said in message), "invalid"), {}


def describe_validation(message: str, prefix: str = "") -> FieldProblem:
    """Turn msgspec's sentence about bad input into a field and a reason.

    ``prefix`` is the dotted path of the part that was converted.
    """
    path = match["path"] if (match := _PATH.search(message)) else "$"
    parts = [part for part in (prefix, _dotted(path)) if part]
    if match := _MISSING.search(message):
        return FieldProblem(".".join([*parts, match["name"]]), "required")
    if match := _UNKNOWN.search(message):
        return FieldProblem(".".join([*parts, match["name"]]), "unknown")
    reason, params = _reason(message)
    return FieldProblem(".".join(parts), reason, params)


def _bare(kind: Any) -> Any:  # noqa: ANN401 - a type as msgspec takes it
    """The type without its constraints and without ``None``; a union of several as it is."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        members = [member for member in get_args(kind) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else kind
    return kind


def faults(value: object, kind: Any, path: str = "") -> Iterable[FieldProblem]:  # noqa: ANN401
    """Yield everything that is wrong with a value, if it should be of a type.

    Args:
        value: as it came out of JSON or a form.
        kind: the type, as msgspec takes it.
        path: the value's own place, with full stops.
    """
    found = list(_faults_inside(value, _bare(kind), path))
    yield from found
    if not found:
        try:
            msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            yield _with_choices(describe_validation(str(error), path), _bare(kind))


def _faults_inside(value: object, kind: Any, path: str) -> Iterable[FieldProblem]:  # noqa: ANN401
    if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _faults_of_fields(value, kind, path)
    elif isinstance(value, Mapping) and get_origin(kind) is dict:
        of_key, of_value = get_args(kind)
        for name, item in value.items():
            yield from faults(name, of_key, _at(path, name))
            yield from faults(item, of_value, _at(path, name))
    elif isinstance(value, list) and get_origin(kind) is list:
        for index, item in enumerate(value):
            yield from faults(item, get_args(kind)[0], _at(path, index))


def _faults_of_fields(
    value: Mapping[Any, object], kind: type[msgspec.Struct], path: str
) -> Iterable[FieldProblem]:
    fields = msgspec.structs.fields(kind)
    for field in fields:
        where = _at(path, field.encode_name)
        if field.encode_name in value:
            yield from faults(value[field.encode_name], field.type, where)
        elif field.required:
            yield FieldProblem(where, "required")
    if kind.__struct_config__.forbid_unknown_fields:
        known = {field.encode_name for field in fields}
        yield from (FieldProblem(_at(path, name), "unknown") for name in value if name not in known)


def _at(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _with_choices(problem: FieldProblem, kind: Any) -> FieldProblem:  # noqa: ANN401
    """Name the choices, where a text must be one of a few."""
    if problem.reason != "not_choice":
        return problem
    if get_origin(kind) is Literal:
        choices = get_args(kind)
    elif isinstance(kind, EnumType):
        choices = tuple(one.value for one in kind)  # type: ignore[var-annotated]
    else:
        return problem
    return problem._replace(params={"choices": ", ".join(map(str, choices))})
