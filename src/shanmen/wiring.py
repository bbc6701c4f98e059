"""How the modules are put together: all tables, all jobs, who hears which event."""

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
from shanmen.db.base import Base


def metadata() -> MetaData:
    """The whole schema."""
    return Base.metadata
