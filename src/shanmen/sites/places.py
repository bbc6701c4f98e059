"""Zones and entrances as the hot paths need them: all of a tenant's, in one statement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shanmen.db.pipeline import Statement

PLACES = """
SELECT e.id AS entrance_id, e.number AS entrance_number, e.name AS entrance_name, e.active,
    z.number AS zone_number, z.name AS zone_name,
    s.id AS site_id, s.number AS site_number, s.name AS site_name, s.timezone
FROM entrance e
JOIN zone z ON z.tenant_id = e.tenant_id AND z.id = e.zone_id
JOIN site s ON s.tenant_id = e.tenant_id AND s.id = e.site_id
WHERE e.tenant_id = %s
ORDER BY s.number, z.number, e.number
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An entrance with the zone it leads into and its site."""

    entrance_id: UUID
    entrance_number: int
    entrance_name: dict[str, str]
    active: bool
    zone_number: int
    zone_name: dict[str, str]
    site_id: UUID
    site_number: int
    site_name: dict[str, str]
    timezone: str


def places_statement(tenant_id: int) -> Statement:
    """Read all entrances of the tenant; rows make `places`."""
    return Statement(PLACES, (tenant_id,))


def places(rows: Iterable[Sequence[Any]]) -> dict[UUID, Place]:
    """Entrances by id, in order of site, zone and number."""
    return {row[0]: Place(*row) for row in rows}
