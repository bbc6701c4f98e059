"""Whether a ticket would open a gate in the slot that it is sold for, or moved to.

The rule itself is `Catalog.admits`, over `kit.hours`; here it becomes a refusal. It asks the
catalog alone, so it costs a sale no statement.
"""

from datetime import datetime

from shanmen.catalog.admission_hours import told_in_all
from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.orders.errors import OutsideHours


def check_hours(
    catalog: Catalog,
    kind: TicketTypeInfo,
    starts_at: datetime,
    ends_at: datetime,
    *,
    timezone: str,
    path: str,
) -> None:
    """Raise OutsideHours where the type's hours of admission leave out the whole slot."""
    if not catalog.admits(kind, starts_at, ends_at, timezone):
        raise outside_hours(kind, path=path)


def outside_hours(kind: TicketTypeInfo, *, path: str) -> OutsideHours:
    """The refusal, which names the ticket type and when it admits."""
    return OutsideHours(field=path, ticket_type=kind.name, hours=told_in_all(kind.admission_hours))
