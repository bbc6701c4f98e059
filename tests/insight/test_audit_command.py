"""`shanmen audit stock` says what differs, by its words and by its exit status."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from shanmen.cli import main
from tests.conftest import APP_ROLE, MASTERS, open_database
from tests.support.park import Park, make_park


async def open_park(url: str) -> Park:
    database = open_database(url)
    park = await make_park(database, code="audited")
    await database.close()
    return park


@pytest.fixture
def audit(own_url: str, tmp_path: Path):
    (tmp_path / "master.key").write_text(MASTERS.current.line() + "\n")
    env = {
        "SHANMEN_DATABASE_URL": own_url,
        "SHANMEN_DATA_DIR": str(tmp_path),
        "SHANMEN_APP_ROLE": APP_ROLE,
    }

    def run() -> Result:
        return CliRunner().invoke(main, ["audit", "stock"], env=env)

    return run


def test_the_command_ends_with_1_when_a_counter_differs(own_url: str, audit):
    park = asyncio.run(open_park(own_url))
    sound = audit()
    assert (sound.exit_code, sound.output) == (0, "All counters agree with orders and tickets.\n")
    with psycopg.connect(own_url) as owner:
        owner.execute("UPDATE stock SET sold = 1 WHERE id = %s", (park.slots[0],))
    differs = audit()
    assert differs.exit_code == 1
    assert str(park.slots[0]) in differs.output
    assert differs.output.endswith("1 differ.\n")
