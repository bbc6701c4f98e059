"""Everything about a gate's place that is not a ticket, read and put together for the gate."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from shanmen.admission import protocol
from shanmen.admission.errors import RequestRepeated
from shanmen.admission.protocol import (
    EntranceInfo,
    GateInfo,
    LaneInfo,
    PlaceInfo,
    Rules,
    Setup,
    TypeInfo,
    ZoneState,
)
from shanmen.admission.records import REMEMBER_INSIDE
from shanmen.admission.service.devices import Device, document_key, document_keys, turn_statement
from shanmen.admission.service.lane_rows import (
    LaneRow,
    PolicyRow,
    lanes,
    policies,
    policies_statement,
)
from shanmen.admission.service.zones import (
    CUT_OFF_AFTER,
    ZoneRow,
    room_of,
    share_of,
    zone_rows,
    zones_statement,
)
from shanmen.catalog.queries import catalog_at, version_statement
from shanmen.catalog.rules import Catalog
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock
from shanmen.kit.crypto import Keyring
from shanmen.kit.days import DayKind
from shanmen.kit.hours import LOOK_AHEAD_DAYS
from shanmen.sites.places import Place, places, places_statement
from shanmen.tickets import rotating
from shanmen.tickets.keys import public_keys

__all__ = [
    "REMEMBER_INSIDE",
    "SetupFacts",
    "blocked_marks",
    "blocked_statement",
    "facts",
    "note_share",
    "setup",
    "statements",
]

BLOCKED_FIELD = "blocked.document"

LANES_OF_SITE = """
SELECT l.id, l.entrance_id, l.number, l.name, l.direction, l.active FROM lane l
JOIN entrance e ON e.tenant_id = l.tenant_id AND e.id = l.entrance_id
WHERE l.tenant_id = %s AND e.site_id = %s ORDER BY l.number
"""
GATES = """
SELECT e.number, d.last_seen_at IS NOT NULL AND d.last_seen_at > %s
FROM gate_device d
JOIN entrance e ON e.tenant_id = d.tenant_id AND e.id = d.entrance_id
WHERE d.tenant_id = %s AND d.site_id = %s AND d.public_key IS NOT NULL AND d.revoked_at IS NULL
ORDER BY e.number, d.id
"""
BLOCKED = """
SELECT document FROM blocked_document
WHERE tenant_id = %s AND lifted_at IS NULL AND (until IS NULL OR until >= %s) ORDER BY id
"""
NOTE_SHARE = """
UPDATE gate_device SET share = %s, told_count = %s, last_seen_at = %s
WHERE tenant_id = %s AND id = %s AND told_count <= %s RETURNING id
"""


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """What was read of a gate's place."""

    device: Device
    places: Sequence[Place]
    lanes: Sequence[LaneRow]
    """Of the whole site."""
    policy: PolicyRow
    zones: Sequence[ZoneRow]
    catalog: Catalog
    blocked: Sequence[bytes]
    """Encrypted numbers."""
    gates: Sequence[GateInfo]
    today: date
    turn: int = 0
    """Of the documents' key, see `devices.document_key`."""

    @property
    def zone_entrances(self) -> tuple[UUID, ...]:
        """The entrances of the gate's zone."""
        return tuple(
            place.entrance_id
            for place in self.places
            if place.site_id == self.device.site_id and place.zone_number == self.device.zone_number
        )

    @property
    def zone_states(self) -> tuple[ZoneState, ...]:
        """How full the site's zones with a maximum are."""
        numbers = {zone.zone_id: zone.number for zone in self.zones}
        return tuple(
            ZoneState(
                number=numbers[zone.zone_id],
                inside=zone.inside_on(self.today),
                max_inside=zone.max_inside,
                share=self.share if zone.zone_id == self.device.zone_id else None,
            )
            for zone in self.zones
            if zone.site_id == self.device.site_id
        )

    @property
    def share(self) -> int | None:
        """How many this gate may let into its zone while it is cut off."""
        own = next((z for z in self.zones if z.zone_id == self.device.zone_id), None)
        if own is None:
            return None
        return share_of(own, today=self.today, parts=self._parts())

    def _parts(self) -> int:
        """Among how many the zone's places are divided.

        Every gate that leads into it has a part, and every entrance without a gate has one too.
        """
        here = {p.entrance_id: p.entrance_number for p in self.places}
        own = set(self.zone_entrances)
        inward = {lane.entrance_id for lane in self.lanes if lane.inward}
        gates = Counter(gate.entrance for gate in self.gates)
        return sum(max(1, gates[here[one]]) for one in own & inward)


