"""Serve the stand-in: ``python -m shanmen.payments.standin --port 8090 --data data``."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from shanmen.payments.standin.app import create_app
from shanmen.payments.standin.server import StandIn
from shanmen.payments.standin.store import AlreadyRunning

_BACKLOG = 1024


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--data",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The product's data folder; keys and state are in sandbox-pay inside it.",
)
@click.option("--public-url", help="Where visitors reach the pay page, if it is elsewhere.")
@click.option("--with-parent", is_flag=True, help="Stop when standard input closes.")
def main(host: str, port: int, data: Path, public_url: str | None, *, with_parent: bool) -> None:
    """Serve the stand-in for a payment provider. No real money is moved."""
    try:
        app = create_app(data, public_url=public_url)
    except AlreadyRunning as error:
        raise click.ClickException(str(error)) from error
    asyncio.run(serve(app, host=host, port=port, with_parent=with_parent))


async def serve(app: Litestar, *, host: str, port: int, with_parent: bool) -> None:
    """Serve until SIGTERM, SIGINT or, with ``with_parent``, the end of standard input."""
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=_BACKLOG,
        log_level=LogLevels.error,
    )
    loop = asyncio.get_running_loop()
    standin: StandIn = app.state.standin

    def stop() -> None:
        # Whoever is being kept waiting is let go first, or the server would wait for them in turn.
        standin.stopping.set()
        server.stop()  # type: ignore[no-untyped-call] # Granian leaves it without annotations.

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if with_parent:
        threading.Thread(target=_watch_parent, args=(loop, stop), daemon=True).start()
    await server.serve()


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Wait for the pipe from the parent to close, which it does however the parent ends."""
    while sys.stdin.buffer.read(1024):
        pass
    loop.call_soon_threadsafe(stop)


if __name__ == "__main__":
    main()
