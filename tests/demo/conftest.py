"""A database with the demo's parks, at an instant that every run shares."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from shanmen.db.outbox import install_subscribers
from shanmen.db.session import Database
from shanmen.demo.parks import ensure_parks
from shanmen.kit import clock
from shanmen.wiring import SUBSCRIBERS
from tests.conftest import Cluster, open_database

install_subscribers(SUBSCRIBERS)

NOW = datetime(2026, 10, 2, 4, 30, tzinfo=UTC)
"""Half past twelve on the second day of the October holidays."""


@pytest.fixture
def noon() -> Iterator[datetime]:
    with clock.at(NOW):
        yield NOW


@pytest.fixture(scope="module")
async def parks(cluster: Cluster, template: str, worker_id: str) -> str:
    """The name of a database with the demo's parks, to be copied."""
    name = f"{template}_{worker_id}_parks"
    database = open_database(cluster.clone(name, template))
    with clock.at(NOW):
        assert await ensure_parks(database)
    await database.close()
    return name


@pytest.fixture
async def demo(cluster: Cluster, parks: str) -> AsyncIterator[Database]:
    """The demo's parks, in a database that this test has to itself."""
    with cluster.copy(parks) as url:
        database = open_database(url)
        yield database
        await database.close()
