"""A park for a simulated day: made through the services, its tickets issued like orders do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from nacl.signing import SigningKey

from shanmen.admission import service as admission
from shanmen.admission.schemas import ScanRequest
from shanmen.admission.service import devices
from shanmen.admission.service.zones import set_limit
from shanmen.catalog import service as catalog
from shanmen.catalog.admission_hours import HoursSpec
from shanmen.catalog.queries import current_catalog
from shanmen.catalog.schemas import LocalText, TicketTypeSpec
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Actor, Database, Session
from shanmen.kit import clock, documents, ids
from shanmen.sites.service import places, tenants
from shanmen.tickets import feed, rotating, token
from shanmen.tickets import service as tickets
from shanmen.tickets.gate import document_index
from shanmen.tickets.keys import signing_key
from shanmen.tickets.service import Move, NewHolder, NewTicket
from shanmen.tickets.token import TicketBody

TIMEZONE = "Asia/Shanghai"
ACTOR = Actor("system", label="simulation")
MAIN, HALL = 0, 1
"""Numbers of the zones."""
ENTRANCES = {"South": MAIN, "North": MAIN, "West": MAIN, "Stairs": HALL, "Lift": HALL}
"""Names of the entrances, with the zones that they lead into."""
HALL_HOLDS = 12
"""So many may be in the hall at once."""
LATE = "08:54"
"""From then on, less the grace, late tickets admit."""

KINDS = {
    "single": TicketTypeSpec(name=LocalText(zh="单人票", en="Single")),
    "moving": TicketTypeSpec(name=LocalText(zh="动态码票", en="Moving"), rotating=True),
    "family": TicketTypeSpec(name=LocalText(zh="家庭票", en="Family"), party_size=3),
    "season": TicketTypeSpec(name=LocalText(zh="多次票", en="Season"), entries=0),
    "child": TicketTypeSpec(name=LocalText(zh="儿童票", en="Child"), audience="child"),
    "late": TicketTypeSpec(
        name=LocalText(zh="晚到票", en="Late"),
        # The day is a holiday, which no gate can work out by itself.
        admission_hours=[
            HoursSpec(starts=LATE, day_kinds=["holiday"]),
            HoursSpec(day_kinds=["workday", "weekend"]),
        ],
    ),
    "hall": TicketTypeSpec(name=LocalText(zh="演出票", en="Show"), party_size=2, zones=[HALL]),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants a ticket."""

    kind: str
    starts: datetime
    ends: datetime
    together: bool = False
    """On one order with the ticket before it: a child with its parent."""


@dataclass(slots=True)
class Ticket:
    """A sold ticket: what its owner shows, and what is true of it."""

    number: int
    kind: str
    id: UUID
    body: TicketBody
    code: str
    document: str
    order: int
    """Number of its order: that of the order's first ticket."""
    order_id: UUID
    old_code: str = ""
    """From before the visit was moved."""
    changed_at: datetime | None = None
    """When it was moved or refunded."""
    refunded: bool = False

    @property
    def total(self) -> int | None:
        """Persons that may enter, over all entries; None is without limit."""
        return self.body.party_size * self.body.entries if self.body.entries else None


