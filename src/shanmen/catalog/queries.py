"""Reads of the catalog: the snapshot that every process keeps per tenant."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Engine, select, text

from shanmen.catalog.errors import TicketTypeNotFound
from shanmen.catalog.models import (
    ChannelHold,
    PriceRule,
    SpecialDay,
    TicketType,
    TicketTypeDraw,
)
from shanmen.catalog.rules import (
    Catalog,
    Draw,
    Limits,
    RefundRule,
    RescheduleRule,
    TicketTypeInfo,
)
from shanmen.catalog.rules import PriceRule as Price
from shanmen.db.pipeline import Statement
from shanmen.db.session import Session, Unit
from shanmen.kit.days import DayKind
from shanmen.kit.hours import Window

# One process may serve several databases (tests do), so each has its own.
_snapshots: WeakKeyDictionary[Engine, dict[int, Catalog]] = WeakKeyDictionary()
VERSION = text("SELECT version FROM catalog_version WHERE tenant_id = :tenant")
_CHANGED_HERE = "catalog_changed"


async def current_catalog(session: Session) -> Catalog:
    """The tenant's catalog as this transaction sees it.

    One small read tells the version; the whole is loaded only when it changed.
    """
    version = await session.scalar(VERSION, {"tenant": session.tenant_id})
    return await catalog_at(session, version or 0)


def known_catalog(session: Session) -> Catalog | None:
    """The catalog that this process read last; None where it read none.

    Whoever works with it sends `version_statement` along with what locks, and begins anew where
    the version is another.
    """
    if session.info.get(_CHANGED_HERE):
        return None
    return _snapshots.get(session.get_bind().engine, {}).get(session.tenant_id)


def version_statement(tenant_id: int) -> Statement:
    """Read the catalog's version among other statements; no row is version 0."""
    return Statement("SELECT version FROM catalog_version WHERE tenant_id = %s", (tenant_id,))


async def catalog_at(session: Session, version: int) -> Catalog:
    """The catalog of a version that the caller has just read in this transaction."""
    if session.info.get(_CHANGED_HERE):
        # What this transaction changed is nobody else's catalog before it commits: after a rollback
        # another change would get the same version.
        return await _load(session, version)
    snapshots = _snapshots.setdefault(session.get_bind().engine, {})
    known = snapshots.get(session.tenant_id)
    while known is None or known.version != version:
        known = await _load(session, version)
        # The tables are read by several statements; a change between them would mix two versions.
        version = await session.scalar(VERSION, {"tenant": session.tenant_id}) or 0
    snapshots[session.tenant_id] = known
    return known


async def catalog_of(unit: Unit, version: int) -> Catalog:
    """The catalog of a version that was just read outside of a session; or a later one."""
    known = _snapshots.get(unit.database.engine.sync_engine, {}).get(unit.tenant_id or 0)
    if known is not None and known.version == version:
        return known
    return await unit(current_catalog)


def forget_snapshot(session: Session) -> None:
    """Let this transaction read the tables from now on, because it changes them."""
    session.info[_CHANGED_HERE] = True


