"""Two parks full of data that can be told apart, and everything that only one of them has."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import psycopg
from nacl.signing import SigningKey
from psycopg import sql

from shanmen.admission import service as gate
from shanmen.admission.protocol import EnrolRequest, JournalRow
from shanmen.admission.schemas import ScanRequest
from shanmen.admission.service import cases, commands, devices, journal
from shanmen.admission.service.blocked import block_document
from shanmen.catalog import service as catalog
from shanmen.catalog.schemas import SpecialDaySpec
from shanmen.db.session import Database, Session
from shanmen.inventory.schemas import ScheduleSpec, SlotSpec
from shanmen.inventory.service.schedules import create_schedule
from shanmen.kit import clock, ids
from shanmen.kit.documents import DocumentKind
from shanmen.orders.schemas import TicketInput, VisitorInput
from shanmen.orders.service.refund import refund_tickets
from shanmen.sites.rules import PERMISSIONS
from shanmen.sites.service import apikeys, auth, roles, staff
from tests.support.desk import Desk
from tests.support.park import PASSWORD_HASH, Park, add_slot, id_number, make_park
from tests.support.rules import restrict

SHORTEST_MARKER = 5
"""Shorter texts of one tenant may stand on a page of another by chance."""


@dataclass(frozen=True)
class World:
    """One tenant: whatever a route may ask for by a name, and who may ask."""

    tenant_id: int
    park: Park
    values: Mapping[str, str]
    cookie: str
    api_key: str
    gate_key: SigningKey
    gate_id: UUID

    def get(self, name: str) -> str:
        """The value of a parameter of this name; a sentence when nobody has said what it is."""
        if name not in self.values:
            raise AssertionError(
                f"A route has a parameter {name!r} that this walk does not know. "
                "Add what it names to `values` in tests/walk/world.py, so that the walk can ask "
                "for another tenant's."
            )
        return self.values[name]


async def make_world(database: Database, *, mark: str, people: int, phone: str) -> World:
    """A tenant with orders, tickets, refunds, scans, staff, keys, schedules and an audit log.

    Args:
        database: where.
        mark: begins the name of everybody in it; a single rare character.
        people: the first of the numbers of its visitors.
        phone: of its buyers.
    """
    code = f"w{ids.new_id().hex[-10:]}"
    park = await make_park(database, code=code, open_now=True)
    desk = Desk(database, park)
    place = _Buyer(desk, mark=mark, people=people, phone=phone)
    tomorrow = await desk.unit(_slot_of_tomorrow, park=park)
    await place("adult")
    used, given_back = await place("adult"), await place("family")
    paid = await place("adult", slot_id=tomorrow)
    for order in (used, given_back, paid):
        await desk.pay(order)
    await desk.unit(refund_tickets, order_id=given_back.id, fee_percent=0)
    view = await desk.view(paid)
    scan = ScanRequest(
        scan_id=ids.new_id(),
        lane_id=park.lane_id,
        code=f"{used.number}-0",
        kind="number",
        staff=f"{mark}guard",
    )
    await desk.unit(gate.admit_one, scan=scan)
    await desk.unit(gate.undo, scan_id=scan.scan_id, reason=f"{mark} did not turn")
    found = await desk.unit(_people_and_plans, park=park, mark=mark)
    gates, gate_key, gate_id = await _gates(desk, mark=mark, document=id_number(people + 900))
    values = {
        "slug": park.slug,
        "site": park.slug,
        "of_site": park.slug,
        "entrance_id": park.entrance_id,
        "zone_id": park.zone_id,
        "lane_id": park.lane_id,
        "lane": park.lane_id,
        "scan_id": scan.scan_id,
        "order_id": paid.id,
        "number": paid.number,
        "secret": view.secret,
        "restriction_id": await desk.unit(
            restrict, who=people, ticket_id=view.tickets[0].ticket_id
        ),
        "ticket_id": view.tickets[0].ticket_id,
        "ticket_ids": view.tickets[0].ticket_id,
        "ticket": f"{paid.number}-0",
        "product_id": park.types["adult"],
        "product": park.types["adult"],
        "ticket_type_id": park.types["adult"],
        "caps": park.types["adult"],
        "entrances": park.entrance_id,
        "static_codes": park.types["adult"],
        "pool_id": park.gate_pool,
        "pool": park.gate_pool,
        "slot_id": tomorrow,
        "other_slot_ids": tomorrow,
        "tenant": park.tenant_id,
        "provider": "sandbox",
        "phone": phone,
        "document": id_number(people),
        "document_number": id_number(people),
        "name": f"{mark}一",
        **found,
        **gates,
    }
    return World(
        park.tenant_id,
        park,
        {name: str(value) for name, value in values.items()},
        found["cookie"],
        found["api_key"],
        gate_key=gate_key,
        gate_id=gate_id,
    )


async def _gates(
    desk: Desk, *, mark: str, document: str
) -> tuple[dict[str, Any], SigningKey, UUID]:
    """A gate that told of an entry nobody can explain, one that waits, and a blocked document."""
    entrance = desk.park.entrance_id
    made = await desk.unit(devices.add_device, entrance_id=entrance, name=f"{mark}gate")
    waiting = await desk.unit(devices.add_device, entrance_id=entrance, name=f"{mark}spare")
    key = SigningKey.generate()
    wish = EnrolRequest(
        code=made.code.rpartition("-")[0],
        public_key=key.verify_key.encode(),
        name=f"{mark}gate",
        version="1",
    )
    await desk.unit(devices.enrol, request=wish)
    device = await desk.unit(devices.device, device_id=made.device_id)
    assert device is not None
    row = JournalRow(
        seq=1,
        scan_id=ids.new_id(),
        step="admitted",
        at=clock.unix_ns() // 1_000_000,
        skew_ms=0,
        lane_id=desk.park.lane_id,
        ticket_id=ids.new_id().bytes,
        persons=1,
        staff=f"{mark}guard",
    )
    await desk.unit(journal.merge, device=device, rows=[row], count=1)
    site = desk.park.site_id
    [case] = (await desk.unit(cases.cases, site_id=site)).rows
    block = await desk.unit(
        block_document, kind="id_card", number=document, reason=f"{mark} lit a fire"
    )
    await desk.unit(commands.send_command, device_id=made.device_id, kind="sync")
    named = {
        "device_id": waiting.device_id,
        "case_id": case.id,
        "block_id": block,
        "companions": row.scan_id,
        "done": await desk.unit(_command),
    }
    return named, key, made.device_id


@dataclass
class _Buyer:
    desk: Desk
    mark: str
    people: int
    phone: str

    async def __call__(self, kind: str, *, slot_id: UUID | None = None) -> Any:
        park = self.desk.park
        count = 3 if kind == "family" else 1
        visitors = [
            VisitorInput(f"{self.mark}一", DocumentKind.ID_CARD, id_number(self.people + n))
            for n in range(count)
        ]
        self.people += count
        ticket = TicketInput(park.types[kind], slot_id or park.slots[0], visitors)
        return await self.desk.place(park.order(ticket, phone=self.phone))


async def _command(session: Session) -> UUID:
    driver = await session.driver()
    found = await driver.execute("SELECT id FROM gate_command")
    row = await found.fetchone()
    return UUID(str(row[0]))


async def _people_and_plans(session: Session, *, park: Park, mark: str) -> dict[str, Any]:
    role = await roles.create_role(
        session, code=f"r{park.code}", name={"zh-CN": f"{mark}role"}, permissions=["orders.read"]
    )
    guard = await staff.create_staff(
        session,
        login=f"g{park.code}",
        name=f"{mark}guard",
        role_code="gate",
        password_hash=PASSWORD_HASH,
    )
    key = await apikeys.create_key(
        session, name=f"{mark}travel", channel="ota", permissions=PERMISSIONS
    )
    schedule, _ = await create_schedule(
        session,
        pool_id=park.gate_pool,
        spec=ScheduleSpec(
            name=f"{mark}season",
            slots=[SlotSpec(starts="00:00", ends="23:59", capacity=100)],
        ),
    )
    day = park.day + timedelta(days=9)
    await catalog.set_special_days(
        session, site_id=park.site_id, days=[SpecialDaySpec(day=day, day_kind="holiday")]
    )
    own = await auth.open_session(
        session,
        staff_id=await _administrator(session),
        verified_hash=PASSWORD_HASH,
        renewed_hash=None,
        minutes=60,
        ip="",
        user_agent=f"{mark}browser",
    )
    other = await auth.open_session(
        session,
        staff_id=guard.id,
        verified_hash=PASSWORD_HASH,
        renewed_hash=None,
        minutes=60,
        ip="",
        user_agent=f"{mark}browser",
    )
    return {
        "code": role.code,
        "role": role.code,
        "staff_id": guard.id,
        "entity_id": guard.id,
        "session_id": await _session_of(session, guard.id),
        "key_id": key.key.id,
        "schedule_id": schedule.id,
        "day": day.isoformat(),
        "cookie": own.token if own else "",
        "api_key": key.secret,
        "guard_cookie": other.token if other else "",
    }


async def _slot_of_tomorrow(session: Session, *, park: Park) -> UUID:
    return await add_slot(
        session,
        pool_id=park.gate_pool,
        day=park.day + timedelta(days=1),
        starts=time(0),
        ends=time(23, 59),
        capacity=100,
    )


async def _administrator(session: Session) -> UUID:
    driver = await session.driver()
    found = await driver.execute("SELECT id FROM staff WHERE login = 'admin'")
    row = await found.fetchone()
    return UUID(str(row[0]))


async def _session_of(session: Session, staff_id: UUID) -> UUID:
    driver = await session.driver()
    found = await driver.execute("SELECT id FROM staff_session WHERE staff_id = %s", (staff_id,))
    row = await found.fetchone()
    return UUID(str(row[0]))


class Rows:
    """All rows of all tenants, as the owner of the database sees them."""

    def __init__(self, url: str, tables: list[str]) -> None:
        self.url = url
        self.tables = tables

    def rename(self, tenant_id: int, mark: str) -> None:
        """Put a mark into every name of a tenant."""
        with psycopg.connect(self.url) as owner:
            columns = owner.execute(
                "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
                "AND column_name = 'name' AND data_type = 'jsonb'"
            ).fetchall()
            for (table,) in columns:
                key = "id" if table == "tenant" else "tenant_id"
                owner.execute(
                    sql.SQL(
                        "UPDATE {} SET name = jsonb_build_object('zh-CN', %s || '山', 'en', "
                        "%s || ' Hill') WHERE {} = %s"
                    ).format(sql.Identifier(table), sql.Identifier(key)),
                    (mark, mark, tenant_id),
                )

    def checksums(self, tenant_id: int, *, without: frozenset[str] = frozenset()) -> dict[str, str]:
        """A digest of each table's rows of a tenant, and of its jobs."""
        found: dict[str, str] = {}
        with psycopg.connect(self.url) as owner:
            for table in [*self.tables, "procrastinate_jobs"]:
                if table in without:
                    continue
                where = "tenant_id = %s"
                if table == "procrastinate_jobs":
                    where = "(args->>'tenant_id')::int = %s"
                row = owner.execute(
                    sql.SQL(
                        "SELECT count(*) || ':' || md5(coalesce(string_agg(t::text, '|' "
                        f"ORDER BY t::text), '')) FROM {{}} t WHERE {where}"
                    ).format(sql.Identifier(table)),
                    (tenant_id,),
                ).fetchone()
                found[table] = str(row[0])
        return found

    def one(self, tenant_id: int, table: str, column: str, where: str = "true") -> str:
        """A value of one of a tenant's rows; there must be one."""
        with psycopg.connect(self.url) as owner:
            row = owner.execute(
                sql.SQL(f"SELECT {{}}::text FROM {{}} WHERE tenant_id = %s AND {where}").format(
                    sql.Identifier(column), sql.Identifier(table)
                ),
                (tenant_id,),
            ).fetchone()
        return str(row[0])

    def texts(self, tenant_id: int) -> set[str]:
        """Every text, id and number that stands in a tenant's rows, also inside JSON."""
        found: set[str] = set()
        with psycopg.connect(self.url) as owner:
            for table in self.tables:
                rows = owner.execute(
                    sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE tenant_id = %s").format(
                        sql.Identifier(table)
                    ),
                    (tenant_id,),
                ).fetchall()
                for (row,) in rows:
                    found.update(_texts(row))
        return found