@dataclass(slots=True)
class Park:
    """What was made, and how to change it."""

    database: Database
    tenant_id: int
    site_id: UUID
    site_number: int
    day: date
    key: tuple[int, SigningKey]
    types: dict[str, tuple[UUID, int]]
    entrances: list[UUID]
    hall: UUID
    """The zone with a maximum."""
    sold: list[Ticket] = field(default_factory=list)
    day_key: bytes = b""

    def at(self, hour: int, minute: int = 0) -> datetime:
        """An instant of the day, by the park's clock."""
        return clock.to_utc(self.day, time(hour, minute), TIMEZONE)

    @property
    def late_from(self) -> datetime:
        """When late tickets begin to admit, by what is printed on them."""
        return clock.to_utc(self.day, time.fromisoformat(LATE), TIMEZONE)

    async def sell(self, wishes: Sequence[Wish]) -> list[Ticket]:
        """Issue tickets (kind, valid from, valid until) in one transaction."""
        async with self.database.transaction(self.tenant_id, actor=ACTOR) as session:
            made: list[Ticket] = []
            for number, wish in enumerate(wishes, len(self.sold) + 1):
                made.append(self._make(number, wish, made[-1] if wish.together else None))
            await run(
                session,
                [
                    tickets.issue_statement(
                        self.tenant_id, [self._row(one) for one in made], issued_at=clock.now()
                    ),
                    tickets.holders_statement(
                        self.tenant_id, [self._holder(session, one) for one in made]
                    ),
                    feed.add_statement(self.tenant_id, [one.id for one in made]),
                ],
            )
        self.sold += made
        return made

    async def refund(self, ticket: Ticket) -> bool:
        """Give a ticket back; False where somebody has entered with it."""
        async with self.database.transaction(self.tenant_id, actor=ACTOR) as session:
            if await self._used(session, ticket):
                return False
            await run(
                session,
                [
                    tickets.refund_statement(self.tenant_id, [ticket.id]),
                    feed.add_statement(self.tenant_id, [ticket.id]),
                ],
            )
        ticket.refunded, ticket.changed_at = True, clock.now()
        return True

    async def move(self, ticket: Ticket, *, by: timedelta) -> bool:
        """Move a visit to a later time of the day; False where somebody has entered with it."""
        old = ticket.body
        starts, ends = old.valid_from + by, old.valid_until + by
        async with self.database.transaction(self.tenant_id, actor=ACTOR) as session:
            if await self._used(session, ticket):
                return False
            moved = Move(ticket.id, ids.new_id(), self.day, starts, ends)
            await run(
                session,
                [
                    *tickets.move_statements(self.tenant_id, [moved]),
                    feed.add_statement(self.tenant_id, [ticket.id]),
                ],
            )
        ticket.old_code, ticket.changed_at = ticket.code, clock.now()
        ticket.body = self._body(ticket.kind, ticket.id, starts, ends, old.generation + 1)
        ticket.code = token.issue(ticket.body, self.key[1])
        return True

    async def entered(self) -> dict[UUID, int]:
        """What the server counts, by ticket."""
        return {
            row[0]: row[1] for row in await self._rows("SELECT id, persons_entered FROM ticket")
        }

    async def cases(self) -> int:
        """How many conflicts the server has found."""
        return int((await self._rows("SELECT count(*) FROM gate_case"))[0][0])

    async def inside_hall(self) -> int:
        """How many the server counts in the zone with a maximum."""
        return int((await self._rows("SELECT inside FROM zone_limit"))[0][0])

    async def look_up(self, *, scan_id: UUID, lane_id: UUID, code: str) -> int:
        """Somebody at a lane scans with a telephone, on the server's own page.

        Returns how many were let in.
        """
        scan = ScanRequest(scan_id=scan_id, lane_id=lane_id, code=code, staff="guard")
        made = await self.database.unit(self.tenant_id, actor=ACTOR)(admission.admit_one, scan=scan)
        return made.persons if made.outcome == "admitted" else 0

    def moving_code(self, ticket: Ticket, moment: datetime) -> str:
        """What the phone shows at a moment."""
        key = rotating.ticket_key(
            self.day_key, ticket_id=ticket.id, generation=ticket.body.generation
        )
        return ticket.code + rotating.tail(key, rotating.step_at(moment))

    def forged(self, key: SigningKey, starts: datetime, ends: datetime) -> str:
        """A code like ours that somebody else has signed."""
        return token.issue(self._body("single", ids.new_id(), starts, ends, 0), key)

    async def device_code(self, entrance: UUID, name: str) -> str:
        """A one-time code for a gate."""
        made = await self.database.unit(self.tenant_id, actor=ACTOR)(
            devices.add_device, entrance_id=entrance, name=name
        )
        return made.code

    async def _used(self, session: Session, ticket: Ticket) -> bool:
        rows = await run(session, [tickets.lock_statement(self.tenant_id, [ticket.id])])
        return any(row[3] > 0 for row in rows[0])

    async def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        async with self.database.transaction(self.tenant_id, actor=ACTOR) as session:
            [rows] = await run(session, [Statement(sql, ())])
        return [tuple(row) for row in rows]

    def _make(self, number: int, wish: Wish, parent: Ticket | None) -> Ticket:
        ticket_id = ids.new_id()
        body = self._body(wish.kind, ticket_id, wish.starts, wish.ends, 0)
        return Ticket(
            number,
            wish.kind,
            ticket_id,
            body,
            token.issue(body, self.key[1]),
            _card(number),
            order=parent.order if parent else number,
            order_id=parent.order_id if parent else ids.new_id(),
        )

    def _body(
        self, kind: str, ticket_id: UUID, starts: datetime, ends: datetime, generation: int
    ) -> TicketBody:
        spec = KINDS[kind]
        return TicketBody(
            key_id=self.key[0],
            site_number=self.site_number,
            ticket_id=ticket_id,
            generation=generation,
            ticket_type_number=self.types[kind][1],
            party_size=spec.party_size,
            entries=spec.entries,
            valid_from=starts,
            valid_until=ends,
            zones=sum(1 << zone for zone in spec.zones),
            rotating=spec.rotating,
        )

    def _row(self, made: Ticket) -> NewTicket:
        body = made.body
        return NewTicket(
            id=made.id,
            order_id=made.order_id,
            order_number=f"{self.day:%y%m%d}{ids.crockford(made.order, 10)}",
            seq=made.number - made.order + 1,
            site_id=self.site_id,
            ticket_type_id=self.types[made.kind][0],
            slot_id=ids.new_id(),
            visit_day=self.day,
            valid_from=body.valid_from,
            valid_until=body.valid_until,
            party_size=body.party_size,
            entries=body.entries,
            zones=body.zones,
            flags=body.flags,
        )

    def _holder(self, session: Session, made: Ticket) -> NewHolder:
        keyring = session.keyring
        return NewHolder(
            ticket_id=made.id,
            seq=0,
            order_id=made.order_id,
            ticket_type_id=self.types[made.kind][0],
            slot_id=ids.new_id(),
            visit_day=self.day,
            name=keyring.encrypt("张三", field="holder.name"),
            name_index=keyring.blind_index("张三", purpose="name"),
            document_kind="id_card",
            document=keyring.encrypt(made.document, field="holder.document"),
            document_index=document_index(keyring, "id_card", made.document),
        )


