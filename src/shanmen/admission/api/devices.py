"""A site's gates, for programs: as they are now, enrolled, revoked, and told what to do."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from shanmen.admission import errors
from shanmen.admission.service import commands, devices
from shanmen.admission.service.devices import NewCode
from shanmen.admission.service.overview import (
    DeviceState,
    DeviceView,
    EntranceLive,
    LaneLive,
    Overview,
    overview,
)
from shanmen.db.session import Session, Unit
from shanmen.sites import errors as sites_errors
from shanmen.sites import queries as sites
from shanmen.sites.access import requires
from shanmen.sites.schemas import Text, problems

AnyRequest = Request[Any, Any, Any]
TAGS = ["gates"]
SEE = [requires("sites.edit", "admission.override")]
COMMAND = [requires("admission.override")]
EDIT = [requires("sites.edit")]


class GateOut(Struct, kw_only=True, frozen=True):
    """A gate's computer as the server knows it."""

    id: UUID
    name: Annotated[str, Meta(description="What the operator calls it.", examples=["东门 1"])]
    state: Annotated[
        DeviceState,
        Meta(
            description="`waiting` for its code to be used, the code `expired`, `online`, "
            "`offline` when it was not heard of for 15 seconds, or `revoked`."
        ),
    ]
    code_expires_at: Annotated[
        datetime | None, Meta(description="Until when its one-time code may be used.")
    ]
    enrolled_at: datetime | None
    """When it came to hold its key; null before."""
    revoked_at: datetime | None
    last_seen_at: datetime | None
    """When the server last heard of it."""
    version: Annotated[str, Meta(description="Of its software; empty before it is enrolled.")]
    unsent: Annotated[int, Meta(description="Rows of its journal that are not on the server yet.")]
    battery_percent: int | None
    """Of its battery; null where it has none."""
    waiting_commands: int
    """Commands that it has not carried out yet."""

    @classmethod
    def of(cls, view: DeviceView) -> "GateOut":
        """As programs see it."""
        return cls(
            id=view.id,
            name=view.name,
            state=view.state,
            code_expires_at=view.code_expires_at,
            enrolled_at=view.enrolled_at,
            revoked_at=view.revoked_at,
            last_seen_at=view.last_seen_at,
            version=view.version,
            unsent=int(view.health.get("queue", 0)),
            battery_percent=view.health.get("battery_percent"),
            waiting_commands=view.waiting_commands,
        )


class LastScanOut(Struct, kw_only=True, frozen=True):
    """What a lane decided last."""

    at: datetime
    outcome: Literal["admitted", "refused"]
    persons: int
    """How many it admitted; 0 for a refusal."""
    reason: Annotated[
        str, Meta(description="Code of the refusal, also of one that was overridden; else empty.")
    ]


class LaneNow(Struct, kw_only=True, frozen=True):
    """A lane as it is at this moment."""

    id: UUID
    number: Annotated[int, Meta(description="Within its entrance.", examples=[1])]
    name: Text
    direction: str
    state: Annotated[
        Literal["open", "closed", "emergency", "fault", "offline", "asks"],
        Meta(
            description="As its gate tells; `asks` where no gate is and the server decides, "
            "`offline` where the gate is not heard of."
        ),
    ]
    people: Annotated[
        int | None, Meta(description="Who passed it today, by its gate; null without a gate.")
    ]
    fault: Annotated[str, Meta(description="What its gate says is broken; empty: nothing.")]
    last_scan: LastScanOut | None
    gate_id: Annotated[UUID | None, Meta(description="The gate that drives it.")]

    @classmethod
    def of(cls, live: LaneLive) -> "LaneNow":
        """As programs see it."""
        last: Any = live.last
        state: Any = live.state
        return cls(
            id=live.lane.id,
            number=live.lane.number,
            name=live.lane.name,
            direction=live.lane.direction,
            state=state,
            people=live.people,
            fault=live.fault,
            last_scan=last
            and LastScanOut(
                at=last.at, outcome=last.outcome, persons=last.persons, reason=last.reason
            ),
            gate_id=live.device_id,
        )


class EntranceNow(Struct, kw_only=True, frozen=True):
    """An entrance with its gates and lanes."""

    id: UUID
    name: Text
    active: bool
    zone_number: int
    gates: list[GateOut]
    lanes: list[LaneNow]

    @classmethod
    def of(cls, live: EntranceLive) -> "EntranceNow":
        """As programs see it."""
        return cls(
            id=live.place.entrance_id,
            name=live.place.entrance_name,
            active=live.place.active,
            zone_number=live.place.zone_number,
            gates=[GateOut.of(one) for one in live.devices],
            lanes=[LaneNow.of(one) for one in live.lanes],
        )


class GatesNow(Struct, kw_only=True, frozen=True):
    """All gates and lanes of a site."""

    at: datetime
    """When it was so."""
    emergency: Annotated[bool, Meta(description="Whether any lane stands open in an emergency.")]
    open_cases: Annotated[int, Meta(description="Cases that wait for somebody.")]
    entrances: list[EntranceNow]

    @classmethod
    def of(cls, seen: Overview) -> "GatesNow":
        """As programs see it."""
        return cls(
            at=seen.at,
            emergency=seen.emergency,
            open_cases=seen.open_cases,
            entrances=[EntranceNow.of(one) for one in seen.entrances],
        )


class NewGate(Struct, kw_only=True, forbid_unknown_fields=True):
    """A gate to prepare."""

    entrance_id: UUID
    name: Annotated[str, Meta(max_length=devices.NAME_LENGTH, examples=["东门 1"])]


class EnrolmentCode(Struct, kw_only=True, frozen=True):
    """What makes a computer a gate, once."""

    gate_id: UUID
    code: Annotated[
        str, Meta(description="Good for one computer. Whoever has it can become this gate.")
    ]
    command: Annotated[str, Meta(description="What to run on the gate's computer.")]
    expires_at: datetime
    """Until when the code may be used."""

    @classmethod
    def of(cls, made: NewCode, request: AnyRequest) -> "EnrolmentCode":
        """As programs see it; gates find the server where everybody does."""
        return cls(
            gate_id=made.device_id,
            code=made.code,
            command=made.command(str(request.app.state.settings.base_url)),
            expires_at=made.expires_at,
        )


class GateCommand(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a gate shall do."""

    kind: Annotated[
        Literal["open", "close", "message", "emergency_on", "emergency_off", "sync"],
        Meta(
            description="`open` and `close` are for one lane and hold on the server too; "
            "`message` shows a text; `emergency_on` opens all lanes of this gate."
        ),
    ]
    lane_id: Annotated[UUID | None, Meta(description="One of its lanes; null: all of them.")] = None
    text: Annotated[
        str, Meta(max_length=commands.TEXT_LENGTH, description="What `message` shows.")
    ] = ""


class Emergency(Struct, kw_only=True, forbid_unknown_fields=True):
    """Open everything, or end that."""

    on: Annotated[bool, Meta(description="True opens all lanes of all gates, false ends it.")]


class Asked(Struct, kw_only=True, frozen=True):
    """How many gates were asked."""

    gates: int
    """Each carries it out as soon as it is heard of."""


async def gates_of(session: Session, *, slug: str) -> Overview:
    """Everything about the gates of the site at an address; raises SiteUnknown."""
    site = await sites.site(session, slug=slug)
    return await overview(session, site_id=site.id, timezone=site.timezone)


@get(
    "/api/v1/sites/{slug:str}/gates",
    guards=SEE,
    tags=TAGS,
    responses=problems(sites_errors.SiteUnknown),
)
async def list_gates(slug: FromPath[str], unit: NamedDependency[Unit]) -> GatesNow:
    """Read a site's gates and lanes as they are now.

    Gates tell how they are every few seconds. Of those that were revoked, only the last day's are
    in the list.
    """
    return GatesNow.of(await unit(gates_of, slug=slug))


@post(
    "/api/v1/gates",
    guards=EDIT,
    tags=TAGS,
    responses=problems(errors.EntranceUnknown, errors.DeviceNameMissing),
)
async def add_gate(
    request: AnyRequest, data: JSONBody[NewGate], unit: NamedDependency[Unit]
) -> EnrolmentCode:
    """Prepare a gate and get its one-time code.

    Run the command on the gate's computer within 24 hours; it then holds a key of its own.
    """
    made = await unit(devices.add_device, entrance_id=data.entrance_id, name=data.name)
    return EnrolmentCode.of(made, request)


@post(
    "/api/v1/gates/{device_id:uuid}/code",
    guards=EDIT,
    tags=TAGS,
    status_code=200,
    responses=problems(errors.DeviceMissing),
)
async def new_code(
    request: AnyRequest, device_id: FromPath[UUID], unit: NamedDependency[Unit]
) -> EnrolmentCode:
    """Get another one-time code for a gate that was not enrolled in time.

    The code before it is void. A computer that was set up anew is a new gate: add one.
    """
    return EnrolmentCode.of(await unit(devices.renew_code, device_id=device_id), request)


@post(
    "/api/v1/gates/{device_id:uuid}/revoke",
    guards=EDIT,
    tags=TAGS,
    status_code=204,
    responses=problems(errors.DeviceMissing),
)
async def revoke(device_id: FromPath[UUID], unit: NamedDependency[Unit]) -> None:
    """Take a gate's rights away for good.

    For a gate that was stolen or is not used any more. Once more changes nothing.
    """
    await unit(devices.revoke_device, device_id=device_id)


@post(
    "/api/v1/gates/{device_id:uuid}/commands",
    guards=COMMAND,
    tags=TAGS,
    status_code=204,
    responses=problems(
        errors.DeviceMissing, errors.BadCommand, errors.LaneElsewhere, errors.MessageMissing
    ),
)
async def command(
    device_id: FromPath[UUID], data: JSONBody[GateCommand], unit: NamedDependency[Unit]
) -> None:
    """Open or close a lane of a gate, show a message, and the like.

    The gate carries it out when it is next heard of; what it does not hear of for a day is dropped.
    `waiting_commands` of the gate says what is not done yet.
    """
    await unit(
        commands.send_command,
        device_id=device_id,
        kind=data.kind,
        lane_id=data.lane_id,
        text=data.text,
    )


async def emergency_at(session: Session, *, slug: str, on: bool) -> int:
    """Open all lanes of the site at an address, or end that; raises SiteUnknown."""
    site = await sites.site(session, slug=slug)
    return await commands.emergency(session, site_id=site.id, on=on)


@post(
    "/api/v1/sites/{slug:str}/emergency",
    guards=COMMAND,
    tags=TAGS,
    status_code=200,
    responses=problems(sites_errors.SiteUnknown),
)
async def emergency(
    slug: FromPath[str], data: JSONBody[Emergency], unit: NamedDependency[Unit]
) -> Asked:
    """Open all lanes of all gates of a site, or end that."""
    return Asked(gates=await unit(emergency_at, slug=slug, on=data.on))


routes: list[Any] = [list_gates, add_gate, new_code, revoke, command, emergency]
