"""Seeded days at the gates agree with what really happened; deliberate faults do not."""

from pathlib import Path

import pytest

from shanmen.db.session import Database
from shanmen.sim.gates import run_day


@pytest.mark.sim
@pytest.mark.parametrize("seed", range(2))
async def test_a_day_agrees_with_the_truth(database: Database, tmp_path: Path, seed: int):
    day = await run_day(database, seed=seed, folder=tmp_path)
    assert day.wrong == []
    assert day.visitors >= 500
    assert day.partitions >= 3
    assert day.power_losses >= 2
