"""A site's gates at a glance: devices, lanes, zones, and the bound on double entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shanmen.admission.bound import Bound, bound
from shanmen.admission.queries import LaneView, all_places, lanes
from shanmen.admission.service import setup, zones
from shanmen.admission.service.cases import open_cases
from shanmen.admission.service.lane_rows import LaneRow, PolicyRow, policies, policies_statement
from shanmen.catalog.queries import current_catalog
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.sites.places import Place

DeviceState = Literal["waiting", "expired", "online", "offline", "revoked"]

DEVICES = """
SELECT d.id, d.entrance_id, d.name, d.code_expires_at, d.enrolled_at, d.revoked_at, d.last_seen_at,
    d.version, d.health, (SELECT count(*) FROM gate_command c
        WHERE c.tenant_id = d.tenant_id AND c.device_id = d.id AND c.done_at IS NULL
            AND c.created_at > %s)
FROM gate_device d WHERE d.tenant_id = %s AND d.site_id = %s
    AND (d.revoked_at IS NULL OR d.revoked_at > %s)
ORDER BY d.created_at, d.id
"""
LAST_SCANS = """
SELECT l.id, s.at, s.outcome, s.persons, s.reason
FROM lane l
JOIN entrance e ON e.tenant_id = l.tenant_id AND e.id = l.entrance_id
CROSS JOIN LATERAL (
    SELECT at, outcome, persons, reason FROM scan
    WHERE tenant_id = l.tenant_id AND lane_id = l.id ORDER BY at DESC LIMIT 1
) AS s
WHERE l.tenant_id = %s AND e.site_id = %s
"""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A gate as the console shows it."""

    id: UUID
    entrance_id: UUID
    name: str
    code_expires_at: datetime | None
    enrolled_at: datetime | None
    revoked_at: datetime | None
    last_seen_at: datetime | None
    version: str
    health: dict[str, Any]
    waiting_commands: int
    state: DeviceState


@dataclass(frozen=True, slots=True)
class LastScan:
    """What a lane saw last."""

    at: datetime
    outcome: str
    persons: int
    reason: str


@dataclass(frozen=True, slots=True)
class LaneLive:
    """A lane as it is now."""

    lane: LaneView
    state: str
    """open, closed, emergency, fault, offline; asks where the server decides."""
    people: int | None
    fault: str
    last: LastScan | None
    device_id: UUID | None


@dataclass(frozen=True, slots=True)
class EntranceLive:
    """An entrance with its gates and lanes."""

    place: Place
    devices: tuple[DeviceView, ...]
    lanes: tuple[LaneLive, ...]


@dataclass(frozen=True, slots=True)
class ZoneLive:
    """How full a zone with a maximum is."""

    number: int
    zone_id: UUID
    name: dict[str, str]
    inside: int
    max_inside: int
    reserved: int


@dataclass(frozen=True, slots=True)
class BoundView:
    """The bound of a ticket type."""

    name: dict[str, str]
    bound: Bound


@dataclass(frozen=True, slots=True)
class Overview:
    """A site's gates."""

    at: datetime
    entrances: tuple[EntranceLive, ...]
    zones: tuple[ZoneLive, ...]
    bounds: tuple[BoundView, ...]
    open_cases: int

    @property
    def devices(self) -> list[DeviceView]:
        """All gates that are enrolled."""
        return [
            each
            for one in self.entrances
            for each in one.devices
            if each.state in {"online", "offline"}
        ]

    @property
    def emergency(self) -> bool:
        """Whether any lane stands open."""
        return any(lane.state == "emergency" for one in self.entrances for lane in one.lanes)


async def overview(session: Session, *, site_id: UUID, timezone: str) -> Overview:
    """Everything about a site's gates as it is now."""
    now, tenant = clock.now(), session.tenant_id
    day_ago = now - zones.FORGOTTEN_AFTER
    own = [p for p in (await all_places(session)).values() if p.site_id == site_id]
    ways = await lanes(session, site_id=site_id)
    device_rows, scan_rows, gate_rows, zone_rows, policy_rows = await run(
        session,
        [
            Statement(DEVICES, (day_ago, tenant, site_id, day_ago)),
            Statement(LAST_SCANS, (tenant, site_id)),
            setup.gates_statement(tenant, site_id=site_id),
            zones.zones_statement(tenant),
            policies_statement(tenant),
        ],
    )
    devices = [_device(row, now) for row in device_rows]
    last = {row[0]: LastScan(*row[1:]) for row in scan_rows}
    today = clock.today(timezone)
    gates = setup.gates(gate_rows)
    rows = [LaneRow(w.id, w.entrance_id, w.number, w.name, w.direction, w.active) for w in ways]
    entrances = setup.entrance_infos(own, lanes=rows)
    catalog = await current_catalog(session)
    policy = policies(policy_rows).get(site_id, PolicyRow())
    kinds = setup.type_infos(catalog, own, policy=policy) if own else []
    return Overview(
        at=now,
        entrances=tuple(_entrance(place, devices, ways, last) for place in own),
        zones=tuple(
            ZoneLive(z.number, z.zone_id, z.name, z.inside_on(today), z.max_inside, z.reserved)
            for z in zones.zone_rows(zone_rows).values()
            if z.site_id == site_id
        ),
        bounds=tuple(
            BoundView(kind.name, bound(kind, entrances=entrances, gates=gates)) for kind in kinds
        ),
        open_cases=await open_cases(session, site_id=site_id),
    )


def _device(row: Sequence[Any], now: datetime) -> DeviceView:
    return DeviceView(*[*row, _state(row, now)])


def _state(row: Sequence[Any], now: datetime) -> DeviceState:
    _, _, _, expires_at, enrolled_at, revoked_at, last_seen_at, *_ = row
    if revoked_at is not None:
        return "revoked"
    if enrolled_at is None:
        return "waiting" if expires_at is not None and expires_at > now else "expired"
    heard = last_seen_at is not None and last_seen_at > now - zones.CUT_OFF_AFTER
    return "online" if heard else "offline"


def _entrance(
    place: Place,
    devices: Sequence[DeviceView],
    ways: Sequence[LaneView],
    last: Mapping[UUID, LastScan],
) -> EntranceLive:
    here = tuple(d for d in devices if d.entrance_id == place.entrance_id)
    told: dict[str, tuple[DeviceView, dict[str, Any]]] = {}
    for device in here:
        if device.state in {"online", "offline"}:
            told.update(
                {each["lane_id"]: (device, each) for each in device.health.get("lanes", ())}
            )
    return EntranceLive(
        place=place,
        devices=here,
        lanes=tuple(
            _lane(way, told.get(str(way.id)), last.get(way.id))
            for way in ways
            if way.entrance_id == place.entrance_id
        ),
    )


def _lane(
    way: LaneView, told: tuple[DeviceView, dict[str, Any]] | None, last: LastScan | None
) -> LaneLive:
    if told is None:
        state = "asks" if way.open else "closed"
        return LaneLive(way, state, None, "", last, None)
    device, health = told
    state = str(health["state"]) if device.state == "online" else "offline"
    fault = str(health.get("fault", ""))
    return LaneLive(way, state, int(health.get("people", 0)), fault, last, device.id)
