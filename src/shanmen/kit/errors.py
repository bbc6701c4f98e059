"""Coded errors: what a rule or a use case refuses, said so that every edge can explain it.

An error carries a code (``module.reason``), an HTTP status, the name of the bad input where there
is one, and parameters for its text. The text itself is rendered at the edge, in the reader's
language, from the key ``<module>.error.<reason>``; the optional key with ``_next`` appended is the
next step for the visitor.
"""

import re
from typing import ClassVar

_CODE = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
_LOWEST_STATUS = 400
_HIGHEST_STATUS = 599

_registry: "dict[str, type[DomainError]]" = {}


class DomainError(Exception):
    """Base of everything that the domain refuses.

    A subclass declares ``code`` and ``status``; one that lacks either, or takes a code that is
    already taken, fails at import. ``class Base(DomainError, abstract=True)`` is for bases that
    are never raised. The status may come from a base, the code must be the class's own.

    ``field`` names the bad input in the caller's own shape (``visitors.0.document``). ``params``
    fill the placeholders of the text. Neither is part of ``str(error)`` beyond the field's name,
    because logs must not hold personal data.
    """

    code: ClassVar[str]
    status: ClassVar[int]

    field: str | None
    params: dict[str, object]

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if abstract:
            return
        name = f"{cls.__module__}.{cls.__qualname__}"
        code = cls.__dict__.get("code")
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise TypeError(
                f'{name} needs its own code = "module.reason" in lower case, not {code!r}'
            )
        status = getattr(cls, "status", None)
        if not isinstance(status, int) or not _LOWEST_STATUS <= status <= _HIGHEST_STATUS:
            raise TypeError(f"{name} needs a status from 400 to 599, not {status!r}")
        taken = _registry.get(code)
        # The same class may be made again, by importlib.reload or by a dataclass with slots.
        if taken is not None and f"{taken.__module__}.{taken.__qualname__}" != name:
            raise TypeError(
                f"{name} takes the code {code!r} of {taken.__module__}.{taken.__qualname__}"
            )
        _registry[code] = cls

    def __init__(self, *, field: str | None = None, **params: object) -> None:
        super().__init__()
        self.field = field
        self.params = params

    def __str__(self) -> str:
        return self.code if self.field is None else f"{self.code} ({self.field})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def __reduce__(self) -> tuple[object, ...]:
        # A subclass may require parameters by name, so its constructor cannot be called here.
        return _rebuild, (type(self), self.field, self.params)


def all_errors() -> dict[str, type[DomainError]]:
    """Return every concrete error imported so far, by code, sorted."""
    return dict(sorted(_registry.items()))


class BadInput(DomainError):
    """The request says something that cannot be read or cannot be meant."""

    code = "kit.bad_input"
    status = 422


class NotFound(DomainError):
    """What the request names does not exist, or not for this caller."""

    code = "kit.not_found"
    status = 404


class NotSignedIn(DomainError):
    """The caller must sign in first."""

    code = "kit.not_signed_in"
    status = 401


class IdempotencyMismatch(DomainError):
    """The idempotency key was used before, with another request."""

    code = "kit.idempotency_mismatch"
    status = 422


class Overloaded(DomainError):
    """Too much is waiting already; ``retry_after`` whole seconds is when to come back."""

    code = "kit.overloaded"
    status = 503

    def __init__(self, *, retry_after: int, field: str | None = None, **params: object) -> None:
        super().__init__(field=field, retry_after=retry_after, **params)

    @property
    def retry_after(self) -> int:
        """Whole seconds, for the Retry-After header."""
        seconds = self.params["retry_after"]
        return seconds if isinstance(seconds, int) else 1


def _rebuild(cls: type[DomainError], field: str | None, params: dict[str, object]) -> DomainError:
    error = cls.__new__(cls)
    error.field = field
    error.params = params
    return error
