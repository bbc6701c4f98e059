"""How gates are set up, for programs: lanes, and what a site asks of its gates."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from shanmen.admission import errors, queries, service
from shanmen.admission.queries import LaneView, PolicyView
from shanmen.db.session import Unit
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.schemas import Text, problems

TAGS = ["gates"]
Direction = Literal["in", "out", "both"]


class Lanes(Struct, frozen=True):
    """All lanes that the key may see."""

    lanes: list[LaneView]


class NewLane(Struct, kw_only=True, forbid_unknown_fields=True):
    """A lane to add; it gets the lowest free number of its entrance."""

    entrance_id: UUID
    name: Text
    direction: Direction = "in"


class LaneChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a lane; what is left out stays. A closed lane admits nobody."""

    name: Text | None = None
    direction: Direction | None = None
    active: bool | None = None


class GateRules(Struct, kw_only=True, frozen=True):
    """What a site asks of its gates."""

    grace_before_minutes: int
    grace_after_minutes: int
    repeat_seconds: int
    passage_seconds: int
    ask_budget_ms: int
    day_key_days: int
    anti_passback: bool
    entrances: dict[UUID, list[UUID]]
    companions: list[UUID]
    static_codes: dict[UUID, dict[str, str]]

    @classmethod
    def of(cls, view: PolicyView) -> "GateRules":
        """As programs see it."""
        return cls(
            grace_before_minutes=view.grace_before_minutes,
            grace_after_minutes=view.grace_after_minutes,
            repeat_seconds=view.repeat_seconds,
            passage_seconds=view.passage_seconds,
            ask_budget_ms=view.ask_budget_ms,
            day_key_days=view.day_key_days,
            anti_passback=view.anti_passback,
            entrances={kind: sorted(several) for kind, several in view.entrances.items()},
            companions=sorted(view.companions),
            static_codes={kind: dict(rules) for kind, rules in view.static_codes.items()},
        )


class GateRulesChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of a site's rules; what is left out stays. Figures have their bounds."""

    grace_before_minutes: Annotated[
        int | None, Meta(description="Admitted so long before the slot.")
    ] = None
    grace_after_minutes: Annotated[int | None, Meta(description="And so long after it.")] = None
    repeat_seconds: Annotated[
        int | None, Meta(description="The same document is not admitted sooner.")
    ] = None
    passage_seconds: Annotated[
        int | None, Meta(description="A sensor waits so long for a passage.")
    ] = None
    ask_budget_ms: Annotated[
        int | None, Meta(description="A gate waits so long for the server.")
    ] = None
    day_key_days: Annotated[
        int | None, Meta(description="Days for which gates hold keys of changing codes.")
    ] = None
    anti_passback: bool | None = None
    entrances: Annotated[
        dict[UUID, list[UUID]] | None,
        Meta(description="By ticket type the only entrances that admit it; all others are free."),
    ] = None
    companions: Annotated[
        list[UUID] | None, Meta(description="Ticket types that enter only together with others.")
    ] = None
    static_codes: Annotated[
        dict[UUID, dict[str, Literal["free", "document"]]] | None,
        Meta(description="By ticket type and channel what a code must prove that does not change."),
    ] = None


@get("/api/v1/lanes", guards=[requires("admission.scan")], tags=TAGS, responses=problems())
async def list_lanes(unit: NamedDependency[Unit]) -> Lanes:
    """List the lanes with their entrance, zone and site, closed ones too."""
    return Lanes(list(await unit(queries.lanes)))


@post(
    "/api/v1/lanes",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(
        errors.EntranceUnknown,
        errors.BadDirection,
        errors.NoLaneNumberLeft,
        sites_errors.NameMissing,
    ),
)
async def create_lane(data: JSONBody[NewLane], unit: NamedDependency[Unit]) -> LaneView:
    """Add a lane to an entrance."""
    return await unit(
        service.create_lane,
        entrance_id=data.entrance_id,
        name=data.name,
        direction=data.direction,
    )


@patch(
    "/api/v1/lanes/{lane_id:uuid}",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(errors.LaneUnknown, errors.BadDirection, sites_errors.NameMissing),
)
async def change_lane(
    lane_id: FromPath[UUID], data: JSONBody[LaneChange], unit: NamedDependency[Unit]
) -> LaneView:
    """Rename, turn, close or open a lane."""
    return await unit(
        service.change_lane,
        lane_id=lane_id,
        name=data.name,
        direction=data.direction,
        active=data.active,
    )


@get(
    "/api/v1/sites/{slug:str}/gate-rules",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def read_gate_rules(slug: FromPath[str], unit: NamedDependency[Unit]) -> GateRules:
    """Read what a site asks of its gates."""
    site = await unit(sites.site, slug=slug)
    return GateRules.of(await unit(queries.policy_of, site_id=site.id))


@patch(
    "/api/v1/sites/{slug:str}/gate-rules",
    guards=[requires("sites.edit")],
    tags=TAGS,
    responses=problems(
        sites_errors.SiteUnknown,
        errors.SiteUnknown,
        errors.EntranceUnknown,
        errors.TicketTypeUnknown,
        errors.BadStaticRule,
        errors.OutOfRange,
    ),
)
async def change_gate_rules(
    slug: FromPath[str], data: JSONBody[GateRulesChange], unit: NamedDependency[Unit]
) -> GateRules:
    """Change what a site asks of its gates; one that is cut off hears of it later."""
    site = await unit(sites.site, slug=slug)
    return GateRules.of(
        await unit(
            service.set_policy,
            site_id=site.id,
            grace_before_minutes=data.grace_before_minutes,
            grace_after_minutes=data.grace_after_minutes,
            repeat_seconds=data.repeat_seconds,
            passage_seconds=data.passage_seconds,
            ask_budget_ms=data.ask_budget_ms,
            day_key_days=data.day_key_days,
            entrances=data.entrances,
            anti_passback=data.anti_passback,
            companions=data.companions,
            static_codes=data.static_codes,
        )
    )


routes: list[Any] = [list_lanes, create_lane, change_lane, read_gate_rules, change_gate_rules]
