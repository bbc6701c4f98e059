"""`gate` and `gate-sync`: the gate's own agent, on the disk of this machine.

The agent is the product's, in a process of its own kind: one event loop, one thread for the store,
SQLite in WAL mode with ``synchronous=FULL``.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

from bench.admitting import TODAY, sign_tickets
from bench.bulk import PREPARE, write_orders, write_people
from bench.load import percentile
from bench.park import ZONE, Park, keyring_of, make_park, whole_day
from bench.report import Report, at_least, at_most
from bench.rig import Rig
from shanmen.admission.protocol import Answer
from shanmen.admission.service import devices, lanes
from shanmen.db.session import Database, Session
from shanmen.edge.agent import Agent
from shanmen.edge.enrol import enrol
from shanmen.edge.intents import Scanned
from shanmen.edge.journal import Journal
from shanmen.edge.store import FILE, Store
from shanmen.edge.wire import HttpTransport, Reply, Unreachable
from shanmen.kit import clock, ids

LANES = 3
TICKETS = 80_000
JOURNAL = 50_000
WARM = 300
MOST_PER_SECOND = 4_000
MIB = 1 << 20
ROUNDS = 100
HOUR_MS = 3_600_000


@dataclass(slots=True)
class Wire:
    """The way to the server: counts what comes down it, and can be cut."""

    http: HttpTransport
    cut: bool = False
    down: int = 0
    latencies: list[float] = field(default_factory=list)

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Ask, unless the line is cut."""
        if self.cut:
            raise Unreachable("The line is cut.")
        begun = time.perf_counter()
        reply = await self.http.request(method, path, headers=headers, body=body, seconds=seconds)
        self.latencies.append(time.perf_counter() - begun)
        self.down += len(reply.body)
        return reply

    async def close(self) -> None:
        """Give up the connections."""
        await self.http.close()


@dataclass(frozen=True, slots=True)
class Scene:
    """A park with tickets for today and a gate that is enrolled there."""

    name: str
    park: Park
    codes: list[str]
    tickets: list[UUID]
    lanes: list[UUID]
    enrolment: str


def gate(rig: Rig, report: Report) -> None:
    """Decisions of a gate that is cut off, with their durable journal, over three lanes."""
    scene = _scene(rig, round(rig.asked.seconds * MOST_PER_SECOND) + WARM)
    with rig.scratch() as folder, rig.serve(scene.name) as web:
        admitted, rows, latencies, seconds = asyncio.run(
            _decide(scene, folder, f"http://127.0.0.1:{web.port}", rig.asked.seconds)
        )
    latencies.sort()
    report.add("per_s", len(latencies) / seconds, at_least(500))
    report.add("p50_ms", 1000 * latencies[len(latencies) // 2])
    report.add("p99_ms", 1000 * latencies[math.ceil(len(latencies) * 0.99) - 1], at_most(10))
    report.add("errors", len(latencies) - admitted, at_most(0))
    report.same("rows of the journal", len(latencies) + WARM, rows)
    report.settings |= {
        "lanes": LANES,
        "tickets": len(scene.codes),
        "store": "SQLite, WAL, synchronous=FULL",
        "load": "three coroutines in the agent's own process, each scans when it has its answer",
    }


def gate_sync(rig: Rig, report: Report) -> None:
    """A day's tickets to a fresh gate, and a long journal up."""
    scene = _scene(rig, TICKETS)
    with rig.scratch() as folder, rig.serve(scene.name) as web:
        down_s, wire, known, up_s = asyncio.run(
            _talk(scene, folder, f"http://127.0.0.1:{web.port}")
        )
        with rig.connect(scene.name) as connection:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM gate_journal), "
                "(SELECT sum(persons_entered) FROM ticket)"
            ).fetchone()
        report.settings["processes"] = web.settings.processes
    report.add("down_s", down_s, at_most(10))
    report.add("down_mib", wire.down / MIB, at_most(30))
    report.add("up_s", up_s, at_most(30))
    report.add("per_s", TICKETS / down_s)
    report.add("p50_ms", percentile(wire.latencies, 0.5) * 1000)
    report.add("p99_ms", percentile(wire.latencies, 0.99) * 1000)
    # An answer that failed would have ended the run.
    report.add("errors", TICKETS - known, at_most(0))
    report.same("tickets at the gate", TICKETS, known)
    report.same("rows of the journal, persons entered", (JOURNAL, JOURNAL), found)
    report.settings |= {"tickets": TICKETS, "journal_rows": JOURNAL}