def statements(tenant_id: int, *, device: Device) -> list[Statement]:
    """Read all of it; rows make `facts`."""
    return [
        places_statement(tenant_id),
        Statement(LANES_OF_SITE, (tenant_id, device.site_id)),
        policies_statement(tenant_id),
        zones_statement(tenant_id, besides=device.id),
        blocked_statement(tenant_id, timezone=device.timezone),
        gates_statement(tenant_id, site_id=device.site_id),
        version_statement(tenant_id),
        turn_statement(tenant_id, site_id=device.site_id),
    ]


def gates_statement(tenant_id: int, *, site_id: UUID) -> Statement:
    """Read the gates of a site that may admit; rows make `gates`."""
    return Statement(GATES, (clock.now() - CUT_OFF_AFTER, tenant_id, site_id))


def gates(rows: Sequence[Sequence[Any]]) -> tuple[GateInfo, ...]:
    """The gates as the bound wants them."""
    return tuple(GateInfo(entrance=number, online=online) for number, online in rows)


def blocked_statement(tenant_id: int, *, timezone: str) -> Statement:
    """Read the documents that are blocked today; rows make `blocked_marks`."""
    return Statement(BLOCKED, (tenant_id, clock.today(timezone)))


def blocked_marks(
    keyring: Keyring, rows: Sequence[Sequence[Any]], *, site_id: UUID, turn: int
) -> frozenset[bytes]:
    """The marks that gates know the blocked documents by, or knew: some were cut off since."""
    keys = document_keys(keyring, site_id, turn=turn)
    return frozenset(_mark(keyring, key, row[0]) for row in rows for key in keys)


async def facts(
    session: Session, rows: Sequence[Sequence[Sequence[Any]]], *, device: Device
) -> SetupFacts:
    """What the rows of `statements` say."""
    where, ways, rules, zones, blocked, devices, version, turn = rows
    return SetupFacts(
        device=device,
        places=tuple(places(where).values()),
        lanes=tuple(lanes(ways).values()),
        policy=policies(rules).get(device.site_id, PolicyRow()),
        zones=tuple(zone_rows(zones).values()),
        catalog=await catalog_at(session, version[0][0] if version else 0),
        blocked=tuple(row[0] for row in blocked),
        gates=gates(devices),
        today=clock.today(device.timezone),
        turn=turn[0][0],
    )


async def note_share(
    session: Session, *, device: Device, facts: SetupFacts, room: int, count: int
) -> None:
    """Remember what the gate may do alone: that is kept free while it is cut off.

    It goes by its new share if it gets the answer, and else by the `room` that it has. Raises
    RequestRepeated where a later request (`count`) overtook this one: nobody waits for its answer.
    """
    share = max(facts.share or 0, room_of(room))
    told = (share, count, clock.now(), session.tenant_id, device.id, count)
    [noted] = await run(session, [Statement(NOTE_SHARE, told)])
    if not noted:
        raise RequestRepeated(wanted=count)


def setup(known: SetupFacts, *, keyring: Keyring, now: datetime) -> Setup:
    """The gate's setup; the same facts on the same day give the same bytes."""
    device = known.device
    key = document_key(keyring, device.site_id, known.turn)
    own = [p for p in known.places if p.site_id == device.site_id]
    site = next(p for p in own if p.entrance_id == device.entrance_id)
    return Setup(
        timezone=device.timezone,
        site=PlaceInfo(number=site.site_number, name=site.site_name),
        entrance=device.entrance_number,
        zone=device.zone_number,
        lanes=[
            LaneInfo(
                id=lane.id,
                number=lane.number,
                name=lane.name,
                direction=lane.direction,  # type: ignore[arg-type] # One of the three, by its form.
                open=lane.active and site.active,
            )
            for lane in known.lanes
            if lane.entrance_id == device.entrance_id
        ],
        sites=_unique((p.site_number, p.site_name) for p in known.places),
        zones=_unique((p.zone_number, p.zone_name) for p in own),
        entrances=entrance_infos(own, lanes=known.lanes),
        types=type_infos(known.catalog, own, policy=known.policy),
        zone_states=[],
        rules=_rules(known.policy),
        signing_keys={number: key.encode() for number, key in public_keys(keyring).items()},
        day_keys=_day_keys(known, keyring, now),
        document_key=key,
        blocked=[_mark(keyring, key, document) for document in known.blocked],
        gates=list(known.gates),
        day_kinds=_day_kinds(known),
    )


