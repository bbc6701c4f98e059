"""A small park of a new tenant, made through the services, with slots on the days ahead."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import update

from shanmen.admission.service import lanes
from shanmen.catalog import service as catalog
from shanmen.catalog.admission_hours import HoursSpec
from shanmen.catalog.models import TicketType
from shanmen.catalog.rules import Draw
from shanmen.catalog.schemas import (
    LimitsSpec,
    LocalText,
    PriceSpec,
    RefundStepSpec,
    RescheduleSpec,
    TicketTypeSpec,
)
from shanmen.db.session import Actor, Database, Session
from shanmen.inventory.models import Pool, Slot, Stock
from shanmen.kit import clock, documents, ids
from shanmen.kit.documents import DocumentKind
from shanmen.orders.schemas import OrderInput, PlaceOrder, TicketInput, VisitorInput
from shanmen.sites.passwords import Passwords
from shanmen.sites.service import places, tenants
from tests.support.copies import Rows

ZONE = "Asia/Shanghai"
PASSWORD = "a long enough password"
PASSWORD_HASH = Passwords().hash_now(PASSWORD)
TESTER = Actor("system", label="tests")


@dataclass(frozen=True)
class Park:
    """What `make_park` made. `slots` are the gate's of tomorrow, `ride_slots` the cableway's."""

    tenant_id: int
    code: str
    slug: str
    site_id: UUID
    zone_id: UUID
    entrance_id: UUID
    lane_id: UUID
    gate_pool: UUID
    ride_pool: UUID
    slots: list[UUID]
    ride_slots: list[UUID]
    day: date
    types: dict[str, UUID]

    def order(
        self,
        *tickets: TicketInput,
        phone: str = "13800138000",
        key: bytes | None = None,
        channel: str = "web",
    ) -> PlaceOrder:
        """A request for these tickets."""
        return PlaceOrder(
            site_id=self.site_id,
            timezone=ZONE,
            channel=channel,
            order=OrderInput(phone=phone, tickets=list(tickets)),
            key_hash=key,
            request_hash=key or b"",
        )

    def ticket(
        self, kind: str = "adult", *, slot: int = 0, people: list[int] | None = None
    ) -> TicketInput:
        """A ticket of a kind for people by number (each has a document of its own)."""
        size = {"family": 3}.get(kind, 1)
        return TicketInput(
            ticket_type_id=self.types[kind],
            slot_id=self.slots[slot],
            visitors=[person(n) for n in (people if people is not None else fresh_people(size))],
        )


async def set_hours(
    database: Database, park: Park, kind: str, *hours: HoursSpec, valid_days: int = 1
) -> None:
    """Let a ticket type admit at these hours alone."""
    async with database.transaction(park.tenant_id, actor=TESTER) as session:
        await catalog.raise_version(session)
        await session.execute(
            update(TicketType)
            .where(TicketType.tenant_id == session.tenant_id, TicketType.id == park.types[kind])
            .values(
                admission_hours=[msgspec.to_builtins(each.window) for each in hours],
                valid_days=valid_days,
            )
        )


_next_person = iter(range(1, 10**9))


def fresh_people(count: int) -> list[int]:
    """Numbers of people that no test has used yet."""
    return [next(_next_person) for _ in range(count)]


def id_number(n: int) -> str:
    """The valid ID number of an adult, a different one for each n up to 3.6 million."""
    born = date(1960, 1, 1) + timedelta(days=n // 1000 % 12000)
    body = f"330106{born:%Y%m%d}{n % 1000:03}"
    return body + documents.check_digit(body)


def person(n: int) -> VisitorInput:
    """Somebody with a valid ID card."""
    return VisitorInput(
        name=f"测试{chr(0x4E00 + n % 20000)}",
        document_kind=DocumentKind.ID_CARD,
        document_number=id_number(n),
    )


async def make_park(
    database: Database,
    *,
    code: str,
    capacity: int = 100,
    slots: int = 3,
    ride_capacity: int = 20,
    open_now: bool = False,
    by_hand: bool = False,
) -> Park:
    """Make a tenant with one site, two pools, `slots` slots tomorrow, and five ticket types.

    With `open_now` there is one slot for each pool instead, and it is all of today. No schedule
    speaks of the slots: where the nightly jobs run they would be closed, unless they are set
    `by_hand`.
    """
    async with database.transaction(None, actor=TESTER) as session:
        tenant = await tenants.create_tenant(
            session,
            code=code,
            name={"zh-CN": "测试景区", "en": "Test park"},
            admin_login="admin",
            admin_name="Admin",
            admin_password_hash=PASSWORD_HASH,
        )
        site = await tenants.create_site(
            session, slug=code, name={"zh-CN": "测试山", "en": "Test hill"}, timezone=ZONE
        )
        zone = await places.create_zone(
            session, site_slug=code, name={"zh-CN": "主景区", "en": "Main"}
        )
        entrance = await places.create_entrance(
            session, site_slug=code, zone_id=zone.id, name={"zh-CN": "东门", "en": "East gate"}
        )
    async with database.transaction(tenant.tenant_id, actor=TESTER) as session:
        lane = await lanes.create_lane(
            session, entrance_id=entrance.id, name={"zh-CN": "1 号道", "en": "Lane 1"}
        )
        day = clock.today(ZONE) + timedelta(days=0 if open_now else 1)
        windows = [(time(8 + 2 * n), time(10 + 2 * n)) for n in range(slots)]
        if open_now:
            windows = [(time(0), time(23, 59))]
        gate = await _pool(session, site.id, "大门", day, windows, capacity=capacity)
        ride = await _pool(session, site.id, "索道", day, windows, capacity=ride_capacity)
        if by_hand:
            await session.execute(update(Slot).values(edited=True))
        types = await _ticket_types(session, site.id, gate[0], ride[0])
    return Park(
        tenant_id=tenant.tenant_id, code=code, slug=code, site_id=site.id, zone_id=zone.id,
        entrance_id=entrance.id, lane_id=lane.id, gate_pool=gate[0], ride_pool=ride[0],
        slots=gate[1], ride_slots=ride[1], day=day, types=types,
    )  # fmt: skip


async def _pool(
    session: Session,
    site_id: UUID,
    name: str,
    day: date,
    windows: list[tuple[time, time]],
    *,
    capacity: int,
) -> tuple[UUID, list[UUID]]:
    pool = Pool(tenant_id=session.tenant_id, id=ids.new_id(), site_id=site_id, name={"zh-CN": name})
    session.add(pool)
    await session.flush()
    return pool.id, await _slots(session, pool.id, day, windows, capacity=capacity)


async def add_slot(
    session: Session, *, pool_id: UUID, day: date, starts: time, ends: time, capacity: int
) -> UUID:
    """A slot with its counter."""
    [slot_id] = await _slots(session, pool_id, day, [(starts, ends)], capacity=capacity)
    return slot_id


async def _slots(
    session: Session, pool_id: UUID, day: date, windows: list[tuple[time, time]], *, capacity: int
) -> list[UUID]:
    slots = [
        Slot(
            tenant_id=session.tenant_id, id=ids.new_id(), pool_id=pool_id, day=day, starts=starts,
            ends=ends, starts_at=clock.to_utc(day, starts, ZONE),
            ends_at=clock.to_utc(day, ends, ZONE), status="open",
        )
        for starts, ends in windows
    ]  # fmt: skip
    session.add_all(slots)
    await session.flush()
    session.add_all(
        Stock(
            tenant_id=session.tenant_id, id=slot.id, slot_id=slot.id, pool_id=pool_id, day=day,
            scope="slot", ref="", capacity=capacity,
        )
        for slot in slots
    )  # fmt: skip
    await session.flush()
    return [slot.id for slot in slots]


PRICES = {"adult": 12000, "child": 6000, "family": 26000, "bundle": 20000, "free": 0}


AUDIENCES: dict[str, Literal["child", "family"]] = {"child": "child", "family": "family"}


@dataclass(frozen=True)
class _Types:
    """The ticket types of the first park that this process made."""

    site_id: UUID
    gate: UUID
    ride: UUID
    types: dict[str, UUID]
    rows: Rows


_first: list[_Types] = []


async def _ticket_types(session: Session, site_id: UUID, gate: UUID, ride: UUID) -> dict[str, UUID]:
    if not _first:
        types = {kind: await _ticket_type(session, site_id, kind, gate, ride) for kind in PRICES}
        _first.append(_Types(site_id, gate, ride, types, await Rows.read(session)))
        return types
    first = _first[0]
    known = {first.site_id: site_id, first.gate: gate, first.ride: ride}
    fresh = await first.rows.write(session, known)
    return {kind: fresh[type_id] for kind, type_id in first.types.items()}


async def _ticket_type(session: Session, site_id: UUID, kind: str, gate: UUID, ride: UUID) -> UUID:
    info = await catalog.create_ticket_type(
        session,
        site_id=site_id,
        spec=TicketTypeSpec(
            name=LocalText(zh=f"{kind}票", en=kind.title()),
            audience=AUDIENCES.get(kind, "adult"),
            party_size=3 if kind == "family" else 1,
            max_age=17 if kind == "child" else None,
            days_ahead=60,
            refund=[
                RefundStepSpec(hours_before=24, fee_percent=0),
                RefundStepSpec(hours_before=0, fee_percent=10),
            ],
            reschedule=RescheduleSpec(times=1, hours_before=0),
            limits=LimitsSpec(per_document_day=1, per_document_slot=1, group="entry"),
        ),
    )
    await catalog.set_prices(
        session, ticket_type_id=info.id, prices=[PriceSpec(amount_fen=PRICES[kind])]
    )
    draws = [Draw(gate, 3 if kind == "family" else 1)]
    if kind == "bundle":
        draws.append(Draw(ride, 1))
    await catalog.set_draws(session, ticket_type_id=info.id, draws=draws)
    return info.id
