"""`shanmen run`: a whole server on one machine, and the demo scenic area at the first start."""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import psycopg
from rich.console import Console
from rich.table import Table

from shanmen.db.migrate import upgrade
from shanmen.demo.logins import LOGINS, Login
from shanmen.kit.settings import Settings
from shanmen.launch.addresses import LOOPBACK, own_address, public_address
from shanmen.launch.supervise import (
    Child,
    check_port,
    children,
    head_start,
    keep_alive,
    ready,
    running_database,
)


class Steps:
    """Prints what is being done, and how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.begun = time.monotonic()

    def say(self, text: str) -> None:
        """One line, with the seconds since the start."""
        self.console.print(f"[dim]{time.monotonic() - self.begun:5.1f} s[/]  {text}")


async def run_everything(settings: Settings, *, demo: bool, tls: bool) -> None:
    """Start everything, say where it is, and stop it on Ctrl-C or SIGTERM.

    Raises:
        CannotStart: a port is taken, the folder cannot be written to, or a part does not start.
    """
    steps = Steps(Console())
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    check_port(settings.host, settings.port, "SHANMEN_PORT")
    check_port(sandbox_host(settings), settings.sandbox_pay_port, "SHANMEN_SANDBOX_PAY_PORT")
    web = Child("web", ["serve", *(["--tls-self-signed"] if tls else [])], early=True)
    async with head_start(settings, web):
        with running_database(settings) as running:
            steps.say("database is up")
            await asyncio.to_thread(upgrade, running.database_url, app_role=running.app_role)
            if demo:
                await ensure_demo(running, steps)
            await run_parts(running, steps, web, demo=demo, tls=tls, stopping=stopping)
            steps.say("stopping")
    steps.say("stopped")


async def run_parts(
    settings: Settings, steps: Steps, web: Child, *, demo: bool, tls: bool, stopping: asyncio.Event
) -> None:
    """Run all processes until `stopping`: first those without which nobody can buy."""
    serving = [web, sandbox(settings, tls=tls)]
    addresses = [
        own_address(settings.host, settings.port, tls=tls),
        own_address(sandbox_host(settings), settings.sandbox_pay_port, tls=False),
    ]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(children(settings, serving))
        waiting = asyncio.create_task(ready(addresses, serving))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            await waiting
            steps.say("pages are served")
            # Nobody waits for these, so they do not take the processor from the first pages.
            worker = Child("worker", ["worker"])
            await stack.enter_async_context(children(settings, [worker]))
            announce(steps.console, settings.base_url, LOGINS if demo else ())
            if demo:
                history = [Child("history", ["demo", "history"])]
                await stack.enter_async_context(children(settings, history))
            await watch(settings, [*serving, worker], stopping)
        waiting.cancel()
        stopped.cancel()


def sandbox_host(settings: Settings) -> str:
    """What the sandbox listens on: the network only where the server does."""
    return "127.0.0.1" if settings.host in LOOPBACK else settings.host


def sandbox(settings: Settings, *, tls: bool) -> Child:
    """The sandbox payment provider, where a phone that buys here finds its pay page."""
    arguments = ["stand-in", "pay", "--port", str(settings.sandbox_pay_port)]
    if settings.host not in LOOPBACK:
        url = public_address(settings.host, settings.sandbox_pay_port, tls=False)
        arguments += ["--host", settings.host, "--public-url", url]
    if tls:
        from shanmen.launch.tls import self_signed  # noqa: PLC0415 - seldom needed

        certificate, _ = self_signed(settings.data_dir, host=settings.host)
        arguments += ["--trust", str(certificate)]
    return Child("sandbox payments", arguments)


async def watch(settings: Settings, processes: list[Child], stopping: asyncio.Event) -> None:
    """Wait for the order to stop. A process that was killed is started again.

    One that ends again and again ends all of them.
    """
    kept = [asyncio.create_task(keep_alive(settings, child)) for child in processes]
    stop = asyncio.create_task(stopping.wait())
    done, pending = await asyncio.wait({stop, *kept}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for name in (c.name for c, task in zip(processes, kept, strict=True) if task in done):
        print(f"The process {name!r} ends again and again; stopping.", file=sys.stderr)  # noqa: T201


async def ensure_demo(settings: Settings, steps: Steps) -> None:
    """Make the demo's parks at the first start."""
    if has_tenants(settings.database_url):
        # Later starts need none of what makes a park, which is slow to load.
        return
    from shanmen.app import open_database  # noqa: PLC0415
    from shanmen.db.outbox import install_subscribers  # noqa: PLC0415
    from shanmen.demo.parks import ensure_parks  # noqa: PLC0415
    from shanmen.kit.crypto import MasterKeys  # noqa: PLC0415
    from shanmen.wiring import SUBSCRIBERS  # noqa: PLC0415

    install_subscribers(SUBSCRIBERS)
    database = open_database(settings, MasterKeys.load(settings.master_key_path, create=True))
    try:
        if await ensure_parks(database):
            steps.say("demo scenic area is made")
    finally:
        await database.close()


def has_tenants(url: str) -> bool:
    """True when the database has been used before."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1 FROM tenant LIMIT 1").fetchone() is not None


def announce(console: Console, address: str, logins: Sequence[Login]) -> None:
    """Say where everything is."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("Visitors", f"[bold]{address}/[/]")
    table.add_row("Console", f"{address}/console")
    table.add_row("Gate", f"{address}/gate")
    table.add_row("API", f"{address}/api/docs")
    for login in logins:
        table.add_row(login.role, f"{login.name}  /  {login.password}")
    console.print()
    console.print(table)
    console.print("\nCtrl-C stops everything; the data stays.\n")
