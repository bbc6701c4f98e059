"""The parameters of an address as a route knows them, and as callers spell them."""

from functools import cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from shanmen.web.forms import FieldProblem, FormInvalid

LANGUAGE = "lang"
"""Every address may name the language of its answer."""


@cache
def spelled(handler: BaseRouteHandler) -> dict[str, str]:
    """The names that a handler's arguments have in an address, by argument."""
    return {
        name: getattr(parameter.kwarg_definition, "name", None) or name
        for name, parameter in handler.parsed_fn_signature.parameters.items()
        if isinstance(parameter.kwarg_definition, QueryParameter)
    }


def refuse_unknown(connection: ASGIConnection[Any, Any, Any, Any], handler: Any) -> None:  # noqa: ANN401 - any route's
    """Raise FormInvalid where the address has parameters that the route does not know.

    A filter that is spelled wrongly would otherwise be no filter, and answer with everything.
    """
    known = {*spelled(handler).values(), LANGUAGE}
    unknown = dict.fromkeys(name for name in connection.query_params if name not in known)
    if unknown:
        raise FormInvalid([FieldProblem(name, "unknown_parameter") for name in unknown])
