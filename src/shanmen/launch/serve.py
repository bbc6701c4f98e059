"""One process's part: web processes under Granian, and the worker."""

import asyncio
import gc
import logging
import os
import signal

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from shanmen.kit.settings import Settings
from shanmen.launch.supervise import check_port, environment, hear_parent, running_database
from shanmen.launch.tls import self_signed

BACKLOG = 2048


def serve_web(settings: Settings, *, tls: bool, told: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C, with as many processes as the settings say.

    Args:
        settings: of this process.
        tls: with a certificate made here.
        told: a supervisor will say where the database is; loading goes before that.

    Raises:
        CannotStart: the port is taken, or the database cannot be used.
    """
    check_port(settings.host, settings.port, "SHANMEN_PORT")
    # What is loaded lives as long as the process: to look through it for garbage again and again
    # takes a tenth of the start.
    gc.disable()
    from shanmen import app  # noqa: PLC0415 - the worker does not need the pages

    with running_database(hear_parent(settings) if told else settings) as ready:
        os.environ.update(environment(ready))
        certificate, key = self_signed(ready.data_dir, host=ready.host) if tls else (None, None)
        # Once here, and shared by all web processes, which are forked from this one.
        app.from_environment()
        Server(
            "shanmen.app:from_environment",
            factory=True,
            address=ready.host,
            port=ready.port,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            workers=ready.processes,
            backlog=BACKLOG,
            websockets=False,
            log_level=LogLevels.warning,
            ssl_cert=certificate,
            ssl_key=key,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
        ).serve()


def work(settings: Settings) -> None:
    """Run the worker until SIGTERM or Ctrl-C."""
    from shanmen.worker import run  # noqa: PLC0415 - a web process does not need the queue

    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # The queue tells of every job that it fetches, the client of every question to a provider.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)

    async def until_stopped(ready: Settings) -> None:
        task = asyncio.create_task(run(ready))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            logging.getLogger(__name__).info("worker stopped")

    with running_database(settings) as ready:
        asyncio.run(until_stopped(ready))
