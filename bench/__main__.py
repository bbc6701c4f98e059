"""``python -m bench NAME``: run one benchmark, or all of them with ``--all``."""

import importlib
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from bench.report import Report, machine
from bench.rig import Asked, Rig
from bench.speed import generator_speed

LARGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: where it is, and what it measures in one line."""

    module: str
    function: str
    what: str

    def load(self) -> Callable[[Rig, Report], None]:
        """The function that runs it."""
        found: Callable[[Rig, Report], None] = getattr(
            importlib.import_module(f"bench.{self.module}"), self.function
        )
        return found


BENCHMARKS = {
    "hot-slot": Benchmark("placing", "hot_slot", "real-name orders on one slot"),
    "spread": Benchmark("placing", "spread", "the same over 1,000 slots"),
    "oversell": Benchmark("placing", "oversell", "5,000 buyers, 500 places, 4 processes"),
    "paid-flow": Benchmark("paying", "paid_flow", "hold, signed payment notice, tickets issued"),
    "availability": Benchmark("reading", "availability", "calendar and slots among 100,000 slots"),
    "growth": Benchmark("growing", "growth", "the same work among 10⁴, 10⁶ and 10⁷ orders"),
    "find": Benchmark("growing", "find", "an order by anything among 10⁶"),
    "admit": Benchmark("admitting", "admit", "admissions of distinct tickets, 64 connections"),
    "admit16": Benchmark("admitting", "admit16", "admissions by 16 gates at once"),
    "gate": Benchmark("gates", "gate", "a gate's own decisions, cut off, durable, three lanes"),
    "gate-sync": Benchmark("gates", "gate_sync", "80,000 tickets to a gate, 50,000 rows from it"),
    "pages": Benchmark("browsing", "pages", "the visitor's pages among 100,000 orders"),
}


def run_one(name: str, rig: Rig, console: Console) -> Report:
    """Run one benchmark; whatever it raises is a difference of its report."""
    report = Report(name)
    about = machine(rig)
    report.settings = {
        "seconds": rig.asked.seconds,
        "fsync": about["postgresql"]["fsync"],
        "synchronous_commit": about["postgresql"]["synchronous_commit"],
        "machine": about,
    }
    report.settings["load_generator"] = generator_speed()
    try:
        BENCHMARKS[name].load()(rig, report)
    except Exception as error:  # noqa: BLE001 - the others are to run all the same
        report.differences.append(f"it did not finish: {type(error).__name__}: {error}")
        traceback.print_exc()
    report.print(console)
    return report


def describe(console: Console, report: Report) -> None:
    """Say what the figures are of."""
    found = report.settings["machine"]
    server = found["postgresql"]
    generator = report.settings["load_generator"]
    console.print(
        f"{found['processor']}, {found['cores']} cores, {found['memory_gb']} GB, "
        f"{found['file_system']}; Python {found['python']}, "
        + ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    )
    console.print(
        f"PostgreSQL {server['server_version']}: "
        + ", ".join(f"{k}={v}" for k, v in server.items() if k != "server_version")
    )
    console.print(
        f"Load: {generator['what']}; against an empty handler {generator['per_s']:,.0f}/s, "
        f"{generator['cpu_us']} µs of processor a request."
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Run all of them.")
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures.")
@click.option(
    "--rows",
    default=0,
    help="Most orders of the large data sets, such as 1000000 for a shorter run.",
)
@click.option("--processes", default=0, help="Web processes, instead of each benchmark's own.")
@click.option("--connections", default=0, help="Connections, instead of each benchmark's own.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the database.")
@click.option("--fresh", is_flag=True, help="Build the large data sets anew.")
def main(
    names: tuple[str, ...],
    *,
    everything: bool,
    seconds: float,
    json_path: Path | None,
    rows: int,
    processes: int,
    connections: int,
    folder: Path | None,
    fresh: bool,
) -> None:
    """Measure this machine; without a name, list what can be measured."""
    console = Console(width=100 if not sys.stdout.isatty() else None)
    wanted = list(BENCHMARKS) if everything else list(names)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        raise click.ClickException(f"There is no benchmark {', '.join(unknown)}.")
    if not wanted:
        for name, benchmark in BENCHMARKS.items():
            console.print(f"  [bold]{name:14}[/]{benchmark.what}")
        console.print("\n  python -m bench NAME… --seconds 10 --json FILE, or --all")
        return
    asked = Asked(seconds=seconds, rows=rows, processes=processes, connections=connections)
    if folder is not None:
        asked.folder = folder
    with Rig(asked) as rig:
        if fresh:
            rig.drop_kept()
        reports = [run_one(name, rig, console) for name in wanted]
    describe(console, reports[0])
    if json_path is not None:
        found = [report.as_json() for report in reports]
        text = json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False)
        json_path.write_text(text + "\n", "utf-8")
    if any(report.differences for report in reports):
        sys.exit(1)


if __name__ == "__main__":
    main()
