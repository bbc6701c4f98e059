"""`admit` and `admit16`: gates that scan tickets, decided by the server over HTTP."""

import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from bench.bulk import PREPARE, write_orders, write_people
from bench.load import Request, Stream, http, load
from bench.park import ZONE, Park, keyring_of, make_park, whole_day
from bench.report import Goal, Meter, Report, at_least, at_most
from bench.rig import Rig
from shanmen.kit import clock, ids
from shanmen.kit.crypto import Keyring
from shanmen.tickets import token
from shanmen.tickets.keys import signing_key

ADMITTED = re.compile(rb'"outcome":"admitted"')
MOST_PER_SECOND = 9_000
WARM = 1_000
DEMO_ORDERS = 20_000
TODAY = (
    "SELECT id, valid_from, valid_until FROM ticket "
    "WHERE tenant_id = %s AND visit_day = %s AND status = 'valid' ORDER BY id LIMIT %s"
)


def sign_tickets(
    keyring: Keyring, park: Park, rows: Sequence[tuple[UUID, object, object]]
) -> list[str]:
    """The codes of tickets, as their e-tickets show them."""
    key_id, key = signing_key(keyring)
    return [
        token.issue(
            token.TicketBody(
                key_id=key_id,
                site_number=park.site.site_number,
                ticket_id=ticket_id,
                generation=0,
                ticket_type_number=park.site.type_number,
                party_size=1,
                entries=1,
                valid_from=begins,  # type: ignore[arg-type] # Instants of the table.
                valid_until=ends,  # type: ignore[arg-type]
                zones=1,
            ),
            key,
        )
        for ticket_id, begins, ends in rows
    ]


def scans(park: Park, codes: Sequence[str]) -> list[Request]:
    """The requests of gates that scan these codes."""
    headers = park.headers(**{"Content-Type": "application/json"})
    made: list[Request] = []
    for code in codes:
        body = {
            "scan_id": ids.new_id(), "lane_id": park.site.lane_id, "code": code, "kind": "code",
        }  # fmt: skip
        request = http(
            "POST", "/api/v1/admissions", headers=headers, body=msgspec.json.encode(body)
        )
        made.append((request, None))
    return made


def admit(rig: Rig, report: Report) -> None:
    """Distinct tickets at 64 connections."""
    _run(
        rig, report, connections=rig.asked.connections or 64, history=0,
        per_s=at_least(5000), p99_ms=at_most(40),
    )  # fmt: skip


def admit16(rig: Rig, report: Report) -> None:
    """Sixteen gates at a park of the demo's size."""
    _run(
        rig, report, connections=rig.asked.connections or 16, history=DEMO_ORDERS, per_s=None,
        p99_ms=at_most(20),
    )  # fmt: skip


def _run(
    rig: Rig,
    report: Report,
    *,
    connections: int,
    history: int,
    per_s: Goal | None,
    p99_ms: Goal,
) -> None:
    name = rig.fresh("admit")
    today = clock.today(ZONE)
    days = [whole_day(today + timedelta(days=n)) for n in range(-30, 1)]
    park = rig.inside(name, lambda database: make_park(database, slots=days, capacity=10_000_000))
    keyring = rig.inside(name, lambda database: keyring_of(database, park.tenant_id))
    count = round(rig.asked.seconds * MOST_PER_SECOND) + WARM
    with rig.connect(name) as connection:
        connection.execute(PREPARE)
        write_people(connection, keyring)
        if history:
            write_orders(connection, park.site, count=history, first=0, today_only=False)
        write_orders(connection, park.site, count=count // 2 + 1, first=history, today_only=True)
        rows = connection.execute(TODAY, (park.tenant_id, today, count)).fetchall()
        before = connection.execute(
            "SELECT count(*) FROM scan WHERE outcome = 'admitted'"
        ).fetchone()
    requests = scans(park, sign_tickets(keyring, park, rows))
    admitted = 0

    def heard(_: object, status: int, body: bytes) -> None:
        nonlocal admitted
        if status == 200 and ADMITTED.search(body):
            admitted += 1

    with rig.serve(name) as web:
        load(Stream(requests[:WARM], connections=32, port=web.port, heard=heard), seconds=60)
        rig.checkpoint(name)
        stream = Stream(requests[WARM:], connections=connections, port=web.port, heard=heard)
        with Meter(rig, web) as meter:
            load(stream, seconds=rig.asked.seconds)
        report.settings["processes"] = web.settings.processes
    report.stream(stream, per_s=per_s, p99_ms=p99_ms)
    meter.into(report, stream.done)
    report.settings["connections"] = connections
    report.same("admitted of those answered", stream.done + WARM, admitted)
    with rig.connect(name) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM scan WHERE outcome = 'admitted'), "
            "(SELECT sum(persons_entered) FROM ticket WHERE visit_day = %s)",
            (today,),
        ).fetchone()
    report.same("scans and persons", (admitted + (before[0] if before else 0), admitted), row)
    report.settings["checked"] = "each answer admits; scans, persons entered"
