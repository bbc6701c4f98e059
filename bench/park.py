"""A scenic area of a new tenant for one benchmark, made through the product's own services."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

import msgspec

from bench.load import http
from shanmen.admission.service import lanes
from shanmen.catalog import service as catalog
from shanmen.catalog.rules import Draw
from shanmen.catalog.schemas import (
    LimitsSpec,
    LocalText,
    PriceSpec,
    RefundStepSpec,
    TicketTypeSpec,
)
from shanmen.db.session import Actor, Database, Session
from shanmen.inventory.models import Pool, Slot, Stock
from shanmen.kit import clock, documents, ids
from shanmen.kit.crypto import Keyring
from shanmen.sites.passwords import Passwords
from shanmen.sites.service import apikeys, places, tenants

ZONE = "Asia/Shanghai"
ACTOR = Actor("system", label="benchmark")
PERMISSIONS = (
    "orders.read",
    "orders.change",
    "admission.scan",
    "insight.read",
)
PRICE_FEN = 8000
VISITORS = 2
"""Named persons, and so tickets, of each order."""
EARLIEST_BIRTH = date(1955, 1, 1)
BIRTHS = 16_000
"""Days of birth to choose from; with 999 sequence numbers each, 16 million people."""


@dataclass(frozen=True, slots=True)
class Window:
    """A slot to make: its day and its local times."""

    day: date
    starts: time
    ends: time


@dataclass(frozen=True, slots=True)
class Place:
    """A site with one pool, one ticket type and one lane."""

    tenant_id: int
    slug: str
    site_id: UUID
    site_number: int
    entrance_id: UUID
    lane_id: UUID
    pool_id: UUID
    type_id: UUID
    type_number: int
    slots: tuple[UUID, ...]
    windows: tuple[Window, ...]

    @property
    def today(self) -> date:
        """The local date."""
        return clock.today(ZONE)


@dataclass(frozen=True, slots=True)
class Park:
    """A tenant with its sites and an API key that may sell and admit."""

    tenant_id: int
    code: str
    sites: tuple[Place, ...]
    key: str

    @property
    def site(self) -> Place:
        """The first site."""
        return self.sites[0]

    def headers(self, **more: str) -> dict[str, str]:
        """What every call of the API carries."""
        return {"Authorization": f"Bearer {self.key}", "Accept": "application/json", **more}

    def order(self, place: Place, slot_id: UUID, number: int, *, visitors: int = VISITORS) -> bytes:
        """The request that places order `number`: its buyer and visitors are of nobody else."""
        people = range(number * visitors, (number + 1) * visitors)
        body = {
            "phone": phone(number),
            "locale": "zh-CN",
            "tickets": [
                {
                    "ticket_type_id": place.type_id,
                    "slot_id": slot_id,
                    "visitors": [
                        {
                            "name": name(n),
                            "document_kind": "id_card",
                            "document_number": id_number(n),
                        }
                    ],
                }
                for n in people
            ],
        }
        headers = self.headers(
            **{
                "Content-Type": "application/json",
                "Idempotency-Key": f"bench-{number}",
            }
        )
        return http(
            "POST",
            f"/api/v1/sites/{place.slug}/orders",
            headers=headers,
            body=msgspec.json.encode(body),
        )


def id_number(n: int) -> str:
    """The valid ID number of an adult; another one for each n below 16 million."""
    born = EARLIEST_BIRTH + timedelta(days=n // 999 % BIRTHS)
    body = f"330106{born:%Y%m%d}{n % 999 + 1:03}"
    return body + documents.check_digit(body)


def phone(n: int) -> str:
    """A mobile number; another one for each n below 100 million."""
    return f"138{n:08}"


def name(n: int) -> str:
    """A name of three characters; 60,000 different ones."""
    return f"{'王李张刘陈杨黄赵吴周'[n % 10]}{chr(0x4E00 + n // 10 % 6000)}山"


def windows(first: date, *, days: int, each: int, minutes: int) -> list[Window]:
    """So many slots on so many days, one after the other from six in the morning."""
    made = []
    for offset in range(days):
        for n in range(each):
            begin = 6 * 60 + n * minutes
            made.append(
                Window(
                    first + timedelta(days=offset),
                    time(begin // 60, begin % 60),
                    time((begin + minutes) // 60, (begin + minutes) % 60),
                )
            )
    return made


def whole_day(day: date) -> Window:
    """One slot that is open whenever the benchmark runs."""
    return Window(day, time(0), time(23, 59))


async def make_park(
    database: Database,
    *,
    slots: Sequence[Window],
    capacity: int,
    sites: int = 1,
) -> Park:
    """Make a tenant with `sites` sites, each with the same slots of one pool.

    Its ticket type asks for the name and document of each visitor and has limits on both document
    and phone, as real-name sales do.
    """
    code = f"b{ids.new_id().hex[-10:]}"
    hashed = Passwords().hash_now(ids.token(12))
    async with database.transaction(None, actor=ACTOR) as session:
        tenant = await tenants.create_tenant(
            session, code=code, name={"zh-CN": "测试景区", "en": "Bench"}, admin_login="admin",
            admin_name="Admin", admin_password_hash=hashed,
        )  # fmt: skip
        # Made in the tenant's first transaction, which is the one that knows its new key.
        made = [
            await _site(session, tenant.tenant_id, f"{code}-{n}", slots, capacity)
            for n in range(sites)
        ]
        key = await apikeys.create_key(
            session, name="bench", channel="ota", permissions=PERMISSIONS
        )
    return Park(tenant.tenant_id, code, tuple(made), key.secret)


async def _site(
    session: Session, tenant_id: int, slug: str, slots: Sequence[Window], capacity: int
) -> Place:
    site = await tenants.create_site(
        session, slug=slug, name={"zh-CN": "测试山", "en": "Bench hill"}, timezone=ZONE
    )
    zone = await places.create_zone(session, site_slug=slug, name={"zh-CN": "主景区"})
    entrance = await places.create_entrance(
        session, site_slug=slug, zone_id=zone.id, name={"zh-CN": "东门", "en": "East gate"}
    )
    lane = await lanes.create_lane(session, entrance_id=entrance.id, name={"zh-CN": "1 号道"})
    pool = Pool(tenant_id=tenant_id, id=ids.new_id(), site_id=site.id, name={"zh-CN": "入园"})
    session.add(pool)
    await session.flush()
    made = await add_slots(session, pool.id, slots, capacity)
    kind = await catalog.create_ticket_type(
        session,
        site_id=site.id,
        spec=TicketTypeSpec(
            name=LocalText(zh="成人票", en="Adult"),
            days_ahead=365,
            max_per_order=10,
            refund=[RefundStepSpec(hours_before=0, fee_percent=10)],
            limits=LimitsSpec(per_document_day=1, per_document_slot=1, per_phone_day=10),
        ),
    )
    await catalog.set_prices(
        session, ticket_type_id=kind.id, prices=[PriceSpec(amount_fen=PRICE_FEN)]
    )
    await catalog.set_draws(session, ticket_type_id=kind.id, draws=[Draw(pool.id, 1)])
    return Place(
        tenant_id=tenant_id, slug=slug, site_id=site.id, site_number=site.number,
        entrance_id=entrance.id, lane_id=lane.id, pool_id=pool.id, type_id=kind.id,
        type_number=kind.number, slots=tuple(made), windows=tuple(slots),
    )  # fmt: skip


async def add_slots(
    session: Session, pool_id: UUID, slots: Sequence[Window], capacity: int
) -> list[UUID]:
    """Make slots with their counters; returns their ids in the same order."""
    tenant_id = session.tenant_id
    rows = [
        Slot(
            tenant_id=tenant_id, id=ids.new_id(), pool_id=pool_id, day=window.day,
            starts=window.starts, ends=window.ends,
            starts_at=clock.to_utc(window.day, window.starts, ZONE),
            ends_at=clock.to_utc(window.day, window.ends, ZONE), status="open",
        )
        for window in slots
    ]  # fmt: skip
    session.add_all(rows)
    await session.flush()
    session.add_all(
        Stock(
            tenant_id=tenant_id, id=row.id, slot_id=row.id, pool_id=row.pool_id, day=row.day,
            scope="slot", ref="", capacity=capacity,
        )
        for row in rows
    )  # fmt: skip
    await session.flush()
    return [row.id for row in rows]


async def keyring_of(database: Database, tenant_id: int) -> Keyring:
    """The tenant's keys, to write encrypted rows and to sign tickets."""
    async with database.transaction(tenant_id, actor=ACTOR) as session:
        return session.keyring


def local_day(day: date) -> tuple[datetime, datetime]:
    """The instants at which a local day begins and ends."""
    return clock.to_utc(day, time(), ZONE), clock.to_utc(day + timedelta(days=1), time(), ZONE)


def orders(
    park: Park, targets: Sequence[tuple[Place, UUID]], count: int, *, visitors: int = VISITORS
) -> Iterator[tuple[bytes, int]]:
    """Requests for `count` orders, spread over slots in turn; all made at once, beforehand."""
    made = [
        (park.order(*targets[number % len(targets)], number, visitors=visitors), number)
        for number in range(count)
    ]
    return iter(made)
