"""``shanmen sim …``: replay a seeded day and say what happened."""

import asyncio
import gc
import sys
import tempfile
import warnings
from pathlib import Path

import click
from rich.console import Console

from shanmen.db import migrate
from shanmen.db.embedded import EmbeddedDatabase
from shanmen.db.keys import Keyrings
from shanmen.db.session import Database
from shanmen.kit.crypto import MasterKey, MasterKeys
from shanmen.sim import faults
from shanmen.sim.gates import run_day
from shanmen.sim.people import Figures
from shanmen.sim.server import Backend

_APP_ROLE = "shanmen_sim"
# A simulated server that loses power is none of this simulation's business.
LEAST = {"visitors": 500, "partitions": 3, "power_losses": 2}
_CONF = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


@click.group("sim")
def sim() -> None:
    """Seeded simulations that replay exactly, with an auditor who knows the truth."""


@sim.command("gates")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which day.")
@click.option("--days", type=click.IntRange(1), default=1, help="How many, from that seed on.")
@click.option("--canary", type=click.Choice(faults.NAMES), help="A deliberate fault.")
@click.option("--list-canaries", is_flag=True, help="Print the names of the faults, and end.")
@click.option("--verbose", is_flag=True, help="Print everything that happened.")
def gates(seed: int, days: int, canary: str | None, *, list_canaries: bool, verbose: bool) -> None:
    """Run real agents and the real server through a day of bad luck.

    Ends with status 1 where anybody's books or decisions do not agree with what happened.
    """
    if list_canaries:
        click.echo("\n".join(faults.NAMES))
        return
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="shanmen-sim-") as name, warnings.catch_warnings():
        folder = Path(name)
        # The database may run as another user than this one.
        folder.chmod(0o755)
        with EmbeddedDatabase(folder / "postgres", conf=_CONF) as server:
            migrate.upgrade(server.uri, app_role=_APP_ROLE)
            wrong = asyncio.run(
                _run(
                    server.uri,
                    folder,
                    seeds=range(seed, seed + days),
                    canary=canary or "",
                    console=console,
                    verbose=verbose,
                )
            )
    sys.exit(1 if wrong else 0)


async def _run(
    url: str, folder: Path, *, seeds: range, canary: str, console: Console, verbose: bool
) -> int:
    masters = MasterKeys([MasterKey.generate("sim")])
    database = Database(url, keyrings=Keyrings(masters), app_role=_APP_ROLE)
    wrong = 0
    try:
        server = Backend(database, folder / "server")
        # All that was made so far stays: it need not be looked through again and again.
        gc.freeze()
        for number in seeds:
            day = await run_day(server, seed=number, folder=folder / str(number), canary=canary)
            day.wrong += too_little(day)
            _print(console, number, day, verbose=verbose)
            wrong += len(day.wrong)
    finally:
        await database.close()
    return wrong


def too_little(day: Figures) -> list[str]:
    """What a day lacks that every simulated day must have; it would prove little without."""
    return [
        f"only {getattr(day, name)} {name.replace('_', ' ')}: a day has at least {least}"
        for name, least in LEAST.items()
        if getattr(day, name) < least
    ]


def _print(console: Console, seed: int, day: Figures, *, verbose: bool) -> None:
    if verbose:
        for line in day.lines:
            console.print(line, style="dim", markup=False)
    console.print(
        f"seed {seed}: {day.visitors} visitors, {day.admissions} admissions,"
        f" {day.partitions} partitions, {day.power_losses} power losses,"
        f" {day.conflicts} conflicts, {day.overrides} overrides, {day.taken_back} taken back",
        markup=False,
        soft_wrap=True,
    )
    for what in day.wrong:
        console.print(f"  {what}", style="red", markup=False, soft_wrap=True)
    console.print(f"  trace {day.trace}", markup=False, soft_wrap=True)
