"""Changing what is sold: ticket types, their prices and draws, special days.

Every change first raises the tenant's catalog version. That row is locked until the transaction
ends, so changes of one tenant's catalog happen one after the other, and the audit log's "before" is
what stood there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from shanmen.audit import service as audit
from shanmen.catalog import errors
from shanmen.catalog.models import PriceRule, SpecialDay, TicketType, TicketTypeDraw
from shanmen.catalog.queries import forget_snapshot, ticket_type
from shanmen.catalog.rules import Draw, RefundRule, RefundStep, TicketTypeInfo, fingerprint
from shanmen.catalog.schemas import (
    PriceSpec,
    SpecialDaySpec,
    TicketTypeSpec,
    checked,
    price_problems,
    refuse_first,
    ticket_type_problems,
)
from shanmen.db import outbox
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.sites import queries as sites

MOST_TYPES = 32_767
"""The number of a type is a 16-bit integer."""

RAISE_VERSION = text(
    "INSERT INTO catalog_version (tenant_id, version) VALUES (:tenant, 1) "
    "ON CONFLICT (tenant_id) DO UPDATE SET version = catalog_version.version + 1 RETURNING version"
)


async def raise_version(session: Session) -> int:
    """Tell every process to read the catalog anew, and lock the catalog for this transaction."""
    forget_snapshot(session)
    version = await session.scalar(RAISE_VERSION, {"tenant": session.tenant_id})
    return int(version or 0)


async def create_ticket_type(
    session: Session, *, site_id: UUID, spec: TicketTypeSpec
) -> TicketTypeInfo:
    """Add a ticket type; its number is the next one of the site.

    Raises:
        FormInvalid, or a coded error of `catalog.errors`: naming the field.
    """
    spec = await _checked(session, site_id=site_id, spec=spec)
    await raise_version(session)
    number = await session.scalar(
        select(func.coalesce(func.max(TicketType.number), 0) + 1).where(
            TicketType.tenant_id == session.tenant_id, TicketType.site_id == site_id
        )
    )
    if number is None or number > MOST_TYPES:
        raise errors.TooManyTicketTypes(most=MOST_TYPES)
    row = TicketType(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        site_id=site_id,
        number=number,
        created_at=clock.now(),
        **_columns(spec),
    )
    session.add(row)
    await session.flush()
    info = await ticket_type(session, ticket_type_id=row.id)
    await audit.record(
        session,
        action="catalog.ticket_type_created",
        entity="ticket_type",
        entity_id=row.id,
        before=None,
        after=audited(info),
    )
    return info


async def edit_ticket_type(
    session: Session, *, ticket_type_id: UUID, spec: TicketTypeSpec, seen: str | None = None
) -> TicketTypeInfo:
    """Replace everything about a ticket type except its prices and draws.

    Tickets that were sold keep what they were sold with; only hours of admission hold for them as
    well. `seen` is the `fingerprint` of what the caller edited; None overwrites whatever is there.

    Raises:
        TicketTypeNotFound, CatalogChanged, FormInvalid, or a coded error naming the field.
    """
    await raise_version(session)
    before = await ticket_type(session, ticket_type_id=ticket_type_id)
    _same(before, seen)
    spec = await _checked(session, site_id=before.site_id, spec=spec)
    row = await _row(session, ticket_type_id)
    for name, value in _columns(spec).items():
        setattr(row, name, value)
    await session.flush()
    if spec.days_ahead > before.days_ahead:
        # Slots exist as far ahead as tickets are sold; the nightly run would come too late.
        await outbox.defer(session, outbox.Job("inventory.extend_slots"))
    return await _changed(session, "catalog.ticket_type_changed", before)


async def set_on_sale(session: Session, *, ticket_type_id: UUID, on_sale: bool) -> TicketTypeInfo:
    """Put a ticket type on sale or take it off; tickets that were sold stay valid."""
    await raise_version(session)
    before = await ticket_type(session, ticket_type_id=ticket_type_id)
    row = await _row(session, ticket_type_id)
    row.on_sale = on_sale
    await session.flush()
    action = "catalog.ticket_type_put_on_sale" if on_sale else "catalog.ticket_type_taken_off_sale"
    return await _changed(session, action, before)


async def set_prices(
    session: Session,
    *,
    ticket_type_id: UUID,
    prices: Sequence[PriceSpec],
    seen: str | None = None,
) -> TicketTypeInfo:
    """Replace a ticket type's price table. Orders keep the price they were placed at.

    Raises:
        TicketTypeNotFound, CatalogChanged, SeasonReversed, WeekdayMissing, PriceTwice.
    """
    prices = [checked(price) for price in prices]
    refuse_first(price_problems(prices))
    await raise_version(session)
    before = await ticket_type(session, ticket_type_id=ticket_type_id)
    _same(before, seen)
    await session.execute(
        delete(PriceRule).where(
            PriceRule.tenant_id == session.tenant_id, PriceRule.ticket_type_id == ticket_type_id
        )
    )
    # Ids grow in the order of the table, which decides between rules of the same rank.
    session.add_all(
        PriceRule(
            tenant_id=session.tenant_id,
            id=ids.new_id(),
            ticket_type_id=ticket_type_id,
            name=price.name.strip(),
            amount_fen=price.amount_fen,
            date_from=price.date_from,
            date_until=price.date_until,
            weekdays=price.weekdays,
            day_kind=price.day_kind,
            priority=price.priority,
        )
        for price in prices
    )
    await session.flush()
    return await _changed(session, "catalog.prices_changed", before)


async def set_draws(
    session: Session, *, ticket_type_id: UUID, draws: Sequence[Draw], seen: str | None = None
) -> TicketTypeInfo:
    """Say which pools each ticket takes places from; the first sets the visit's slot.

    Use `inventory.service.set_stock`, which also checks the pools and the type's caps.

    Raises:
        TicketTypeNotFound, CatalogChanged, DrawTwice.
    """
    pools = [draw.pool_id for draw in draws]
    for index, pool in enumerate(pools):
        if pool in pools[:index]:
            raise errors.DrawTwice(field=f"draws.{index}.pool_id")
    await raise_version(session)
    before = await ticket_type(session, ticket_type_id=ticket_type_id)
    _same(before, seen)
    await session.execute(
        delete(TicketTypeDraw).where(
            TicketTypeDraw.tenant_id == session.tenant_id,
            TicketTypeDraw.ticket_type_id == ticket_type_id,
        )
    )
    session.add_all(
        TicketTypeDraw(
            tenant_id=session.tenant_id,
            ticket_type_id=ticket_type_id,
            position=position,
            pool_id=draw.pool_id,
            quantity=draw.quantity,
        )
        for position, draw in enumerate(draws)
    )
    await session.flush()
    return await _changed(session, "catalog.draws_changed", before)


async def set_special_days(
    session: Session, *, site_id: UUID, days: Iterable[SpecialDaySpec]
) -> list[date]:
    """Set the kind of days against the public calendar; returns the days.

    Use `inventory.service.set_special_days`, which also brings the slots of those days in line.
    """
    wanted = {day.day: day for day in (checked(day) for day in days)}
    await raise_version(session)
    before = await _special_days(session, site_id, wanted)
    for day in wanted.values():
        values = {"day_kind": day.day_kind, "name": day.name.names()}
        await session.execute(
            insert(SpecialDay)
            .values(tenant_id=session.tenant_id, site_id=site_id, day=day.day, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "site_id", "day"], set_=values)
        )
        await audit.record(
            session,
            action="catalog.special_day_set",
            entity="special_day",
            entity_id=day.day.isoformat(),
            before=before.get(day.day),
            after=values,
        )
    return sorted(wanted)


async def remove_special_days(
    session: Session, *, site_id: UUID, days: Iterable[date]
) -> list[date]:
    """Let days follow the public calendar again; returns the days.

    Raises:
        SpecialDayNotFound: the operator has set nothing for one of them.
    """
    wanted = sorted(set(days))
    await raise_version(session)
    before = await _special_days(session, site_id, wanted)
    for day in wanted:
        if day not in before:
            raise errors.SpecialDayNotFound(field="day", day=day.isoformat())
        await audit.record(
            session,
            action="catalog.special_day_removed",
            entity="special_day",
            entity_id=day.isoformat(),
            before=before[day],
            after=None,
        )
    await session.execute(
        delete(SpecialDay).where(
            SpecialDay.tenant_id == session.tenant_id,
            SpecialDay.site_id == site_id,
            SpecialDay.day.in_(wanted),
        )
    )
    return wanted


def audited(info: TicketTypeInfo) -> dict[str, Any]:
    """A ticket type as the audit log compares it."""
    return asdict(info)


def _same(info: TicketTypeInfo, seen: str | None) -> None:
    if seen is not None and seen != fingerprint(info):
        raise errors.CatalogChanged


async def _changed(session: Session, action: str, before: TicketTypeInfo) -> TicketTypeInfo:
    after = await ticket_type(session, ticket_type_id=before.id)
    await audit.record(
        session,
        action=action,
        entity="ticket_type",
        entity_id=before.id,
        before=audited(before),
        after=audited(after),
    )
    return after


async def _row(session: Session, ticket_type_id: UUID) -> TicketType:
    row = await session.get(TicketType, (session.tenant_id, ticket_type_id), populate_existing=True)
    if row is None:
        raise errors.TicketTypeNotFound
    return row


async def _checked(session: Session, *, site_id: UUID, spec: TicketTypeSpec) -> TicketTypeSpec:
    spec = checked(spec)
    zones = await sites.zones(session, site_id=site_id)
    refuse_first(ticket_type_problems(spec, zones=[zone.number for zone in zones]))
    return spec


async def _special_days(
    session: Session, site_id: UUID, days: Iterable[date]
) -> dict[date, Mapping[str, Any]]:
    rows = await session.scalars(
        select(SpecialDay)
        .where(
            SpecialDay.tenant_id == session.tenant_id,
            SpecialDay.site_id == site_id,
            SpecialDay.day.in_(list(days)),
        )
        .execution_options(populate_existing=True)
    )
    return {row.day: {"day_kind": row.day_kind, "name": row.name} for row in rows}


def _columns(spec: TicketTypeSpec) -> dict[str, Any]:
    refund = RefundRule(
        tuple(
            RefundStep(step.hours_before, step.fee_percent)
            for step in sorted(spec.refund, key=lambda step: -step.hours_before)
        )
    )
    return {
        "name": spec.name.names(),
        "description": spec.description.names(),
        "audience": spec.audience,
        "party_size": spec.party_size,
        "documents": spec.documents,
        "min_age": spec.min_age,
        "max_age": spec.max_age,
        "entries": spec.entries,
        "valid_days": spec.valid_days,
        "zones": sum(1 << number for number in set(spec.zones)),
        "rotating": spec.rotating,
        "second_factor": spec.second_factor,
        "min_per_order": spec.min_per_order,
        "max_per_order": spec.max_per_order,
        "days_ahead": spec.days_ahead,
        "sale_closes_minutes": spec.sale_closes_minutes,
        "refund": msgspec.to_builtins(refund),
        "reschedule": msgspec.to_builtins(spec.reschedule),
        "limits": msgspec.to_builtins(spec.limits),
        "admission_hours": [msgspec.to_builtins(window.window) for window in spec.admission_hours],
        "channels": sorted(set(spec.channels)),
        "on_sale": spec.on_sale,
        "position": spec.position,
    }