def _card(number: int) -> str:
    """The valid number of an identity card, another one for each number."""
    born = date(1960, 1, 1) + timedelta(days=number // 1000 % 12_000)
    digits = f"330106{born:%Y%m%d}{number % 1000:03}"
    return digits + documents.check_digit(digits)


async def make_park(database: Database, *, code: str, day: date) -> Park:
    """Make a tenant with one site, its zones, and each of ENTRANCES with two lanes."""
    async with database.transaction(None, actor=ACTOR) as session:
        tenant = await tenants.create_tenant(
            session,
            code=code,
            name={"zh-CN": "模拟景区", "en": "Simulated park"},
            admin_login="admin",
            admin_name="Admin",
            admin_password_hash="!",  # noqa: S106 - nobody signs in there
        )
        site = await tenants.create_site(
            session, slug=code, name={"zh-CN": "模拟山", "en": "Simulated"}, timezone=TIMEZONE
        )
        zones = [
            await places.create_zone(session, site_slug=code, name={"zh-CN": zh, "en": en})
            for zh, en in (("景区", "Park"), ("演出厅", "Hall"))
        ]
        entrances = [
            await places.create_entrance(
                session, site_slug=code, zone_id=zones[zone].id, name={"zh-CN": name, "en": name}
            )
            for name, zone in ENTRANCES.items()
        ]
    async with database.transaction(tenant.tenant_id, actor=ACTOR) as session:
        for entrance in entrances:
            for number, direction in ((1, "in"), (2, "both")):
                await admission.create_lane(
                    session,
                    entrance_id=entrance.id,
                    name={"zh-CN": f"{number} 号", "en": f"Lane {number}"},
                    direction=direction,
                )
        for spec in KINDS.values():
            await catalog.create_ticket_type(session, site_id=site.id, spec=spec)
        await set_limit(session, zone_id=zones[HALL].id, max_inside=HALL_HOLDS)
    async with database.transaction(tenant.tenant_id, actor=ACTOR) as session:
        known = (await current_catalog(session)).types
        by_name = {each.name["en"]: (each.id, each.number) for each in known.values()}
        key = signing_key(session.keyring)
        day_key = rotating.day_key(session.keyring, site_number=site.number, day=day)
        await admission.set_policy(
            session,
            site_id=site.id,
            anti_passback=True,
            companions=[by_name[KINDS["child"].name.en][0]],
        )
    return Park(
        database=database,
        tenant_id=tenant.tenant_id,
        site_id=site.id,
        site_number=site.number,
        day=day,
        key=key,
        types={kind: by_name[spec.name.en] for kind, spec in KINDS.items()},
        entrances=[entrance.id for entrance in entrances],
        hall=zones[HALL].id,
        day_key=day_key,
    )
