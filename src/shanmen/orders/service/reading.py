"""What a batch of orders reads once its keys and subjects of limits are locked, by one statement.

Its rows come as JSON, see `pipeline.gathered`; here they become the rows that each module makes of
them what it needs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from shanmen.catalog.queries import version_statement
from shanmen.db.idempotency import Known, lookup_statement
from shanmen.db.pipeline import Statement, gathered
from shanmen.orders.service.limits import Reading

Rows = list[tuple[Any, ...]]


class _Version(Struct):
    version: int


class _Known(Struct):
    key_hash: str
    request_hash: str
    status: int
    answer: str


class _Counted(Struct):
    subject: int
    ticket_type_id: UUID
    visit_day: date
    slot_id: UUID
    count: int


class _Restricted(Struct):
    document_index: int
    scope: str
    until_day: date
    contacts: dict[str, str] | None


_versions = msgspec.json.Decoder(list[_Version]).decode
_known = msgspec.json.Decoder(list[_Known]).decode
_OF_LIMITS: dict[str, Callable[[str], list[Any]]] = {
    "documents": msgspec.json.Decoder(list[_Counted]).decode,
    "phones": msgspec.json.Decoder(list[_Counted]).decode,
    "restricted": msgspec.json.Decoder(list[_Restricted]).decode,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What was there."""

    version: int
    """Of the catalog; no row is version 0."""
    known: dict[bytes, Known]
    limits: dict[str, Rows]
    """By the argument of `Usage`."""


def statement(
    tenant_id: int, *, keys: Iterable[bytes], reading: Reading
) -> tuple[Statement, list[str]]:
    """The statement whose row `found` reads, and what limits it asks for, in this order."""
    of_limits = reading.statements(tenant_id)
    queries = [version_statement(tenant_id), lookup_statement(tenant_id, keys)]
    return gathered([*queries, *of_limits.values()]), list(of_limits)


def found(row: tuple[str | None, ...], asked: Iterable[str]) -> Found:
    """What the row of `statement` says."""
    version, known, *counted = row
    return Found(
        version=_versions(version)[0].version if version else 0,
        known={
            _bytes(k.key_hash): Known(_bytes(k.request_hash), k.status, _bytes(k.answer))
            for k in (_known(known) if known else ())
        },
        limits={
            name: [structs.astuple(each) for each in _OF_LIMITS[name](text)]
            for name, text in zip(asked, counted, strict=True)
            if text is not None
        },
    )


def _bytes(text: str) -> bytes:
    r"""A bytea as PostgreSQL writes it: ``\x`` and its digits."""
    return bytes.fromhex(text[2:])
