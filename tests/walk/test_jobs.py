"""No job and no sweep of one tenant sees or changes another's rows, whatever it is told."""

from datetime import timedelta
from typing import Any

from msgspec import structs

from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.kit.settings import Settings
from shanmen.wiring import NIGHTLY, SUBSCRIBERS, SWEEPS, TASKS, Context
from tests.walk.conftest import Walk
from tests.walk.test_isolation import changed

ARGUMENTS: dict[str, dict[str, Any]] = {
    "orders.follow_admissions": {"ticket_ids": ["ticket_id"]},
    "orders.send_refund": {"refund_id": "refund_id"},
}
"""What a job is told, by the names of rows; jobs that are missing here are told nothing."""

LATER = timedelta(days=40)
"""By then every hold has lapsed, every key is old and every slot is over: jobs have work."""


def context(walk: Walk) -> Context:
    settings = structs.replace(Settings(), app_role=walk.database.app_role)
    return Context(walk.database, walk.app.state.providers, settings)


async def run(walk: Walk, name: str, args: dict[str, Any]) -> None:
    task = TASKS.get(name) or {sweep: work for sweep, _, work in SWEEPS}[name]
    made = context(walk)
    try:
        await task(made, made.unit(walk.own.tenant_id, name), args)
    except (DomainError, LookupError):
        return  # It found nothing of its own under another tenant's id, and said so.


def arguments(name: str, values: dict[str, str]) -> dict[str, Any]:
    return {
        key: [values[one] for one in wanted] if isinstance(wanted, list) else values[wanted]
        for key, wanted in ARGUMENTS.get(name, {}).items()
    }


def test_every_job_that_is_told_something_is_known_here():
    assert set(ARGUMENTS) <= set(TASKS)
    heard = {name for names in SUBSCRIBERS.values() for name in names}
    told_nothing = heard - set(ARGUMENTS)
    assert not told_nothing, f"Say in ARGUMENTS what these jobs are told: {sorted(told_nothing)}"
    assert {name for name, _ in NIGHTLY} <= set(TASKS)


async def test_no_job_touches_another_tenant(walk: Walk):
    before = walk.rows.checksums(walk.other.tenant_id)
    values = {
        **walk.other.values,
        "refund_id": walk.rows.one(walk.other.tenant_id, "refund", "id"),
    }
    for name in [*TASKS, *(sweep for sweep, _, _ in SWEEPS)]:
        await run(walk, name, arguments(name, values))
        with clock.shifted(LATER):
            await run(walk, name, arguments(name, values))
        found = changed(before, walk.rows.checksums(walk.other.tenant_id))
        assert found == [], f"{name} changed {found} of another tenant"


async def test_jobs_do_their_work_for_their_own(walk: Walk):
    """The same walk for the tenant itself: its hold lapses, so the sweep was not idle."""
    assert walk.rows.one(walk.own.tenant_id, "orders", "status", "status = 'expired'") == "expired"
    assert walk.rows.one(walk.other.tenant_id, "orders", "status", "status = 'held'") == "held"
