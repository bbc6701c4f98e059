"""What the pages of this module share."""

from typing import Any

import msgspec
from litestar import Request, Response

from shanmen.kit.errors import DomainError
from shanmen.sites.queries import SessionView, SignedIn
from shanmen.sites.rules import browser_name
from shanmen.web.forms import Form

AnyRequest = Request[Any, Any, Any]
Page = Response[bytes]


class Bilingual(msgspec.Struct, kw_only=True):
    """A text typed in both languages; a form's field cannot be called ``zh-CN``."""

    zh: str = ""
    en: str = ""

    def names(self) -> dict[str, str]:
        """The text as it is stored."""
        return {"zh-CN": self.zh, "en": self.en}


def typed(names: dict[str, str]) -> dict[str, str]:
    """A stored text as a form begins with it."""
    return {"zh": names.get("zh-CN", ""), "en": names.get("en", "")}


def with_error(form: Form, error: DomainError) -> Form:
    """The form with what was refused beside the field that it is about."""
    if error.field:
        error.field = error.field.replace("zh-CN", "zh")
    return form.with_error(error)


def landing(who: SignedIn | None, permissions: frozenset[str] | None = None) -> str:
    """Where somebody begins after signing in."""
    may = who.permissions if who else permissions or frozenset()
    for permission, address in (
        ("insight.read", "/console/today"),
        ("admission.scan", "/gate"),
        ("orders.read", "/console/orders"),
    ):
        if permission in may:
            return address
    return "/console/profile"


def browsers(sessions: tuple[SessionView, ...]) -> list[tuple[SessionView, str]]:
    """Signed-in browsers, each with what to call it."""
    return [(one, browser_name(one.user_agent)) for one in sessions]
