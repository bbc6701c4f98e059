"""Scans that arrive at the same time share a transaction."""

from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection

from shanmen.admission.schemas import DecisionView, ScanRequest
from shanmen.admission.service.batch import Outcome, admit
from shanmen.db.session import Database
from shanmen.kit.coalesce import Coalescer
from shanmen.kit.errors import DomainError

MAX_BATCH: Final = 128
MAX_QUEUE: Final = 4096
STATE_KEY: Final = "admission_coalescer"

Admissions = Coalescer[int, ScanRequest, Outcome]
"""Scans by tenant."""


def admission_coalescer(
    database: Database, *, max_batch: int = MAX_BATCH, max_queue: int = MAX_QUEUE
) -> Admissions:
    """Make what a process admits through: one batch at a time per tenant.

    A scan has an id of its own, so a batch whose commit was lost is simply run again.
    """

    async def run(tenant_id: int, scans: list[ScanRequest]) -> list[Outcome]:
        return await database.unit(tenant_id)(admit, scans=scans)

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
    outcome = await admissions_in(app).submit(tenant_id, scan)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome
