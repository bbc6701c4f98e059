"""A body for every route, made from its own type: what a route takes, the walk can send."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect

from shanmen.kit import ids
from tests.walk.world import World

TEXTS = {
    "phone": "13800138000",
    "code": "newcode",
    "slug": "newslug",
    "login": "newlogin",
    "password": "a long enough password",
    "timezone": "Asia/Shanghai",
    "role_code": "gate",
    "provider": "sandbox",
    "locale": "en",
    "return_url": "http://localhost/back",
}
"""Texts that must be of a kind; every other text is a word."""


def example(kind: Any, name: str, world: World) -> Any:
    """A value of a type, with this world's ids wherever the type has one."""
    return _of(inspect.type_info(kind), name, world)


def _of(kind: inspect.Type, name: str, world: World) -> Any:  # noqa: C901, PLR0911, PLR0912
    match kind:
        case inspect.Metadata(type=inner):
            return _of(inner, name, world)
        case inspect.UUIDType():
            # The id of a scan is chosen by the device that makes it.
            return str(ids.new_id()) if name == "scan_id" else world.get(name)
        case inspect.BytesType():
            return b"x" * (kind.min_length or 16)
        case inspect.StrType():
            if name in {"ticket", "document_number", "number", "document"}:
                return world.get(name)
            if name == "starts":
                return "08:00"
            return TEXTS.get(name, "word")[: kind.max_length or 60]
        case inspect.IntType():
            return kind.ge if kind.ge is not None else 1
        case inspect.FloatType():
            return kind.ge if kind.ge is not None else 1.0
        case inspect.BoolType():
            return True
        case inspect.DateType():
            return world.get("day")
        case inspect.TimeType():
            return {"starts": "08:00:00", "ends": "10:00:00"}.get(name, "09:00:00")
        case inspect.DateTimeType():
            return f"{world.get('day')}T09:00:00Z"
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.EnumType(cls=cls):
            return next(iter(cls)).value
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [_of(item, name, world)]
        case inspect.DictType(key_type=key, value_type=value):
            return {_of(key, name, world): _of(value, name, world)}
        case inspect.UnionType(types=types):
            wanted = [t for t in types if not isinstance(t, inspect.NoneType)]
            return _of(wanted[0], name, world)
        case inspect.StructType(fields=fields):
            return {
                field.encode_name: _of(field.type, field.encode_name, world)
                for field in fields
                if field.required or names_a_row(field.type)
            }
        case inspect.AnyType() | inspect.NoneType():
            return None
    raise AssertionError(
        f"The walk cannot make a value of {type(kind).__name__} for {name!r}: teach it in "
        "tests/walk/bodies.py."
    )


def names_a_row(kind: inspect.Type) -> bool:
    """Whether a type has an id in it: such fields are sent even where they may be left out."""
    if isinstance(kind, inspect.UUIDType):
        return True
    inner: list[inspect.Type] = []
    if isinstance(kind, inspect.Metadata):
        inner = [kind.type]
    elif isinstance(kind, (inspect.ListType, inspect.VarTupleType)):
        inner = [kind.item_type]
    elif isinstance(kind, inspect.UnionType):
        inner = list(kind.types)
    elif isinstance(kind, inspect.DictType):
        inner = [kind.key_type, kind.value_type]
    elif isinstance(kind, inspect.StructType):
        inner = [field.type for field in kind.fields]
    return any(names_a_row(one) for one in inner)


def packed(body: Any, world: World) -> bytes:
    """What a gate sends; its journal goes on where the world's gate left off."""
    for row in body.get("rows", ()):
        row |= {"seq": 2, "ticket_id": UUID(world.get("ticket_id")).bytes, "persons": 1}
    return msgspec.msgpack.encode(body)


def encoded(body: Any) -> bytes:
    return msgspec.json.encode(body)
