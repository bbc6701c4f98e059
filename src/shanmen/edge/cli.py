"""``shanmen gate …``: what whoever installs and watches a gate types."""

import asyncio
import logging
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from shanmen.admission.bound import Bound, bounds
from shanmen.admission.protocol import Names, Setup
from shanmen.edge import device as devices
from shanmen.edge.agent import Agent
from shanmen.edge.device import Device, DeviceMissing
from shanmen.edge.drivers import config
from shanmen.edge.enrol import CannotEnrol
from shanmen.edge.enrol import enrol as enrol_folder
from shanmen.edge.operate import LANES_FILE, Operating
from shanmen.edge.page.words import say
from shanmen.edge.place import moment_of
from shanmen.edge.running import CannotRun, run_gate
from shanmen.edge.simulate import simulate
from shanmen.edge.states import AgentState
from shanmen.edge.store import FILE, StoreBroken
from shanmen.kit import clock

R = TypeVar("R")

FOLDER = Path("gate")

_CLEAR = (DeviceMissing, StoreBroken, CannotEnrol, CannotRun, config.Wrong)
_EXISTING = click.Path(path_type=Path, file_okay=False)

folder_option = click.option(
    "--folder",
    type=_EXISTING,
    default=FOLDER,
    show_default=True,
    help="Folder of this gate: its key, its tickets, its journal.",
)


@click.group("gate")
def gate() -> None:
    """A gate: admits with and without network, and needs no server package."""


gate.add_command(simulate)


@gate.command()
@click.argument("url")
@click.argument("code")
@folder_option
@click.option("--name", default="", help="What the console calls it; the machine's name if empty.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificates that the server's may be signed by, if it is not a public one.",
)
def enrol(url: str, code: str, folder: Path, name: str, ca: Path | None) -> None:
    """Make this machine a gate: URL and CODE are in the line that the console shows."""
    called = name or socket.gethostname()
    ca = ca.resolve() if ca else None
    _done(enrol_folder(url=url, code=code, folder=folder, name=called, ca=ca))
    console = Console()
    console.print(f"[green]{called} is a gate now.[/] Its folder is {folder.resolve()}.")
    if url.startswith("http://"):
        console.print("[yellow]Without https others on the network can read along.[/]")
    console.print(f"Start it with: shanmen gate run --folder {folder}")


@gate.command()
@folder_option
@click.option(
    "--config",
    "lanes",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Which devices the lanes have; {LANES_FILE} in the folder when not given.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the guard's page.")
def run(folder: Path, lanes: Path | None, port: int | None) -> None:
    """Run the gate: its lanes, the guard's page, and the talk with the server."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    console = Console()

    def started(operating: Operating) -> None:
        console.print(f"Guard's page: [bold]{operating.url}[/]  PIN [bold]{operating.pin}[/]")
        console.print("Ctrl-C ends it.", style="dim")

    if lanes is not None and not lanes.exists():
        raise click.ClickException(f"There is no file {lanes}.")
    _done(run_gate(folder, lanes=lanes, port=port, started=started))


@gate.command()
@folder_option
def status(folder: Path) -> None:
    """Say how the gate is: what it holds, and what the server does not know yet."""
    known, device = _look(folder)
    now = known.status()
    console = Console()
    table = Table(title=device.name, show_header=False, title_justify="left")
    for what, value in _lines(now, device, known.setup):
        table.add_row(what, value)
    console.print(table)
    if known.setup is not None:
        console.print(_lanes(known))
    sys.exit(1 if now.revoked else 0)


@gate.command("bound")
@folder_option
def show_bound(folder: Path) -> None:
    """Say how many times at most one ticket can enter, per ticket type, and why."""
    known, _ = _look(folder)
    setup = known.setup
    if setup is None:
        raise click.ClickException("This gate has not heard from its server yet.")
    names = {kind.number: kind.name for kind in setup.types}
    table = Table(title="Persons admitted with one ticket", title_justify="left")
    for title in ("ticket type", "allowed", "at most now", "at most ever", "gates", "why"):
        table.add_column(title, justify="left" if title in {"ticket type", "why"} else "right")
    for each in bounds(setup):
        table.add_row(_name(names.get(each.type_number, {})), *_figures(each))
    console = Console()
    console.print(table)
    console.print("As the server described the gates at the last contact:", style="dim", end=" ")
    console.print(_when(known.status().synced_at, setup), style="dim")


def _figures(bound: Bound) -> tuple[str, ...]:
    gates = f"{bound.gates} ({bound.cut_off} cut off)" if bound.cut_off else str(bound.gates)
    why = " ".join(say("en", f"admission.bound.why.{code}") for code in bound.why)
    return _count(bound.allowed), _count(bound.now), _count(bound.at_most), gates, why


def _count(figure: int | None) -> str:
    return "no limit" if figure is None else str(figure)


def _name(name: Names) -> str:
    return name.get("en") or next(iter(name.values()), "?")


def _done(work: Coroutine[Any, Any, R]) -> R:
    """Do the work; one sentence for everything that is known to go wrong."""
    try:
        return asyncio.run(work)
    except _CLEAR as error:
        raise click.ClickException(str(error)) from error


def _look(folder: Path) -> tuple[Agent, Device]:
    """The gate as its file has it, also while it runs."""
    try:
        device = devices.load(folder)
        if not (folder / FILE).exists():
            raise click.ClickException("This gate has not been started yet: shanmen gate run")
        return Agent.look(folder), device
    except _CLEAR as error:
        raise click.ClickException(str(error)) from error


def _lines(now: AgentState, device: Device, setup: Setup | None) -> list[tuple[str, str]]:
    lines = [
        ("server", device.url),
        ("last contact", _when(now.synced_at, setup)),
        ("tickets", f"{now.tickets:,}"),
        ("not on the server yet", f"{now.queue:,} journal rows"),
        ("unresolved admissions", str(now.unresolved)),
        ("clock", f"{now.skew_ms / 1000:+.1f} s against the server's"),
        (
            "documents",
            "can be matched" if now.documents_readable else "not before the next contact",
        ),
    ]
    if now.emergency:
        lines.append(("emergency", "all lanes are open"))
    if now.revoked:
        lines.append(("revoked", "this gate admits nobody any more"))
    return lines


def _lanes(known: Agent) -> Table:
    table = Table(title="Lanes today", title_justify="left")
    for title in ("lane", "direction", "state", "persons"):
        table.add_column(title, justify="right" if title == "persons" else "left")
    for lane in known.lanes():
        name = f"{lane.number} {_name(lane.name)}"
        table.add_row(name, lane.direction, lane.mode, f"{lane.people:,}")
    return table


def _when(instant: int | None, setup: Setup | None) -> str:
    if instant is None or setup is None:
        return "never"
    return f"{clock.local(moment_of(instant), setup.timezone):%Y-%m-%d %H:%M:%S}"
