"""A sale over HTTP that somebody kills a process of, and what must be true of it afterwards."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
from msgspec import structs

from shanmen.app import open_database
from shanmen.db.embedded import DATABASE, EmbeddedDatabase
from shanmen.db.session import Database, Session
from shanmen.kit import ids
from shanmen.kit.crypto import MasterKeys
from shanmen.kit.settings import Settings
from shanmen.launch.supervise import environment
from shanmen.sites.service import apikeys
from tests.support.park import Park, fresh_people, id_number, make_park
from tests.support.patience import PATIENCE_SECONDS, READY_SECONDS, STOP_SECONDS
from tests.support.server import free_port

PERMISSIONS = ("orders.read", "orders.change")
PAUSE_SECONDS = 0.1


class Machine:
    """`shanmen run` over a PostgreSQL of its own, with its durability on."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            data_dir=folder,
            port=free_port(),
            sandbox_pay_port=free_port(),
            processes=2,
            log_level="warning",
        )
        self.log = folder / "run.log"

    def __enter__(self) -> Self:
        """Start, and wait until pages are served."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shanmen", "run", "--no-demo"],
                env=environment(self.settings),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.settings.base_url}/healthz", timeout=2).is_success:
                    return self
            except httpx.HTTPError:
                time.sleep(PAUSE_SECONDS)
        self.__exit__()
        raise RuntimeError(self.log.read_text())

    def __exit__(self, *_: object) -> None:
        """Stop everything, as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection to the database as its owner; starts nothing by itself."""
        server = EmbeddedDatabase(self.settings.data_dir / "postgres")
        server.start()
        try:
            with psycopg.connect(server.url, autocommit=True) as connection:
                yield connection
        finally:
            server.stop()

    def database(self, owner: psycopg.Connection[Any]) -> Database:
        """The product's own way to the database that `owner` is connected to."""
        url = f"postgresql://postgres@/{DATABASE}?host={owner.info.host}"
        masters = MasterKeys.load(self.settings.data_dir / "master.key", create=True)
        return open_database(structs.replace(self.settings, database_url=url), masters)

    def pids(self, victim: str) -> list[int]:
        """The processes that go by this name now."""
        if victim == "postgres":
            first = (self.settings.data_dir / "postgres/postmaster.pid").read_text().split()[0]
            return [int(first)]
        words = {"web": "serve", "worker": "worker"}
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit():
                    continue
                command = (entry / "cmdline").read_bytes().split(b"\0")
                env = (entry / "environ").read_bytes()
            except OSError:
                continue
            own = f"SHANMEN_PORT={self.settings.port}\0".encode() in env
            if own and words[victim].encode() in command:
                found.append(int(entry.name))
        return sorted(found)

    def kill(self, victim: str, dice: random.Random) -> None:
        """`kill -9` one process of that name."""
        os.kill(dice.choice(self.pids(victim)), signal.SIGKILL)


@dataclass(slots=True)
class Bought:
    """What a buyer was told."""

    key: str
    body: dict[str, Any]
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    paid: bool = False

    @property
    def placed(self) -> bool:
        """Whether the buyer has an order."""
        return self.status == httpx.codes.CREATED


@dataclass(slots=True)
class Sale:
    """Many buyers who want one slot, and never give up while there is no answer."""

    machine: Machine
    park: Park
    key: str
    http: httpx.AsyncClient
    dice: random.Random
    bought: list[Bought] = field(default_factory=list)
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    """The blow has fallen: those who come late may come."""

    @property
    def answered(self) -> int:
        """How many buyers have heard what became of their order."""
        return sum(wish.status != 0 for wish in self.bought)

    @property
    def paid(self) -> int:
        """How many have paid."""
        return sum(wish.paid for wish in self.bought)

    async def run(self, *, buyers: int, at_once: int, every_nth_pays: int, late: int = 0) -> None:
        """All of them buy, so many at a time; the last ones come only after the blow."""
        self.bought = [Bought(str(ids.new_id()), self._order()) for _ in range(buyers)]
        waiting = iter(enumerate(self.bought))

        async def buyer() -> None:
            for number, wish in waiting:
                if number >= buyers - late:
                    await self.struck.wait()
                answer = await self.place(wish)
                wish.status, wish.answer = answer.status_code, answer.json()
                if wish.placed and number % every_nth_pays == 0:
                    await self._pay(wish)

        await asyncio.gather(*(buyer() for _ in range(at_once)))

    def _order(self) -> dict[str, Any]:
        slot = str(self.park.slots[0])
        return {
            "phone": f"139{self.dice.randrange(10**8):08}",
            "tickets": [
                {
                    "ticket_type_id": str(self.park.types["adult"]),
                    "slot_id": slot,
                    "visitors": [
                        {
                            "name": "测试甲",
                            "document_kind": "id_card",
                            "document_number": id_number(n),
                        }
                    ],
                }
                for n in fresh_people(self.dice.choice((1, 1, 2)))
            ],
        }

    async def place(self, wish: Bought) -> httpx.Response:
        """The answer to an order, asked for until there is one."""
        return await self._until_answered(
            "POST",
            f"/api/v1/sites/{self.park.slug}/orders",
            json=wish.body,
            key=wish.key,
        )

    async def _pay(self, wish: Bought) -> None:
        opened = await self._until_answered(
            "POST",
            f"/api/v1/orders/{wish.answer['number']}/payments",
            json={},
            key=f"pay-{wish.key}",
        )
        assert opened.status_code == httpx.codes.CREATED, opened.text
        # The provider is another company: it keeps what it heard, and repeats its notices.
        address = opened.json()["pay_url"]
        paid = await self.http.post(f"{address}/pay", timeout=PATIENCE_SECONDS)
        assert paid.status_code in (httpx.codes.SEE_OTHER, httpx.codes.OK), paid.text
        wish.paid = True

    async def order(self, wish: Bought) -> dict[str, Any]:
        """The order as it stands."""
        found = await self._until_answered("GET", f"/api/v1/orders/{wish.answer['number']}")
        order: dict[str, Any] = found.json()
        return order

    async def _until_answered(
        self, method: str, path: str, *, json: object = None, key: str = ""
    ) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        headers = {"Authorization": f"Bearer {self.key}"}
        if key:
            headers["Idempotency-Key"] = key
        while True:
            told = "no answer"
            try:
                answer = await self.http.request(
                    method, self.machine.settings.base_url + path, json=json, headers=headers
                )
            except httpx.HTTPError as error:
                told = repr(error)
            else:
                # Only the documented 503 says that it is worth trying again.
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
                told = answer.text
            if time.monotonic() > deadline:
                raise TimeoutError(told)
            await asyncio.sleep(PAUSE_SECONDS)


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float, *, pause: float = PAUSE_SECONDS
) -> bool:
    """Whether something became true in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(pause)
    return True


@asynccontextmanager
async def sale(machine: Machine, *, seed: int, capacity: int) -> AsyncIterator[Sale]:
    """A new park on the machine, whose slot is on sale."""
    with machine.owner() as owner:
        database = machine.database(owner)
        code = f"crash{ids.new_id().hex[-10:]}"
        park = await make_park(database, code=code, capacity=capacity, by_hand=True)
        key = await database.unit(park.tenant_id)(_key)
        await database.close()
    async with httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=64)) as http:
        yield Sale(machine, park, key, http, random.Random(seed))


async def _key(session: Session) -> str:
    made = await apikeys.create_key(session, name="sale", channel="ota", permissions=PERMISSIONS)
    return made.secret
