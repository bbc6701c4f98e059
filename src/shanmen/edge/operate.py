"""A running gate: its lanes with their devices, and the guard's page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shanmen.edge.agent import Agent
from shanmen.edge.drivers import config
from shanmen.edge.drivers.build import build
from shanmen.edge.entrance import Entrance
from shanmen.edge.page.board import Board
from shanmen.edge.page.server import open_page
from shanmen.edge.shown import Show, Shown

LANES_FILE = "lanes.toml"


@dataclass(frozen=True, slots=True)
class Operating:
    """Where a guard finds the page, and what lets them in."""

    url: str
    pin: str
    entrance: Entrance
    work: "asyncio.Task[None]"
    """Ends only by a mistake in the program; whoever waits for it sees which."""


@asynccontextmanager
async def operate(
    agent: Agent,
    folder: Path,
    *,
    lanes: Path | None = None,
    port: int | None = None,
    also_show: Show | None = None,
) -> AsyncIterator[Operating]:
    """Run lanes and page of a started agent until the block ends.

    `lanes` is the file that describes the devices, ``lanes.toml`` of the folder without; `port` is
    the page's, instead of the file's. Raises
    config.Wrong for a file that cannot be used and OSError where the page's port is taken.
    """
    file = config.load(lanes or folder / LANES_FILE)
    board = Board(agent)

    def show(shown: Shown) -> None:
        board.show(shown)
        if also_show is not None:
            also_show(shown)

    entrance = Entrance(agent, build(file.lane), show=show)
    wanted = file.page.port if port is None else port
    page, at, pin = await open_page(
        agent, entrance, board, folder=folder, host=file.page.host, port=wanted
    )
    work = asyncio.create_task(entrance.run())
    try:
        yield Operating(f"http://{_host(file.page.host)}:{at}/", pin, entrance, work)
    finally:
        await page.close()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


def _host(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
