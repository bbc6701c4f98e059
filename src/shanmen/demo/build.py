"""What a demo park is made of, and making it through the services, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from shanmen.admission import service as admission
from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import LocalText, PriceSpec, TicketTypeSpec
from shanmen.db.session import Session
from shanmen.demo.logins import Login
from shanmen.inventory.division import AllotmentSpec
from shanmen.inventory.schemas import DrawSpec, PoolSpec, ScheduleSpec, SlotSpec
from shanmen.inventory.service import pools, schedules
from shanmen.inventory.service.divide import set_division
from shanmen.sites.service import places, staff, tenants

Names = Mapping[str, str]
Times = Sequence[tuple[str, str, int]]
"""Slots of a day: start, end, places."""

TIMEZONE = "Asia/Shanghai"
PEAK_MONTHS = ((4, 1), (10, 31))
"""First and last day of the season."""


def both(zh: str, en: str) -> dict[str, str]:
    """A text in both languages."""
    return {"zh-CN": zh, "en": en}


@dataclass(frozen=True, slots=True)
class Gate:
    """An entrance: the key of its zone, its name, the names of its lanes in and out."""

    key: str
    zone: str
    name: Names
    lanes_in: Sequence[Names]
    lanes_out: Sequence[Names] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """One schedule of a pool: its name, the days that it speaks of, their slots."""

    name: str
    slots: Times
    peak: bool = False
    day_kind: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """One row of a price table, in yuan; `peak` rows hold for the season of each year."""

    name: str
    yuan: int
    peak: bool = False
    day_kind: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A ticket type, its prices, and the pools that it draws on (key, places)."""

    key: str
    spec: TicketTypeSpec
    prices: Sequence[Price]
    draws: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class ParkSpec:
    """A whole demo park. Entrances, pools and types are found again by their order."""

    code: str
    slug: str
    tenant: Names
    name: Names
    intro: Names
    notice: Names
    address: Names
    hours: Names
    phone: str
    zones: Mapping[str, Names]
    gates: Sequence[Gate]
    pools: Mapping[str, tuple[Names, Sequence[Hours]]]
    kinds: Sequence[Kind]
    logins: Sequence[Login]
    shares: Mapping[str, Sequence[AllotmentSpec]] = field(default_factory=dict)
    """How pools are divided among channels, by the pool's key."""
    pool_zones: Mapping[str, str] = field(default_factory=dict)
    """The key of the zone that a pool's places are in, by the pool's key."""


@dataclass(slots=True)
class Built:
    """What was made."""

    tenant_id: int
    site_id: UUID
    pools: dict[str, UUID] = field(default_factory=dict)


async def build(session: Session, *, spec: ParkSpec, password_hash: str, today: date) -> Built:
    """Make the tenant with everything in it; the caller's session comes without a tenant."""
    first, *others = spec.logins
    tenant = await tenants.create_tenant(
        session,
        code=spec.code,
        name=spec.tenant,
        admin_login=first.local,
        admin_name=first.person,
        admin_password_hash=password_hash,
    )
    for login in others:
        await staff.create_staff(
            session,
            login=login.local,
            name=login.person,
            role_code=login.role,
            password_hash=password_hash,
        )
    site = await tenants.create_site(
        session,
        slug=spec.slug,
        name=spec.name,
        timezone=TIMEZONE,
        intro=spec.intro,
        notice=spec.notice,
        address=spec.address,
        opening_hours=spec.hours,
        phone=spec.phone,
    )
    built = Built(tenant.tenant_id, site.id)
    zones = await _places(session, spec)
    await _stock(session, spec, built, zones, today)
    return built


async def _places(session: Session, spec: ParkSpec) -> dict[str, UUID]:
    """Zones with their entrances and lanes; returns the zones by their keys."""
    zones = {
        key: (await places.create_zone(session, site_slug=spec.slug, name=name)).id
        for key, name in spec.zones.items()
    }
    for gate in spec.gates:
        entrance = await places.create_entrance(
            session, site_slug=spec.slug, zone_id=zones[gate.zone], name=gate.name
        )
        for direction, names in (("in", gate.lanes_in), ("out", gate.lanes_out)):
            for name in names:
                await admission.create_lane(
                    session, entrance_id=entrance.id, name=name, direction=direction
                )
    return zones


async def _stock(
    session: Session, spec: ParkSpec, built: Built, zones: Mapping[str, UUID], today: date
) -> None:
    """Types, draws and shares before schedules: each slot is made once, with what it needs."""
    for position, (key, (name, _)) in enumerate(spec.pools.items()):
        pool = await pools.create_pool(
            session,
            site_id=built.site_id,
            spec=PoolSpec(
                name=_text(name), position=position, zone_id=zones.get(spec.pool_zones.get(key, ""))
            ),
        )
        built.pools[key] = pool.id
    for kind in spec.kinds:
        info = await catalog.create_ticket_type(session, site_id=built.site_id, spec=kind.spec)
        await catalog.set_prices(
            session, ticket_type_id=info.id, prices=price_table(kind.prices, today)
        )
        await pools.set_stock(
            session,
            ticket_type_id=info.id,
            draws=[DrawSpec(pool_id=built.pools[key], quantity=n) for key, n in kind.draws],
        )
    for key, allotments in spec.shares.items():
        await set_division(session, pool_id=built.pools[key], allotments=allotments)
    for key, (_, timetable) in spec.pools.items():
        await schedules.create_schedules(
            session,
            pool_id=built.pools[key],
            specs=[schedule for hours in timetable for schedule in _schedules(hours, today)],
        )


def _text(names: Names) -> LocalText:
    return LocalText(zh=names["zh-CN"], en=names["en"])


def seasons(today: date) -> list[tuple[date, date]]:
    """The seasons that the past year and the coming one touch."""
    (first_month, first_day), (last_month, last_day) = PEAK_MONTHS
    around = [
        (date(year, first_month, first_day), date(year, last_month, last_day))
        for year in range(today.year - 2, today.year + 2)
    ]
    return [
        (begin, end)
        for begin, end in around
        if end >= today - timedelta(days=400) and begin <= today + timedelta(days=366)
    ]


def price_table(prices: Sequence[Price], today: date) -> list[PriceSpec]:
    """The rows as the catalog keeps them: those of the season once for each year."""
    rows = []
    for price in prices:
        for begin, end in seasons(today) if price.peak else [(None, None)]:
            rows.append(
                PriceSpec(
                    amount_fen=price.yuan * 100,
                    name=price.name,
                    date_from=begin,
                    date_until=end,
                    day_kind=price.day_kind,  # type: ignore[arg-type]
                    priority=price.priority,
                )
            )
    return rows


def _schedules(hours: Hours, today: date) -> list[ScheduleSpec]:
    return [
        ScheduleSpec(
            name=hours.name if begin is None else f"{hours.name} {begin.year}",
            date_from=begin,
            date_until=end,
            day_kind=hours.day_kind,  # type: ignore[arg-type]
            priority=hours.priority,
            slots=[
                SlotSpec(starts=starts, ends=ends, capacity=n) for starts, ends, n in hours.slots
            ],
        )
        for begin, end in (seasons(today) if hours.peak else [(None, None)])
    ]
