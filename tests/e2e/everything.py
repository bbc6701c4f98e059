"""Every page of the product: found in the route table, filled from a park that has everything."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import time, timedelta
from uuid import UUID

import httpx
from litestar import Litestar

from shanmen.admission import service as gate
from shanmen.admission.schemas import ScanRequest
from shanmen.db.session import Database, Session
from shanmen.inventory.division import AllotmentSpec, ShareSpec
from shanmen.inventory.service.divide import divide_slots, set_division
from shanmen.kit import ids
from shanmen.orders.queries import order_secret
from shanmen.orders.schemas import Placed
from shanmen.orders.service.lapse import cancel_order
from shanmen.orders.service.refund import refund_tickets
from shanmen.sites.access import SESSION_COOKIE
from tests.support.desk import Desk
from tests.support.park import Park, add_slot
from tests.support.patience import PATIENCE_SECONDS
from tests.walk.calls import Call, calls
from tests.walk.world import World, make_world

HTML = "text/html"
OK, NOT_FOUND, CONFLICT, NOT_LIKE_THIS = 200, 404, 409, 422
ELSEWHERE = range(300, 400)
FOR_GATES = "/gate/v1/"
"""What gates fetch, signed with their keys, is no page."""
OF_AN_ORDER = {"number", "secret", "order_id"}


@dataclass(frozen=True)
class Address:
    """A page to look at."""

    route: str
    url: str
    status: int = OK

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Everything:
    """A tenant with something for every page, and its orders in each state that has a page."""

    world: World
    orders: dict[str, World]
    """The same world with another order in the place of the first."""

    def cookies(self, url: str) -> list[dict[str, str]]:
        """What makes a browser the administrator of the tenant."""
        return [{"name": SESSION_COOKIE, "value": self.world.cookie, "url": url}]

    @property
    def queries(self) -> dict[str, str]:
        """What pages need in their address without declaring it."""
        park = self.world.park
        basket = f"day={park.day}&slot-s0={park.slots[0]}&qty-n1=1&qty-n3=1"
        return {
            "/s/{slug:str}/visitors": basket,
            "/console/schedules/new": f"pool={park.gate_pool}",
        }

    def more(self) -> list[Address]:
        """What the route table does not tell: pages that show more with a query, and problems."""
        site, day = f"/s/{self.world.park.slug}", self.world.park.day
        paid = self.orders["paid"]
        return [
            Address("a day with nothing", f"{site}/visit?day=2019-01-01"),
            Address("nothing chosen", f"{site}/visitors?day={day}", NOT_LIKE_THIS),
            Address("no site", "/s/there-is-none", NOT_FOUND),
            Address("no page of the console", "/console/there-is-none", NOT_FOUND),
            Address("orders of a number", f"/console/orders?number={paid.get('number')}"),
            Address("orders, none", "/console/orders?number=260101ABCDEFGHJK"),
            Address("signing in", "/console/login"),
        ]

    def routes(self, app: Litestar) -> Iterator[tuple[Call, World]]:
        """Every GET route with each world that it shows something else of."""
        for call in calls(app):
            if call.method != "GET" or (call.is_api and call.path != "/api/docs"):
                continue
            if call.path.startswith(FOR_GATES):
                continue
            shown = self.orders.values() if OF_AN_ORDER & set(call.parameters) else [self.world]
            for world in shown:
                yield call, world

    async def addresses(self, app: Litestar, url: str) -> list[Address]:
        """All pages that answer HTML; fails with a sentence for a route that answers an error."""
        found: list[Address] = []
        refused: dict[str, str] = {}
        async with httpx.AsyncClient(
            base_url=url, cookies={SESSION_COOKIE: self.world.cookie}, timeout=PATIENCE_SECONDS
        ) as http:
            for call, world in self.routes(app):
                query = self.queries.get(call.path, call.query(world))
                address = call.url(world, world) + (f"?{query}" if query else "")
                async with http.stream("GET", address, headers={"accept": HTML}) as answer:
                    status, kind = answer.status_code, answer.headers.get("content-type", "")
                if status not in {OK, CONFLICT} and status not in ELSEWHERE:
                    refused[call.path] = f"{address} answers {status}"
                elif status not in ELSEWHERE and kind.startswith(HTML):
                    found.append(Address(call.path, address, status))
        shown = {address.route for address in found if address.status == OK}
        refused |= {a.route: f"{a} only answers {a.status}" for a in found if a.route not in shown}
        if refused:
            raise AssertionError(
                f"Pages that cannot be shown: {refused}. Give the park of tests/e2e/everything.py "
                "what they are about."
            )
        return [*found, *self.more()]


async def make_everything(database: Database) -> Everything:
    """A world with orders that are held, paid, entered, given back, and given up."""
    world = await make_world(database, mark="甲", people=3_400_001, phone="13900002468")
    desk = Desk(database, world.park)
    ahead = await desk.unit(slots_ahead, park=world.park)
    await divide(desk, world.park)
    orders = {}
    for name in ("held", "paid", "entered", "given back", "given up"):
        # What is to be moved to another day must not have begun.
        park = replace(world.park, slots=ahead) if name == "paid" else world.park
        placed = await desk.place(park.order(park.ticket("family"), park.ticket()))
        if name in {"paid", "entered", "given back"}:
            await desk.pay(placed)
        if name == "entered":
            await desk.unit(gate.admit_one, scan=_scan(park, placed))
        elif name == "given back":
            await desk.unit(refund_tickets, order_id=placed.id, fee_percent=10)
            await desk.confirm_refunds(placed)
        elif name == "given up":
            await desk.unit(cancel_order, order_id=placed.id)
        orders[name] = await _with_order(desk, world, placed)
    return Everything(world, orders)


async def slots_ahead(session: Session, *, park: Park) -> list[UUID]:
    """Two visits of each of the next days; returns their slots."""
    return [
        await add_slot(
            session, pool_id=park.gate_pool, day=park.day + timedelta(days=days),
            starts=time(hour), ends=time(hour + 3), capacity=40,
        )
        for days in (1, 2)
        for hour in (8, 12)
    ]  # fmt: skip


async def divide(desk: Desk, park: Park) -> None:
    """Shares of each kind, in the pool and in the slot of today."""
    await desk.unit(
        set_division,
        pool_id=park.gate_pool,
        allotments=[
            AllotmentSpec(channel="ota", percent=30, release_minutes=120),
            AllotmentSpec(channel="window", kind="minimum", places=10),
        ],
    )
    await desk.unit(
        divide_slots,
        slot_ids=park.slots,
        allotments=[
            ShareSpec(channel="web", places=20),
            ShareSpec(channel="ota", places=25, release_minutes=2880),
            ShareSpec(channel="window", kind="minimum", places=10),
        ],
    )


def _scan(park: Park, placed: Placed) -> ScanRequest:
    return ScanRequest(
        scan_id=ids.new_id(), lane_id=park.lane_id, code=f"{placed.number}-0", kind="number"
    )


async def _with_order(desk: Desk, world: World, placed: Placed) -> World:
    async def secret(session: Session) -> str:
        return order_secret(session.keyring, placed.id)

    values = {
        "order_id": str(placed.id),
        "number": placed.number,
        "secret": await desk.unit(secret),
    }
    return replace(world, values={**world.values, **values})
