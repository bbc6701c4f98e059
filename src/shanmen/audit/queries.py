"""Reading the audit log: filtered, newest first, in pages."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from shanmen.audit.models import AuditEntry
from shanmen.db.session import Session
from shanmen.kit import clock

PAGE_SIZE = 50
MAX_COUNTED = 10_000
"""Rows beyond this many are reached by narrowing the dates, so that no page counts millions."""
RECENT = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an entry; a side is None where the field did not exist."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, as it was noted."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: str
    actor_label: str
    ip: str
    action: str
    entity: str
    entity_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str

    @property
    def changes(self) -> tuple[Change, ...]:
        """The entry field by field, in the order in which the fields were noted."""
        old, new = self.before or {}, self.after or {}
        names = dict.fromkeys([*old, *new])
        return tuple(Change(name, old.get(name), new.get(name)) for name in names)


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; an empty value filters nothing.

    `who` is a part of the actor's label; `action` is a whole action or, ending in a full stop, its
    beginning (``orders.``); `since` is included and `until` is not.
    """

    who: str = ""
    action: str = ""
    entity: str = ""
    entity_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as conditions of a query."""
        found: list[ColumnElement[bool]] = []
        if self.who:
            found.append(AuditEntry.actor_label.icontains(self.who, autoescape=True))
        if self.action.endswith("."):
            found.append(AuditEntry.action.startswith(self.action, autoescape=True))
        elif self.action:
            found.append(AuditEntry.action == self.action)
        if self.entity:
            found.append(AuditEntry.entity == self.entity)
        if self.entity_id:
            found.append(AuditEntry.entity_id == self.entity_id)
        if self.since:
            found.append(AuditEntry.at >= self.since)
        if self.until:
            found.append(AuditEntry.at < self.until)
        return found


def midnight(day: date | None, timezone: str, *, after: int = 0) -> datetime | None:
    """When a day (or one some days `after`) begins somewhere; None where the calendar ends."""
    if day is None:
        return None
    try:
        return clock.to_utc(day + timedelta(days=after), time(), timezone)
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries; `more` says that there are further ones than were counted."""

    entries: tuple[Entry, ...]
    page: int
    pages: int
    total: int
    more: bool


async def list_entries(
    session: Session, *, where: Filter | None = None, page: int = 1, page_size: int = PAGE_SIZE
) -> Page:
    """The entries that match, newest first; `page` counts from 1 and is kept within the pages."""
    condition = and_(AuditEntry.tenant_id == session.tenant_id, *(where or Filter()).conditions())
    counted = select(AuditEntry.id).where(condition).limit(MAX_COUNTED + 1).subquery()
    found = (await session.execute(select(func.count()).select_from(counted))).scalar_one()
    total = min(found, MAX_COUNTED)
    pages = max(1, -(-total // page_size))
    page = min(max(1, page), pages)
    rows = await session.execute(
        select(AuditEntry)
        .where(condition)
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    entries = tuple(_entry(row) for row in rows.scalars())
    return Page(entries, page, pages, total, more=found > MAX_COUNTED)


async def history(
    session: Session, *, entity: str, entity_id: str | int | UUID, limit: int = PAGE_SIZE
) -> tuple[Entry, ...]:
    """What happened to one thing, newest first."""
    where = Filter(entity=entity, entity_id=str(entity_id))
    return (await list_entries(session, where=where, page_size=limit)).entries


async def recent_actions(session: Session) -> tuple[str, ...]:
    """The actions among the latest entries, sorted: what a reader may want to filter by."""
    latest = (
        select(AuditEntry.action)
        .where(AuditEntry.tenant_id == session.tenant_id)
        .order_by(AuditEntry.at.desc())
        .limit(RECENT)
        .subquery()
    )
    rows = await session.execute(select(latest.c.action).distinct())
    return tuple(sorted(rows.scalars()))


def _entry(row: AuditEntry) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_label=row.actor_label,
        ip=row.ip,
        action=row.action,
        entity=row.entity,
        entity_id=row.entity_id,
        before=row.before,
        after=row.after,
        reason=row.reason,
    )
