"""Jobs deferred in the same transaction as the change that causes them.

procrastinate keeps its queue in this database, so a job exists exactly when the change was
committed. Jobs and events carry ids and never personal data. Which jobs hear which event is one
table, `shanmen.wiring.SUBSCRIBERS`, that a process installs when it starts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session

DEFER = (
    "SELECT procrastinate_defer_jobs_v1(ARRAY("
    "SELECT ROW(j->>'queue', j->>'task', 0, j->>'lock', j->>'queueing_lock', j->'args', "
    "(j->>'at')::timestamptz)::procrastinate_job_to_defer_v1 "
    "FROM jsonb_array_elements(%s::jsonb) AS j))"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One job: a task's name and what it needs to know.

    Args:
        task: the task's registered name, ``module.verb``.
        args: JSON values; the tenant is added.
        at: not before this instant.
        lock: jobs with the same lock run one after the other.
        queueing_lock: at most one waiting job has it.
    """

    task: str
    args: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    queue: str = "default"
    lock: str | None = None
    queueing_lock: str | None = None


_subscribers: dict[str, tuple[str, ...]] = {}
_quiet: ContextVar[bool] = ContextVar("shanmen_outbox_quiet", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Let events in the block reach nobody.

    For a replay of the past, which does itself what subscribers would do, at the time of the past:
    a job would run now, and its traces would be of now.
    """
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def install_subscribers(table: Mapping[str, tuple[str, ...]]) -> None:
    """Say which jobs hear which event; once per process."""
    _subscribers.update(table)


async def publish(session: Session, event: str, args: dict[str, Any]) -> None:
    """Tell what happened: a job for each subscriber, if and when this transaction commits.

    Raises:
        LookupError: nobody installed subscribers for this event: a mistake in the wiring.
    """
    await run(session, publish_statements(session.tenant_id, event, args))


def publish_statements(tenant_id: int, event: str, args: dict[str, Any]) -> list[Statement]:
    """As `publish`, to be run among other statements."""
    if event not in _subscribers:
        msg = f"The event {event!r} is not in the table of subscribers."
        raise LookupError(msg)
    jobs = [Job(task, args) for task in _subscribers[event]]
    return [] if _quiet.get() or not jobs else [_defer_statement(tenant_id, jobs)]


async def defer(session: Session, *jobs: Job) -> None:
    """Put jobs in the queue if and when this transaction commits."""
    if jobs:
        await run(session, [_defer_statement(session.tenant_id, jobs)])


def _defer_statement(tenant_id: int, jobs: Iterable[Job]) -> Statement:
    rows = [
        {
            "queue": job.queue,
            "task": job.task,
            "lock": job.lock,
            "queueing_lock": job.queueing_lock,
            "at": job.at.isoformat() if job.at else None,
            "args": {"tenant_id": tenant_id, **job.args},
        }
        for job in jobs
    ]
    return Statement(DEFER, (json.dumps(rows),))
