"""Signals reach what waits for them, and the server's own handlers too."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from shanmen.web.stopping import at_stop, not_at_stop
from tests.support.patience import PATIENCE_SECONDS


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def heard(event: asyncio.Event) -> bool:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await event.wait()


async def test_a_signal_is_heard_by_the_server_and_by_the_stream(handlers: None) -> None:
    server, stream, forgotten = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.set)
    callbacks: list[Callable[[], None]] = [stream.set, forgotten.set]
    try:
        for callback in callbacks:
            at_stop(callback)
        not_at_stop(callbacks[1])
        os.kill(os.getpid(), signal.SIGTERM)
        assert await heard(server)
        assert await heard(stream)
        assert not forgotten.is_set()
    finally:
        not_at_stop(callbacks[0])
        loop.remove_signal_handler(signal.SIGTERM)


async def test_where_nobody_handles_the_signal_it_keeps_its_effect(handlers: None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stream = asyncio.Event()
    callback = stream.set
    at_stop(callback)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    not_at_stop(callback)
