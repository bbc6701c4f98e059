"""The worker: jobs from the queue, sweeps every few seconds, nightly jobs for every tenant.

Any number of workers may run: jobs are fetched by one of them, and sweeps skip rows that another
has locked.
"""

import asyncio
import logging
from typing import Any

import procrastinate
from sqlalchemy import select

from shanmen import wiring
from shanmen.app import open_database, open_providers
from shanmen.db.outbox import install_subscribers
from shanmen.db.safety import check_safe
from shanmen.db.session import Session
from shanmen.kit.crypto import MasterKeys
from shanmen.kit.settings import Settings
from shanmen.wiring import SWEEPS, TASKS, Context, Task

log = logging.getLogger(__name__)

RETRY = procrastinate.RetryStrategy(max_attempts=12, exponential_wait=2)
"""A job that fails is tried again after 2, 4, 8 … seconds, for about an hour."""

CONCURRENCY = 4
STOP_SECONDS = 10


async def all_tenants(session: Session) -> list[int]:
    """The ids of all tenants."""
    tenant = wiring.metadata().tables["tenant"]
    return list(await session.scalars(select(tenant.c.id).order_by(tenant.c.id)))


def job_app(context: Context) -> procrastinate.App:
    """All tasks of `wiring`, registered with the queue."""
    database = context.database
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(
            conninfo=database.url,
            kwargs={"options": database.options},
            min_size=1,
            max_size=CONCURRENCY + 1,
        )
    )
    for name, task in TASKS.items():
        _register(app, context, name, task)
    for name, cron in wiring.NIGHTLY:
        _register_nightly(app, context, name, cron)
    return app


def _register(app: procrastinate.App, context: Context, name: str, task: Task) -> None:
    @app.task(name=name, retry=RETRY)
    async def run(tenant_id: int, **args: Any) -> None:
        await task(context, context.unit(tenant_id, name), args)


def _register_nightly(app: procrastinate.App, context: Context, name: str, cron: str) -> None:
    @app.periodic(cron=cron, periodic_id=name)
    @app.task(name=f"{name}.all_tenants", pass_context=False)
    async def run(timestamp: int) -> None:  # noqa: ARG001 - the queue passes it
        for tenant_id in await context.database.unit(None)(all_tenants):
            await app.configure_task(name, queueing_lock=f"{name}:{tenant_id}").defer_async(
                tenant_id=tenant_id
            )


async def sweep(context: Context, name: str, seconds: float, task: Task) -> None:
    """Do one thing for every tenant, again and again; a failure is logged and tried next time."""
    while True:
        try:
            for tenant_id in await context.database.unit(None)(all_tenants):
                await task(context, context.unit(tenant_id, name), {})
        except Exception:
            log.exception("sweep %s failed", name)
        await asyncio.sleep(seconds)


async def run(settings: Settings) -> None:
    """Work until cancelled."""
    install_subscribers(wiring.SUBSCRIBERS)
    masters = MasterKeys.load(settings.master_key_path, create=True)
    database = open_database(settings, masters)
    providers = open_providers(settings)
    context = Context(database, providers, settings)
    try:
        await check_safe(database)
        app = job_app(context)
        async with app.open_async(), asyncio.TaskGroup() as group:
            for name, seconds, task in SWEEPS:
                group.create_task(sweep(context, name, seconds, task), name=name)
            await app.run_worker_async(
                concurrency=CONCURRENCY,
                install_signal_handlers=False,
                delete_jobs=procrastinate.jobs.DeleteJobCondition.SUCCESSFUL,
                shutdown_graceful_timeout=STOP_SECONDS,
            )
    finally:
        await providers.close()
        await database.close()
