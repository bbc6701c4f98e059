"""The audit log, for programs."""

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from shanmen.audit import queries as audit
from shanmen.db.session import Session, Unit
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.schemas import problems

MOST = 200


class EntryOut(Struct, kw_only=True, frozen=True):
    """One change, as it was noted."""

    id: UUID
    at: datetime
    actor_kind: Annotated[
        str,
        Meta(
            description="Who it was: staff, api, visitor, provider or system.", examples=["staff"]
        ),
    ]
    actor_id: str
    actor_label: Annotated[str, Meta(examples=["李娜 (li.na)"])]
    ip: str
    action: Annotated[str, Meta(description="What was done.", examples=["orders.refunded"])]
    entity: Annotated[str, Meta(description="To what kind of thing.", examples=["order"])]
    entity_id: Annotated[str, Meta(description="To which one.")]
    before: Annotated[dict[str, Any] | None, Meta(description="Fields that changed, as they were.")]
    after: Annotated[dict[str, Any] | None, Meta(description="And as they are since.")]
    reason: str

    @classmethod
    def of(cls, entry: audit.Entry) -> "EntryOut":
        """The wire shape of an entry."""
        return cls(**{name: getattr(entry, name) for name in cls.__struct_fields__})


class LogPage(Struct, kw_only=True, frozen=True):
    """A page of the log, the latest entries first."""

    entries: list[EntryOut]
    page: Annotated[int, Meta(description="Which page this is, from 1.", examples=[1])]
    pages: Annotated[int, Meta(description="How many there are.", examples=[3])]
    total: Annotated[int, Meta(description="Entries that match.", examples=[120])]
    more: Annotated[
        bool, Meta(description="Further entries match than are counted: narrow the days.")
    ]


async def read(
    session: Session,
    *,
    where: audit.Filter,
    first: date | None,
    last: date | None,
    page: int,
    limit: int,
) -> audit.Page:
    """A page of entries; days are those of the tenant's first site, as in the console."""
    contexts = await sites.site_contexts(session)
    timezone = contexts[0].timezone if contexts else sites.DEFAULT_TIMEZONE
    found = replace(
        where,
        since=audit.midnight(first, timezone),
        until=audit.midnight(last, timezone, after=1),
    )
    return await audit.list_entries(session, where=found, page=page, page_size=limit)


@get("/api/v1/audit", guards=[requires("audit.read")], tags=["audit"], responses=problems())
async def read_log(
    unit: NamedDependency[Unit],
    who: Annotated[
        str, QueryParameter(max_length=100, description="A part of the name of who did it")
    ] = "",
    action: Annotated[
        str,
        QueryParameter(
            max_length=100,
            description="What was done, such as `orders.refunded`; `orders.` is all of orders",
        ),
    ] = "",
    entity: Annotated[
        str, QueryParameter(max_length=60, description="The kind of thing, such as `order`")
    ] = "",
    entity_id: Annotated[
        str, QueryParameter(max_length=60, description="The id of one thing")
    ] = "",
    first: Annotated[date | None, QueryParameter(name="from", description="First day")] = None,
    last: Annotated[date | None, QueryParameter(name="to", description="Last day")] = None,
    page: Annotated[int, QueryParameter(ge=1, le=10_000, description="From 1")] = 1,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST, description="Entries of a page")] = 50,
) -> LogPage:
    """Read who changed what and when, from what to what.

    Personal data is masked or encrypted, as it stands in the log. The latest entries come first.
    """
    where = audit.Filter(who=who, action=action, entity=entity, entity_id=entity_id)
    found = await unit(read, where=where, first=first, last=last, page=page, limit=limit)
    return LogPage(
        entries=[EntryOut.of(entry) for entry in found.entries],
        page=found.page,
        pages=found.pages,
        total=found.total,
        more=found.more,
    )


routes = [read_log]
