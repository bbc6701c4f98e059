"""What was sent as JSON: read so that its mistakes can be named, all of them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from litestar import Request
from litestar.exceptions import SerializationException

from shanmen.web.faults import FieldProblem, faults
from shanmen.web.forms import FormInvalid

__all__ = ["NotJson", "SentRequest", "body_faults"]

_KEY: Final = "shanmen_sent"
_BYTE: Final = re.compile(r"\(byte (?P<byte>\d+)\)")


class NotJson(FormInvalid):
    """The body is not JSON; ``errors`` says at which byte it stops being so."""

    code = "web.not_json"
    status = 400


class SentRequest(Request[Any, Any, Any]):
    """A request that remembers its body, for whoever explains why it was refused."""

    async def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The body's value; raises NotJson."""
        try:
            value = await super().json()
        except SerializationException as error:
            raise NotJson([_where(str(error.__cause__ or error))]) from error
        except UnicodeDecodeError as error:
            raise NotJson([FieldProblem("", "not_utf8")]) from error
        self.scope[_KEY] = value  # type: ignore[typeddict-unknown-key]
        return value


def _where(message: str) -> FieldProblem:
    if match := _BYTE.search(message):
        return FieldProblem("", "not_json_at", {"byte": match["byte"]})
    return FieldProblem("", "not_json_ends")


def body_faults(
    request: Request[Any, Any, Any], refused: Iterable[Mapping[Any, Any]]
) -> Iterable[FieldProblem]:
    """Everything that is wrong with the body of a request; nothing where it was not the body.

    `refused` is what the framework says of it, which is the first mistake alone.
    """
    if not any(entry.get("source") == "body" for entry in refused):
        return
    if _KEY not in request.scope:
        yield FieldProblem("", "body_missing")
        return
    wanted = request.route_handler.parsed_fn_signature.parameters["data"].annotation
    yield from faults(request.scope[_KEY], wanted)  # type: ignore[typeddict-item]
