"""Seeded days at the gates agree with what really happened; deliberate faults do not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from shanmen.cli import main
from shanmen.db.session import Database
from shanmen.sim import faults
from shanmen.sim.gates import run_day

pytestmark = pytest.mark.sim


async def agrees(database: Database, folder: Path, seed: int) -> str:
    day = await run_day(database, seed=seed, folder=folder)
    assert day.wrong == []
    assert day.visitors >= 500
    assert day.partitions >= 3
    assert day.power_losses >= 2
    return day.trace


async def test_a_day_agrees_with_the_truth_and_replays(database: Database, tmp_path: Path):
    first = await agrees(database, tmp_path / "a", 1)
    assert await agrees(database, tmp_path / "b", 1) == first


@pytest.mark.parametrize("name", faults.NAMES)
async def test_a_fault_is_seen(database: Database, tmp_path: Path, name: str):
    day = await run_day(database, seed=0, folder=tmp_path, canary=name, visitors=260)
    assert day.wrong != []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 124))
async def test_many_days(database: Database, tmp_path: Path, seed: int):
    await agrees(database, tmp_path, seed)


def test_faults_are_listed_one_a_line():
    listed = CliRunner().invoke(main, ["sim", "gates", "--list-canaries"])
    assert listed.output.split() == list(faults.NAMES)
