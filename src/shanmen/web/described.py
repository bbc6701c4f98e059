"""What the API's description says beyond what the framework reads out of signatures.

Types and fields are described by the docstrings that they have anyway; fields that mean the same
everywhere are described once, in ``field_words.toml``, and need no docstring of their own.
"""

import ast
import inspect
import textwrap
import tomllib
from dataclasses import is_dataclass
from datetime import time
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from litestar.openapi.spec import OpenAPIType, Schema
from litestar.plugins import OpenAPISchemaPlugin, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition
from msgspec import Struct

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator

__all__ = ["Docstrings", "LocalTimes", "Summaries", "describe_parameters"]

_OURS: Final = "shanmen."
_ANSWERS: Final = {
    200: "The answer.",
    201: "It was made.",
    204: "Done, and nothing to say.",
}
"""The framework's own words promise an address that follows, and none does."""


class LocalTimes(OpenAPISchemaPlugin):
    """A time of day travels as ``08:00:00``; Litestar would call that a duration."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether a field is a time of day."""
        return field_definition.annotation is time

    def to_openapi_schema(
        self,
        field_definition: FieldDefinition,  # noqa: ARG002 - one description for every such field
        schema_creator: object,  # noqa: ARG002 - as above
    ) -> Schema:
        """Describe it as text of that form."""
        return Schema(
            type=OpenAPIType.STRING, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
        )


class Docstrings(OpenAPISchemaPlugin):
    """Describes our types and their fields; their shape is described by the framework."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether a field is of a type of ours that has fields itself."""
        kind = field_definition.annotation
        return (
            isinstance(kind, type)
            and kind.__module__.startswith(_OURS)
            and (issubclass(kind, Struct) or is_dataclass(kind))
        )

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: "SchemaCreator"
    ) -> Schema:
        """Take the framework's description of the shape and add the words."""
        shape = next(
            plugin
            for plugin in schema_creator.plugins
            if plugin is not self and schema_creator.plugin_supports_field(plugin, field_definition)
        )
        schema: Schema = shape.to_openapi_schema(field_definition, schema_creator)
        kind = field_definition.annotation
        schema.description = schema.description or inspect.getdoc(kind)
        words = common_words()["field"] | field_docstrings(kind)
        for name, described in (schema.properties or {}).items():
            described.description = described.description or words.get(name)
        return schema


@cache
def common_words() -> dict[str, dict[str, str]]:
    """What fields, and parameters of paths, mean wherever they have this name."""
    text = resources.files("shanmen.web").joinpath("field_words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def field_docstrings(kind: type) -> dict[str, str]:
    """The texts below the fields of a class and its bases, by field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith(_OURS):
            continue
        [declared] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        for field, below in pairwise(declared.body if isinstance(declared, ast.ClassDef) else ()):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found


class Summaries(ReceiveRoutePlugin):
    """An operation's summary is the first sentence of its handler's docstring."""

    def receive_route(self, route: BaseRoute) -> None:
        """Give summary and description to handlers that declare no summary."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            handler.response_description = _ANSWERS.get(handler.status_code)
            told = inspect.getdoc(handler.fn)
            if handler.summary is None and told is not None:
                first, _, rest = told.partition("\n")
                summary, stop, more = first.partition(". ")
                handler.summary = summary.removesuffix(".")
                handler.description = f"{more}\n{rest}".strip() if stop else rest.strip()


def describe_parameters(document: dict[str, Any]) -> None:
    """Describe the parameters of paths, which handlers take without words."""
    words = common_words()["path"]
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()) if isinstance(operation, dict) else ():
                if parameter["in"] == "path" and not parameter.get("description"):
                    parameter["description"] = words.get(parameter["name"], "")
