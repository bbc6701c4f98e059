"""Seeded days at the gates agree with what really happened; deliberate faults do not."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shanmen.cli import main
from shanmen.db.session import Database
from shanmen.sim import faults
from shanmen.sim.cli import too_little
from shanmen.sim.gates import run_day
from shanmen.sim.people import Figures
from shanmen.sim.server import Backend

pytestmark = pytest.mark.sim

DAYS = int(os.environ.get("SHANMEN_TEST_SIM_DAYS", "2000"))
"""How many days `make soak` simulates; two thousand take some hours."""
AT_ONCE = 50
"""Days that share a database."""
FIRST = 1000


async def day(backend: Backend, folder: Path, seed: int) -> Figures:
    """A day without a fault, which has everything that a day must have."""
    made = await run_day(backend, seed=seed, folder=folder / str(seed))
    assert made.wrong == [], f"seed {seed}"
    assert made.visitors >= 500
    assert made.partitions >= 3
    assert made.power_losses >= 2
    return made


async def test_a_day_agrees_with_the_truth_and_replays_anywhere(backend: Backend, tmp_path: Path):
    """The same hash of the trace in another process, time zone, language and folder."""
    made = await day(backend, tmp_path, 1)
    assert min(made.admissions, made.overrides, made.taken_back, made.conflicts) > 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    odd = {"PYTHONHASHSEED": "4711", "TZ": "America/St_Johns", "LC_ALL": "C", "LANG": "C"}
    done = subprocess.run(  # noqa: ASYNC221 - nothing else happens meanwhile
        [sys.executable, "-m", "shanmen", "sim", "gates", "--seed", "1"],
        cwd=elsewhere,
        env=os.environ | odd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{made.visitors} visitors, {made.admissions} admissions" in done.stdout
    assert f"trace {made.trace}" in done.stdout


@pytest.mark.parametrize("name", faults.NAMES)
async def test_a_fault_is_seen(backend: Backend, tmp_path: Path, name: str):
    """Within a few days: some faults need somebody who comes at the wrong moment."""
    for seed in range(3):
        made = await run_day(
            backend, seed=seed, folder=tmp_path / str(seed), canary=name, to_the_end=False
        )
        if made.wrong:
            return
    pytest.fail(f"Nobody saw {name}.")


def test_a_day_with_too_little_proves_nothing():
    assert too_little(Figures(visitors=500, partitions=3, power_losses=2)) == []
    found = too_little(Figures(visitors=499, partitions=3, power_losses=0))
    assert [line.split(":")[0] for line in found] == ["only 499 visitors", "only 0 power losses"]


def replayed(*options: str) -> subprocess.CompletedProcess[str]:
    """Seed 0 by the command, as anybody runs it."""
    return subprocess.run(
        [sys.executable, "-m", "shanmen", "sim", "gates", "--seed", "0", *options],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["unsigned-ticket", "forgotten-use"])
def test_the_command_fails_where_a_fault_is_seen(name: str):
    done = replayed("--canary", name)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "trace" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("first", range(FIRST, FIRST + DAYS, AT_ONCE))
async def test_many_days(
    own_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], first: int
):
    """Hours of days, with a line for each so that it can be seen how far they have come."""
    backend = Backend(own_database, tmp_path / "server")
    for seed in range(first, min(first + AT_ONCE, FIRST + DAYS)):
        made = await day(backend, tmp_path, seed)
        with capsys.disabled():
            click.echo(
                f"day {seed - FIRST + 1} of {DAYS}: seed {seed}, {made.admissions} admissions"
            )


def test_faults_are_listed_one_a_line():
    listed = CliRunner().invoke(main, ["sim", "gates", "--list-canaries"])
    assert listed.exit_code == 0
    assert listed.output.splitlines() == list(faults.NAMES)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--canary", "mouse"], "--canary"),
        (["--seed", "soon"], "--seed"),
        (["--seed", "-1"], "--seed"),
        (["--days", "0"], "--days"),
    ],
)
def test_what_makes_no_sense_is_refused(options: list[str], named: str):
    refused = CliRunner().invoke(main, ["sim", "gates", *options])
    assert refused.exit_code == 2
    assert named in refused.output
