"""How the modules are put together: all tables, routes, jobs, and who hears which event."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData

import shanmen.admission.models
import shanmen.audit.models
import shanmen.catalog.models
import shanmen.db.idempotency
import shanmen.inventory.models
import shanmen.ledger.models
import shanmen.orders.models
import shanmen.payments.models
import shanmen.sites.models
import shanmen.tickets.models  # noqa: F401
from shanmen.admission.jobs import forget_feed
from shanmen.db.base import Base
from shanmen.db.session import Actor, Database, Unit
from shanmen.insight import stock_audit
from shanmen.inventory.jobs import extend_slots
from shanmen.inventory.sales import install_teller
from shanmen.kit.settings import Settings
from shanmen.ledger import service as ledger
from shanmen.orders import jobs as orders
from shanmen.orders.service.count import sold_in
from shanmen.payments.registry import Providers

install_teller(sold_in)


def metadata() -> MetaData:
    """The whole schema."""
    return Base.metadata


@dataclass(frozen=True, slots=True)
class Context:
    """What a job may use."""

    database: Database
    providers: Providers
    settings: Settings

    def unit(self, tenant_id: int, task: str) -> Unit:
        """Runs use cases for one tenant, as the system."""
        return self.database.unit(tenant_id, actor=Actor("system", label=task))


Task = Callable[[Context, Unit, dict[str, Any]], Awaitable[object]]

SUBSCRIBERS: dict[str, tuple[str, ...]] = {
    # event                    jobs that hear it
    "admission.tickets_used": ("orders.follow_admissions",),
    "payments.refund_requested": ("orders.send_refund",),
}
"""Who hears which event: a job for each is deferred in the transaction that publishes it."""

TASKS: dict[str, Task] = {
    "orders.follow_admissions": lambda _, unit, args: orders.follow_admissions(unit, **args),
    "orders.send_refund": lambda c, unit, args: orders.send_refund(unit, c.providers, **args),
    "inventory.extend_slots": lambda _, unit, __: unit(extend_slots),
    "orders.forget_old_keys": lambda _, unit, __: orders.forget_old_keys(unit),
    "orders.record_no_shows": lambda _, unit, __: orders.record_no_shows(unit),
    "admission.forget_feed": lambda _, unit, __: unit(forget_feed),
    "insight.audit_stock": lambda _, unit, __: unit(stock_audit.report),
    "ledger.audit": lambda _, unit, __: unit(ledger.report),
}
"""What each job does. All are safe to run twice."""

NIGHTLY: tuple[tuple[str, str], ...] = (
    # Seven in the evening in UTC is three in the morning in China, where most sites are.
    ("inventory.extend_slots", "10 19 * * *"),
    ("orders.record_no_shows", "20 19 * * *"),
    ("orders.forget_old_keys", "40 19 * * *"),
    ("insight.audit_stock", "10 20 * * *"),
    ("ledger.audit", "15 20 * * *"),
    ("admission.forget_feed", "25 20 * * *"),
)
"""Jobs that a clock starts for every tenant, with their cron times in UTC."""

SWEEPS: tuple[tuple[str, float, Task], ...] = (
    ("orders.sweep_holds", 1.0, lambda _, unit, __: orders.sweep_holds(unit)),
    (
        "orders.ask_about_payments",
        10.0,
        lambda c, unit, _: orders.ask_about_payments(unit, c.providers),
    ),
)
"""What the worker does for every tenant every so many seconds, by an index and mostly in vain."""
