"""Scans that arrive at the same time share a transaction."""

from dataclasses import dataclass
from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection

from shanmen.admission.presented import Presented, recognise
from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.admission.service.batch import Outcome, admit
from shanmen.db.session import Database
from shanmen.kit.coalesce import Coalescer
from shanmen.kit.errors import DomainError
from shanmen.tickets.keys import own_keys

MAX_BATCH: Final = 128
MAX_QUEUE: Final = 4096
STATE_KEY: Final = "admission_coalescer"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A scan, and what it presents where that could be read before its batch began."""

    scan: ScanRequest
    presented: Presented | None = None


Admissions = Coalescer[int, Arrived, Outcome]
"""Scans by tenant."""


def admission_coalescer(
    database: Database, *, max_batch: int = MAX_BATCH, max_queue: int = MAX_QUEUE
) -> Admissions:
    """Make what a process admits through: one batch at a time per tenant.

    A scan has an id of its own, so a batch whose commit was lost is simply run again.
    """

    async def run(tenant_id: int, arrived: list[Arrived]) -> list[Outcome]:
        read = [one.presented for one in arrived]
        scans = [one.scan for one in arrived]
        return await database.unit(tenant_id)(admit, scans=scans, read=read, alone=True)

    return Coalescer(run, max_batch=max_batch, max_queue=max_queue)


def admissions_in(app: Litestar) -> Admissions:
    """The application's own; made at the first use where the start did not make it."""
    state = app.state
    found = state.get(STATE_KEY)
    if not isinstance(found, Coalescer):
        found = state[STATE_KEY] = admission_coalescer(state.database)
    return found


async def submit(
    connection: ASGIConnection[Any, Any, Any, Any], *, tenant_id: int, scan: ScanRequest
) -> DecisionView:
    """Decide one scan together with those that arrive at the same time; raises its error."""
    return await submit_in(connection.app, tenant_id=tenant_id, scan=scan)


async def submit_in(app: Litestar, *, tenant_id: int, scan: ScanRequest) -> DecisionView:
    """As `submit`, for whoever has the application and no connection."""
    arrived = arrive(app.state.database, tenant_id, scan)
    outcome = await admissions_in(app).submit(tenant_id, arrived)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def arrive(database: Database, tenant_id: int, scan: ScanRequest) -> Arrived:
    """Read a scan at once, while an earlier batch waits for the database.

    Only the first scans of a process come before the tenant's keys are there.
    """
    try:
        keyring = database.keyrings.opened(tenant_id)
    except LookupError:
        return Arrived(scan)
    return Arrived(scan, recognise(scan, keyring=keyring, keys=own_keys(keyring)))
