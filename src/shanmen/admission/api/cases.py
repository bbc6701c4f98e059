"""For whoever looks after admission: cases, blocked documents, and how full zones may be."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from shanmen.admission import errors
from shanmen.admission.rules import CaseKind
from shanmen.admission.service import blocked, cases, zones
from shanmen.admission.service.blocked import BlockedView
from shanmen.admission.service.cases import CasePage, CaseView, EntryView
from shanmen.db.pipeline import run
from shanmen.db.session import Session, Unit
from shanmen.kit import clock, documents
from shanmen.kit.documents import DocumentKind
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.schemas import Text, problems

TAGS = ["gates"]
MAY = [requires("admission.override")]


class CaseOut(Struct, kw_only=True, frozen=True):
    """Something between gates and server that a person has to look at."""

    id: UUID
    kind: Annotated[
        CaseKind, Meta(description="What does not fit; the console says it in a sentence.")
    ]
    opened_at: datetime
    """When the server heard of it."""
    at: datetime
    """When it happened at the gate, by the server's clock."""
    gate: Annotated[str, Meta(description="The gate's name.", examples=["东门 1"])]
    entrance: Text
    scan_id: UUID
    ticket_id: UUID | None
    ticket_number: Annotated[str | None, Meta(description="Null where no such ticket is known.")]
    order_number: str | None
    details: Annotated[dict[str, Any], Meta(description="Figures and ids; nothing personal.")]
    closed_at: datetime | None
    closed_by: str
    note: Annotated[str, Meta(description="What was found, of a closed case.")]

    @classmethod
    def of(cls, view: CaseView) -> "CaseOut":
        """As programs see it."""
        return cls(
            id=view.id,
            kind=CaseKind(view.kind),
            opened_at=view.opened_at,
            at=view.at,
            gate=view.gate,
            entrance=view.entrance,
            scan_id=view.scan_id,
            ticket_id=view.ticket_id,
            ticket_number=view.ticket,
            order_number=view.order_number,
            details=view.details,
            closed_at=view.closed_at,
            closed_by=view.closed_by,
            note=view.note,
        )


class CaseList(Struct, frozen=True):
    """Cases, the latest first."""

    cases: list[CaseOut]
    next: Annotated[
        UUID | None, Meta(description="Send it as `after` to get what follows; null: nothing does")
    ]


class CaseFile(Struct, kw_only=True, frozen=True):
    """A case and all entries with its ticket."""

    case: CaseOut
    entries: list[EntryView]


class CaseNote(Struct, kw_only=True, forbid_unknown_fields=True):
    """What was found."""

    note: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=cases.NOTE_LENGTH,
            description="Kept with the case and in the audit log.",
            examples=["同一家庭从两个入口进园，已与游客核实"],
        ),
    ]


class BlockedList(Struct, frozen=True):
    """Documents that nobody may enter with, the latest first."""

    blocked: list[BlockedView]


class NewBlock(Struct, kw_only=True, forbid_unknown_fields=True):
    """A document that nobody may enter with."""

    kind: DocumentKind
    number: Annotated[str, Meta(max_length=40, examples=["11010519491231002X"])]
    reason: Annotated[
        str,
        Meta(min_length=1, max_length=blocked.REASON_LENGTH, examples=["在林区用火"]),
    ]
    until: Annotated[date | None, Meta(description="The last day; null: until it is lifted.")] = (
        None
    )


class Blocked(Struct, frozen=True):
    """A document was put on the list."""

    id: UUID


class ZoneLimitOut(Struct, kw_only=True, frozen=True):
    """How full a zone is, and may be."""

    zone_id: UUID
    number: int
    name: Text
    max_inside: Annotated[
        int | None, Meta(description="How many may be inside at once; null: no limit.")
    ]
    inside: Annotated[
        int | None, Meta(description="How many are inside; null where nobody counts.")
    ]
    reserved: Annotated[
        int, Meta(description="Places kept free for gates that are cut off just now.")
    ]


class ZoneLimitPut(Struct, kw_only=True, forbid_unknown_fields=True):
    """How many may be inside a zone."""

    max_inside: (
        Annotated[
            int,
            Meta(
                ge=1, le=zones.MOST_INSIDE, description="At once; null: no limit.", examples=[800]
            ),
        ]
        | None
    )


async def cases_of(
    session: Session, *, slug: str, is_open: bool, after: UUID | None, limit: int
) -> CasePage:
    """The cases of the site at an address; raises SiteUnknown."""
    site = await sites.site(session, slug=slug)
    return await cases.cases(session, site_id=site.id, is_open=is_open, after=after, limit=limit)


async def closed(session: Session, *, case_id: UUID, note: str) -> CaseView:
    """Close a case and read it; raises CaseUnknown, NoteMissing."""
    await cases.close_case(session, case_id=case_id, note=note)
    return (await cases.case(session, case_id=case_id))[0]


