"""Wire shapes of sites, entrances, staff and roles; and how an API route documents its errors."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Meta

from shanmen.db.session import LockTimeout
from shanmen.kit.errors import BadInput, DomainError, Overloaded
from shanmen.sites import errors, queries
from shanmen.web import i18n
from shanmen.web.forms import FormInvalid
from shanmen.web.sent import NotJson

Text = Annotated[
    dict[str, str],
    Meta(
        description="A text by language; `zh-CN` is always there, `en` where it was written.",
        examples=[{"zh-CN": "东门", "en": "East gate"}],
    ),
]
RoleCode = Annotated[
    str, Meta(description="The role's code.", examples=["seller"], min_length=1, max_length=32)
]
Permissions = Annotated[
    list[str],
    Meta(description="Permissions by name.", examples=[["orders.read", "orders.change"]]),
]


class Fault(msgspec.Struct, kw_only=True):
    """One thing that is wrong with what was sent."""

    field: Annotated[
        str,
        Meta(
            description="Its path, with numbers for places in lists; empty: the whole body.",
            examples=["tickets.0.visitors.1.document_number"],
        ),
    ]
    reason: Annotated[str, Meta(description="What is wrong, for programs.", examples=["too_long"])]
    detail: Annotated[
        str,
        Meta(
            description="What is wrong, in the reader's language.",
            examples=["At most 40 characters fit"],
        ),
    ]


class ProblemDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An error, by RFC 9457, with the code that programs decide by."""

    type: Annotated[
        str,
        Meta(description="The code as a URN.", examples=["urn:shanmen:error:inventory.sold_out"]),
    ]
    title: Annotated[str, Meta(description="What happened, in the reader's language.")]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[409])]
    code: Annotated[
        str,
        Meta(
            description="What happened, for programs; it does not change with the language.",
            examples=["inventory.sold_out"],
        ),
    ]
    detail: Annotated[str, Meta(description="The next step.")]
    field: Annotated[
        str,
        Meta(
            description="The bad input's path.", examples=["tickets.0.visitors.1.document_number"]
        ),
    ] = ""
    params: Annotated[dict[str, Any], Meta(description="Figures that the sentence contains.")] = {}
    errors: Annotated[
        list[Fault], Meta(description="All that is wrong with what was sent, field by field.")
    ] = []
    reference: Annotated[
        str, Meta(description="What to tell the operator of the server, for a status of 500.")
    ] = ""


def problems(*kinds: type[DomainError]) -> dict[int, ResponseSpec]:
    """The ``responses=`` of an API route that raises these errors.

    Those that every route with a key has (400, 401, 403, 422, 503) are added.
    """
    by_status: dict[int, list[type[DomainError]]] = {}
    everywhere: tuple[type[DomainError], ...] = (
        errors.BadApiKey,
        errors.MissingPermission,
        FormInvalid,
        NotJson,
        BadInput,
        LockTimeout,
        Overloaded,
    )
    for kind in dict.fromkeys((*kinds, *everywhere)):
        by_status.setdefault(kind.status, []).append(kind)
    said = {
        status: "\n".join(f"- `{kind.code}`: {_first_line(kind)}" for kind in found)
        for status, found in by_status.items()
    }
    return {
        status: ResponseSpec(
            data_container=ProblemDocument,
            generate_examples=False,
            media_type="application/problem+json",
            description=description,
            examples=[_example(by_status[status])],
        )
        for status, description in sorted(said.items())
    }


def _example(kinds: list[type[DomainError]]) -> Example:
    """An answer with one of these errors: the first whose sentence needs no figures."""
    sentences = i18n.catalogs("en")

    def said(kind: type[DomainError], more: str = "") -> str:
        module, _, reason = kind.code.partition(".")
        return sentences.get(f"{module}.error.{reason}{more}", "")

    plain = (kind for kind in kinds if said(kind) and not i18n.placeholders(said(kind)))
    kind = next(plain, kinds[0])
    value = {
        "type": f"urn:shanmen:error:{kind.code}",
        "title": said(kind),
        "status": kind.status,
        "code": kind.code,
        "detail": said(kind, "_next") or said(kind),
    }
    if kind is errors.MissingPermission:
        params = {"permission": "orders.change"}
        value |= {"title": said(kind).format_map(params), "params": params}
    return Example(summary=kind.code, value=value)