def _scene(rig: Rig, count: int) -> Scene:
    name = rig.fresh("gate")
    today = clock.today(ZONE)
    park = rig.inside(
        name, lambda database: make_park(database, slots=[whole_day(today)], capacity=10_000_000)
    )
    keyring = rig.inside(name, lambda database: keyring_of(database, park.tenant_id))
    with rig.connect(name) as connection:
        connection.execute(PREPARE)
        write_people(connection, keyring)
        write_orders(connection, park.site, count=count // 2 + 1, first=0, today_only=True)
        rows = connection.execute(TODAY, (park.tenant_id, today, count)).fetchall()
        connection.execute("DELETE FROM ticket WHERE NOT id = ANY(%s)", ([row[0] for row in rows],))
    rig.checkpoint(name)
    made, code = rig.inside(name, partial(_entrance, park=park))
    return Scene(name, park, sign_tickets(keyring, park, rows), [r[0] for r in rows], made, code)


async def _entrance(database: Database, *, park: Park) -> tuple[list[UUID], str]:
    unit = database.unit(park.tenant_id)
    found = [park.site.lane_id]

    async def more(session: Session) -> UUID:
        number = len(found) + 1
        lane = await lanes.create_lane(
            session,
            entrance_id=park.site.entrance_id,
            name={"zh-CN": f"{number} 号道", "en": f"Lane {number}"},
        )
        return lane.id

    while len(found) < LANES:
        found.append(await unit(more))
    device = await unit(devices.add_device, entrance_id=park.site.entrance_id, name="bench")
    return found, device.code


async def _enrolled(scene: Scene, folder: Path, url: str) -> tuple[Agent, Wire]:
    wire = Wire(HttpTransport(url))
    place = folder / "gate"
    await enrol(url=url, code=scene.enrolment, folder=place, name="bench", transport=wire)
    return Agent.open(place, transport=wire, secrets=folder / "memory"), wire


async def _fetched(agent: Agent, count: int) -> int:
    """Talk until the gate knows everybody; how many it knows."""
    for _ in range(ROUNDS):
        await agent.sync()
        if agent.status().tickets >= count:
            break
    return agent.status().tickets


async def _decide(
    scene: Scene, folder: Path, url: str, seconds: float
) -> tuple[int, int, list[float], float]:
    agent, wire = await _enrolled(scene, folder, url)
    await _fetched(agent, len(scene.codes))
    wire.cut = True
    latencies: list[float] = []
    admitted = 0
    waiting = iter(scene.codes)

    async def lane(lane_id: UUID, until: float, most: int) -> None:
        nonlocal admitted
        for _ in range(most):
            code = next(waiting, None)
            if code is None or time.perf_counter() >= until:
                return
            begun = time.perf_counter()
            answer = await agent.scan(lane_id, code)
            latencies.append(time.perf_counter() - begun)
            admitted += answer.outcome == "admitted"

    # The first questions to a server that is gone teach the gate not to ask.
    await asyncio.gather(*(lane(one, math.inf, WARM // LANES) for one in scene.lanes))
    latencies.clear()
    admitted = 0
    begun = time.perf_counter()
    everybody = len(scene.codes)
    await asyncio.gather(*(lane(one, begun + seconds, everybody) for one in scene.lanes))
    spent = time.perf_counter() - begun
    rows = agent.status().queue
    await agent.close()
    return admitted, rows, latencies, spent


async def _talk(scene: Scene, folder: Path, url: str) -> tuple[float, Wire, int, float]:
    """Seconds down, the way with what came over it, tickets known, seconds up."""
    agent, wire = await _enrolled(scene, folder, url)
    wire.down = 0
    wire.latencies.clear()
    begun = time.perf_counter()
    known = await _fetched(agent, TICKETS)
    down_s = time.perf_counter() - begun
    await agent.close()
    _write_journal(folder / "gate" / FILE, scene)
    agent = Agent.open(folder / "gate", secrets=folder / "memory")
    begun = time.perf_counter()
    await agent.sync()
    up_s = time.perf_counter() - begun
    state = agent.status()
    await agent.close()
    if state.queue:
        raise RuntimeError(f"{state.queue} rows did not go up: {state.fault}")
    return down_s, wire, known, up_s


def _write_journal(path: Path, scene: Scene) -> None:
    """Admissions as the gate itself writes them, all in one transaction."""
    store = Store(path)
    journal = Journal(store)
    now = round(clock.now().timestamp() * 1000)
    day = clock.today(ZONE).isoformat()
    with store.transaction():
        for number, ticket_id in enumerate(scene.tickets[:JOURNAL]):
            answer = Answer(
                scan_id=ids.new_id(),
                outcome="admitted",
                persons=1,
                persons_left=0,
                party_size=1,
                ticket_id=ticket_id.bytes,
                type_number=scene.park.site.type_number,
            )
            scanned = Scanned(
                answer=answer,
                direction="in",
                decided_by="gate",
                method="qr",
                day=day,
                generation=0,
                valid_until=now + HOUR_MS,
            )
            lane = scene.lanes[number % LANES]
            journal.decided(scanned, lane_id=lane, at=now, sensor=False)
    store.close()
