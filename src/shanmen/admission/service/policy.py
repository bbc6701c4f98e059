"""What a site asks of its gates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from shanmen.admission.errors import (
    BadStaticRule,
    EntranceUnknown,
    OutOfRange,
    SiteUnknown,
    TicketTypeUnknown,
)
from shanmen.admission.models import GatePolicy
from shanmen.admission.protocol import MOST_PATIENCE_MS
from shanmen.admission.queries import PolicyView, all_places, policy_of
from shanmen.admission.rules import DOCUMENT, FREE
from shanmen.audit import service as audit
from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session

RANGES = {
    "grace_before_minutes": (0, 1440),
    "grace_after_minutes": (0, 1440),
    "repeat_seconds": (0, 3600),
    "passage_seconds": (1, 120),
    "ask_budget_ms": (0, MOST_PATIENCE_MS),
    "day_key_days": (0, 31),
}


async def set_policy(
    session: Session,
    *,
    site_id: UUID,
    grace_before_minutes: int | None = None,
    grace_after_minutes: int | None = None,
    repeat_seconds: int | None = None,
    passage_seconds: int | None = None,
    ask_budget_ms: int | None = None,
    day_key_days: int | None = None,
    entrances: Mapping[UUID, Sequence[UUID]] | None = None,
    anti_passback: bool | None = None,
    companions: Collection[UUID] | None = None,
    static_codes: Mapping[UUID, Mapping[str, str]] | None = None,
) -> PolicyView:
    """Set what a site asks of its gates; None leaves a setting as it is.

    Figures are within `RANGES`.

    Args:
        entrances: for a ticket type, the only entrances that admit it; a type that is missing, or
            has an empty list, is admitted everywhere.
        anti_passback: nobody enters a zone again before leaving it.
        companions: ticket types that enter only with somebody of another type.
        static_codes: for a ticket type and a channel (empty for all others) what a code must prove
            that does not change: ``free`` or ``document``.

    Raises:
        SiteUnknown, EntranceUnknown, TicketTypeUnknown, BadStaticRule, OutOfRange: naming the
        field.
    """
    own = {p.entrance_id for p in (await all_places(session)).values() if p.site_id == site_id}
    if not own:
        raise SiteUnknown(field="site_id")
    before = await policy_of(session, site_id=site_id)
    figures = {
        "grace_before_minutes": grace_before_minutes,
        "grace_after_minutes": grace_after_minutes,
        "repeat_seconds": repeat_seconds,
        "passage_seconds": passage_seconds,
        "ask_budget_ms": ask_budget_ms,
        "day_key_days": day_key_days,
    }
    given: dict[str, Any] = {name: each for name, each in figures.items() if each is not None}
    for name, value in given.items():
        _within(name, value)
    after = replace(before, **given)
    if entrances is not None:
        after = replace(after, entrances={k: tuple(v) for k, v in entrances.items() if v})
    if anti_passback is not None:
        after = replace(after, anti_passback=anti_passback)
    if companions is not None:
        after = replace(after, companions=frozenset(companions))
    if static_codes is not None:
        after = replace(after, static_codes={k: dict(v) for k, v in static_codes.items() if v})
    await _check(session, after, own)
    facts = after.facts()
    await session.execute(
        insert(GatePolicy)
        .values(tenant_id=session.tenant_id, site_id=site_id, **facts)
        .on_conflict_do_update(index_elements=["tenant_id", "site_id"], set_=facts)
    )
    await audit.record(
        session,
        action="admission.policy_changed",
        entity="site",
        entity_id=site_id,
        before=before.facts(),
        after=facts,
    )
    return after


async def _check(session: Session, wanted: PolicyView, own: set[UUID]) -> None:
    if any(set(several) - own for several in wanted.entrances.values()):
        raise EntranceUnknown(field="entrances")
    kinds = {kind.id for kind in (await current_catalog(session)).of_site(wanted.site_id)}
    for field, named in (
        ("entrances", set(wanted.entrances)),
        ("companions", set(wanted.companions)),
        ("static_codes", set(wanted.static_codes)),
    ):
        if named - kinds:
            raise TicketTypeUnknown(field=field)
    rules = {rule for each in wanted.static_codes.values() for rule in each.values()}
    if rules - {FREE, DOCUMENT}:
        raise BadStaticRule(field="static_codes")


def _within(name: str, value: int) -> None:
    low, high = RANGES[name]
    if not low <= value <= high:
        raise OutOfRange(field=name, low=low, high=high)
