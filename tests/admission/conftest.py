"""A park with gates: two lanes at the east gate, one at the west gate, and tickets to try."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from shanmen.admission import service
from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.catalog.queries import current_catalog
from shanmen.db.outbox import install_subscribers
from shanmen.db.session import Actor, Database, Unit
from shanmen.kit import clock, ids
from shanmen.sites import queries as sites
from shanmen.sites.service import places
from shanmen.tickets import rotating, token
from shanmen.tickets.keys import signing_key
from shanmen.tickets.models import Holder, Ticket
from shanmen.tickets.token import TicketBody
from shanmen.wiring import SUBSCRIBERS
from tests.sites.conftest import asgi
from tests.support.park import ZONE, Park, fresh_people, id_number

if TYPE_CHECKING:
    from tests.admission.gatehouse import Gatehouse

install_subscribers(SUBSCRIBERS)

GUARD = Actor("staff", "1", "Gao (gao)")
CHIEF = Actor("staff", "2", "Zhou (zhou)")


@dataclass(frozen=True)
class Made:
    """A ticket that a test made."""

    id: UUID
    number: str
    code: str
    body: TicketBody
    documents: list[str] = field(repr=False)


@dataclass(frozen=True)
class Gates:
    """The park's gates and a maker of tickets. `day` is the visit's day."""

    database: Database
    park: Park
    day: date
    site_number: int
    east: UUID
    east_2: UUID
    west: UUID
    ride: UUID
    exit: UUID

    def unit(self, actor: Actor = GUARD) -> Unit:
        return self.database.unit(self.park.tenant_id, actor=actor)

    def at(self, hour: int, minute: int = 0, *, days: int = 0, second: int = 0) -> datetime:
        """An instant by the park's clock, on the visit's day or some days after."""
        start = clock.to_utc(self.day + timedelta(days=days), time(0), ZONE)
        return start + timedelta(hours=hour, minutes=minute, seconds=second)

    def _window(self, zone: int, first: int, last: int) -> tuple[int, str, str]:
        return zone, self.at(first).isoformat(), self.at(last).isoformat()

    async def ticket(
        self,
        kind: str = "adult",
        *,
        starts: int = 10,
        ends: int = 12,
        days: int = 1,
        party: int | None = None,
        entries: int = 1,
        zones: int = 1,
        flags: int = 0,
        generation: int = 0,
        status: str = "valid",
        entered: int = 0,
        paid: bool = True,
        named: bool = True,
        home: int | None = None,
        people: list[int] | None = None,
        shift_days: int = 0,
        windows: Sequence[tuple[int, int, int]] = (),
    ) -> Made:
        """Make a ticket for the visit's day; its windows are given in hours of the day.

        `windows` are those of zones, by number, that it opens at a time of their own.
        """
        size = party or {"family": 3}.get(kind, 1)
        valid_from = self.at(starts, days=shift_days)
        valid_until = self.at(ends, days=days - 1 + shift_days)
        number = ids.order_number(self.day)
        ticket_id, order_id, slot_id = ids.new_id(), ids.new_id(), ids.new_id()
        persons = people if people is not None else fresh_people(size if named else 0)
        async with self.database.transaction(self.park.tenant_id, actor=GUARD) as session:
            catalog = await current_catalog(session)
            if paid:
                session.add(
                    Ticket(
                        tenant_id=session.tenant_id, id=ticket_id, order_id=order_id,
                        order_number=number, seq=1, site_id=self.park.site_id,
                        ticket_type_id=self.park.types[kind], slot_id=slot_id,
                        visit_day=self.day + timedelta(days=shift_days), valid_from=valid_from,
                        valid_until=valid_until, party_size=size, entries=entries, zones=zones,
                        flags=flags, generation=generation, status=status,
                        persons_entered=entered, issued_at=clock.now(),
                        windows=[self._window(*each) for each in windows] or None,
                    )
                )  # fmt: skip
            for seq, person in enumerate(persons):
                document, name = id_number(person), "张小明"
                session.add(
                    Holder(
                        tenant_id=session.tenant_id, ticket_id=ticket_id, seq=seq,
                        order_id=order_id, ticket_type_id=self.park.types[kind], slot_id=slot_id,
                        visit_day=self.day + timedelta(days=shift_days),
                        name=session.keyring.encrypt(name, field="holder.name"),
                        name_index=session.keyring.blind_index(name, purpose="name"),
                        document_kind="id_card",
                        document=session.keyring.encrypt(document, field="holder.document"),
                        document_index=session.keyring.blind_index(
                            f"id_card:{document}", purpose="document"
                        ),
                        active=True,
                    )
                )  # fmt: skip
            key_id, key = signing_key(session.keyring)
        body = TicketBody(
            key_id=key_id, site_number=self.site_number, ticket_id=ticket_id,
            generation=generation, ticket_type_number=catalog.types[self.park.types[kind]].number,
            party_size=size, entries=entries, valid_from=valid_from, valid_until=valid_until,
            zones=zones, rotating=bool(flags & token.ROTATING),
            second_factor=bool(flags & token.SECOND_FACTOR), home_entrance=home,
        )  # fmt: skip
        documents = [id_number(person) for person in persons]
        return Made(ticket_id, f"{number}-1", token.issue(body, key), body, documents)

    async def moving_code(self, made: Made, at: datetime) -> str:
        """The code that the phone shows at an instant."""
        async with self.database.transaction(self.park.tenant_id, actor=GUARD) as session:
            day = clock.local(at, ZONE).date()
            key = rotating.day_key(session.keyring, site_number=self.site_number, day=day)
        own = rotating.ticket_key(key, ticket_id=made.id, generation=made.body.generation)
        return made.code + rotating.tail(own, rotating.step_at(at))

    def request(self, code: str, **changes: object) -> ScanRequest:
        values: dict[str, object] = {"scan_id": ids.new_id(), "lane_id": self.east, "code": code}
        return ScanRequest(**{**values, "staff": "Gao (gao)", **changes})  # type: ignore[arg-type]

    async def scan(
        self, code: str, *, at: datetime | None = None, **changes: object
    ) -> DecisionView:
        """Decide one scan, in the middle of the usual slot unless told otherwise."""
        with clock.at(at or self.at(11)):
            return await self.unit()(service.admit_one, scan=self.request(code, **changes))

    async def row(self, ticket_id: UUID) -> Ticket:
        async with self.database.transaction(self.park.tenant_id, actor=GUARD) as session:
            return await session.get_one(Ticket, (session.tenant_id, ticket_id))


@pytest.fixture
async def gates(database: Database, park: Park) -> Gates:
    unit = database.unit(park.tenant_id, actor=CHIEF)
    west = await unit(
        places.create_entrance, site_slug=park.slug, zone_id=park.zone_id,
        name={"zh-CN": "西门", "en": "West gate"},
    )  # fmt: skip
    zone = await unit(
        places.create_zone, site_slug=park.slug, name={"zh-CN": "索道", "en": "Cableway"}
    )
    ride = await unit(
        places.create_entrance, site_slug=park.slug, zone_id=zone.id,
        name={"zh-CN": "索道站", "en": "Cableway station"},
    )  # fmt: skip
    made = [
        await unit(
            service.create_lane, entrance_id=entrance, direction=direction,
            name={"zh-CN": "通道", "en": "Lane"},
        )
        for entrance, direction in (
            (park.entrance_id, "in"), (park.entrance_id, "both"), (west.id, "in"),
            (ride.id, "in"), (west.id, "out"),
        )
    ]  # fmt: skip
    number = (await unit(sites.site_contexts))[0].number
    return Gates(database, park, park.day, number, *(lane.id for lane in made))


@pytest.fixture(scope="module")
def app(database: Database) -> Litestar:
    """The application as far as gates and their people use it."""
    from tests.admission.gatehouse import make_app  # noqa: PLC0415 - it stands on this module

    return make_app(database)


@pytest.fixture
async def house(app: Litestar, gates: Gates) -> AsyncIterator["Gatehouse"]:
    """The park's gates, and the application that they ask."""
    from tests.admission.gatehouse import Gatehouse  # noqa: PLC0415 - it stands on this module

    async with httpx.AsyncClient(transport=asgi(app), base_url="http://test") as http:
        yield Gatehouse(gates, http, app)
