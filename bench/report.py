"""What a benchmark found: figures beside their goals, and the machine that they are of."""

import json
import os
import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from bench.load import Stream
from bench.processes import Processes
from bench.rig import Rig, filesystem

PACKAGES = ("litestar", "granian", "msgspec", "psycopg", "sqlalchemy", "cryptography", "uvloop")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be: at least, or at most."""

    value: float
    at_least: bool

    def met(self, figure: float) -> bool:
        """Whether a figure is as good as that."""
        return figure >= self.value if self.at_least else figure <= self.value

    def __str__(self) -> str:
        """As the table shows it."""
        return f"{'≥' if self.at_least else '≤'} {shown(self.value)}"


def at_least(value: float) -> Goal:
    """A goal to reach."""
    return Goal(value, at_least=True)


def at_most(value: float) -> Goal:
    """A goal to stay under."""
    return Goal(value, at_least=False)


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


@dataclass(slots=True)
class Report:
    """The outcome of one benchmark."""

    name: str
    figures: dict[str, float] = field(default_factory=dict)
    goals: dict[str, Goal] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    """Where the database is not what clients were told; each makes the benchmark fail."""

    def add(self, name: str, value: float, goal: Goal | None = None) -> None:
        """A figure, and its goal if it has one."""
        self.figures[name] = round(value, 4)
        if goal is not None:
            self.goals[name] = goal

    def stream(
        self,
        stream: Stream,
        *,
        suffix: str = "",
        per_s: Goal | None = None,
        p99_ms: Goal | None = None,
    ) -> None:
        """The usual figures of a load."""
        self.add(f"per_s{suffix}", stream.per_s, per_s)
        self.add(f"p50_ms{suffix}", stream.percentile_ms(0.5))
        self.add(f"p99_ms{suffix}", stream.percentile_ms(0.99), p99_ms)
        self.add(f"errors{suffix}", stream.errors, at_most(0))
        if stream.errors:
            self.settings[f"first_errors{suffix}"] = {
                "statuses": {str(k): v for k, v in stream.statuses.items()},
                "answers": [body[:300].decode(errors="replace") for body in stream.problems],
            }

    def same(self, what: str, told: object, found: object) -> None:
        """Compare what clients were told with what the database has."""
        if told != found:
            self.differences.append(f"{what}: clients were told {told}, the database has {found}")

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {
            "name": self.name,
            "figures": self.figures,
            "goals": {name: str(goal) for name, goal in self.goals.items()},
            "differences": self.differences,
            "settings": self.settings,
        }

    def print(self, console: Console) -> None:
        """The table, and what differs."""
        table = Table(title=self.name, title_justify="left", title_style="bold")
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("goal", justify="right")
        table.add_column("")
        for name, value in self.figures.items():
            goal = self.goals.get(name)
            mark = "" if goal is None else "[green]met[/]" if goal.met(value) else "[red]missed[/]"
            table.add_row(name, shown(value), "" if goal is None else str(goal), mark)
        console.print(table)
        for name, found in self.settings.items():
            if name.startswith("first_errors"):
                console.print(f"[red]{name}[/]: {json.dumps(found, ensure_ascii=False)[:600]}")
        for line in self.differences:
            console.print(f"[red bold]{line}[/]")


class Meter:
    """Processor time of everybody over a load, for a figure that waiting does not blur.

    Args:
        rig: whose PostgreSQL.
        web: the web processes.
    """

    def __init__(self, rig: Rig, web: Processes) -> None:
        self.rig = rig
        self.web = web
        self.seconds: dict[str, float] = {}

    def _read(self) -> dict[str, float]:
        return {
            "web": self.web.cpu_seconds(),
            "postgres": self.rig.postgres_cpu_seconds(),
            "load": time.process_time(),
        }

    def __enter__(self) -> Self:
        """Begin."""
        self.before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the difference."""
        after = self._read()
        self.seconds = {name: after[name] - self.before[name] for name in after}

    def into(self, report: Report, requests: int, *, suffix: str = "") -> None:
        """Microseconds of processor time for each request."""
        for name, seconds in self.seconds.items():
            report.add(f"cpu_{name}_us{suffix}", seconds / max(requests, 1) * 1e6)


def machine(rig: Rig) -> dict[str, Any]:
    """What the figures are of."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(_memory_bytes() / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "file_system": filesystem(rig.folder),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "postgresql": rig.settings_of_server(),
        "load_average_before": list(os.getloadavg()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
