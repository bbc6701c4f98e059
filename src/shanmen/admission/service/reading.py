"""What a batch of scans must know besides the rows of its tickets, read by one statement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from shanmen.admission import records
from shanmen.admission.records import History, ScanRecord
from shanmen.admission.service import around
from shanmen.admission.service.around import RulesThere
from shanmen.admission.service.lane_rows import (
    LaneRow,
    PolicyRow,
    lanes_statement,
    policies,
    policies_statement,
)
from shanmen.catalog.queries import version_statement
from shanmen.db.pipeline import Statement, gathered
from shanmen.sites.places import Place, places_statement
from shanmen.tickets import gate
from shanmen.tickets.gate import GateHolder


@dataclass(frozen=True, slots=True)
class Asked:
    """What a batch is about."""

    scans: frozenset[UUID]
    lanes: frozenset[UUID]
    tickets: frozenset[UUID]
    documents: frozenset[int]
    """Blind indexes of the documents that are shown."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found."""

    catalog_version: int
    places: Mapping[UUID, Place]
    policies: Mapping[UUID, PolicyRow]
    rules: RulesThere
    lanes: dict[UUID, LaneRow]
    holders: dict[UUID, tuple[GateHolder, ...]]
    histories: dict[UUID, History]
    known: dict[UUID, ScanRecord]
    """Scans that were decided before."""
    documents_admitted: dict[int, datetime]


class _Version(Struct):
    version: int


class _Used(Struct):
    ticket_id: UUID
    entered_at: datetime | None
    entrance_id: UUID | None
    entrances: list[UUID] | None
    persons: list[int] | None
    came_by: list[UUID] | None
    came: list[int] | None


class _Person(Struct):
    ticket_id: UUID
    seq: int
    name: str
    document_kind: str
    document_index: int


class _Admitted(Struct):
    document_index: int
    at: datetime


_versions = msgspec.json.Decoder(list[_Version]).decode
_rules = msgspec.json.Decoder(list[RulesThere]).decode
_lanes = msgspec.json.Decoder(list[LaneRow]).decode
_people = msgspec.json.Decoder(list[_Person]).decode
_used = msgspec.json.Decoder(list[_Used]).decode
_scans = msgspec.json.Decoder(list[ScanRecord]).decode
_admitted = msgspec.json.Decoder(list[_Admitted]).decode
_all_places = msgspec.json.Decoder(list[Place]).decode
_all_policies = msgspec.json.Decoder(list[dict[str, Any]]).decode


def statement(tenant_id: int, asked: Asked, *, now: datetime) -> Statement:
    """Read all of it, after the tickets were locked; its row makes `reading`."""
    queries = [
        version_statement(tenant_id),
        places_statement(tenant_id),
        policies_statement(tenant_id),
        around.rules_statement(tenant_id),
        lanes_statement(tenant_id, asked.lanes),
        gate.holders_statement(tenant_id, asked.tickets),
        records.history_statement(tenant_id, asked.tickets, now=now),
        records.by_id_statement(tenant_id, asked.scans),
    ]
    if asked.documents:
        queries.append(
            records.document_history_statement(tenant_id, asked.tickets, asked.documents, now=now)
        )
    return gathered(queries)


def reading(row: Iterable[str | None]) -> Reading:
    """What the row of `statement` says."""
    version, where, policy, rules, lanes, people, used, known, *admitted = (
        text or "[]" for text in row
    )
    return Reading(
        catalog_version=max((each.version for each in _versions(version)), default=0),
        places=_places(where),
        policies=_policies(policy),
        rules=_rules(rules)[0],
        lanes={lane.id: lane for lane in _lanes(lanes)},
        holders=gate.holders(
            (p.ticket_id, p.seq, bytes.fromhex(p.name[2:]), p.document_kind, p.document_index)
            for p in _people(people)
        ),
        histories={
            u.ticket_id: History(
                u.entered_at, u.entrance_id, u.entrances, u.persons, u.came_by, u.came
            )
            for u in _used(used)
        },
        known={scan.id: scan for scan in _scans(known)},
        documents_admitted={
            one.document_index: one.at for text in admitted for one in _admitted(text)
        },
    )


# What an operator has set up changes so seldom that the same text comes with every batch.
@lru_cache(maxsize=256)
def _places(text: str) -> Mapping[UUID, Place]:
    return MappingProxyType({place.entrance_id: place for place in _all_places(text)})


@lru_cache(maxsize=256)
def _policies(text: str) -> Mapping[UUID, PolicyRow]:
    rows = [list(row.values()) for row in _all_policies(text)]
    return MappingProxyType(policies((UUID(site), *rest) for site, *rest in rows))