def _day_kinds(known: SetupFacts) -> dict[str, DayKind]:
    """The days that the weekday alone does not tell, where a ticket type asks for kinds of day."""
    site_id = known.device.site_id
    windows = [w for kind in known.catalog.of_site(site_id) for w in kind.admission_hours]
    if not any(window.day_kinds for window in windows):
        return {}
    # The hours of yesterday may last until this morning.
    first, last = known.today - timedelta(days=2), known.today + timedelta(days=LOOK_AHEAD_DAYS)
    odd = known.catalog.odd_days(site_id, first, last)
    return {day.isoformat(): kind for day, kind in odd.items()}


def entrance_infos(own: Sequence[Place], *, lanes: Sequence[LaneRow]) -> list[EntranceInfo]:
    """A site's entrances; at each that is open somebody may scan with the server's own page."""
    inward = {lane.entrance_id for lane in lanes if lane.inward}
    return [
        EntranceInfo(
            number=p.entrance_number,
            name=p.entrance_name,
            zone=p.zone_number,
            asks=p.active and p.entrance_id in inward,
        )
        for p in own
    ]


def type_infos(catalog: Catalog, own: Sequence[Place], *, policy: PolicyRow) -> list[TypeInfo]:
    """A site's ticket types as gates must know them; `own` are the site's entrances."""
    numbers = {p.entrance_id: p.entrance_number for p in own}
    found = []
    for kind in catalog.of_site(own[0].site_id):
        only = policy.entrances.get(str(kind.id))
        found.append(
            TypeInfo(
                number=kind.number,
                name=kind.name,
                audience=kind.audience,
                entrances=None
                if only is None
                else sorted(numbers[one] for one in only if one in numbers),
                companion=str(kind.id) in policy.companions,
                static_code=policy.static_rule(kind.id, ""),
                party_size=kind.party_size,
                entries=kind.entries,
                zones=kind.zones,
                hours=kind.admission_hours,
            )
        )
    return found


def _rules(row: PolicyRow) -> Rules:
    policy = row.policy
    minute = timedelta(minutes=1)
    return Rules(
        grace_before_minutes=policy.grace_before // minute,
        grace_after_minutes=policy.grace_after // minute,
        repeat_seconds=int(policy.repeat_after.total_seconds()),
        anti_passback=policy.anti_passback,
        passage_seconds=row.passage_seconds,
        ask_budget_ms=row.ask_budget_ms,
        day_key_days=row.day_key_days,
    )


def _day_keys(known: SetupFacts, keyring: Keyring, now: datetime) -> dict[str, bytes]:
    """From yesterday, whose codes are told from wrong ones, to the horizon that is set."""
    today = clock.local(now, known.device.timezone).date()
    days = [today + timedelta(days=n) for n in range(-1, known.policy.day_key_days + 1)]
    return {
        day.isoformat(): rotating.day_key(keyring, site_number=known.device.site_number, day=day)
        for day in days
    }


def _unique(pairs: Any) -> list[PlaceInfo]:  # noqa: ANN401 - an iterable of number and names
    found: Mapping[int, dict[str, str]] = dict(pairs)
    return [PlaceInfo(number=number, name=name) for number, name in sorted(found.items())]


@lru_cache(maxsize=65_536)
def _mark(keyring: Keyring, key: bytes, document: bytes) -> bytes:
    """The mark of a blocked document, whose number is encrypted."""
    number = keyring.decrypt(document, field=BLOCKED_FIELD)
    return protocol.document_mark(key, number)
