"""A gate at work, from its start until it is told to end."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shanmen.edge.agent import Agent
from shanmen.edge.operate import Operating, operate

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class CannotRun(Exception):
    """The gate did not start; the message says why, in a sentence."""


async def run_gate(
    folder: Path,
    *,
    lanes: Path | None = None,
    port: int | None = None,
    started: Callable[[Operating], None] = lambda _: None,
) -> None:
    """Run until SIGTERM or SIGINT; raises DeviceMissing, StoreBroken, config.Wrong or CannotRun."""
    agent = Agent.open(folder)
    try:
        with _told() as told:
            await agent.start()
            async with operate(agent, folder, lanes=lanes, port=port) as operating:
                started(operating)
                await _until(told, operating.work)
    except OSError as error:
        raise CannotRun(f"The guard's page cannot be served: {error.strerror or error}.") from error
    finally:
        await agent.close()


@contextmanager
def _told() -> Iterator[asyncio.Event]:
    """An event that is set by a signal; from the first moment on, so that none is lost."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _until(told: asyncio.Event, work: "asyncio.Task[None]") -> None:
    """Wait for the event; a mistake in the program ends the wait as well, and is raised."""
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done() and not work.cancelled():
            work.result()
    finally:
        waiting.cancel()
