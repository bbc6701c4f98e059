"""Gates of the test park that speak to the application, on the visit's day at eleven."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar
from litestar.datastructures import State
from sqlalchemy import text

from shanmen.admission.api import routes as api
from shanmen.admission.pages import routes as pages
from shanmen.admission.service import devices
from shanmen.db.pipeline import run
from shanmen.db.session import Database, Session
from shanmen.kit.settings import Settings
from shanmen.sites.access import DEPENDENCIES, login_address
from shanmen.sites.pages import routes as sites_pages
from shanmen.tickets import feed
from shanmen.web.plugin import WebConfig, WebPlugin
from tests.admission.conftest import CHIEF, Gates, Made
from tests.support.plain_gate import PlainGate


def make_app(database: Database) -> Litestar:
    return Litestar(
        route_handlers=[*api.routes, *pages.routes, *sites_pages.routes],
        plugins=[WebPlugin(WebConfig(secret=b"s" * 32, login=login_address))],
        dependencies=dict(DEPENDENCIES),
        state=State({"database": database, "settings": Settings()}),
    )


@dataclass
class Gatehouse:
    """The park's gates, and the application that they ask."""

    gates: Gates
    http: httpx.AsyncClient
    app: Litestar

    async def gate(self, entrance: UUID | None = None, *, name: str = "gate") -> PlainGate:
        """An enrolled gate; at the east gate unless told otherwise."""
        made = await self.gates.unit(CHIEF)(
            devices.add_device, entrance_id=entrance or self.gates.park.entrance_id, name=name
        )
        gate = PlainGate(self.http)
        await gate.enrol(made.code, name=name)
        return gate

    async def west(self) -> PlainGate:
        """A gate at the west gate."""
        [(entrance,)] = await self.rows(
            "SELECT entrance_id FROM lane WHERE id = :l", l=self.gates.west
        )
        return await self.gate(entrance, name="west")

    async def tell(self, *made: Made) -> None:
        """Put tickets into the feed, as whoever issues them does."""

        async def add(session: Session) -> None:
            await run(session, [feed.add_statement(session.tenant_id, [one.id for one in made])])

        await self.gates.unit()(add)

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async def ask(session: Session) -> list[Any]:
            return list((await session.execute(text(sql), values)).all())

        return await self.gates.unit()(ask)

    async def entered(self, made: Made) -> int:
        return (await self.gates.row(made.id)).persons_entered

    async def cases(self) -> list[str]:
        rows = await self.rows("SELECT kind FROM gate_case WHERE closed_at IS NULL ORDER BY kind")
        return [row[0] for row in rows]
