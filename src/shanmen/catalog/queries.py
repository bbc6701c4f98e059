"""Reads of the catalog: the snapshot that every process keeps per tenant."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from shanmen.catalog.models import (
    CatalogVersion,
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
from shanmen.db.session import Session
from shanmen.kit.days import DayKind

_snapshots: dict[tuple[str, int], Catalog] = {}


async def current_catalog(session: Session) -> Catalog:
    """The tenant's catalog as this transaction sees it.

    One small read tells the version; the whole is loaded only when it changed.
    """
    version = await session.scalar(
        select(CatalogVersion.version).where(CatalogVersion.tenant_id == session.tenant_id)
    )
    return await catalog_at(session, version or 0)


async def catalog_at(session: Session, version: int) -> Catalog:
    """The catalog of a version that the caller has just read in this transaction."""
    # One process may serve several databases (tests do), so the address is part of the key.
    key = (str(session.get_bind().engine.url), session.tenant_id)
    known = _snapshots.get(key)
    if known is None or known.version != version:
        known = _snapshots[key] = await _load(session, version)
    return known


async def _load(session: Session, version: int) -> Catalog:
    types = (await session.scalars(select(TicketType))).all()
    draws: dict[UUID, list[Draw]] = {}
    for draw in await session.scalars(select(TicketTypeDraw).order_by(TicketTypeDraw.position)):
        draws.setdefault(draw.ticket_type_id, []).append(Draw(draw.pool_id, draw.quantity))
    prices: dict[UUID, list[Price]] = {}
    for rule in await session.scalars(select(PriceRule)):
        prices.setdefault(rule.ticket_type_id, []).append(_price(rule))
    special: dict[UUID, dict[date, DayKind]] = {}
    for day in await session.scalars(select(SpecialDay)):
        special.setdefault(day.site_id, {})[day.day] = DayKind(day.day_kind)
    return Catalog(
        tenant_id=session.tenant_id,
        version=version,
        types={
            t.id: _type_info(t, tuple(draws.get(t.id, ())), tuple(prices.get(t.id, ())))
            for t in types
        },
        special_days=special,
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
    )


def read_rule(value: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind given
    """A rule from its JSON column; msgspec checks types and names what is wrong."""
    return msgspec.convert(value, kind)
