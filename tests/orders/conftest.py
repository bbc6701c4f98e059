"""The whole application over a park, with a till that can be paid at, and somebody who shops."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from shanmen.app import create_app
from shanmen.db.session import Database, Unit
from shanmen.inventory.queries import slots_by_id
from shanmen.kit.settings import Settings
from shanmen.orders.queries import order_by_number
from shanmen.orders.schemas import OrderView
from shanmen.payments.registry import Providers
from shanmen.sites.access import STATE_KEY, Access
from shanmen.sites.service import apikeys
from tests.orders.till import Till, callback
from tests.support.console import CHEAP, TOKEN
from tests.support.park import PASSWORD, TESTER, Park, fresh_people, id_number

PUBLIC_URL = "http://park.example"


@dataclass
class Shop:
    """A visitor's browser without scripts, and what stands behind the counter."""

    app: Litestar
    database: Database
    park: Park
    till: Till
    http: httpx.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"/s/{self.park.slug}"

    @property
    def unit(self) -> Unit:
        return self.database.unit(self.park.tenant_id, actor=TESTER)

    async def get(self, path: str, *, status: int = 200) -> str:
        answer = await self.http.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code}\n{answer.text[:1500]}"
        return answer.text

    async def post(self, path: str, data: dict[str, Any], *, on: str) -> httpx.Response:
        """Send a form that stands on a page."""
        token = TOKEN.search((await self.http.get(on)).text)
        assert token, f"{on} has no form"
        return await self.http.post(path, data={"csrf_token": token[1], **data})

    async def number_of(self, kind: str) -> int:
        """The ticket type's number, by which forms name it."""
        page = await self.get(f"{self.base}/visit?day={self.park.day}")
        found = re.search(rf'for="f-qty-n(\d+)">{kind}票<', page)
        assert found, kind
        return int(found[1])

    async def query(self, *kinds: str, slot: int = 0) -> str:
        """The address of the visitors' page for these tickets."""
        pairs = [f"day={self.park.day}", f"slot-s0={self.park.slots[slot]}"]
        numbers = {kind: await self.number_of(kind) for kind in dict.fromkeys(kinds)}
        pairs += [f"qty-n{number}={kinds.count(kind)}" for kind, number in numbers.items()]
        return f"{self.base}/visitors?{'&'.join(pairs)}"

    def people(self, *sizes: int) -> dict[str, str]:
        """Fields that name people on tickets of these sizes."""
        data = {}
        for ticket, size in enumerate(sizes):
            for seq, who in enumerate(fresh_people(size)):
                path = f"tickets-{ticket}-visitors-{seq}"
                data[f"{path}-name"] = f"测试{chr(0x4E00 + who % 20000)}"
                data[f"{path}-document_kind"] = "id_card"
                data[f"{path}-document_number"] = id_number(who)
        return data

    def hidden(self, page: str) -> dict[str, str]:
        """The hidden fields of a page's form, but for its token."""
        found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
        found.pop("csrf_token", None)
        return found

    async def submit(
        self,
        *kinds: str,
        sizes: tuple[int, ...] | None = None,
        slot: int = 0,
        changes: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Fill in the visitors' page and send it."""
        address = await self.query(*kinds, slot=slot)
        page = await self.get(address)
        people = self.people(*(sizes or (1,) * len(kinds)))
        data = {**self.hidden(page), **people, "phone": "13800138000", **(changes or {})}
        return await self.post(f"{self.base}/visitors", data, on=address)

    async def order(self, *kinds: str, sizes: tuple[int, ...] | None = None, slot: int = 0) -> str:
        """Order tickets; returns the order page's address."""
        answer = await self.submit(*kinds, sizes=sizes, slot=slot)
        assert answer.status_code == 303, answer.text[:3000]
        return answer.headers["location"]

    async def view(self, address: str) -> OrderView:
        return await self.unit(order_by_number, number=address.split("/")[4])

    async def start(self, address: str) -> str:
        """Start to pay; returns the payment's number."""
        answer = await self.post(f"{address}/pay", {}, on=address)
        assert answer.status_code == 303, answer.text[:2000]
        assert answer.headers["location"] == f"{address}/pay"
        return self.till.last()

    async def notify(
        self, kind: str, number: str, fen: int, refund: str | None = None
    ) -> httpx.Response:
        """The till reports."""
        body, headers = callback(kind, number, fen, refund)
        return await self.http.post(
            f"/pay/callback/sandbox/{self.park.tenant_id}", content=body, headers=headers
        )

    async def paid(self, *kinds: str, sizes: tuple[int, ...] | None = None, slot: int = 0) -> str:
        """Order and pay; returns the order page's address."""
        address = await self.order(*kinds, sizes=sizes, slot=slot)
        number = await self.start(address)
        heard = await self.notify("paid", number, self.till.started[number].amount_fen)
        assert heard.status_code == 200, heard.text
        return address

    async def sign_in(self, login: str = "admin") -> None:
        """Sign in at the console, as another one than before where somebody was."""
        self.http.cookies.clear()
        answer = await self.post(
            "/console/login",
            {"login": f"{login}@{self.park.code}", "password": PASSWORD},
            on="/console/login",
        )
        assert answer.status_code == 303, answer.text

    async def api(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        channel: str = "ota",
        status: int = 200,
        permissions: tuple[str, ...] = ("orders.read", "orders.change"),
        key: str | None = None,
    ) -> Any:
        """Call the API with a key of a channel."""
        if channel not in self.keys:
            made = await self.unit(
                apikeys.create_key, name=channel, channel=channel, permissions=permissions
            )
            self.keys[channel] = made.secret
        headers = {"authorization": f"Bearer {self.keys[channel]}"}
        if key is not None:
            headers["idempotency-key"] = key
        answer = await self.http.request(
            method, f"/api/v1{path}", json=body, headers=headers, params=None
        )
        assert answer.status_code == status, f"{answer.status_code}: {answer.text[:1500]}"
        return answer.json()

    def ticket(self, kind: str = "adult", *, slot: int = 0, size: int = 1) -> dict[str, Any]:
        """A ticket of an order, as the API takes it."""
        return {
            "ticket_type_id": str(self.park.types[kind]),
            "slot_id": str(self.park.slots[slot]),
            "visitors": [
                {
                    "name": "张三",
                    "document_kind": "id_card",
                    "document_number": id_number(who),
                }
                for who in fresh_people(size)
            ],
        }


@pytest.fixture(scope="session")
def counter(database: Database, data_dir: Path) -> tuple[Litestar, Till]:
    """The whole application of this worker, and the till that it is paid at."""
    till = Till()
    app = create_app(
        Settings(data_dir=data_dir),
        database=database,
        providers=Providers([till], public_url=PUBLIC_URL),
    )
    app.state[STATE_KEY] = Access(database, session_minutes=60, passwords=CHEAP)
    return app, till


@pytest.fixture
async def shop(
    counter: tuple[Litestar, Till], database: Database, park: Park
) -> AsyncIterator[Shop]:
    """The application as a visitor of this test's park finds it."""
    app, till = counter
    till.reset()
    async with httpx.AsyncClient(
        # Litestar's types of messages are narrower than httpx's; it is the same protocol.
        transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
        base_url="http://test",
        headers={"accept-language": "zh-CN", "accept": "text/html"},
    ) as http:
        yield Shop(app, database, park, till, http)


async def left(shop: Shop, slot: int = 0) -> int:
    states = await shop.unit(slots_by_id, ids=shop.park.slots)
    return states[shop.park.slots[slot]].left


async def set_sold(shop: Shop, slot: int, sold: int, *, ride: bool = False) -> None:
    slots = shop.park.ride_slots if ride else shop.park.slots

    async def change(session):
        await session.execute(
            text("UPDATE stock SET sold = :n WHERE tenant_id = :t AND id = :i"),
            {"n": sold, "t": session.tenant_id, "i": slots[slot]},
        )

    await shop.unit(change)
    # A day's page may be half a second old; here nobody waits for that.
    for name in ("orders_pages", "orders_days"):
        shop.app.state.pop(name, None)
