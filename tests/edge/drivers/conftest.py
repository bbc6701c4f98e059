"""A driver that runs, and what it says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from shanmen.edge.drivers.base import Device, Event, Fault, Passed, Read, Works
from tests.support.patience import PATIENCE_SECONDS


class Heard:
    """Events of a device, and waiting for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Read)]

    @property
    def faults(self) -> list[str]:
        return [event.what for event in self.events if isinstance(event, Fault)]

    @property
    def passed(self) -> int:
        return sum(event.persons for event in self.events if isinstance(event, Passed))

    @property
    def works(self) -> bool:
        states = [event for event in self.events if isinstance(event, Works | Fault)]
        return bool(states) and isinstance(states[-1], Works)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(device: Device) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(device.run(heard))
    try:
        await heard.until(lambda: bool(heard.events) or task.done())
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - a stand-in has no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture
def card_number() -> str:
    return "11010519491231002X"
