"""A bundle's further visits, in words: the cableway beside the gate."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shanmen.db.session import Session
from shanmen.inventory import queries as inventory
from shanmen.kit import clock
from shanmen.orders.pages.browse import span
from shanmen.orders.rules import Line
from shanmen.web import i18n
from shanmen.web.i18n import Locale


@dataclass(frozen=True, slots=True)
class Further:
    """A further visit of a bundle: what it is to, and when."""

    pool: dict[str, str]
    starts_at: datetime
    ends_at: datetime

    def text(self, timezone: str, locale: Locale) -> str:
        """The name of what it is to, with its time."""
        starts, ends = (clock.local(at, timezone) for at in (self.starts_at, self.ends_at))
        return named(self.pool, span(starts, ends, locale), locale)


def named(pool: dict[str, str] | None, time: str, locale: Locale) -> str:
    """A time with the name of what it is for."""
    return i18n.t(locale, "orders.pool_time", name=i18n.localized(pool, locale), time=time)


def further_slots(lines: Iterable[Line]) -> set[UUID]:
    """The slots of an order's bundles beside their visits'."""
    return {slot for line in lines for slot in line.slot_ids[1:]}


async def read_further(
    session: Session, *, slots: Collection[UUID], site_id: UUID
) -> dict[UUID, Further]:
    """The further visits that bundles have in these slots; nothing is read where there are none."""
    if not slots:
        return {}
    names = {pool.id: pool.name for pool in await inventory.pools(session, site_id=site_id)}
    found = await inventory.slots_by_id(session, ids=slots)
    return {
        slot.id: Further(names.get(slot.pool_id, {}), slot.starts_at, slot.ends_at)
        for slot in found.values()
    }
