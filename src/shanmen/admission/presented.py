"""Recognising what was presented at a gate: a ticket's code, a document number, a short number.

Scanners are keyboards, and keyboards have caps lock and input methods: letters may come in the
wrong case and digits full-width. Both are put right before anything is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from nacl.signing import SigningKey

from shanmen.admission.rules import Code
from shanmen.admission.schemas import GateScan, ScanRequest
from shanmen.kit import documents
from shanmen.kit.crypto import Keyring
from shanmen.tickets import token
from shanmen.tickets.gate import document_indexes
from shanmen.tickets.token import TicketBody

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Presented:
    """What a scan presents, as far as it can be read without the database."""

    code: Code
    body: TicketBody | None = None
    """What a signed code says."""
    tail: str | None = None
    """The part of a signed code that changes."""
    number: tuple[str, int] | None = None
    """Order number and the ticket's number within the order."""
    documents: tuple[int, ...] = ()
    """Blind indexes that the shown document may have."""
    shows_document: bool = False
    empty: bool = False


def recognise(scan: ScanRequest, *, keyring: Keyring, keys: Mapping[int, SigningKey]) -> Presented:
    """Read one scan; nothing is looked up."""
    text = scan.code.strip()
    shows = bool(scan.document.strip())
    shown = document_indexes(scan.document, keyring=keyring) if shows else ()
    if not text:
        code = Code.DOCUMENT if shown else Code.MISTYPED if shows else Code.UNREADABLE
        return Presented(code, documents=shown, shows_document=shows, empty=not shows)
    if scan.kind == "code" or (scan.kind == "auto" and token.looks_like_token(text)):
        return _read_code(text, keys, shown, shows=shows)
    number = token.short_number(text) if scan.kind != "document" else None
    if number is not None:
        return Presented(Code.TYPED, number=number, documents=shown, shows_document=shows)
    if scan.kind != "number":
        found = document_indexes(text, keyring=keyring)
        if found:
            return Presented(Code.DOCUMENT, documents=found, shows_document=True)
    if scan.kind == "document" or documents.is_shaped_18(text):
        return Presented(Code.MISTYPED, documents=shown, shows_document=shows)
    return Presented(Code.UNREADABLE, documents=shown, shows_document=shows)


def mark_of(scan: ScanRequest, *, keyring: Keyring) -> int | None:
    """A mark of what a scan asks, by which the same id with another question is told.

    Under a key, because document numbers can be enumerated. Who stands at the gate decides nothing
    and is left out. None for what an enrolled gate asks: it may ask again knowing more, and its
    journal is the truth of its scans.
    """
    if isinstance(scan, GateScan):
        return None
    said = (scan.lane_id, scan.code, scan.kind, scan.document, scan.persons, scan.direction)
    return keyring.blind_index(_encode(said), purpose="scan")


def _read_code(
    text: str, keys: Mapping[int, SigningKey], shown: tuple[int, ...], *, shows: bool
) -> Presented:
    try:
        _, tail = token.split(text)
        body = token.verify_own(text, keys)
    except (token.TokenBadSignature, token.TokenUnknownKey):
        return Presented(Code.FORGED, documents=shown, shows_document=shows)
    except (token.TokenMalformed, token.TokenVersion):
        return Presented(Code.UNREADABLE, documents=shown, shows_document=shows)
    return Presented(Code.STATIC, body=body, tail=tail, documents=shown, shows_document=shows)