async def ticket_type(session: Session, *, ticket_type_id: UUID) -> TicketTypeInfo:
    """One ticket type as the tables have it now; raises TicketTypeNotFound."""
    row = await session.scalar(
        select(TicketType)
        .where(TicketType.tenant_id == session.tenant_id, TicketType.id == ticket_type_id)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise TicketTypeNotFound
    draws = await session.execute(
        select(TicketTypeDraw.pool_id, TicketTypeDraw.quantity)
        .where(
            TicketTypeDraw.tenant_id == session.tenant_id,
            TicketTypeDraw.ticket_type_id == ticket_type_id,
        )
        .order_by(TicketTypeDraw.position)
    )
    prices = await session.scalars(
        select(PriceRule)
        .where(PriceRule.tenant_id == session.tenant_id, PriceRule.ticket_type_id == ticket_type_id)
        .order_by(PriceRule.id)
    )
    return _type_info(
        row, tuple(Draw(*draw) for draw in draws), tuple(_price(rule) for rule in prices)
    )


async def special_days(
    session: Session, *, site_id: UUID, first: date, last: date
) -> dict[date, "SpecialDayView"]:
    """The days from `first` to `last` whose kind the operator set."""
    rows = await session.execute(
        select(SpecialDay.day, SpecialDay.day_kind, SpecialDay.name)
        .where(
            SpecialDay.tenant_id == session.tenant_id,
            SpecialDay.site_id == site_id,
            SpecialDay.day.between(first, last),
        )
        .order_by(SpecialDay.day)
    )
    return {day: SpecialDayView(day, DayKind(kind), name) for day, kind, name in rows}


@dataclass(frozen=True, slots=True)
class SpecialDayView:
    """A day whose kind the operator set."""

    day: date
    day_kind: DayKind
    name: dict[str, str]


def day_kind_of(catalog: Catalog, site_id: UUID, day: date) -> DayKind:
    """The kind of a day at a site: what the operator set, else what the public calendar says."""
    return catalog.day_kind(site_id, day)


async def _load(session: Session, version: int) -> Catalog:
    fresh = {"populate_existing": True}
    tenant = session.tenant_id
    types = (
        await session.scalars(
            select(TicketType).where(TicketType.tenant_id == tenant).execution_options(**fresh)
        )
    ).all()
    draws: dict[UUID, list[Draw]] = {}
    for draw in await session.scalars(
        select(TicketTypeDraw)
        .where(TicketTypeDraw.tenant_id == tenant)
        .order_by(TicketTypeDraw.position)
        .execution_options(**fresh)
    ):
        draws.setdefault(draw.ticket_type_id, []).append(Draw(draw.pool_id, draw.quantity))
    prices: dict[UUID, list[Price]] = {}
    for rule in await session.scalars(
        select(PriceRule).where(PriceRule.tenant_id == tenant).order_by(PriceRule.id)
    ):
        prices.setdefault(rule.ticket_type_id, []).append(_price(rule))
    special: dict[UUID, dict[date, DayKind]] = {}
    for day in await session.scalars(
        select(SpecialDay).where(SpecialDay.tenant_id == tenant).execution_options(**fresh)
    ):
        special.setdefault(day.site_id, {})[day.day] = DayKind(day.day_kind)
    holds = await session.execute(
        select(ChannelHold.channel, ChannelHold.seconds).where(ChannelHold.tenant_id == tenant)
    )
    return Catalog(
        tenant_id=tenant,
        version=version,
        types={
            t.id: _type_info(t, tuple(draws.get(t.id, ())), tuple(prices.get(t.id, ())))
            for t in types
        },
        special_days=special,
        hold_seconds={row.channel: row.seconds for row in holds},
    )


def _price(rule: PriceRule) -> Price:
    return Price(
        amount_fen=rule.amount_fen,
        date_from=rule.date_from,
        date_until=rule.date_until,
        weekdays=rule.weekdays,
        day_kind=rule.day_kind,
        priority=rule.priority,
        name=rule.name,
    )


def _type_info(t: TicketType, draws: tuple[Draw, ...], prices: tuple[Price, ...]) -> TicketTypeInfo:
    return TicketTypeInfo(
        id=t.id,
        site_id=t.site_id,
        number=t.number,
        name=t.name,
        description=t.description,
        audience=t.audience,
        party_size=t.party_size,
        documents=t.documents,
        min_age=t.min_age,
        max_age=t.max_age,
        entries=t.entries,
        valid_days=t.valid_days,
        zones=t.zones,
        rotating=t.rotating,
        second_factor=t.second_factor,
        min_per_order=t.min_per_order,
        max_per_order=t.max_per_order,
        days_ahead=t.days_ahead,
        sale_closes_minutes=t.sale_closes_minutes,
        refund=read_rule(t.refund, RefundRule),
        reschedule=read_rule(t.reschedule, RescheduleRule),
        limits=read_rule(t.limits, Limits),
        channels=frozenset(t.channels),
        on_sale=t.on_sale,
        position=t.position,
        draws=draws,
        prices=prices,
        admission_hours=read_rule(t.admission_hours, tuple[Window, ...]),
    )


def read_rule(value: Any, kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind given
    """A rule from its JSON column; msgspec checks types and names what is wrong."""
    return msgspec.convert(value, kind)