BYTES = re.compile(r"\\x[0-9a-f]*")
UUID_TEXT = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
MOMENT = re.compile(r"\d{2,4}[-:]\d{2}[-:]?\d{0,2}.*")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def markers(rows: Rows, own: World, other: World, *, mark: str) -> set[str]:
    """What only the other tenant has: seeing any of it is seeing the other tenant's data."""
    found = rows.texts(other.tenant_id) - rows.texts(own.tenant_id)
    found = {text for text in found if not BYTES.fullmatch(text) and not MOMENT.fullmatch(text)}
    found |= {text.replace("-", "") for text in found if UUID_TEXT.fullmatch(text)}
    found |= {value for name, value in other.values.items() if value != own.values[name]}
    # Personal data stands encrypted in the tables and masked on pages.
    phone, document = other.values["phone"], other.values["document"]
    found |= {mark, f"{phone[:3]}****{phone[-4:]}", document[-4:]}
    found -= {str(other.tenant_id), other.values["day"]}
    return {text for text in found if len(text) >= SHORTEST_MARKER or text == mark}


def in_answer(text: str, wanted: set[str], *, sent: str) -> set[str]:
    """The markers that stand in an answer, those left out that the request itself contained."""
    return {marker for marker in wanted if marker in text and marker not in sent}
