"""A database with the demo's parks, at an instant that every run shares."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shanmen.db.outbox import install_subscribers
from shanmen.db.session import Database
from shanmen.demo.parks import ensure_parks
from shanmen.kit import clock
from shanmen.wiring import SUBSCRIBERS

install_subscribers(SUBSCRIBERS)

NOW = datetime(2026, 10, 2, 4, 30, tzinfo=UTC)
"""Half past twelve on the second day of the October holidays."""


@pytest.fixture
def noon() -> Iterator[datetime]:
    with clock.at(NOW):
        yield NOW


@pytest.fixture
async def demo(own_database: Database) -> Database:
    with clock.at(NOW):
        assert await ensure_parks(own_database)
    return own_database
