"""A day at a park, made by hand: what is sold, who enters, what goes back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

import httpx
import pytest
from litestar import Litestar, Request
from litestar.datastructures import State

from shanmen.admission import service as admission
from shanmen.admission.models import Scan
from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.db.outbox import install_subscribers
from shanmen.db.session import Actor, Database
from shanmen.insight import api
from shanmen.insight.live import Boards
from shanmen.insight.pages import routes as pages
from shanmen.insight.queries.days import days_figures
from shanmen.insight.queries.today import today_figures
from shanmen.insight.schemas import DaysFigures, TodayFigures
from shanmen.kit import clock, ids
from shanmen.kit.settings import Settings
from shanmen.orders.schemas import Placed
from shanmen.sites.access import DEPENDENCIES, login_address, navigation
from shanmen.sites.pages import routes as sites_pages
from shanmen.sites.service import apikeys, places
from shanmen.web.plugin import WebConfig, WebPlugin
from shanmen.wiring import SUBSCRIBERS
from tests.sites.conftest import Browser
from tests.support.desk import Desk
from tests.support.park import PASSWORD, ZONE, Park, fresh_people, id_number

install_subscribers(SUBSCRIBERS)

CHIEF = Actor("staff", "2", "Zhou (zhou)")


@dataclass(frozen=True)
class Day:
    """A park with its order desk and its gates. `day` is the day of the visits."""

    database: Database
    park: Park
    desk: Desk
    east: UUID
    west: UUID
    out: UUID

    @property
    def day(self) -> date:
        return self.park.day

    def at(self, hour: int, minute: int = 0, *, days: int = 0) -> datetime:
        return clock.to_utc(self.day + timedelta(days=days), time(hour, minute), ZONE)

    async def sell(
        self, *tickets: tuple[str, int], pay: bool = True, at: datetime | None = None
    ) -> tuple[Placed, list[str]]:
        """An order of (kind, slot) tickets; returns it with the document of each ticket."""
        with clock.at(at or self.at(12, days=-1)):
            people = [fresh_people(3 if kind == "family" else 1) for kind, _ in tickets]
            placed = await self.desk.place(
                self.park.order(
                    *(
                        self.park.ticket(kind, slot=slot, people=who)
                        for (kind, slot), who in zip(tickets, people, strict=True)
                    )
                )
            )
            if pay:
                assert await self.desk.pay(placed) == "issued"
        return placed, [id_number(who[0]) for who in people]

    async def scan(self, document: str, at: datetime, *, lane: UUID | None = None) -> DecisionView:
        request = ScanRequest(
            scan_id=ids.new_id(), lane_id=lane or self.east, code=document, kind="document"
        )
        with clock.at(at):
            return await self.desk.unit(admission.admit_one, scan=request)

    async def old_scan(
        self,
        at: datetime,
        *,
        persons: int,
        entrance: UUID | None = None,
        direction: str = "in",
    ) -> None:
        """An admission as it was written then, at the east gate or another entrance."""
        async with self.database.transaction(self.park.tenant_id) as session:
            session.add(
                Scan(
                    tenant_id=session.tenant_id, id=ids.new_id(), at=at,
                    day=clock.local(at, ZONE).date(), site_id=self.park.site_id,
                    entrance_id=entrance or self.park.entrance_id, lane_id=self.east, method="qr",
                    outcome="admitted", persons=persons, direction=direction,
                )
            )  # fmt: skip

    async def figures(self, now: datetime) -> TodayFigures:
        return await self.desk.unit(
            today_figures,
            site_id=self.park.site_id,
            day=clock.local(now, ZONE).date(),
            now=now,
        )

    async def past(self, first: date, last: date) -> DaysFigures:
        return await self.desk.unit(days_figures, site_id=self.park.site_id, first=first, last=last)


async def make_day(database: Database, park: Park) -> Day:
    unit = database.unit(park.tenant_id, actor=CHIEF)
    west = await unit(
        places.create_entrance, site_slug=park.slug, zone_id=park.zone_id,
        name={"zh-CN": "西门", "en": "West gate"},
    )  # fmt: skip
    made = [
        await unit(
            admission.create_lane, entrance_id=entrance, direction=direction,
            name={"zh-CN": "通道", "en": "Lane"},
        )
        for entrance, direction in (
            (park.entrance_id, "in"), (west.id, "in"), (west.id, "out"),
        )
    ]  # fmt: skip
    return Day(database, park, Desk(database, park), *(lane.id for lane in made))


@pytest.fixture
async def visit(database: Database, park: Park) -> Day:
    return await make_day(database, park)


def make_app(database: Database) -> Litestar:
    """The module's routes and signing in, with figures that are read each time."""

    def context(request: Request) -> dict[str, object]:
        return {"nav": navigation(pages.NAV, request.scope.get("user"))}

    web = WebPlugin(WebConfig(secret=b"s" * 32, context=[context], login=login_address))
    app = Litestar(
        route_handlers=[*api.routes, *pages.routes, *sites_pages.routes],
        plugins=[web],
        dependencies=dict(DEPENDENCIES),
        state=State({"database": database, "settings": Settings()}),
    )
    app.state["shanmen_insight"] = Boards(database, seconds=0)
    return app


@pytest.fixture
def app(database: Database) -> Litestar:
    return make_app(database)


async def signed_in(app: Litestar, park: Park, login: str = "admin") -> Browser:
    browser = Browser(app)
    answer = await browser.sign_in(f"{login}@{park.code}", PASSWORD)
    assert answer.status_code == 303, answer.text
    return browser


@pytest.fixture
async def browser(app: Litestar, park: Park) -> AsyncIterator[Browser]:
    opened = await signed_in(app, park)
    yield opened
    await opened.http.aclose()


async def api_client(
    app: Litestar, database: Database, park: Park, *permissions: str
) -> httpx.AsyncClient:
    """A client with a key that has these permissions."""
    async with database.transaction(park.tenant_id, actor=CHIEF) as session:
        made = await apikeys.create_key(
            session, name="报表", channel="report", permissions=list(permissions)
        )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
        base_url="http://test",
        headers={"authorization": f"Bearer {made.secret}"},
    )
