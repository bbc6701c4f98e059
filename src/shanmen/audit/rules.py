"""What an audit entry keeps of a change: the differing fields, without personal data."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

PERSONAL_FIELDS = frozenset(
    {
        "birth_date",
        "contact_name",
        "contact_phone",
        "document",
        "document_number",
        "email",
        "face",
        "full_name",
        "holder_name",
        "id_card",
        "id_number",
        "mobile",
        "openid",
        "passport",
        "phone",
        "photo",
        "plate",
        "visitor_name",
    }
)
"""Fields that hold personal data wherever they stand; the log keeps a mask of them."""

PERSONAL_OBJECTS = frozenset(
    {"contact", "guest", "guests", "holder", "member", "members", "visitor", "visitors"}
)
"""Objects that describe a person; inside them a plain ``name`` is personal too."""

SECRET_FIELDS = frozenset(
    {"key", "password", "password_hash", "pin", "secret", "secret_hash", "token", "token_hash"}
)
"""Fields of which not even a mask is kept."""

HIDDEN = "•••"
MAX_TEXT = 500
"""A longer text is cut: the log tells what changed, it is no copy of the data."""
MAX_DEPTH = 6

_SHORT = 6


def mask(value: object) -> str:
    """Hide a personal value: the first character of a name, the last two of a number, stay.

    The mask of a short number shows nothing, because two of six digits are too many.
    """
    text = "" if value is None else str(value)
    if not text:
        return ""
    if text[0].isdigit() or text[0] == "+" or any(char.isdigit() for char in text):
        return HIDDEN + text[-2:] if len(text) > _SHORT else HIDDEN
    return text[0] + HIDDEN


def changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Reduce both to the keys that differ; a creation or removal keeps all of its side.

    Values are compared as they are and masked afterwards, so that a change of a phone number is
    seen even where both numbers have the same mask.
    """
    if before is None or after is None:
        return _row(before), _row(after)
    differing = [
        key
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key)
    ]
    return (
        {key: plain(before[key], key) for key in differing if key in before},
        {key: plain(after[key], key) for key in differing if key in after},
    )


def _row(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else {key: plain(item, key) for key, item in values.items()}


def plain(value: object, key: str = "", *, personal: bool = False, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return a value as JSON can hold it, with what is personal or secret masked."""
    composite = _composite(value)
    if value is None or key in SECRET_FIELDS:
        return None if value is None else HIDDEN
    if key in PERSONAL_FIELDS or (personal and key == "name"):
        return HIDDEN if composite is not None else mask(value)
    if composite is None:
        return _scalar(value)
    if depth >= MAX_DEPTH:
        return HIDDEN
    inside = personal or key in PERSONAL_OBJECTS
    if isinstance(composite, dict):
        return {
            str(name): plain(item, str(name), personal=inside, depth=depth + 1)
            for name, item in composite.items()
        }
    return [plain(item, personal=inside, depth=depth + 1) for item in composite]


def _composite(value: object) -> dict[Any, Any] | list[Any] | None:
    """Return a mapping or a list to walk through, or None for a single value."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, (list, tuple)):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    names = getattr(value, "__struct_fields__", None)
    if names is not None:
        return {name: getattr(value, name) for name in names}
    return None


def _scalar(value: object) -> str | int | float | bool | None:
    if isinstance(value, Enum):
        return _scalar(value.value)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(value)} B)"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    text = str(value) if isinstance(value, (str, UUID, Decimal)) else repr(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
