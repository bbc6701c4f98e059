"""The server's application, made once for all days: putting it together takes as long as one."""

from pathlib import Path

import pytest

from shanmen.db.session import Database
from shanmen.sim.server import Backend


@pytest.fixture(scope="session")
async def backend(database: Database, data_dir: Path) -> Backend:
    return Backend(database, data_dir / "sim")
