"""Reading a submitted form, and saying what is wrong with it beside the right field.

A form is urlencoded (or multipart, for files). Names nest with hyphens: ``visitors-0-name``
is ``data["visitors"][0]["name"]`` and is called ``visitors.0.name`` wherever a field is
named, so a domain error's ``field`` finds its place on the page.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile

from shanmen.kit.errors import DomainError
from shanmen.web.faults import FieldProblem, describe_validation, faults
from shanmen.web.i18n import Locale, error_text

__all__ = ["FieldProblem", "Form", "FormInvalid", "describe_validation"]

T = TypeVar("T")

MAX_FIELDS: Final = 2000
MAX_DEPTH: Final = 6
_CSRF_FIELDS: Final = frozenset({"csrf_token"})


class FormInvalid(DomainError):
    """Fields of the input are missing or malformed; ``errors`` of the answer names each of them."""

    code = "web.invalid_form"
    status = 422

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(field=self.problems[0].field if self.problems else None)


def _clean(value: object) -> object:
    """Strip text and leave out what was left empty, at every depth."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        cleaned = {key: _clean(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item not in ("", None)}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _listed(node: object) -> object:
    """Turn mappings whose keys are all indexes into lists, at every depth."""
    if not isinstance(node, dict):
        return node
    children = {key: _listed(child) for key, child in node.items()}
    if children and all(key.isdigit() for key in children):
        return [children[key] for key in sorted(children, key=int)]
    return children


def nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Turn flat names into nested data: ``a-0-b=1`` becomes ``{"a": [{"b": "1"}]}``.

    A name ending in ``[]`` is always a list; any other name that is repeated keeps its
    last value, as a hidden default before a checkbox expects.
    """
    root: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MAX_FIELDS:
            raise FormInvalid([FieldProblem("", "invalid")])
        many = name.endswith("[]")
        parts = name.removesuffix("[]").split("-")
        if len(parts) > MAX_DEPTH or not all(parts):
            continue
        node = root
        for part in parts[:-1]:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                break
            node = child
        else:
            if many:
                existing = node.setdefault(parts[-1], [])
                if isinstance(existing, list):
                    existing.append(value)
            else:
                node[parts[-1]] = value
    listed = _listed(root)
    return listed if isinstance(listed, dict) else {}


Message = str | DomainError | FieldProblem


class Form:
    """What a person sent, or what a page starts with, and what is wrong with it."""

    def __init__(
        self, data: Mapping[str, Any] | None = None, files: Mapping[str, UploadFile] | None = None
    ) -> None:
        self.data: dict[str, Any] = dict(data or {})
        self.files: dict[str, UploadFile] = dict(files or {})
        self.errors: dict[str, list[Message]] = {}

    @classmethod
    def blank(cls, data: Mapping[str, Any] | None = None) -> Self:
        """Return a form nobody has sent yet, with the values it starts with."""
        return cls(data)

    @classmethod
    async def read(cls, request: Request[Any, Any, Any]) -> Self:
        """Read the body of a request; a name without a value reads as an empty string."""
        body = await request.form()
        texts: list[tuple[str, Any]] = []
        files: dict[str, UploadFile] = {}
        for name, value in body.multi_items():
            if name in _CSRF_FIELDS:
                continue
            if isinstance(value, UploadFile):
                if value.filename:
                    files[name.replace("-", ".")] = value
            else:
                texts.append((name, value))
        return cls(nest(texts), files)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - whatever was sent.
        """Return the value at a dotted name (``visitors.0.name``)."""
        node: Any = self.data
        for part in name.split("."):
            if isinstance(node, Mapping) and part in node:
                node = node[part]
            elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
                node = node[int(part)]
            else:
                return default
        return node

    def value(self, name: str, default: object = None) -> str:
        """Return the value at a dotted name as an input's value attribute."""
        found = self.get(name, default)
        if found is None:
            return ""
        if isinstance(found, bool):
            return "true" if found else ""
        if isinstance(found, dt.time):
            return found.isoformat("minutes")
        return str(found)

    def into(self, kind: type[T]) -> T:
        """Convert to a ``msgspec.Struct``; what was left empty counts as not given.

        Raises:
            FormInvalid: naming every field that is missing or malformed.
        """
        cleaned = _clean(self.data)
        problems = list(faults(cleaned, kind))
        if problems:
            raise FormInvalid(problems)
        try:
            return msgspec.convert(cleaned, kind, strict=False)
        except msgspec.ValidationError as error:
            raise FormInvalid([describe_validation(str(error))]) from error

    def with_error(self, error: DomainError) -> Self:
        """Return a copy that also says this error, at its field where it names one."""
        copy = type(self)(self.data, self.files)
        copy.errors = {name: list(messages) for name, messages in self.errors.items()}
        if isinstance(error, FormInvalid) and error.problems:
            for problem in error.problems:
                copy.errors.setdefault(problem.field, []).append(problem)
        else:
            copy.errors.setdefault(error.field or "", []).append(error)
        return copy

    def add(self, name: str, message: Message) -> None:
        """Add a message at a dotted name, or for the whole form at an empty one."""
        self.errors.setdefault(name, []).append(message)


def _say(message: Message, locale: Locale) -> str:
    if isinstance(message, str):
        return message
    if isinstance(message, FieldProblem):
        return message.text(locale)
    return error_text(locale, message)[0]


def messages_at(form: Form | None, name: str, locale: Locale) -> list[str]:
    """Return what is wrong with one field, in the reader's language."""
    return [_say(message, locale) for message in form.errors.get(name, ())] if form else []


def summary(form: Form | None, locale: Locale) -> list[tuple[str, str, str | None]]:
    """Return every message as (field, text, next step), for the list above a form."""
    lines: list[tuple[str, str, str | None]] = []
    for name, messages in form.errors.items() if form else ():
        for message in messages:
            follow = error_text(locale, message)[1] if isinstance(message, DomainError) else None
            lines.append((name, _say(message, locale), follow))
    return lines
