"""The server dies, three lanes go on, it comes back, and the figures agree to the person."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from shanmen.admission.service import devices
from shanmen.admission.service.lanes import create_lane
from shanmen.db.session import Actor, Database, Session
from shanmen.edge.agent import Agent
from shanmen.edge.store import StoreBroken
from shanmen.insight.queries.today import today_figures
from shanmen.kit import clock
from shanmen.orders.queries.order import file_by_number
from shanmen.orders.service.codes import ticket_codes
from shanmen.orders.service.pay import settle
from shanmen.orders.service.place import place_orders
from shanmen.payments import service as payments
from tests.conftest import MASTERS, open_database
from tests.crash.sale import until
from tests.support.desk import notice
from tests.support.park import ZONE, Park, make_park
from tests.support.patience import READY_SECONDS, STOP_SECONDS
from tests.support.server import Server

CHIEF = Actor("staff", "1", "Wang (wang)")
VISITORS = 300
LANES = 3
AGAIN = 30


async def sell(database: Database, park: Park, count: int) -> list[str]:
    """Sell, take the money, and return the codes on the visitors' phones."""
    unit = database.unit(park.tenant_id, actor=CHIEF)
    placed = await unit(
        place_orders,
        requests=[park.order(park.ticket(), phone=f"139{n:08}") for n in range(count)],
        hold_seconds=900,
    )

    async def attempts(session: Session) -> list[UUID]:
        return [
            (
                await payments.open_attempt(
                    session,
                    order_id=order.id,
                    order_number=order.number,
                    amount_fen=order.amount_fen,
                    provider="sandbox",
                    expires_at=order.hold_expires_at,
                )
            ).id
            for order in placed
        ]

    opened = await unit(attempts)
    await unit(
        settle,
        notices=[notice(a, order.amount_fen) for a, order in zip(opened, placed, strict=True)],
    )

    async def codes(session: Session) -> list[str]:
        found = []
        for order in placed:
            file = await file_by_number(session, number=order.number)
            made = ticket_codes(session.keyring, file, site_number=1, timezone=ZONE)
            found += [code.token for code in made.values()]
        return found

    return await unit(codes)


class Scanner:
    """A scanner on the network: whoever connects gets what is held before it."""

    async def start(self) -> None:
        self.codes: asyncio.Queue[str] = asyncio.Queue()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            code = await self.codes.get()
            writer.write(code.encode() + b"\r\n")
            await writer.drain()


@contextmanager
def gate(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "gate.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "shanmen", "gate", "run", "--folder", str(folder)],
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


async def walk_up(folder: Path, scanners: list[Scanner], codes: list[str]) -> None:
    """Everybody shows a code, at each lane as soon as those before are through."""
    shown = 0

    async def all_decided() -> bool:
        nonlocal shown
        decided = Agent.look(folder).status().queue
        while shown < len(codes) and shown < decided + 2 * LANES:
            scanners[shown % LANES].codes.put_nowait(codes[shown])
            shown += 1
        return decided >= len(codes)

    done = await until(all_decided, READY_SECONDS, pause=0.02)
    assert done, (folder / "gate.log").read_text()


def set_up(folder: Path, url: str, code: str, ports: list[int]) -> None:
    """Enrol a gate as the console's line says, and connect its scanners."""
    done = subprocess.run(
        [sys.executable, "-m", "shanmen", "gate", "enrol", url, code, "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    readers = [
        f'[[lane]]\nnumber = {number}\n[[lane.reader]]\nkind = "scanner"\n'
        f'address = "127.0.0.1:{port}"\n'
        for number, port in enumerate(ports, start=1)
    ]
    (folder / "lanes.toml").write_text("\n".join(["[page]\nport = 0\n", *readers]))


async def three_lanes(database: Database, park: Park) -> str:
    """Two more lanes, and the code of a new gate."""
    unit = database.unit(park.tenant_id, actor=CHIEF)
    for number in range(2, LANES + 1):
        name = {"zh-CN": f"{number} 号道", "en": f"Lane {number}"}
        await unit(create_lane, entrance_id=park.entrance_id, name=name)
    made = await unit(devices.add_device, entrance_id=park.entrance_id, name="east")
    return made.code


async def test_the_server_dies_and_nobody_at_the_lanes_notices(own_url: str, tmp_path: Path):
    database = open_database(own_url)
    park = await make_park(database, code="cutoff", capacity=VISITORS, open_now=True, by_hand=True)
    codes = await sell(database, park, VISITORS)
    folder = tmp_path / "gate"
    scanners = [Scanner() for _ in range(LANES)]
    for scanner in scanners:
        await scanner.start()

    with Server(own_url, tmp_path / "server", MASTERS) as server:
        code = await three_lanes(database, park)
        ports = [scanner.port for scanner in scanners]
        await asyncio.to_thread(set_up, folder, server.url, code, ports)
        with gate(folder) as process:

            async def knows_everybody() -> bool:
                assert process.poll() is None, (folder / "gate.log").read_text()
                # The file appears a moment before its tables do.
                with suppress(StoreBroken):
                    return Agent.look(folder).status().tickets == VISITORS
                return False

            assert await until(knows_everybody, READY_SECONDS)
            for part in ("web", "worker"):
                server.kill(part)

            # Thirty come twice, and the lanes of one entrance know it.
            twice = random.Random(1).sample(codes, AGAIN)
            await walk_up(folder, scanners, [*codes, *twice])
            server.start("worker", "worker")
            server.start("web", "serve")
            await asyncio.to_thread(server.wait)

            async def all_told() -> bool:
                return Agent.look(folder).status().queue == 0

            assert await until(all_told, READY_SECONDS), (folder / "gate.log").read_text()
    await figures_agree(database, park)
    await database.close()


async def figures_agree(database: Database, park: Park) -> None:
    unit = database.unit(park.tenant_id, actor=CHIEF)
    now = clock.now()
    figures = await unit(
        today_figures, site_id=park.site_id, day=clock.local(now, ZONE).date(), now=now
    )
    assert (figures.entered, figures.inside) == (VISITORS, VISITORS)

    async def counted(session: Session) -> tuple[int, ...]:
        found = await session.execute(
            text(
                "SELECT (SELECT count(*) FROM ticket WHERE persons_entered = 1), "
                "(SELECT count(*) FROM scan WHERE outcome = 'admitted'), "
                "(SELECT count(*) FROM scan WHERE reason = 'already_used'), "
                "(SELECT count(*) FROM gate_case)"
            )
        )
        return tuple(found.one())

    assert await unit(counted) == (VISITORS, VISITORS, AGAIN, 0)
