"""`shanmen run`: a whole server on one machine, and the demo scenic area at the first start."""

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack

import psycopg
from rich.console import Console
from rich.table import Table

from shanmen.db.migrate import upgrade
from shanmen.kit.crypto import MasterKeys
from shanmen.kit.settings import Settings
from shanmen.launch.addresses import LOOPBACK, public_address
from shanmen.launch.supervise import (
    Child,
    check_port,
    children,
    keep_alive,
    ready,
    running_database,
)
from shanmen.launch.tls import self_signed


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
    console = Console()
    steps = Steps(console)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    check_port(settings.host, settings.port, "SHANMEN_PORT")
    check_port("127.0.0.1", settings.sandbox_pay_port, "SHANMEN_SANDBOX_PAY_PORT")
    with running_database(settings) as running:
        steps.say("database is up")
        await asyncio.to_thread(upgrade, running.database_url, app_role=running.app_role)
        logins: list[tuple[str, str, str]] = []
        if demo:
            logins = await ensure_demo(running, steps)
        async with AsyncExitStack() as stack:
            processes = await stack.enter_async_context(children(running, parts(running, tls=tls)))
            scheme = "https" if tls else "http"
            address = running.base_url
            local = f"{scheme}://127.0.0.1:{running.port}"
            waiting = asyncio.create_task(ready(local, processes))
            stopped = asyncio.create_task(stopping.wait())
            await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                await waiting
                steps.say("pages are served")
                announce(console, address, logins)
                if demo:
                    history = [Child("history", ["demo", "history"])]
                    await stack.enter_async_context(children(running, history))
                await watch(running, processes, stopping)
            waiting.cancel()
            stopped.cancel()
            steps.say("stopping")
    steps.say("stopped")


def parts(settings: Settings, *, tls: bool) -> list[Child]:
    """The processes of a server."""
    sandbox = ["stand-in", "pay", "--port", str(settings.sandbox_pay_port)]
    if settings.host not in LOOPBACK:
        # A phone that buys here must also reach the page where it pays.
        url = public_address(settings.host, settings.sandbox_pay_port, tls=False)
        sandbox += ["--host", settings.host, "--public-url", url]
    if tls:
        certificate, _ = self_signed(settings.data_dir, host=settings.host)
        sandbox += ["--trust", str(certificate)]
    return [
        Child("sandbox payments", sandbox),
        Child("worker", ["worker"]),
        Child("web", ["serve", *(["--tls-self-signed"] if tls else [])]),
    ]


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


async def ensure_demo(settings: Settings, steps: Steps) -> list[tuple[str, str, str]]:
    """Make the demo's parks at the first start; returns who can sign in: role, login, password."""
    from shanmen.demo.parks import LOGINS  # noqa: PLC0415

    logins = [(login.role, login.name, login.password) for login in LOGINS]
    if has_tenants(settings.database_url):
        # Later starts need none of what makes a park, which is slow to load.
        return logins
    from shanmen.app import open_database  # noqa: PLC0415
    from shanmen.db.outbox import install_subscribers  # noqa: PLC0415
    from shanmen.demo.parks import ensure_parks  # noqa: PLC0415
    from shanmen.wiring import SUBSCRIBERS  # noqa: PLC0415

    install_subscribers(SUBSCRIBERS)
    database = open_database(settings, MasterKeys.load(settings.master_key_path, create=True))
    try:
        if await ensure_parks(database):
            steps.say("demo scenic area is made")
    finally:
        await database.close()
    return logins


def has_tenants(url: str) -> bool:
    """True when the database has been used before."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1 FROM tenant LIMIT 1").fetchone() is not None


def announce(console: Console, address: str, logins: list[tuple[str, str, str]]) -> None:
    """Say where everything is."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("Visitors", f"[bold]{address}/[/]")
    table.add_row("Console", f"{address}/console")
    table.add_row("Gate", f"{address}/gate")
    table.add_row("API", f"{address}/api/docs")
    for role, login, password in logins:
        table.add_row(role, f"{login}  /  {password}")
    console.print()
    console.print(table)
    console.print("\nCtrl-C stops everything; the data stays.\n")
