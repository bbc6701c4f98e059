"""Ending what never ends by itself, when the process is asked to stop.

A server first waits for the answers under way and only then runs the application's shutdown. A
stream that somebody watches is never done, so it has to hear the signal itself.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

__all__ = ["at_stop", "not_at_stop"]

Callback = Callable[[], None]

_waiting: dict[Callback, asyncio.AbstractEventLoop] = {}


class _Handler:
    """Tells all who wait, then does what was done before."""

    def __init__(self, previous: Callable[[int, FrameType | None], object]) -> None:
        self.previous = previous

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for callback, loop in list(_waiting.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(callback)
        self.previous(number, frame)


def at_stop(callback: Callback) -> None:
    """Call back in the running loop at SIGTERM and SIGINT, besides what the server does then.

    Call it while the server already serves, not before: a server sets its own handlers when it
    starts. In a thread that hears no signals, and where nobody handles them, nothing happens.
    """
    _waiting[callback] = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        # An event loop keeps a handler of Python's beside its own, to be woken by the signal; it
        # must go on being called.
        previous = signal.getsignal(number)
        if callable(previous) and not isinstance(previous, _Handler):
            signal.signal(number, _Handler(previous))


def not_at_stop(callback: Callback) -> None:
    """Forget a callback."""
    _waiting.pop(callback, None)
