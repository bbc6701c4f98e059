"""Lanes and each site's rules at the gate, as the hot path reads them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from shanmen.admission.rules import Policy
from shanmen.db.pipeline import Statement, array

Rows = Iterable[Sequence[Any]]

LANES = """
SELECT id, entrance_id, number, name, direction, active FROM lane
WHERE tenant_id = %s AND id = ANY(%s::uuid[])
"""
POLICIES = """
SELECT site_id, grace_before_minutes, grace_after_minutes, repeat_seconds, entrances, anti_passback,
    companions, static_codes, passage_seconds, ask_budget_ms, day_key_days
FROM gate_policy WHERE tenant_id = %s
"""


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane as it stands."""

    id: UUID
    entrance_id: UUID
    number: int
    name: dict[str, str]
    direction: str
    active: bool

    @property
    def inward(self) -> bool:
        """Whether anybody can come in through it."""
        return self.active and self.direction != "out"


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A site's rules at the gate."""

    policy: Policy = field(default_factory=Policy)
    entrances: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    """The only entrances of a ticket type, by the type's id."""
    companions: frozenset[str] = frozenset()
    """Ids of the types that enter only with somebody of another type."""
    static_codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By the type's id and the channel: what a code that does not change must prove."""
    passage_seconds: int = 8
    ask_budget_ms: int = 150
    day_key_days: int = 3

    def static_rule(self, ticket_type_id: UUID, channel: str) -> str:
        """What a static code of such a ticket must prove; empty is what the ticket itself says."""
        rules = self.static_codes.get(str(ticket_type_id), {})
        return rules.get(channel) or rules.get("", "")


def lanes_statement(tenant_id: int, ids: Iterable[UUID]) -> Statement:
    """Read lanes; rows make `lanes`."""
    return Statement(LANES, (tenant_id, array(ids)))


def lanes(rows: Rows) -> dict[UUID, LaneRow]:
    """Lanes by id."""
    return {row[0]: LaneRow(*row) for row in rows}


def policies_statement(tenant_id: int) -> Statement:
    """Read the rules of all sites; rows make `policies`."""
    return Statement(POLICIES, (tenant_id,))


def policies(rows: Rows) -> dict[UUID, PolicyRow]:
    """Rules by site; a site that is missing has the defaults."""
    return {
        site_id: PolicyRow(
            Policy(
                grace_before=timedelta(minutes=before),
                grace_after=timedelta(minutes=after),
                repeat_after=timedelta(seconds=repeat),
                anti_passback=passback,
            ),
            {kind: frozenset(map(UUID, ids)) for kind, ids in entrances.items() if ids},
            frozenset(companions),
            *rest,
        )
        for site_id, before, after, repeat, entrances, passback, companions, *rest in rows
    }
