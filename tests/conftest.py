"""One PostgreSQL for the run, one migrated template, one clone of it for each worker.

Tests isolate themselves by tenant: the fixture `tenant` makes a new one each time, through the
services. A test that must own the whole database asks for `own_database`.

With ``SHANMEN_TEST_DATABASE_URL`` set to the owner's URL of an external PostgreSQL (a database that
may create databases and roles), the same suite runs there.
"""

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import fasteners
import hypothesis
import psycopg
import pytest

from shanmen.db import migrate
from shanmen.db.embedded import EmbeddedDatabase
from shanmen.db.keys import Keyrings
from shanmen.db.outbox import install_subscribers
from shanmen.db.session import Database
from shanmen.kit import ids
from shanmen.kit.crypto import MasterKey, MasterKeys
from shanmen.wiring import SUBSCRIBERS
from tests.support.park import Park, make_park

EXTERNAL = "SHANMEN_TEST_DATABASE_URL"
APP_ROLE = "shanmen_app"
install_subscribers(SUBSCRIBERS)
# A line of the log that cannot be written is a failure of its own: every one is written here.
logging.getLogger("shanmen").setLevel(logging.DEBUG)
# A busy machine is slow, not wrong: how long something takes is the benchmarks' business.
hypothesis.settings.register_profile("shanmen", deadline=None, max_examples=60)
hypothesis.settings.load_profile("shanmen")
MASTERS = MasterKeys([MasterKey.generate("test")])
# Losing the last second of a test database in a power cut harms nobody; crash tests start a server
# of their own with durability on.
CONF = "fsync = off\nmax_connections = 300\n"


LONG = (
    "tests/e2e/test_pages.py",
    "tests/sim/test_gates.py",
    "tests/demo/test_history.py",
    "tests/crash/test_kills.py",
    "tests/crash/test_cut_off.py",
    "tests/e2e/test_visitor.py",
    "tests/api/test_schemathesis.py",
    "tests/orders/test_machine.py",
    "tests/e2e/test_journey.py",
    "tests/walk/test_isolation.py",
    "tests/web/test_browser.py",
)
"""Files that take longest, in the order in which they begin."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless ``-m`` asks for them by name."""
    # A long file that begins last keeps one worker busy while the others have nothing to do.
    first = {config.rootpath / path: place for place, path in enumerate(LONG)}
    items.sort(key=lambda item: first.get(item.path, len(LONG)))
    if "soak" in str(config.getoption("-m")):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server on which tests make their databases."""

    admin_url: str

    def url(self, name: str) -> str:
        """The owner's URL of a database of this server."""
        parts = urlsplit(self.admin_url)
        return urlunsplit(parts._replace(path=f"/{name}"))

    def clone(self, name: str, template: str) -> str:
        """Make a database as a copy of another; returns its URL."""
        self.drop(name)
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """The URL of a copy of a database, there until the context is left."""
        # A name of its own each time: what a process remembers of a database goes by its address.
        name = f"{template[:50]}_{ids.new_id().hex[-8:]}"
        yield self.clone(name, template)
        self.drop(name)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server of this run: all workers share it, the last one stops it."""
    external = os.environ.get(EXTERNAL)
    if external:
        yield Cluster(external)
        return
    # Not under pytest's own folder: it is closed to the user that PostgreSQL runs as under root.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    folder = Path(tempfile.gettempdir()) / f"shanmen-tests-{run}"
    with EmbeddedDatabase(folder, conf=CONF) as server:
        yield Cluster(server.uri)


@pytest.fixture(scope="session")
def template(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated, empty database, made once for the run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    name = f"shanmen_template_{shared.name.replace('-', '_')}"
    with fasteners.InterProcessLock(shared / "template.lock"):
        done = shared / "template.done"
        if not done.exists():
            with psycopg.connect(cluster.admin_url, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                connection.execute(f'CREATE DATABASE "{name}"')
            migrate.upgrade(cluster.url(name), app_role=APP_ROLE)
            done.touch()
    return name


@pytest.fixture(scope="session")
def db_url(cluster: Cluster, template: str, worker_id: str) -> str:
    """The owner's URL of this worker's database."""
    return cluster.clone(f"{template}_{worker_id}", template)


@pytest.fixture
def own_url(cluster: Cluster, template: str) -> Iterator[str]:
    """The owner's URL of a database that this test has to itself."""
    with cluster.copy(template) as url:
        yield url


def open_database(url: str, *, pool_size: int = 8) -> Database:
    """A `Database` as the application role, with the run's master key."""
    return Database(
        url,
        keyrings=Keyrings(MASTERS),
        app_role=APP_ROLE,
        pool_size=pool_size,
        lock_timeout_ms=5000,
    )


@pytest.fixture(scope="session")
async def database(db_url: str) -> AsyncIterator[Database]:
    """This worker's database, as the role that the application runs as."""
    opened = open_database(db_url)
    yield opened
    await opened.close()


@pytest.fixture
async def own_database(own_url: str) -> AsyncIterator[Database]:
    """A database that this test has to itself, as the application role."""
    opened = open_database(own_url)
    yield opened
    await opened.close()


@pytest.fixture
async def park(database: Database) -> Park:
    """A new tenant with a small park: a gate pool, a cableway, five ticket types, slots ahead."""
    return await make_park(database, code=f"t{ids.new_id().hex[-10:]}")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what a server would keep under its data folder."""
    return tmp_path_factory.mktemp("data")