async def limits_of(session: Session, *, slug: str) -> list[ZoneLimitOut]:
    """All zones of the site at an address; raises SiteUnknown."""
    site = await sites.site(session, slug=slug)
    [rows] = await run(session, [zones.zones_statement(session.tenant_id)])
    limited, today = zones.zone_rows(rows), clock.today(site.timezone)
    return [
        ZoneLimitOut(
            zone_id=zone.id,
            number=zone.number,
            name=zone.name,
            max_inside=full.max_inside if (full := limited.get(zone.id)) else None,
            inside=full.inside_on(today) if full else None,
            reserved=full.reserved if full else 0,
        )
        for zone in await sites.zones(session, site_id=site.id)
    ]


@get(
    "/api/v1/sites/{slug:str}/cases",
    guards=MAY,
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def list_cases(
    slug: FromPath[str],
    unit: NamedDependency[Unit],
    which: Annotated[
        Literal["open", "closed"], QueryParameter(name="state", description="Which of them")
    ] = "open",
    after: Annotated[UUID | None, QueryParameter(description="`next` of the answer before")] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=cases.LISTED, description="Cases of an answer")
    ] = cases.LISTED,
) -> CaseList:
    """List the cases that wait for somebody, or those that are closed.

    A case is opened when a gate's journal tells of something that does not fit, such as a ticket
    that was used at two gates while one of them was cut off.
    """
    found = await unit(cases_of, slug=slug, is_open=which == "open", after=after, limit=limit)
    return CaseList([CaseOut.of(one) for one in found.rows], found.following)


@get(
    "/api/v1/cases/{case_id:uuid}",
    guards=MAY,
    tags=TAGS,
    responses=problems(errors.CaseUnknown),
)
async def read_case(case_id: FromPath[UUID], unit: NamedDependency[Unit]) -> CaseFile:
    """Read a case with all entries of its ticket."""
    found, entries = await unit(cases.case, case_id=case_id)
    return CaseFile(case=CaseOut.of(found), entries=entries)


@post(
    "/api/v1/cases/{case_id:uuid}/close",
    guards=MAY,
    tags=TAGS,
    status_code=200,
    responses=problems(errors.CaseUnknown, errors.NoteMissing),
)
async def close_case(
    case_id: FromPath[UUID], data: JSONBody[CaseNote], unit: NamedDependency[Unit]
) -> CaseOut:
    """Close a case with a note. One that is closed already stays as it is."""
    return CaseOut.of(await unit(closed, case_id=case_id, note=data.note))


@get("/api/v1/blocked-documents", guards=MAY, tags=TAGS, responses=problems())
async def list_blocked(unit: NamedDependency[Unit]) -> BlockedList:
    """List the documents that nobody may enter with. Their numbers are masked."""
    return BlockedList(await unit(blocked.blocked_documents))


@post(
    "/api/v1/blocked-documents",
    guards=MAY,
    tags=TAGS,
    responses=problems(
        errors.ReasonMissing,
        documents.DocumentLength,
        documents.DocumentCharacters,
        documents.DocumentCheckDigit,
        documents.DocumentBirthDate,
        documents.DocumentRegion,
    ),
)
async def block(data: JSONBody[NewBlock], unit: NamedDependency[Unit]) -> Blocked:
    """Let nobody enter with a document. Gates hear of it within seconds."""
    key = await unit(
        blocked.block_document,
        kind=data.kind.value,
        number=data.number,
        reason=data.reason,
        until=data.until,
    )
    return Blocked(key)


@post(
    "/api/v1/blocked-documents/{block_id:uuid}/lift",
    guards=MAY,
    tags=TAGS,
    status_code=204,
    responses=problems(errors.BlockUnknown),
)
async def lift(block_id: FromPath[UUID], unit: NamedDependency[Unit]) -> None:
    """Take a document off the list. Once more changes nothing."""
    await unit(blocked.lift_block, block_id=block_id)


@get(
    "/api/v1/sites/{slug:str}/zone-limits",
    guards=[requires("sites.edit", "admission.override")],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def list_limits(slug: FromPath[str], unit: NamedDependency[Unit]) -> list[ZoneLimitOut]:
    """Say how full a site's zones are, and may be."""
    return await unit(limits_of, slug=slug)


@put(
    "/api/v1/zones/{zone_id:uuid}/limit",
    guards=[requires("sites.edit")],
    tags=TAGS,
    status_code=204,
    responses=problems(errors.ZoneMissing, errors.OutOfRange),
)
async def set_limit(
    zone_id: FromPath[UUID], data: JSONBody[ZoneLimitPut], unit: NamedDependency[Unit]
) -> None:
    """Set how many may be inside a zone at once.

    Gates that are cut off keep the places that they were given before.
    """
    await unit(zones.set_limit, zone_id=zone_id, max_inside=data.max_inside)


routes: list[Any] = [
    list_cases,
    read_case,
    close_case,
    list_blocked,
    block,
    lift,
    list_limits,
    set_limit,
]