def _first_line(kind: type[DomainError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")


class SiteOut(msgspec.Struct, kw_only=True):
    """A scenic area."""

    slug: Annotated[str, Meta(description="Its part of the address.", examples=["lushan"])]
    number: Annotated[int, Meta(description="Its number in ticket tokens.", examples=[1])]
    name: Text
    intro: Text
    notice: Text
    address: Text
    opening_hours: Text
    timezone: Annotated[str, Meta(description="IANA time zone.", examples=["Asia/Shanghai"])]
    phone: Annotated[str, Meta(examples=["0792-8281500"])]

    @classmethod
    def of(cls, view: queries.SiteView) -> "SiteOut":
        """The wire shape of a site."""
        return cls(**{name: getattr(view, name) for name in cls.__struct_fields__})


class SiteChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a site; what is left out stays."""

    name: Text | None = None
    intro: Text | None = None
    notice: Text | None = None
    address: Text | None = None
    opening_hours: Text | None = None
    timezone: str | None = None
    phone: str | None = None


class ZoneOut(msgspec.Struct, kw_only=True):
    """A part of a site that tickets give rights to."""

    id: UUID
    number: Annotated[int, Meta(description="Its bit in a ticket's rights.", examples=[0])]
    name: Text

    @classmethod
    def of(cls, view: queries.ZoneView) -> "ZoneOut":
        """The wire shape of a zone."""
        return cls(id=view.id, number=view.number, name=view.name)


class NewZone(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A zone to add."""

    name: Text


class EntranceOut(msgspec.Struct, kw_only=True):
    """A way into a zone."""

    id: UUID
    number: Annotated[int, Meta(description="Its number within the site.", examples=[1])]
    zone_id: Annotated[UUID, Meta(description="The zone it leads into.")]
    name: Text
    active: Annotated[bool, Meta(description="False when it is not used any more.")]

    @classmethod
    def of(cls, view: queries.EntranceView) -> "EntranceOut":
        """The wire shape of an entrance."""
        return cls(**{name: getattr(view, name) for name in cls.__struct_fields__})


class NewEntrance(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An entrance to add."""

    zone_id: Annotated[UUID, Meta(description="A zone of the same site.")]
    name: Text


class EntranceChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of an entrance; what is left out stays."""

    zone_id: UUID | None = None
    name: Text | None = None
    active: bool | None = None


class RoleOut(msgspec.Struct, kw_only=True):
    """A named set of permissions."""

    code: RoleCode
    name: Text
    permissions: Permissions
    staff: Annotated[int, Meta(description="How many staff have it.", examples=[3])]

    @classmethod
    def of(cls, view: queries.RoleView) -> "RoleOut":
        """The wire shape of a role."""
        return cls(
            code=view.code, name=view.name, permissions=list(view.permissions), staff=view.staff
        )


class NewRole(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A role to make."""

    code: RoleCode
    name: Text
    permissions: Permissions


class RoleChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a role; what is left out stays."""

    name: Text | None = None
    permissions: Permissions | None = None


Password = Annotated[
    str,
    Meta(
        description="At least 10 characters, and not a common one.",
        max_length=200,
        examples=["seven quiet cranes"],
    ),
]


class StaffOut(msgspec.Struct, kw_only=True):
    """Somebody who signs in."""

    id: UUID
    login: Annotated[str, Meta(description="Without `@tenant`.", examples=["li.na"])]
    name: Annotated[str, Meta(examples=["李娜"])]
    role_code: RoleCode
    active: Annotated[bool, Meta(description="False for those who may not sign in any more.")]
    locked_until: Annotated[
        datetime | None, Meta(description="Until when wrong passwords have closed the account.")
    ]
    last_login_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, view: queries.StaffView) -> "StaffOut":
        """The wire shape of a member of staff."""
        return cls(
            id=view.id,
            login=view.login,
            name=view.name,
            role_code=view.role_code,
            active=view.active,
            locked_until=view.locked_until,
            last_login_at=view.last_login_at,
            created_at=view.created_at,
        )


class SessionOut(msgspec.Struct, kw_only=True):
    """A browser that somebody is signed in with."""

    id: UUID
    ip: Annotated[str, Meta(description="The address it signed in from.", examples=["203.0.113.7"])]
    user_agent: Annotated[str, Meta(description="As it calls itself.")]
    created_at: datetime
    last_seen_at: datetime
    expires_at: Annotated[datetime, Meta(description="When it is signed out, if it is not used.")]

    @classmethod
    def of(cls, view: queries.SessionView) -> "SessionOut":
        """The wire shape of a session."""
        return cls(**{name: getattr(view, name) for name in cls.__struct_fields__})


class NewStaff(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody to add."""

    login: Annotated[str, Meta(description="2 to 32 of a-z, 0-9, `.`, `-`, `_`.", max_length=64)]
    name: Annotated[str, Meta(max_length=60)]
    role_code: RoleCode
    password: Password


class StaffChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of somebody; what is left out stays."""

    name: str | None = None
    role_code: RoleCode | None = None
    active: bool | None = None


class NewPassword(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A password to give to somebody, who is signed out everywhere."""

    password: Password
